"""Helpers for the tests of a running server."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Callable, TypeVar

import psutil
import requests
from accounts import PASSWORD
from prometheus_client.parser import text_string_to_metric_families
from shared.octoprint_server import QUIET_CONFIG, OctoPrintServer, Session

Result = TypeVar("Result")
# OctoPrint's health check without the checks that need the internet.
WITH_HEALTH_CHECK = {
    "_disabled": [name for name in QUIET_CONFIG["plugins"]["_disabled"] if name != "health_check"],
    "health_check": {"disabled": ["python_eol", "octoprint_freshness"]},
}
UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}


def seconds_of(text: str) -> int:
    """The number of seconds that a formatted uptime stands for."""
    return sum(int(count) * UNITS[unit] for count, unit in re.findall(r"(\d+)([dhms])", text))


def wait_for(condition: Callable[[], Result], timeout_seconds: float = 120) -> Result:
    """Wait until ``condition`` returns something true, and return that."""
    deadline = time.monotonic() + timeout_seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise TimeoutError(f"{condition} gave {result!r} for {timeout_seconds} s")
        time.sleep(0.05)


@contextlib.contextmanager
def at_this_kernel(*, alone: bool) -> Iterator[None]:
    """Hold the lock for tests of deaths: shared, or exclusive if ``alone``.

    The kernel counts what it kills for lack of memory, and the errors of disks, for everyone.
    Its own folders are the same in every root of this machine, so they are what is locked.
    """
    with ExitStack() as locked:
        with locked_folder("/sys/kernel/mm", fcntl.LOCK_EX):
            # Whoever waits for the exclusive lock keeps others from starting.
            mode = fcntl.LOCK_EX if alone else fcntl.LOCK_SH
            locked.enter_context(locked_folder("/sys/kernel", mode))
        yield


@contextlib.contextmanager
def locked_folder(name: str, mode: int) -> Iterator[None]:
    folder = os.open(name, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(folder, mode)
        yield
    finally:
        os.close(folder)


def recorded(server: OctoPrintServer) -> Session:
    """Start the server; return the admin's session once the history has this run."""
    server.start()
    return signed_in(server)


def signed_in(server: OctoPrintServer) -> Session:
    """Sign in as admin; return the session once the history has this run."""
    admin = server.login("admin", PASSWORD)
    wait_for(
        lambda: "not been opened yet" not in admin.get("/plugin/octoprint_uptime/history").text
    )
    return admin


def last_end(session: Session) -> dict[str, Any]:
    """The run before the running one."""
    response = session.get("/plugin/octoprint_uptime/history")
    response.raise_for_status()
    return response.json()["octoprint"][1]


def scripted_board(name: str, age: float) -> dict[str, str]:
    """The environment of a server whose host seems to have booted ``age`` seconds ago."""
    booted_at = time.clock_gettime(time.CLOCK_BOOTTIME) - age
    folder = Path(__file__).parent / "server" / "scripted_board"
    return {"PYTHONPATH": str(folder), "BOOT_ID": name, "BOOTED_AT": str(booted_at)}


def boot(server: OctoPrintServer, name: str, age: float) -> None:
    """Make the server believe that its host booted ``age`` seconds ago."""
    server.environment.update(scripted_board(name, age))


def last_words(server: OctoPrintServer) -> Path:
    """The folder of the running server's last words."""
    (folder,) = (
        folder
        for folder in (server.basedir / "data/octoprint_uptime/last_words").iterdir()
        if str(folder) in " ".join(witness_of(server).cmdline())
    )
    return folder


def witness_of(server: OctoPrintServer) -> psutil.Process:
    children = psutil.Process(server.pid).children()
    (witness,) = (child for child in children if "witness.sh" in " ".join(child.cmdline()))
    return witness


def wait_for_report(server: OctoPrintServer, die: Callable[[], object]) -> None:
    """Let the server die, and wait for its witness's report before its parent asks.

    The kernel keeps how a process ended only until its parent asks. Here the parent is slow, as
    systemd is and a busy init may be.
    """
    report = last_words(server) / "witness"
    die()
    os.waitid(os.P_PID, server.pid, os.WEXITED | os.WNOWAIT)
    wait_for(lambda: b"\nend\n" in report.read_bytes())
    server.wait()


def die(session: Session, how: str) -> None:
    """Have the plugin ``deaths`` end or disturb its server."""
    # A process that dies at once does not answer.
    with contextlib.suppress(requests.ConnectionError):
        session.post("/api/plugin/deaths", {"command": "die", "how": how}).raise_for_status()


def kill(server: OctoPrintServer, with_signal: int = signal.SIGKILL) -> None:
    wait_for_report(server, lambda: os.kill(server.pid, with_signal))


def cut_power(server: OctoPrintServer) -> None:
    """Kill the witness, then OctoPrint, so that no process can report the end."""
    witness_of(server).kill()
    server.stop(signal.SIGKILL)


def metrics(session: Session) -> dict[str, float]:
    """Scrape; the values by name and labels, as Prometheus writes them."""
    response = session.get("/plugin/octoprint_uptime/metrics")
    response.raise_for_status()
    samples = [s for f in text_string_to_metric_families(response.text) for s in f.samples]
    return {sample.name + labels_of(sample): sample.value for sample in samples}


def labels_of(sample) -> str:
    labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
    return f"{{{labels}}}" if labels else ""


def inside(locator, width: int) -> bool:
    """Whether an element is within a page of that width, give or take a fraction of a pixel."""
    box = locator.bounding_box()
    return box["x"] >= -1 and box["x"] + box["width"] <= width + 1
