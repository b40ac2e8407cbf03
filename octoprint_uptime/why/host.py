"""The state of the host beside its vital signs: its clock, its network, its heat limit.

Read once an hour and by the health check, without a fork.
"""

from __future__ import annotations

import contextlib
import ctypes
import re
import sys
from pathlib import Path
from typing import NamedTuple

from .vitals import cpu_sensor

RASPBERRY_PI_LIMIT_CELSIUS = 80.0
"""From here on a Raspberry Pi's firmware slows the processor without telling the kernel."""

_UNSET_MICROSECONDS = 16_000_000
"""At this error the kernel no longer trusts the clock, about nine hours after a correction."""

_UP = 0x1
_REJECT = 0x200
_ANYWHERE_IPV4 = "00000000"
_ANYWHERE_IPV6 = "0" * 32


class HostState(NamedTuple):
    """The state of the host; ``None`` for what is unknown.

    Attributes:
        clock_set: Whether its clock is kept right, for example by NTP.
        network: Whether it has a default route.
        heat_limit_celsius: The temperature at which its processor is slowed.
    """

    clock_set: bool | None = None
    network: bool | None = None
    heat_limit_celsius: float | None = None


class Host:
    """Reads the state of the host.

    Args:
        root: Where ``/proc`` and ``/sys`` are.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root
        self._heat_limit = _heat_limit(root)

    def state(self) -> HostState:
        """Its state now."""
        if sys.platform != "linux":
            return HostState()
        return HostState(_clock_is_set(), _has_network(self._root / "proc/net"), self._heat_limit)


class _Timex(ctypes.Structure):
    """The first fields that ``adjtimex(2)`` fills in, with room for the rest."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("rest", ctypes.c_char * 512),
    )


def _clock_is_set() -> bool | None:
    # As timedatectl does. Not STA_UNSYNC: chrony may set that to have the kernel
    # leave the real-time clock alone.
    timex = _Timex()  # without modes, nothing is changed
    if ctypes.CDLL(None).adjtimex(ctypes.byref(timex)) < 0:
        return None
    return bool(timex.maxerror < _UNSET_MICROSECONDS)


def _has_network(net: Path) -> bool:
    """Whether there is a default route."""
    with contextlib.suppress(OSError, ValueError):
        for line in (net / "route").read_text().splitlines()[1:]:
            _, target, _, flags, *_, mask, _, _, _ = line.split()
            if target == mask == _ANYWHERE_IPV4 and _is_open(flags):
                return True
    with contextlib.suppress(OSError, ValueError):
        for line in (net / "ipv6_route").read_text().splitlines():
            target, length, *_, flags, interface = line.split()
            is_default = target == _ANYWHERE_IPV6 and length == "00" and interface != "lo"
            if is_default and _is_open(flags):
                return True
    return False


def _is_open(flags: str) -> bool:
    return bool(int(flags, 16) & _UP) and not int(flags, 16) & _REJECT


def _heat_limit(root: Path) -> float | None:
    """The temperature at which the kernel, or the board's documentation, slows the processor.

    If there are several such points, the last one: at the first, slowing only starts.
    """
    sensor = cpu_sensor(root)
    if sensor is None:
        return None
    limits = []
    for kind in sensor.parent.glob("trip_point_*_type"):
        with contextlib.suppress(OSError, ValueError):
            if kind.read_text().strip() == "passive":
                at = kind.with_name(re.sub("type$", "temp", kind.name))
                limits.append(int(at.read_text()) / 1000)
    # A point that is not set reads 0 or less.
    if limits and max(limits) > 0:
        return max(limits)
    with contextlib.suppress(OSError):
        if (root / "proc/device-tree/model").read_bytes().startswith(b"Raspberry Pi"):
            return RASPBERRY_PI_LIMIT_CELSIUS
    return None
