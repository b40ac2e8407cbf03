"""What happened: boots, runs of OctoPrint, printer connections, in one SQLite file.

Every time is in seconds since the boot of the host, on a clock that is never set. Each boot has
one anchor to the wall clock: correct it, and every row of the boot is correct. How a run ended
is not stored, because it follows from the next row (``report.py``). Only the totals are stored,
so that pruning does not change them.

The journal is a write-ahead log, synchronized at every commit, because an SD card may lose
power. A heartbeat appends one small page to a file of constant size; a rollback journal would
write several pages to two files and their directory. The lock is exclusive, because the index
that lets several processes read would be one more file to write.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ..why.evidence import Beat, LastRun, stored
from ..why.host import HostState
from ..why.vitals import NAMES
from .ends import boot_end, connection_end, run_end
from .position import Position
from .schema import MIGRATIONS

NO_VITALS: Mapping[str, float] = {}

Totals = dict[tuple[str, str], int]
"""Counts by subject and event. An event is an end of ``ENDS``; ``octoprint`` also has
``interrupted_print`` and ``undervoltage``, at most once a run, and ``undervoltages``, every time.
Events that never happened are missing."""

Reasons = dict[tuple[str, str, str], int]
"""Counts by subject, end and reason."""

PAGE_BYTES = 1024  # what a heartbeat writes
PAGES_IN_LOG = 200
ANCHOR_TOLERANCE_SECONDS = 0.1
SAME_BOOT_SECONDS = 60.0
BEATS_KEPT = 64
"""One for each minute, so that an end has those of the hour before."""
BEAT_SECONDS = 60.0
HOUR_SECONDS = 3600.0
HOURS_KEPT = 14 * 24
"""Of those that OctoPrint was running."""
EARLIEST_UNIX_TIME = 1_735_689_600.0
"""2025-01-01: no version is older, so a wall clock before this has not been set."""
CUT_OFF_SECONDS = 10.0
"""A print that failed this long before a power loss may have failed because of it."""
VITALS_KEPT = 100
"""How many unplanned ends keep their vital signs, which take most of the space."""
BOOT_ID_FILE = Path("/proc/sys/kernel/random/boot_id")


class NewerFileError(Exception):
    """The file was written by a newer version of the plugin."""


class Instant(NamedTuple):
    """One moment on both clocks, in seconds: since the boot, and Unix time."""

    since_boot: float
    wall: float

    @property
    def booted_at(self) -> float:
        """The Unix time of the boot, according to the wall clock."""
        return self.wall - self.since_boot


class Boot(NamedTuple):
    """``clock_set`` is true when someone set the wall clock during this boot."""

    id: int
    booted_at: float
    clock_set: bool


class Run(NamedTuple):
    """One run of OctoPrint; ``ended`` is ``None`` unless it said goodbye.

    ``copied`` is true when it began with a copy of the record: it cannot tell how the run
    before it went on in the original. ``undervoltage`` counts how often it was detected.
    ``died`` is when a witness saw it end. ``facts`` say why it ended, ``vitals`` are the vital
    signs before its end, ``stopped_at`` says where its print stopped; all are JSON.
    """

    id: int
    boot: int
    started: float
    seen: float
    ended: float | None
    octoprint_version: str
    printing: str | None
    undervoltage: int
    acknowledged: bool
    copied: bool
    died: float | None
    facts: str | None
    vitals: str | None
    stopped_at: str | None


class Connection(NamedTuple):
    """One printer connection; ``ended`` is ``None`` unless OctoPrint saw its end.

    ``facts`` say why it ended, as JSON; ``None`` until that is recorded.
    """

    id: int
    run: int
    started: float
    ended: float | None
    failed: bool
    port: str | None
    facts: str | None


class Print(NamedTuple):
    """One print; ``ended`` and ``result`` are ``None`` unless OctoPrint saw its end."""

    id: int
    run: int
    started: float
    ended: float | None
    file: str
    result: str | None


class NewRun(NamedTuple):
    """A run of OctoPrint that starts.

    ``kernel_id`` is the kernel's id of this boot, if it has one. ``started`` is when the
    process started, in seconds since the boot. ``token`` names the folder of its last words.
    """

    kernel_id: str | None
    started: float
    octoprint_version: str
    token: str | None = None


class Version(NamedTuple):
    """The name and version of OctoPrint or a plugin."""

    name: str
    version: str | None


class Ended(NamedTuple):
    """How the previous run ended; ``system`` if the host went down too."""

    run: int
    octoprint: str
    system: str | None


class Hour(NamedTuple):
    """The summary of one hour of heartbeats.

    Attributes:
        run: The id of the run.
        at: When the hour was over, in seconds since the boot.
        vitals: The known values by name: the highest ``disk_free_bytes``, so that space that
            comes back within the hour does not count; for the same reason the lowest
            ``process_memory_bytes``; the average ``memory_available_bytes``; the highest
            ``cpu_celsius`` and ``filesystem_errors``; ``throttled_seconds``, how long heat slowed
            the processor; ``undervoltages`` since the run started; ``clock_set``, 1 if the clock
            was set or synchronized, else 0; ``network``, 1 if there was one, else 0.
        boot: The id of the boot.
        booted_at: The Unix time of the boot, if its own row has been pruned; else ``None``.
    """

    run: int
    at: float
    vitals: dict[str, float]
    boot: int
    booted_at: float | None


_LAST_POSITION = "(SELECT print FROM beats WHERE run = runs.id ORDER BY at DESC LIMIT 1)"
_HOURLY = ", ".join(
    (
        "max(disk_free_bytes) AS disk_free_bytes",
        "min(process_memory_bytes) AS process_memory_bytes",
        "CAST(avg(memory_available_bytes) AS INTEGER) AS memory_available_bytes",
        "max(cpu_celsius) AS cpu_celsius",
        "max(filesystem_errors) AS filesystem_errors",
        "avg(cpu_celsius >= :heat_limit) AS throttled",
    )
)


class Records(NamedTuple):
    """The rows, oldest first. The last run is the running one."""

    boots: list[Boot]
    runs: list[Run]
    connections: list[Connection]
    prints: list[Print]


def kernel_boot_id() -> str | None:
    """The Linux kernel's id of this boot; ``None`` on other systems."""
    return BOOT_ID_FILE.read_text().strip() if BOOT_ID_FILE.exists() else None


def move_aside(path: Path) -> Path:
    """Rename a damaged file and its journal, to make room for a new one."""
    suffix = time.strftime(".damaged-%Y-%m-%d-%H%M%S")
    for part in ("-wal", "-journal", ""):
        file = path.with_name(path.name + part)
        if file.exists():
            file.rename(path.with_name(path.name + suffix + part))
    return path.with_name(path.name + suffix)


class History:
    """The open file, for one thread at a time.

    Args:
        path: The file, which is created if it is missing.

    Raises:
        NewerFileError: The file is of a newer version; it is not changed.
        sqlite3.OperationalError: The file cannot be opened or written at the moment.
        sqlite3.DatabaseError: The file is damaged.
    """

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            self._prepare(path)
        except BaseException:
            self._database.close()
            raise
        self._run: int | None = None
        self._boot: int | None = None
        self._clock_has_moved = False

    def close(self) -> None:
        self._database.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Write everything within, or nothing."""
        before = self._run, self._boot, self._clock_has_moved
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._database.execute("COMMIT")
        except BaseException:
            self._run, self._boot, self._clock_has_moved = before
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise

    # Writing: within a transaction, and after ``begin``.

    def begin(
        self, run: NewRun, at: Instant, *, copied: bool = False, died: float | None = None
    ) -> Ended | None:
        """Record the start of a run of OctoPrint.

        Args:
            run: The run.
            at: Now.
            copied: Whether this file is a copy of the one that the last run wrote.
            died: When the witness saw the last run end, in seconds since its boot.

        Returns:
            How the previous run ended; ``None`` if there was none.
        """
        self._settle_last_run(died)
        self._settle_connections()
        copied |= self._is_set_back(run.kernel_id, at)
        self._boot, earliest = self._same_boot(run.kernel_id, at)
        ended = self._end_of_last_run(on_same_boot=self._boot is not None, copied=copied)
        if ended:
            if ended.octoprint == "power_loss":
                self._restore_cut_off_print(ended.run)
            self._count_ends(ended)
        if self._boot is None:
            self._boot = self._insert(
                "INSERT INTO boots (kernel_id, booted_at) VALUES (?, ?)",
                run.kernel_id,
                at.booted_at,
            )
        else:
            self.keep_anchor(at)
        started = max(run.started, earliest)
        self._run = self._insert(
            "INSERT INTO runs (boot, started, seen, octoprint_version, copied, token)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            self._boot,
            started,
            max(started, at.since_boot),
            run.octoprint_version,
            copied,
            run.token,
        )
        if copied:
            self.acknowledge()  # the original may have been acknowledged since
            # The copy may be on another board.
            self._database.execute("DELETE FROM registers")
            self._database.execute("DELETE FROM hours")
        return ended

    def last_run(self) -> LastRun | None:
        """The last recorded run; before ``begin``, that is the one that ended."""
        row = self._row(
            "SELECT id, octoprint_version, token, seen, ended, goodbye, undervoltage,"
            " undervoltage_at FROM runs ORDER BY id DESC LIMIT 1"
        )
        if row is None:
            return None
        run, octoprint_version, token, seen, ended, goodbye, sags, sag_at = row
        beats = self._beats(run)
        return LastRun(
            octoprint_version=octoprint_version,
            token=token,
            seen=max([seen, *(beat.at for beat in beats)]) if ended is None else ended,
            said_goodbye=ended is not None,
            goodbye=goodbye,
            beats=beats,
            undervoltage_count=sags,
            undervoltage_at=sag_at,
        )

    def was_last_on(self, kernel_id: str | None, now: Instant) -> bool:
        """Whether the last run was on this boot.

        Args:
            kernel_id: The kernel's id of this boot, if it has one.
            now: Now.
        """
        boot, _ = self._same_boot(kernel_id, now)
        return boot is not None

    def keep_facts(self, run: int, facts: str, vitals: str | None = None) -> None:
        """Store what is known about the end of a run.

        Args:
            run: Its id.
            facts: :class:`Facts` as JSON.
            vitals: The vital signs before an unplanned end, as JSON; only the last ones are kept.
        """
        self._database.execute(
            "UPDATE runs SET facts = ?, vitals = ? WHERE id = ?", (facts, vitals, run)
        )
        self._database.execute(
            "UPDATE runs SET vitals = NULL WHERE vitals IS NOT NULL AND id <= (SELECT id FROM runs"
            " WHERE vitals IS NOT NULL ORDER BY id DESC LIMIT 1 OFFSET ?)",
            (VITALS_KEPT,),
        )

    def count_reason(self, subject: str, end: str, reason: str, times: int = 1) -> None:
        """Count one end by its reason, or several."""
        if times:
            self._database.execute(
                "INSERT INTO reasons VALUES (?, ?, ?, ?)"
                " ON CONFLICT (subject, what, reason)"
                " DO UPDATE SET count = count + excluded.count",
                (subject, end, reason, times),
            )

    def usual_registers(self) -> dict[str, set[int]]:
        """The values of the board's reset registers after clean reboots."""
        usual: dict[str, set[int]] = {}
        for name, value in self._database.execute("SELECT name, value FROM registers"):
            usual.setdefault(name, set()).add(value)
        return usual

    def keep_usual_registers(self, registers: Mapping[str, int]) -> None:
        """Store their values now, after a clean reboot."""
        self._database.executemany(
            "INSERT OR IGNORE INTO registers VALUES (?, ?)", registers.items()
        )

    def change_versions(self, versions: Mapping[str, Version]) -> list[dict[str, str | None]]:
        """Store the running versions; the changes, each with ``name``, ``old`` and ``new``."""
        before = {
            key: Version(name, version)
            for key, name, version in self._database.execute("SELECT * FROM versions")
        }
        self._database.execute("DELETE FROM versions")
        self._database.executemany(
            "INSERT INTO versions VALUES (?, ?, ?)",
            [(key, *version) for key, version in versions.items()],
        )
        if not before:
            return []
        nothing = Version("", None)
        return [
            {"name": (new.name or old.name), "old": old.version, "new": new.version}
            for old, new in (
                (before.get(key, nothing), versions.get(key, nothing))
                for key in {**before, **versions}
            )
            if old.version != new.version
        ]

    def keep_panics(self, panics: Iterable[str]) -> bool:
        """Store the kernel's records of its crashes; whether there is a new one."""
        known = {name for (name,) in self._database.execute("SELECT name FROM panics")}
        # Those that are there at the first look may be of any age.
        looked, new = "" in known, set(panics) - known
        self._database.executemany(
            "INSERT OR IGNORE INTO panics VALUES (?)", [(name,) for name in ("", *new)]
        )
        return looked and bool(new)

    def seal(self) -> str | None:
        """The seal that tells this file from a copy (``original.py``)."""
        (seal,) = self._row("SELECT max(seal) FROM seal")
        return seal  # type: ignore[no-any-return]

    def set_seal(self, seal: str) -> None:
        """Seal this file as the original."""
        self._database.execute("DELETE FROM seal")
        self._database.execute("INSERT INTO seal VALUES (?)", (seal,))

    def beat(
        self,
        since_boot: float,
        vitals: Mapping[str, float] = NO_VITALS,
        position: Position | None = None,
    ) -> None:
        """Record a heartbeat: OctoPrint is still here, with vital signs and a print's position.

        It goes into a ring of rows, one for each minute of the last hour. So a heartbeat writes
        one page, and nothing has to be deleted.
        """
        names = [name for name in NAMES if name in vitals]
        columns = ", ".join(["slot", "run", "at", "print", *names])
        marks = ", ".join("?" * (4 + len(names)))
        self._database.execute(
            f"INSERT OR REPLACE INTO beats ({columns}) VALUES ({marks})",
            (
                int(since_boot / BEAT_SECONDS) % BEATS_KEPT,
                self._run,
                since_boot,
                self._of_this_print(position),
                *(vitals[name] for name in names),
            ),
        )

    def is_new_hour(self, since_boot: float) -> bool:
        """Whether another hour since the boot is over."""
        return int(since_boot / HOUR_SECONDS) > int(self._hour_began() / HOUR_SECONDS)

    def keep_hour(self, since_boot: float, host: HostState) -> None:
        """Store the summary of the last hour's heartbeats, and the state of the host.

        There is at most one row an hour, however often OctoPrint or the host restart.
        """
        began = self._hour_began()
        beats = self._database.execute(
            f"SELECT {_HOURLY} FROM beats WHERE run = :run AND at > :began",
            {"run": self._run, "began": began, "heat_limit": host.heat_limit_celsius},
        )
        vitals = dict(zip([column for column, *_ in beats.description], beats.fetchone()))
        throttled = vitals.pop("throttled")
        if throttled is not None:
            vitals["throttled_seconds"] = round(throttled * min(since_boot - began, HOUR_SECONDS))
        (vitals["undervoltages"],) = self._row(
            "SELECT undervoltage FROM runs WHERE id = ?", self._run
        )
        vitals["clock_set"] = self._clock_has_moved or host.clock_set
        vitals["network"] = host.network
        self._clock_has_moved = False
        known = {name: +value for name, value in vitals.items() if value is not None}
        newest = self._insert(
            "INSERT INTO hours (run, at, vitals, boot) VALUES (?, ?, ?, ?)",
            self._run,
            since_boot,
            json.dumps(known, separators=(",", ":")),
            self._boot,
        )
        self._database.execute("DELETE FROM hours WHERE id <= ? - ?", (newest, HOURS_KEPT))

    def hours(self) -> list[Hour]:
        """The stored hours, oldest first."""
        rows = self._database.execute(
            "SELECT run, at, vitals, boot, booted_at FROM hours ORDER BY id"
        )
        return [Hour(run, at, stored(vitals, dict), *boot) for run, at, vitals, *boot in rows]

    def keep_anchor(self, at: Instant) -> bool:
        """Correct the anchor if the wall clock was set; whether it was."""
        (booted_at,) = self._row("SELECT booted_at FROM boots WHERE id = ?", self._boot)
        if abs(at.booted_at - booted_at) <= ANCHOR_TOLERANCE_SECONDS:
            return False
        self._database.execute(
            "UPDATE boots SET booted_at = ?, clock_set = 1 WHERE id = ?",
            (at.booted_at, self._boot),
        )
        self._clock_has_moved = True
        return True

    def goodbye(
        self, since_boot: float, host: str = "unknown", position: Position | None = None
    ) -> None:
        """Record a clean stop of OctoPrint.

        Args:
            since_boot: The time of the stop.
            host: What the host is about to do, as in :class:`Facts`.
            position: The position of a print that is not finished.
        """
        self._database.execute(
            "UPDATE runs SET seen = ?, ended = ?, goodbye = ?, stopped_at = ? WHERE id = ?",
            (since_boot, since_boot, host, self._of_this_print(position), self._run),
        )

    def connected(self, since_boot: float, port: str | None) -> None:
        """Record a connection to a printer."""
        self.disconnected(since_boot, failed=False)  # one whose end was never recorded
        self._insert(
            "INSERT INTO connections (run, started, port) VALUES (?, ?, ?)",
            self._run,
            since_boot,
            port,
        )

    def disconnected(self, since_boot: float, failed: bool) -> None:
        """Record the end of the connection: lost, or closed on request."""
        ended = self._database.execute(
            "UPDATE connections SET ended = ?, failed = ? WHERE run = ? AND ended IS NULL",
            (since_boot, failed, self._run),
        )
        self._count("printer", connection_end(failed), ended.rowcount)

    def explain(self, ended: float, end: str, reason: str, facts: str) -> None:
        """Store why a connection ended, unless that is already stored.

        Args:
            ended: Its time, as given to :meth:`disconnected`.
            end: Its kind.
            reason: The reason that follows from the facts.
            facts: :class:`ConnectionFacts` as JSON.
        """
        explained = self._database.execute(
            "UPDATE connections SET facts = ? WHERE run = ? AND ended = ? AND facts IS NULL",
            (facts, self._run, ended),
        )
        self.count_reason("printer", end, reason, explained.rowcount)

    def print_started(self, since_boot: float, file: str) -> None:
        """Record the start of a print."""
        self.print_ended(since_boot, "failed")  # one whose end was never recorded
        self._database.execute(
            "UPDATE runs SET printing = ?, stopped_at = NULL WHERE id = ?", (file, self._run)
        )
        self._insert(
            "INSERT INTO prints (run, started, file) VALUES (?, ?, ?)",
            self._run,
            since_boot,
            file,
        )

    def print_ended(self, since_boot: float, result: str) -> None:
        """Record the end of the print: ``done``, ``cancelled`` or ``failed``."""
        self._database.execute(
            f"UPDATE runs SET printing = NULL, stopped_at = {_LAST_POSITION}"
            " WHERE id = ? AND printing IS NOT NULL",
            (self._run,),
        )
        self._database.execute(
            "UPDATE prints SET ended = ?, result = ? WHERE run = ? AND ended IS NULL",
            (since_boot, result, self._run),
        )

    def undervoltage(self, since_boot: float, times: int = 1) -> None:
        """Record undervoltage."""
        (seen_before,) = self._row("SELECT undervoltage FROM runs WHERE id = ?", self._run)
        self._database.execute(
            "UPDATE runs SET undervoltage = undervoltage + ?, undervoltage_at = ? WHERE id = ?",
            (times, since_boot, self._run),
        )
        self._count("octoprint", "undervoltage", not seen_before)
        self._count("octoprint", "undervoltages", times)

    def acknowledge(self) -> None:
        """Record that someone has seen how the earlier runs ended."""
        self._database.execute(
            "UPDATE runs SET acknowledged = 1 WHERE id < ? AND NOT acknowledged", (self._run,)
        )

    def clear(self) -> None:
        """Delete everything except what is running."""
        self._database.execute("DELETE FROM runs WHERE id <> ?", (self._run,))
        self._database.execute("DELETE FROM connections WHERE ended IS NOT NULL")
        self._database.execute("DELETE FROM prints WHERE ended IS NOT NULL")
        self._database.execute("DELETE FROM hours WHERE run <> ?", (self._run,))
        self._database.execute("DELETE FROM totals")
        self._database.execute("DELETE FROM reasons")
        self._forget_orphans()

    def prune(self, first_run: int, first_connection: int, first_print: int) -> None:
        """Delete the runs, connections and prints before these, except running ones.

        The totals stay, and so do the hours: trends need two weeks of them.
        """
        self._database.execute("DELETE FROM runs WHERE id < ? AND id <> ?", (first_run, self._run))
        for table, first in (("connections", first_connection), ("prints", first_print)):
            self._database.execute(
                f"DELETE FROM {table} WHERE id < ? AND (ended IS NOT NULL OR run <> ?)",
                (first, self._run),
            )
        self._forget_orphans()

    def records(self, since: float | None = None) -> Records:
        """Read the rows.

        Args:
            since: A Unix time: everything since then is read, and the boots that decide whose
                clock to trust. ``None`` reads everything.
        """
        first_boot = 0 if since is None else self._first_boot(since)
        (first_run,) = self._row("SELECT ifnull(min(id), 0) FROM runs WHERE boot >= ?", first_boot)
        boots = self._database.execute(
            "SELECT id, booted_at, clock_set FROM boots WHERE id >= ? ORDER BY id", (first_boot,)
        )
        runs = self._database.execute(
            "SELECT id, boot, started, seen, ended, octoprint_version, printing,"
            " undervoltage, acknowledged, copied, died, facts, vitals, stopped_at"
            " FROM runs WHERE id >= ? ORDER BY id",
            (first_run,),
        )
        connections = self._database.execute(
            "SELECT id, run, started, ended, failed, port, facts"
            " FROM connections WHERE run >= ? ORDER BY id",
            (first_run,),
        )
        prints = self._database.execute(
            "SELECT id, run, started, ended, file, result FROM prints WHERE run >= ? ORDER BY id",
            (first_run,),
        )
        return Records(
            boots=list(map(Boot._make, boots)),
            runs=self._as_seen_last(list(map(Run._make, runs))),
            connections=list(map(Connection._make, connections)),
            prints=list(map(Print._make, prints)),
        )

    def totals(self) -> Totals:
        """The counts since the file was created or cleared."""
        rows = self._database.execute("SELECT subject, what, count FROM totals")
        return {(subject, what): count for subject, what, count in rows}

    def reasons(self) -> Reasons:
        """The counts by end and reason, since then."""
        rows = self._database.execute("SELECT subject, what, reason, count FROM reasons")
        return {(subject, end, reason): count for subject, end, reason, count in rows}

    def _prepare(self, path: Path) -> None:
        # Before any read: otherwise SQLite creates the index that several processes need.
        self._database.execute("PRAGMA locking_mode = EXCLUSIVE")
        (version,) = self._row("PRAGMA user_version")
        if version > len(MIGRATIONS):
            raise NewerFileError(
                f"{path.name} has version {version}, but this plugin knows only versions up to"
                f" {len(MIGRATIONS)}"
            )
        self._database.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.execute(f"PRAGMA wal_autocheckpoint = {PAGES_IN_LOG}")
        (state,) = self._row("PRAGMA quick_check(1)")
        if state != "ok":
            raise sqlite3.DatabaseError(state)
        for number, migration in enumerate(MIGRATIONS[version:], start=version + 1):
            self._database.executescript(
                f"BEGIN IMMEDIATE; {migration}; PRAGMA user_version = {number}; COMMIT"
            )

    def _first_boot(self, since: float) -> int:
        """The first boot that matters for the time since ``since``.

        No earlier boot claims to have been up then, or contradicts one that does. The boot before
        that is included, because it shows how far back the records go.
        """
        boots = self._database.execute(
            "SELECT id, booted_at, booted_at + (SELECT max(seen) FROM runs WHERE boot = boots.id)"
            " FROM boots ORDER BY id"
        )
        dated = [boot for boot in boots if boot[2] >= EARLIEST_UNIX_TIME]
        within = (at for at, (_, _, end) in enumerate(dated) if end >= since)
        # The running boot is up until now, whenever its last heartbeat was.
        first = max(0, next(within, len(dated) - 1) - 1)
        earliest_end = min((booted_at for _, booted_at, _ in dated[first:]), default=since)
        while True:
            contradicting = (
                at for at, (_, _, end) in enumerate(dated[:first]) if end > earliest_end
            )
            earlier = next(contradicting, first)
            if earlier == first:
                return dated[first][0] if dated else 0
            earliest_end = min(booted_at for _, booted_at, _ in dated[earlier:])
            first = earlier

    def _same_boot(self, kernel_id: str | None, at: Instant) -> tuple[int | None, float]:
        """The last boot, if it is this one, and the last heartbeat of its last run."""
        last = self._row("SELECT id, kernel_id, booted_at FROM boots ORDER BY id DESC LIMIT 1")
        if last is None:
            return None, 0.0
        boot, last_kernel_id, booted_at = last
        (seen,) = self._row("SELECT max(seen) FROM runs WHERE boot = ?", boot)
        near = abs(at.booted_at - booted_at) < SAME_BOOT_SECONDS
        same = last_kernel_id == kernel_id if kernel_id else near
        if same and at.since_boot >= seen:
            return boot, seen
        return None, 0.0

    def _is_set_back(self, kernel_id: str | None, at: Instant) -> bool:
        """Whether a virtual machine was set back to a snapshot: the same boot, but earlier."""
        later = self._row(
            "SELECT 1 FROM runs JOIN boots ON boots.id = boot WHERE kernel_id = ? AND seen > ?",
            kernel_id,
            at.since_boot,
        )
        return later is not None

    def _settle_last_run(self, died: float | None) -> None:
        """Move what the heartbeats recorded about the last run to its row."""
        row = self._row("SELECT id, ended FROM runs ORDER BY id DESC LIMIT 1")
        if row is None:
            return
        run, ended = row
        if ended is None:
            self._database.execute(
                "UPDATE runs SET seen = max(seen, ifnull("
                "(SELECT max(at) FROM beats WHERE run = runs.id), 0), ifnull(?, 0)), died = ?,"
                f" stopped_at = ifnull({_LAST_POSITION}, stopped_at) WHERE id = ?",
                (died, died, run),
            )
        self._database.execute("DELETE FROM beats")

    def _restore_cut_off_print(self, run: int) -> None:
        """Take a print that failed right before a power loss for interrupted by it.

        The printer may lose power some milliseconds before the host, which then sees a lost
        connection first.
        """
        cut_off = self._row(
            "SELECT prints.id, file FROM prints, connections, runs"
            " WHERE runs.id = ? AND prints.run = runs.id AND connections.run = runs.id"
            " AND result = 'failed' AND failed"
            " AND min(prints.ended, connections.ended) >= seen - ?"
            " AND prints.id = (SELECT max(id) FROM prints)"
            " AND connections.id = (SELECT max(id) FROM connections)",
            run,
            CUT_OFF_SECONDS,
        )
        if cut_off:
            print_, file = cut_off
            self._database.execute(
                "UPDATE prints SET ended = NULL, result = NULL WHERE id = ?", (print_,)
            )
            self._database.execute("UPDATE runs SET printing = ? WHERE id = ?", (file, run))

    def _of_this_print(self, position: Position | None) -> str | None:
        """The position as JSON, unless its file is not being printed."""
        if position is None:
            return None
        (printing,) = self._row("SELECT printing FROM runs WHERE id = ?", self._run)
        return position.to_json() if position.file == printing else None

    def _settle_connections(self) -> None:
        """What was not recorded about a connection's end by now never will be."""
        unexplained = self._database.execute(
            "SELECT failed, count(*)"
            " FROM connections WHERE ended IS NOT NULL AND facts IS NULL GROUP BY failed"
        ).fetchall()
        for failed, count in unexplained:
            self.count_reason("printer", connection_end(failed), "unknown", count)
        self._database.execute(
            "UPDATE connections SET facts = '{}' WHERE ended IS NOT NULL AND facts IS NULL"
        )

    def _as_seen_last(self, runs: list[Run]) -> list[Run]:
        """The runs, with the heartbeats of the last one, which are not in its row yet."""
        (beat,) = self._row("SELECT max(at) FROM beats WHERE run = (SELECT max(id) FROM runs)")
        if runs and beat is not None and runs[-1].ended is None:
            runs[-1] = runs[-1]._replace(seen=max(runs[-1].seen, beat))
        return runs

    def _beats(self, run: int) -> list[Beat]:
        rows = self._database.execute(
            f"SELECT at, {', '.join(NAMES)} FROM beats WHERE run = ? ORDER BY at", (run,)
        )
        return [
            Beat(at, {name: sign for name, sign in zip(NAMES, signs) if sign is not None})
            for at, *signs in rows
        ]

    def _hour_began(self) -> float:
        """The end of the last stored hour of this run, or its start if there is none."""
        (began,) = self._row(
            "SELECT max(started, ifnull((SELECT at FROM hours WHERE run = runs.id"
            " ORDER BY id DESC LIMIT 1), 0)) FROM runs WHERE id = ?",
            self._run,
        )
        return began  # type: ignore[no-any-return]

    def _end_of_last_run(self, on_same_boot: bool, copied: bool) -> Ended | None:
        last = self._row(
            "SELECT id, ended IS NOT NULL, died IS NOT NULL FROM runs ORDER BY id DESC LIMIT 1"
        )
        if last is None:
            return None
        run, said_goodbye, witnessed = last
        end = run_end(said_goodbye, on_same_boot, copied, witnessed)
        return Ended(run, end, None if on_same_boot else boot_end(end))

    def _count_ends(self, ended: Ended) -> None:
        self._count("octoprint", ended.octoprint)
        if ended.system:
            self._count("system", ended.system)
        was_printing, cut_off = self._row(
            "SELECT printing IS NOT NULL,"
            " (SELECT count(*) FROM connections WHERE run = runs.id AND ended IS NULL)"
            " FROM runs WHERE id = ?",
            ended.run,
        )
        if ended.octoprint != "restored":
            self._count("octoprint", "interrupted_print", was_printing)
        self._count("printer", "octoprint_down", cut_off)
        self.count_reason("printer", "octoprint_down", "octoprint_down", cut_off)

    def _count(self, subject: str, what: str, times: int = 1) -> None:
        if times:
            self._database.execute(
                "INSERT INTO totals VALUES (?, ?, ?)"
                " ON CONFLICT (subject, what) DO UPDATE SET count = count + excluded.count",
                (subject, what, times),
            )

    def _forget_orphans(self) -> None:
        for table in ("connections", "prints"):
            self._database.execute(f"DELETE FROM {table} WHERE run NOT IN (SELECT id FROM runs)")
        self._database.execute(
            "UPDATE hours SET booted_at = (SELECT booted_at FROM boots WHERE id = boot)"
            " WHERE booted_at IS NULL AND boot NOT IN (SELECT boot FROM runs)"
        )
        self._database.execute("DELETE FROM boots WHERE id NOT IN (SELECT boot FROM runs)")

    def _row(self, query: str, *parameters: object) -> Any:
        return self._database.execute(query, parameters).fetchone()

    def _insert(self, query: str, *parameters: object) -> int | None:
        return self._database.execute(query, parameters).lastrowid
