"""A board with a scripted clock that keeps a real history, for tests."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

from octoprint_uptime.history.beginning import Beginning
from octoprint_uptime.history.record import History, Instant, NewRun, Records
from octoprint_uptime.history.report import Timeline, history_answer
from octoprint_uptime.why.evidence import Scene

EMPTY_SCENE = Scene()
HEARTBEAT = 60.0
NOON = 1_790_000_000.0
"""Some true Unix time."""


class Board:
    """Does what the recorder does, at times that the test says.

    ``true`` is the Unix time, which the board need not know: its wall clock is ahead of
    it by ``ahead`` seconds.
    """

    def __init__(self, path: Path, true: float = NOON) -> None:
        self.path = path
        self.true = true
        self.ahead = 0.0
        self._kernel_ids = (f"boot-{number}" for number in itertools.count())
        self.history: History
        self.has_kernel_id = True
        self.boot()

    @property
    def now(self) -> Instant:
        return Instant(self.true - self._booted, self.true + self.ahead)

    def boot(self, ahead: float = 0.0) -> Board:
        """The power comes back; the wall clock is ``ahead`` of the true time."""
        self._booted = self.true
        self.kernel_id = next(self._kernel_ids) if self.has_kernel_id else None
        self.ahead = ahead
        return self

    def start(self, copied: bool = False, scene: Scene = EMPTY_SCENE, **more: Any) -> Board:
        """OctoPrint starts, perhaps with a copy of the record, and finds such a scene.

        The last words of the run before it are those of the token that it was started with.
        """
        self.history = History(self.path)
        run = NewRun(self.kernel_id, self.now.since_boot, "1.11.8", more.pop("token", None))
        with self.history.transaction():
            Beginning(run, self.now, **more).write(self.history, scene, copied)
        return self

    def off(self, seconds: float) -> Board:
        """OctoPrint, or the whole board, is down for so long."""
        self.true += seconds
        return self

    def up(self, seconds: float) -> Board:
        """OctoPrint runs for so long, with heartbeats."""
        end = self.true + seconds
        while self.true + HEARTBEAT <= end:
            self.true += HEARTBEAT
            self.beat()
        self.true = end
        return self

    def beat(self, **vitals: float) -> Board:
        with self.history.transaction():
            self.history.keep_anchor(self.now)
            self.history.beat(self.now.since_boot, vitals)
        return self

    def set_clock(self, ahead: float = 0.0) -> Board:
        """Someone sets the wall clock, by default right, and a heartbeat notices."""
        self.ahead = ahead
        self.beat()
        return self

    def goodbye(self, host: str = "unknown") -> Board:
        with self.history.transaction():
            self.history.goodbye(self.now.since_boot, host)
        self.history.close()
        return self

    def kill(self) -> Board:
        self.history.close()
        return self

    def write(self, method: str, *arguments: Any) -> Board:
        with self.history.transaction():
            getattr(self.history, method)(*arguments)
        return self

    def records(self) -> Records:
        return self.history.records()

    def timeline(self) -> Timeline:
        return Timeline(self.records(), self.now)

    def answer(self, days: int = 30) -> dict[str, Any]:
        return history_answer(self.records(), self.now, days)
