"""Each OctoPrint has an identity of its own, which copies do not share."""

import logging
import os
import re
import shutil
from pathlib import Path

import pytest

from octoprint_uptime.history import original
from octoprint_uptime.telling import identity
from octoprint_uptime.telling.identity import IDENTITY_FILE, Identity, board_model


def identity_in(folder):
    return Identity(folder, logging.getLogger("identity"))


def test_it_is_kept(on_board, folder):
    made = identity_in(folder).id
    assert re.fullmatch("[0-9a-f]{16}", made)
    assert identity_in(folder).id == made


def test_each_new_identity_is_different(on_board, folder, tmp_path):
    """An OctoPrint restored from a backup, which lacks the file, gets another one."""
    made = identity_in(folder).id
    (folder / IDENTITY_FILE).unlink()
    assert identity_in(folder).id != made


def test_a_card_cloned_to_another_board(on_board, folder, tmp_path):
    made = identity_in(folder).id
    shutil.copytree(folder, tmp_path / "clone")
    on_board("10000000ffffffff\0")
    assert identity_in(tmp_path / "clone").id != made
    on_board("10000000a1b2c3d4\0")
    assert identity_in(folder).id == made


def test_it_outlives_a_new_history(on_board, folder):
    made = identity_in(folder).id
    original.Original(folder).new_seal()
    assert identity_in(folder).id == made


def test_a_power_cut_while_writing_leaves_no_identity(folder, monkeypatch):
    def cut(_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", cut)
        with pytest.raises(KeyboardInterrupt):
            _ = identity_in(folder).id
    assert not (folder / IDENTITY_FILE).exists()
    assert identity_in(folder).id == identity_in(folder).id


def test_a_folder_that_cannot_be_written(tmp_path):
    with pytest.raises(OSError, match="missing"):
        _ = identity_in(tmp_path / "missing").id


def test_what_the_board_calls_itself(tmp_path, monkeypatch):
    monkeypatch.setattr(identity, "BOARD_MODEL_FILE", tmp_path / "model")
    assert board_model() is None
    (tmp_path / "model").write_text("Raspberry Pi 4 Model B Rev 1.4\0")
    assert board_model() == "Raspberry Pi 4 Model B Rev 1.4"


class TestWithoutABoardsSerialNumber:
    """The disk has one, which a clone of the card does not have."""

    @pytest.fixture(autouse=True)
    def no_serial(self, tmp_path, monkeypatch):
        monkeypatch.setattr(original, "BOARD_SERIAL_FILE", tmp_path / "none")
        monkeypatch.setattr(identity, "BLOCK_DEVICES", tmp_path / "dev")

    @pytest.fixture
    def insert(self, tmp_path, folder):
        """A function that puts a folder on a disk that these files of the kernel describe."""

        def insert(block, device=None, **files):
            partition = tmp_path / "sys" / block
            partition.mkdir(parents=True, exist_ok=True)
            for name, (where, text) in files.items():
                (tmp_path / "sys" / where / name).write_text(text)
            number = device or folder.stat().st_dev
            link = tmp_path / "dev" / f"{os.major(number)}:{os.minor(number)}"
            link.parent.mkdir(exist_ok=True)
            link.unlink(missing_ok=True)
            link.symlink_to(partition)

        return insert

    @pytest.fixture
    def lay(self, tmp_path):
        """A function that makes a disk that is made of others."""

        def lay(block, *below):
            slaves = tmp_path / "sys" / block / "slaves"
            slaves.mkdir(parents=True)
            for disk in below:
                (tmp_path / "sys" / disk).mkdir(parents=True, exist_ok=True)
                (slaves / Path(disk).name).symlink_to(tmp_path / "sys" / disk)

        return lay

    @pytest.mark.parametrize(
        ("block", "name", "where"),
        [
            ("mmc{}/block/mmcblk0/mmcblk0p2", "cid", "mmc{}"),
            ("nvme{}/nvme0n1/nvme0n1p2", "wwid", "nvme{}/nvme0n1"),
            ("usb{}/1-1/1-1:1.0/host0/block/sda/sda1", "serial", "usb{}/1-1"),
        ],
    )
    def test_a_cloned_card_is_another(self, folder, insert, block, name, where):
        insert(block.format(1), **{name: (where.format(1), "one\n")})
        made = identity_in(folder).id
        assert identity_in(folder).id == made
        insert(block.format(2), **{name: (where.format(2), "another\n")})
        assert identity_in(folder).id != made

    def test_a_disk_keeps_its_identity_in_later_versions(self, folder, insert, lay):
        (folder / IDENTITY_FILE).write_text("0123456789abcdef" * 2)
        lay("usb/1-1/block/sda", "another")
        insert(
            "usb/1-1/block/sda/sda1", serial=("usb/1-1", "4C530001\n"), wwid=("another", "other\n")
        )
        assert identity_in(folder).id == "34bd01017982f90f"

    def test_a_clone_with_lvm_and_luks_is_another(self, folder, insert, lay):
        made = set()
        for number in (1, 2):
            disk, luks, lvm = (f"host{number}/{name}" for name in ("nvme0n1", "dm-0", "dm-1"))
            lay(luks, f"{disk}/nvme0n1p3")
            lay(lvm, luks)
            insert(lvm, wwid=(disk, f"eui.{number}\n"))
            made.add(identity_in(folder).id)
        assert len(made) == 2

    def test_the_disks_of_a_raid_may_swap_their_names(self, folder, insert, lay):
        made = set()
        for host, one, another in (("1", "1/sda", "1/sdb"), ("2", "2/sdb", "2/sda")):
            lay(f"{host}/md0", one, another)
            insert(f"{host}/md0/md0p1", wwid=(one, "one\n"), serial=(another, "another\n"))
            made.add(identity_in(folder).id)
        assert len(made) == 1
        lay("3/md0", "3/sda")
        insert("3/md0", wwid=("3/sda", "a third\n"))
        assert identity_in(folder).id not in made

    @pytest.fixture
    def mount(self, tmp_path, folder, monkeypatch):
        """A function that mounts the folder from that source."""
        scripted = tmp_path / "mountinfo"
        monkeypatch.setattr(identity, "MOUNTS", scripted)
        opened = os.open(folder, os.O_RDONLY)
        (number,) = re.findall(r"mnt_id:\t(\d+)", Path(f"/proc/self/fdinfo/{opened}").read_text())
        os.close(opened)

        def mount(source):
            # Not the real list: in a chroot, it may lack the mount.
            scripted.write_text(
                "1 0 8:1 / /elsewhere rw - ext4 /dev/elsewhere rw\n"
                f"{number} 1 0:31 /@ / rw,noatime shared:1 - btrfs {source} rw,subvol=/@\n"
            )

        return mount

    def test_a_clone_with_btrfs_is_another(self, folder, insert, mount, monkeypatch):
        """Its device exists only in the list of mounts."""
        # Only root can make a block device.
        monkeypatch.setattr(Path, "is_block_device", Path.is_char_device)
        mount(os.devnull)
        device = Path(os.devnull).stat().st_rdev
        made = set()
        for number in (1, 2):
            disk = f"host{number}/nvme0n1"
            insert(disk, device, wwid=(disk, f"eui.{number}\n"))
            made.add(identity_in(folder).id)
        assert len(made) == 2

    @pytest.mark.parametrize("source", ["overlay", "rpool/data", "/dev/none", "//nas/data"])
    def test_a_mount_without_a_device(self, folder, insert, mount, source):
        mount(source)
        assert identity_in(folder).id == identity_in(folder).id

    def test_a_disk_without_one(self, folder, insert):
        insert("virtio/block/vda/vda1")
        assert identity_in(folder).id == identity_in(folder).id


@pytest.mark.parametrize("damaged", ["", "\0" * 32, "0123456789abcdef", "g" * 32])
def test_a_damaged_file_is_replaced(on_board, folder, caplog, damaged):
    (folder / IDENTITY_FILE).write_text(damaged)
    made = identity_in(folder)
    assert made.id == made.id == identity_in(folder).id
    assert re.fullmatch("[0-9a-f]{32}", (folder / IDENTITY_FILE).read_text())
    (line,) = (r.getMessage() for r in caplog.records if r.name == "identity")
    assert "was damaged" in line
