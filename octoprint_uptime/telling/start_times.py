"""Start times on the wall clock that do not change until that clock is set."""

from __future__ import annotations

import time
from typing import Callable

from ..history.record import ANCHOR_TOLERANCE_SECONDS


class StartTimes:
    """Unix times of starts.

    Args:
        wall_clock: Returns the current Unix time.
    """

    def __init__(self, wall_clock: Callable[[], float] = time.time) -> None:
        self._wall_clock = wall_clock
        self._told: dict[str, float] = {}

    def of(self, name: str, uptime: float | None) -> float | None:
        """Return the Unix time at which ``name`` started; ``None`` without an uptime.

        The first result is kept: two clocks are never read at the same instant, so a new
        computation would differ slightly each time.

        Args:
            name: The name of the clock.
            uptime: The uptime in seconds; ``None`` if it is down or unknown.
        """
        if uptime is None:
            return None
        started = self._wall_clock() - uptime
        told = self._told.get(name)
        if told is None or abs(started - told) > ANCHOR_TOLERANCE_SECONDS:
            told = self._told[name] = round(started, 3)
        return told
