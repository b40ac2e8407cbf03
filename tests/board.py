"""A board with a scripted clock that keeps a real history, for tests."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any, Callable

from octoprint_uptime.history.beginning import Beginning
from octoprint_uptime.history.outlook import Outlook
from octoprint_uptime.history.position import Position
from octoprint_uptime.history.record import HOUR_SECONDS, History, Instant, NewRun, Records
from octoprint_uptime.history.report import Timeline, history_answer
from octoprint_uptime.why.evidence import Scene
from octoprint_uptime.why.host import HostState

EMPTY_SCENE = Scene()
HEARTBEAT = 60.0
NOON = 1_790_000_000.0
"""Some true Unix time."""


class Board:
    """Does what the recorder does, at the times that a test chooses.

    ``true`` is the Unix time, which the board need not know: its wall clock is ahead of
    it by ``ahead`` seconds. ``host`` is how it is otherwise.
    """

    def __init__(self, path: Path, true: float = NOON) -> None:
        self.path = path
        self.true = true
        self.ahead = 0.0
        self._kernel_ids = (f"boot-{number}" for number in itertools.count())
        self.history: History
        self.has_kernel_id = True
        self.host = HostState(clock_set=True, network=True)
        self.boot()

    @property
    def now(self) -> Instant:
        return Instant(self.true - self._booted, self.true + self.ahead)

    def boot(self, ahead: float = 0.0) -> Board:
        """Boot the board with its wall clock ``ahead`` seconds ahead of the true time."""
        self._booted = self.true
        self.kernel_id = next(self._kernel_ids) if self.has_kernel_id else None
        self.ahead = ahead
        return self

    def start(self, copied: bool = False, scene: Scene = EMPTY_SCENE, **more: Any) -> Board:
        """Start OctoPrint, perhaps with a copy of the record, on a host in such a state.

        The last words of the run before it are those of the token that it was started with.
        """
        self.history = History(self.path)
        run = NewRun(self.kernel_id, self.now.since_boot, "1.11.8", more.pop("token", None))
        with self.history.transaction():
            Beginning(run, self.now, **more).write(self.history, scene, copied)
        return self

    def off(self, seconds: float) -> Board:
        """Leave OctoPrint, or the whole board, down for that long."""
        self.true += seconds
        return self

    def up(self, seconds: float) -> Board:
        """Let OctoPrint run for that long, with heartbeats."""
        end = self.true + seconds
        while self.true + HEARTBEAT <= end:
            self.true += HEARTBEAT
            self.beat()
        self.true = end
        return self

    def beat(self, position: Position | None = None, **vitals: float) -> Board:
        with self.history.transaction():
            self.history.keep_anchor(self.now)
            self.history.beat(self.now.since_boot, vitals, position)
            if self.history.is_new_hour(self.now.since_boot):
                self.history.keep_hour(self.now.since_boot, self.host)
        return self

    def hours(self, count: int, **vitals: float | Callable[[float], float]) -> Board:
        """Let hours pass with one heartbeat each; a vital sign may depend on the true time."""
        for _ in range(count):
            self.off(HOUR_SECONDS).beat(
                **{
                    name: sign(self.true) if callable(sign) else sign
                    for name, sign in vitals.items()
                }
            )
        return self

    def set_clock(self, ahead: float = 0.0) -> Board:
        """Set the wall clock, by default to the true time, and let a heartbeat notice."""
        self.ahead = ahead
        self.beat()
        return self

    def goodbye(self, host: str = "unknown", position: Position | None = None) -> Board:
        with self.history.transaction():
            self.history.goodbye(self.now.since_boot, host, position)
        self.history.close()
        return self

    def kill(self) -> Board:
        self.history.close()
        return self

    def print(self, file: str) -> Board:
        """Start printing a file."""
        return self.write("print_started", self.now.since_boot, file)

    def write(self, method: str, *arguments: Any) -> Board:
        with self.history.transaction():
            getattr(self.history, method)(*arguments)
        return self

    def records(self) -> Records:
        return self.history.records()

    def timeline(self) -> Timeline:
        return Timeline(self.records(), self.now)

    def outlook(self, clock_set: bool | None = None) -> Outlook:
        return Outlook(self.records(), self.history.hours(), self.now, clock_set)

    def answer(self, days: int = 30) -> dict[str, Any]:
        return history_answer(self.records(), self.now, days)
