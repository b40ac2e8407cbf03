"""Kill writers of the history and cut the power of its disk at random instants, many times.

The file is checked each time. Usage: soak.py [SEED], with the seed of the power cuts.
"""

from __future__ import annotations

import collections
import contextlib
import multiprocessing
import os
import random
import sqlite3
import sys
import tempfile
import time
from pathlib import Path

from shared import power_cuts

from octoprint_uptime.history.record import History, Instant, NewRun

KILLS = 200
LONGEST_LIFE_SECONDS = 0.1
POWER_CUTS = 2000


def write(path: Path, pipe: int) -> None:
    """Open the file, write as fast as possible, and report each commit."""
    history = History(path)
    with history.transaction():
        at = Instant(time.monotonic(), time.time())
        history.begin(NewRun("one boot", at.since_boot, "soak"), at)
    os.write(pipe, b"runs %d\n" % len(history.records().runs))
    committed = len(history.records().connections)
    while True:
        with history.transaction():
            history.connected(time.monotonic(), f"/dev/ttyUSB{committed}")
            history.print_started(time.monotonic(), "x" * random.randrange(2000))
            history.beat(time.monotonic())
        committed += 1
        os.write(pipe, b"connections %d\n" % committed)


def killed_writer(path: Path) -> dict[str, int]:
    """Kill a writer after a moment. Return the commits that it reported, by table."""
    reading, writing = os.pipe()
    # Forked, so that it does not spend that moment on imports.
    writer = multiprocessing.get_context("fork").Process(target=write, args=(path, writing))
    writer.start()
    os.close(writing)
    time.sleep(random.uniform(0, LONGEST_LIFE_SECONDS))
    writer.kill()
    writer.join()
    with os.fdopen(reading, "rb") as output:
        return {table.decode(): int(count) for table, count in map(bytes.split, output)}


def check(path: Path, committed: dict[str, int]) -> None:
    """Raise an ``AssertionError`` unless the file is intact and contains all commits."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    with contextlib.closing(History(path)) as history:
        records = history.records()
    assert len(records.runs) >= committed["runs"]
    ports = [connection.port for connection in records.connections]
    assert ports == [f"/dev/ttyUSB{number}" for number in range(len(ports))]
    assert len(ports) >= committed["connections"]


def soak(path: Path, kills: int) -> dict[str, int]:
    """Kill a number of writers. Return the rows that the file must contain, by table."""
    committed = {"runs": 0, "connections": 0}
    for _ in range(kills):
        committed.update(killed_writer(path))
        check(path, committed)
    return committed


def kill_writers() -> None:
    with tempfile.TemporaryDirectory() as folder:
        committed = soak(Path(folder) / "history.db", KILLS)
    print(
        f"{KILLS} writers killed; the file is whole and has every row of"
        f" {committed['runs']} runs and {committed['connections']} connections"
    )


def cut_power(seed: int) -> None:
    """Exit with a message if a power cut loses or damages anything."""
    dice = random.Random(seed)
    stories = power_cuts.stories(dice)
    found: collections.Counter[str] = collections.Counter()
    for story in stories:
        found += power_cuts.cut_power(story, POWER_CUTS // len(stories), dice)
    cuts = (
        f"{POWER_CUTS} power cuts (seed {seed})"
        f" during {sum(story.commits for story in stories)} commits"
    )
    if found:
        sys.exit(f"{cuts}: " + ", ".join(f"{trouble} {n} times" for trouble, n in found.items()))
    print(f"{cuts}; nothing that was committed is lost and no file is damaged")


def main(seed: str | None = None) -> None:
    kill_writers()
    cut_power(int(seed) if seed else random.randrange(2**32))


if __name__ == "__main__":
    main(*sys.argv[1:])
