"""The same facts in OpenMetrics, gathered when Prometheus asks for them."""

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

OPENMETRICS = "application/openmetrics-text"
CLOCK_STEP_SECONDS = 0.1
"""Two clocks are never read at the same instant; less than this is no step of one."""

_SINCE = (
    " Counted since the history was begun: restarts and pruning leave it as it is;"
    " clearing the history, or beginning a damaged one anew, makes it 0."
)

_REASONS_FROM_ZERO = (("octoprint", "crash"), ("system", "power_loss"))
"""The ends whose reasons are told before they happen, so that Prometheus has seen the 0.

All would triple what it keeps of a printer.
"""

_GAUGES = {
    "system_start_time_seconds": "Unix time at which the host booted, by its own wall clock.",
    "process_start_time_seconds": "Unix time at which OctoPrint started, by the host's wall clock.",
    "printer_connected_time_seconds": (
        "Unix time at which OctoPrint connected to the printer, by the host's wall clock;"
        " absent while there is no connection."
    ),
    "system_uptime_seconds": (
        "How long the host has been up, right even where its wall clock is wrong."
    ),
    "process_uptime_seconds": (
        "How long OctoPrint has been up, right even where the host's wall clock is wrong."
    ),
    "printer_connected": "Whether OctoPrint is connected to a printer: 1 or 0.",
}


class UptimeCollector(Collector):
    """What Prometheus is told.

    Args:
        uptimes: The uptimes at this moment.
        totals: How often everything happened, and why; ``None`` while nobody can tell.
        build: Names and values of the labels of ``octoprint_uptime_build_info``.
        wall_clock: The Unix time at this moment.
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
        self._wall_clock = wall_clock
        self._start_times: dict[str, float] = {}

    def collect(self) -> Iterator[Metric]:
        uptimes = self._uptimes()
        yield from self._gauges(uptimes)
        totals = self._totals()
        if totals is not None:
            yield from _counters(*totals)
        yield InfoMetricFamily(
            "octoprint_uptime_build", "Versions of the software at work.", self._build
        )

    def _gauges(self, uptimes: Uptimes) -> Iterator[Metric]:
        values = {
            "system_start_time_seconds": self._start_time("system", uptimes.host),
            "process_start_time_seconds": self._start_time("process", uptimes.octoprint),
            "printer_connected_time_seconds": self._start_time("printer", uptimes.printer),
            "system_uptime_seconds": _whole(uptimes.host),
            "process_uptime_seconds": _whole(uptimes.octoprint),
            "printer_connected": 0.0 if uptimes.printer is None else 1.0,
        }
        for name, value in values.items():
            if value is not None:
                unit = "seconds" if name.endswith("_seconds") else ""
                yield GaugeMetricFamily(f"octoprint_uptime_{name}", _GAUGES[name], value, unit=unit)

    def _start_time(self, name: str, uptime: float | None) -> float | None:
        """The Unix time of a start, to the last digit the same until it moves.

        Prometheus keeps a number that stays as it is in a bit or two, and ``changes()``
        takes one that does not for a restart.
        """
        if uptime is None:
            return None
        start_time = self._wall_clock() - uptime
        told = self._start_times.get(name)
        if told is None or abs(start_time - told) > CLOCK_STEP_SECONDS:
            told = self._start_times[name] = round(start_time, 3)
        return told


def _whole(seconds: float | None) -> float | None:
    """Without the fraction, which would be a third of what Prometheus stores of a printer."""
    return None if seconds is None else math.floor(seconds)


def _counters(totals: Totals, reasons: Reasons) -> Iterator[Metric]:
    ends = CounterMetricFamily(
        "octoprint_uptime_ends",
        "How often OctoPrint, the host or the printer connection ended, by how." + _SINCE,
        labels=("subject", "end"),
    )
    for subject, ways in ENDS.items():
        for end in ways:
            ends.add_metric((subject, end), totals.get((subject, end), 0))
    yield ends
    by_reason = CounterMetricFamily(
        "octoprint_uptime_ends_by_reason",
        "How often OctoPrint or the host ended, by how and why." + _SINCE,
        labels=("subject", "end", "reason"),
    )
    for (subject, end), possible in REASONS.items():
        for reason in possible:
            count = reasons.get((subject, end, reason), 0)
            if count or (subject, end) in _REASONS_FROM_ZERO:
                by_reason.add_metric((subject, end, reason), count)
    yield by_reason
    yield CounterMetricFamily(
        "octoprint_uptime_interrupted_prints",
        "How many prints ended because OctoPrint did." + _SINCE,
        totals.get(("octoprint", "interrupted_print"), 0),
    )
    yield CounterMetricFamily(
        "octoprint_uptime_undervoltage_runs",
        "In how many runs of OctoPrint undervoltage was seen." + _SINCE,
        totals.get(("octoprint", "undervoltage"), 0),
    )


def _takes_openmetrics(accept: str) -> bool:
    return any(
        media_range.partition(";")[0] == OPENMETRICS and quality > 0
        for media_range, quality in parse_accept_header(accept, MIMEAccept)
    )


class Metrics:
    """The collector with a registry of its own: other plugins' metrics stay out of it."""

    def __init__(self, collector: Collector) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(collector)

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """Body and content type for a scraper that sent this ``Accept`` header.

        OpenMetrics where it takes that, else the older text format.
        """
        # Not the header itself: choose_encoder raises at versions that are no numbers.
        encode, content_type = choose_encoder(OPENMETRICS if _takes_openmetrics(accept) else "")
        return encode(self._registry), content_type
