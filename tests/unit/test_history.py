"""The history's file survives kills and damage, refuses newer versions and stays small."""

import contextlib
import sqlite3

import pytest
import soak
from board import NOON, Board

from octoprint_uptime.history import record
from octoprint_uptime.history.position import Position
from octoprint_uptime.history.record import (
    History,
    Instant,
    NewerFileError,
    NewRun,
    move_aside,
)

DAY = 86400.0


@pytest.fixture
def path(tmp_path):
    return tmp_path / "history.db"


def query(path, sql):
    with contextlib.closing(sqlite3.connect(path)) as database:
        return database.execute(sql).fetchall()


def opened(path):
    return contextlib.closing(History(path))


def test_what_was_written_is_there_after_a_kill(path):
    board = Board(path).start().write("connected", 5.0, "A").print("x").up(60).kill()
    before = board.off(5).start().records()
    assert before.runs[0].printing == "x"
    assert before.runs[0].seen == 60
    assert before.connections[0].port == "A"


def test_a_transaction_is_all_or_nothing(path):
    board = Board(path).start()

    def write_half():
        with board.history.transaction():
            board.history.undervoltage(0.0)
            board.history.begin(NewRun("another", 0.0, "1.11.8"), board.now)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_half()
    assert len(board.records().runs) == 1
    assert board.records().runs[0].undervoltage == 0
    board.write("undervoltage", 0.0)
    assert board.records().runs[0].undervoltage == 1


def test_a_run_never_begins_before_the_one_before_it_ended(path):
    board = Board(path).start().up(600).goodbye()
    with opened(path) as reopened:
        with reopened.transaction():
            reopened.begin(NewRun(board.kernel_id, 590.0, "1.11.8"), Instant(605.0, NOON + 605))
        assert reopened.records().runs[1].started == 600


def test_clear_leaves_what_runs(path):
    board = Board(path).start().write("connected", 0.0, "A").up(60).kill().off(5).boot()
    board.start().write("connected", 0.0, "B").write("disconnected", 5.0, True)
    board.write("print_started", 7.0, "a").write("print_ended", 8.0, "done")
    board.write("connected", 6.0, "C").write("print_started", 9.0, "b").write("clear")
    records = board.records()
    assert [run.id for run in records.runs] == [2]
    assert [boot.id for boot in records.boots] == [2]
    assert [connection.port for connection in records.connections] == ["C"]
    assert [print_.file for print_ in records.prints] == ["b"]


def test_the_totals_outlive_pruning_and_go_with_clearing(path):
    board = Board(path)
    for _ in range(3):
        board.start().write("connected", 0.0, "A").print("a.gcode").up(60).kill()
        board.off(5)
    board.start().write("undervoltage", 0.0).write("undervoltage", 0.0)
    totals = {
        ("octoprint", "crash"): 3,
        ("octoprint", "interrupted_print"): 3,
        ("octoprint", "undervoltage"): 1,
        ("octoprint", "undervoltages"): 2,
        ("printer", "octoprint_down"): 3,
    }
    assert board.history.totals() == totals
    board.write("prune", 4, 4, 1)
    assert len(board.records().runs) == 1
    assert board.history.totals() == totals
    board.write("clear")
    assert board.history.totals() == {}


def test_killed_at_any_instant_the_file_is_whole_and_has_what_was_committed(path):
    committed = soak.soak(path, kills=20)
    assert committed["connections"] > 0


class TestDamage:
    @pytest.mark.parametrize(
        "content", [b"no database" * 1000, b"SQLite format 3\0" + b"\xff" * 8000]
    )
    def test_it_is_reported(self, path, content):
        path.write_bytes(content)
        with pytest.raises(sqlite3.DatabaseError) as caught:
            History(path)
        assert type(caught.value) is sqlite3.DatabaseError

    def test_damage_in_the_middle_is_found_at_the_start(self, path):
        board = Board(path).start()
        with board.history.transaction():
            for number in range(500):
                board.history.connected(float(number), f"/dev/ttyUSB{number}")
        board.kill()
        content = bytearray(path.read_bytes())
        content[5 * 1024 : 6 * 1024] = b"\xff" * 1024
        path.write_bytes(content)
        with pytest.raises(sqlite3.DatabaseError):
            History(path)

    def test_it_is_moved_aside_with_all_that_belongs_to_it(self, path):
        path.write_bytes(b"damaged")
        path.with_name("history.db-wal").write_bytes(b"log")
        aside = move_aside(path)
        assert aside.read_bytes() == b"damaged"
        assert aside.with_name(aside.name + "-wal").read_bytes() == b"log"
        assert not path.exists()
        with opened(path) as new:
            assert new.records().runs == []

    def test_an_empty_file_is_a_new_one(self, path):
        path.touch()
        with opened(path) as new:
            assert new.records().runs == []


class TestVersions:
    def test_a_newer_file_is_refused_and_left_as_it_is(self, path):
        Board(path).start().up(60).kill()
        query(path, "PRAGMA user_version = 99")
        content = path.read_bytes()
        with pytest.raises(NewerFileError, match="version 99, but this plugin knows"):
            History(path)
        assert path.read_bytes() == content
        assert [file.name for file in path.parent.iterdir()] == ["history.db"]

    def test_an_older_file_is_migrated(self, path, monkeypatch):
        Board(path).start().up(60).kill()
        monkeypatch.setattr(
            record, "MIGRATIONS", (*record.MIGRATIONS, "ALTER TABLE runs ADD COLUMN mood TEXT")
        )
        with opened(path) as migrated:
            assert [run.seen for run in migrated.records().runs] == [60]
        monkeypatch.undo()
        with pytest.raises(NewerFileError):
            History(path)

    def test_a_migration_that_fails_changes_nothing(self, path, monkeypatch):
        Board(path).start().up(60).kill()
        failing = "ALTER TABLE runs ADD COLUMN mood TEXT; INSERT INTO nowhere VALUES (1)"
        monkeypatch.setattr(record, "MIGRATIONS", (*record.MIGRATIONS, failing))
        with pytest.raises(sqlite3.OperationalError):
            History(path)
        monkeypatch.undo()
        with opened(path) as unchanged:
            assert len(unchanged.records().runs) == 1


def test_ninety_days_with_twenty_restarts_a_day_stay_under_a_megabyte(path):
    board = Board(path).start()
    with board.history.transaction():
        for _ in range(90 * 20):
            board.off(DAY / 20 - 3000).boot().off(20)
            board.history.begin(NewRun(board.kernel_id * 4, 0.0, "2.0.0rc7"), board.now)
            board.history.connected(board.now.since_boot, "/dev/serial/by-id/usb-Prusa_MK4-if00")
            board.history.print_started(
                board.now.since_boot, "customers/2026/a rather long name of a part.gcode"
            )
            board.off(2980)
            board.history.beat(board.now.since_boot)
    board.kill()
    assert path.stat().st_size < 1_000_000


def test_no_index_for_other_processes_is_written(path):
    board = Board(path)
    for _ in range(2):
        board.start().up(120)
        assert sorted(file.name for file in path.parent.iterdir()) == [
            "history.db",
            "history.db-wal",
        ]
        board.kill()


@pytest.mark.parametrize("file", [None, "x" * 2000 + ".gcode"])
def test_a_heartbeat_writes_one_page(path, file):
    board = Board(path).start()
    if file:
        board.print(file)
    position = file and Position(file, "local", 63.25, 84_000_000, 134_000_000, 41.2, 11_520)
    log = path.with_name("history.db-wal")
    for _ in range(5):
        before = log.stat().st_size
        board.off(60).beat(position)
        assert log.stat().st_size - before == record.PAGE_BYTES + 24
