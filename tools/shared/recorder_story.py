"""Run recorders on one file, one after the other, and mark their commits.

Usage: recorder_story.py FOLDER MARKS SEED CARELESSNESS
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import logging
import multiprocessing
import os
import random
import sqlite3
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Callable

from octoprint_uptime.history import original, recorder
from octoprint_uptime.history.record import PAGE_BYTES, History
from octoprint_uptime.history.recorder import NoWatcher, Recorder
from octoprint_uptime.history.schema import MIGRATIONS
from octoprint_uptime.why.vitals import NAMES, Vitals

FILE = "history.db"
RUNS = 6
MAX_EVENTS = 100
PATIENCE_SECONDS = 60.0
OFFERED = "offered"
ACKNOWLEDGED = "acknowledged"

CAREFUL = "nothing"
TOKEN = "token"
"""This carelessness does not synchronise the token. Others are ``PRAGMA synchronous`` values."""


def state(history: History) -> str:
    """Return a digest of the whole database."""
    dump = "\n".join(history._database.iterdump())
    return hashlib.sha256(dump.encode()).hexdigest()


def marking_history(marks: int, carelessness: str) -> type[History]:
    class MarkingHistory(History):
        """Marks each commit before and after it happens."""

        def __init__(self, path: Path) -> None:
            super().__init__(path)
            if carelessness not in (CAREFUL, TOKEN):
                self._database.execute(f"PRAGMA synchronous = {carelessness}")

        @contextlib.contextmanager
        def transaction(self) -> Iterator[None]:
            with super().transaction():
                yield
                after = state(self)
                os.write(marks, f"{OFFERED} {after}".encode())
            os.write(marks, f"{ACKNOWLEDGED} {after}".encode())

    return MarkingHistory


def write_old_file(path: Path) -> None:
    """Write a file of the plugin's first version, with some content."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.executescript(
            f"""PRAGMA page_size = {PAGE_BYTES};
            PRAGMA journal_mode = WAL;
            {MIGRATIONS[0]};
            INSERT INTO boots VALUES (1, 'an earlier boot', 1.6e9, 0);
            INSERT INTO runs VALUES (1, 1, 20.0, 500.0, 500.0, '1.10.3', NULL, 0, 0);
            INSERT INTO runs VALUES (2, 1, 510.0, 900.0, NULL, '1.10.3', 'x.gcode', 1, 0);
            INSERT INTO connections VALUES (1, 1, 30.0, 400.0, 1, 'an old port');
            PRAGMA user_version = 1"""
        )


class Signs(NoWatcher):
    """A watch that has only vital signs."""

    def __init__(self, vitals: Callable[[], Vitals]) -> None:
        self.vitals = vitals  # type: ignore[method-assign]


def begun(path: Path, vitals: Callable[[], Vitals] = dict) -> Recorder:
    """Return a recorder that has started its run."""
    made = Recorder(path, logging.getLogger(), lambda: 3600.0, lambda: 90, lambda: None)
    made.start(None, "power cuts", watch=Signs(vitals))
    wait_for(made)
    return made


def wait_for(recording: Recorder) -> None:
    """Wait until the recorder has done all earlier work."""
    reached = threading.Event()
    recording.soon(reached.set)
    assert reached.wait(PATIENCE_SECONDS)


def live(path: Path, seed: str) -> None:
    """Simulate one run of OctoPrint, which ends with or without a goodbye."""
    dice = random.Random(seed)
    recording = begun(path, lambda: {name: dice.random() for name in NAMES})
    for number in range(dice.randrange(MAX_EVENTS)):
        happen(recording, f"/dev/ttyUSB{number}", dice)
        wait_for(recording)
    if dice.random() < 1 / 2:
        recording.stop()
    else:
        recording.soon(functools.partial(os._exit, 0))
        threading.Event().wait()


def happen(recording: Recorder, port: str, dice: random.Random) -> None:
    rare = 0.03
    if dice.random() < rare:
        recording.clear()
        return
    dice.choice(
        (
            lambda: recording.connected(port),
            lambda: recording.disconnected(failed=dice.random() < 1 / 2),
            lambda: recording.print_started("x" * dice.randrange(5000)),
            lambda: recording.print_ended("done"),
            recording.undervoltage,
            recording.acknowledge,
            recording.beat,
        )
    )()


def main(folder: str, marks_file: str, seed: str, carelessness: str) -> None:
    marks = os.open(marks_file, os.O_WRONLY | os.O_CREAT)
    recorder.History = marking_history(marks, carelessness)  # type: ignore[misc]
    if carelessness == TOKEN:
        original.os.fsync = lambda descriptor: None
    for run in range(RUNS):
        arguments = (Path(folder) / FILE, f"{seed} {run}")
        # Forked, so that no run spends time on imports.
        life = multiprocessing.get_context("fork").Process(target=live, args=arguments)
        life.start()
        life.join()
        assert life.exitcode == 0


if __name__ == "__main__":
    main(*sys.argv[1:])
