"""The reader works with the real psutil on a scripted /proc and scripted clocks."""

import os
import sys
import time
from pathlib import Path

import psutil
import pytest

from octoprint_uptime.reader import UptimeReader

TICKS = os.sysconf("SC_CLK_TCK")
DAYS = 86400

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="scripts Linux's /proc")


class Board:
    """A machine with a settable wall clock that booted long ago.

    The real psutil reads its /proc.
    """

    def __init__(self, proc: Path, uptime: float, process_age: float) -> None:
        self.wall = 1_700_000_000.25
        self.uptime = uptime
        self.asleep = 0.0
        self._proc = proc
        stat = Path("/proc/self/stat").read_text()
        head, fields = stat.rsplit(")", 1)
        fields = fields.split()
        fields[19] = str(round((uptime - process_age) * TICKS))  # starttime, field 22
        own = proc / str(os.getpid())
        own.mkdir(parents=True)
        (own / "stat").write_text(f"{head}) {' '.join(fields)}\n")
        self._write_boot_time()

    def time_passes(self, seconds: float) -> None:
        self.wall += seconds
        self.uptime += seconds

    def sleeps(self, seconds: float) -> None:
        self.time_passes(seconds)
        self.asleep += seconds

    def clock(self, which: int) -> float:
        stands_still = {time.CLOCK_BOOTTIME: 0.0, time.CLOCK_MONOTONIC: self.asleep}
        return self.uptime - stands_still[which]

    def wall_clock_steps(self, seconds: float) -> None:
        self.wall += seconds
        self._write_boot_time()

    def _write_boot_time(self) -> None:
        # As the kernel does: derived from the wall clock, without the fraction.
        (self._proc / "stat").write_text(f"cpu  0 0\nbtime {int(self.wall - self.uptime)}\n")


@pytest.fixture
def board(tmp_path, monkeypatch):
    board = Board(tmp_path / "proc", uptime=5 * DAYS + 0.75, process_age=2 * DAYS)
    with monkeypatch.context() as patches:
        patches.setattr(psutil, "PROCFS_PATH", str(tmp_path / "proc"))
        patches.setattr(time, "time", lambda: board.wall)
        patches.setattr(time, "clock_gettime", board.clock)
        patches.setattr(time, "monotonic", lambda: board.clock(time.CLOCK_MONOTONIC))
        yield board
    psutil.boot_time()  # or psutil before 7.0 would remember the board's


def assert_uptimes(reader, host, octoprint):
    uptimes = reader.read()
    assert uptimes.host == pytest.approx(host, abs=1)
    assert uptimes.octoprint == pytest.approx(octoprint, abs=1)


def test_uptimes_grow_with_time(board):
    reader = UptimeReader()
    assert_uptimes(reader, host=5 * DAYS, octoprint=2 * DAYS)
    board.time_passes(1234)
    assert_uptimes(reader, host=5 * DAYS + 1234, octoprint=2 * DAYS + 1234)


def test_the_second_the_kernel_cuts_off_the_boot_time_is_given_back(board):
    uptimes = UptimeReader().read()
    assert uptimes.host == board.uptime
    assert uptimes.octoprint == pytest.approx(2 * DAYS, abs=0.02)


@pytest.mark.parametrize("step", [-30 * DAYS, -DAYS, DAYS, 365 * DAYS])
def test_a_step_of_the_wall_clock_after_the_start_moves_nothing(board, step):
    reader = UptimeReader()
    board.wall_clock_steps(step)
    assert_uptimes(reader, host=5 * DAYS, octoprint=2 * DAYS)
    board.time_passes(60)
    assert_uptimes(reader, host=5 * DAYS + 60, octoprint=2 * DAYS + 60)


@pytest.mark.parametrize("step", [-30 * DAYS, -DAYS, DAYS, 365 * DAYS])
def test_a_step_between_psutils_import_and_the_start_moves_nothing(board, step):
    psutil.boot_time()  # before 7.0 psutil keeps this for Process.create_time()
    board.wall_clock_steps(step)
    if psutil.version_info < (7,):
        age = time.time() - psutil.Process().create_time()
        assert age == pytest.approx(2 * DAYS + step, abs=1), "no stale boot time to be right about"
    assert_uptimes(UptimeReader(), host=5 * DAYS, octoprint=2 * DAYS)


def test_time_asleep_counts(board):
    reader = UptimeReader()
    reader.printer_connected()
    board.sleeps(3600)
    assert_uptimes(reader, host=5 * DAYS + 3600, octoprint=2 * DAYS + 3600)
    assert reader.read().printer == 3600


def test_here_and_now_it_is_the_kernels_own_uptime():
    before = kernels_uptime()
    host = UptimeReader().read().host
    assert before - 0.01 <= host <= kernels_uptime() + 0.01  # it has hundredths


def kernels_uptime():
    return float(Path("/proc/uptime").read_text().split()[0])


def test_without_a_clock_that_counts_sleep_the_monotonic_one_serves(mocker, monkeypatch):
    monkeypatch.delattr(time, "CLOCK_BOOTTIME", raising=False)
    mocker.patch("psutil.boot_time", return_value=time.time() - 3 * DAYS)
    monotonic = mocker.patch("time.monotonic", return_value=50.0)
    reader = UptimeReader()
    monotonic.return_value = 60.0
    assert reader.read().host == pytest.approx(3 * DAYS + 10, abs=1)


REFUSALS = [
    psutil.AccessDenied(1),
    psutil.NoSuchProcess(1),
    PermissionError("no"),
    RuntimeError("line 'btime' not found in /proc/stat"),
    NotImplementedError("odd platform"),
    ValueError("could not convert string to float"),
]


@pytest.mark.parametrize("refusal", REFUSALS, ids=repr)
def test_an_unknown_host_uptime_is_none(mocker, refusal):
    mocker.patch("psutil.Process.create_time", return_value=time.time() - 100)
    mocker.patch("psutil.boot_time", side_effect=refusal)
    reader = UptimeReader()
    assert reader.read().host is None
    assert reader.read().octoprint == pytest.approx(100, abs=5)
    assert list(reader.unknown) == ["host"]
    assert type(refusal).__name__ in reader.unknown["host"]


@pytest.mark.parametrize("refusal", REFUSALS, ids=repr)
def test_an_unknown_process_uptime_is_none(mocker, refusal):
    mocker.patch("psutil.boot_time", return_value=time.time() - 5000)
    mocker.patch("psutil.Process", side_effect=refusal)
    reader = UptimeReader()
    assert reader.read().octoprint is None
    assert reader.read().host == pytest.approx(5000, abs=5)
    assert list(reader.unknown) == ["octoprint"]


@pytest.mark.parametrize("start", [float("nan"), float("inf"), float("-inf"), 1e12, None, "soon"])
def test_a_start_that_cannot_be_is_no_uptime(mocker, start):
    mocker.patch("psutil.boot_time", return_value=start)
    reader = UptimeReader()
    assert reader.read().host is None
    assert "host" in reader.unknown


def test_nothing_is_unknown_here():
    assert UptimeReader().unknown == {}


def test_psutil_is_asked_only_once(mocker):
    boot_time = mocker.spy(psutil, "boot_time")
    process = mocker.spy(psutil, "Process")
    reader = UptimeReader()
    for _ in range(3):
        reader.read()
    assert (boot_time.call_count, process.call_count) == (1, 1)


def test_the_printers_clock_runs_while_connected(board):
    reader = UptimeReader()
    assert reader.read().printer is None
    reader.printer_connected()
    board.time_passes(90)
    board.wall_clock_steps(-DAYS)
    assert reader.read().printer == pytest.approx(90)
    reader.printer_disconnected()
    assert reader.read().printer is None
    board.time_passes(5)
    reader.printer_connected()
    assert reader.read().printer == 0
