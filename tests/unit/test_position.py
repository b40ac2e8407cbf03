"""The record keeps the last known position of a print after OctoPrint ends."""

import contextlib
import json
import logging
import sqlite3
from pathlib import Path

import pytest
from board import NOON, Board

from octoprint_uptime.history.position import Position, PositionReader
from octoprint_uptime.history.record import History, NewRun
from octoprint_uptime.history.schema import MIGRATIONS

FILE = "brackets/left hinge.gcode"
SIZE = 4_000_000


def at(percent, **fields):
    """A position of the print."""
    position = Position(
        file=FILE,
        origin="local",
        percent=percent,
        position_bytes=round(SIZE * percent / 100),
        size_bytes=SIZE,
        z_mm=41.2,
        printed_seconds=11_520,
        targets={"tool0": 210.0, "bed": 60.0},
    )
    return position._replace(**fields)


def told(percent):
    """The API's ``stopped_at`` of it."""
    return at(percent)._asdict()


@pytest.fixture
def board(tmp_path):
    return Board(tmp_path / "history.db").start().print(FILE)


def stopped_at(board):
    """The API's ``stopped_at`` of the previous run."""
    return board.answer()["octoprint"][1]["stopped_at"]


class TestRecord:
    def test_the_last_heartbeat_counts(self, board):
        for minute in range(200):  # more than once around the ring
            board.off(60).beat(at(minute / 4))
        board.off(7).beat(at(50)).kill().off(5).start()
        assert stopped_at(board) == told(50)

    @pytest.mark.parametrize("witnessed", [False, True])
    def test_whether_or_not_someone_saw_it_die(self, board, witnessed):
        board.off(60).beat(at(1)).kill().off(20)
        last = board.now.since_boot - 10 if witnessed else None
        with contextlib.closing(History(board.path)) as history, history.transaction():
            history.begin(NewRun(board.kernel_id, 85.0, "1.11.8"), board.now, died=last)
        board.off(5).start()
        assert board.answer()["octoprint"][2]["stopped_at"] == told(1)

    def test_after_a_goodbye_it_is_that_of_the_goodbye(self, board):
        board.off(60).beat(at(10)).off(30).goodbye(position=at(11)).off(5).start()
        assert stopped_at(board) == told(11)

    def test_a_goodbye_that_knew_nothing_takes_no_old_one(self, board):
        board.off(60).beat(at(10)).off(30).goodbye().off(5).start()
        assert board.answer()["octoprint"][1]["interrupted_print"] == FILE
        assert stopped_at(board) is None

    def test_it_stays_through_later_runs(self, board):
        board.off(60).beat(at(10)).kill()
        for _ in range(3):
            board.off(5).boot().off(5).start().up(60).kill()
        board.off(5).start()
        assert [run["stopped_at"] for run in board.answer()["octoprint"]] == [
            *(None, None, None, None),
            told(10),
        ]

    def test_a_print_that_has_ended_stopped_nowhere(self, board):
        board.off(60).beat(at(99)).write("print_ended", board.now.since_boot, "done").off(60).beat(
            at(100)
        ).kill()
        assert stopped_at(board.off(5).start()) is None

    def lost(self, board):
        """The connection to the printer is lost during the print."""
        board.write("connected", board.now.since_boot - 600, "/dev/ttyACM0")
        board.off(60).beat(at(10)).off(20)
        for method, result in (("print_ended", "failed"), ("disconnected", True)):
            board.write(method, board.now.since_boot, result)
        return board.beat()

    def test_a_power_cut_that_takes_the_printer_first(self, board):
        self.lost(board).off(0.05).kill().off(60).boot().off(30).start()
        answer = board.answer()
        cut_off = answer["octoprint"][1]
        assert (cut_off["end"], cut_off["interrupted_print"]) == ("power_loss", FILE)
        assert cut_off["stopped_at"] == told(10)
        assert [print_["result"] for print_ in answer["prints"]] == ["interrupted"]
        assert board.history.totals()["octoprint", "interrupted_print"] == 1

    def test_a_connection_that_was_lost_before(self, board):
        self.lost(board).off(60).beat().kill().off(60).boot().off(30).start()
        assert board.answer()["octoprint"][1]["interrupted_print"] is None

    def test_a_connection_that_came_back(self, board):
        self.lost(board).write("connected", board.now.since_boot, "/dev/ttyACM0").kill()
        board.off(60).boot().off(30).start()
        assert board.answer()["octoprint"][1]["interrupted_print"] is None

    def test_a_lost_connection_and_a_crash(self, board):
        self.lost(board).kill().off(5).start()
        assert board.answer()["octoprint"][1]["interrupted_print"] is None

    def test_the_next_print_does_not_stop_where_the_last_one_did(self, board):
        self.lost(board).print("another.gcode").kill().off(60).boot().off(30).start()
        stopped = board.answer()["octoprint"][1]
        assert (stopped["interrupted_print"], stopped["stopped_at"]) == ("another.gcode", None)

    def test_another_file_than_the_one_that_is_printed_does_not_count(self, board):
        board.off(60).beat(at(10)).off(60).beat(at(0, file="another.gcode")).kill()
        board.off(5).start()
        assert board.answer()["octoprint"][1]["interrupted_print"] == FILE
        assert stopped_at(board) is None

    def test_the_running_one_has_not_stopped(self, board):
        assert board.off(60).beat(at(10)).answer()["octoprint"][0]["stopped_at"] is None

    def test_a_copy_does_not_know_where_the_print_stopped(self, board):
        board.off(60).beat(at(10)).kill().off(5).start(copied=True)
        restored = board.answer()["octoprint"][1]
        assert (restored["end"], restored["stopped_at"]) == ("restored", None)

    def test_what_is_not_known_is_null(self, board):
        unknown = Position(file=FILE, origin="printer")
        board.off(60).beat(unknown).kill().off(5).start()
        assert stopped_at(board) == {
            "file": FILE,
            "origin": "printer",
            **dict.fromkeys(("percent", "position_bytes", "size_bytes")),
            **dict.fromkeys(("z_mm", "printed_seconds", "targets")),
        }

    def test_a_run_of_a_version_that_did_not_note_it(self, tmp_path):
        path = tmp_path / "history.db"
        with contextlib.closing(sqlite3.connect(path)) as database:
            for migration in MIGRATIONS[:4]:
                database.executescript(migration)
            database.executescript(
                f"""
                INSERT INTO boots (id, kernel_id, booted_at) VALUES (1, 'boot-0', {NOON});
                INSERT INTO runs (boot, started, seen, octoprint_version, printing)
                    VALUES (1, 0, 0, '1.11.8', 'a.gcode');
                INSERT INTO beats (slot, run, at) VALUES (1, 1, 60), (2, 1, 120);
                PRAGMA user_version = 4;
                """
            )
        board = Board(path).off(300).start().print(FILE).off(60).beat(at(3))
        older = board.answer()["octoprint"][1]
        assert (older["seconds"], older["interrupted_print"]) == (120, "a.gcode")
        assert older["stopped_at"] is None
        assert stopped_at(board.kill().off(5).start()) == told(3)


def test_in_notice_and_events(board):
    board.off(60).beat(at(63.25)).kill().off(5).start()
    assert board.timeline().unacknowledged()["stopped_at"] == told(63.25)
    assert board.timeline().previous_end()["stopped_at"] == told(63.25)


class Printer:
    """A printer with a scripted state; its first ``failures`` answers fail."""

    def __init__(self, failures=0, heaters=None, origin="local", **progress):
        self.failures = failures
        self.heaters = heaters
        self.file = {"path": FILE, "origin": origin, "size": SIZE}
        self.progress = {"completion": 10.0, "filepos": SIZE // 10, "printTime": 60, **progress}

    def get_current_data(self):
        if self.failures:
            self.failures -= 1
            raise RuntimeError("can't create new thread at interpreter shutdown")
        return {"job": {"file": self.file}, "progress": self.progress, "currentZ": None}

    def get_current_temperatures(self):
        return self.heaters or {}


def heater(target):
    return {"actual": 21.3, "target": target, "offset": 0}


class TestReader:
    """Rare states of a printer; ``tests/server`` reads those of a real OctoPrint."""

    @pytest.fixture
    def logger(self, request):
        return logging.getLogger(request.node.name)

    def test_heaters_that_are_off_or_unknown_are_left_out(self, logger):
        heaters = {"tool0": heater(0.0), "tool1": heater(215.0), "bed": heater(None)}
        assert PositionReader(Printer(heaters=heaters), logger).read().targets == {"tool1": 215.0}

    def test_without_any_temperature_the_heaters_are_unknown(self, logger):
        assert PositionReader(Printer(), logger).read().targets is None

    def test_a_file_whose_size_is_unknown(self, logger):
        printer = Printer(completion=-100, filepos=0)
        assert PositionReader(printer, logger).read().percent is None

    @pytest.mark.parametrize(
        ("completion", "percent"),
        # More than 100 for a file with bytes that are not UTF-8.
        [(63.256, 63.25), (99.9964, 99.99), (100, 100.0), (100.7, 100.0)],
    )
    def test_the_percentage_is_rounded_down(self, logger, completion, percent):
        assert PositionReader(Printer(completion=completion), logger).read().percent == percent

    @pytest.mark.parametrize("file", [{"path": None}, {"path": Path("x")}, {"origin": Path("x")}])
    def test_another_plugins_files(self, logger, file):
        printer = Printer()
        printer.file.update(file)
        assert PositionReader(printer, logger).read() is None

    @pytest.mark.parametrize("nonsense", [float("nan"), float("inf"), "12", {}])
    def test_what_is_no_number_is_not_known(self, logger, nonsense):
        printer = Printer(filepos=nonsense, heaters={"bed": heater(nonsense)})
        position = PositionReader(printer, logger).read()
        assert (position.position_bytes, position.targets) == (None, {})
        json.loads(position.to_json())

    @pytest.mark.parametrize(
        ("origin", "called"), [("local", "local"), ("sdcard", "printer"), ("printer", "printer")]
    )
    def test_what_the_origin_is_called(self, logger, origin, called):
        assert PositionReader(Printer(origin=origin), logger).read().origin == called

    def test_a_failure_is_tried_again_and_told_once(self, logger, caplog):
        assert PositionReader(Printer(failures=1), logger).read().percent == 10
        assert caplog.messages == []
        reader = PositionReader(Printer(failures=4), logger)
        assert [reader.read(), reader.read()] == [None, None]
        assert caplog.messages == ["Could not read the position of the print"]
        assert reader.read().percent == 10
