"""The history of an invented printer, for pictures, tests and the benchmark."""

from __future__ import annotations

import contextlib
import itertools
import json
import random
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from octoprint_uptime.history.position import Position
from octoprint_uptime.history.record import Ended, History, Instant, NewRun
from octoprint_uptime.why.evidence import MINUTES_KEPT, Facts
from octoprint_uptime.why.verdict import verdict

DAY_SECONDS = 86400.0
BOOT_SECONDS = 25.0
FILES = ("benchy.gcode", "brackets/left hinge.gcode", "vase <mode>.gcode")
ENDS = ("restart", "shutdown", "crash", "power_loss")
RESULTS = (*["done"] * 8, "cancelled", "failed")
LOST_CONNECTIONS = 0.06
SAG_SECONDS = 20.0
PID = 812

WELL: dict[str, float] = {
    "memory_available_bytes": 1.31e9,
    "swap_used_bytes": 0,
    "process_memory_bytes": 168e6,
    "process_open_files": 61,
    "load": 0.42,
    "cpu_celsius": 52.1,
    "disk_free_bytes": 11.8e9,
    "disk_read_only": 0,
    "oom_kills": 0,
    "filesystem_errors": 0,
    "loop_late_seconds": 0.02,
}
"""The vital signs of a board with nothing wrong."""

LEAK: dict[str, tuple[float, ...]] = {
    "memory_available_bytes": (38e6, 121e6, 386e6, 804e6, 1.19e9),
    "swap_used_bytes": (100e6, 100e6, 71e6, 12e6, 0),
    "process_memory_bytes": (1.61e9, 1.52e9, 1.22e9, 784e6, 421e6),
    "load": (3.7, 2.9, 1.4, 0.8, 0.5),
    "cpu_celsius": (66.2, 64.7, 59.1, 54.2, 52.6),
}
HEAT: dict[str, tuple[float, ...]] = {
    "cpu_celsius": (88.4, 87.9, 85.3, 79.6, 63.3),
    "load": (3.9, 3.9, 3.8, 3.4, 1.2),
}
HANG: dict[str, tuple[float, ...]] = {
    "loop_late_seconds": (24.8, 3.1, 0.04, 0.02, 0.02),
    "load": (1.3, 1.1, 0.5, 0.4, 0.4),
}
FULL: dict[str, tuple[float, ...]] = {
    "disk_free_bytes": (0, 4e6, 96e6, 310e6, 1.6e9),
}
"""Bad vital signs, each as many minutes before the end as ``MINUTES_KEPT`` says."""


def before_end(course: dict[str, tuple[float, ...]], chance: random.Random) -> list[dict[str, Any]]:
    """Return the vital signs before an end, newest first."""
    last_beat = chance.uniform(1, 58)
    return [
        {
            "seconds_before": round(minutes * 60 + last_beat, 1),
            **{name: round(value * chance.uniform(0.97, 1.03), 2) for name, value in WELL.items()},
            **{name: values[number] for name, values in course.items()},
        }
        for number, minutes in enumerate(MINUTES_KEPT)
    ]


def half_way(file: str, most_seconds: float) -> Position:
    """Return a position in the print of a file, at most ``most_seconds`` after its start."""
    chance = random.Random(f"{file} {most_seconds}")
    size, seconds = chance.randrange(500_000, 40_000_000), int(min(most_seconds, 40_000))
    done = chance.uniform(0.05, 0.95)
    return Position(
        file=file,
        origin="local",
        percent=round(100 * done, 2),
        position_bytes=int(size * done),
        size_bytes=size,
        z_mm=round(0.2 * int(done * chance.randrange(100, 600)) + 0.2, 2),
        printed_seconds=chance.randrange(seconds // 2, seconds),
        targets={"tool0": 210.0, "bed": 60.0},
    )


def _killed(number: int, **more: Any) -> dict[str, Any]:
    return {"witnessed": True, "pid": PID, "signal": number, **more}


# The findings after a crash, and the vital signs before it.
CRASHES: tuple[tuple[dict[str, Any], dict[str, tuple[float, ...]]], ...] = (
    (
        _killed(
            signal.SIGKILL,
            result="oom-kill",
            oom_kills=1,
            lines=[f"kernel: Out of memory: Killed process {PID} (octoprint) total-vm:2391044kB"],
        ),
        LEAK,
    ),
    (
        _killed(
            signal.SIGSEGV,
            result="core-dump",
            fault={"signal": "Segmentation fault", "library": "cv2", "plugin": "Bed Camera"},
        ),
        {},
    ),
    ({"witnessed": True, "hung": {"library": "serial", "plugin": "Power <Relay>"}}, HANG),
    ({}, {}),
    (_killed(signal.SIGKILL, result="signal"), {}),
    (
        {
            "exception": {
                "thread": "Timelapse",
                "type": "OSError",
                "message": "[Errno 28] No space left on device",
                "errno": 28,
                "seconds_before": 3.2,
            }
        },
        FULL,
    ),
)
# The same for a power loss without undervoltage.
POWER_LOSSES: tuple[tuple[dict[str, Any], dict[str, tuple[float, ...]]], ...] = (
    ({"nuls": True, "registers": {"rsts": 0x1000}}, {}),
    ({}, {}),
    ({"registers": {"power_reset": 4}}, HEAT),
    ({"nuls": True}, {}),
    ({"registers": {"power_reset": 16}, "hung": {"library": "serial"}}, HANG),
)
RESTARTS: tuple[dict[str, Any], ...] = (
    {"goodbye": "no"},
    {"goodbye": "no", "changed": [{"name": "OctoPrint", "old": "1.11.7", "new": "1.11.8"}]},
    {"goodbye": "no"},
    {"goodbye": "no", "changed": [{"name": "Bed Camera", "old": "1.4.0", "new": "1.4.1"}]},
    {"goodbye": "no"},
)
SHUTDOWNS: tuple[dict[str, Any], ...] = ({"goodbye": "power_off"}, {"goodbye": "reboot"})


class Found:
    """Invents the findings after each end. The findings of an end take turns."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._crashes = itertools.cycle(CRASHES)
        self._power_losses = itertools.cycle(POWER_LOSSES)
        self._planned = {
            "restart": itertools.cycle(RESTARTS),
            "shutdown": itertools.cycle(SHUTDOWNS),
        }

    def after(self, end: str, after_undervoltage: bool) -> tuple[Facts, list[dict[str, Any]]]:
        """Return the facts, and the vital signs before the end."""
        if end in self._planned:
            return Facts(**next(self._planned[end])), []
        if after_undervoltage:
            sag = {"undervoltage_count": 1, "undervoltage_seconds_before": SAG_SECONDS}
            return self._with_vitals({}, sag)
        found, course = next(self._crashes if end == "crash" else self._power_losses)
        return self._with_vitals(course, found)

    def _with_vitals(
        self, course: dict[str, tuple[float, ...]], found: dict[str, Any]
    ) -> tuple[Facts, list[dict[str, Any]]]:
        vitals = before_end(course, self._chance)
        last = {name: value for name, value in vitals[0].items() if name != "seconds_before"}
        before = vitals[-1]["process_memory_bytes"]
        return Facts(last_vitals=last, memory_before=before, **found), vitals


class Printer:
    """A printer that is off at night and prints during the day."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    def live(
        self, history: History, booted_at: float, begin: float, end: float, last: str | None
    ) -> None:
        """Record the connections and prints of a run.

        Args:
            history: The history to write to.
            booted_at: The start of the boot, as a Unix time.
            begin: The start of the run, in seconds since the boot.
            end: The end of the run, in seconds since the boot.
            last: The file that it prints at the end of the run.
        """
        for on, off in self._sessions(booted_at, begin + 8, end, stays_on=last is not None):
            history.connected(on, "/dev/ttyACM0")
            at = on + self._chance.uniform(300, 7200)
            while at < off - 3600:
                history.print_started(at, self._chance.choice(FILES))
                at = min(at + self._chance.uniform(1200, 6 * 3600), off - 120)
                history.print_ended(at, self._chance.choice(RESULTS))
                at += self._chance.uniform(600, 5 * 3600)
            if off < end:
                history.disconnected(off, failed=self._chance.random() < LOST_CONNECTIONS)
        if last:
            history.print_started(max(begin + 8, end - 5400), last)

    def _sessions(
        self, booted_at: float, begin: float, end: float, *, stays_on: bool
    ) -> Iterator[tuple[float, float]]:
        """Yield the times when it is on: by day, or the whole time in runs under six hours."""
        if end - begin < DAY_SECONDS / 4:
            yield begin, end
            return
        midnight = (booted_at + begin) // DAY_SECONDS * DAY_SECONDS - booted_at
        while midnight < end:
            on, off = (
                midnight + 3600 * self._chance.uniform(7, 10),
                midnight + 3600 * self._chance.uniform(17, 23),
            )
            midnight += DAY_SECONDS
            is_last = midnight + 7 * 3600 >= end
            if is_last and stays_on:
                on, off = min(on, end - 5500), end
            if max(on, begin) < min(off, end):
                yield max(on, begin), min(off, end)


def write(
    path: Path,
    until: float,
    days: float = 90.0,
    ends_a_day: float = 0.4,
    ends: tuple[str, ...] = ENDS,
    printing: str | None = None,
) -> None:
    """Write a history whose last run ended at ``until``, like the first of ``ends``.

    The last run has only heartbeats, from which the next start finds its end.

    Args:
        path: The file, which must not exist.
        until: The end of the last run, as a Unix time.
        days: The length of the history.
        ends_a_day: How often OctoPrint went down, on average.
        ends: The ends. After the first, they are chosen pseudorandomly, always the same.
        printing: The file that was being printed when the last run ended, with undervoltage.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    chance = random.Random(1)
    found = Found(random.Random(2))
    printer = Printer(random.Random(3))
    at = until - days * DAY_SECONDS
    lengths = []
    while sum(lengths) < days * DAY_SECONDS:
        lengths.append(chance.expovariate(ends_a_day / DAY_SECONDS) + 120.0)
    scale = days * DAY_SECONDS / sum(lengths)
    facts, vitals, died = Facts(), [], None
    with contextlib.closing(History(path)) as history, history.transaction():
        booted_at, boot = at - BOOT_SECONDS, 0
        for number, length in enumerate(lengths):
            is_last = number == len(lengths) - 1
            end = ends[0] if is_last else chance.choice(ends)
            downtime = min(length * scale / 2, chance.uniform(5, 4000))
            if end in ("restart", "crash"):
                downtime = min(downtime, chance.uniform(5, 60))
            up = length * scale if is_last else length * scale - downtime
            since_boot = at - booted_at
            run = NewRun(f"sample-{boot}", since_boot, "1.11.8")
            ended = history.begin(run, Instant(since_boot, at), died=died)
            if ended:
                _keep(history, ended, facts, vitals)
            drops = chance.random() < 0.3
            fails = drops and chance.random() < 0.5
            is_unplanned = end in ("crash", "power_loss")
            undervoltage, interrupted, position = False, None, None
            if is_unplanned:
                interrupted = printing if is_last else chance.choice((None, *FILES))
                position = half_way(interrupted, up) if interrupted else None
                undervoltage = is_last or (end == "power_loss" and chance.random() < 0.5)
            printer.live(history, booted_at, since_boot, since_boot + up, interrupted)
            if drops:
                history.disconnected(since_boot + up, failed=fails)
            facts, vitals = found.after(end, undervoltage)
            died = since_boot + up if facts.witnessed else None
            if undervoltage:
                history.undervoltage(since_boot + up - SAG_SECONDS)
            if is_unplanned:
                _beat(history, since_boot + up, vitals if is_last else [], up, position)
            else:
                history.goodbye(since_boot + up, facts.goodbye or "unknown")
            at += up + downtime
            if end in ("shutdown", "power_loss"):
                boot += 1
                booted_at = at - BOOT_SECONDS


def _keep(history: History, ended: Ended, facts: Facts, vitals: list[dict[str, Any]]) -> None:
    history.keep_facts(ended.run, facts.to_json(), json.dumps(vitals) if vitals else None)
    for subject, end in (("octoprint", ended.octoprint), ("system", ended.system)):
        if end:
            history.count_reason(subject, end, verdict(subject, end, facts).reason)


def _beat(
    history: History,
    end: float,
    vitals: list[dict[str, Any]],
    most: float,
    position: Position | None,
) -> None:
    for beat in reversed(vitals[1:]):
        if beat["seconds_before"] < most:
            history.beat(end - beat["seconds_before"], beat)
    history.beat(end, vitals[0] if vitals else {}, position)
