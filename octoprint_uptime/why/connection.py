"""How a printer connection ends: what OctoPrint and the device show, and the facts from that."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, TypeVar

from .device import ROOT, Device, device_of
from .evidence import Kept

LOOK_AFTER_SECONDS = 1.0
"""By then a USB device that was only reset is back."""
DEAD_STATES = {"CLOSED", "CLOSED_WITH_ERROR", "ERROR", "OFFLINE"}
"""The states without a printer connection, by ``state_id``."""
EMERGENCY_STOP = "emergency stop M112"
"""A part of OctoPrint's error after an emergency stop."""
MAX_CHARACTERS = 300
"""The longest error that is stored: a bad cable can produce a long one."""

Part = TypeVar("Part")


@dataclass(frozen=True)
class ConnectionFacts(Kept):
    """Everything that is known about one end; ``None``, false or 0 for what is unknown.

    Attributes:
        asked: Whether someone asked for it.
        emergency_stop: Whether someone sent M112.
        firmware_error: The error that the printer's firmware reported.
        timed_out: Whether OctoPrint gave up because the printer did not respond.
        error: What OctoPrint itself reported.
        gone: What was gone a moment later: ``usb`` for the USB device, or ``port`` for a port
            that belongs to no USB device.
        devnums: The kernel's numbers of the USB device before and after, if it came back under
            another one.
        port_now: The port that the USB device had then, if the old one was gone.
        over_currents: How many over-currents the USB port had counted when the device went.
        still_there: Whether the port was still there.
    """

    asked: bool = False
    emergency_stop: bool = False
    firmware_error: str | None = None
    timed_out: bool = False
    error: str | None = None
    gone: str | None = None
    devnums: list[int] | None = None
    port_now: str | None = None
    over_currents: int = 0
    still_there: bool = False


class ConnectionWatch:
    """Watches the printer connection on OctoPrint's event thread, and never blocks it.

    Args:
        shown_error: Returns the error that OctoPrint's state shows.
        root: Where ``/dev`` and ``/sys`` are.
    """

    def __init__(self, shown_error: Callable[[], str], root: Path = ROOT) -> None:
        self._shown_error = shown_error
        self._root = root
        self._running = _Seen()
        self._ended: _Seen | None = None
        self._look: threading.Timer | None = None
        # The thread that looks at the device changes what the event thread reads.
        self._lock = threading.Lock()

    def begins(self, port: str | None) -> None:
        """Handle the start of a connection."""
        running = _Seen(self._device(port))
        with self._lock:
            self._running, self._ended = running, None

    def errs(self, payload: Any) -> None:
        """Handle an ``Error`` event."""
        consequence = payload.get("consequence")
        if consequence == "cancel":  # it cancels the print only
            return
        self._running.note_error(payload["reason"], _kept(payload["error"]))
        # Then OctoPrint itself sends M112.
        self._running.own_stops += consequence == "emergency"

    def stops(self) -> None:
        """Handle M112, whose event comes before or after the end of the connection."""
        (self._ended or self._running).stops += 1

    def changes_state(self, state_id: str) -> None:
        """Handle a change of OctoPrint's state."""
        ended = self._ended
        if state_id not in DEAD_STATES:
            # The printer works, so earlier errors are over.
            self._running.forget()
        elif ended:
            ended.note_shown(self._shown())

    def ends(self, asked: bool, tell: Callable[[ConnectionFacts], None]) -> None:
        """Handle the end of the connection.

        Args:
            asked: Whether someone asked for it.
            tell: Gets the facts on a separate thread a second later, because only then the device
                shows what happened to it. It may be called twice; the first call counts.
        """
        if asked:
            tell(ConnectionFacts(asked=True))
            return
        ended = self._running
        with self._lock:
            self._ended, self._running = ended, _Seen()
        self._look = threading.Timer(LOOK_AFTER_SECONDS, self._tell, (ended, tell))
        self._look.daemon = True  # OctoPrint must not wait for it when it stops
        try:
            self._look.start()
        except RuntimeError:  # Python 3.12 and later start no thread at shutdown
            tell(ended.facts())

    def stop(self) -> None:
        """OctoPrint stops: report what is known by now."""
        if self._look and self._look.is_alive():
            self._look.cancel()
            ended, tell = self._look.args
            tell(ended.facts())

    def _tell(self, ended: _Seen, tell: Callable[[ConnectionFacts], None]) -> None:
        shown = self._shown()
        with self._lock:
            # Another connection may have started: then the shown error is about that one.
            if ended is self._ended:
                ended.note_shown(shown)
                self._ended = None
        device_after: dict[str, Any] = {}
        if ended.device:
            device_after = _unless_broken(ended.device.after_the_end, device_after)
        tell(ended.facts(device_after))

    def _device(self, port: str | None) -> Device | None:
        return _unless_broken(lambda: device_of(port, self._root), None)

    def _shown(self) -> str:
        return _unless_broken(self._shown_error, "")


class _Seen:
    """What is known about one connection."""

    def __init__(self, device: Device | None = None) -> None:
        self.device = device
        self.forget()

    def forget(self) -> None:
        """Forget earlier errors."""
        self.firmware_error: str | None = None
        self.timed_out = False
        self.error: str | None = None
        self.stops = self.own_stops = 0

    def note_error(self, reason: str, text: str) -> None:
        """Note an error and OctoPrint's reason for it."""
        if reason == "firmware":
            self.firmware_error = text
        else:
            self.timed_out |= reason == "timeout"
            self.error = text

    def note_shown(self, error: str) -> None:
        """Note the shown error, unless an event had one."""
        text = _kept(error)
        if text and text != self.firmware_error:
            self.error = self.error or text

    def facts(self, device_after: dict[str, Any] | None = None) -> ConnectionFacts:
        was_stopped = self.stops > self.own_stops or EMERGENCY_STOP in (self.error or "")
        return ConnectionFacts(
            emergency_stop=was_stopped,
            firmware_error=self.firmware_error,
            timed_out=self.timed_out,
            error=self.error,
            **(device_after or {}),
        )


def _unless_broken(part: Callable[[], Part], otherwise: Part) -> Part:
    """The part's result; its failure must not cost the other parts.

    A device may disappear while its files are read. OctoPrint may need a thread to return its state
    when no thread can be started. Another plugin's printer object may return anything.
    """
    try:
        return part()
    except (AttributeError, LookupError, OSError, RuntimeError, TypeError):
        return otherwise


def _kept(error: str) -> str:
    """An error as it is stored: on one line, and cut off."""
    printable = "".join(letter if letter.isprintable() else " " for letter in error)
    return " ".join(printable.split())[:MAX_CHARACTERS]
