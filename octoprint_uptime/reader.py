"""The three clocks: host, OctoPrint process, printer connection.

The reader asks psutil for the age of the host and of this process only once, when it is created.
From then on it adds the time of a monotonic clock that counts sleep. So no step of the wall clock
can move an uptime, as when NTP sets the clock of a board, and a reading costs no file access.
"""

from __future__ import annotations

import math
import time
from typing import Callable, NamedTuple

import psutil


def monotonic_clock() -> Callable[[], float]:
    """Return a clock: seconds since the boot, counting sleep where the system can."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return lambda: time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic


def process_started(pid: int) -> float | None:
    """Return when a process started, in seconds since the boot; ``None`` if unknown."""
    try:
        # psutil adds the boot time, so no step of the wall clock matters here.
        return psutil.Process(pid).create_time() - psutil.boot_time()
    except psutil.Error:
        return None


class Uptimes(NamedTuple):
    """Uptimes in seconds; ``None`` for what is unknown.

    ``printer`` is also ``None`` while no printer is connected.
    """

    host: float | None
    octoprint: float | None
    printer: float | None


class UptimeReader:
    """Reads the uptimes. Create it once, at start.

    Attributes:
        unknown: Why a start is unknown, by clock (``host``, ``octoprint``).
    """

    def __init__(self) -> None:
        self.unknown: dict[str, str] = {}
        self._clock = monotonic_clock()
        # boot_time() first: before 7.0 psutil derives create_time() from the last boot
        # time that it read, perhaps before the wall clock was set.
        self._host_started_at = self._started_at("host", psutil.boot_time)
        self._octoprint_started_at = self._started_at(
            "octoprint", lambda: psutil.Process().create_time()
        )
        self._printer_connected_at: float | None = None
        self._give_back_the_second_cut_off()

    def read(self) -> Uptimes:
        """The uptimes at this moment."""
        now = self._clock()

        def since(started_at: float | None) -> float | None:
            return None if started_at is None else now - started_at

        return Uptimes(
            host=since(self._host_started_at),
            octoprint=since(self._octoprint_started_at),
            printer=since(self._printer_connected_at),
        )

    def printer_connected(self) -> None:
        """Start the printer connection's clock."""
        self._printer_connected_at = self._clock()

    def printer_disconnected(self) -> None:
        """Forget the printer connection."""
        self._printer_connected_at = None

    def _started_at(self, name: str, ask_psutil: Callable[[], float]) -> float | None:
        """When ``name`` started, on the monotonic clock."""
        try:
            started = ask_psutil()
            age = time.time() - started
        except Exception as error:  # psutil's platform code raises all kinds of errors
            self.unknown[name] = repr(error)
            return None
        if not (math.isfinite(age) and age >= 0):
            self.unknown[name] = f"psutil puts the start {age} seconds back"
            return None
        return self._clock() - age

    def _give_back_the_second_cut_off(self) -> None:
        """Undo the kernel's rounding of the boot time.

        Linux reports the boot time in whole seconds, rounded down. psutil derives the start of
        the process from it, so both seem up to a second too old. The monotonic clock of Linux
        starts at the boot: a boot within the second before its zero was at its zero.
        """
        if self._host_started_at is None or not -1 < self._host_started_at < 0:
            return
        if self._octoprint_started_at is not None:
            self._octoprint_started_at -= self._host_started_at
        self._host_started_at = 0.0
