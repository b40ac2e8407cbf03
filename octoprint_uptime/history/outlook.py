"""What the last days show about what is going to fail. Pure, and computed lazily."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from ..why.trends import Point
from .record import Hour, Instant, Records, Run
from .report import DAY_SECONDS, Timeline

HOURS_A_DAY = 24


class Outlook:
    """The hours of the last two weeks, on the wall clock.

    In a trend, the hours of another boot count only if the clocks of both boots were set. A board
    without a clock resumes at the time that it last knew, so its days would seem shorter than
    they were, and its disk would seem to fill up faster.

    Args:
        records: The rows; the last run is the running one.
        hours: The stored hours, oldest first.
        now: Now, in the boot of the last run.
        clock_set: Whether the clock is set now; ``None`` if unknown.

    Attributes:
        timeline: The records on the wall clock.
    """

    def __init__(
        self, records: Records, hours: Sequence[Hour], now: Instant, clock_set: bool | None
    ) -> None:
        self.timeline = Timeline(records, now)
        self._runs = {run.id: run for run in records.runs}
        self._this_run = records.runs[-1]
        self._hours = hours
        self._set_boots = {hour.boot for hour in hours if hour.vitals.get("clock_set", True)}
        if clock_set is not False:
            self._set_boots.add(self._this_run.boot)

    def points(self, name: str, days: float, *, of_this_run: bool = False) -> list[Point]:
        """One value hour by hour, for the hours whose time is known; oldest first.

        Args:
            name: A name in the ``vitals`` of :class:`Hour`.
            days: The number of days to look back.
            of_this_run: Whether to leave out earlier runs.
        """
        return [
            Point(days_ago, hour.vitals[name])
            for days_ago, hour in self._dated
            if name in hour.vitals
            and days_ago is not None
            and days_ago <= days
            and (hour.run == self._this_run.id or not of_this_run)
        ]

    def counts(self, name: str, days: int) -> list[float]:
        """A counter hour by hour, oldest first, without the hours that are over ``days`` days old.

        An hour whose time is not known counts as long as fewer hours of running followed it.
        """
        return [
            hour.vitals[name]
            for days_ago, hour in self._dated[-days * HOURS_A_DAY :]
            if name in hour.vitals and (days_ago is None or days_ago <= days)
        ]

    def undervoltages(self, days: float) -> int:
        """How often undervoltage was detected within ``days`` days, and at most an hour more."""
        return sum(self._undervoltages(run, days) for run in self._runs.values())

    def last_hours(self, count: int) -> list[Hour]:
        """The last ``count`` hours of running, whenever they were; none if there are fewer."""
        return list(self._hours[-count:]) if len(self._hours) >= count else []

    @functools.cached_property
    def _dated(self) -> list[tuple[float | None, Hour]]:
        """The hours, each with how many days ago it was; ``None`` if that is not known."""
        return [(self._hour_days_ago(hour), hour) for hour in self._hours]

    def _hour_days_ago(self, hour: Hour) -> float | None:
        this_boot = self._this_run.boot
        if hour.boot != this_boot and not {hour.boot, this_boot} <= self._set_boots:
            return None
        if hour.booted_at is None:
            return self._days_ago(hour.boot, hour.at)
        now = self.timeline.now()
        return None if now is None else (now - hour.booted_at - hour.at) / DAY_SECONDS

    def _days_ago(self, boot: int, since_boot: float) -> float | None:
        seconds = self.timeline.seconds_ago(boot, since_boot)
        return None if seconds is None else seconds / DAY_SECONDS

    def _undervoltages(self, run: Run, days: float) -> int:
        started = self._days_ago(run.boot, run.started)
        ended = self._days_ago(run.boot, run.seen)
        if not run.undervoltage or started is None or ended is None or ended > days:
            return 0
        if started <= days:
            return run.undervoltage
        begin = run.started + (started - days) * DAY_SECONDS
        before = [
            hour.vitals["undervoltages"]
            for hour in self._hours
            if hour.run == run.id and hour.at <= begin
        ]
        return run.undervoltage - int(max(before, default=0))
