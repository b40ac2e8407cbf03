"""Watches OctoPrint's server loop: how late it is, and where it hangs.

The loop itself says every few seconds that it is alive, by putting off a dump of all stacks.
The timer of that dump is faulthandler's, in C: it fires even while a plugin holds the lock
without which no Python code runs. So there is no thread of ours that looks.
"""

from __future__ import annotations

import faulthandler
import logging
import time
from pathlib import Path
from typing import Any

TICK_SECONDS = 5.0
HANG_SECONDS = 30.0
ANSWERED_AGAIN = "The server loop answered again."
MOST_DUMPED_BYTES = 200_000


class LoopWatch:
    """Is told by the loop that it is alive. All but :meth:`late_seconds` is for its thread.

    Args:
        file: Where the stacks go when the loop hangs.
        logger: Where it is told that the loop hung and answers again.
    """

    def __init__(self, file: Path, logger: logging.Logger) -> None:
        self._path = file
        self._logger = logger
        self._loop: Any = None
        self._due = 0.0
        self._latest = 0.0

    def start(self, loop: Any) -> None:
        """Watch this loop of tornado's from its next turn on.

        Raises:
            OSError: The file cannot be made.
        """
        self._file = self._path.open("a", encoding="utf-8")
        self._dumped = self._file.tell()
        self._loop = loop
        loop.add_callback(self._begin)

    def late_seconds(self) -> float | None:
        """How late the loop was at worst since this was asked last, or is by now."""
        if not self._due:
            return None
        worst = max(self._latest, time.monotonic() - self._due, 0.0)
        self._latest = 0.0
        return worst

    def stop(self) -> None:
        """Take the dump back, before the loop is gone for good."""
        if self._due:
            faulthandler.cancel_dump_traceback_later()

    def _begin(self) -> None:
        self._due = time.monotonic()
        self._tick()

    def _tick(self) -> None:
        now = time.monotonic()
        self._latest = max(self._latest, now - self._due)
        faulthandler.dump_traceback_later(HANG_SECONDS, file=self._file)
        if self._path_size() > self._dumped:
            self._close_dump(now - self._due)
        self._due = now + TICK_SECONDS
        self._loop.call_later(TICK_SECONDS, self._tick)

    def _close_dump(self, late: float) -> None:
        self._logger.warning(
            "OctoPrint's server did not answer for %d s; what every thread did is in %s",
            late + TICK_SECONDS,
            self._path,
        )
        if self._path_size() > MOST_DUMPED_BYTES:
            self._file.truncate(0)
        self._file.write(f"{ANSWERED_AGAIN}\n\n")
        self._file.flush()
        self._dumped = self._path_size()

    def _path_size(self) -> int:
        return self._file.seek(0, 2)
