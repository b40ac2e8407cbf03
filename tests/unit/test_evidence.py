"""What is found after a start, on boards and in files as they are left behind."""

import json
import os
import struct

import pytest
from board import NOON, Board

from octoprint_uptime.why.evidence import LastWords, Scene, look
from octoprint_uptime.why.witness import read_report

DAY = 86400.0
TOKEN = "0123456789abcdef"
PLUGINS = {
    "/home/pi/.octoprint/plugins/crasher.py": "Crasher",
    "/home/pi/oprint/lib/python3.11/site-packages/octoprint_bltouch": "BLTouch",
}
SEGFAULT = """\
Fatal Python error: Segmentation fault

Thread 0x0000ffff8b7ff1c0 (most recent call first):
  File "/usr/lib/python3.11/threading.py", line 324 in wait
  File "/home/pi/oprint/lib/python3.11/site-packages/octoprint_bltouch/__init__.py", line 7 in run

Current thread 0x0000ffff8affe1c0 (most recent call first):
  File "/usr/lib/python3.11/ctypes/__init__.py", line 517 in string_at
  File "/home/pi/.octoprint/plugins/crasher.py", line 12 in <lambda>
  File "/usr/lib/python3.11/threading.py", line 982 in run

Thread 0x0000ffffa1c44020 (most recent call first):
  File "/usr/lib/python3.11/selectors.py", line 468 in select

Extension modules: psutil._psutil_linux (total: 1)
"""
HANG = """\
Timeout (0:00:30)!
Thread 0x0000ffff8b7ff1c0 (most recent call first):
  File "/home/pi/.octoprint/plugins/crasher.py", line 3 in elsewhere

Thread 0x0000ffffa1c44020 (most recent call first):
  File "/usr/lib/python3.11/socket.py", line 706 in readinto
  File "/home/pi/oprint/lib/python3.11/site-packages/octoprint_bltouch/__init__.py", line 7 in ask
  File "/home/pi/oprint/lib/python3.11/site-packages/tornado/ioloop.py", line 738 in _run_callback
"""


@pytest.fixture
def board(tmp_path):
    return Board(tmp_path / "history.db")


def words(**left):
    return Scene(words={TOKEN: LastWords(**left)})


def why(board, subject="octoprint"):
    """Why the run before the running one ended."""
    verdict = board.answer(days=365)[subject][1]["why"].verdict
    return verdict.reason, verdict.grade


def facts(board):
    return board.answer(days=365)["octoprint"][1]["why"].verdict.facts


def vitals(board):
    return json.loads(board.answer(days=365)["octoprint"][1]["why"].vitals or "[]")


def died_with(board, **left):
    board.start(token=TOKEN).up(600).kill().off(5).start(scene=words(**left), plugins=PLUGINS)
    return facts(board)


class TestStacks:
    def test_a_native_crash(self, board):
        assert died_with(board, fault=SEGFAULT).fault == {
            "signal": "Segmentation fault",
            "library": "ctypes",
            "plugin": "Crasher",
        }
        assert why(board) == ("native_crash", "certain")

    def test_one_that_no_plugin_called(self, board):
        theirs = SEGFAULT.replace("/home/pi/.octoprint/plugins/crasher.py", "/srv/other.py")
        assert died_with(board, fault=theirs).fault == {
            "signal": "Segmentation fault",
            "library": "ctypes",
        }

    @pytest.mark.parametrize("nothing", ["", "Fatal Pyth"])
    def test_none(self, board, nothing):
        assert died_with(board, fault=nothing).fault is None

    def test_a_loop_that_hangs(self, board):
        assert died_with(board, hang=HANG).hung == {"library": "socket", "plugin": "BLTouch"}
        assert why(board) == ("hung", "certain")

    def test_one_that_answered_again(self, board):
        assert died_with(board, hang=HANG + "The server loop answered again.\n\n").hung is None

    def test_one_that_answered_again_and_then_no_more(self, board):
        hangs = HANG + "The server loop answered again.\n\n" + HANG
        assert died_with(board, hang=hangs).hung

    def test_the_words_of_another_run_are_not_its_own(self, board):
        board.start(token="another").up(600).kill().off(5)
        board.start(scene=words(fault=SEGFAULT, hang=HANG), plugins=PLUGINS)
        assert why(board) == ("unknown", "unknown")

    def test_an_exception(self, board):
        exception = {
            "at": 570.0,
            "thread": "worker",
            "type": "KeyError",
            "message": "'x'",
            "errno": None,
            "files": ["/usr/lib/python3.11/threading.py", "/home/pi/.octoprint/plugins/crasher.py"],
        }
        assert died_with(board, exception=exception).exception == {
            "thread": "worker",
            "type": "KeyError",
            "message": "'x'",
            "errno": None,
            "seconds_before": 30.0,
            "plugin": "Crasher",
        }


class TestVitals:
    def test_those_of_some_minutes_before_the_end(self, board):
        board.start()
        for minute in range(200):
            board.off(60).beat(load=float(minute))
        board.off(20).kill().off(5).start()
        kept = [(beat["seconds_before"], beat["load"]) for beat in vitals(board)]
        # The end is known no better than by the last of them.
        assert kept == [(0, 199), (60, 198), (300, 194), (900, 184), (3600, 139)]

    def test_a_short_run_has_few(self, board):
        board.start().off(10).beat(load=1.0).kill().off(5).start()
        assert vitals(board) == [{"seconds_before": 0.0, "load": 1.0}]

    def test_those_of_the_run_before_are_not_its_own(self, board):
        board.start().off(60).beat(load=1.0).kill().off(5).start().off(5).kill().off(5).start()
        assert vitals(board) == []

    def test_a_planned_end_keeps_none(self, board):
        board.start().off(60).beat(load=1.0).goodbye("no").off(5).start()
        assert vitals(board) == []

    @pytest.mark.parametrize(
        ("before", "after", "same_boot", "kills"),
        [(3, 4, True, 1), (3, 3, True, 0), (3, 1, False, 0), (None, 4, True, 0)],
    )
    def test_kills_since_the_last_heartbeat(self, board, before, after, same_boot, kills):
        board.start()
        board.off(60).beat(**({} if before is None else {"oom_kills": before})).kill().off(5)
        if not same_boot:
            board.boot().off(20)
        board.start(scene=Scene(vitals={"oom_kills": after}))
        assert facts(board).oom_kills == kills

    def test_errors_of_the_file_system_outlast_a_boot(self, board):
        board.start().off(60).beat(filesystem_errors=1).kill().off(5).boot().off(20)
        board.start(scene=Scene(vitals={"filesystem_errors": 3}))
        assert facts(board).filesystem_errors == 2


class TestRegisters:
    """What a board's reset register says counts once it is known to say something."""

    def lose_power(self, board, **registers):
        board.up(60).kill().off(60).boot().off(20).start(scene=Scene(registers=registers))

    def reboot(self, board, **registers):
        board.up(60).goodbye("reboot").off(5).boot().off(20)
        board.start(scene=Scene(registers=registers))

    def test_not_before_an_orderly_reboot(self, board):
        board.start()
        self.lose_power(board, power_reset=2)
        assert why(board) == ("unknown", "unknown")

    def test_where_it_reads_otherwise_than_after_a_reboot(self, board):
        board.start()
        self.reboot(board, power_reset=0, rsts=0x20)
        self.lose_power(board, power_reset=2, rsts=0x20)
        assert why(board) == ("undervoltage", "possible")
        assert why(board, "system") == ("undervoltage", "possible")
        assert facts(board).registers == {"power_reset": 2}

    def test_not_where_reboots_read_the_same(self, board):
        board.start()
        self.reboot(board, power_reset=2)
        self.lose_power(board, power_reset=2)
        assert why(board) == ("unknown", "unknown")

    def test_not_on_another_board(self, board):
        board.start()
        self.reboot(board, power_reset=0)
        board.up(60).kill().off(60).boot().start(copied=True)
        self.lose_power(board, power_reset=2)
        assert why(board) == ("unknown", "unknown")

    def test_a_crash_resets_nothing(self, board):
        board.start()
        self.reboot(board, power_reset=0)
        board.up(60).kill().off(5).start(scene=Scene(registers={"power_reset": 2}))
        assert facts(board).registers == {}


class TestChangedVersions:
    def test_updated_installed_removed(self, board):
        board.start(versions={"OctoPrint": "1.11.7", "Old": "1"}).up(60).goodbye("no").off(5)
        board.start(versions={"OctoPrint": "1.11.8", "New": "2"})
        assert why(board) == ("update", "certain")
        assert facts(board).changed == [
            {"name": "OctoPrint", "old": "1.11.7", "new": "1.11.8"},
            {"name": "Old", "old": "1", "new": None},
            {"name": "New", "old": None, "new": "2"},
        ]

    def test_a_crash_is_no_update(self, board):
        board.start(versions={"OctoPrint": "1.11.7"}).up(60).kill().off(5)
        board.start(versions={"OctoPrint": "1.11.8"})
        assert why(board) == ("unknown", "unknown")

    def test_the_first_start_with_this_plugin_is_none(self, board):
        board.start().up(60).goodbye("no").off(5).start(versions={"OctoPrint": "1.11.8"})
        assert why(board) == ("requested", "certain")


class TestPanic:
    @pytest.mark.parametrize(("seconds_later", "reason"), [(5, "kernel_panic"), (-900, "unknown")])
    def test_a_record_of_the_kernels(self, board, seconds_later, reason):
        board.start().up(600).kill().off(60).boot().off(20)
        board.start(scene=Scene(panicked_at=NOON + 600 + seconds_later))
        assert why(board)[0] == reason


REPORT = """\
witness 1
since 1000.5
began 77.10
died 90.35
pid 4711
stat {stat}
oom_kills 4
Result=signal
ExecMainCode=2
ExecMainStatus=9
job reboot.target
lines service
 2026-11-24T20:36:19+0000 pi systemd[1]: octoprint.service: Main process exited, status=9/KILL
 ExecMainStatus=11
lines kernel
 2026-11-24T20:36:19+0000 pi kernel: Out of memory: Killed process 4711 (octoprint)
end
"""
ZOMBIE = "4711 (a) b) Z 1 4711 4711 0 -1 4194316 0 0 0 0 0 768"


class TestReport:
    def read(self, tmp_path, text):
        file = tmp_path / "witness"
        file.write_text(text + " " * 100)
        return read_report(file, patience_seconds=0)

    def test_whole(self, tmp_path):
        report = self.read(tmp_path, REPORT.format(stat=ZOMBIE))
        assert report.died == pytest.approx(1000.5 + 90.35 - 77.10)
        assert (report.pid, report.status, report.oom_kills) == (4711, 3 << 8, 4)
        assert (report.result, report.code, report.exit_status) == ("signal", 2, 9)
        assert report.jobs == ["reboot.target"]
        assert len(report.service_lines) == 2
        assert len(report.kernel_lines) == 1

    @pytest.mark.parametrize("stat", ["", "4711 (octoprint) R 1 2 3 0"])
    def test_a_parent_that_was_quicker(self, tmp_path, stat):
        assert self.read(tmp_path, REPORT.format(stat=stat)).status is None

    def test_one_that_never_began(self, tmp_path):
        assert self.read(tmp_path, "") is None
        assert read_report(tmp_path / "missing") is None

    def test_one_that_lost_power_while_it_wrote(self, tmp_path):
        report = self.read(tmp_path, REPORT.format(stat=ZOMBIE).partition("job ")[0])
        assert report.code == 2
        assert report.kernel_lines == []


class TestLook:
    """In the files of a scripted board."""

    @pytest.fixture
    def root(self, tmp_path):
        chosen = tmp_path / "proc/device-tree/chosen"
        (chosen / "bootloader").mkdir(parents=True)
        (chosen / "power").mkdir()
        (chosen / "bootloader/rsts").write_bytes(struct.pack(">I", 0x1000))
        (chosen / "power/power_reset").write_bytes(struct.pack(">I", 2))
        (tmp_path / "sys/fs/pstore").mkdir(parents=True)
        return tmp_path

    def look(self, root, log=b"", **vitals):
        file = root / "octoprint.log"
        file.write_bytes(log)
        return look(root / "last_words", file, vitals, root)

    def test_registers(self, root):
        assert self.look(root).registers == {"rsts": 0x1000, "power_reset": 2}

    def test_a_host_without_any_of_it(self, tmp_path):
        assert look(tmp_path / "none", tmp_path / "none.log", {}, tmp_path) == Scene()

    def test_a_panic(self, root):
        record = root / "sys/fs/pstore/dmesg-ramoops-0"
        record.write_text("Kernel panic - not syncing")
        os.utime(record, (NOON, NOON))
        assert self.look(root).panicked_at == NOON

    @pytest.mark.parametrize(
        ("before_start", "nuls"),
        [
            (b"2026 - last words\n" + bytes(4096), True),
            (b"2026 - last words\n" + bytes(4096) + b"\n", True),
            (b"2026 - last words\n" + bytes(3), False),
            (bytes(4096) + b"2026 - a run since\n" * 100, False),
            (b"", False),
        ],
    )
    def test_a_torn_log(self, root, before_start, nuls):
        stars = b"2026 - octoprint.startup - INFO - " + b"*" * 78 + b"\n"
        start = b"2026 - octoprint.startup - INFO - Starting OctoPrint 1.11.8\n"
        log = before_start + stars + start + stars + b"2026 - more\n" * 100
        assert self.look(root, log).nuls is nuls

    def test_last_words(self, root):
        run = root / "last_words" / TOKEN
        run.mkdir(parents=True)
        (run / "fault").write_text(SEGFAULT)
        (run / "exception").write_text(json.dumps({"thread": "x"}))
        (run / "witness").write_text(REPORT.format(stat=ZOMBIE))
        left = self.look(root).words[TOKEN]
        assert left.fault == SEGFAULT
        assert left.exception == {"thread": "x"}
        assert left.report.pid == 4711

    def test_what_is_torn_there_costs_itself_alone(self, root):
        run = root / "last_words" / TOKEN
        run.mkdir(parents=True)
        (run / "fault").write_text(SEGFAULT)
        (run / "exception").write_text('{"thread": ')
        (run / "witness").write_text("witness 1\nsince\nend\n")
        assert self.look(root).words[TOKEN] == LastWords(fault=SEGFAULT)
