"""What the history writes to the disk in a day, as the kernel counts it."""

from __future__ import annotations

import logging
import re
import tempfile
import threading
import time
from pathlib import Path

from octoprint_uptime.history.record import Instant
from octoprint_uptime.history.recorder import Nobody, Recorder
from octoprint_uptime.settings import SETTINGS
from octoprint_uptime.why.vitals import Vitals, VitalSigns

ROOT = Path(__file__).resolve().parent.parent
DAY_SECONDS = 86400
HEARTBEAT_SECONDS = SETTINGS["heartbeat_seconds"].default
READINGS = 1000


def bytes_written() -> int:
    """What this process has caused to be sent to the storage."""
    counted = re.search(r"^write_bytes: (\d+)$", Path("/proc/self/io").read_text(), re.MULTILINE)
    assert counted is not None
    return int(counted.group(1))


def day_of_heartbeats() -> int:
    """Write the heartbeats of a day, one after the other; the bytes that took.

    Each is synchronised, so it changes nothing that the clock runs faster here.
    """
    # Not in the system's temporary folder, which may be in memory and count nothing.
    with tempfile.TemporaryDirectory(dir=ROOT) as folder:
        path = Path(folder) / "history.db"
        started(path).stop()  # a file that was there before is the usual case
        recorder = started(path)
        before = bytes_written()
        for _ in range(DAY_SECONDS // HEARTBEAT_SECONDS):
            recorder.passed += HEARTBEAT_SECONDS
            woken = threading.Event()
            recorder.soon(woken.set)  # which ends with a heartbeat
            woken.wait()
        recorder.stop()
        return bytes_written() - before


class VitalSignsAlone(Nobody):
    def __init__(self, folder: Path) -> None:
        self._vital_signs = VitalSigns(folder)

    def vitals(self) -> Vitals:
        return self._vital_signs.read()


class FastRecorder(Recorder):
    """Believes that so many seconds more have passed."""

    passed = 0

    def now(self) -> Instant:
        now = super().now()
        return Instant(now.since_boot + self.passed, now.wall + self.passed)


def started(path: Path) -> FastRecorder:
    recorder = FastRecorder(path, logging.getLogger(), lambda: 3600.0, lambda: 90, lambda: None)
    recorder.start(None, "wear", watch=VitalSignsAlone(path.parent))
    return recorder


def seconds_of_vitals() -> float:
    """The CPU time of one reading of the vital signs."""
    vital_signs = VitalSigns(ROOT)
    vital_signs.read()
    began = time.process_time()
    for _ in range(READINGS):
        vital_signs.read()
    return (time.process_time() - began) / READINGS


if __name__ == "__main__":
    print(f"{day_of_heartbeats() / 1e6:.1f} MB a day at the default heartbeat")
    print(f"{seconds_of_vitals() * 1e6:.0f} µs of CPU for the vital signs of one")
