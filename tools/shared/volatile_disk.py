"""A disk that may lose unsynchronised changes in a power cut.

It guarantees as much as ext4 and similar file systems: ``fsync`` and ``fdatasync`` of a file save
its content, its size, and its name if that is new. For a folder, they save its names.

Everything else is the worst case, worse than ext4 in its default mode, which keeps an order. Each
write, truncation, creation, renaming and deletion is kept or dropped independently of all others.
A write may also be torn: the file has grown, but only some sectors of 512 bytes are written. The
others contain zeros or the old content. A sector is never torn.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from typing import Callable, Union

from shared.strace import Mark, Names, Operation, Sync, Truncate, Write

SECTOR_BYTES = 512
Change = Union[Write, Truncate]
Survivors = Callable[[Change], Iterable[Change]]
"""Returns what is left of a change."""


class Chances:
    """The chances in one power cut: some spare nearly everything, some nearly nothing."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._kept, self._kept_or_torn = sorted((dice.random(), dice.random()))

    def keep_names(self) -> bool:
        return self._dice.random() < self._kept_or_torn

    def surviving(self, change: Change) -> Iterator[Change]:
        """Yield what the disk keeps of a change."""
        fate = self._dice.random()
        if fate < self._kept:
            yield change
        elif fate < self._kept_or_torn:
            yield from self._torn(change) if isinstance(change, Write) else [change]

    def _torn(self, write: Write) -> Iterator[Write]:
        end = write.offset + len(write.data)
        yield Write(write.file, end, b"")
        start = write.offset
        while start < end:
            next_sector = min((start // SECTOR_BYTES + 1) * SECTOR_BYTES, end)
            if self._dice.random() < 1 / 2:
                data = write.data[start - write.offset : next_sector - write.offset]
                yield Write(write.file, start, data)
            start = next_sector


class File:
    """The safe content of a file, and later changes."""

    def __init__(self, content: bytes = b"") -> None:
        self.safe = bytearray(content)
        self.unsynchronised: list[Change] = []

    def sync(self) -> None:
        for change in self.unsynchronised:
            make(change, self.safe)
        self.unsynchronised.clear()

    def content(self, surviving: Survivors) -> bytes:
        content = bytearray(self.safe)
        for change in self.unsynchronised:
            for survivor in surviving(change):
                make(survivor, content)
        return bytes(content)


def make(change: Change, content: bytearray) -> None:
    """Apply a change to the content. A gap is filled with zeros."""
    if isinstance(change, Truncate):
        del content[change.size :]
        content.extend(b"\0" * (change.size - len(content)))
    else:
        content.extend(b"\0" * (change.offset - len(content)))
        content[change.offset : change.offset + len(change.data)] = change.data


class Disk:
    """A disk with one folder, whose existing files are safe."""

    def __init__(self, contents: dict[str, bytes]) -> None:
        # The numbers are those of the operations.
        self._files = [File(contents[name]) for name in sorted(contents)]
        self._safe_names: dict[str, int | None] = {
            name: number for number, name in enumerate(sorted(contents))
        }
        self._unsynchronised_names: list[Names] = []

    def do(self, operation: Operation) -> None:
        if isinstance(operation, Names):
            self._rename(operation)
        elif isinstance(operation, (Write, Truncate)):
            self._files[operation.file].unsynchronised.append(operation)
        elif isinstance(operation, Sync):
            self._sync(operation.file)
        else:
            assert isinstance(operation, Mark)

    def contents(self) -> dict[str, bytes]:
        """Return what programs see, as if everything were synchronised."""
        return self._read(self._unsynchronised_names, lambda change: [change])

    def after_power_cut(self, dice: random.Random) -> dict[str, bytes]:
        """Return what may be left if the power is cut now."""
        chances = Chances(dice)
        kept = [names for names in self._unsynchronised_names if chances.keep_names()]
        return self._read(kept, chances.surviving)

    def _read(self, changed_names: list[Names], surviving: Survivors) -> dict[str, bytes]:
        names = dict(self._safe_names)
        for change in changed_names:
            names.update(change.files)
        return {
            name: self._files[number].content(surviving)
            for name, number in names.items()
            if number is not None
        }

    def _rename(self, names: Names) -> None:
        self._unsynchronised_names.append(names)
        if len(self._files) in names.files.values():
            self._files.append(File())

    def _sync(self, file: int | None) -> None:
        if file is None:
            self._save_names(lambda names: True)
            return
        self._files[file].sync()
        given = [names for names in self._unsynchronised_names if file in names.files.values()]
        if given:
            self._save_names(lambda names: not given[-1].files.keys().isdisjoint(names.files))

    def _save_names(self, concerns: Callable[[Names], bool]) -> None:
        kept = []
        for names in self._unsynchronised_names:
            if concerns(names):
                self._safe_names.update(names.files)
            else:
                kept.append(names)
        self._unsynchronised_names = kept
