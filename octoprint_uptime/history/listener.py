"""What OctoPrint's events mean for the clocks and the record."""

from __future__ import annotations

import logging
from typing import Any, Callable

from octoprint.events import Events

from ..reader import UptimeReader
from ..why.undervoltage import ThrottleStates
from .recorder import Recorder

# Pi Support's; that plugin need not be there.
THROTTLE_STATE = "plugin_pi_support_throttle_state"


class Listener:
    """Hears OctoPrint's events.

    Args:
        reader: Has the printer connection's clock.
        recorder: Takes what happened.
        on_connection: Called when the printer connection has begun or ended.
        logger: Where events are told that make no sense.
    """

    def __init__(
        self,
        reader: UptimeReader,
        recorder: Recorder,
        on_connection: Callable[[], None],
        logger: logging.Logger,
    ) -> None:
        self._reader = reader
        self._recorder = recorder
        self._on_connection = on_connection
        self._logger = logger
        self._is_disconnecting = False
        self._throttle_states = ThrottleStates()
        self._handlers: dict[str, Callable[[Any], None]] = {
            Events.CONNECTED: self._connected,
            Events.DISCONNECTING: self._disconnecting,
            Events.DISCONNECTED: self._disconnected,
            Events.PRINT_STARTED: self._print_started,
            Events.PRINT_DONE: self._print_ended,
            Events.PRINT_CANCELLED: self._print_ended,
            Events.PRINT_FAILED: self._print_failed,
            THROTTLE_STATE: self._throttle_state,
        }

    def ignore_throttle_states(self) -> None:
        """Someone else tells of undervoltage, and sooner."""
        del self._handlers[THROTTLE_STATE]

    def hear(self, event: str, payload: Any) -> None:
        """Take an event. Any plugin may fire any event, with whatever payload."""
        handler = self._handlers.get(event)
        if handler is None:
            return
        try:
            handler(payload)
        except (AttributeError, KeyError, TypeError) as error:
            self._logger.warning("The payload of a %s event makes no sense: %r", event, error)

    def _connected(self, payload: Any) -> None:
        # OctoPrint 2 connects to more than serial ports.
        port = payload.get("port") or payload.get("connector")
        self._reader.printer_connected()
        self._recorder.connected(port)
        self._on_connection()

    def _disconnecting(self, payload: Any) -> None:
        self._is_disconnecting = True

    def _disconnected(self, payload: Any) -> None:
        self._reader.printer_disconnected()
        # Only who asks for it makes OctoPrint announce it first.
        self._recorder.disconnected(failed=not self._is_disconnecting)
        self._is_disconnecting = False
        self._on_connection()

    def _print_started(self, payload: Any) -> None:
        self._recorder.printing(payload["path"])

    def _print_failed(self, payload: Any) -> None:
        # PrintCancelled has told of a cancelled one, and the next may have begun meanwhile.
        if payload.get("reason") != "cancelled":
            self._print_ended(payload)

    def _print_ended(self, payload: Any) -> None:
        self._recorder.printing(None)

    def _throttle_state(self, payload: Any) -> None:
        if self._throttle_states.show_undervoltage(payload):
            self._recorder.undervoltage()
