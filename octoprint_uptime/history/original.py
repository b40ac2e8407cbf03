"""Tells the record that OctoPrint writes from a copy of it.

OctoPrint makes backups while it runs, so a record from a backup has no goodbye, and a start with
it would look like a start after a crash. Beside the record is a small file that backups leave
out. It holds a random token, and the record holds a seal made of the token and the board's serial
number. A restored copy lacks the token; a cloned card is on a board with another serial number.
Either breaks the seal.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path

TOKEN_FILE = "original"
"""The name of the file that backups must leave out."""

BOARD_SERIAL_FILE = Path("/proc/device-tree/serial-number")


def board_serial() -> str:
    """The serial number of a board such as a Raspberry Pi; empty on other hosts."""
    return BOARD_SERIAL_FILE.read_text() if BOARD_SERIAL_FILE.exists() else ""


class Original:
    """Makes seals and checks them.

    Args:
        folder: The record's folder.

    Raises:
        OSError: From each method, if the folder cannot be read or written.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / TOKEN_FILE

    def is_sealed_by(self, seal: str) -> bool:
        """Whether the seal belongs to this folder's record on this board."""
        return self.exists() and self._seal(self._file.read_text(errors="replace")) == seal

    def exists(self) -> bool:
        """Whether the folder has a token, which a restored backup lacks."""
        return self._file.exists()

    def new_seal(self) -> str:
        """A new seal for this folder's record."""
        token = secrets.token_hex(16)
        # Must be on the disk before the record: a seal without its token is broken.
        with self._file.open("w") as file:
            file.write(token)
            file.flush()
            os.fsync(file.fileno())
        return self._seal(token)

    def _seal(self, token: str) -> str:
        return hashlib.sha256(f"{token} {board_serial()}".encode()).hexdigest()
