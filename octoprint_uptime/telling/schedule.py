"""Which ping is next and when it is due. The caller provides the clock."""

from __future__ import annotations

from collections.abc import Collection

from .monitors import HEARTBEAT, START, UNPLANNED, Trouble, has_word_for, is_final

FIRST_PAUSE_SECONDS = 10.0
FIRST_HEARTBEAT_SECONDS = 30.0
"""The longest time from the start to the first heartbeat. healthchecks raises an alarm if no ping
follows within the grace time, which is at least a minute. An immediate heartbeat would make a
restart exceed five pings a minute.
"""
MAX_A_MINUTE = 5
MAX_TESTS_A_MINUTE = 3
"""This leaves room for two heartbeats."""
MINUTE_SECONDS = 60.0


class Schedule:
    """The sequence of pings to one monitor.

    A failed heartbeat is not repeated: the next one says the same. After failures the pauses
    grow, but never beyond the interval. Otherwise a monitor that comes back would take the longer
    silence for OctoPrint's end. A start or an unplanned end happens once, so its ping is repeated
    until the monitor accepts it or rejects it for good.

    Args:
        style: The style of the monitor.
        interval: The time from one heartbeat to the next, in seconds.
        now: The time on a monotonic clock.
        at_start: Whether OctoPrint has just started.

    Attributes:
        due: When the next ping is due, on that clock.
    """

    def __init__(self, style: str, interval: float, now: float, *, at_start: bool = False) -> None:
        self._style = style
        self._interval = interval
        self._once = [START] if at_start and has_word_for(style, START) else []
        self._failures = 0
        # A heartbeat before the news of an unplanned end would say that all is well.
        waits = at_start and not self._once
        self.due = now + min(interval, FIRST_HEARTBEAT_SECONDS) if waits else now

    def next(self) -> str:
        """Return the moment that the next ping reports."""
        return self._once[0] if self._once else HEARTBEAT

    def end_is_known(self, unplanned: bool, now: float) -> None:
        """Schedule the news of the previous end, once it is known."""
        is_news = unplanned and has_word_for(self._style, UNPLANNED)
        if is_news:
            self._once.append(UNPLANNED)
        if not self._failures and (is_news or not has_word_for(self._style, START)):
            self.due = now

    def inherit(self, earlier: Schedule, sent: Collection[str] = ()) -> None:
        """Take over the moments that an earlier schedule has not reported yet.

        Args:
            earlier: The earlier schedule.
            sent: The moments that this monitor may already know.
        """
        self._once = [
            moment
            for moment in earlier._once
            if has_word_for(self._style, moment) and moment not in sent
        ]

    def taken(self, moment: str, began: float) -> None:
        """Reschedule after the monitor accepted the ping for a moment, sent at ``began``."""
        self._forget(moment)
        self._failures = 0
        pause = self._interval
        if self._once:
            pause = 0.0
        elif moment == START:
            pause = min(pause, FIRST_HEARTBEAT_SECONDS)
        self.due = began + pause

    def failed(self, moment: str, trouble: Trouble, now: float) -> None:
        """Reschedule after the monitor did not accept the ping for a moment."""
        if is_final(trouble):
            self._forget(moment)
        pause = FIRST_PAUSE_SECONDS * 2.0 ** min(self._failures, 16)
        self._failures += 1
        self.due = now + min(pause, self._interval)

    def _forget(self, moment: str) -> None:
        self._once = [other for other in self._once if other != moment]


class Budget:
    """Limits the pings to each address to what monitors accept: five a minute."""

    def __init__(self) -> None:
        self._spent: dict[str, list[float]] = {}

    def wait_seconds(self, url: str, now: float, most: int = MAX_A_MINUTE) -> float:
        """Return how many seconds to wait before the next ping to an address."""
        spent = self._of_last_minute(now).get(url, [])
        return 0.0 if len(spent) < most else spent[-most] + MINUTE_SECONDS - now

    def spend(self, url: str, now: float) -> None:
        """Count a ping that is sent now."""
        self._of_last_minute(now).setdefault(url, []).append(now)

    def _of_last_minute(self, now: float) -> dict[str, list[float]]:
        recent = {
            url: [at for at in times if at > now - MINUTE_SECONDS]
            for url, times in self._spent.items()
        }
        self._spent = {url: times for url, times in recent.items() if times}
        return self._spent
