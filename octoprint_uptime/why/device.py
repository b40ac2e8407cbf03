"""The device behind a serial port, from Linux's files, without a fork or a library."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path("/")
"""Where ``/dev`` and ``/sys`` are."""


class Device(NamedTuple):
    """The device behind a port at one moment.

    Attributes:
        path: The port's path.
        tty: The kernel's name for it.
        usb: The folder of its USB device in ``/sys``. It is the same for every device in the same
            socket. ``None`` if the port belongs to no USB device.
        devnum: The kernel's number of the USB device, a new one each time it is found.
        over_current_count: The file that counts the over-currents of its socket.
        over_currents: That count.
    """

    path: Path
    tty: str
    usb: Path | None
    devnum: int | None
    over_current_count: Path | None
    over_currents: int | None

    def after_the_end(self) -> dict[str, Any]:
        """What happened to it, as in :class:`ConnectionFacts`."""
        is_there = self.path.exists()
        if self.usb is None:
            return {"still_there": True} if is_there else {"gone": "port"}
        devnum = _number(self.usb / "devnum")
        if devnum == self.devnum:
            return {"still_there": is_there}
        # Only if the device went: one that stayed was not switched off.
        went = {"over_currents": self._over_currents_since()}
        if devnum is None:
            return {"gone": "usb", **went}
        port_now = None if is_there else _port_of(self.usb)
        return {"devnums": [self.devnum, devnum], "port_now": port_now, **went}

    def _over_currents_since(self) -> int:
        now = self.over_current_count and _number(self.over_current_count)
        return max(0, (now or 0) - (self.over_currents or 0))


def device_of(port: str | None, root: Path = ROOT) -> Device | None:
    """The device behind a port; ``None`` if it has none, as a network or simulated port.

    Args:
        port: OctoPrint's name for it.
        root: Where ``/dev`` and ``/sys`` are.
    """
    if port is None or not port.startswith("/"):
        return None
    path = root / port.lstrip("/")
    if not path.exists():
        return None
    # Often it is a link that udev made, in /dev/serial/by-id.
    tty = path.resolve().name
    interface = (root / "sys/class/tty" / tty / "device").resolve()
    usb = next((f for f in (interface, *interface.parents) if (f / "devnum").is_file()), None)
    if usb is None:
        return Device(path, tty, None, None, None, None)
    # The file belongs to the hub's port, which stays when the device goes.
    count = (usb / "port").resolve() / "over_current_count"
    return Device(path, tty, usb, _number(usb / "devnum"), count, _number(count))


def _number(file: Path) -> int | None:
    # The files of a device disappear with it, even while they are read.
    with contextlib.suppress(OSError, ValueError):
        return int(file.read_text())
    return None


def _port_of(usb: Path) -> str | None:
    """The port of a USB device that has exactly one."""
    ttys = [*usb.glob("*/tty/tty*"), *usb.glob("*/tty*/tty/tty*")]
    return f"/dev/{ttys[0].name}" if len(ttys) == 1 else None
