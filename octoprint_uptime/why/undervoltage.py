"""Undervoltage: as the kernel reports it when it happens, and as Pi Support detects it."""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Callable

LOOK_SECONDS = 60.0
"""Sags within this time are reported together, so that a bad supply does not wear the card."""


def undervoltage_alarm(root: Path = Path("/")) -> Path | None:
    """The kernel's alarm file on newer Raspberry Pis."""
    for name in sorted((root / "sys/class/hwmon").glob("*/name")):
        with contextlib.suppress(OSError, ValueError):
            if name.read_text().strip() == "rpi_volt":
                return name.with_name("in0_lcrit_alarm")
    return None


class AlarmWatch:
    """Waits for the alarm on a separate thread. The alarm lasts two seconds, too short to poll.

    Args:
        alarm: The kernel's file.
        on_sags: Gets the number of sags and how many seconds ago the last one was, at most once
            in ``look_seconds``.
        look_seconds: How long to wait for the kernel's sign before looking anyway.

    Raises:
        OSError: The file cannot be opened.
    """

    def __init__(
        self, alarm: Path, on_sags: Callable[[int, float], None], look_seconds: float = LOOK_SECONDS
    ) -> None:
        self._on_sags = on_sags
        self._look_seconds = look_seconds
        self._file = os.open(alarm, os.O_RDONLY)
        self._poll = select.poll()
        self._poll.register(self._file, select.POLLPRI | select.POLLERR)
        self._was_up = False
        self._sags = 0
        self._sagged_at = 0.0
        self._told_at = -look_seconds
        self._thread = threading.Thread(
            target=self._watch, name="octoprint_uptime.undervoltage", daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    def _watch(self) -> None:
        with contextlib.suppress(OSError):  # the sensor's driver may be unloaded
            while True:
                self.look()
                self._poll.poll(self._look_seconds * 1000)

    def look(self) -> None:
        """Count a new sag, and report the sags if it is time."""
        is_up = os.pread(self._file, 8, 0).strip() == b"1"
        now = time.monotonic()
        if is_up and not self._was_up:
            self._sags += 1
            self._sagged_at = now
        self._was_up = is_up
        if self._sags and now - self._told_at >= self._look_seconds:
            self._on_sags(self._sags, now - self._sagged_at)
            self._sags = 0
            self._told_at = now


class ThrottleStates:
    """Follows Pi Support's throttle states."""

    def __init__(self) -> None:
        self._past: bool | None = None

    def show_undervoltage(self, state: Mapping[str, bool]) -> bool:
        """Whether it was detected now or since the last state, within this run.

        Raises:
            KeyError: The state lacks a flag.
        """
        now, past = state["current_undervoltage"], state["past_undervoltage"]
        new_in_past = past and self._past is False
        self._past = past
        return now or new_in_past
