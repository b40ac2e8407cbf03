"""A scripted ``/sys`` with a printer on USB."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

PLACE = "1-1.4"
"""The fourth port of the hub at the first port of the first bus."""


class UsbTree:
    """A host whose printer is always plugged in at the same place.

    Args:
        root: Where the host's ``/sys`` is.
    """

    def __init__(self, root: Path) -> None:
        self._hub = root / "sys/devices/platform/usb1/1-1"
        self._classes = root / "sys/class/tty"
        self._port = self._hub / f"1-1:1.0/1-1-port{PLACE[-1]}"
        self._printer = self._hub / PLACE
        for folder in (self._port, self._classes, root / "sys/bus/usb/devices"):
            folder.mkdir(parents=True, exist_ok=True)
        (self._hub / "devnum").write_text("2\n")
        self.over_current_count = self._port / "over_current_count"
        self.over_currents = 0

    @property
    def over_currents(self) -> int:
        return int(self.over_current_count.read_text())

    @over_currents.setter
    def over_currents(self, count: int) -> None:
        self.over_current_count.write_text(f"{count}\n")

    def plug_in(self, tty: str, devnum: int, *, has_driver_of_its_own: bool = False) -> None:
        """Make the kernel find the printer and name it.

        Args:
            tty: Its serial port.
            devnum: Its number on the bus.
            has_driver_of_its_own: Whether it has its own driver, as ``ttyUSB`` has.
        """
        interface = self._printer / f"{PLACE}:1.0"
        device = interface / tty if has_driver_of_its_own else interface
        (device / "tty" / tty).mkdir(parents=True)
        (device / "tty" / tty / "device").symlink_to(device)
        (self._classes / tty).symlink_to(device / "tty" / tty)
        (self._printer / "devnum").write_text(f"{devnum}\n")
        (self._printer / "port").symlink_to(os.path.relpath(self._port, self._printer))

    def unplug(self) -> None:
        """Make the kernel forget the printer."""
        shutil.rmtree(self._printer)
        for link in self._classes.iterdir():
            link.unlink()
