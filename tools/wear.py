"""What the history writes to the disk in a day, as the kernel counts it."""

from __future__ import annotations

import logging
import re
import tempfile
import threading
from pathlib import Path

from octoprint_uptime.history.recorder import Recorder
from octoprint_uptime.settings import SETTINGS

ROOT = Path(__file__).resolve().parent.parent
DAY_SECONDS = 86400


def bytes_written() -> int:
    """What this process has caused to be sent to the storage."""
    counted = re.search(r"^write_bytes: (\d+)$", Path("/proc/self/io").read_text(), re.MULTILINE)
    assert counted is not None
    return int(counted.group(1))


def day_of_heartbeats() -> int:
    """Write the heartbeats of a day, one after the other; the bytes that took.

    Each is synchronised, so their distance in time changes nothing.
    """
    # Not in the system's temporary folder, which may be in memory and count nothing.
    with tempfile.TemporaryDirectory(dir=ROOT) as folder:
        path = Path(folder) / "history.db"
        started(path).stop()  # a file that was there before is the usual case
        recorder = started(path)
        before = bytes_written()
        for _ in range(DAY_SECONDS // SETTINGS["heartbeat_seconds"].default):
            woken = threading.Event()
            recorder.soon(woken.set)  # which ends with a heartbeat
            woken.wait()
        recorder.stop()
        return bytes_written() - before


def started(path: Path) -> Recorder:
    recorder = Recorder(path, logging.getLogger(), lambda: 3600.0, lambda: 90, lambda: None)
    recorder.start(None, "wear")
    return recorder


if __name__ == "__main__":
    print(f"{day_of_heartbeats() / 1e6:.1f} MB a day at the default heartbeat")
