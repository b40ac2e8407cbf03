"""Undervoltage is read from the kernel; ``tests/server`` has Pi Support's."""

import os
import subprocess
import sys

import pytest
from helpers import wait_for

from octoprint_uptime.why.undervoltage import AlarmWatch, undervoltage_alarm

RPI_VOLT = "sys/class/hwmon/hwmon1/name"
ALARM = "sys/class/hwmon/hwmon1/in0_lcrit_alarm"


@pytest.fixture
def root(tmp_path):
    for name, text in {
        "sys/class/hwmon/hwmon0/name": "cpu_thermal\n",
        RPI_VOLT: "rpi_volt\n",
        ALARM: "0\n",
    }.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path


def test_the_alarm_of_a_raspberry_pi(root):
    assert undervoltage_alarm(root) == root / ALARM


def test_other_hosts_have_none(root):
    (root / RPI_VOLT).write_text("pwmfan\n")
    assert undervoltage_alarm(root) is None


class TestSags:
    @pytest.fixture
    def told(self):
        return []

    @pytest.fixture
    def tell(self, told):
        return lambda sags, seconds_ago: told.append(sags)

    def sag(self, root, watch):
        for state in ("1", "0"):
            (root / ALARM).write_text(f"{state}\n")
            watch.look()

    def test_each_counts_once(self, root, told, tell):
        watch = AlarmWatch(root / ALARM, tell, look_seconds=0)
        watch.look()
        assert told == []
        self.sag(root, watch)
        assert told == [1]
        self.sag(root, watch)
        assert told == [1, 1]

    def test_one_that_lasts_counts_once(self, root, told, tell):
        watch = AlarmWatch(root / ALARM, tell, look_seconds=0)
        (root / ALARM).write_text("1\n")
        watch.look()
        watch.look()
        assert told == [1]

    def test_many_are_told_together(self, root, told, tell, mocker):
        clock = mocker.patch("octoprint_uptime.why.undervoltage.time.monotonic", return_value=0.0)
        watch = AlarmWatch(root / ALARM, tell, look_seconds=60)
        for _ in range(5):
            self.sag(root, watch)
        assert told == [1]
        clock.return_value = 60.0
        watch.look()
        assert told == [1, 4]

    def test_the_thread_looks_regularly(self, root, told, tell):
        AlarmWatch(root / ALARM, tell, look_seconds=0.01).start()
        (root / ALARM).write_text("1\n")
        wait_for(lambda: told == [1])


# The kernel announces a change of mounts like one of the alarm.
WAITER = """
import subprocess, sys
from octoprint_uptime.why.undervoltage import AlarmWatch

class Watch(AlarmWatch):
    def look(self):
        print("looked", flush=True)

Watch("/proc/self/mounts", print, look_seconds=3600).start()
folder = sys.stdin.readline().strip()
subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], check=True)
sys.stdin.readline()
subprocess.run(["umount", folder], check=True)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting takes root")
def test_the_kernel_wakes_it(tmp_path):
    """A mount in the waiter's own namespace wakes it an hour before the next look."""
    with subprocess.Popen(
        # In a chroot the namespace cannot be made private, but already is.
        ["unshare", "--mount", "--propagation", "unchanged", sys.executable, "-c", WAITER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as waiter:
        assert waiter.stdout.readline() == "looked\n"
        print(tmp_path, file=waiter.stdin, flush=True)
        assert waiter.stdout.readline() == "looked\n"
        waiter.stdin.close()
