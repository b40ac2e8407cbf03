"""What the tests of a running server share."""

from __future__ import annotations

import re
import time
from typing import Callable, TypeVar

from accounts import PASSWORD
from octoprint_server import OctoPrintServer, Session

Result = TypeVar("Result")
UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}


def seconds_of(text: str) -> int:
    """What a formatted uptime stands for."""
    return sum(int(count) * UNITS[unit] for count, unit in re.findall(r"(\d+)([dhms])", text))


def wait_for(condition: Callable[[], Result], timeout_seconds: float = 30) -> Result:
    """What ``condition`` gives as soon as that is true."""
    deadline = time.monotonic() + timeout_seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise TimeoutError(f"{condition} gave {result!r} for {timeout_seconds} s")
        time.sleep(0.05)


def recorded(server: OctoPrintServer) -> Session:
    """Start the server; the admin's session, once the history knows of this run."""
    server.start()
    admin = server.login("admin", PASSWORD)
    wait_for(
        lambda: "not been opened yet" not in admin.get("/plugin/octoprint_uptime/history").text
    )
    return admin
