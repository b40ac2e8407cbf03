"""The history of a printer that never was, for pictures, tests and the benchmark."""

from __future__ import annotations

import contextlib
import itertools
import json
import random
import signal
from pathlib import Path
from typing import Any

from octoprint_uptime.history.record import Ended, History, Instant, NewRun
from octoprint_uptime.why.evidence import MINUTES_KEPT, Facts
from octoprint_uptime.why.verdict import verdict

DAY_SECONDS = 86400.0
BOOT_SECONDS = 25.0
FILES = ("benchy.gcode", "brackets/left hinge.gcode", "vase <mode>.gcode")
ENDS = ("restart", "shutdown", "crash", "power_loss")
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
"""Vital signs that went wrong, as long before the end as ``MINUTES_KEPT``."""


def before_end(course: dict[str, tuple[float, ...]], chance: random.Random) -> list[dict[str, Any]]:
    """Vital signs before an end, newest first."""
    last_beat = chance.uniform(1, 58)
    return [
        {
            "seconds_before": round(minutes * 60 + last_beat, 1),
            **{name: round(value * chance.uniform(0.97, 1.03), 2) for name, value in WELL.items()},
            **{name: values[number] for name, values in course.items()},
        }
        for number, minutes in enumerate(MINUTES_KEPT)
    ]


def _killed(number: int, **more: Any) -> dict[str, Any]:
    return {"witnessed": True, "pid": PID, "signal": number, **more}


# What was found after a crash, and how the vital signs had been.
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
# And after the host went down, without undervoltage.
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
    """What is found after each end; the findings of an end take turns."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._crashes = itertools.cycle(CRASHES)
        self._power_losses = itertools.cycle(POWER_LOSSES)
        self._planned = {
            "restart": itertools.cycle(RESTARTS),
            "shutdown": itertools.cycle(SHUTDOWNS),
        }

    def after(self, end: str, after_undervoltage: bool) -> tuple[Facts, list[dict[str, Any]]]:
        """The facts, and the vital signs before the end."""
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


def write(
    path: Path,
    until: float,
    days: float = 90.0,
    ends_a_day: float = 0.4,
    ends: tuple[str, ...] = ENDS,
    printing: str | None = None,
) -> None:
    """Write a history whose last run ended, as the first of ``ends``, at ``until``.

    Of the last run there are heartbeats alone: what they show is for the next start to see.

    Args:
        path: The file, which must not be there.
        until: Unix time.
        days: How far back it goes.
        ends_a_day: How often OctoPrint went down, on average.
        ends: How; the others take turns by chance, which is always the same.
        printing: What was being printed when the last run ended, under low voltage.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    chance = random.Random(1)
    found = Found(random.Random(2))
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
            history.connected(since_boot + 8, "/dev/ttyACM0")
            if chance.random() < 0.3:
                history.disconnected(since_boot + up / 2, failed=chance.random() < 0.5)
                history.connected(since_boot + up / 2 + 20, "/dev/ttyACM0")
            is_unplanned = end in ("crash", "power_loss")
            undervoltage = False
            if is_unplanned:
                history.printing(printing if is_last else chance.choice((None, *FILES)))
                undervoltage = is_last or (end == "power_loss" and chance.random() < 0.5)
            facts, vitals = found.after(end, undervoltage)
            died = since_boot + up if facts.witnessed else None
            if undervoltage:
                history.undervoltage(since_boot + up - SAG_SECONDS)
            if is_unplanned:
                _beat(history, since_boot + up, vitals if is_last else [], up)
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


def _beat(history: History, end: float, vitals: list[dict[str, Any]], most: float) -> None:
    for beat in reversed(vitals[1:]):
        if beat["seconds_before"] < most:
            history.beat(end - beat["seconds_before"], beat)
    history.beat(end, vitals[0] if vitals else {})
