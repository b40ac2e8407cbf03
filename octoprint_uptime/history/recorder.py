"""Feeds the history: a thread of its own, so that no event ever waits for the disk.

What happens is handed over and written as soon as the disk allows; a heartbeat is written
in between. While the history cannot be written, what has happened is kept and tried again
at every heartbeat.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable, Protocol, TypeVar

from ..reader import monotonic_clock
from ..why.evidence import Scene
from ..why.vitals import Vitals
from .beginning import Beginning
from .original import Original
from .record import (
    History,
    Instant,
    NewerFileError,
    NewRun,
    Reasons,
    Records,
    Totals,
    kernel_boot_id,
    move_aside,
)
from .report import Timeline

Entry = Callable[[History], Any]
Answer = TypeVar("Answer")

MOST_WAITING = 1000
GOODBYE_SECONDS = 10.0
CLOCK_SETTLED_SECONDS = 600.0
"""By then a board without a clock has heard from NTP, if it ever will."""
PRUNE_SECONDS = 86400.0
PATIENCE_SECONDS = 2.0
"""OctoPrint has few threads for requests, those that pause a print among them."""


class Watcher(Protocol):
    """What the recorder needs of :class:`Watch`."""

    token: str | None

    def vitals(self) -> Vitals: ...

    def look(self) -> Scene: ...

    def forget_all_but(self, token: str | None) -> None: ...


class Nobody:
    """Watches nothing."""

    token: str | None = None

    def vitals(self) -> Vitals:
        return {}

    def look(self) -> Scene:
        return Scene()

    def forget_all_but(self, token: str | None) -> None:
        pass


NOBODY = Nobody()


class HistoryUnavailableError(Exception):
    """The history cannot be read or written now."""


def is_damage(error: Exception) -> bool:
    """Whether it is the file that is damaged, not the disk that fails for now."""
    # sqlite3 uses the base class for damage alone, its subclasses for all else.
    return type(error) is sqlite3.DatabaseError


class Recorder:
    """Writes the history of one run of OctoPrint.

    Args:
        path: The history's file.
        logger: Where trouble with it is told, once.
        heartbeat_seconds: The interval, asked anew each time.
        history_days: For how many days rows are kept, asked anew each time.
        on_change: Called, on the recorder's thread, when what the records mean may have
            changed: something was recorded, the wall clock was set, all was acknowledged or
            cleared.
    """

    def __init__(
        self,
        path: Path,
        logger: logging.Logger,
        heartbeat_seconds: Callable[[], float],
        history_days: Callable[[], int],
        on_change: Callable[[], None],
    ) -> None:
        self._path = path
        self._logger = logger
        self._heartbeat_seconds = heartbeat_seconds
        self._history_days = history_days
        self._on_change = on_change
        self._since_boot = monotonic_clock()
        self._lock = threading.Lock()
        self._history: History | None = None
        self._beginning: Beginning
        self._watch: Watcher = NOBODY
        self._scene = Scene()
        self._has_begun = False
        self._refused = False
        self._trouble: str | None = None
        self._waiting: list[Entry] = []
        self._inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._ended = False
        self._prune_at = CLOCK_SETTLED_SECONDS
        self._thread = threading.Thread(
            target=self._work, name="octoprint_uptime.recorder", daemon=True
        )

    def now(self) -> Instant:
        """This moment, on both clocks."""
        return Instant(self._since_boot(), time.time())

    def start(
        self,
        age: float | None,
        octoprint_version: str,
        *,
        watch: Watcher = NOBODY,
        **more: Any,
    ) -> None:
        """Begin the record of this run.

        Args:
            age: For how many seconds OctoPrint has been running, ``None`` if unknown.
            octoprint_version: Of the OctoPrint that runs.
            watch: Watches this run; called on the recorder's thread.
            more: What else :class:`Beginning` takes.
        """
        at = self.now()
        started = at.since_boot - (age or 0.0)
        run = NewRun(kernel_boot_id(), started, octoprint_version, watch.token)
        self._beginning = Beginning(run, at, **more)
        self._watch = watch
        self._thread.start()

    def connected(self, port: str | None) -> None:
        since_boot = self._since_boot()
        self._record(lambda history: history.connected(since_boot, port))

    def disconnected(self, failed: bool) -> None:
        since_boot = self._since_boot()
        self._record(lambda history: history.disconnected(since_boot, failed))

    def printing(self, file: str | None) -> None:
        # Names of files need not be valid Unicode, texts in SQLite do.
        name = file and file.encode("utf-8", "replace").decode("utf-8")
        self._record(lambda history: history.printing(name))

    def undervoltage(self, times: int = 1, seconds_ago: float = 0.0) -> None:
        since_boot = self._since_boot() - seconds_ago
        self._record(lambda history: history.undervoltage(since_boot, times))

    def beat(self) -> None:
        """Write a heartbeat now; the next is an interval later."""
        self._inbox.put(lambda: None)

    def soon(self, action: Callable[[], None]) -> None:
        """Call ``action`` on the recorder's thread, once the run has begun or cannot begin."""
        self._inbox.put(action)

    def stop(self, host_goes_down: Callable[[], str] = lambda: "unknown") -> None:
        """Write the goodbye; nothing is recorded any more.

        Args:
            host_goes_down: Tells what the host is about to do, as :class:`Facts` have it. That
                may take a while.
        """
        since_boot = self._since_boot()
        host = host_goes_down()
        self._record(lambda history: history.goodbye(since_boot, host))
        self._inbox.put(self._end)
        if self._thread.is_alive():  # OctoPrint may shut down before it has started up
            self._thread.join(GOODBYE_SECONDS)

    def acknowledge(self) -> None:
        """Put away what :meth:`Timeline.unacknowledged` tells.

        Raises:
            HistoryUnavailableError: It cannot be written now.
        """
        self._command(History.acknowledge)

    def clear(self) -> None:
        """Forget all but what is running.

        Raises:
            HistoryUnavailableError: It cannot be written now.
        """
        self._command(History.clear)

    def records(self) -> Records:
        """All that is kept.

        Raises:
            HistoryUnavailableError: It cannot be read now.
        """
        return self._read(History.records)

    def totals(self) -> tuple[Totals, Reasons]:
        """How often everything happened, and why.

        Raises:
            HistoryUnavailableError: It cannot be read now.
        """
        return self._read(lambda history: (history.totals(), history.reasons()))

    def _read(self, question: Callable[[History], Answer]) -> Answer:
        with self._held():
            try:
                return question(self._begun())
            except sqlite3.Error as error:
                raise HistoryUnavailableError(str(error)) from error

    def _record(self, entry: Entry) -> None:
        self._inbox.put(lambda: self._waiting.append(entry))

    def _command(self, entry: Entry) -> None:
        with self._held():
            try:
                history = self._begun()
                with history.transaction():
                    entry(history)
            except sqlite3.Error as error:
                raise HistoryUnavailableError(str(error)) from error
        self._on_change()

    @contextlib.contextmanager
    def _held(self) -> Iterator[None]:
        """The lock, for a request: not for as long as a disk that hangs may take."""
        if not self._lock.acquire(timeout=PATIENCE_SECONDS):
            raise HistoryUnavailableError("the disk is slow to answer")
        try:
            yield
        finally:
            self._lock.release()

    def _begun(self) -> History:
        if self._history is None or not self._has_begun:
            raise HistoryUnavailableError(self._trouble or "it has not been opened yet")
        return self._history

    def _end(self) -> None:
        self._ended = True

    def _work(self) -> None:
        try:
            self._write_until_the_end()
        except Exception:  # whatever it is, it must cost the history alone
            self._logger.exception("No more history is recorded")

    def _write_until_the_end(self) -> None:
        self._look_around()
        self._write()
        while not self._ended:
            with contextlib.suppress(queue.Empty):
                self._inbox.get(timeout=self._heartbeat_seconds())()
            while not self._inbox.empty():
                self._inbox.get()()
            del self._waiting[:-MOST_WAITING]
            self._write()
        with self._lock:
            self._close()

    def _look_around(self) -> None:
        # Before anyone may wait for the lock: a witness may still be writing.
        try:
            self._scene = self._watch.look()
        except Exception:  # whatever a dying process has left behind must not cost the history
            self._logger.exception("Nothing shows why the last run ended")

    def _write(self) -> None:
        if self._refused:
            return
        with self._lock:
            try:
                changed = self._write_or_begin_anew()
            except NewerFileError as error:
                self._refused = True
                self._trouble = str(error)
                self._logger.error("No history is recorded: %s", error)
                return
            except (OSError, sqlite3.Error) as error:
                self._note_trouble(error)
                return
        if self._trouble:
            self._trouble = None
            self._logger.info("The history can be written again")
        if changed:
            self._on_change()

    def _write_or_begin_anew(self) -> bool:
        try:
            return self._write_all()
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            self._close()
            aside = move_aside(self._path)
            self._logger.error(
                "The history is damaged (%s); it is now %s and a new one is begun", error, aside
            )
            return self._write_all()

    def _write_all(self) -> bool:
        """Write what waits and a heartbeat; whether the meaning of the records changed."""
        if self._history is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._history = History(self._path)
        history = self._history
        at = self.now()
        last = None if self._has_begun else history.last_run()
        with history.transaction():
            changed = not self._has_begun or bool(self._waiting)
            if not self._has_begun:
                self._beginning.write(history, self._scene, self._is_copy(history))
            changed |= history.keep_anchor(at)
            for entry in self._waiting:
                entry(history)
            if not self._ended:
                history.beat(at.since_boot, self._watch.vitals())
            if at.since_boot >= self._prune_at:
                self._prune(history, at)
        if not self._has_begun:
            self._has_begun = True
            self._watch.forget_all_but(last.token if last else None)
        self._waiting.clear()
        return changed

    def _is_copy(self, history: History) -> bool:
        """Whether the last run wrote another file; from now on this is the original."""
        original = Original(self._path.parent)
        seal = history.seal()
        if seal and original.is_sealed_by(seal):
            return False
        history.set_seal(original.new_seal())
        return seal is not None

    def _prune(self, history: History, at: Instant) -> None:
        history.prune(*Timeline(history.records(), at).first_kept(self._history_days()))
        self._prune_at = at.since_boot + PRUNE_SECONDS

    def _close(self) -> None:
        if self._history is not None:
            self._history.close()
        self._history = None
        self._has_begun = False

    def _note_trouble(self, error: Exception) -> None:
        if self._trouble is None:
            self._logger.warning("The history cannot be written: %s", error)
        self._trouble = str(error)
