"""Watches OctoPrint's server loop: how late it is, and where it hangs.

The loop ticks every few seconds. A thread writes the stacks when a tick is missing.
faulthandler's own timer could do so even while native code holds the interpreter's lock, but it
reads the stacks of running threads, which has crashed processes.
"""

from __future__ import annotations

import contextlib
import faulthandler
import logging
import os
import threading
import time
from pathlib import Path
from typing import Any

TICK_SECONDS = 5.0
HANG_SECONDS = 30.0
HANGS = "The server loop does not answer."
ANSWERED_AGAIN = "The server loop answered again."
MAX_DUMPED_BYTES = 200_000


class LoopWatch:
    """Watches the server loop on a separate thread.

    Args:
        path: The file for the stacks of a hang.
        logger: Gets a line when the loop responds again after a hang.
    """

    def __init__(self, path: Path, logger: logging.Logger) -> None:
        self._path = path
        self._logger = logger
        self._file = -1
        self._loop: Any = None
        self._due: float | None = None
        self._latest = 0.0
        self._hung_since: float | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(
            target=self._watch, name="octoprint_uptime.loop", daemon=True
        )

    def start(self, loop: Any) -> None:
        """Watch this tornado loop from its next turn on.

        Raises:
            OSError: The file cannot be created.
        """
        self._file = os.open(self._path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
        self._loop = loop
        loop.add_callback(self._tick)
        self._thread.start()

    def late_seconds(self) -> float | None:
        """How late the loop was at worst since the last call, or is now."""
        if self._due is None:
            return None
        worst, self._latest = max(self._latest, self._late()), 0.0
        return worst

    def stop(self) -> None:
        """The loop stops cleanly."""
        self._ended.set()

    def _tick(self) -> None:
        self._latest = max(self._latest, self._late())
        self._due = time.monotonic() + TICK_SECONDS
        self._loop.call_later(TICK_SECONDS, self._tick)

    def _late(self) -> float:
        return 0.0 if self._due is None else max(0.0, time.monotonic() - self._due)

    def _watch(self) -> None:
        while not self._ended.wait(TICK_SECONDS):
            with contextlib.suppress(OSError):  # on a full disk, only the stacks are lost
                self._look()

    def _look(self) -> None:
        hangs = self._late() >= HANG_SECONDS - TICK_SECONDS
        if hangs and self._hung_since is None:
            self._hung_since = time.monotonic() - self._late()
            self._write(HANGS)
            faulthandler.dump_traceback(self._file)
        elif self._hung_since is not None and not hangs:
            seconds = time.monotonic() - self._hung_since
            self._hung_since = None
            self._logger.warning(
                "OctoPrint's server did not respond for %d s; the stacks of all threads are in %s",
                seconds,
                self._path,
            )
            if os.fstat(self._file).st_size > MAX_DUMPED_BYTES:
                os.ftruncate(self._file, 0)
            self._write(ANSWERED_AGAIN)

    def _write(self, line: str) -> None:
        os.write(self._file, f"{line}\n\n".encode())
