"""Hourly rows of vital signs are written, added up and pruned as documented."""

import contextlib
import sqlite3

import pytest
from board import Board

from octoprint_uptime.history.record import HOURS_KEPT, PAGE_BYTES, History
from octoprint_uptime.history.schema import MIGRATIONS
from octoprint_uptime.why.host import HostState

HOUR = 3600.0
GB = 10**9


@pytest.fixture
def board(tmp_path):
    return Board(tmp_path / "history.db")


def vitals(board):
    return [hour.vitals for hour in board.history.hours()]


def test_one_with_the_first_heartbeat_of_each_hour_since_the_boot(board):
    board.off(600).start().up(3 * HOUR)
    assert [hour.at for hour in board.history.hours()] == [HOUR, 2 * HOUR, 3 * HOUR]


def test_not_more_however_often_octoprint_and_the_host_go_down(board):
    for _ in range(40):
        board.start().up(300).kill().off(7)
    board.start()
    assert len(board.history.hours()) == 3
    for _ in range(40):
        board.kill().off(7).boot().start().up(300)
    assert len(board.history.hours()) == 3


def test_what_an_hour_adds_up_to(board):
    board.host = HostState(clock_set=False, network=True, heat_limit_celsius=80.0)
    board.start()
    for minute in range(60):
        board.off(60).beat(
            disk_free_bytes=9 * GB if minute == 5 else 8 * GB,
            process_memory_bytes=300_000_000 if minute == 5 else 100_000_000 + minute,
            memory_available_bytes=10**9 + 2 * minute,
            cpu_celsius=80.0 if minute < 15 else 50.5,
            filesystem_errors=int(minute > 30),
        )
    assert vitals(board) == [
        {
            "disk_free_bytes": 9 * GB,
            "process_memory_bytes": 100_000_000,
            "memory_available_bytes": 10**9 + 59,
            "cpu_celsius": 80.0,
            "filesystem_errors": 1,
            "throttled_seconds": 900,
            "undervoltages": 0,
            "clock_set": 0,
            "network": 1,
        }
    ]


def test_only_the_heartbeats_of_that_hour_count(board):
    board.start().hours(1, disk_free_bytes=9 * GB).hours(2, disk_free_bytes=5 * GB)
    assert [hour["disk_free_bytes"] for hour in vitals(board)] == [9 * GB, 5 * GB, 5 * GB]


def test_unknown_values_are_left_out(board):
    board.host = HostState()
    board.start().hours(1)
    assert vitals(board) == [{"undervoltages": 0}]


def test_after_a_sleep_heat_counts_for_an_hour_at_most(board):
    board.host = HostState(heat_limit_celsius=80.0)
    board.start().off(10 * HOUR).beat(cpu_celsius=85.0)
    assert vitals(board)[0]["throttled_seconds"] == HOUR


def test_a_clock_that_someone_sets_is_set(board):
    board.host = HostState(clock_set=False, network=False)
    board.start().hours(1).off(60).set_clock(ahead=-3600.0).hours(2)
    assert [hour["clock_set"] for hour in vitals(board)] == [0, 1, 0]
    board.write("undervoltage", board.now.since_boot, 3).hours(1)
    assert vitals(board)[-1]["undervoltages"] == 3


def test_two_weeks_are_kept(board):
    board.start().hours(HOURS_KEPT + 5)
    hours = board.history.hours()
    assert [hour.at for hour in hours] == [HOUR * (6 + number) for number in range(HOURS_KEPT)]


def test_they_stay_when_their_run_is_pruned(board):
    board.start().hours(2).kill().off(5).boot().start().hours(3)
    *earlier, third, fourth, fifth = board.history.hours()
    booted_at = board.records().boots[0].booted_at
    board.write("prune", 2, 0, 0)
    assert len(board.records().boots) == 1
    of_before = [hour._replace(booted_at=booted_at) for hour in earlier]
    assert board.history.hours() == [*of_before, third, fourth, fifth]


def test_they_are_cleared_with_their_run(board):
    board.start().hours(2).kill().off(5).start().hours(3)
    board.write("clear")
    assert [hour.run for hour in board.history.hours()] == [2, 2, 2]
    board.kill().off(5).start().write("clear")
    assert board.history.hours() == []


def test_a_rolled_back_hour_is_written_with_the_next_heartbeat(board):
    board.start().off(HOUR)
    with contextlib.suppress(ZeroDivisionError), board.history.transaction():
        board.history.keep_hour(board.now.since_boot, board.host)
        raise ZeroDivisionError
    assert board.history.hours() == []
    assert len(board.beat().history.hours()) == 1


def test_a_rolled_back_hour_does_not_forget_that_the_clock_was_set(board):
    board.host = HostState(clock_set=False, network=False)
    board.start().off(HOUR / 2).set_clock(ahead=-3600.0).off(HOUR / 2)
    with contextlib.suppress(ZeroDivisionError), board.history.transaction():
        board.history.keep_hour(board.now.since_boot, board.host)
        raise ZeroDivisionError
    (hour,) = board.beat().history.hours()
    assert hour.vitals["clock_set"] == 1


def migrated_from(version, rows, folder):
    """A history that an earlier version of the plugin began, with these rows."""
    path = folder / "history.db"
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.executescript(
            f"PRAGMA page_size = {PAGE_BYTES}; {';'.join(MIGRATIONS[:version])}; {rows}"
            f" PRAGMA user_version = {version}"
        )
    return History(path)


def test_a_file_of_before_begins_with_what_it_knows_of_undervoltage(tmp_path):
    rows = """
        INSERT INTO boots VALUES (1, 'an earlier boot', 1.6e9, 0);
        INSERT INTO runs (id, boot, started, seen, octoprint_version, undervoltage)
            VALUES (1, 1, 20.0, 500.0, '1.11.8', 4), (2, 1, 600.0, 900.0, '1.11.8', 3);
        INSERT INTO totals VALUES ('octoprint', 'undervoltage', 5);
    """
    with contextlib.closing(migrated_from(4, rows, tmp_path)) as migrated:
        # Five runs; those that are left saw it seven times.
        assert migrated.totals()["octoprint", "undervoltages"] == 7
        assert migrated.hours() == []


def test_the_hours_of_a_file_of_before_keep_their_boot(tmp_path):
    rows = """
        INSERT INTO boots VALUES (7, 'an earlier boot', 1.6e9, 0);
        INSERT INTO runs (id, boot, started, seen, octoprint_version)
            VALUES (3, 7, 20.0, 4000.0, '1.11.8');
        INSERT INTO hours (run, at, vitals) VALUES (3, 3600.0, '{}');
    """
    with contextlib.closing(migrated_from(5, rows, tmp_path)) as migrated:
        assert migrated.hours() == [(3, 3600.0, {}, 7, None)]
