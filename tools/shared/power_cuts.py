"""Cut the power of a recorder's disk at random instants, and check the files that remain.

The recorder is traced once, and its writes are repeated on a ``volatile_disk`` up to each
instant. The remaining history must open and contain the last commit, and the next recorder
must take it for the original.
"""

from __future__ import annotations

import collections
import contextlib
import random
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from shared import recorder_story, strace
from shared.recorder_story import ACKNOWLEDGED, CAREFUL, FILE, begun, state, write_old_file
from shared.strace import Mark, Operation
from shared.volatile_disk import Disk

from octoprint_uptime.history.record import History
from octoprint_uptime.history.recorder import HistoryUnavailableError, is_damage

# Possible results.
DAMAGED = "called damaged"
UNUSABLE = "cannot be opened"
LOST = "a commit is lost or half there"
COPIED = "taken for a copy"

IN_MEMORY = Path("/dev/shm")


class Story(NamedTuple):
    """The operations on a folder that contained ``contents``."""

    contents: dict[str, bytes]
    operations: list[Operation]

    @property
    def commits(self) -> int:
        marks = [operation for operation in self.operations if isinstance(operation, Mark)]
        return sum(mark.text.startswith(ACKNOWLEDGED) for mark in marks)


def watched(contents: dict[str, bytes], seed: str, carelessness: str = CAREFUL) -> Story:
    """Trace recorders in a folder with these contents."""
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent).resolve() / "data"
        put(contents, folder)
        marks = folder.with_name("marks")
        command = [sys.executable, recorder_story.__file__, str(folder), str(marks)]
        story = Story(contents, strace.operations([*command, seed, carelessness], folder, marks))
        disk = Disk(contents)
        for operation in story.operations:
            disk.do(operation)
        assert disk.contents() == taken(folder), "the operations are not all that was done"
    return story


def put(contents: dict[str, bytes], folder: Path) -> None:
    """Create the folder with these contents."""
    folder.mkdir()
    for name, content in contents.items():
        (folder / name).write_bytes(content)


def taken(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def stories(dice: random.Random) -> list[Story]:
    """Return stories of a new folder, of an old file, and of both after a power cut."""
    first = [watched(contents, str(dice.random())) for contents in ({}, old_contents())]
    cut = [left(story, dice.randrange(len(story.operations)), dice) for story in first]
    return [*first, *(watched(contents, str(dice.random())) for contents in cut)]


def old_contents() -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        write_old_file(Path(folder) / FILE)
        return taken(Path(folder))


def left(story: Story, instant: int, dice: random.Random) -> dict[str, bytes]:
    """Return what a power cut leaves after a number of operations."""
    disk = Disk(story.contents)
    for operation in story.operations[:instant]:
        disk.do(operation)
    return disk.after_power_cut(dice)


def cut_power(story: Story, cuts: int, dice: random.Random) -> collections.Counter[str]:
    """Cut the power a number of times. Count the kinds of trouble."""
    instants = collections.Counter(dice.choices(range(len(story.operations) + 1), k=cuts))
    disk = Disk(story.contents)
    promised = {opened(story.contents)}
    found: collections.Counter[str] = collections.Counter()
    for instant, operation in enumerate([*story.operations, None]):
        for _ in range(instants[instant]):
            trouble = trouble_with(disk.after_power_cut(dice), promised)
            if trouble:
                found[trouble] += 1
        if isinstance(operation, Mark):
            promised = promised_after(operation, promised)
        if operation:
            disk.do(operation)
    return found


def promised_after(mark: Mark, promised: set[str]) -> set[str]:
    """Return the states of which one must be found from now on."""
    what, committed = mark.text.split()
    return {committed} if what == ACKNOWLEDGED else {*promised, committed}


def opened(contents: dict[str, bytes]) -> str:
    """Open these contents as a history and return its state."""
    with rebuilt(contents) as path, contextlib.closing(History(path)) as history:
        return state(history)


@contextlib.contextmanager
def rebuilt(contents: dict[str, bytes]) -> Iterator[Path]:
    """Yield the path of the history in a folder with these contents."""
    # These files need not last, and a disk would take minutes to synchronise them all.
    where = IN_MEMORY if IN_MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(dir=where) as parent:
        folder = Path(parent) / "data"
        put(contents, folder)
        yield folder / FILE


def trouble_with(contents: dict[str, bytes], promised: set[str]) -> str | None:
    """Return what is wrong after a power cut, if anything."""
    with rebuilt(contents) as path:
        try:
            return trouble_in(path, promised)
        except (sqlite3.Error, HistoryUnavailableError) as error:
            return DAMAGED if is_damage(error) else UNUSABLE


def trouble_in(path: Path, promised: set[str]) -> str | None:
    with contextlib.closing(History(path)) as history:
        if state(history) not in promised:
            return LOST
    with contextlib.closing(sqlite3.connect(path)) as database:
        if database.execute("PRAGMA integrity_check").fetchall() != [("ok",)]:
            return DAMAGED
    return COPIED if is_taken_for_a_copy(path) else None


def is_taken_for_a_copy(path: Path) -> bool:
    recorder = begun(path)
    try:
        return recorder.records().runs[-1].copied
    finally:
        recorder.stop()
