"""The machine is isolated and leaves nothing behind."""

from pathlib import Path

MOUNTS = Path("/proc/mounts")
HOME = "/home/owner"


def control_groups():
    return set(Path("/sys/fs/cgroup").glob("*/*")) | set(Path("/sys/fs/cgroup").glob("*.*"))


def boot_id(machine):
    return machine.run("cat", "/proc/sys/kernel/random/boot_id").strip()


class TestIsolation:
    def test_what_is_written_stays_in_there(self, new_machine):
        machine = new_machine()
        machine.boot()
        for folder in ("/etc", "/run", "/tmp", "/usr", "/var/log", "/var/tmp"):
            file = Path(folder, machine.folder.name)
            machine.run("touch", str(file))
            assert not file.exists()

    def test_nothing_is_left_of_it(self, new_machine):
        mounts, groups = MOUNTS.read_text(), control_groups()
        machine = new_machine()
        machine.boot()
        machine.cut_power()
        assert MOUNTS.read_text() == mounts
        assert control_groups() == groups


class TestBoots:
    def test_only_the_disk_outlasts_one(self, new_machine):
        machine = new_machine()
        machine.boot()
        machine.run("touch", f"{HOME}/file", "/run/file")
        before = boot_id(machine)
        machine.reboot()
        assert boot_id(machine) != before
        assert machine.run("ls", f"{HOME}/file")
        assert "No such file" in machine.run("ls", "/run/file", check=False)

    def test_its_owner_reads_the_journal_of_one(self, new_machine):
        machine = new_machine()
        machine.boot()
        machine.reboot()
        boots = machine.run("journalctl", "--field=_BOOT_ID", user="owner").split()
        assert boots == [boot_id(machine).replace("-", "")]
