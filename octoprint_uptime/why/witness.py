"""The witness: a small shell process that outlives OctoPrint and notes how it ended.

Nothing else can: a killed process says nothing, systemd forgets how a service ended when it starts
again, and many boards keep their journal in memory only.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Callable, NamedTuple

SCRIPT = Path(__file__).with_name("witness.sh")
SHELL = Path("/bin/sh")
REPORT_BYTES = 16_384
GOODBYE_SECONDS = 2.0
PATIENCE_SECONDS = 10.0
"""How long a start waits for a witness that is still writing."""
PRINTABLE_UNIT = re.compile(r"[A-Za-z0-9:_.@\\-]+\.service")


class Unit(NamedTuple):
    """OctoPrint's systemd service, and whether it is the system's or the user's."""

    name: str
    manager: str


def own_unit(root: Path = Path("/")) -> Unit | None:
    """The service of this process; ``None`` without systemd."""
    if not (root / "run/systemd/system").is_dir():
        return None
    with contextlib.suppress(OSError):
        for line in (root / "proc/self/cgroup").read_text().splitlines():
            *_, path = line.split(":", 2)
            *above, last = path.split("/")
            if PRINTABLE_UNIT.fullmatch(last):
                of_user = any(part.startswith("user@") for part in above)
                return Unit(last, "--user" if of_user else "--system")
    return None


class Witness:
    """Starts a witness, and tells it goodbye.

    Args:
        report: The file for its report.
        unit: The service that OctoPrint runs as.
        since_boot: Seconds since the boot.
    """

    def __init__(self, report: Path, unit: Unit | None, since_boot: Callable[[], float]) -> None:
        self._report = report
        self._unit = unit or Unit("", "")
        self._since_boot = since_boot
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        if hasattr(os, "register_at_fork"):
            # A forked child would hold the pipe open after OctoPrint is gone.
            os.register_at_fork(after_in_child=self._close_pipe)

    def start(self) -> None:
        """Start a witness, on Linux.

        Raises:
            OSError: It cannot be started.
        """
        with self._lock:
            if sys.platform == "linux" and not self._waits():
                self._start()

    def dismiss(self) -> None:
        """Tell it goodbye: whatever ends from now on ends cleanly."""
        with self._lock:
            if self._process is not None:
                self._dismiss(self._process)
                self._process = None

    def _waits(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _start(self) -> None:
        self._report.write_bytes(b" " * REPORT_BYTES)
        command = (str(SHELL), "-c", '. "$0"; watch "$@"', str(SCRIPT), str(self._report))
        self._process = subprocess.Popen(
            [*command, str(os.getpid()), str(self._since_boot()), *self._unit],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            # A Ctrl-C in the terminal is meant for OctoPrint.
            start_new_session=True,
        )

    def _dismiss(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        with contextlib.suppress(OSError):  # it may have been killed
            process.stdin.write(b"goodbye\n")
            process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GOODBYE_SECONDS)
        with contextlib.suppress(OSError):
            self._report.unlink()

    def _close_pipe(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()


class Report(NamedTuple):
    """What the witness noted when the process died.

    ``died`` is in seconds since the boot. ``status`` is what ``wait`` returned to its parent;
    ``None`` if the parent was quicker. ``own_oom_kills`` counts those of OctoPrint's control group
    while OctoPrint ran. ``result``, ``main_pid``, ``code`` and ``exit_status`` are systemd's
    ``Result``, ``ExecMainPID``, ``ExecMainCode`` and ``ExecMainStatus``.
    ``jobs`` are the units that systemd was starting. The lines are from the journal.
    """

    pid: int
    died: float
    status: int | None
    oom_kills: int | None
    own_oom_kills: int
    result: str | None
    main_pid: int | None
    code: int | None
    exit_status: int | None
    jobs: list[str]
    service_lines: list[str]
    kernel_lines: list[str]


def read_report(file: Path, patience_seconds: float = PATIENCE_SECONDS) -> Report | None:
    """The report in ``file``; ``None`` without a witness, or if it saw nothing.

    Raises:
        OSError: The file cannot be read.
    """
    if not file.exists():
        return None
    deadline = time.monotonic() + patience_seconds
    while True:
        head, end, _ = file.read_text(errors="replace").partition("\nend\n")
        if not head.startswith("witness "):
            return None
        if end or time.monotonic() > deadline or not _writes(head, file):
            return _parsed(head.splitlines())
        time.sleep(0.1)


def _writes(head: str, file: Path) -> bool:
    """Whether the witness is still writing its report."""
    found = re.match(r"witness (\d+)\n", head)
    if found is None:
        return False
    # A container soon reuses a process id, but only the witness was given this file.
    with contextlib.suppress(OSError):
        return (
            os.fsencode(Path(*file.parts[-2:])) in Path("/proc", found[1], "cmdline").read_bytes()
        )
    return False


def _parsed(lines: list[str]) -> Report:
    facts: dict[str, str] = {}
    jobs: list[str] = []
    sections: dict[str, list[str]] = {"service": [], "kernel": []}
    section: list[str] = []
    for line in lines:
        if line.startswith(" "):
            section.append(line[1:])
            continue
        name, _, value = line.replace("=", " ", 1).partition(" ")
        if name == "lines":
            section = sections.setdefault(value, [])
        elif name == "job":
            jobs.append(value)
        else:
            facts[name] = value
    return Report(
        pid=int(facts["pid"]),
        # The shell reads a clock that a container may have shifted.
        died=float(facts["since"]) + float(facts["died"]) - float(facts["began"]),
        status=_wait_status(facts.get("stat", "")),
        oom_kills=_number(facts, "oom_kills"),
        own_oom_kills=_number(facts, "own_oom_kills") or 0,
        result=facts.get("Result"),
        main_pid=_number(facts, "ExecMainPID"),
        code=_number(facts, "ExecMainCode"),
        exit_status=_number(facts, "ExecMainStatus"),
        jobs=jobs,
        service_lines=sections["service"],
        kernel_lines=sections["kernel"],
    )


def _number(facts: dict[str, str], name: str) -> int | None:
    return int(facts[name]) if facts.get(name) else None


def _wait_status(stat: str) -> int | None:
    """The exit status in ``/proc/PID/stat``, which has it for a dead process."""
    fields = stat.rpartition(")")[2].split()
    return int(fields[-1]) if fields and (fields[0] == "Z" or fields[-1] != "0") else None
