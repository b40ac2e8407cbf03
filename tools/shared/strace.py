"""Trace with strace what a program does to the files of one folder."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, Union

# A question mark marks system calls that some processors lack.
UNDERSTOOD = (
    *("?open", "openat", "?creat", "?unlink", "unlinkat", "?rename", "?renameat", "renameat2"),
    *("write", "pwrite64", "ftruncate", "lseek", "fsync", "fdatasync"),
)
# Other ways to change a file. This module does not support them yet.
NOT_UNDERSTOOD = (
    *("openat2", "?link", "linkat", "?symlink", "symlinkat", "truncate", "fallocate", "mmap"),
    *("writev", "pwritev", "pwritev2", "copy_file_range", "sendfile", "splice"),
    *("dup", "?dup2", "dup3"),
)
LONGEST_WRITE_BYTES = 1 << 20

CALL = re.compile(r"(?P<name>\w+)\((?P<arguments>.*)\) += (?P<result>\d+)")
UNFINISHED = " <unfinished ...>"
RESUMED = re.compile(r"<\.\.\. \w+ resumed>")
DESCRIPTOR = re.compile(r"(?P<number>\d+)<(?P<path>[^>]*)>(?P<deleted>\(deleted\))?")


class Names(NamedTuple):
    """Names that now belong to a file; ``None`` if a name is gone."""

    files: dict[str, int | None]


class Write(NamedTuple):
    file: int
    offset: int
    data: bytes


class Truncate(NamedTuple):
    file: int
    size: int


class Sync(NamedTuple):
    """A sync of a file; ``None`` for the folder."""

    file: int | None


class Mark(NamedTuple):
    """A line that the program wrote to its file of marks."""

    text: str


Operation = Union[Names, Write, Truncate, Sync, Mark]


class Call(NamedTuple):
    """A system call that succeeded."""

    name: str
    arguments: list[str]
    result: int


def operations(command: list[str], folder: Path, marks: Path) -> list[Operation]:
    """Run a command and return its operations on the folder's files, in order.

    Existing files have the first numbers, by name.
    """
    log = FolderLog(folder, marks, sorted(file.name for file in folder.iterdir()))
    trace = marks.with_suffix(".strace")
    calls = ",".join((*UNDERSTOOD, *NOT_UNDERSTOOD))
    options = ["-f", "-y", "-xx", "-s", str(LONGEST_WRITE_BYTES), "--seccomp-bpf"]
    subprocess.run(["strace", *options, "-e", calls, "-o", str(trace), *command], check=True)
    with trace.open() as lines:
        for call in successful_calls(lines):
            log.note(call)
    return log.operations


def successful_calls(lines: Iterable[str]) -> Iterator[Call]:
    """Yield the successful calls in the order in which they returned."""
    unfinished: dict[str, str] = {}
    for line in lines:
        process, text = line.rstrip("\n").split(maxsplit=1)
        if text.endswith(UNFINISHED):
            unfinished[process] = text[: -len(UNFINISHED)]
            continue
        if RESUMED.match(text):
            text = unfinished.pop(process) + RESUMED.sub("", text)
        match = CALL.match(text)
        if match:
            yield Call(match["name"], match["arguments"].split(", "), int(match["result"]))


def bytes_of(text: str) -> bytes:
    """Decode strace's notation ``"\\x2f\\x74"``."""
    return bytes.fromhex(text.strip('"').replace("\\x", ""))


class FolderLog:
    """Collects the operations on the folder from all calls."""

    def __init__(self, folder: Path, marks: Path, names: list[str]) -> None:
        self.operations: list[Operation] = []
        self._folder = str(folder)
        self._marks = str(marks)
        self._files: dict[str, int] = {name: number for number, name in enumerate(names)}
        self._made = len(names)
        self._positions: dict[str, int] = {}

    def note(self, call: Call) -> None:
        take = getattr(self, f"_{call.name}", None)
        if take:
            take(*call.arguments, result=call.result)
        elif any(self._is_within(path) for path in map(path_in, call.arguments)):
            raise NotImplementedError(f"{call.name} in the folder: {call.arguments}")

    def _openat(self, _at: str, path: str, flags: str, *_mode: str, result: int) -> None:
        self._positions[str(result)] = 0
        name = self._name(path_in(path))
        if name is None:
            return
        if "O_APPEND" in flags or "O_TMPFILE" in flags:
            raise NotImplementedError(f"{flags} in the folder")
        if name not in self._files:
            self._files[name] = self._made
            self.operations.append(Names({name: self._made}))
            self._made += 1
        elif "O_TRUNC" in flags:
            self.operations.append(Truncate(self._files[name], 0))

    def _open(self, path: str, flags: str, *_mode: str, result: int) -> None:
        self._openat("", path, flags, result=result)

    def _creat(self, path: str, _mode: str, result: int) -> None:
        self._openat("", path, "O_TRUNC", result=result)

    def _unlink(self, path: str, result: int) -> None:
        name = self._name(path_in(path))
        if name is not None:
            del self._files[name]
            self.operations.append(Names({name: None}))

    def _unlinkat(self, _at: str, path: str, _flags: str, result: int) -> None:
        self._unlink(path, result)

    def _rename(self, old: str, new: str, result: int) -> None:
        old_name, new_name = self._name(path_in(old)), self._name(path_in(new))
        if old_name is None and new_name is None:
            return
        if old_name is None or new_name is None:
            raise NotImplementedError(f"{old} leaves or enters the folder as {new}")
        file = self._files[new_name] = self._files.pop(old_name)
        self.operations.append(Names({old_name: None, new_name: file}))

    def _renameat(self, _from: str, old: str, _to: str, new: str, result: int) -> None:
        self._rename(old, new, result)

    def _renameat2(
        self, _from: str, old: str, _to: str, new: str, _flags: str, result: int
    ) -> None:
        self._rename(old, new, result)

    def _lseek(self, descriptor: str, _offset: str, _whence: str, result: int) -> None:
        self._positions[number_of(descriptor)] = result

    def _write(self, descriptor: str, data: str, _size: str, result: int) -> None:
        offset = self._positions.get(number_of(descriptor), 0)
        self._positions[number_of(descriptor)] = offset + result
        if path_in(descriptor) == self._marks:
            self.operations.append(Mark(bytes_of(data).decode()))
        self._pwrite64(descriptor, data, _size, str(offset), result)

    def _pwrite64(self, descriptor: str, data: str, _size: str, offset: str, result: int) -> None:
        file = self._file(descriptor)
        if file is not None:
            self.operations.append(Write(file, int(offset), bytes_of(data)[:result]))

    def _ftruncate(self, descriptor: str, size: str, result: int) -> None:
        file = self._file(descriptor)
        if file is not None:
            self.operations.append(Truncate(file, int(size)))

    def _fsync(self, descriptor: str, result: int) -> None:
        if path_in(descriptor) == self._folder:
            self.operations.append(Sync(None))
        file = self._file(descriptor)
        if file is not None:
            self.operations.append(Sync(file))

    _fdatasync = _fsync

    def _file(self, descriptor: str) -> int | None:
        name = self._name(path_in(descriptor))
        if name is not None and descriptor.endswith("(deleted)"):
            raise NotImplementedError(f"{name} is used after it was deleted")
        return None if name is None else self._files[name]

    def _name(self, path: str) -> str | None:
        return path[len(self._folder) + 1 :] if self._is_within(path) else None

    def _is_within(self, path: str) -> bool:
        return path.startswith(self._folder + "/")


def path_in(argument: str) -> str:
    """Return the path in ``"path"`` or ``3<path>``; empty if there is none."""
    match = DESCRIPTOR.match(argument)
    if match:
        return path_of(match["path"])
    return path_of(argument) if argument.startswith('"') else ""


def path_of(text: str) -> str:
    # Sockets and similar descriptors have no path.
    return bytes_of(text).decode(errors="replace") if text.strip('"').startswith("\\x2f") else ""


def number_of(descriptor: str) -> str:
    return descriptor.split("<", maxsplit=1)[0]
