"""Uptimes and counts in OpenMetrics, gathered on each scrape."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from typing import Callable

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

from ..history.ends import ENDS
from ..history.record import Reasons, Totals
from ..reader import Uptimes
from ..why.verdict import REASONS
from .start_times import StartTimes

OPENMETRICS = "application/openmetrics-text"

_SINCE = (
    " Counted since the history began: restarts and pruning do not change it;"
    " clearing the history, or replacing a damaged one, resets it to 0."
)

_REASONS_FROM_ZERO = (("octoprint", "crash"), ("system", "power_loss"))
"""The ends whose reasons are exported before they first happen, so that Prometheus sees the 0.

Exporting all reasons would triple what Prometheus stores for a printer. Reasons of lost
connections also start at 0.
"""
LOST = ("printer", "error")

_GAUGES = {
    "system_start_time_seconds": "Unix time at which the host booted, by its own wall clock.",
    "process_start_time_seconds": "Unix time at which OctoPrint started, by the host's wall clock.",
    "printer_connected_time_seconds": (
        "Unix time at which OctoPrint connected to the printer, by the host's wall clock;"
        " absent while there is no connection."
    ),
    "system_uptime_seconds": "Uptime of the host, independent of its wall clock.",
    "process_uptime_seconds": "Uptime of OctoPrint, independent of the host's wall clock.",
    "printer_connected": "Whether OctoPrint is connected to a printer: 1 or 0.",
}


class UptimeCollector(Collector):
    """Collects the metrics for Prometheus.

    Args:
        uptimes: Returns the current uptimes.
        totals: Returns how often each end and each reason occurred; ``None`` if the history is
            not available.
        build: Names and values of the labels of ``octoprint_uptime_build_info``.
        wall_clock: Returns the current Unix time.
    """

    def __init__(
        self,
        uptimes: Callable[[], Uptimes],
        totals: Callable[[], tuple[Totals, Reasons] | None],
        build: Mapping[str, str],
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._uptimes = uptimes
        self._totals = totals
        self._build = dict(build)
        # Prometheus stores an unchanged number in a bit or two, and changes() counts each change
        # as a restart.
        self._start_times = StartTimes(wall_clock)

    def collect(self) -> Iterator[Metric]:
        uptimes = self._uptimes()
        yield from self._gauges(uptimes)
        totals = self._totals()
        if totals is not None:
            yield from _counters(*totals)
        yield InfoMetricFamily(
            "octoprint_uptime_build", "Versions of the plugin, OctoPrint and Python.", self._build
        )

    def _gauges(self, uptimes: Uptimes) -> Iterator[Metric]:
        values = {
            "system_start_time_seconds": self._start_times.of("system", uptimes.host),
            "process_start_time_seconds": self._start_times.of("process", uptimes.octoprint),
            "printer_connected_time_seconds": self._start_times.of("printer", uptimes.printer),
            "system_uptime_seconds": _whole(uptimes.host),
            "process_uptime_seconds": _whole(uptimes.octoprint),
            "printer_connected": 0.0 if uptimes.printer is None else 1.0,
        }
        for name, value in values.items():
            if value is not None:
                unit = "seconds" if name.endswith("_seconds") else ""
                yield GaugeMetricFamily(f"octoprint_uptime_{name}", _GAUGES[name], value, unit=unit)


def _whole(seconds: float | None) -> float | None:
    """Drop the fraction: it would be a third of what Prometheus stores for a printer."""
    return None if seconds is None else math.floor(seconds)


def _counters(totals: Totals, reasons: Reasons) -> Iterator[Metric]:
    ends = CounterMetricFamily(
        "octoprint_uptime_ends",
        "Number of ends of OctoPrint, the host or the printer connection, by kind of end." + _SINCE,
        labels=("subject", "end"),
    )
    for subject, ways in ENDS.items():
        for end in ways:
            ends.add_metric((subject, end), totals.get((subject, end), 0))
    yield ends
    by_reason = CounterMetricFamily(
        "octoprint_uptime_ends_by_reason",
        "Number of ends of OctoPrint or the host, by kind of end and reason." + _SINCE,
        labels=("subject", "end", "reason"),
    )
    for (subject, end), possible in REASONS.items():
        if subject == "printer":
            continue
        for reason in possible:
            count = reasons.get((subject, end, reason), 0)
            if count or (subject, end) in _REASONS_FROM_ZERO:
                by_reason.add_metric((subject, end, reason), count)
    yield by_reason
    lost = CounterMetricFamily(
        "octoprint_uptime_connections_lost",
        "Number of lost printer connections, by reason." + _SINCE,
        labels=("reason",),
    )
    for reason in REASONS[LOST]:
        lost.add_metric((reason,), reasons.get((*LOST, reason), 0))
    yield lost
    yield CounterMetricFamily(
        "octoprint_uptime_interrupted_prints",
        "Number of prints that an end of OctoPrint interrupted." + _SINCE,
        totals.get(("octoprint", "interrupted_print"), 0),
    )
    yield CounterMetricFamily(
        "octoprint_uptime_undervoltage_runs",
        "Number of OctoPrint runs with undervoltage." + _SINCE,
        totals.get(("octoprint", "undervoltage"), 0),
    )
    yield CounterMetricFamily(
        "octoprint_uptime_undervoltage",
        "Number of times that undervoltage was detected." + _SINCE,
        totals.get(("octoprint", "undervoltages"), 0),
    )


def _takes_openmetrics(accept: str) -> bool:
    return any(
        media_range.partition(";")[0] == OPENMETRICS and quality > 0
        for media_range, quality in parse_accept_header(accept, MIMEAccept)
    )


class Metrics:
    """The collector in a separate registry, without the metrics of other plugins."""

    def __init__(self, collector: Collector) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(collector)

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """Return the body and content type for a scraper that sent this ``Accept`` header.

        The format is OpenMetrics if the scraper accepts it, else the older text format.
        """
        # choose_encoder raises on versions that are not numbers, so it does not get the header.
        encode, content_type = choose_encoder(OPENMETRICS if _takes_openmetrics(accept) else "")
        return encode(self._registry), content_type
