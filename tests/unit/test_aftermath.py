"""What a record says before the next start is what that start will say."""

import os
import shutil
import sqlite3
import subprocess

import pytest
from board import Board

from octoprint_uptime.history import aftermath as module
from octoprint_uptime.history.aftermath import MACHINE_ID, Place, read
from octoprint_uptime.history.original import TOKEN_FILE, Original
from octoprint_uptime.history.position import Position
from octoprint_uptime.history.record import NewerFileError, Version
from octoprint_uptime.history.report import DAY_SECONDS
from octoprint_uptime.reader import monotonic_clock, process_started
from octoprint_uptime.why.evidence import look
from octoprint_uptime.why.loop import HANGS
from octoprint_uptime.why.vitals import VitalSigns

TOKEN = "0123456789abcdef"
REPORT = "witness 1\npid 7\nsince 0\nbegan 0\ndied {died}\nstat 7 (python) Z 139\nend\n"
FAULT = (
    "Fatal Python error: Segmentation fault\n\nCurrent thread 0x1:\n"
    '  File "/x/reader.py", line 1 in read\n'
)
PLUGINS = {"/x": "Reader"}


@pytest.fixture
def base(tmp_path):
    (tmp_path / "base/data/octoprint_uptime").mkdir(parents=True)
    (tmp_path / "base/logs").mkdir()
    return tmp_path / "base"


@pytest.fixture
def board(base, monkeypatch):
    """A board whose OctoPrint has been running for an hour."""
    board = Board(base / "data/octoprint_uptime/history.db")
    board.start(token=TOKEN).up(3600)
    monkeypatch.setattr(module, "kernel_boot_id", lambda: board.kernel_id)
    monkeypatch.setattr(module, "monotonic_clock", lambda: lambda: board.now.since_boot)
    monkeypatch.setattr(module, "process_started", lambda pid: 0.0)
    monkeypatch.setattr(module.time, "time", lambda: board.now.wall)
    # Other tests write to the same disk.
    monkeypatch.setattr(VitalSigns, "read", lambda signs: {"disk_free_bytes": 1e9, "oom_kills": 0})
    return board


@pytest.fixture
def place(base, monkeypatch):
    # The folder of temporary files need not belong to this system's root.
    monkeypatch.setattr(Place, "root", module.Path("/"))
    return Place.in_base_folder(base, {}, versions={}, plugins=PLUGINS)


def scene(place):
    return look(place.folder / "last_words", place.log, VitalSigns(place.folder).read())


def leave(place, **words):
    """Leave the last words of the run."""
    folder = place.folder / "last_words" / TOKEN
    folder.mkdir(parents=True)
    for name, text in words.items():
        (folder / name).write_text(text)


def crash(board, place):
    leave(place, fault=FAULT, witness=REPORT.format(died=board.now.since_boot))
    board.kill()


def crash_while_printing(board, place):
    board.print("x.gcode").beat(Position("x.gcode", "local", 50.0, targets={"bed": 60.0}))
    board.kill()


def crash_and_reboot(board, place):
    crash(board, place)
    board.off(600).boot()


def power_loss(board, place):
    board.kill().off(600).boot()


def stop(board, place):
    board.goodbye("no")


def shutdown(board, place):
    board.goodbye("power_off").off(600).boot()


def lost_connection(board, place):
    board.write("connected", board.now.since_boot, "/dev/ttyACM0").up(60)
    board.write("disconnected", board.now.since_boot, True).up(60).kill()


@pytest.mark.parametrize(
    "story",
    [
        *(crash, crash_while_printing, crash_and_reboot, power_loss, stop, shutdown),
        lost_connection,
    ],
)
def test_the_next_start_says_the_same(board, place, story):
    story(board, place)
    board.off(60)
    before = everything_in(place.folder.parent.parent)
    told = read(place)
    assert everything_in(place.folder.parent.parent) == before
    assert told.running is None
    assert not told.is_elsewhere

    board.start(scene=scene(place), plugins=PLUGINS, versions={})
    timeline = board.timeline()
    for subject in ("octoprint", "system", "printer"):
        now = [e for e in getattr(timeline, subject)()[::-1] if e["end"] != "running"]
        then = told.ended(subject)
        assert [{**entry, "is_last": None} for entry in then] == [
            {**entry, "is_last": None} for entry in now
        ]
    assert [e.get("is_last") for e in told.ended("octoprint")] == [True]
    assert timeline.unacknowledged() == told._timeline.unacknowledged()


def everything_in(folder):
    return {
        str(file): (file.stat().st_mtime_ns, file.is_file() and file.read_bytes())
        for file in sorted(folder.rglob("*"))
    }


def test_a_plugin_is_named_and_what_changed_is_known(board, place):
    crash(board, place)
    (ended,) = read(place).ended("octoprint")
    assert ended["end_exact"] is True
    assert ended["why"].verdict.signs[0].values["plugin"] == "Reader"


def test_without_the_versions_nothing_has_changed(board, place, base):
    board.goodbye("no")
    board.start(versions={"x": Version("X", "1")}).goodbye("no")
    (ended, _) = read(Place.in_base_folder(base, {})).ended("octoprint")
    assert ended["why"].verdict.reason == "requested"


def test_a_log_that_ends_in_nuls(board, place):
    board.kill().off(60).boot()
    place.log.write_bytes(b"text" + b"\0" * 100)
    (ended,) = read(place).ended("octoprint")
    assert ended["why"].verdict.reason == "power_cut"


def test_beside_a_running_octoprint(board, place, mocker):
    board.goodbye("no").off(5).start().up(600)
    mocker.patch.object(module, "holder", return_value=77)
    board.off(7)
    told = read(place)
    assert told.running.pid == 77
    assert told.running.heartbeat_seconds_ago == 7
    assert [entry["end"] for entry in told.ended("octoprint")] == ["restart"]
    assert "is_last" not in told.ended("octoprint")[0]
    assert told.answer(30)["octoprint"][0]["end"] == "running"


@pytest.mark.parametrize(
    ("story", "end", "seconds"),
    [(stop, "restart", 5), (crash, "crash", 5), (power_loss, "power_loss", 605)],
)
def test_beside_an_octoprint_that_has_not_recorded_anything(
    board, place, mocker, story, end, seconds
):
    """It holds the record before it writes, which a full disk may prevent for hours."""
    story(board, place)
    board.off(5)
    started = board.now.since_boot
    board.off(7200)
    mocker.patch.object(module, "holder", return_value=77)
    mocker.patch.object(module, "process_started", return_value=started)
    told = read(place)
    assert told.running == (77, None, None)
    (ended,) = told.ended("octoprint")
    assert ended["end"] == end
    assert ended["downtime_seconds"] == seconds
    assert "is_last" not in ended
    running, _ = told.answer(30)["octoprint"]
    assert (running["end"], running["seconds"]) == ("running", 7200)
    assert running["octoprint_version"] == "1.11.8"


def test_when_a_process_started():
    began = process_started(os.getpid())
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as process:
        assert 0 < began <= process_started(process.pid) <= monotonic_clock()()
        process.stdin.close()
    assert process_started(process.pid) is None


def test_what_a_hung_one_runs(board, place, mocker):
    hang = f"{HANGS}\nThread 0x1 (most recent call first):\n{FAULT.splitlines()[-1]}\n"
    leave(place, hang=hang)
    mocker.patch.object(module, "holder", return_value=77)
    assert read(place).running.hung["plugin"] == "Reader"


class TestAnotherComputer:
    @pytest.fixture(autouse=True)
    def original(self, on_board, board, place):
        seal = Original(place.folder).new_seal()
        board.write("set_seal", seal)

    def test_a_card_of_another_board(self, board, place, on_board):
        board.kill()
        on_board("20000000ffffffff\0")
        told = read(place)
        assert told.is_elsewhere
        assert [entry["end"] for entry in told.ended("octoprint")] == ["power_loss"]
        assert told.ended("system")[0]["is_last"]
        assert [e["end"] for e in told.answer(30)["system"]] == ["power_loss"]
        (verdict,) = (e["why"].verdict for e in told.ended("octoprint"))
        assert verdict.facts.disk.keys() <= {"disk_free_bytes"}

    def test_the_clock_of_this_computer(self, board, place, on_board, monkeypatch):
        """It may have been up for longer than the board has been dead."""
        board.kill().off(30 * DAY_SECONDS).boot().start().up(60).kill().off(1800)
        on_board("20000000ffffffff\0")
        monkeypatch.setattr(module, "monotonic_clock", lambda: lambda: 1e6)
        told = read(place)
        for subject in ("octoprint", "system"):
            (ended,) = told.ended(subject, days=1)
            assert ended["is_last"]
            assert ended["downtime_seconds"] == 1800
        assert told.answer(1)["to"] == board.now.wall

    def test_a_mounted_card(self, board, place, tmp_path, monkeypatch):
        board.kill()
        (tmp_path / MACHINE_ID).parent.mkdir()
        (tmp_path / MACHINE_ID).touch()
        monkeypatch.undo()
        told = read(Place.in_base_folder(tmp_path / "base", {}))
        assert told.is_elsewhere
        assert [entry["end"] for entry in told.ended("octoprint")] == ["power_loss"]

    def test_a_restored_backup(self, board, place):
        board.kill()
        (place.folder / TOKEN_FILE).unlink()
        told = read(place)
        assert not told.is_elsewhere
        assert [entry["end"] for entry in told.ended("octoprint")] == ["restored"]

    def test_a_copy_by_hand(self, board, place, tmp_path):
        board.kill()
        shutil.copytree(place.folder.parent.parent, tmp_path / "copy")
        told = read(Place.in_base_folder(tmp_path / "copy", {}))
        assert [entry["end"] for entry in told.ended("octoprint")] == ["crash"]


class TestNothingToRead:
    def test_no_record(self, place):
        with pytest.raises(FileNotFoundError):
            read(place)

    def test_no_run_yet(self, place):
        sqlite3.connect(place.folder / "history.db").close()
        assert read(place) is None

    def test_a_newer_version(self, board, place):
        board.goodbye("no")
        with sqlite3.connect(place.folder / "history.db") as database:
            database.execute("PRAGMA user_version = 999")
        with pytest.raises(NewerFileError):
            read(place)

    def test_damage(self, board, place):
        board.goodbye("no")
        file = place.folder / "history.db"
        damaged = file.read_bytes()[:1024] + b"\xff" * (file.stat().st_size - 1024)
        file.write_bytes(damaged)
        with pytest.raises(sqlite3.DatabaseError):
            read(place)
        assert file.read_bytes() == damaged


def test_the_evidence_of_another_user(board, place, mocker):
    crash(board, place)
    mocker.patch.object(module.Path, "open", side_effect=PermissionError)
    mocker.patch.object(module, "holder", return_value=None)
    with pytest.raises(PermissionError):
        read(place)


def test_an_end_without_a_time_keeps_its_place(board, place):
    board.goodbye("no").boot(ahead=-1e9).start().up(60).kill().off(5)
    told = read(place)
    assert [entry["end"] for entry in told.ended("octoprint", "printer")] == ["crash", "shutdown"]
    assert told.ended("octoprint")[0]["ended_at"] is None


def test_folders_of_a_mounted_card(tmp_path):
    (tmp_path / MACHINE_ID).parent.mkdir()
    (tmp_path / MACHINE_ID).touch()
    place = Place.in_base_folder(tmp_path / "home/pi/.octoprint", {"data": "/var/data"})
    assert place.folder == tmp_path / "var/data/octoprint_uptime"


def test_folders_that_the_settings_choose(tmp_path):
    place = Place.in_base_folder(tmp_path, {"data": "/elsewhere", "logs": None})
    assert place.folder == module.Path("/elsewhere/octoprint_uptime")
    assert place.log == tmp_path / "logs/octoprint.log"
