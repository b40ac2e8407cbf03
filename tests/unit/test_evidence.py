"""After a start, the evidence is found in the record and in the files left behind."""

import contextlib
import json
import os
import struct
import subprocess
import tempfile
import threading
from pathlib import Path

import pytest
from board import NOON, Board
from helpers import wait_for
from hypothesis import given, settings
from hypothesis import strategies as st

from octoprint_uptime.history.record import Version
from octoprint_uptime.why.evidence import LastWords, Scene, forget_other_runs, look
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
The server loop does not answer.

Current thread 0x0000ffff8a7fd1c0 (most recent call first):
  File "/srv/octoprint_uptime/why/loop.py", line 94 in _look

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
    """The ``why`` of the previous run."""
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

    def test_one_with_too_many_threads_to_see_the_loops(self, board):
        cut_off = HANG.partition("\nThread 0x0000ffffa1c44020")[0] + "\n...\n"
        assert died_with(board, hang=cut_off).hung == {}
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
            "is_main": False,
            "type": "KeyError",
            "message": "'x'",
            "errno": None,
            "files": ["/usr/lib/python3.11/threading.py", "/home/pi/.octoprint/plugins/crasher.py"],
        }
        assert died_with(board, exception=exception).exception == {
            "thread": "worker",
            "is_main": False,
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
        # The last vital signs are the best estimate of the end.
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
    """A board's reset register is evidence only once it is known to be meaningful."""

    def lose_power(self, board, **registers):
        board.up(60).kill().off(60).boot().off(20).start(scene=Scene(registers=registers))

    def reboot(self, board, **registers):
        board.up(60).goodbye("reboot").off(5).boot().off(20)
        board.start(scene=Scene(registers=registers))

    def test_not_before_a_clean_reboot(self, board):
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


OCTOPRINT = {"": Version("OctoPrint", "1.11.7")}


class TestChangedVersions:
    def test_updated_installed_removed(self, board):
        board.start(versions={**OCTOPRINT, "old": Version("Old", "1")}).up(60).goodbye("no").off(5)
        newer = {"": Version("OctoPrint", "1.11.8"), "new": Version("New", "2")}
        board.start(versions=newer)
        assert why(board) == ("update", "certain")
        assert facts(board).changed == [
            {"name": "OctoPrint", "old": "1.11.7", "new": "1.11.8"},
            {"name": "Old", "old": "1", "new": None},
            {"name": "New", "old": None, "new": "2"},
        ]

    def test_another_name_is_no_update(self, board):
        board.start(versions={"it": Version("It", "1")}).up(60).goodbye("no").off(5)
        board.start(versions={"it": Version("It!", "1")})
        assert why(board) == ("requested", "certain")

    def test_a_crash_is_no_update(self, board):
        board.start(versions=OCTOPRINT).up(60).kill().off(5)
        board.start(versions={"": Version("OctoPrint", "1.11.8")})
        assert why(board) == ("unknown", "unknown")

    def test_the_first_start_with_this_plugin_is_none(self, board):
        board.start().up(60).goodbye("no").off(5).start(versions=OCTOPRINT)
        assert why(board) == ("requested", "certain")


class TestPanic:
    """A panic record counts once, and not if it predates the plugin."""

    def lose_power(self, board, *panics):
        board.up(600).kill().off(60).boot().off(20).start(scene=Scene(panics=frozenset(panics)))

    def test_a_new_one(self, board):
        board.start(scene=Scene(panics=frozenset({"dmesg-old"})))
        self.lose_power(board, "dmesg-old", "dmesg-new")
        assert why(board) == ("kernel_panic", "certain")
        self.lose_power(board, "dmesg-old", "dmesg-new")
        assert why(board) == ("unknown", "unknown")

    def test_one_that_was_there_before_the_plugin(self, board):
        board.start().up(60)
        with board.history.transaction():
            board.history._database.execute("DELETE FROM panics")  # as in a file of version 0.2.0
        self.lose_power(board, "dmesg-old")
        assert why(board) == ("unknown", "unknown")


class TestSilence:
    """The witness's report shows how long OctoPrint had been silent before it died."""

    def die(self, board, minutes):
        for _ in range(5):
            board.off(60).beat(load=1.0)
        board.off(minutes * 60)
        report = read(NOTHING_SEEN)._replace(died=board.now.since_boot)
        board.kill().off(5).start(scene=words(report=report))

    @pytest.mark.parametrize(
        ("minutes", "verdict"), [(1, ("unknown", "unknown")), (10, ("hung", "possible"))]
    )
    def test_no_heartbeat(self, board, minutes, verdict):
        board.start(token=TOKEN)
        self.die(board, minutes)
        assert why(board) == verdict

    def test_the_heartbeat_of_an_event_makes_no_silence(self, board):
        board.start(token=TOKEN)
        board.off(600).beat(load=1.0).off(600).beat(load=1.0).off(65).beat(load=1.0).off(300)
        report = read(NOTHING_SEEN)._replace(died=board.now.since_boot)
        board.kill().off(5).start(scene=words(report=report))
        assert why(board) == ("unknown", "unknown")


class TestWrapper:
    def test_the_status_of_another_process_is_not_octoprints(self, board):
        report = read(REPORT.format(stat=ZOMBIE))._replace(main_pid=1, died=600.0)
        assert died_with(board, report=report).exit_status == 3
        assert facts(board).told_by == "kernel"
        assert facts(board).result is None

    def test_its_own_is(self, board):
        report = read(REPORT.format(stat=ZOMBIE))._replace(died=600.0)
        assert died_with(board, report=report).signal == 9
        assert facts(board).told_by == "systemd"


REPORT = """\
witness 1
since 1000.5
began 77.10
died 90.35
pid 4711
stat {stat}
oom_kills 4
Result=signal
ExecMainPID=4711
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
NOTHING_SEEN = "witness 1\nsince 1\nbegan 1\ndied 1\npid 4711\nend\n"
ZOMBIE = "4711 (a) b) Z 1 4711 4711 0 -1 4194316 0 0 0 0 0 768"


def read(text):
    """The report in a file that is padded with blanks."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "witness")
        file.write_text(text + " " * 100)
        return read_report(file, patience_seconds=0)


class TestReport:
    def test_whole(self):
        report = read(REPORT.format(stat=ZOMBIE))
        assert report.died == pytest.approx(1000.5 + 90.35 - 77.10)
        assert (report.pid, report.status, report.oom_kills) == (4711, 3 << 8, 4)
        assert (report.result, report.code, report.exit_status) == ("signal", 2, 9)
        assert report.jobs == ["reboot.target"]
        assert len(report.service_lines) == 2
        assert len(report.kernel_lines) == 1

    @pytest.mark.parametrize("stat", ["", "4711 (octoprint) R 1 2 3 0"])
    def test_a_parent_that_was_quicker(self, stat):
        assert read(REPORT.format(stat=stat)).status is None

    def test_one_that_never_began(self, tmp_path):
        assert read("") is None
        assert read_report(tmp_path / "missing") is None

    def test_one_that_lost_power_while_it_wrote(self):
        report = read(REPORT.format(stat=ZOMBIE).partition("job ")[0])
        assert report.code == 2
        assert report.kernel_lines == []


class TestLook:
    """The evidence is read from the files of a scripted board."""

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
        assert self.look(root).panics == {f"dmesg-ramoops-0 {NOON:.0f}"}

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

    def test_a_torn_file_loses_only_itself(self, root):
        run = root / "last_words" / TOKEN
        run.mkdir(parents=True)
        (run / "fault").write_text(SEGFAULT)
        (run / "exception").write_text('{"thread": ')
        (run / "witness").write_text("witness 1\nsince\nend\n")
        assert self.look(root).words[TOKEN] == LastWords(fault=SEGFAULT)

    def test_there_may_be_no_folder(self, root):
        (root / "last_words").write_text("a file")
        assert self.look(root).words == {}

    def test_a_witness_that_is_gone_is_not_waited_for(self, root):
        run = root / "last_words" / TOKEN
        run.mkdir(parents=True)
        (run / "witness").write_text("witness 999999999\npid 4711\n")
        assert self.look(root).words[TOKEN].report is None

    def test_only_those_of_the_runs_that_matter_are_kept(self, root):
        folder = root / "last_words"
        for token in ("own", "last", "older", "oldest"):
            (folder / token).mkdir(parents=True)
            # The board has no clock, so older files may have times in the future.
            at = 0 if token == "own" else NOON
            os.utime(folder / token, (at, at))
        forget_other_runs(folder, ("own", "last"))
        assert {run.name for run in folder.iterdir()} == {"own", "last"}


@settings(max_examples=200, deadline=None)
@given(
    left=st.fixed_dictionaries(
        {},
        optional={
            "fault": st.one_of(st.binary(), st.just(SEGFAULT.encode()[:-40])),
            "hang": st.one_of(
                st.binary(), st.just(b'The server loop does not answer.\n  File "", ')
            ),
            "exception": st.one_of(st.binary(), st.sampled_from([b"{}", b"[1]", b'{"at": "x"}'])),
            "witness": st.one_of(
                st.binary(), st.binary().map(lambda b: b"witness 999999999\n" + b)
            ),
        },
    )
)
def test_the_history_goes_on_whatever_was_left_behind(left):
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder, "last_words", TOKEN)
        run.mkdir(parents=True)
        for name, content in left.items():
            (run / name).write_bytes(content)
        scene = look(run.parent, Path(folder, "none.log"), {}, Path(folder))
        board = Board(Path(folder, "history.db"))
        board.start(token=TOKEN).up(60).kill().off(5).start(scene=scene, plugins=PLUGINS)
        assert [run["end"] for run in board.answer()["octoprint"]] == ["running", "crash"]
        board.kill()


class TestAWitnessThatStillWrites:
    """A start waits for the witness, but not for another process with its id."""

    UNFINISHED = "witness {}\nsince 1\nbegan 1\ndied 1\npid 4711\n"

    @pytest.fixture
    def beside(self, tmp_path):
        """A function that starts a process with these arguments, ended after the test."""
        with contextlib.ExitStack() as ended:

            def start(*arguments):
                process = subprocess.Popen(["/bin/sh", "-c", "read line", *arguments], stdin=-1)
                ended.callback(process.communicate)
                # For an instant after the start, the kernel does not know the arguments yet.
                wait_for(Path("/proc", str(process.pid), "cmdline").read_bytes)
                return process

            yield start

    def test_it_is_waited_for(self, tmp_path, beside):
        file = tmp_path / TOKEN / "witness"
        file.parent.mkdir()
        process = beside(str(file))
        file.write_text(self.UNFINISHED.format(process.pid))

        def finish():
            with file.open("a") as report:
                report.write("oom_kills 4\nend\n")

        threading.Timer(0.3, finish).start()
        assert read_report(file, patience_seconds=60).oom_kills == 4

    def test_a_foreign_process_is_not(self, tmp_path, beside):
        file = tmp_path / TOKEN / "witness"
        file.parent.mkdir()
        file.write_text(self.UNFINISHED.format(beside("octoprint").pid))
        read = threading.Thread(target=read_report, args=(file, 3600), daemon=True)
        read.start()
        read.join(30)
        assert not read.is_alive()
