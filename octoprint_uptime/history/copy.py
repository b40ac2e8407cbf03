"""A whole copy of a record that OctoPrint may be writing, and who holds it.

OctoPrint locks the file exclusively for as long as it runs (``record.py``), so others cannot read
it through SQLite. They can read its bytes. SQLite changes the database only at a checkpoint, and
what a checkpoint copies into it also stays in the journal until the journal's header changes. So
the database and the journal belong together if the header was the same before and after.
"""

from __future__ import annotations

import contextlib
import os
import struct
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

MEMORY = Path("/dev/shm")
"""Linux keeps files here in memory. A full or read-only disk may be why someone asks."""
JOURNAL = "-wal"
HEADER_BYTES = 32
PATIENCE_SECONDS = 10.0
PAUSE_SECONDS = 0.01
_LOCK = "hhqqi"
"""Linux's ``struct flock``: type, whence, start, length, process id."""


class NoCopyError(Exception):
    """No whole copy can be made: the record keeps changing, or there is no place for a copy."""


@contextlib.contextmanager
def whole_copy(path: Path) -> Iterator[Path]:
    """Copy a record to a temporary folder, without changing anything beside the original.

    Args:
        path: The record, which another process may be writing.

    Raises:
        NoCopyError: No copy was whole, or there is no folder for it.
        OSError: The record cannot be read, or the disk for the copy is full.
    """
    database, journal = _whole(path)
    with tempfile.TemporaryDirectory(dir=_place_for_copies()) as folder:
        copy = Path(folder, path.name)
        copy.write_bytes(database)
        if journal:
            copy.with_name(copy.name + JOURNAL).write_bytes(journal)
        yield copy


def _place_for_copies() -> str:
    if os.access(MEMORY, os.W_OK):
        return str(MEMORY)
    try:
        return tempfile.gettempdir()
    except FileNotFoundError as error:  # it is not the record that is missing
        raise NoCopyError(str(error)) from error


def _whole(path: Path) -> tuple[bytes, bytes]:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        before = _state(path)
        database = path.read_bytes()
        journal = _journal(path)
        # What was read must be the journal that was there before and after.
        if before == _state(path) and before[0] == journal[:HEADER_BYTES]:
            return database, journal
        if time.monotonic() > deadline:
            raise NoCopyError(f"{path} keeps changing")
        time.sleep(PAUSE_SECONDS)


def _state(path: Path) -> tuple[bytes, int]:
    """What stays the same as long as the database and the journal belong together."""
    header = _journal(path, HEADER_BYTES)
    return header, 0 if header else path.stat().st_mtime_ns


def _journal(path: Path, most_bytes: int = -1) -> bytes:
    """The journal, or its first bytes; empty if there is none, as after a clean stop."""
    try:
        with path.with_name(path.name + JOURNAL).open("rb") as file:
            return file.read(most_bytes)
    except FileNotFoundError:
        return b""


def holder(path: Path) -> int | None:
    """The id of the process that holds the record; ``None`` if none does.

    It is 0 if it cannot be known: the process is in another container, or the system is not Linux.

    Raises:
        OSError: The record cannot be read.
    """
    if sys.platform != "linux":
        return 0
    import fcntl  # noqa: PLC0415

    with path.open("rb") as file:
        # Only OctoPrint's exclusive lock excludes readers.
        question = struct.pack(_LOCK, fcntl.F_RDLCK, 0, 0, 0, 0)
        answer = fcntl.fcntl(file, fcntl.F_GETLK, question)
    kind, _, _, _, pid = struct.unpack(_LOCK, answer)
    return None if kind == fcntl.F_UNLCK else max(pid, 0)
