"""A printer at a pseudo-terminal with a small scriptable firmware."""

from __future__ import annotations

import os
import pty
import re
import select
import threading
import tty
from pathlib import Path
from typing import Any, Callable

from shared.octoprint_server import Session

BANNER = ("start", "echo:A small firmware")
ANSWERS = {
    "M115": ("FIRMWARE_NAME:Small 1.0 PROTOCOL_VERSION:1.0 MACHINE_TYPE:Pty", "ok"),
    "M105": ("ok T:21.0 /0.0 B:21.0 /0.0",),
}
KILLED = "Error:Printer halted. kill() called!"
# OctoPrint notices silence within seconds, but does not mistake a busy machine for it.
QUICK = {
    "timeout": {"communication": 1, "communicationBusy": 1, "temperature": 1},
    "maxCommunicationTimeouts": {"idle": 4},
}


def config_for(port: Path) -> dict[str, Any]:
    """The part of OctoPrint's ``config.yaml`` for connecting to it."""
    serial = {**QUICK, "additionalPorts": [str(port)]}
    # The same settings for OctoPrint 1 and 2.
    return {"serial": serial, "plugins": {"serial_connector": serial}}


class PtyPrinter:
    """A printer that can be plugged in; its port is then a link to a pseudo-terminal.

    Args:
        port: The path of the link.

    Attributes:
        silent: Whether it no longer answers.
        has_emergency_parser: Whether it says so when M112 ends it.
        received: The commands it has received, without numbers and checksums.
    """

    def __init__(self, port: Path) -> None:
        self.port = port
        self.silent = False
        self.has_emergency_parser = False
        self.received: list[str] = []
        self._terminal: _Terminal | None = None

    @property
    def tty(self) -> str:
        """The kernel's name of its pseudo-terminal."""
        return Path(self._terminal.name).name

    def plug_in(self) -> None:
        """Plug it in, after unplugging it if necessary; its firmware starts afresh."""
        before = self._terminal
        self.silent = self.has_emergency_parser = False
        self.received = []
        self._terminal = _Terminal(self._obey)
        # The port may be there at any time from here on.
        new = self.port.with_suffix(".new")
        new.symlink_to(self._terminal.name)
        new.replace(self.port)
        if before:
            before.close()
        self.say(*BANNER)

    def unplug(self) -> None:
        """Unplug it; its port vanishes."""
        if self._terminal:
            self.port.unlink()
            self._terminal.close()
            self._terminal = None

    def connect(self, admin: Session) -> None:
        """Tell OctoPrint to connect to it."""
        body = {"command": "connect", "port": str(self.port), "baudrate": 115200}
        admin.post("/api/connection", body).raise_for_status()

    def say(self, *lines: str) -> None:
        self._terminal.write("".join(f"{line}\n" for line in lines))

    def _obey(self, command: str) -> None:
        self.received.append(command)
        if self.silent:
            return
        if command == "M112":
            self.silent = True
            if self.has_emergency_parser:
                self.say(KILLED)
        elif command:
            self.say(*ANSWERS.get(command.split(maxsplit=1)[0], ("ok",)))


class _Terminal:
    """One pseudo-terminal; whoever opens ``name`` talks to ``obey``."""

    def __init__(self, obey: Callable[[str], None]) -> None:
        self._obey = obey
        # Keep the other end open: otherwise reading fails until OctoPrint opens it.
        self._end, self._other_end = pty.openpty()
        tty.setraw(self._other_end)
        self.name = os.ttyname(self._other_end)
        self._is_open = True
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def write(self, text: str) -> None:
        os.write(self._end, text.encode())

    def close(self) -> None:
        self._is_open = False
        self._thread.join()
        os.close(self._end)
        os.close(self._other_end)

    def _listen(self) -> None:
        unfinished = b""
        while self._is_open:
            if not select.select([self._end], [], [], 0.05)[0]:
                continue
            *lines, unfinished = (unfinished + os.read(self._end, 4096)).split(b"\n")
            for line in lines:
                self._obey(re.sub(r"^N\d+ |\*\d+$", "", line.decode().strip()))
