"""Tells the record that OctoPrint writes from a copy of it.

OctoPrint makes backups while it runs, so the copy of the record in one holds no goodbye,
and a start with it would look like the one after a crash. Beside the record lies a small
file that backups leave out. It holds a random token; the record holds a seal made of the
token and the board's serial number. A copy that was restored has lost the token, a card that
was cloned meets another serial number: the seal breaks.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path

TOKEN_FILE = "original"
"""The name of the file that no backup may hold."""

BOARD_SERIAL_FILE = Path("/proc/device-tree/serial-number")


def board_serial() -> str:
    """The serial number of a Raspberry Pi or its like; empty on other hosts."""
    return BOARD_SERIAL_FILE.read_text() if BOARD_SERIAL_FILE.exists() else ""


class Original:
    """Makes seals and checks them.

    Args:
        folder: Where the record lies.

    Raises:
        OSError: From each method, when the folder cannot be read or written.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / TOKEN_FILE

    def is_sealed_by(self, seal: str) -> bool:
        """Whether this seal belongs to the record in this folder, on this board."""
        return self._file.exists() and self._seal(self._file.read_text()) == seal

    def new_seal(self) -> str:
        """The seal of a record that becomes this folder's."""
        token = secrets.token_hex(16)
        # On the disk before the record is: a seal without its token would be broken.
        with self._file.open("w") as file:
            file.write(token)
            file.flush()
            os.fsync(file.fileno())
        return self._seal(token)

    def _seal(self, token: str) -> str:
        return hashlib.sha256(f"{token} {board_serial()}".encode()).hexdigest()
