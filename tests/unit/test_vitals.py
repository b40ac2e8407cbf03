"""Vital signs are read from the files of real and scripted hosts."""

import mmap
import os
from pathlib import Path

import pytest

from octoprint_uptime.why.vitals import NAMES, VitalSigns

# As on a Raspberry Pi.
BOARD = {
    "proc/self/mountinfo": "1 0 0:0 / / rw - tmpfs tmpfs rw\n",
    "proc/meminfo": """\
MemTotal:         945364 kB
MemFree:           63780 kB
MemAvailable:     425012 kB
SwapTotal:        102396 kB
SwapFree:          81148 kB
""",
    "proc/self/statm": "52345 21034 4012 3 0 18888 0\n",
    "proc/self/fd/0": "",
    "proc/self/fd/1": "",
    "proc/loadavg": "1.25 0.80 0.50 2/200 4711\n",
    "proc/vmstat": "pgfault 12\noom_kill 3\nnuma_hit 5\n",
    "sys/class/thermal/thermal_zone0/type": "gpu-thermal\n",
    "sys/class/thermal/thermal_zone0/temp": "30000\n",
    "sys/class/thermal/thermal_zone1/type": "cpu-thermal\n",
    "sys/class/thermal/thermal_zone1/temp": "61331\n",
    "sys/fs/ext4/mmcblk0p2/errors_count": "2\n",
    "sys/fs/ext4/sda1/errors_count": "1\n",
    "sys/devices/mmcblk0/mmcblk0p2/partition": "2\n",
    "sys/devices/sda/sda1/partition": "1\n",
}


@pytest.fixture
def host(host):
    """A host with its root on a card."""

    def write(files):
        root = host(files)
        lies_on(root, root, "mmcblk0/mmcblk0p2")
        return root

    return write


def lies_on(root, place, partition):
    """Put a folder on that partition."""
    device = place.stat().st_dev
    link = root / f"sys/dev/block/{os.major(device)}:{os.minor(device)}"
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(root / "sys/devices" / partition)


def test_a_board(host):
    root = host(BOARD)
    vitals = VitalSigns(root, lambda: 0.1234, root).read()
    disk = os.statvfs(root)
    assert vitals == {
        "memory_available_bytes": 425012 * 1024,
        "swap_used_bytes": (102396 - 81148) * 1024,
        "process_memory_bytes": 21034 * mmap.PAGESIZE,
        "process_open_files": 2,
        "load": 1.25,
        "cpu_celsius": 61.331,
        "disk_free_bytes": pytest.approx(disk.f_bavail * disk.f_frsize, rel=0.1),
        "disk_read_only": 0,
        "oom_kills": 3,
        "filesystem_errors": 2,  # another disk's do not count
        "loop_late_seconds": 0.123,
    }
    assert set(vitals) == set(NAMES)


@pytest.mark.parametrize(
    ("missing", "sign"),
    [
        ("proc/meminfo", "memory_available_bytes"),
        ("proc/self/statm", "process_memory_bytes"),
        ("proc/loadavg", "load"),
        ("proc/vmstat", "oom_kills"),
        ("sys/class/thermal/thermal_zone1/type", "cpu_celsius"),
        ("sys/class/thermal/thermal_zone1/temp", "cpu_celsius"),
    ],
)
def test_what_a_host_does_not_have_is_left_out_alone(host, missing, sign):
    root = host({name: text for name, text in BOARD.items() if name != missing})
    left = set(NAMES) - VitalSigns(root, lambda: 0.1, root).read().keys()
    assert left - {"swap_used_bytes"} == {sign}


def test_what_it_writes_otherwise_is_left_out_alone(host):
    root = host({**BOARD, "proc/meminfo": "nonsense\n", "proc/loadavg": "\n"})
    assert {"memory_available_bytes", "load"}.isdisjoint(VitalSigns(root, root=root).read())
    assert "oom_kills" in VitalSigns(root, root=root).read()


@pytest.mark.parametrize(("options", "is_read_only"), [("rw", 0), ("rw,emergency_ro", 1)])
def test_a_file_system_that_failed(host, options, is_read_only):
    root = host(BOARD)
    device = root.stat().st_dev
    mount = f"22 1 {os.major(device)}:{os.minor(device)} / / rw - ext4 /dev/mmcblk0p2 {options}\n"
    host({"proc/self/mountinfo": "1 0 0:99 / /sys ro - sysfs sysfs rw\n" + mount})
    assert VitalSigns(root, root=root).read()["disk_read_only"] == is_read_only


def test_this_host(tmp_path):
    vitals = VitalSigns(tmp_path).read()
    assert vitals["memory_available_bytes"] > 0
    assert vitals["process_memory_bytes"] > 1_000_000
    assert vitals["process_open_files"] >= 3
    assert vitals["disk_read_only"] == 0
    assert vitals.keys() <= set(NAMES)


def test_errors_of_a_disk_that_holds_the_data_count(host):
    root = host(BOARD)
    elsewhere = Path("/proc")  # always a different file system
    assert VitalSigns(elsewhere, root=root).read()["filesystem_errors"] == 2
    lies_on(root, elsewhere, "sda/sda1")
    assert VitalSigns(elsewhere, root=root).read()["filesystem_errors"] == 3


def test_errors_are_not_counted_where_the_file_system_does_not(host):
    root = host({name: text for name, text in BOARD.items() if "mmcblk0p2/errors" not in name})
    assert "filesystem_errors" not in VitalSigns(root, root=root).read()


def test_the_file_systems_errors_at_the_start_are_remembered(host):
    root = host(BOARD)
    signs = VitalSigns(root, root=root)
    signs.read()
    (root / "sys/fs/ext4/mmcblk0p2/errors_count").write_text("5\n")
    peeked = signs.peek()
    assert peeked["filesystem_errors_at_start"] == 2
    assert peeked["filesystem_errors"] == 5
    assert "filesystem_errors_at_start" not in signs.read()
