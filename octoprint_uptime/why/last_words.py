"""The last words of the process: native crashes and exceptions that end threads.

Each goes to a file that lies open beforehand: a process that dies opens nothing any more.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import sys
import threading
import time
import traceback
from pathlib import Path
from types import TracebackType
from typing import Any, Callable

EXCEPTION_SECONDS = 60.0
"""A thread that fails again and again writes no more often than this."""
MOST_FRAMES = 30


class LastWords:
    """Catches what the process says when it, or one of its threads, dies.

    Args:
        folder: Where the files go, ``fault`` and ``exception``.
        since_boot: Seconds since the boot.
    """

    def __init__(self, folder: Path, since_boot: Callable[[], float]) -> None:
        self._folder = folder
        self._since_boot = since_boot
        self._noted_at = -EXCEPTION_SECONDS

    def arm(self) -> None:
        """From now on, catch them.

        Raises:
            OSError: The files cannot be made.
        """
        self._exception = (self._folder / "exception").open("w", encoding="utf-8")
        self._enable_faulthandler()
        self._chain_excepthooks()

    def _enable_faulthandler(self) -> None:
        if faulthandler.is_enabled():
            return  # someone else wants to hear of it
        self._fault = (self._folder / "fault").open("w", encoding="utf-8")
        faulthandler.enable(self._fault)
        if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
            # What dies in a copy of the process is not OctoPrint.
            os.register_at_fork(after_in_child=faulthandler.disable)

    def _chain_excepthooks(self) -> None:
        in_threads, in_main = threading.excepthook, sys.excepthook

        def in_thread(args: Any) -> None:
            if args.exc_type is not SystemExit:
                name = args.thread.name if args.thread else "?"
                self._note(name, args.exc_value, args.exc_traceback)
            in_threads(args)

        def in_main_thread(
            type_: type[BaseException], value: BaseException, trace: TracebackType | None
        ) -> None:
            if issubclass(type_, Exception):
                self._note("MainThread", value, trace)
            in_main(type_, value, trace)

        threading.excepthook = in_thread
        sys.excepthook = in_main_thread

    def _note(self, thread: str, error: BaseException | None, trace: TracebackType | None) -> None:
        now = time.monotonic()
        if thread != "MainThread" and now - self._noted_at < EXCEPTION_SECONDS:
            return
        self._noted_at = now
        words = {
            "at": self._since_boot(),
            "thread": thread,
            "type": type(error).__name__,
            "message": str(error)[:200],
            "errno": error.errno if isinstance(error, OSError) else None,
            "files": [frame.filename for frame in traceback.extract_tb(trace)][-MOST_FRAMES:],
        }
        with contextlib.suppress(OSError):  # what the thread died of may be the disk
            self._exception.seek(0)
            self._exception.truncate()
            self._exception.write(json.dumps(words))
            self._exception.flush()
