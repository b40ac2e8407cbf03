"""The history of a printer that never was, for pictures, tests and the benchmark."""

from __future__ import annotations

import contextlib
import random
from pathlib import Path

from octoprint_uptime.history.record import History, Instant, NewRun

DAY_SECONDS = 86400.0
BOOT_SECONDS = 25.0
FILES = ("benchy.gcode", "brackets/left hinge.gcode", "vase <mode>.gcode")
ENDS = ("restart", "shutdown", "crash", "power_loss")


def write(
    path: Path,
    until: float,
    days: float = 90.0,
    ends_a_day: float = 0.4,
    ends: tuple[str, ...] = ENDS,
    printing: str | None = None,
) -> None:
    """Write a history whose last run ended, as the first of ``ends``, at ``until``.

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
    at = until - days * DAY_SECONDS
    lengths = []
    while sum(lengths) < days * DAY_SECONDS:
        lengths.append(chance.expovariate(ends_a_day / DAY_SECONDS) + 120.0)
    scale = days * DAY_SECONDS / sum(lengths)
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
            history.begin(NewRun(f"sample-{boot}", since_boot, "1.11.8"), Instant(since_boot, at))
            history.connected(since_boot + 8, "/dev/ttyACM0")
            if chance.random() < 0.3:
                history.disconnected(since_boot + up / 2, failed=chance.random() < 0.5)
                history.connected(since_boot + up / 2 + 20, "/dev/ttyACM0")
            if end in ("crash", "power_loss"):
                history.printing(printing if is_last else chance.choice((None, *FILES)))
                if is_last or (end == "power_loss" and chance.random() < 0.5):
                    history.undervoltage(since_boot + up - 20)
                history.beat(since_boot + up)
            else:
                history.goodbye(since_boot + up)
            at += up + downtime
            if end in ("shutdown", "power_loss"):
                boot += 1
                booted_at = at - BOOT_SECONDS
