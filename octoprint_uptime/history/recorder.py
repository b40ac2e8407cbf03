"""Writes the history on a separate thread, so that no event ever waits for the disk.

Events are handed over and written as soon as the disk allows, with heartbeats in between. While the
history cannot be written, events wait in memory, and every heartbeat tries again.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable, Protocol, TypeVar

from ..reader import monotonic_clock
from ..why.connection import ConnectionFacts
from ..why.evidence import Scene
from ..why.host import HostState
from ..why.verdict import verdict
from ..why.vitals import Vitals
from ..why.words import N_
from .beginning import Beginning
from .ends import connection_end
from .original import Original
from .position import Position
from .record import (
    History,
    Hour,
    Instant,
    NewerFileError,
    NewRun,
    Reasons,
    Records,
    Totals,
    kernel_boot_id,
    move_aside,
)
from .report import DAY_SECONDS, Timeline, history_answer

Entry = Callable[[History], Any]
Answer = TypeVar("Answer")

MAX_WAITING = 1000
GOODBYE_SECONDS = 10.0
CLOCK_SETTLED_SECONDS = 600.0
"""By then NTP has set the clock of a board without one, if it ever does."""
PRUNE_SECONDS = 86400.0
PATIENCE_SECONDS = 2.0
"""OctoPrint has few threads for requests, and the request that pauses a print needs one."""


class Watcher(Protocol):
    """What the recorder needs of :class:`Watch`."""

    token: str | None

    def vitals(self) -> Vitals: ...

    def host(self) -> HostState: ...

    def look(self) -> Scene: ...

    def forget_all_but(self, token: str | None) -> None: ...


class NoWatcher:
    """Watches nothing."""

    token: str | None = None

    def vitals(self) -> Vitals:
        return {}

    def host(self) -> HostState:
        return HostState()

    def look(self) -> Scene:
        return Scene()

    def forget_all_but(self, token: str | None) -> None:
        pass


NO_WATCHER = NoWatcher()


def nowhere() -> Position | None:
    """The position while nothing prints."""
    return None


class HistoryUnavailableError(Exception):
    """The history cannot be read or written at the moment."""


def as_text(name: str) -> str:
    """A file name for SQLite, whose texts must be valid Unicode; file names need not be."""
    return name.encode("utf-8", "replace").decode("utf-8")


def is_damage(error: Exception) -> bool:
    """Whether the file is damaged, rather than the disk failing at the moment."""
    # sqlite3 raises the base class for damage only, and its subclasses for everything else.
    return type(error) is sqlite3.DatabaseError


class Recorder:
    """Writes the history of one run of OctoPrint.

    Args:
        path: The history's file.
        logger: Gets each problem with it once.
        heartbeat_seconds: Returns the current interval.
        history_days: Returns the current retention, in days.
        on_change: Called when the history may have changed: on the recorder's thread if an event
            was recorded or the wall clock was set, on the caller's thread if the last outage was
            acknowledged or the history was cleared.
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
        self._watch: Watcher = NO_WATCHER
        self._where = nowhere
        self._scene = Scene()
        self._has_begun = False
        self._refused = False
        self._has_failed = False
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
        watch: Watcher = NO_WATCHER,
        position: Callable[[], Position | None] = nowhere,
        **more: Any,
    ) -> None:
        """Begin the record of this run.

        Args:
            age: OctoPrint's uptime in seconds; ``None`` if unknown.
            octoprint_version: The running OctoPrint's version.
            watch: Watches this run; called on the recorder's thread.
            position: Returns the position in the selected file, ``None`` without one. Called at
                each heartbeat on the recorder's thread, and at the end on that of :meth:`stop`.
            more: The other arguments of :class:`Beginning`.
        """
        at = self.now()
        started = at.since_boot - (age or 0.0)
        run = NewRun(kernel_boot_id(), started, octoprint_version, watch.token)
        self._beginning = Beginning(run, at, **more)
        self._watch = watch
        self._where = position
        self._thread.start()

    def connected(self, port: str | None) -> None:
        since_boot, name = self._since_boot(), port and as_text(port)
        self._record(lambda history: history.connected(since_boot, name))

    def disconnected(self, failed: bool) -> Callable[[ConnectionFacts], None]:
        """The printer connection has ended.

        Returns:
            A function that takes the facts about that end, which may come later. Only the first
            call counts.
        """
        since_boot = self._since_boot()
        self._record(lambda history: history.disconnected(since_boot, failed))
        return functools.partial(self._explain, since_boot, connection_end(failed))

    def _explain(self, ended: float, end: str, facts: ConnectionFacts) -> None:
        reason = verdict("printer", end, facts).reason
        self._record(lambda history: history.explain(ended, end, reason, facts.to_json()))

    def print_started(self, file: str) -> None:
        since_boot, name = self._since_boot(), as_text(file)
        self._record(lambda history: history.print_started(since_boot, name))

    def print_ended(self, result: str) -> None:
        since_boot = self._since_boot()
        self._record(lambda history: history.print_ended(since_boot, result))

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
        """Write the goodbye and record nothing more.

        Args:
            host_goes_down: Returns what the host is about to do, as in :class:`Facts`. It may take
                a while.
        """
        since_boot = self._since_boot()
        host = host_goes_down()
        position = self._position()  # last, because a print goes on meanwhile
        self._record(lambda history: history.goodbye(since_boot, host, position))
        self._inbox.put(self._end)
        if self._thread.is_alive():  # OctoPrint may shut down before it has started up
            self._thread.join(GOODBYE_SECONDS)

    def acknowledge(self) -> None:
        """Acknowledge the end that :meth:`Timeline.unacknowledged` returns.

        Raises:
            HistoryUnavailableError: The history cannot be written at the moment.
        """
        self._command(History.acknowledge)

    def clear(self) -> None:
        """Delete everything except the running run, boot, connection and print.

        Raises:
            HistoryUnavailableError: The history cannot be written at the moment.
        """
        self._command(History.clear)

    def records(self, since: float | None = None) -> Records:
        """The records, as :meth:`History.records` returns them.

        Raises:
            HistoryUnavailableError: The history cannot be read at the moment.
        """
        return self._read(lambda history: history.records(since))

    def answer(self, days: int) -> dict[str, Any]:
        """The last ``days`` days, as :func:`history_answer` returns them.

        Raises:
            HistoryUnavailableError: The history cannot be read at the moment.
        """
        now = self.now()
        answer = history_answer(self.records(now.wall - days * DAY_SECONDS), now, days)
        # While the time is unknown, the answer has everything that is kept.
        return answer if answer["to"] else history_answer(self.records(), now, days)

    def kept(self) -> tuple[Records, list[Hour]]:
        """All records and hours.

        Raises:
            HistoryUnavailableError: The history cannot be read at the moment.
        """
        return self._read(lambda history: (history.records(), history.hours()))

    def totals(self) -> tuple[Totals, Reasons]:
        """The counts of everything that happened, and of its reasons.

        Raises:
            HistoryUnavailableError: The history cannot be read at the moment.
        """
        return self._read(lambda history: (history.totals(), history.reasons()))

    def _read(self, question: Callable[[History], Answer]) -> Answer:
        with self._held():
            try:
                return question(self._begun())
            except sqlite3.Error as error:
                raise HistoryUnavailableError(str(error)) from error

    def _position(self) -> Position | None:
        position = self._where()
        return position and position._replace(file=as_text(position.file))

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
        """Hold the lock for a request, which must not wait for a disk that hangs."""
        if not self._lock.acquire(timeout=PATIENCE_SECONDS):
            raise HistoryUnavailableError(N_("the disk is slow to answer"))
        try:
            yield
        finally:
            self._lock.release()

    def _begun(self) -> History:
        if self._history is None or not self._has_begun:
            raise HistoryUnavailableError(self._trouble or N_("it has not been opened yet"))
        return self._history

    def _end(self) -> None:
        self._ended = True

    def _work(self) -> None:
        try:
            self._write_until_stopped()
        except Exception:  # an error here must stop only the history
            self._logger.exception(
                "The history is no longer recorded, because of an unexpected error"
            )

    def _write_until_stopped(self) -> None:
        self._gather_evidence()
        self._write()
        while not self._ended:
            with contextlib.suppress(queue.Empty):
                self._call(self._inbox.get(timeout=self._heartbeat_seconds()))
            while not self._inbox.empty():
                self._call(self._inbox.get())
            del self._waiting[:-MAX_WAITING]
            self._write()
        with self._lock:
            self._close()

    def _call(self, action: Callable[[], None]) -> None:
        """Call what others gave to the recorder; its errors must not stop the history."""
        try:
            action()
        except Exception:
            if not self._has_failed:
                self._logger.exception("Could not announce a change in the history")
            self._has_failed = True

    def _gather_evidence(self) -> None:
        # Without the lock, because a witness may still be writing.
        try:
            self._scene = self._watch.look()
        except Exception:  # what a dying process left behind must not stop the history
            self._logger.exception("Could not gather evidence about the last run")

    def _write(self) -> None:
        if self._refused:
            return
        # Without the lock, because OctoPrint has locks too.
        position = None if self._ended else self._position()
        with self._lock:
            try:
                changed = self._write_or_replace(position)
            except NewerFileError as error:
                self._refused = True
                self._trouble = str(error)
                self._logger.error("The history is not recorded: %s", error)
                return
            except (OSError, sqlite3.Error) as error:
                self._report_once(error)
                return
        if self._trouble:
            self._trouble = None
            self._logger.info("Writing the history works again")
        if changed:
            self._call(self._on_change)

    def _write_or_replace(self, position: Position | None) -> bool:
        try:
            return self._write_all(position)
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            self._close()
            aside = move_aside(self._path)
            self._logger.error(
                "The history is damaged (%s); moved it to %s and started a new one", error, aside
            )
            return self._write_all(position)

    def _write_all(self, position: Position | None) -> bool:
        """Write the waiting events and a heartbeat; whether the history may have changed."""
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
                history.beat(at.since_boot, self._watch.vitals(), position)
                if history.is_new_hour(at.since_boot):
                    history.keep_hour(at.since_boot, self._watch.host())
            if at.since_boot >= self._prune_at:
                self._prune(history, at)
        if not self._has_begun:
            self._has_begun = True
            self._watch.forget_all_but(last.token if last else None)
        self._waiting.clear()
        return changed

    def _is_copy(self, history: History) -> bool:
        """Whether the last run wrote another file. From now on this one is the original."""
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

    def _report_once(self, error: Exception) -> None:
        if self._trouble is None:
            self._logger.warning("Could not write the history: %s", error)
        self._trouble = str(error)
