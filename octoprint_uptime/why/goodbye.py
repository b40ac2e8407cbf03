"""Whether OctoPrint stops alone or with the whole host."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterable
from pathlib import Path

SYSTEMD = Path("/run/systemd/system")
TIMEOUT_SECONDS = 1.0
TRIES = 3
"""When systemd stops a service, it also ends the commands that the service has started."""
TARGETS = {
    "reboot.target": "reboot",
    "kexec.target": "reboot",
    "soft-reboot.target": "reboot",
    "poweroff.target": "power_off",
    "halt.target": "power_off",
}
LIST_JOBS = ("systemctl", "list-jobs", "--no-legend", "--plain")
# SD_MESSAGE_SHUTDOWN of logind, which has other names for these.
LAST_ANNOUNCED = (
    *("journalctl", "-b", "-q", "-o", "cat", "--output-fields=SHUTDOWN", "--no-pager", "-n", "1"),
    *("_UID=0", "MESSAGE_ID=98268866d1d54a499c4e98921d93bc40"),
)
ANNOUNCED = {"reboot": "reboot", "kexec": "reboot", "power-off": "power_off", "halt": "power_off"}


def host_goes_down() -> str:
    """``reboot`` or ``power_off`` if systemd is doing that, ``no`` if not.

    ``unknown`` otherwise.
    """
    if not SYSTEMD.is_dir():
        return "unknown"
    for _ in range(TRIES):
        with contextlib.suppress(OSError, ValueError, subprocess.SubprocessError):
            started = [line.split() for line in _output_lines(LIST_JOBS) if " start " in line]
            return going_down(unit for _, unit, *_ in started)
        # D-Bus may stop before OctoPrint. The journal is there until the end.
        with contextlib.suppress(OSError, ValueError, subprocess.SubprocessError):
            for name in _output_lines(LAST_ANNOUNCED):
                return ANNOUNCED.get(name, "unknown")
    return "unknown"


def _output_lines(command: tuple[str, ...]) -> list[str]:
    """The lines that a command prints.

    Raises:
        OSError: The command does not exist.
        ValueError: Its output is not text.
        subprocess.SubprocessError: It fails or takes too long.
    """
    return subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=True,
    ).stdout.splitlines()


def going_down(jobs: Iterable[str]) -> str:
    """What the host is about to do, from the units that systemd is starting."""
    return next((TARGETS[job] for job in jobs if job in TARGETS), "no")
