"""What the commands write, to the letter. ``tests/server/test_shell.py`` has real deaths."""

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from board import Board
from click.testing import CliRunner
from examples import ROOT, blocks

from octoprint_uptime.__main__ import main
from octoprint_uptime.history import aftermath as module
from octoprint_uptime.history.copy import NoCopyError
from octoprint_uptime.history.ends import ENDS
from octoprint_uptime.history.position import Position
from octoprint_uptime.history.record import NewerFileError
from octoprint_uptime.telling import helper_report, plain_text
from octoprint_uptime.telling.columns import columns
from octoprint_uptime.telling.helper_report import CUT_OFF, MAX_BYTES, bounded
from octoprint_uptime.telling.shell import Source, commands
from octoprint_uptime.why.evidence import Facts
from octoprint_uptime.why.verdict import GRADES
from octoprint_uptime.why.vitals import VitalSigns

NOON = 1_790_000_000.0 - 1_790_000_000.0 % 86400 + 43200
STATIC = ROOT / "octoprint_uptime/static"
TOKEN = "0123456789abcdef"
FAULT = (
    "Fatal Python error: Segmentation fault\n\nCurrent thread 0x1:\n"
    '  File "/oprint/lib/python3.11/site-packages/cv2/__init__.py", line 1 in read\n'
    '  File "/oprint/lib/python3.11/site-packages/octoprint_bedwatcher/camera.py", line 9 in look\n'
)
PLUGINS = {"/oprint/lib/python3.11/site-packages/octoprint_bedwatcher": "Bed Watcher"}
SETTINGS = {"ping_url": "https://hc-ping.com/secret", "heartbeat_seconds": 30}
HINGE = Position(
    *("left hinge.gcode", "local", 63.2, 84443136, 133612345, 41.2, 11533),
    targets={"tool0": 210.0, "bed": 60.0},
)


@pytest.fixture
def base(tmp_path):
    (tmp_path / "data/octoprint_uptime").mkdir(parents=True)
    return tmp_path


@pytest.fixture
def board(base, monkeypatch):
    board = Board(base / "data/octoprint_uptime/history.db", true=NOON)
    monkeypatch.setattr(module, "kernel_boot_id", lambda: board.kernel_id)
    monkeypatch.setattr(module, "monotonic_clock", lambda: lambda: board.now.since_boot)
    monkeypatch.setattr(module, "process_started", lambda pid: 0.0)
    monkeypatch.setattr(module.time, "time", lambda: board.now.wall)
    monkeypatch.setattr(module.Place, "root", module.Path("/"))
    monkeypatch.setattr(VitalSigns, "read", lambda signs: {})
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield board
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def run(base):
    def run(*arguments, exit_code=0, settings=None, **environment):
        name, *options = arguments
        config = {"plugins": {"octoprint_uptime": settings}}
        source = Source.in_base_folder(base, config, plugins=PLUGINS)
        (command,) = (one for one in commands(lambda: source) if one.name == name)
        result = CliRunner().invoke(command, options, env={"LANG": "en_GB.UTF-8", **environment})
        assert result.exit_code == exit_code, result.output
        return result.output

    return run


def crash_in_a_print(board, base, file="left hinge.gcode", disk_free_bytes=11.3e9):
    """A crash of native code in the middle of a print, without a next start."""
    board.start(token=TOKEN).off(60).print(file)
    for minute in range(193):
        board.off(60).beat(
            HINGE._replace(file=file),
            memory_available_bytes=600e6 - minute * 1e6,
            process_memory_bytes=180e6,
            cpu_celsius=58.4,
            load=0.41,
            disk_free_bytes=disk_free_bytes,
        )
    words = base / "data/octoprint_uptime/last_words" / TOKEN
    words.mkdir(parents=True)
    (words / "fault").write_text(FAULT)
    died = board.now.since_boot + 12
    (words / "witness").write_text(
        f"witness 1\npid 812\nsince 0\nbegan 0\ndied {died}\nstat 812 (octoprint) Z 139\nend\n"
    )
    board.kill().off(7500)


def events_of_two_days(board):
    """Planned and unplanned ends of OctoPrint, and two of the printer connection."""
    board.start().up(3600).goodbye("no").off(20).start().up(7200).goodbye("reboot")
    board.off(60).boot().start().up(3600)
    board.write("connected", board.now.since_boot, "/dev/ttyACM0").up(600)
    board.write("disconnected", board.now.since_boot, True).up(60).kill()
    board.off(43200).boot().start().up(60)
    board.write("connected", board.now.since_boot, "/dev/ttyACM0").up(60)
    board.write("disconnected", board.now.since_boot, False).goodbye("no")
    board.off(90)


def dates_of_any_babel(text):
    """The text with British dates as all versions of Babel write them."""
    return re.sub(r"(\w+day), (?=\d)", r"\1 ", text.replace(" Sept ", " Sep "))


def test_why_it_crashed(board, base, run):
    crash_in_a_print(board, base)
    assert (
        dates_of_any_babel(run("why"))
        == """\
OctoPrint is not running, or it is in safe mode.

OctoPrint
OctoPrint crashed
Check the printer: its heaters may still be on.
Native code in cv2, called by the plugin Bed Watcher, crashed: Segmentation
fault.
Certain. The evidence states the reason.

The print of left hinge.gcode was interrupted.
Stopped at 63%, Z 41.2 mm, 3h 12m into the print (within a minute). The nozzle
was set to 210 °C. The bed was set to 60 °C.

When            21 Sep 2026, 15:14:12
Uptime before   3h 14m
Downtime after  2h 4m so far

Evidence
  OctoPrint process: Before it died, OctoPrint reported: Segmentation fault in
    cv2, plugin Bed Watcher.
  Kernel: Signal 11 (SIGSEGV) ended the process.

Before the outage
                          12s       1m       5m      15m     1h0m
  Memory available     408 MB   409 MB   413 MB   423 MB   468 MB
  OctoPrint's memory   180 MB   180 MB   180 MB   180 MB   180 MB
  Temperature           58 °C    58 °C    58 °C    58 °C    58 °C
  Load                   0.41     0.41     0.41     0.41     0.41
  Disk space left     11.3 GB  11.3 GB  11.3 GB  11.3 GB  11.3 GB

What to do
  Update the plugin or library named here, or report the crash to its author. If
  none is named, try safe mode, then test the memory and the power supply.
"""
    )


def test_the_readme_has_real_output(board, base, run):
    crash_in_a_print(board, base)
    (example,) = blocks("README.md", "console")
    command, by_octoprint, *told = example.splitlines()
    assert command == "$ octoprint plugins octoprint_uptime:why"
    assert by_octoprint == "Initializing settings & plugin subsystem..."
    assert told == dates_of_any_babel(run("why")).splitlines()[: len(told)]


def test_the_page_says_the_same():
    page = "".join(file.read_text(encoding="utf-8") for file in STATIC.glob("js/*.js"))
    texts = [
        *plain_text._ENDS.values(),
        *(text for texts in plain_text._GRADES.values() for text in texts),
        *plain_text._SOURCES.values(),
        *(name for _, name, _ in plain_text._MEASURES),
    ]
    assert [text for text in texts if json.dumps(text) not in page] == []
    assert set(plain_text._ENDS) == {end for ends in ENDS.values() for end in ends}
    assert set(plain_text._GRADES) == set(GRADES)


def test_the_host_went_down_too(board, base, run):
    board.start().up(3600).kill().off(600).boot()
    told = run("why")
    assert "\nOctoPrint · Host\nPower loss or reset\n" in told
    assert told.count("When") == 1


def test_the_host_went_down_earlier(board, base, run):
    board.start().up(3600).goodbye("reboot").off(60).boot().start().up(60).kill()
    told = run("why")
    assert "\nOctoPrint\nOctoPrint crashed\n" in told
    assert "\nHost\nClean shutdown of the host\nThe host was rebooted.\n" in told


def test_a_stop_that_nothing_has_followed(board, base, run):
    board.start().up(3600).goodbye("no").off(60)
    told = run("why")
    assert "\nOctoPrint stopped\n" in told
    assert "Downtime after  1m 0s so far\n" in told


def test_running(board, base, run, mocker):
    board.start().up(3600).goodbye("no").off(60).start().up(3600).off(7)
    mocker.patch.object(module, "holder", return_value=812)
    told = run("why")
    assert told.startswith("OctoPrint is running (process 812). Its last heartbeat was 7s ago.\n")
    assert "\nOctoPrint restarted\n" in told
    assert "Downtime after  1m 0s\n" in told
    board.off(600)
    assert "It may be hung: its last heartbeat was 10m 7s ago." in run("why").replace("\n", " ")


def test_running_without_a_record(board, base, run, mocker):
    board.start().up(3600).goodbye("no").off(60)
    mocker.patch.object(module, "process_started", return_value=board.now.since_boot)
    mocker.patch.object(module, "holder", return_value=812)
    board.off(600)
    told = run("why")
    assert told.startswith(
        "OctoPrint is running (process 812). It has not recorded anything yet.\n\n"
    )
    assert "\nOctoPrint restarted\n" in told
    assert "Downtime after  1m 0s\n" in told


def test_nothing_has_ended(board, base, run, mocker):
    board.start().up(60)
    mocker.patch.object(module, "holder", return_value=0)
    assert run("why") == (
        "OctoPrint may be running. Its last heartbeat was 0s ago.\n"
        "Nothing has gone down since the history began.\n"
    )
    assert run("history").endswith("\nNo matching events.\n")


def test_the_list(board, base, run):
    events_of_two_days(board)
    assert (
        dates_of_any_babel(run("history"))
        == """\
OctoPrint is not running, or it is in safe mode.

Tuesday 22 September 2026
  04:14  OctoPrint stopped
         Uptime before: 2m 0s · Downtime after: 1m 30s so far
  04:14  Printer disconnected
         Uptime before: 1m 0s

Monday 21 September 2026
  16:12  Power loss or reset (or up to 60 s later)
         The host went down. Nothing recorded shows why.
         Uptime before: 1h 11m · Downtime after: 12h 0m
  16:11  Lost connection to the printer
         The connection was lost. Nothing recorded shows why.
         Uptime before: 10m 0s
  15:00  Clean shutdown of the host
         The host was rebooted.
         Uptime before: 2h 0m · Downtime after: 1m 0s
  13:00  OctoPrint restarted
         Uptime before: 1h 0m · Downtime after: 20s
"""
    )


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (["--unplanned"], ["Power loss or reset", "Lost connection to the printer"]),
        (["--what", "system"], ["Power loss or reset", "Clean shutdown of the host"]),
        (["--what", "printer"], ["Printer disconnected", "Lost connection to the printer"]),
        (["--what", "printer", "--unplanned"], ["Lost connection to the printer"]),
        (["--what", "octoprint", "--unplanned"], ["Power loss or reset"]),
    ],
)
def test_a_part_of_the_list(board, base, run, options, names):
    events_of_two_days(board)
    told = re.findall(r"^  \d\d:\d\d  (.*?)(?: \(or .*)?$", run("history", *options), re.MULTILINE)
    assert told == names


def test_the_days(board, base, run):
    events_of_two_days(board)
    board.off(100_000)
    assert run("history", "--days", "1").endswith("\nNo matching events.\n")
    assert "OctoPrint stopped" in run("history", "--days", "2")


def test_json(board, base, run):
    events_of_two_days(board)
    answer = json.loads(run("history", "--json"))
    assert [run["end"] for run in answer["octoprint"]] == [
        *("restart", "power_loss", "shutdown", "restart")
    ]
    assert answer["summary"]["octoprint"]["ends"]["power_loss"] == 1
    assert set(json.loads(run("history", "--json", "--what", "printer"))) == {
        *("from", "to", "recorded_since", "printer", "summary")
    }
    unplanned = json.loads(run("history", "--json", "--unplanned"))
    assert [run["end"] for run in unplanned["octoprint"]] == ["power_loss"]


def test_csv(board, base, run, tmp_path):
    events_of_two_days(board)
    told = run("history", "--csv", "--unplanned")
    run("history", "--csv", "--unplanned", "--output", str(tmp_path / "runs.csv"))
    assert (tmp_path / "runs.csv").read_text(encoding="utf-8") == f"\N{BYTE ORDER MARK}{told}"
    lines = told.splitlines()
    assert [line.split(",")[3] for line in lines] == ["end", "power_loss"]


def test_wrong_options(board, base, run):
    run("history", "--days", "0", exit_code=2)
    run("history", "--what", "nothing", exit_code=2)
    run("history", "--csv", "--what", "printer", exit_code=2)
    run("why", "--days", "1", exit_code=2)


@pytest.mark.parametrize("name", ["why", "history", "report"])
def test_an_output_file(board, base, run, tmp_path, name):
    crash_in_a_print(board, base)
    told = run(name)
    assert run(name, "--output", str(tmp_path / "told.txt")) == ""
    written = (tmp_path / "told.txt").read_text(encoding="utf-8")
    # A report begins with its time.
    assert written.splitlines()[1:] == told.splitlines()[1:]
    run(name, "--output", str(tmp_path / "no/such/folder"), exit_code=1)


LANGUAGES = ["de", "es", "fr", "it", "nl", "pl", "pt_BR", "zh_CN"]


@pytest.mark.parametrize("language", ["en", *LANGUAGES])
def test_each_language_fits_into_80_columns(board, base, run, language):
    crash_in_a_print(board, base, file="左ヒンジ" * 15 + ".gcode", disk_free_bytes=18_456.7e9)
    for name in ("why", "history", "report"):
        told = run(name, LANG=f"{language}.UTF-8")
        assert max(map(columns, told.splitlines())) <= 80


@pytest.mark.parametrize("language", ["en", "de", "zh_CN"])
def test_columns_line_up(board, base, run, language):
    crash_in_a_print(board, base)
    *_, figures, _evidence, vitals, _advice = run("why", LANG=f"{language}.UTF-8").split("\n\n")
    assert len({columns(line) for line in vitals.splitlines()[1:]}) == 1
    assert len({columns(re.match(".*  ", line)[0]) for line in figures.splitlines()}) == 1


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_language_is_translated(board, base, run, language):
    crash_in_a_print(board, base)
    english = run("why")
    told = run("why", LANG=f"{language}.UTF-8")
    sentences = {line for line in english.splitlines() if line.count(" ") > 3 and line[0] != " "}
    assert not sentences & set(told.splitlines())


def test_what_would_control_the_terminal(board, base, run):
    board.start().up(60).print("\x1b[2J\x07\u202eevil\r.gcode").kill()
    told = run("history")
    assert "The print of �[2J��evil�.gcode was interrupted." in told
    assert run("history", "--json").rstrip("\n").isprintable()


def test_nothing_is_recorded_yet(base, run):
    (base / "data/octoprint_uptime/history.db").touch()
    for name in ("why", "history", "report"):
        assert run(name) == "Nothing has been recorded yet.\n"
    assert json.loads(run("history", "--json"))["octoprint"] == []
    assert len(run("history", "--csv").splitlines()) == 1


@pytest.fixture
def by_itself(monkeypatch):
    """A function that runs ``python -m octoprint_uptime``."""

    def run(*arguments, exit_code=0, **environment):
        result = CliRunner().invoke(main, arguments, env={"LANG": "en_GB.UTF-8", **environment})
        assert result.exit_code == exit_code, result.output
        return result.output

    return run


def test_the_base_folder_in_the_environment(base, by_itself):
    told = by_itself("why", exit_code=1, OCTOPRINT_BASEDIR=str(base))
    assert told.startswith(f"Error: There is no history in {base}/data/octoprint_uptime.")


@pytest.mark.parametrize("content", ["plugins: [", 'c: !!bool "x"', 'c: !!timestamp "x"', "\0"])
def test_a_broken_config_file(board, base, by_itself, content):
    board.start().up(60).kill()
    (base / "config.yaml").write_text(content)
    told = by_itself("--basedir", str(base), "why")
    assert told.startswith(f"{base}/config.yaml: ")
    assert "\nOctoPrint crashed\n" in told


def test_no_history(base, run):
    told = run("why", exit_code=1)
    assert told == (
        f"Error: There is no history in {base}/data/octoprint_uptime. If OctoPrint uses a"
        " different base folder, name it with --basedir.\n"
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_it_reads(board, base, number):
    """Nothing else would remove the copy before the next boot."""
    board.start(token=TOKEN).up(60).kill()
    words = base / "data/octoprint_uptime/last_words" / TOKEN
    words.mkdir(parents=True)
    os.mkfifo(words / "hang")
    command = [sys.executable, "-m", "octoprint_uptime", "-b", str(base), "why"]
    # It will wait for what is written there.
    with (words / "hang").open("r+b", buffering=0), subprocess.Popen(command, cwd=ROOT) as process:
        copies = []
        while not copies:
            assert process.poll() is None
            files = [Path(file.path) for file in psutil.Process(process.pid).open_files()]
            copies = [file for file in files if file.name == "history.db"]
        process.send_signal(number)
        assert process.wait() == 128 + number
    assert not copies[0].parent.exists()


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (PermissionError(), "You do not have permission to read the history"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (sqlite3.DatabaseError("malformed"), "is damaged (malformed)"),
        (sqlite3.OperationalError("disk I/O error"), "disk I/O error"),
        (NewerFileError("it is newer"), "it is newer"),
        (NoCopyError("it keeps changing"), "it keeps changing"),
        (ValueError("embedded null byte"), "embedded null byte"),
    ],
)
def test_a_history_that_cannot_be_read(base, run, mocker, error, says):
    mocker.patch("octoprint_uptime.telling.shell.read", side_effect=error)
    assert says in run("why", exit_code=1)


class TestReport:
    def test_what_a_helper_needs(self, board, base, run):
        crash_in_a_print(board, base)
        told = run("report", settings=SETTINGS, LANG="de_DE.UTF-8")
        for needed in (
            *("OctoPrint-Uptime  ", "OctoPrint         1.11.8", "Python ", "Board "),
            "1. crash, native_crash, certain",
            "Before it died, OctoPrint reported: Segmentation fault\n         in cv2,",
            "Memory available     408 MB",
            *("2026-09-21 15:14:12 UTC", "left hinge.gcode", "octoprint, crash, native_crash  1"),
            *("heartbeat_seconds                30", "ping_url                         set"),
        ):
            assert needed in told
        assert "secret" not in told
        assert "hc-ping" not in told

    def test_without_names_of_files(self, board, base, run):
        crash_in_a_print(board, base)
        told = run("report", "--no-names")
        assert "hinge" not in told
        assert "The print of … was interrupted." in told

    def test_logs_stay_here(self, board, base, run):
        facts = Facts(
            lines=["key=12345 killed"],
            exception={"thread": "x", "type": "OSError", "message": "12345", "seconds_before": 1},
        )
        board.start().up(60).kill().start().up(60)
        board.write("keep_facts", 1, facts.to_json()).kill()
        assert "12345" in run("history", "--json")
        assert "12345" not in run("report")

    def test_the_last_ten(self, board, base, run):
        for _ in range(12):
            board.start().up(60).goodbye("no").off(5)
        told = run("report")
        assert "Last ends: 10 of 12\n" in told
        assert "\n  10. restart, requested, certain\n" in told
        assert "\n  11. " not in told

    def test_it_is_bounded(self, monkeypatch):
        assert bounded("ä" * 10) == "ä" * 10
        long = bounded("ä" * MAX_BYTES)
        assert len(long.encode()) <= MAX_BYTES
        assert long.endswith(CUT_OFF)

    def test_a_system_without_a_name(self, board, base, run, monkeypatch, tmp_path):
        board.start().up(60).kill()
        monkeypatch.setattr(helper_report, "OS_RELEASE", tmp_path / "none")
        assert "Operating system  Linux" in run("report")
