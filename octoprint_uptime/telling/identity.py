"""The identity of this OctoPrint among all others at the same broker."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import logging
import os
import re
import secrets
import sys
from pathlib import Path

from ..history.original import board_serial

IDENTITY_FILE = "identity"
"""The name of the file. Backups must not contain it."""

BOARD_MODEL_FILE = Path("/proc/device-tree/model")
BLOCK_DEVICES = Path("/sys/dev/block")
MOUNTS = Path("/proc/self/mountinfo")

_TOKEN = re.compile("[0-9a-f]{32}")
_DISK_SERIALS = ("cid", "wwid", "serial")
"""The kernel's file names for the serial number of a card, a disk and a USB device."""


def board_model() -> str | None:
    """Return the model of a Raspberry Pi or similar board; ``None`` for other hosts."""
    return (
        BOARD_MODEL_FILE.read_text(errors="replace").strip("\0\n")
        if BOARD_MODEL_FILE.exists()
        else None
    )


def disk_serial(folder: Path) -> str:
    """Return the serial number of the card or disk that holds a folder; empty if it has none."""
    if sys.platform != "linux":
        return ""
    block = _block_device(folder.stat().st_dev)
    if not block.exists():  # file systems such as btrfs make up a device
        block = _block_device(_mounted_device(folder))
    return _serial_of(block)


def _block_device(number: int) -> Path:
    return (BLOCK_DEVICES / f"{os.major(number)}:{os.minor(number)}").resolve()


def _mounted_device(folder: Path) -> int:
    """Return the number of the device that is mounted where a folder is; 0 if it is none."""
    source = _mount_source(folder)
    return source.stat().st_rdev if source.is_block_device() else 0


def _mount_source(folder: Path) -> Path:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        opened = Path(f"/proc/self/fdinfo/{descriptor}").read_text().splitlines()
    finally:
        os.close(descriptor)
    for line in MOUNTS.read_text(errors="replace").splitlines():
        mount, file_system = line.split(" - ", 1)
        if f"mnt_id:\t{mount.split()[0]}" in opened:
            return Path(file_system.split()[1])
    return Path()


def _serial_of(block: Path) -> str:
    for part in (block, *block.parents):
        for name in _DISK_SERIALS:
            with contextlib.suppress(OSError):  # on some disks, reading the file fails
                return (part / name).read_text(errors="replace")
    # LVM, LUKS and RAID: the disks below. Their names, and so their order, may change at a boot.
    below = [disk for part in (block, block.parent) for disk in (part / "slaves").glob("*")]
    return min(filter(None, (_serial_of(disk.resolve()) for disk in below)), default="")


class Identity:
    """An identity that stays the same as long as this OctoPrint stays on its host.

    It combines a random token in a file with the serial number of the board, or of the disk if
    the board has none. A backup lacks the file, so every OctoPrint restored from it gets another
    identity, even one that replaces the original. A cloned card meets another serial number.
    :mod:`~octoprint_uptime.history.original` tells a record from its copies in the same way, but
    the identity also survives when a record is damaged or replaced.

    Args:
        folder: The folder of the file.
        logger: Logs that the file was damaged.
    """

    def __init__(self, folder: Path, logger: logging.Logger) -> None:
        self._file = folder / IDENTITY_FILE
        self._logger = logger

    @functools.cached_property
    def id(self) -> str:
        """16 hexadecimal digits that do not reveal the serial number.

        Raises:
            OSError: The file cannot be read or written.
        """
        serial = board_serial() or disk_serial(self._file.parent)
        return hashlib.sha256(f"{self._token()} {serial}".encode()).hexdigest()[:16]

    def _token(self) -> str:
        if not self._file.exists():
            return self._new_token()
        token = self._file.read_text(errors="replace")
        if not _TOKEN.fullmatch(token):
            token = self._new_token()
            self._logger.warning("The identity in %s was damaged; created a new one", self._file)
        return token

    def _new_token(self) -> str:
        token = secrets.token_hex(16)
        # Synced before the rename: an empty file would be the same on every host.
        unfinished = self._file.with_suffix(".new")
        with unfinished.open("w") as file:
            file.write(token)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(self._file)
        return token
