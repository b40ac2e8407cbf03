"""What is running out, from hourly values: whether it keeps shrinking, and how long it will last.

Pure. A daily rhythm is no trend, and neither are files that are deleted again. So each value is
compared with the one a day earlier, and with earlier lows.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from typing import NamedTuple

DISK_DAYS = 3.0
"""How many days the disk's rate is computed from."""
ALMOST_FULL_BYTES = 200_000_000

_HALF_AN_HOUR = 0.5 / 24
# For the disk, too few pairs of points a day apart prove nothing, and neither does too short a
# time: three days of a host that is on for six hours.
_FEWEST_PAIRS = 12
_OLDEST_DAYS = 2.25
# This share of the pairs must lose at least this part of the average loss.
_STEADY_SHARE = 0.9
_STEADY_LOSS = 0.25
# A value that changes more within a day than it loses in many days has a daily rhythm.
_SWING_SHARE = 0.25
# Space that came back with less than a day to go did not come back by routine.
_SAFE_DAYS = 1.0
_NEW_LOW_DAYS = 1.0
_ROUTINE = 2
# For memory.
_QUARTERS = 4
_FEWEST_IN_QUARTER = 4
_STEADY_RISE = 0.4
_STEADY_DAY = 0.5
_NEW_HIGH_DAYS = 0.5
# This many hours together hide the spike of one.
_AT_ONCE = 3


class Point(NamedTuple):
    """A value and how many days ago it was."""

    days_ago: float
    value: float


class Trend(NamedTuple):
    """How much is left, and how much is lost a day, in the same unit."""

    left: float
    a_day: float

    @property
    def days_left(self) -> float:
        """How many days it lasts at this rate."""
        return self.left / self.a_day


def disk_trend(free: Sequence[Point], left: float) -> Trend | None:
    """How fast a disk fills up, if it does so steadily.

    It does if each of the last three days had less space than the day before at the same time,
    and if space has not repeatedly come back from such a low level: then files are deleted
    regularly.

    Args:
        free: The free bytes of all known hours, oldest first.
        left: The free bytes now.

    Returns:
        ``None`` if there is no trend or too little data.
    """
    recent = [point for point in free if point.days_ago <= DISK_DAYS + _HALF_AN_HOUR]
    losses = _losses_a_day(recent)
    if len(losses) < _FEWEST_PAIRS or recent[0].days_ago < _OLDEST_DAYS:
        return None
    a_day = statistics.fmean(losses)
    steady = sum(loss >= a_day * _STEADY_LOSS for loss in losses)
    if a_day <= 0 or steady < _STEADY_SHARE * len(losses):
        return None
    if a_day < _SWING_SHARE * _swing(recent, a_day):
        return None
    safe = max(a_day * _SAFE_DAYS, ALMOST_FULL_BYTES)
    lows = _lows([*_levels(free), left], turn=a_day * _NEW_LOW_DAYS)
    if sum(safe < low <= left + a_day * _NEW_LOW_DAYS for low in lows) >= _ROUTINE:
        return None
    return Trend(left, a_day)


def memory_trend(used: Sequence[Point], available: float) -> Trend | None:
    """How fast a process uses up memory, if it has kept growing for a day.

    It has if each quarter of the day contributed, and if it was never as large before and then
    shrank again.

    Args:
        used: The bytes of the process at each hour since its start, oldest first.
        available: The bytes that the host has available now.

    Returns:
        ``None`` if there is no trend or too little data.
    """
    recent = [point for point in used if point.days_ago <= 1 + _HALF_AN_HOUR]
    earlier = used[: len(used) - len(recent)]
    latest = recent[-_AT_ONCE:]
    day_before = [p for p in used if any(_is_a_day_before(p, later) for later in latest)]
    if len(day_before) < _AT_ONCE or not _rises_throughout(recent):
        return None
    a_day, now = _slope(recent), _level(latest)
    if a_day <= 0:
        return None
    if now - _level(day_before) < a_day * _STEADY_DAY:
        return None
    if any(level >= now - a_day * _NEW_HIGH_DAYS for level in _levels(earlier)):
        return None
    return Trend(available, a_day)


def _is_a_day_before(point: Point, later: Point) -> bool:
    return abs(point.days_ago - later.days_ago - 1) < _HALF_AN_HOUR


def _losses_a_day(points: Sequence[Point]) -> list[float]:
    """How much less each value is than the one at the same time of the day before."""
    losses = []
    older = iter(points)
    before = next(older, None)
    for point in points:
        while before and before.days_ago > point.days_ago + 1 + _HALF_AN_HOUR:
            before = next(older, None)
        if before and before.days_ago >= point.days_ago + 1 - _HALF_AN_HOUR:
            losses.append(before.value - point.value)
    return losses


def _lows(levels: Iterable[float], turn: float) -> list[float]:
    """The levels from which the values rose by ``turn``, after falling by as much."""
    lows = []
    extreme, falls = math.inf, True
    for level in levels:
        if falls and level >= extreme + turn:
            lows.append(extreme)
        if (falls and level >= extreme + turn) or (not falls and level <= extreme - turn):
            extreme, falls = level, not falls
        else:
            extreme = min(extreme, level) if falls else max(extreme, level)
    return lows


def _swing(points: Sequence[Point], a_day: float) -> float:
    """The spread of the middle half of the values, without the trend."""
    low, _, high = statistics.quantiles(value - a_day * days_ago for days_ago, value in points)
    return high - low


def _rises_throughout(points: Sequence[Point]) -> bool:
    """Whether each quarter of the last day was higher than the one before."""
    quarters: list[list[float]] = [[] for _ in range(_QUARTERS)]
    for point in points:
        quarters[min(int(point.days_ago * _QUARTERS), _QUARTERS - 1)].append(point.value)
    if min(len(quarter) for quarter in quarters) < _FEWEST_IN_QUARTER:
        return False
    levels = [statistics.median(quarter) for quarter in reversed(quarters)]
    rises = [later - earlier for earlier, later in zip(levels, levels[1:])]
    return min(rises) > 0 and min(rises) >= _STEADY_RISE * statistics.fmean(rises)


def _slope(points: Sequence[Point]) -> float:
    """The rise a day by Theil and Sen: the median of the rise between any two points."""
    return statistics.median(
        (later.value - earlier.value) / (earlier.days_ago - later.days_ago)
        for number, later in enumerate(points)
        for earlier in points[:number]
    )


def _levels(points: Sequence[Point]) -> list[float]:
    """The values around each point, without spikes."""
    return [_level(points[at : at + _AT_ONCE]) for at in range(len(points) - _AT_ONCE + 1)]


def _level(points: Sequence[Point]) -> float:
    return statistics.median(value for _, value in points)
