"""The vital signs of host and process, from Linux's files, without a fork or a library.

A heartbeat reads them once a minute on a weak board, so they must cost next to nothing.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Callable

NAMES = (
    "memory_available_bytes",
    "swap_used_bytes",
    "process_memory_bytes",
    "process_open_files",
    "load",
    "cpu_celsius",
    "disk_free_bytes",
    "disk_read_only",
    "oom_kills",
    "filesystem_errors",
    "loop_late_seconds",
)
"""Every vital sign. ``load`` is the average of a minute. ``oom_kills`` counts since the boot,
``filesystem_errors`` since the file system was created. ``disk_read_only`` is 0 or 1.
``loop_late_seconds`` is how late OctoPrint's server loop was at worst since the last heartbeat."""

Vitals = dict[str, float]
"""Vital signs by name, without those that the host does not have."""

# The kernel's names for the sensor of the processor on boards and PCs.
_CPU_ZONE = re.compile("cpu|soc|pkg", re.IGNORECASE)


class VitalSigns:
    """Reads the vital signs.

    Args:
        folder: OctoPrint's data folder.
        loop_late_seconds: Returns how late the server loop was; ``None`` if it is not watched.
        root: Where ``/proc`` and ``/sys`` are.
    """

    def __init__(
        self,
        folder: Path,
        loop_late_seconds: Callable[[], float | None] = lambda: None,
        root: Path = Path("/"),
    ) -> None:
        self._folder = folder
        self._loop_late_seconds = loop_late_seconds
        self._root = root
        self._proc = root / "proc"
        self._cpu_sensor = cpu_sensor(root)
        self._first_error_count: int | None = None
        self._readers = (
            self._memory,
            self._process_memory,
            self._open_files,
            self._load,
            self._temperature,
            self._disk,
            self._oom_kills,
            self._filesystem_errors,
            self._loop,
        )

    def read(self) -> Vitals:
        """The vital signs at this moment."""
        return self._read(self._readers)

    def peek(self) -> Vitals:
        """The vital signs of memory and disk, which may be read between heartbeats.

        ``filesystem_errors_at_start`` is the count at the first reading.
        """
        vitals = self._read(
            (self._memory, self._process_memory, self._disk, self._filesystem_errors)
        )
        if self._first_error_count is not None:
            vitals["filesystem_errors_at_start"] = self._first_error_count
        return vitals

    def _read(self, readers: Iterable[Callable[[], Iterator[tuple[str, float]]]]) -> Vitals:
        vitals: Vitals = {}
        if sys.platform != "linux":
            return vitals
        for reader in readers:
            # A missing or unusual file costs this sign only.
            with contextlib.suppress(OSError, ValueError, LookupError):
                vitals.update(reader())
        return vitals

    def _memory(self) -> Iterator[tuple[str, float]]:
        kilobytes = {
            name: int(rest.split()[0])
            for name, _, rest in (
                line.partition(":") for line in (self._proc / "meminfo").read_text().splitlines()
            )
        }
        yield "memory_available_bytes", kilobytes["MemAvailable"] * 1024
        yield "swap_used_bytes", (kilobytes["SwapTotal"] - kilobytes["SwapFree"]) * 1024

    def _process_memory(self) -> Iterator[tuple[str, float]]:
        resident_pages = int((self._proc / "self/statm").read_text().split()[1])
        yield "process_memory_bytes", resident_pages * mmap.PAGESIZE

    def _open_files(self) -> Iterator[tuple[str, float]]:
        yield "process_open_files", sum(1 for _ in (self._proc / "self/fd").iterdir())

    def _load(self) -> Iterator[tuple[str, float]]:
        yield "load", float((self._proc / "loadavg").read_text().split()[0])

    def _temperature(self) -> Iterator[tuple[str, float]]:
        if self._cpu_sensor:
            yield "cpu_celsius", int(self._cpu_sensor.read_text()) / 1000

    def _disk(self) -> Iterator[tuple[str, float]]:
        disk = os.statvfs(self._folder)
        yield "disk_free_bytes", disk.f_bavail * disk.f_frsize
        yield "disk_read_only", int(bool(disk.f_flag & os.ST_RDONLY) or self._has_failed())

    def _has_failed(self) -> bool:
        """Whether the file system refuses writes although it is mounted for writing.

        Newer kernels do that after an error of ext4.
        """
        device = self._folder.stat().st_dev
        id_ = f" {os.major(device)}:{os.minor(device)} "
        mounts = (self._proc / "self/mountinfo").read_text().splitlines()
        return any(id_ in mount and "emergency_ro" in mount for mount in mounts)

    def _oom_kills(self) -> Iterator[tuple[str, float]]:
        found = re.search(r"^oom_kill (\d+)$", (self._proc / "vmstat").read_text(), re.MULTILINE)
        if found:
            yield "oom_kills", int(found[1])

    def _filesystem_errors(self) -> Iterator[tuple[str, float]]:
        # No others: a disk that is plugged in may have errors from years ago.
        counts = {self._error_count(place) for place in (self._root, self._folder)}
        known = [int(count.read_text()) for count in counts if count.exists()]
        if known:
            count = sum(known)
            if self._first_error_count is None:
                self._first_error_count = count
            yield "filesystem_errors", count

    def _error_count(self, place: Path) -> Path:
        device = place.stat().st_dev
        numbers = f"{os.major(device)}:{os.minor(device)}"
        block = (self._root / "sys/dev/block" / numbers).resolve().name
        return self._root / "sys/fs/ext4" / block / "errors_count"

    def _loop(self) -> Iterator[tuple[str, float]]:
        late = self._loop_late_seconds()
        if late is not None:
            yield "loop_late_seconds", round(late, 3)


def cpu_sensor(root: Path) -> Path | None:
    """The file with the processor's temperature in thousandths of a degree."""
    for zone in sorted((root / "sys/class/thermal").glob("thermal_zone*")):
        with contextlib.suppress(OSError):
            if _CPU_ZONE.search((zone / "type").read_text()):
                return zone / "temp"
    return None
