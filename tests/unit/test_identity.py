"""Each OctoPrint has an identity of its own, which copies do not share."""

import logging
import os
import re
import shutil

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
        device = folder.stat().st_dev
        (tmp_path / "dev").mkdir()
        link = tmp_path / "dev" / f"{os.major(device)}:{os.minor(device)}"

        def insert(block, **files):
            partition = tmp_path / "sys" / block
            partition.mkdir(parents=True)
            for name, (where, text) in files.items():
                (tmp_path / "sys" / where / name).write_text(text)
            link.unlink(missing_ok=True)
            link.symlink_to(partition)

        return insert

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
