"""Why OctoPrint is asked to end: does the whole host go down?"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path

SYSTEMD = Path("/run/systemd/system")
TIMEOUT_SECONDS = 2.0
TARGETS = {
    "reboot.target": "reboot",
    "kexec.target": "reboot",
    "poweroff.target": "power_off",
    "halt.target": "power_off",
}


def host_goes_down() -> str:
    """``reboot`` or ``power_off`` if systemd is about to do that, ``no`` if it is not.

    ``unknown`` where nobody can tell.
    """
    if not SYSTEMD.is_dir():
        return "unknown"
    try:
        listed = subprocess.run(
            ["systemctl", "list-jobs", "--no-legend", "--plain"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=True,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return going_down(line.split()[1] for line in listed.splitlines() if " start " in line)


def going_down(jobs: Iterable[str]) -> str:
    """What the host is about to do, by the units that systemd is about to start."""
    return next((TARGETS[job] for job in jobs if job in TARGETS), "no")
