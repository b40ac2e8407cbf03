"""The last words of the process: native crashes and exceptions that end threads.

Each goes to a file that was opened in advance: a dying process cannot open one.
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
from typing import IO, Any, Callable

EXCEPTION_SECONDS = 60.0
"""The shortest interval between two exceptions that are written."""
MAX_FRAMES = 30


class LastWords:
    """Catches the last words of the process and its threads.

    Args:
        folder: Where the files go, ``fault`` and ``exception``.
        since_boot: Seconds since the boot.
    """

    def __init__(self, folder: Path, since_boot: Callable[[], float]) -> None:
        self._folder = folder
        self._since_boot = since_boot
        self._pid = os.getpid()
        self._noted_at = -EXCEPTION_SECONDS
        self._exception: IO[str] | None = None
        self._fault: IO[str] | None = None

    def arm(self) -> None:
        """Start catching them.

        Raises:
            OSError: The files cannot be created.
        """
        self._exception = (self._folder / "exception").open("w", encoding="utf-8")
        self._enable_faulthandler()
        self._chain_excepthooks()

    def _enable_faulthandler(self) -> None:
        if faulthandler.is_enabled():
            return  # someone else's: it has one file only, and taking it would lose their dump
        self._fault = (self._folder / "fault").open("w", encoding="utf-8")
        faulthandler.enable(self._fault)
        if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
            # A forked child that dies is not OctoPrint.
            os.register_at_fork(after_in_child=faulthandler.disable)

    def _chain_excepthooks(self) -> None:
        in_threads, outside = threading.excepthook, sys.excepthook

        def in_thread(args: Any) -> None:
            if args.exc_type is not SystemExit:
                self._note(args.exc_value, args.exc_traceback)
            in_threads(args)

        def elsewhere(
            type_: type[BaseException], value: BaseException, trace: TracebackType | None
        ) -> None:
            if issubclass(type_, Exception):
                self._note(value, trace)
            outside(type_, value, trace)

        threading.excepthook = in_thread
        sys.excepthook = elsewhere

    def _note(self, error: BaseException | None, trace: TracebackType | None) -> None:
        # Whatever the exception is, the previous hook must still get it.
        with contextlib.suppress(Exception):
            thread = threading.current_thread()
            is_main = thread is threading.main_thread()
            now = time.monotonic()
            if os.getpid() != self._pid:
                return
            if not is_main and now - self._noted_at < EXCEPTION_SECONDS:
                return
            self._noted_at = now
            self._write(
                {
                    "at": self._since_boot(),
                    "thread": thread.name,
                    "is_main": is_main,
                    "type": type(error).__name__,
                    "message": str(error)[:200],
                    "errno": error.errno if isinstance(error, OSError) else None,
                    "files": [frame.f_code.co_filename for frame, _ in traceback.walk_tb(trace)][
                        -MAX_FRAMES:
                    ],
                }
            )

    def _write(self, words: dict[str, Any]) -> None:
        assert self._exception is not None
        text = json.dumps(words)
        self._exception.seek(0)
        self._exception.truncate()
        self._exception.write(text)
        self._exception.flush()
