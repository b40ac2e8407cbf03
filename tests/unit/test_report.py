"""Reports tell how and when runs ended, whatever the board's clock does."""

import contextlib
import csv
import io
import os
import time
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

import pytest
from board import NOON, Board

from octoprint_uptime.history import report
from octoprint_uptime.history.ends import ENDS
from octoprint_uptime.history.position import Position
from octoprint_uptime.history.record import Boot, NewRun
from octoprint_uptime.history.report import Why, known_boots
from octoprint_uptime.telling.answers import history_csv

HOUR = 3600.0
DAY = 86400.0


@pytest.fixture
def board(tmp_path):
    return Board(tmp_path / "history.db")


def why(entry):
    return (entry["why"].verdict.reason, entry["why"].verdict.grade)


def ends(entries):
    return [entry["end"] for entry in entries]


class TestHowItEnded:
    def test_restart(self, board):
        board.start().up(600).goodbye().off(20).start().up(5)
        running, ended = board.answer()["octoprint"]
        assert why(ended) == ("requested", "certain")
        assert ended == {
            "started_at": NOON,
            "ended_at": NOON + 600,
            "seconds": 600,
            "end": "restart",
            "end_exact": True,
            "downtime_seconds": 20,
            "interrupted_print": None,
            "stopped_at": None,
            "undervoltage": False,
            "octoprint_version": "1.11.8",
            "why": ended["why"],
        }
        assert running == {
            **ended,
            "started_at": NOON + 620,
            "ended_at": None,
            "seconds": 5,
            "end": "running",
            "end_exact": None,
            "downtime_seconds": None,
            "why": None,
        }

    def test_crash(self, board):
        board.start().up(630).kill().off(20).start()
        ended = board.answer()["octoprint"][1]
        assert ended["end"] == "crash"
        assert ended["end_exact"] is False
        assert ended["ended_at"] == NOON + 600
        assert ended["downtime_seconds"] == 50

    def test_shutdown(self, board):
        board.start().up(600).goodbye().off(HOUR).boot().off(30).start().up(10)
        answer = board.answer()
        assert ends(answer["octoprint"]) == ["running", "shutdown"]
        assert answer["octoprint"][1]["downtime_seconds"] == HOUR + 30
        running, ended = answer["system"]
        assert why(answer["octoprint"][1]) == ("requested", "possible")
        assert why(ended) == ("unknown", "unknown")
        assert ended == {
            "started_at": NOON,
            "ended_at": NOON + 600,
            "seconds": 600,
            "end": "shutdown",
            "end_exact": True,
            "downtime_seconds": HOUR,
            "why": ended["why"],
        }
        assert running["end"] == "running"
        assert running["started_at"] == NOON + 600 + HOUR
        assert running["seconds"] == 40

    def test_power_loss(self, board):
        board.start().up(630).kill().off(HOUR).boot().start()
        answer = board.answer()
        assert ends(answer["octoprint"]) == ["running", "power_loss"]
        assert ends(answer["system"]) == ["running", "power_loss"]
        assert answer["system"][1]["end_exact"] is False
        assert answer["system"][1]["downtime_seconds"] == HOUR + 30

    def test_the_host_is_up_while_octoprint_is_not(self, board):
        board.start().up(600).kill().off(HOUR).start().up(600)
        answer = board.answer()
        assert len(answer["system"]) == 1
        assert answer["summary"]["system"]["availability"] == 1
        assert answer["summary"]["octoprint"]["availability"] == pytest.approx(
            1200 / (1200 + HOUR), abs=1e-6
        )

    def test_without_a_kernel_id_the_boot_time_tells(self, board):
        board.has_kernel_id = False
        board.boot().start().up(600).kill().off(20).start().up(60).kill()
        board.off(HOUR).boot().start()
        assert ends(board.answer()["octoprint"]) == ["running", "power_loss", "crash"]

    def test_a_virtual_machine_set_back_to_a_snapshot(self, board):
        board.start().up(6000).kill()
        board._booted += 5000
        board.start()
        assert ends(board.answer()["octoprint"]) == ["running", "restored"]


class TestRestored:
    """A copy of the record raises no alarm; what the original did since is unknown."""

    @pytest.mark.parametrize("end", ["goodbye", "kill"])
    @pytest.mark.parametrize("on_another_boot", [True, False])
    def test_however_the_copy_was_made(self, board, end, on_another_boot):
        board.start().print("a.gcode").up(600)
        getattr(board, end)().off(HOUR)
        if on_another_boot:
            board.boot()
        board.start(copied=True).up(60)
        answer = board.answer()
        _, restored = answer["octoprint"]
        assert restored["end"] == "restored"
        assert restored["ended_at"] == NOON + 600
        assert restored["downtime_seconds"] is None
        assert restored["interrupted_print"] is None
        assert ends(answer["system"]) == ["running", "restored"][: 1 + on_another_boot]
        assert [host.get("downtime_seconds") for host in answer["system"]][1:] in ([], [None])
        assert answer["summary"]["octoprint"]["availability"] == 1
        assert board.timeline().unacknowledged() is None
        totals = board.history.totals()
        assert totals.pop(("system", "restored"), 0) == on_another_boot
        assert totals == {("octoprint", "restored"): 1}

    def test_what_is_new_to_the_copy_is_not_an_outage(self, board):
        board.start().up(600).kill().start().up(600).kill().start(copied=True)
        assert ends(board.answer()["octoprint"]) == ["running", "restored", "crash"]
        assert board.timeline().unacknowledged() is None

    def test_only_unrecorded_time_counts_neither_way(self, board):
        board.start().up(600).kill().off(600).start().up(600).kill().off(DAY)
        board.start(copied=True).up(600)
        summary = board.answer()["summary"]["octoprint"]
        assert summary["availability"] == 0.75
        assert summary["ends"]["restored"] == 1

    def test_a_board_that_does_not_know_the_time(self, board):
        board.start().up(600).kill().off(HOUR).boot(ahead=-board.true).start(copied=True).up(60)
        assert board.answer()["summary"]["octoprint"]["availability"] == 1


class TestPrinter:
    def test_ends(self, board):
        board.start().write("connected", 0.0, "/dev/ttyUSB0").up(60)
        board.write("disconnected", 60.0, False).write("connected", 60.0, "/dev/ttyUSB0").up(60)
        board.write("disconnected", 120.0, True).write("connected", 130.0, None).up(120).kill()
        board.off(20).start().write("connected", 260.0, "VIRTUAL").up(10)
        printer = board.answer()["printer"]
        assert ends(printer) == ["running", "octoprint_down", "error", "disconnected"]
        assert printer[0]["seconds"] == 10
        assert printer[0]["ended_at"] is None
        assert printer[1]["ended_at"] == NOON + 240
        assert printer[1]["port"] is None
        assert printer[3] == {
            "started_at": NOON,
            "ended_at": NOON + 60,
            "seconds": 60,
            "end": "disconnected",
            "port": "/dev/ttyUSB0",
            "why": Why("printer", "disconnected", "{}", None),
        }

    def test_why(self, board):
        board.start().write("connected", 0.0, "A").up(60)
        assert board.answer()["printer"][0]["why"] is None
        board.write("disconnected", 60.0, True)
        # Facts about the connection take a second.
        assert board.answer()["printer"][0]["why"].verdict.reason == "unknown"
        board.write("explain", 60.0, "error", "silent", '{"timed_out":true}')
        board.write("explain", 60.0, "error", "unplugged", '{"gone":"usb"}')
        told = board.answer()["printer"][0]["why"].verdict
        assert (told.reason, told.grade) == ("silent", "certain")
        assert board.history.reasons() == {("printer", "error", "silent"): 1}

    def test_why_comes_too_late(self, board):
        board.start().write("connected", 0.0, "A").up(60).write("disconnected", 60.0, True)
        board.write("clear").write("explain", 60.0, "error", "silent", "{}")
        assert board.history.reasons() == {}
        board.write("connected", 70.0, "A").up(60).write("disconnected", 120.0, True)
        board.kill().off(5).start().write("connected", 130.0, "A").up(5)
        board.write("explain", 120.0, "error", "silent", "{}").kill()
        board.off(5).start()
        assert board.history.reasons() == {
            ("octoprint", "crash", "unknown"): 2,
            ("printer", "error", "unknown"): 1,
            ("printer", "octoprint_down", "octoprint_down"): 1,
        }
        down, error = board.answer()["printer"]
        assert down["why"].verdict.reason == "octoprint_down"
        assert error["why"].verdict.reason == "unknown"

    def test_a_second_connection_ends_the_first(self, board):
        board.start().write("connected", 0.0, "A").up(60).write("connected", 50.0, "B")
        assert ends(board.answer()["printer"]) == ["running", "disconnected"]


class TestInterruptedPrint:
    def test_it_is_named(self, board):
        board.start().print("a/benchy.gcode").up(60)
        assert board.answer()["octoprint"][0]["interrupted_print"] is None
        board.kill().off(10).start()
        assert board.answer()["octoprint"][1]["interrupted_print"] == "a/benchy.gcode"

    def test_one_that_has_ended_is_not(self, board):
        board.start().print("benchy.gcode").up(60).write(
            "print_ended", board.now.since_boot, "done"
        )
        board.kill().off(10).start()
        assert board.answer()["octoprint"][1]["interrupted_print"] is None


class TestPrints:
    def test_results(self, board):
        board.start().write("print_started", 0.0, "a.gcode").up(60)
        board.write("print_ended", 60.0, "done").write("print_started", 70.0, "b.gcode").up(60)
        board.write("print_ended", 100.0, "cancelled").write("print_started", 110.0, "c.gcode")
        board.write("print_ended", 120.0, "failed").write("print_started", 120.0, "d.gcode")
        board.up(120).kill().off(20).start().write("print_started", 265.0, "e.gcode").up(10)
        prints = board.answer()["prints"]
        assert [(print_["file"], print_["result"]) for print_ in prints] == [
            ("e.gcode", "running"),
            ("d.gcode", "interrupted"),
            ("c.gcode", "failed"),
            ("b.gcode", "cancelled"),
            ("a.gcode", "done"),
        ]
        assert (prints[0]["ended_at"], prints[0]["seconds"]) == (None, 5)
        assert prints[1]["ended_at"] == board.answer()["octoprint"][1]["ended_at"] == NOON + 240
        assert prints[3] == {
            "started_at": NOON + 70,
            "ended_at": NOON + 100,
            "seconds": 30,
            "result": "cancelled",
            "file": "b.gcode",
        }

    def test_a_print_without_an_end_failed_when_the_next_starts(self, board):
        board.start().write("print_started", 0.0, "a").up(60).write("print_started", 60.0, "b")
        running, failed = board.answer()["prints"]
        assert (failed["result"], failed["ended_at"]) == ("failed", NOON + 60)
        assert running["result"] == "running"

    def test_a_copy_does_not_know_how_the_print_ended(self, board):
        board.start().write("print_started", 0.0, "a").up(60).kill().off(60).start(copied=True)
        assert board.answer()["prints"][0]["result"] == "unknown"

    def test_one_that_ended_before_the_window_is_left_out(self, board):
        board.start().write("print_started", 0.0, "a").up(60).write("print_ended", 60.0, "done")
        board.up(DAY).write("print_started", DAY, "b").up(DAY)
        assert [print_["file"] for print_ in board.answer(days=1)["prints"]] == ["b"]

    def test_on_a_board_that_does_not_know_the_time(self, board):
        board.boot(ahead=-board.true).start().write("print_started", 0.0, "a").up(60)
        board.write("print_ended", 60.0, "done").write("print_started", 60.0, "b").up(60)
        for print_ in board.answer()["prints"]:
            assert (print_["started_at"], print_["ended_at"]) == (None, None)
            assert print_["seconds"] == 60
        board.set_clock()
        assert board.answer()["prints"][1]["ended_at"] == NOON + 60


class TestClocks:
    """A Raspberry Pi has no clock of its own."""

    def test_late_ntp(self, board):
        board.start().up(600).kill().off(HOUR)
        board.boot(ahead=-3 * HOUR).off(20).start().up(20)
        assert board.answer()["octoprint"][0]["started_at"] is None
        assert board.answer()["octoprint"][1]["downtime_seconds"] is None
        board.set_clock().up(60)
        running, ended = board.answer()["octoprint"]
        assert running["started_at"] == NOON + 600 + HOUR + 20
        assert ended["downtime_seconds"] == HOUR + 20

    def test_late_ntp_sets_the_earlier_runs_of_the_boot_right_too(self, board):
        board.start().up(600).goodbye().off(HOUR)
        board.boot(ahead=3 * HOUR).start().up(10).kill().off(10).start().up(20).set_clock()
        starts = [run["started_at"] for run in board.answer()["octoprint"]]
        assert starts == [NOON + 600 + HOUR + 20, NOON + 600 + HOUR, NOON]

    def test_set_while_octoprint_was_down(self, board):
        board.start().up(600).goodbye().off(HOUR)
        board.boot(ahead=-3 * HOUR).start().up(10).kill().off(10)
        board.ahead = 0.0
        board.start()
        starts = [run["started_at"] for run in board.answer()["octoprint"]]
        assert starts == [NOON + 600 + HOUR + 20, NOON + 600 + HOUR, NOON]

    def test_behind_the_last_heartbeat(self, board):
        board.start().up(DAY).kill().off(HOUR).boot(ahead=-2 * HOUR).start().up(30)
        answer = board.answer()
        assert answer["from"] is None
        assert answer["to"] is None
        running, ended = answer["octoprint"]
        assert (running["started_at"], running["seconds"]) == (None, 30)
        assert ended["ended_at"] == NOON + DAY
        assert ended["downtime_seconds"] is None
        assert answer["system"][0]["started_at"] is None
        assert answer["system"][1]["downtime_seconds"] is None
        assert answer["summary"]["octoprint"]["availability"] == 1

    @pytest.mark.parametrize("wrong", [0.0, NOON - 400 * DAY])
    def test_never_set(self, board, wrong):
        board.start().up(HOUR).goodbye().off(HOUR)
        board.boot(ahead=wrong - board.true).start().write("connected", 0.0, "A").up(HOUR)
        board.kill().off(HOUR).boot().start().up(HOUR)
        answer = board.answer()
        _, unset, first = answer["octoprint"]
        assert (unset["started_at"], unset["ended_at"], unset["seconds"]) == (None, None, HOUR)
        assert unset["downtime_seconds"] is None
        assert first["downtime_seconds"] is None
        assert answer["printer"][0]["started_at"] is None
        assert answer["printer"][0]["seconds"] == HOUR
        assert answer["summary"]["octoprint"]["availability"] == 0.6

    def test_never_set_and_the_only_one(self, board):
        board.boot(ahead=-board.true).start().up(HOUR)
        answer = board.answer()
        assert answer["to"] is None
        assert answer["octoprint"][0]["started_at"] is None
        assert answer["summary"]["octoprint"] == {
            "availability": None,
            "longest_seconds": HOUR,
            "ends": dict.fromkeys(ENDS["octoprint"], 0),
        }

    def test_downtime_within_a_boot_needs_no_wall_clock(self, board):
        board.boot(ahead=-board.true).start().up(60).kill().off(15).start()
        assert board.answer()["octoprint"][1]["downtime_seconds"] == 15

    def test_stepped_back(self, board):
        board.boot(ahead=HOUR).start().up(600).set_clock().up(600)
        running = board.answer()["octoprint"][0]
        assert (running["started_at"], running["seconds"]) == (NOON, 1200)

    def test_a_clock_that_was_in_the_future_does_not_outlaw_what_follows(self, board):
        board.boot(ahead=400 * DAY).start().up(HOUR).kill().off(HOUR)
        board.boot(ahead=400 * DAY).start().up(40).set_clock().up(HOUR)
        running, future = board.answer()["octoprint"]
        assert future["started_at"] is None
        assert running["started_at"] == NOON + 2 * HOUR

    def test_of_two_that_were_set_the_earlier_is_believed(self):
        boots = [Boot(1, NOON, True), Boot(2, NOON, True)]
        assert known_boots(boots, {1: HOUR, 2: HOUR}) == {1: NOON, 2: None}

    @pytest.mark.parametrize("was_set", [False, True])
    def test_one_in_the_future_is_overruled_by_the_boots_after_it(self, was_set):
        future = Boot(1, NOON + 400 * DAY, was_set)
        later = [Boot(2 + number, NOON + number * DAY, False) for number in range(6)]
        boots = [Boot(0, NOON - DAY, False), future, *later]
        last_seen = dict.fromkeys(range(8), HOUR)
        assert known_boots(boots, last_seen) == {
            **{boot.id: boot.booted_at for boot in boots},
            1: None,
        }

    def test_those_behind_are_overruled_by_the_boots_around_them(self):
        right = [Boot(0, NOON, True), Boot(3, NOON + DAY, True)]
        behind = [Boot(1, NOON - DAY, False), Boot(2, NOON - DAY / 2, False)]
        last_seen = dict.fromkeys(range(4), HOUR)
        assert known_boots([right[0], *behind, right[1]], last_seen) == {
            0: NOON,
            1: None,
            2: None,
            3: NOON + DAY,
        }

    def test_daylight_saving(self, tmp_path, monkeypatch):
        monkeypatch.setenv("TZ", "Europe/Berlin")
        time.tzset()
        berlin = ZoneInfo(os.environ["TZ"])
        before = datetime(2026, 10, 25, 2, 30, tzinfo=berlin).timestamp()
        board = Board(tmp_path / "history.db", true=before)
        board.start().up(HOUR).kill().off(60).start().up(60)
        monkeypatch.undo()
        time.tzset()
        ended = board.answer()["octoprint"][1]
        local = [
            datetime.fromtimestamp(ended[at], berlin).time() for at in ("started_at", "ended_at")
        ]
        assert local[0] == local[1]
        assert ended["seconds"] == HOUR
        assert ended["downtime_seconds"] == 60
        assert "2026-10-25 00:30:00,2026-10-25 01:30:00" in history_csv(board.answer())


class TestWindow:
    def test_what_ended_before_it_is_left_out(self, board):
        board.start().up(HOUR).goodbye().off(DAY).start().up(HOUR).goodbye().off(DAY)
        board.start().up(HOUR)
        assert len(board.answer(days=1)["octoprint"]) == 1
        assert len(board.answer(days=2)["octoprint"]) == 2
        assert len(board.answer(days=3)["octoprint"]) == 3

    def test_availability_counts_the_window_alone(self, board):
        board.start().up(HOUR).goodbye().off(2 * DAY).start().up(DAY / 2)
        summary = board.answer(days=1)["summary"]["octoprint"]
        assert summary["availability"] == 0.5
        assert summary["longest_seconds"] == DAY / 2
        assert summary["ends"]["restart"] == 0

    def test_a_run_that_began_before_it_counts_from_its_begin(self, board):
        board.start().up(3 * DAY).goodbye().off(DAY / 4).start().up(DAY / 4)
        summary = board.answer(days=1)["summary"]["octoprint"]
        assert summary["availability"] == 0.75
        assert summary["longest_seconds"] == 3 * DAY
        assert summary["ends"] == {**dict.fromkeys(ENDS["octoprint"], 0), "restart": 1}

    def test_what_went_down_for_a_second_in_a_year_was_not_up_all_the_time(self, board):
        board.start().off(200 * DAY).goodbye().off(1).start().off(165 * DAY)
        assert board.answer(days=3650)["summary"]["octoprint"]["availability"] == 0.999999


class TestUnacknowledged:
    def test_the_last_unplanned_end(self, board):
        board.start().write("undervoltage", 0.0).print("x.gcode").up(600).kill()
        board.off(HOUR).boot().start()
        told = board.timeline().unacknowledged()
        assert why(told) == ("undervoltage", "possible")
        assert told == {
            "end": "power_loss",
            "ended_at": NOON + 600,
            "end_exact": False,
            "downtime_seconds": HOUR,
            "interrupted_print": "x.gcode",
            "stopped_at": None,
            "undervoltage": True,
            "why": told["why"],
        }

    def test_a_planned_end_after_it_does_not_hide_it(self, board):
        board.start().up(600).kill().off(5).start().up(600).goodbye().off(5).start()
        assert board.timeline().unacknowledged()["end"] == "crash"

    def test_acknowledged_it_stays_away(self, board):
        board.start().up(600).kill().off(5).start().write("acknowledge")
        assert board.timeline().unacknowledged() is None
        board.up(60).goodbye().off(5).start()
        assert board.timeline().unacknowledged() is None
        board.up(60).kill().off(5).start()
        assert board.timeline().unacknowledged()["end"] == "crash"

    def test_none_on_the_first_day(self, board):
        board.start().up(60)
        assert board.timeline().unacknowledged() is None


class TestPreviousEnd:
    def test_none(self, board):
        board.start()
        assert set(board.timeline().previous_end().values()) == {None}

    def test_crash(self, board):
        board.start().up(600).kill().off(5).start()
        assert board.timeline().previous_end() == {
            "previous_end": "crash",
            "previous_ended_at": NOON + 600,
            "downtime_seconds": 5,
            "interrupted_print": None,
            "stopped_at": None,
            "undervoltage": False,
            "why": {"reason": "unknown", "grade": "unknown"},
        }


class TestPowerLosses:
    def test_those_within_the_days(self, board):
        board.start().up(60).kill().off(8 * DAY).boot().start().write("undervoltage", 0.0).up(60)
        board.kill().off(DAY).boot().start().up(60).kill().off(60).start().up(60)
        assert board.timeline().power_losses(7) == (1, 1)
        assert board.timeline().power_losses(30) == (2, 1)

    def test_none_while_the_time_is_unknown(self, board):
        for _ in range(3):
            board.boot(ahead=-board.true).start().up(60).kill().off(60)
        board.boot(ahead=-board.true).start()
        assert board.timeline().power_losses(7) == (0, 0)


class TestCsv:
    def rows(self, board):
        return list(csv.DictReader(io.StringIO(history_csv(board.answer()))))

    def test_the_runs(self, board):
        board.start().print('ü, "x".gcode').up(60).kill().off(5).start().up(1)
        running, ended = self.rows(board)
        began = datetime.fromtimestamp(NOON, timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
        assert ended["started_at_utc"] == began
        assert ended["end"] == "crash"
        assert ended["interrupted_print"] == 'ü, "x".gcode'
        assert running["ended_at_utc"] == ""
        assert running["downtime_seconds"] == ""

    def test_where_a_print_stopped(self, board):
        position = Position("x.gcode", "local", percent=63.25, z_mm=41.2)
        board.start().print("x.gcode").off(60).beat(position).kill().off(5).start()
        columns = ("stopped_at_percent", "stopped_at_z_mm")
        assert [tuple(row[column] for column in columns) for row in self.rows(board)] == [
            ("", ""),
            ("63.25", "41.2"),
        ]

    @pytest.mark.parametrize("name", ["=1+1.gcode", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"])
    def test_formulas_are_defused(self, board, name):
        board.start().print(name).kill().off(5).start()
        assert self.rows(board)[1]["interrupted_print"] == "'" + name


class TestPruning:
    def pruned(self, board, days):
        board.write("prune", *board.timeline().first_kept(days))
        return board.records()

    def test_what_is_too_old_goes_with_all_that_belongs_to_it(self, board):
        board.start().write("connected", 0.0, "A").up(60).kill().off(DAY)
        board.boot().start().write("connected", 0.0, "B").up(60).kill().off(7 * DAY - 60)
        board.boot().start().up(60)
        records = self.pruned(board, 7)
        assert [run.id for run in records.runs] == [2, 3]
        assert [boot.id for boot in records.boots] == [2, 3]
        assert [connection.port for connection in records.connections] == ["B"]

    def test_connections_and_prints_of_a_long_run_go_by_their_own_age(self, board):
        board.start().write("connected", 0.0, "A").write("disconnected", 60.0, False)
        board.write("print_started", 0.0, "a").write("print_ended", 60.0, "done")
        board.write("connected", 60.0, "B").write("print_started", 60.0, "b").off(8 * DAY).beat()
        records = self.pruned(board, 7)
        assert [connection.port for connection in records.connections] == ["B"]
        assert [print_.file for print_ in records.prints] == ["b"]
        board.write("disconnected", 8 * DAY, False).write("print_ended", 8 * DAY, "done")
        board.off(8 * DAY).beat()
        assert self.pruned(board, 7).connections == []
        assert self.pruned(board, 7).prints == []
        assert len(board.records().runs) == 1

    def test_those_without_a_time_go_with_the_next_that_is_too_old(self, board):
        board.boot(ahead=-board.true).start().up(60).kill().off(60)
        board.boot().start().up(60).kill().off(8 * DAY).boot().start()
        assert len(self.pruned(board, 7).runs) == 1

    def test_a_loop_of_crashes_is_bounded(self, board):
        board.start()
        with board.history.transaction():
            for _ in range(400):
                board.off(5)
                board.history.begin(
                    NewRun(board.kernel_id, board.now.since_boot, "1.11.8"), board.now
                )
                board.history.connected(board.now.since_boot, "A")
        records = self.pruned(board, 7)
        assert len(records.runs) == 350
        assert len(records.connections) == 350

    def test_a_loop_of_crashes_is_bounded_though_the_clock_was_never_set(self, board):
        board.boot(ahead=-board.true).start()
        with board.history.transaction():
            for _ in range(360):
                board.off(5)
                board.history.begin(
                    NewRun(board.kernel_id, board.now.since_boot, "1.11.8"), board.now
                )
        assert len(self.pruned(board, 7).runs) == 350

    def test_what_a_page_can_show_is_the_most(self, board, monkeypatch):
        monkeypatch.setattr(report, "MAX_KEPT", 5)
        board.start()
        for _ in range(9):
            board.up(60).kill().start()
        assert len(self.pruned(board, 3650).runs) == 5

    def test_nothing_young_goes(self, board):
        board.start().up(60).kill().off(DAY).boot().start().up(60)
        assert self.pruned(board, 7) == board.records()
        assert len(board.records().runs) == 2


class TestDamagedTexts:
    """SQLite does not notice if a text in a whole row is damaged."""

    @pytest.mark.parametrize(
        "damaged", ['{"signal":', "[1]", "\0", '{"novel": 1}', '{"origin": "local"}']
    )
    def test_it_costs_only_what_it_said(self, board, damaged):
        position = Position("x.gcode", "local", percent=63.25)
        board.start().print("x.gcode").off(60).beat(position).kill().off(5).start()
        board.write("connected", board.now.since_boot, "/dev/ttyUSB0")
        board.write("disconnected", board.now.since_boot, True).hours(2, disk_free_bytes=1e9)
        with contextlib.closing(board.history):
            for table, columns in {
                "runs": ("facts", "vitals", "stopped_at"),
                "connections": ("facts",),
                "hours": ("vitals",),
            }.items():
                for column in columns:
                    board.history._database.execute(f"UPDATE {table} SET {column} = ?", (damaged,))
            entry = board.answer()["octoprint"][1]
            assert (*why(entry), entry["why"].vitals_before[:0]) == ("unknown", "unknown", [])
            assert (entry["interrupted_print"], entry["stopped_at"]["percent"]) == ("x.gcode", None)
            assert board.timeline().lost_connections(7) == ["unknown"]
            assert len(board.history.hours()) == 2
