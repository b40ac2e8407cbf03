"""What a record says while nobody can ask OctoPrint: it is dead, hung, or on another computer.

Reads only. The last run of a dead OctoPrint gets its verdict in the same way as at the next start,
but in a copy of the record. So the next start finds everything as it was.
"""

from __future__ import annotations

import functools
import heapq
import math
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ..reader import monotonic_clock, process_started
from ..why.evidence import LastRun, Scene, look, what_hangs
from ..why.vitals import Vitals, VitalSigns
from ..why.watch import FOLDER as LAST_WORDS_FOLDER
from .beginning import Beginning
from .copy import holder, whole_copy
from .original import Original
from .record import History, Instant, NewRun, Reasons, Records, Version, kernel_boot_id
from .report import DAY_SECONDS, Timeline, history_answer, since

IDENTIFIER = "octoprint_uptime"
LOG = "octoprint.log"
RECORD = "history.db"
SUBJECTS = ("octoprint", "system", "printer")
LISTED = ("octoprint", "printer")
"""The subjects of a list of all ends: those of the host are in OctoPrint's."""
MACHINE_ID = Path("etc/machine-id")
"""Every system has this file in its root, so it shows whose folder it is."""
ANOTHER_BOOT = "another computer"
"""No kernel has this id."""


class Running(NamedTuple):
    """An OctoPrint that holds the record.

    Attributes:
        pid: Its process id; 0 if unknown.
        heartbeat_seconds_ago: The age of its last heartbeat; ``None`` if it has not recorded
            anything yet, because it is starting or cannot write.
        hung: What its server runs that does not respond, as ``Facts.hung``.
    """

    pid: int
    heartbeat_seconds_ago: float | None
    hung: dict[str, str] | None


@dataclass(frozen=True)
class Place:
    """Where an OctoPrint keeps the files that are read here.

    Attributes:
        folder: The plugin's data folder.
        log: OctoPrint's own log.
        versions: The versions of OctoPrint and the plugins, by identifier; ``None`` if unknown.
        plugins: The names of plugins, by their folders.
    """

    folder: Path
    log: Path
    versions: Mapping[str, Version] | None = None
    plugins: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def in_base_folder(cls, base: Path, folders: Mapping[str, Any], **more: Any) -> Place:
        """The place in an OctoPrint's base folder.

        Args:
            base: The base folder.
            folders: The folders that OctoPrint's settings choose, ``data`` and ``logs``.
            more: The other attributes.
        """
        root = root_of(base)
        chosen = {name: folder for name, folder in folders.items() if isinstance(folder, str)}
        data, logs = (
            root / chosen[name].lstrip("/") if chosen.get(name) else base / name
            for name in ("data", "logs")
        )
        return cls(data / IDENTIFIER, logs / LOG, **more)

    @property
    def root(self) -> Path:
        """The root folder of the system that the folder belongs to."""
        return root_of(self.folder)


def root_of(folder: Path) -> Path:
    """The root folder of the system that a folder belongs to: another one on a mounted card."""
    folder = folder.resolve()
    # Unlike Path.exists, this ignores folders that belong to another user.
    own = (above for above in folder.parents if os.path.exists(above / MACHINE_ID))  # noqa: PTH110
    return next(own, Path(folder.anchor))


@dataclass(frozen=True)
class Aftermath:
    """What the record says.

    Attributes:
        records: All that is kept. Unless OctoPrint is running and has recorded that, the last run
            is not in the file: it stands for the next start, or for that of the running OctoPrint.
        now: The moment.
        running: The OctoPrint that holds the record; ``None`` if none does.
        is_elsewhere: Whether the record belongs to another computer.
        reasons: The counts of ends by reason.
        octoprint_version: The version of the OctoPrint that wrote it last.
    """

    records: Records
    now: Instant
    running: Running | None
    is_elsewhere: bool
    reasons: Reasons
    octoprint_version: str

    @functools.cached_property
    def _timeline(self) -> Timeline:
        return Timeline(self.records, self.now)

    def answer(self, days: int) -> dict[str, Any]:
        """The last ``days`` days, as :func:`history_answer` returns them.

        The run and the boot that only stand for the next start are left out.
        """
        answer = history_answer(self.records, self.now, days)
        for subject in self._stopped():
            answer[subject] = [entry for entry in answer[subject] if entry["end"] != "running"]
        return answer

    def ended(self, *subjects: str, days: int | None = None) -> list[dict[str, Any]]:
        """The entries that have ended, newest first.

        Args:
            subjects: Some of ``SUBJECTS``.
            days: How many days back; ``None`` for all.

        Returns:
            Entries as in the API. One after which nothing has started yet has ``is_last``, too.
        """
        lists = [list(_timed(self._ended(subject, days))) for subject in subjects]
        return [entry for _, entry in heapq.merge(*lists, key=lambda timed: -timed[0])]

    def _ended(self, subject: str, days: int | None) -> list[dict[str, Any]]:
        entries = getattr(self._timeline, subject)()
        now = self._timeline.now()
        start = None if days is None or now is None else now - days * DAY_SECONDS
        ended = [entry for entry in since(entries, start) if entry["end"] != "running"][::-1]
        if ended and subject in self._stopped():
            ended[0]["is_last"] = True
        return ended

    def _stopped(self) -> list[str]:
        """The subjects that are known not to be running."""
        octoprint = [] if self.running else ["octoprint"]
        return [*octoprint, "system"] if self.is_elsewhere else octoprint


def _timed(entries: Iterable[dict[str, Any]]) -> Iterator[tuple[float, dict[str, Any]]]:
    """Yield each entry with its time, or that of the next newer one if its own is unknown."""
    ended_at = math.inf
    for entry in entries:
        if entry["ended_at"] is not None:
            ended_at = entry["ended_at"]
        yield ended_at, entry


def read(place: Place) -> Aftermath | None:
    """What the record says; ``None`` if it has no run of OctoPrint yet.

    Raises:
        FileNotFoundError: There is no record.
        PermissionError: It, or the evidence beside it, belongs to another user.
        OSError: It cannot be read, or there is no room for a copy of it.
        NoCopyError: It keeps changing, or there is no folder for a copy.
        NewerFileError: It is of a newer version of the plugin.
        sqlite3.DatabaseError: It is damaged.
    """
    path = place.folder / RECORD
    pid = holder(path)
    with whole_copy(path) as copy:
        if holder(path) != pid:  # OctoPrint has started or ended meanwhile
            return read(place)
        history = History(copy)
        try:
            return _read(place, history, pid)
        finally:
            history.close()


def _read(place: Place, history: History, pid: int | None) -> Aftermath | None:
    last = history.last_run()
    if last is None:
        return None
    is_elsewhere = pid is None and _is_elsewhere(place, history)
    # How long this computer has been up says nothing about another.
    now = Instant(0.0 if is_elsewhere else monotonic_clock()(), time.time())
    running = None if pid is None else _running(place, history, last, pid, now)
    if running is None or running.heartbeat_seconds_ago is None:
        boot = ANOTHER_BOOT if is_elsewhere else kernel_boot_id()
        started = process_started(running.pid) if running else now.since_boot
        run = NewRun(boot, started or now.since_boot, last.octoprint_version)
        scene = _scene(place, last, is_elsewhere, has_started=running is not None)
        is_copy = not is_elsewhere and not _is_original(place, history)
        with history.transaction():
            Beginning(run, now, place.versions, place.plugins).write(history, scene, is_copy)
    return Aftermath(
        *(history.records(), now, running, is_elsewhere, history.reasons()),
        octoprint_version=last.octoprint_version,
    )


def _running(place: Place, history: History, last: LastRun, pid: int, now: Instant) -> Running:
    is_on_this_boot = history.was_last_on(kernel_boot_id(), now)
    if pid and not (is_on_this_boot and _can_be_run_of(pid, last)):
        return Running(pid, heartbeat_seconds_ago=None, hung=None)
    return Running(
        pid,
        heartbeat_seconds_ago=max(0.0, now.since_boot - last.seen),
        hung=what_hangs(place.folder / LAST_WORDS_FOLDER / str(last.token), place.plugins),
    )


def _can_be_run_of(pid: int, last: LastRun) -> bool:
    """Whether a process, of the same boot, can have written the last run.

    It holds the record before it begins its own run there; on a full disk, hours before.
    """
    began = process_started(pid)
    return not last.said_goodbye and (began is None or last.seen >= began)


def _is_original(place: Place, history: History) -> bool:
    seal = history.seal()
    return seal is None or Original(place.folder).is_sealed_by(seal)


def _is_elsewhere(place: Place, history: History) -> bool:
    """Whether the record is another computer's, unless someone holds it."""
    is_sealed_elsewhere = Original(place.folder).exists() and not _is_original(place, history)
    return place.root != Path("/") or is_sealed_elsewhere


def _scene(place: Place, last: LastRun, is_elsewhere: bool, has_started: bool) -> Scene:
    words = place.folder / LAST_WORDS_FOLDER
    _insist_on_reading(words / str(last.token))
    vitals = _vitals(place, is_elsewhere)
    return look(words, place.log, vitals, place.root, has_started=has_started)


def _insist_on_reading(last_words: Path) -> None:
    """Raise the errors that ``look`` ignores: without all evidence, the verdict would differ."""
    if last_words.exists():
        for file in last_words.iterdir():
            file.open("rb").close()


def _vitals(place: Place, is_elsewhere: bool) -> Vitals:
    vitals = VitalSigns(place.folder).read()
    # Only its free space belongs to the disk rather than to this computer.
    return {n: v for n, v in vitals.items() if not is_elsewhere or n == "disk_free_bytes"}
