"""Measure how much the history writes to the disk in a day, by the kernel's count."""

from __future__ import annotations

import contextlib
import logging
import re
import tempfile
import threading
import time
from pathlib import Path

from octoprint_uptime.history.position import Position
from octoprint_uptime.history.record import (
    HOUR_SECONDS,
    HOURS_KEPT,
    History,
    Instant,
    NewRun,
)
from octoprint_uptime.history.recorder import NoWatcher, Recorder
from octoprint_uptime.settings import SETTINGS
from octoprint_uptime.why.host import Host, HostState
from octoprint_uptime.why.vitals import Vitals, VitalSigns

ROOT = Path(__file__).resolve().parent.parent
DAY_SECONDS = 86400
HEARTBEAT_SECONDS = SETTINGS["heartbeat_seconds"].default
READINGS = 1000
FILE = "customers/2026/a rather long name of a part_0.2mm_PETG_MK4_1d23h.gcode"
FILE_BYTES = 134_217_728
HEATERS = {"tool0": 255.0, "tool1": 255.0, "bed": 110.0, "chamber": 60.0}


def bytes_written() -> int:
    """Return how many bytes this process has sent to the storage."""
    counted = re.search(r"^write_bytes: (\d+)$", Path("/proc/self/io").read_text(), re.MULTILINE)
    assert counted is not None
    return int(counted.group(1))


def day_of_heartbeats() -> int:
    """Write the heartbeats of a day of printing. Return the bytes written.

    Each heartbeat is synchronised, so the faster clock here changes nothing.
    """
    # The system's temporary folder may be in memory, where the kernel counts no writes.
    with tempfile.TemporaryDirectory(dir=ROOT) as folder:
        path = Path(folder) / "history.db"
        write_hours(path)  # usually the file already exists
        recorder = started(path)
        recorder.print_started(FILE)
        before = bytes_written()
        for _ in range(DAY_SECONDS // HEARTBEAT_SECONDS):
            recorder.passed += HEARTBEAT_SECONDS
            woken = threading.Event()
            recorder.soon(woken.set)  # it ends with a heartbeat
            woken.wait()
        recorder.stop()
        return bytes_written() - before


def write_hours(path: Path) -> None:
    """Write a history of another boot, with as many hours as the history keeps."""
    state, vitals = Host().state(), VitalSigns(path.parent).read()
    with contextlib.closing(History(path)) as history, history.transaction():
        began = time.time() - (HOURS_KEPT + 1) * HOUR_SECONDS
        history.begin(NewRun("before", 0.0, "wear"), Instant(0.0, began))
        for number in range(1, HOURS_KEPT + 1):
            history.beat(number * HOUR_SECONDS, vitals)
            history.keep_hour(number * HOUR_SECONDS, state)


class VitalSignsAlone(NoWatcher):
    def __init__(self, folder: Path) -> None:
        self._vital_signs = VitalSigns(folder)
        self._host = Host()

    def vitals(self) -> Vitals:
        return self._vital_signs.read()

    def host(self) -> HostState:
        return self._host.state()


class FastRecorder(Recorder):
    """A recorder whose clock is ``passed`` seconds ahead."""

    passed = 0

    def now(self) -> Instant:
        now = super().now()
        return Instant(now.since_boot + self.passed, now.wall + self.passed)

    def position(self) -> Position:
        """Return the position in a print that takes the day."""
        done = self.passed / DAY_SECONDS
        return Position(
            file=FILE,
            origin="printer",
            percent=round(100 * done, 2),
            position_bytes=round(FILE_BYTES * done),
            size_bytes=FILE_BYTES,
            z_mm=round(300 * done, 2),
            printed_seconds=self.passed,
            targets=HEATERS,
        )


def started(path: Path) -> FastRecorder:
    recorder = FastRecorder(path, logging.getLogger(), lambda: 3600.0, lambda: 90, lambda: None)
    watch = VitalSignsAlone(path.parent)
    recorder.start(None, "wear", watch=watch, position=recorder.position)
    return recorder


def seconds_of_vitals() -> float:
    """Return the CPU time of one reading of the vital signs, in seconds."""
    vital_signs = VitalSigns(ROOT)
    vital_signs.read()
    began = time.process_time()
    for _ in range(READINGS):
        vital_signs.read()
    return (time.process_time() - began) / READINGS


if __name__ == "__main__":
    print(f"{day_of_heartbeats() / 1e6:.1f} MB a day at the default heartbeat")
    print(f"{seconds_of_vitals() * 1e6:.0f} µs of CPU for the vital signs of one")
