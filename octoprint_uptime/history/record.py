"""What happened: boots, runs of OctoPrint, printer connections, in one SQLite file.

Every time is in seconds since the boot of the host, on the clock that no one sets. Each
boot has one anchor to the wall clock, so when that is set right, every row of the boot is
right. How a run ended is not stored: it follows from the row after it (``report.py``). Only
how often everything happened is counted, so that pruning forgets nothing of that.

The journal is a write-ahead log that is synchronised at every commit, for an SD card
that loses power: a heartbeat appends one small page to a file that is not growing any
more, where a rollback journal would write several pages to two files and their
directory. The lock is exclusive because the index that lets several processes read
would be one more file to write.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ..why.evidence import Beat, LastRun
from ..why.vitals import NAMES
from .ends import boot_end, run_end

NO_VITALS: Mapping[str, float] = {}

MIGRATIONS = (
    """
    CREATE TABLE boots (
        id INTEGER PRIMARY KEY,
        kernel_id TEXT,
        booted_at REAL NOT NULL,
        clock_set INTEGER NOT NULL DEFAULT 0
    );
    CREATE TABLE runs (
        id INTEGER PRIMARY KEY,
        boot INTEGER NOT NULL REFERENCES boots,
        started REAL NOT NULL,
        seen REAL NOT NULL,
        ended REAL,
        octoprint_version TEXT NOT NULL,
        printing TEXT,
        undervoltage INTEGER NOT NULL DEFAULT 0,
        acknowledged INTEGER NOT NULL DEFAULT 0
    );
    CREATE TABLE connections (
        id INTEGER PRIMARY KEY,
        run INTEGER NOT NULL REFERENCES runs,
        started REAL NOT NULL,
        ended REAL,
        failed INTEGER NOT NULL DEFAULT 0,
        port TEXT
    );
    """,
    """
    CREATE TABLE totals (
        subject TEXT NOT NULL,
        what TEXT NOT NULL,
        count INTEGER NOT NULL,
        PRIMARY KEY (subject, what)
    ) WITHOUT ROWID;
    CREATE TEMPORARY VIEW ended AS
        SELECT *, CASE
            WHEN ended IS NOT NULL AND boot = next_boot THEN 'restart'
            WHEN ended IS NOT NULL THEN 'shutdown'
            WHEN boot = next_boot THEN 'crash'
            ELSE 'power_loss'
        END AS what
        FROM (SELECT *, lead(boot) OVER (ORDER BY id) AS next_boot FROM runs)
        WHERE next_boot IS NOT NULL;
    INSERT INTO totals SELECT 'octoprint', what, count(*) FROM ended GROUP BY what;
    INSERT INTO totals SELECT 'system', what, count(*) FROM ended
        WHERE boot <> next_boot GROUP BY what;
    INSERT INTO totals SELECT 'printer', CASE
            WHEN ended IS NULL THEN 'octoprint_down'
            WHEN failed THEN 'error'
            ELSE 'disconnected'
        END AS what, count(*)
        FROM connections
        WHERE ended IS NOT NULL OR run IN (SELECT id FROM ended) GROUP BY what;
    INSERT INTO totals SELECT 'octoprint', 'interrupted_print', count(*) FROM ended
        WHERE printing IS NOT NULL GROUP BY printing IS NOT NULL;
    INSERT INTO totals SELECT 'octoprint', 'undervoltage', count(*) FROM runs
        WHERE undervoltage GROUP BY undervoltage;
    DROP VIEW ended;
    """,
    """
    CREATE TABLE seal (seal TEXT NOT NULL);
    ALTER TABLE runs ADD COLUMN copied INTEGER NOT NULL DEFAULT 0;
    """,
    """
    CREATE TABLE beats (
        slot INTEGER PRIMARY KEY,
        run INTEGER NOT NULL,
        at REAL NOT NULL,
        memory_available_bytes INTEGER,
        swap_used_bytes INTEGER,
        process_memory_bytes INTEGER,
        process_open_files INTEGER,
        load REAL,
        cpu_celsius REAL,
        disk_free_bytes INTEGER,
        disk_read_only INTEGER,
        oom_kills INTEGER,
        filesystem_errors INTEGER,
        loop_late_seconds REAL
    );
    ALTER TABLE runs ADD COLUMN token TEXT;
    ALTER TABLE runs ADD COLUMN died REAL;
    ALTER TABLE runs ADD COLUMN goodbye TEXT;
    ALTER TABLE runs ADD COLUMN undervoltage_at REAL;
    ALTER TABLE runs ADD COLUMN facts TEXT;
    ALTER TABLE runs ADD COLUMN vitals TEXT;
    CREATE TABLE reasons (
        subject TEXT NOT NULL,
        what TEXT NOT NULL,
        reason TEXT NOT NULL,
        count INTEGER NOT NULL,
        PRIMARY KEY (subject, what, reason)
    ) WITHOUT ROWID;
    INSERT INTO reasons SELECT subject, what, 'unknown', count FROM totals
        WHERE subject IN ('octoprint', 'system')
        AND what NOT IN ('interrupted_print', 'undervoltage');
    CREATE TABLE registers (
        name TEXT NOT NULL,
        value INTEGER NOT NULL,
        PRIMARY KEY (name, value)
    ) WITHOUT ROWID;
    CREATE TABLE versions (
        key TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        version TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE panics (name TEXT PRIMARY KEY) WITHOUT ROWID;
    """,
)
"""Each brings a file from the version that is its index to the next."""

Totals = dict[tuple[str, str], int]
"""How often what happened to a subject: an end of ``ENDS``, or to ``octoprint`` also
``interrupted_print`` and ``undervoltage``, each once a run. What never did is not there."""

Reasons = dict[tuple[str, str, str], int]
"""How often a subject ended so for that reason."""

PAGE_BYTES = 1024  # what a heartbeat writes
PAGES_IN_LOG = 200
ANCHOR_TOLERANCE_SECONDS = 0.1
SAME_BOOT_SECONDS = 60.0
BEATS_KEPT = 64
"""One for each minute, so that those of an hour before an end are there."""
BEAT_SECONDS = 60.0
VITALS_KEPT = 100
"""Unplanned ends whose vital signs are kept: they are most of what a history takes."""
BOOT_ID_FILE = Path("/proc/sys/kernel/random/boot_id")


class NewerFileError(Exception):
    """The file was written by a newer version of the plugin."""


class Instant(NamedTuple):
    """One moment on both clocks, in seconds: since the boot, and Unix time."""

    since_boot: float
    wall: float

    @property
    def booted_at(self) -> float:
        """The Unix time of the boot, as far as the wall clock knows."""
        return self.wall - self.since_boot


class Boot(NamedTuple):
    """``clock_set`` is true when someone set the wall clock during this boot."""

    id: int
    booted_at: float
    clock_set: bool


class Run(NamedTuple):
    """One run of OctoPrint; ``ended`` is ``None`` unless it said goodbye.

    ``copied`` is true when it began with a copy of the record: nobody knows how the run
    before it went on in the original. ``undervoltage`` counts how often that was seen.
    ``died`` is when a witness saw it end. ``facts`` say why it ended, ``vitals`` are the vital
    signs before that; both are JSON.
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


class Connection(NamedTuple):
    """One printer connection; ``ended`` is ``None`` unless OctoPrint saw its end."""

    id: int
    run: int
    started: float
    ended: float | None
    failed: bool
    port: str | None


class NewRun(NamedTuple):
    """A run of OctoPrint that begins.

    ``kernel_id`` is the kernel's name for this boot, if it has one. ``started`` is when the
    process started, in seconds since the boot. ``token`` names the folder of its last words.
    """

    kernel_id: str | None
    started: float
    octoprint_version: str
    token: str | None = None


class Version(NamedTuple):
    """Of OctoPrint or a plugin: what that is called, and the version."""

    name: str
    version: str | None


class Ended(NamedTuple):
    """How the run before the one that begins ended; ``system`` if the host went down too."""

    run: int
    octoprint: str
    system: str | None


class Records(NamedTuple):
    """All that is kept, oldest first. The last run is the one that is running."""

    boots: list[Boot]
    runs: list[Run]
    connections: list[Connection]


def kernel_boot_id() -> str | None:
    """What the Linux kernel calls this boot; ``None`` on other systems."""
    return BOOT_ID_FILE.read_text().strip() if BOOT_ID_FILE.exists() else None


def move_aside(path: Path) -> Path:
    """Rename a damaged file and what belongs to it, so that a new one can be begun."""
    suffix = time.strftime(".damaged-%Y-%m-%d-%H%M%S")
    for part in ("-wal", "-journal", ""):
        file = path.with_name(path.name + part)
        if file.exists():
            file.rename(path.with_name(path.name + suffix + part))
    return path.with_name(path.name + suffix)


class History:
    """The open file. For one thread at a time.

    Args:
        path: The file; it is made when it is missing.

    Raises:
        NewerFileError: The file is of a newer version; it is left as it is.
        sqlite3.OperationalError: It cannot be opened or written now.
        sqlite3.DatabaseError: It is damaged.
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

    def close(self) -> None:
        self._database.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is written within is kept, or nothing of it."""
        run, boot = self._run, self._boot
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._database.execute("COMMIT")
        except BaseException:
            self._run, self._boot = run, boot
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise

    # What is recorded. Each within a transaction, and after ``begin``.

    def begin(
        self, run: NewRun, at: Instant, *, copied: bool = False, died: float | None = None
    ) -> Ended | None:
        """A run of OctoPrint has begun.

        Args:
            run: What is known of it.
            at: Now.
            copied: Whether this file is a copy of the one that the last run wrote.
            died: When a witness saw the last run end, in seconds since its boot.

        Returns:
            How the run before it ended; ``None`` if there was none.
        """
        self._settle_last_run(died)
        copied |= self._is_set_back(run.kernel_id, at)
        self._boot, earliest = self._same_boot(run.kernel_id, at)
        ended = self._end_of_last_run(on_same_boot=self._boot is not None, copied=copied)
        if ended:
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
            self.acknowledge()  # what the copy still calls news may have been seen long ago
            self._database.execute("DELETE FROM registers")  # of another board, perhaps
        return ended

    def last_run(self) -> LastRun | None:
        """The run that was recorded last; before ``begin``, the one that ended."""
        row = self._row(
            "SELECT id, token, seen, ended, goodbye, undervoltage, undervoltage_at"
            " FROM runs ORDER BY id DESC LIMIT 1"
        )
        if row is None:
            return None
        run, token, seen, ended, goodbye, sags, sag_at = row
        beats = self._beats(run)
        return LastRun(
            token=token,
            seen=max([seen, *(beat.at for beat in beats)]) if ended is None else ended,
            said_goodbye=ended is not None,
            goodbye=goodbye,
            beats=beats,
            undervoltage_count=sags,
            undervoltage_at=sag_at,
        )

    def keep_facts(self, run: int, facts: str, vitals: str | None = None) -> None:
        """Keep what is known about the end of that run.

        Args:
            run: Its id.
            facts: :class:`Facts` as JSON.
            vitals: The vital signs before an unplanned end, as JSON. Kept of the last ones only.
        """
        self._database.execute(
            "UPDATE runs SET facts = ?, vitals = ? WHERE id = ?", (facts, vitals, run)
        )
        self._database.execute(
            "UPDATE runs SET vitals = NULL WHERE vitals IS NOT NULL AND id <= (SELECT id FROM runs"
            " WHERE vitals IS NOT NULL ORDER BY id DESC LIMIT 1 OFFSET ?)",
            (VITALS_KEPT,),
        )

    def count_reason(self, subject: str, end: str, reason: str) -> None:
        """Count an end by its reason."""
        self._database.execute(
            "INSERT INTO reasons VALUES (?, ?, ?, 1)"
            " ON CONFLICT (subject, what, reason) DO UPDATE SET count = count + 1",
            (subject, end, reason),
        )

    def usual_registers(self) -> dict[str, set[int]]:
        """What each of the board's reset registers reads after orderly reboots."""
        usual: dict[str, set[int]] = {}
        for name, value in self._database.execute("SELECT name, value FROM registers"):
            usual.setdefault(name, set()).add(value)
        return usual

    def keep_usual_registers(self, registers: Mapping[str, int]) -> None:
        """What they read now, after an orderly reboot."""
        self._database.executemany(
            "INSERT OR IGNORE INTO registers VALUES (?, ?)", registers.items()
        )

    def change_versions(self, versions: Mapping[str, Version]) -> list[dict[str, str | None]]:
        """Keep which versions run now; what has changed: ``name``, ``old``, ``new``."""
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
        """Keep the kernel's records of its own ends; whether there is a new one."""
        known = {name for (name,) in self._database.execute("SELECT name FROM panics")}
        # Of those that are there at the first look, nobody knows how old they are.
        looked, new = "" in known, set(panics) - known
        self._database.executemany(
            "INSERT OR IGNORE INTO panics VALUES (?)", [(name,) for name in ("", *new)]
        )
        return looked and bool(new)

    def seal(self) -> str | None:
        """What tells this file from a copy of it (``original.py``)."""
        (seal,) = self._row("SELECT max(seal) FROM seal")
        return seal  # type: ignore[no-any-return]

    def set_seal(self, seal: str) -> None:
        """Make this file the original."""
        self._database.execute("DELETE FROM seal")
        self._database.execute("INSERT INTO seal VALUES (?)", (seal,))

    def beat(self, since_boot: float, vitals: Mapping[str, float] = NO_VITALS) -> None:
        """OctoPrint is still here, with these vital signs.

        Into a ring of rows, one for each minute of the last hour: so a heartbeat writes one
        page, the same as without them, and nothing has to be deleted.
        """
        names = [name for name in NAMES if name in vitals]
        columns = ", ".join(["slot", "run", "at", *names])
        marks = ", ".join("?" * (3 + len(names)))
        self._database.execute(
            f"INSERT OR REPLACE INTO beats ({columns}) VALUES ({marks})",
            (
                int(since_boot / BEAT_SECONDS) % BEATS_KEPT,
                self._run,
                since_boot,
                *(vitals[name] for name in names),
            ),
        )

    def keep_anchor(self, at: Instant) -> bool:
        """Note when the wall clock has been set; whether it has."""
        (booted_at,) = self._row("SELECT booted_at FROM boots WHERE id = ?", self._boot)
        if abs(at.booted_at - booted_at) <= ANCHOR_TOLERANCE_SECONDS:
            return False
        self._database.execute(
            "UPDATE boots SET booted_at = ?, clock_set = 1 WHERE id = ?",
            (at.booted_at, self._boot),
        )
        return True

    def goodbye(self, since_boot: float, host: str = "unknown") -> None:
        """OctoPrint ends in order; what the host is about to do, as :class:`Facts` have it."""
        self._database.execute(
            "UPDATE runs SET seen = ?, ended = ?, goodbye = ? WHERE id = ?",
            (since_boot, since_boot, host, self._run),
        )

    def connected(self, since_boot: float, port: str | None) -> None:
        """OctoPrint has connected to a printer."""
        self.disconnected(since_boot, failed=False)
        self._insert(
            "INSERT INTO connections (run, started, port) VALUES (?, ?, ?)",
            self._run,
            since_boot,
            port,
        )

    def disconnected(self, since_boot: float, failed: bool) -> None:
        """The connection has ended, by an error or on purpose."""
        ended = self._database.execute(
            "UPDATE connections SET ended = ?, failed = ? WHERE run = ? AND ended IS NULL",
            (since_boot, failed, self._run),
        )
        self._count("printer", "error" if failed else "disconnected", ended.rowcount)

    def printing(self, file: str | None) -> None:
        """A print of that file has begun, or, with ``None``, it has ended."""
        self._database.execute("UPDATE runs SET printing = ? WHERE id = ?", (file, self._run))

    def undervoltage(self, since_boot: float, times: int = 1) -> None:
        """Undervoltage was seen."""
        (seen_before,) = self._row("SELECT undervoltage FROM runs WHERE id = ?", self._run)
        self._database.execute(
            "UPDATE runs SET undervoltage = undervoltage + ?, undervoltage_at = ? WHERE id = ?",
            (times, since_boot, self._run),
        )
        self._count("octoprint", "undervoltage", not seen_before)

    def acknowledge(self) -> None:
        """Someone has seen how the runs before this one ended."""
        self._database.execute(
            "UPDATE runs SET acknowledged = 1 WHERE id < ? AND NOT acknowledged", (self._run,)
        )

    def clear(self) -> None:
        """Forget all but what is running."""
        self._database.execute("DELETE FROM runs WHERE id <> ?", (self._run,))
        self._database.execute("DELETE FROM connections WHERE ended IS NOT NULL")
        self._database.execute("DELETE FROM totals")
        self._database.execute("DELETE FROM reasons")
        self._forget_orphans()

    def prune(self, first_run: int, first_connection: int) -> None:
        """Forget the runs and connections before these, but none that is running.

        The totals stay.
        """
        self._database.execute("DELETE FROM runs WHERE id < ? AND id <> ?", (first_run, self._run))
        self._database.execute(
            "DELETE FROM connections WHERE id < ? AND (ended IS NOT NULL OR run <> ?)",
            (first_connection, self._run),
        )
        self._forget_orphans()

    def records(self) -> Records:
        """All that is kept."""
        boots = self._database.execute("SELECT id, booted_at, clock_set FROM boots ORDER BY id")
        runs = self._database.execute(
            "SELECT id, boot, started, seen, ended, octoprint_version, printing,"
            " undervoltage, acknowledged, copied, died, facts, vitals FROM runs ORDER BY id"
        )
        connections = self._database.execute(
            "SELECT id, run, started, ended, failed, port FROM connections ORDER BY id"
        )
        return Records(
            boots=list(map(Boot._make, boots)),
            runs=self._as_seen_last(list(map(Run._make, runs))),
            connections=list(map(Connection._make, connections)),
        )

    def totals(self) -> Totals:
        """How often everything happened since the file was begun or cleared."""
        rows = self._database.execute("SELECT subject, what, count FROM totals")
        return {(subject, what): count for subject, what, count in rows}

    def reasons(self) -> Reasons:
        """How often each subject ended how and why, since then."""
        rows = self._database.execute("SELECT subject, what, reason, count FROM reasons")
        return {(subject, end, reason): count for subject, end, reason, count in rows}

    def _prepare(self, path: Path) -> None:
        # Before anything is read, or SQLite makes the index that several processes need.
        self._database.execute("PRAGMA locking_mode = EXCLUSIVE")
        (version,) = self._row("PRAGMA user_version")
        if version > len(MIGRATIONS):
            raise NewerFileError(
                f"{path} is of version {version}, newer than this plugin's {len(MIGRATIONS)}"
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

    def _same_boot(self, kernel_id: str | None, at: Instant) -> tuple[int | None, float]:
        """The last boot, if it is this one, and when its last run was seen last."""
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
        """Move what the heartbeats know of the last run to its row."""
        row = self._row("SELECT id, ended FROM runs ORDER BY id DESC LIMIT 1")
        if row is None:
            return
        run, ended = row
        if ended is None:
            self._database.execute(
                "UPDATE runs SET seen = max(seen, ifnull("
                "(SELECT max(at) FROM beats WHERE run = runs.id), 0), ifnull(?, 0)), died = ?"
                " WHERE id = ?",
                (died, died, run),
            )
        self._database.execute("DELETE FROM beats")

    def _as_seen_last(self, runs: list[Run]) -> list[Run]:
        """With the heartbeats of the last one, which have not been moved to its row."""
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

    def _count(self, subject: str, what: str, times: int = 1) -> None:
        if times:
            self._database.execute(
                "INSERT INTO totals VALUES (?, ?, ?)"
                " ON CONFLICT (subject, what) DO UPDATE SET count = count + excluded.count",
                (subject, what, times),
            )

    def _forget_orphans(self) -> None:
        self._database.execute("DELETE FROM connections WHERE run NOT IN (SELECT id FROM runs)")
        self._database.execute("DELETE FROM boots WHERE id NOT IN (SELECT boot FROM runs)")

    def _row(self, query: str, *parameters: object) -> Any:
        return self._database.execute(query, parameters).fetchone()

    def _insert(self, query: str, *parameters: object) -> int | None:
        return self._database.execute(query, parameters).lastrowid
