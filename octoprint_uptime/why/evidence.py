"""The evidence that is gathered after a start, and the facts from it.

The facts are stored with their run; what they mean is worked out on demand (``verdict.py``).
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from .goodbye import going_down
from .loop import ANSWERED_AGAIN, HANGS
from .vitals import Vitals
from .witness import Report, read_report

MINUTES_KEPT = (0, 1, 5, 15, 60)
"""How many minutes before an end its vital signs are stored."""

_LOG_TAIL_BYTES = 1_000_000
_FEWEST_NULS = 16
_START = b" - octoprint.startup - INFO - Starting OctoPrint"
_BANNER_BYTES = 1000
_FRAME = re.compile(r'^  File "(.*)", line \d+ in ')
_KEPT_LINES = 8
_HOUR_SECONDS = 3600.0
_SILENCE_SECONDS = 60.0
_MORE_THREADS_MARK = "\n..."
_TELLING_LINE = re.compile(
    r"oom|out of memory|segfault|traps:|killed|exited|watchdog|under-?voltage|voltage|throttl"
    r"|temperature|I/O error|EXT4-fs|read-only|read only|no space|mmc",
    re.IGNORECASE,
)
_REGISTERS = {
    "rsts": Path("proc/device-tree/chosen/bootloader/rsts"),
    "power_reset": Path("proc/device-tree/chosen/power/power_reset"),
}
_PANICS = ("sys/fs/pstore", "var/lib/systemd/pstore")

Known = TypeVar("Known", bound="Kept")
Json = TypeVar("Json", "dict[str, Any]", "list[Any]")


def stored(text: str | None, kind: type[Json]) -> Json:
    """What was stored as JSON; empty if it is damaged, because SQLite does not notice that."""
    try:
        value = json.loads(text) if text else kind()
    except ValueError:
        return kind()
    return value if isinstance(value, kind) else kind()


@dataclass(frozen=True)
class Kept:
    """Facts that are stored as JSON, without the unknown ones."""

    def to_json(self) -> str:
        nothing = asdict(type(self)())
        known = {name: value for name, value in asdict(self).items() if value != nothing[name]}
        return json.dumps(known, separators=(",", ":"))

    @classmethod
    def from_json(cls: type[Known], text: str | None) -> Known:
        # A newer version of the plugin may have stored more.
        names = {field.name for field in fields(cls)}
        return cls(**{name: fact for name, fact in stored(text, dict).items() if name in names})


@dataclass(frozen=True)
class Facts(Kept):
    """Everything that is known about one end; ``None``, empty or 0 for what is unknown.

    Attributes:
        last_vitals: The vital signs of the last heartbeat.
        memory_before: OctoPrint's memory in bytes an hour before the end, if it ran that long.
        undervoltage_count: How often undervoltage was detected in the run.
        undervoltage_seconds_before: How long before the end it was last detected.
        goodbye: What OctoPrint knew of the host when it stopped cleanly: ``reboot``,
            ``power_off``, ``no``, or ``unknown``.
        witnessed: Whether a witness saw the end.
        pid: The id of the process that ended.
        told_by: Where the exit status or signal comes from, ``systemd`` or ``kernel``.
        exit_status: Its exit status.
        signal: The number of the signal that ended it.
        result: systemd's ``Result``.
        host_job: What systemd was about to do with the host, as in ``goodbye``.
        oom_kills: How many out-of-memory kills the kernel counted since the last heartbeat.
        own_oom_kills: How many it counted in OctoPrint's control group while OctoPrint ran.
        filesystem_errors: How many errors the file system counted since.
        lines: The relevant lines of the journal.
        fault: ``signal``, and ``library`` and ``plugin`` if the stack shows them.
        hung: What the hung server loop was running: ``plugin`` and ``library``, if known.
        silent_seconds: How long before the end there was no heartbeat, if that is too long.
        exception: ``thread``, ``is_main``, ``type``, ``message``, ``errno``, ``plugin`` and
            ``seconds_before``.
        nuls: Whether OctoPrint's log ends in a run of NULs.
        disk: Vital signs of the disk after the start.
        registers: The board's reset registers that differ from their values after clean reboots.
        panicked: Whether the kernel left a record of its own crash.
        changed: What had another version at the next start: ``name``, ``old``, ``new``.
    """

    last_vitals: dict[str, float] = field(default_factory=dict)
    memory_before: float | None = None
    undervoltage_count: int = 0
    undervoltage_seconds_before: float | None = None
    goodbye: str | None = None
    witnessed: bool = False
    pid: int | None = None
    told_by: str | None = None
    exit_status: int | None = None
    signal: int | None = None
    result: str | None = None
    host_job: str | None = None
    oom_kills: int = 0
    own_oom_kills: int = 0
    filesystem_errors: int = 0
    lines: list[str] = field(default_factory=list)
    fault: dict[str, str] | None = None
    hung: dict[str, str] | None = None
    silent_seconds: float = 0.0
    exception: dict[str, Any] | None = None
    nuls: bool = False
    disk: dict[str, float] = field(default_factory=dict)
    registers: dict[str, int] = field(default_factory=dict)
    panicked: bool = False
    changed: list[dict[str, str | None]] = field(default_factory=list)


NO_FACTS = Facts()


class Beat:
    """One heartbeat: its time in seconds since the boot, and its vital signs."""

    def __init__(self, at: float, vitals: Vitals) -> None:
        self.at = at
        self.vitals = vitals


@dataclass(frozen=True)
class LastRun:
    """What the record has about the run that ended.

    Attributes:
        octoprint_version: The version of OctoPrint.
        token: The name of the folder with its last words.
        seen: The time of its goodbye or last heartbeat.
        said_goodbye: Whether it wrote its goodbye.
        goodbye: As in :class:`Facts`.
        beats: Its heartbeats, oldest first.
        undervoltage_count: As in :class:`Facts`.
        undervoltage_at: When undervoltage was last detected.
    """

    octoprint_version: str
    token: str | None
    seen: float
    said_goodbye: bool
    goodbye: str | None
    beats: Sequence[Beat]
    undervoltage_count: int
    undervoltage_at: float | None


@dataclass(frozen=True)
class LastWords:
    """What one run left behind.

    Attributes:
        report: The witness's report.
        fault: The dump of a native crash, as text.
        hang: The dump of a hung loop, as text.
        exception: The last exception that ended a thread.
    """

    report: Report | None = None
    fault: str = ""
    hang: str = ""
    exception: dict[str, Any] | None = None


@dataclass(frozen=True)
class Scene:
    """What was found after a start.

    Attributes:
        words: The last words of earlier runs, by token.
        vitals: The vital signs now.
        nuls: Whether OctoPrint's log ended in NULs before the start.
        registers: The board's reset registers, by name.
        panics: The names of the kernel's records of its crashes.
    """

    words: Mapping[str | None, LastWords] = field(default_factory=dict)
    vitals: Vitals = field(default_factory=dict)
    nuls: bool = False
    registers: Mapping[str, int] = field(default_factory=dict)
    panics: frozenset[str] = frozenset()

    def died(self, last: LastRun) -> float | None:
        """When the witness saw that run end, in seconds since its boot."""
        report = self.words.get(last.token, NO_WORDS).report
        return None if report is None or last.said_goodbye else report.died


NO_WORDS = LastWords()


def look(
    folder: Path,
    log: Path,
    vitals: Vitals,
    root: Path = Path("/"),
    *,
    has_started: bool = True,
) -> Scene:
    """The scene, as far as it can be read.

    Args:
        folder: Has a folder for the last words of each run, named after its token.
        log: OctoPrint's own log.
        vitals: The vital signs now.
        root: Where ``/proc``, ``/sys`` and ``/var`` are.
        has_started: Whether OctoPrint has started since, and so written to its log again.
    """
    nuls = False
    with contextlib.suppress(OSError):
        nuls = _ends_in_nuls(log, has_started)
    return Scene(
        words={run.name: _last_words(run) for run in folder.iterdir()} if folder.is_dir() else {},
        vitals=vitals,
        nuls=nuls,
        registers=_registers(root),
        panics=_panics(root),
    )


def _last_words(folder: Path) -> LastWords:
    words: dict[str, Any] = {}
    for name in ("fault", "hang"):
        with contextlib.suppress(OSError):
            words[name] = (folder / name).read_text(errors="replace")
    # A report that was cut off is invalid or lacks fields.
    with contextlib.suppress(OSError, ValueError):
        words["exception"] = json.loads((folder / "exception").read_text() or "null")
    with contextlib.suppress(OSError, LookupError, ValueError):
        words["report"] = read_report(folder / "witness")
    return LastWords(**words)


def _registers(root: Path) -> dict[str, int]:
    found = {}
    for name, path in _REGISTERS.items():
        with contextlib.suppress(OSError):
            found[name] = int.from_bytes((root / path).read_bytes()[:4], "big")
    return found


def _panics(root: Path) -> frozenset[str]:
    with contextlib.suppress(OSError):
        records = [file for folder in _PANICS for file in (root / folder).glob("**/dmesg-*")]
        # The kernel reuses a name once its record has been removed.
        return frozenset(f"{file.name} {file.stat().st_mtime:.0f}" for file in records)
    return frozenset()


def forget_other_runs(folder: Path, tokens: Iterable[str | None]) -> None:
    """Remove the last words of all runs but those with these tokens."""
    kept = set(tokens)
    with contextlib.suppress(OSError):
        for run in folder.iterdir():
            if run.name not in kept:
                shutil.rmtree(run, ignore_errors=True)


def _ends_in_nuls(log: Path, has_started: bool) -> bool:
    """Whether the log ends in NULs, as after a power loss, or did so before the last start."""
    with log.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _LOG_TAIL_BYTES))
        tail = file.read()
    end = tail[: max(tail.rfind(_START), 0)] if has_started else tail
    return b"\0" * _FEWEST_NULS in end[-_BANNER_BYTES:]


@dataclass(frozen=True)
class Start:
    """What is known at the start after an end.

    Attributes:
        same_boot: Whether the host has been up since.
        panicked: As in :class:`Facts`.
        usual_registers: The values of each reset register after clean reboots of this board.
        changed: As in :class:`Facts`.
        plugins: The names of plugins, by their folders.
    """

    same_boot: bool
    panicked: bool
    usual_registers: Mapping[str, set[int]]
    changed: list[dict[str, str | None]]
    plugins: Mapping[str, str]


def facts_about(last: LastRun, scene: Scene, start: Start) -> Facts:
    """The facts about the end of a run, from the record and the scene."""
    words = scene.words.get(last.token, NO_WORDS)
    died = scene.died(last)
    end = last.seen if died is None else died
    undervoltage_before = None if last.undervoltage_at is None else end - last.undervoltage_at
    counted = scene.vitals if start.same_boot else {}
    if words.report and words.report.oom_kills is not None:
        counted = {**counted, "oom_kills": words.report.oom_kills}
    common: dict[str, Any] = {
        "undervoltage_count": last.undervoltage_count,
        "undervoltage_seconds_before": undervoltage_before and round(undervoltage_before, 1),
        "exception": _about_exception(words.exception, end, start.plugins),
        "oom_kills": _growth("oom_kills", last.beats, counted),
        "changed": start.changed,
    }
    if last.said_goodbye:
        return Facts(goodbye=last.goodbye or "unknown", **common)
    return Facts(
        last_vitals=next((beat.vitals for beat in reversed(last.beats) if beat.vitals), {}),
        memory_before=_memory_before(end, last.beats),
        # The file system itself counts, so a reboot makes no difference.
        filesystem_errors=_growth("filesystem_errors", last.beats, scene.vitals),
        fault=_about_fault(words.fault, start.plugins),
        hung=_about_hang(words.hang, start.plugins),
        silent_seconds=0.0 if died is None else _silence(died, last.beats),
        nuls=scene.nuls and not start.same_boot,
        disk={name: scene.vitals[name] for name in _DISK_SIGNS if name in scene.vitals},
        registers={} if start.same_boot else _unusual(scene.registers, start.usual_registers),
        panicked=start.panicked and not start.same_boot,
        **_about_report(words.report),
        **common,
    )


def _unusual(
    registers: Mapping[str, int], usual_registers: Mapping[str, set[int]]
) -> dict[str, int]:
    return {
        name: value
        for name, value in registers.items()
        if usual_registers.get(name) and value not in usual_registers[name]
    }


def _memory_before(end: float, beats: Sequence[Beat]) -> float | None:
    """OctoPrint's memory about an hour before the end."""
    return next(
        (
            beat.vitals["process_memory_bytes"]
            for beat in beats
            if end - beat.at <= _HOUR_SECONDS * 1.1 and "process_memory_bytes" in beat.vitals
        ),
        None,
    )


def _silence(died: float, beats: Sequence[Beat]) -> float:
    """How long there was no heartbeat, if longer than normal.

    Every event brings a heartbeat too, so only the longest interval shows what is normal.
    """
    intervals = [later.at - earlier.at for earlier, later in zip(beats, beats[1:])]
    if not intervals:
        return 0.0
    silence = died - beats[-1].at
    return round(silence, 1) if silence > 2 * max(intervals) + _SILENCE_SECONDS else 0.0


_DISK_SIGNS = ("disk_free_bytes", "disk_read_only")
_EXITED = 1
"""``CLD_EXITED``; every other ``ExecMainCode`` of systemd means a signal."""


def _about_report(report: Report | None) -> dict[str, Any]:
    if report is None:
        return {}
    about = {
        "witnessed": True,
        "pid": report.pid,
        "own_oom_kills": report.own_oom_kills,
        "host_job": going_down(report.jobs),
        "lines": _telling(report.service_lines) + _telling(report.kernel_lines),
    }
    # The main process may be another one, such as a script that starts OctoPrint.
    if report.main_pid == report.pid:
        about["result"] = report.result
        if report.code:
            how = "exit_status" if report.code == _EXITED else "signal"
            return {**about, "told_by": "systemd", how: report.exit_status}
    if report.status is None:
        return about
    signal = report.status & 0x7F
    how = "signal" if signal else "exit_status"
    return {**about, "told_by": "kernel", how: signal or report.status >> 8}


def _telling(lines: list[str]) -> list[str]:
    return [line for line in lines if _TELLING_LINE.search(line)][-_KEPT_LINES:]


def vitals_before_end(last: LastRun, scene: Scene) -> list[dict[str, float]]:
    """The vital signs before an unplanned end, newest first, at a few points in time.

    Each has ``seconds_before``, the time to the end.
    """
    if last.said_goodbye:
        return []
    died = scene.died(last)
    end, beats = last.seen if died is None else died, last.beats
    kept: list[Beat] = []
    for minutes in MINUTES_KEPT:
        earlier = [beat for beat in beats if beat.vitals and beat.at <= end - minutes * 60]
        if not minutes and not earlier:
            earlier = [beat for beat in beats if beat.vitals]
        if earlier and earlier[-1] not in kept and _is_near(end - earlier[-1].at, minutes):
            kept.append(earlier[-1])
    return [{"seconds_before": max(0.0, round(end - beat.at, 1)), **beat.vitals} for beat in kept]


def _is_near(seconds: float, minutes: int) -> bool:
    # Heartbeats are at most ten minutes apart.
    return seconds <= minutes * 60 * 1.25 + 660


def _growth(name: str, beats: Sequence[Beat], counted: Vitals) -> int:
    before = next((beat.vitals[name] for beat in reversed(beats) if name in beat.vitals), None)
    if before is None or name not in counted:
        return 0
    return max(0, int(counted[name] - before))


def _about_fault(dump: str, plugins: Mapping[str, str]) -> dict[str, str] | None:
    found = re.search(r"^(?:Fatal Python error|Windows fatal exception): (.*)$", dump, re.MULTILINE)
    if not found:
        return None
    return {"signal": found[1], **_culprits(_current_thread(dump), plugins)}


def what_hangs(last_words: Path, plugins: Mapping[str, str]) -> dict[str, str] | None:
    """What the hung server loop of a run is running: ``plugin`` and ``library``, if known.

    Args:
        last_words: The folder of its last words.
        plugins: The names of plugins, by their folders.

    Returns:
        ``None`` if it is not hung, or if nobody watches it.
    """
    with contextlib.suppress(OSError):
        return _about_hang((last_words / "hang").read_text(errors="replace"), plugins)
    return None


def _about_hang(dump: str, plugins: Mapping[str, str]) -> dict[str, str] | None:
    """The hang, unless it ended: the loop notes when it responds again."""
    _, hangs, last = dump.rpartition(HANGS)
    if not hangs or ANSWERED_AGAIN in last:
        return None
    # The loop runs in the main thread, which comes last unless there are too many threads.
    *_, main_thread = last.split("\nThread 0x")
    return {} if _MORE_THREADS_MARK in main_thread else _culprits(_files(main_thread), plugins)


def _current_thread(dump: str) -> list[str]:
    _, _, stack = dump.partition("Current thread 0x")
    return _files(stack.partition("\n\n")[0])


def _files(stack: str) -> list[str]:
    """The files in a stack of faulthandler, innermost first."""
    return [found[1] for found in map(_FRAME.match, stack.splitlines()) if found]


def _culprits(innermost_first: list[str], plugins: Mapping[str, str]) -> dict[str, str]:
    if not innermost_first:
        return {}
    culprits = {"library": _library(innermost_first[0])}
    plugin = _plugin(innermost_first, plugins)
    return {**culprits, "plugin": plugin} if plugin else culprits


def _library(file: str) -> str:
    """The package or module of a file."""
    parts = Path(file).parts or ("?",)
    for folder in ("site-packages", "dist-packages", "plugins", "lib-dynload"):
        if folder in parts[:-1]:
            return parts[len(parts) - parts[::-1].index(folder)].removesuffix(".py")
    inside = next(
        (n for n, part in enumerate(parts) if re.fullmatch(r"python3\.\d+t?", part)), None
    )
    name = parts[inside + 1] if inside is not None and inside + 1 < len(parts) else parts[-1]
    return name.removesuffix(".py")


def _plugin(innermost_first: list[str], plugins: Mapping[str, str]) -> str | None:
    for file in innermost_first:
        for folder, name in plugins.items():
            if file == folder or file.startswith(folder + os.sep):
                return name
    return None


def _about_exception(
    words: dict[str, Any] | None, end: float, plugins: Mapping[str, str]
) -> dict[str, Any] | None:
    if not words:
        return None
    names = ("thread", "is_main", "type", "message", "errno")
    about = {name: words.get(name) for name in names}
    about["seconds_before"] = round(end - words["at"], 1)
    plugin = _plugin(words["files"][::-1], plugins)
    return {**about, "plugin": plugin} if plugin else about
