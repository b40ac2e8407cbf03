"""OctoPrint health checks for what keeps failing and what is about to fail.

Import this module only in the health check hook: its imports need OctoPrint 1.11 or later.
"""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any, Callable, NamedTuple

from octoprint.plugins.health_check.checks import CheckResult, HealthCheck, Result

from ..history.outlook import HOURS_A_DAY, Outlook
from ..why.host import HostState
from ..why.trends import ALMOST_FULL_BYTES, Trend, disk_trend, memory_trend
from ..why.verdict import UNKNOWN
from ..why.vitals import Vitals
from ..why.words import in_general

WEEK_DAYS = 7
KEPT_DAYS = 14

POWER_LOSSES_FOR_WARNING = 2
POWER_LOSSES_FOR_ISSUE = 5
DISK_DAYS_FOR_WARNING = 7
DISK_DAYS_FOR_ISSUE = 1
MEMORY_DAYS_FOR_WARNING = 3
UNDERVOLTAGES_A_DAY = 3
THROTTLED_SECONDS_A_DAY = 3600
HALF_AN_HOUR = 1800
LOST_CONNECTIONS_FOR_WARNING = 5
UNSET_CLOCK_HOURS = 24

HOUR_STEPS = ((96, 24), (48, 12), (24, 6), (0, 1))
"""From how many hours on which step is precise enough."""

SAME_LOOK_SECONDS = 1.0
"""OctoPrint runs all checks in a row. Within this time they share one look."""


class Look(NamedTuple):
    """The facts at one moment.

    Attributes:
        vitals: What :meth:`VitalSigns.peek` returns.
        host: The current state of the host.
        online: Returns whether OctoPrint reaches the internet, if its connectivity check is
            enabled. May block.
        past: The recorded history; ``None`` if it is not available.
    """

    vitals: Vitals
    host: HostState
    online: Callable[[], bool]
    past: Outlook | None


OK = CheckResult()


def checks(look: Callable[[], Look | None]) -> list[type[HealthCheck]]:
    """Return the check classes that OctoPrint's hook expects.

    Args:
        look: Returns the current facts; ``None`` before the plugin is initialized.
    """
    shared = _SharedLook(look)
    return [_check(f"octoprint_uptime_{name}", rule, shared) for name, rule in RULES.items()]


class _SharedLook:
    """One look for all checks in a row. It is freed afterwards, as the past can take megabytes."""

    def __init__(self, look: Callable[[], Look | None]) -> None:
        self._look = look
        self._seen: Look | None = None
        self._until = 0.0

    def __call__(self) -> Look | None:
        began = time.monotonic()
        seen = self._seen
        if began < self._until:
            return seen
        seen = self._seen = self._look()
        now = time.monotonic()
        # If the disk hangs, only the first check waits for it.
        for_seconds = SAME_LOOK_SECONDS if seen and seen.past else now - began
        self._until = now + for_seconds
        if seen:
            timer = threading.Timer(for_seconds, self._let_go, (seen,))
            timer.daemon = True
            timer.start()
        return seen

    def _let_go(self, seen: Look) -> None:
        if self._seen is seen:
            self._seen, self._until = None, 0.0


def _check(
    key_: str, rule: Callable[[Look], CheckResult], look: Callable[[], Look | None]
) -> type[HealthCheck]:
    class Check(HealthCheck):
        key = key_

        def perform_check(self, force: bool = False) -> CheckResult:
            seen = look()
            return OK if seen is None else rule(seen)

    return Check


def _power(look: Look) -> CheckResult:
    """Check whether the host keeps losing power."""
    seen = look.past and look.past.timeline.power_losses(WEEK_DAYS)
    if not seen or seen.losses < POWER_LOSSES_FOR_WARNING:
        return OK
    return _result(seen.losses >= POWER_LOSSES_FOR_ISSUE, days=WEEK_DAYS, **seen._asdict())


def _disk(look: Look) -> CheckResult:
    """Check whether the disk will soon be full."""
    left = look.vitals.get("disk_free_bytes")
    if left is None:
        return OK
    free = look.past.points("disk_free_bytes", KEPT_DAYS) if look.past else []
    trend = disk_trend(free, left)
    days = trend.days_left if trend else math.inf
    is_issue = left < ALMOST_FULL_BYTES or days < DISK_DAYS_FOR_ISSUE
    if not is_issue and days >= DISK_DAYS_FOR_WARNING:
        return OK
    return _result(is_issue, free_bytes=_about(left), **_told(trend))


def _memory(look: Look) -> CheckResult:
    """Check whether OctoPrint will soon use up all memory."""
    available = look.vitals.get("memory_available_bytes")
    if available is None or look.past is None:
        return OK
    used = look.past.points("process_memory_bytes", KEPT_DAYS, of_this_run=True)
    trend = memory_trend(used, available)
    if trend is None or trend.days_left >= MEMORY_DAYS_FOR_WARNING:
        return OK
    return _result(
        False,
        process_bytes=_about(look.vitals["process_memory_bytes"]),
        available_bytes=_about(available),
        **_told(trend),
    )


def _undervoltage(look: Look) -> CheckResult:
    """Check whether the power supply is too weak."""
    times = look.past.undervoltages(1) if look.past else 0
    return _result(False, times=_about(times)) if times > UNDERVOLTAGES_A_DAY else OK


def _heat(look: Look) -> CheckResult:
    """Check whether heat slows down the processor."""
    if look.past is None:
        return OK
    seconds = sum(point.value for point in look.past.points("throttled_seconds", 1))
    if seconds < THROTTLED_SECONDS_A_DAY:
        return OK
    hottest = max(point.value for point in look.past.points("cpu_celsius", 1))
    minutes = round(seconds / HALF_AN_HOUR) * HALF_AN_HOUR // 60
    return _result(False, minutes=minutes, celsius=round(hottest))


def _filesystem(look: Look) -> CheckResult:
    """Check whether the file system has errors or is read-only."""
    errors = _counted(_error_counts(look), look.vitals.get("filesystem_errors"))
    read_only = bool(look.vitals.get("disk_read_only"))
    if not errors and not read_only:
        return OK
    return _result(True, errors=errors, read_only=read_only, days=WEEK_DAYS)


def _error_counts(look: Look) -> list[float]:
    if look.past:
        return look.past.counts("filesystem_errors", WEEK_DAYS)
    # A failing disk may cost the history first.
    at_start = look.vitals.get("filesystem_errors_at_start")
    return [] if at_start is None else [at_start]


def _connection(look: Look) -> CheckResult:
    """Check whether the printer connection is lost again and again."""
    reasons = look.past.timeline.lost_connections(WEEK_DAYS) if look.past else []
    if len(reasons) < LOST_CONNECTIONS_FOR_WARNING:
        return OK
    known = Counter(reason for reason in reasons if reason != UNKNOWN)
    ((reason, times),) = (known or Counter(reasons)).most_common(1)
    text, advice = in_general("printer", "error", reason)
    return _result(
        False,
        days=WEEK_DAYS,
        losses=len(reasons),
        reason=reason,
        times=times,
        text=text,
        advice=advice,
    )


def _clock(look: Look) -> CheckResult:
    """Check whether the clock stays unset although there is a network."""
    if look.past is None or look.host.clock_set is not False or not look.host.network:
        return OK
    hours = look.past.last_hours(UNSET_CLOCK_HOURS)
    signs = [hour.vitals for hour in hours]
    unset = [sign.get("clock_set") == 0 and sign.get("network") == 1 for sign in signs]
    if not unset or not all(unset) or not look.online():
        return OK
    return _result(False, hours=UNSET_CLOCK_HOURS)


RULES: dict[str, Callable[[Look], CheckResult]] = {
    "power": _power,
    "disk": _disk,
    "memory": _memory,
    "undervoltage": _undervoltage,
    "heat": _heat,
    "filesystem": _filesystem,
    "connection": _connection,
    "clock": _clock,
}
"""The checks by their keys without the prefix ``octoprint_uptime_``."""


def _result(is_issue: bool, **context: Any) -> CheckResult:
    return CheckResult(result=Result.ISSUE if is_issue else Result.WARNING, context=context)


def _told(trend: Trend | None) -> dict[str, int]:
    if trend is None:
        return {}
    return {"bytes_a_day": _about(trend.a_day), "hours_left": _hours(trend.days_left)}


def _hours(days: float) -> int:
    """Round down by less than a fifth, or to whole hours; less than one hour is one.

    Rounded, because OctoPrint forgets that a result was marked as seen when it changes. Down,
    because nobody should rely on time that is not there.
    """
    hours = days * HOURS_A_DAY
    step = next(step for least, step in HOUR_STEPS if hours >= least)
    return max(1, int(hours // step * step))


def _about(count: float) -> int:
    """Round to two digits, for the first of these reasons."""
    return int(float(f"{count:.1e}"))


def _counted(counts: Sequence[float], now: float | None) -> int:
    """Return how far a counter has risen since its last reset, if any."""
    if now is None:
        return 0
    lowest = now
    for count in reversed(counts):
        if count > lowest:
            break
        lowest = count
    return int(now - lowest)
