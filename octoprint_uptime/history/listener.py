"""What OctoPrint's events mean for the clocks and the record."""

from __future__ import annotations

import logging
from typing import Any, Callable

from octoprint.events import Events

from ..reader import UptimeReader
from ..why.connection import ConnectionWatch
from ..why.undervoltage import ThrottleStates
from .recorder import Recorder

# An event of Pi Support, which may not be installed.
THROTTLE_STATE = "plugin_pi_support_throttle_state"


class Listener:
    """Handles OctoPrint's events.

    Args:
        reader: Has the printer connection's clock.
        recorder: Records what happened.
        connection_watch: Finds out why the printer connection ends.
        on_connection: Called when the printer connection has started or ended.
        logger: Gets events with an unexpected payload.
    """

    def __init__(
        self,
        reader: UptimeReader,
        recorder: Recorder,
        connection_watch: ConnectionWatch,
        on_connection: Callable[[], None],
        logger: logging.Logger,
    ) -> None:
        self._reader = reader
        self._recorder = recorder
        self._connection_watch = connection_watch
        self._on_connection = on_connection
        self._logger = logger
        self._is_disconnecting = False
        self._throttle_states = ThrottleStates()
        self._handlers: dict[str, Callable[[Any], None]] = {
            Events.CONNECTED: self._connected,
            Events.DISCONNECTING: self._disconnecting,
            Events.DISCONNECTED: self._disconnected,
            Events.ERROR: self._connection_watch.errs,
            Events.E_STOP: self._emergency_stop,
            Events.PRINTER_STATE_CHANGED: self._state_changed,
            Events.PRINT_STARTED: self._print_started,
            Events.PRINT_DONE: lambda payload: self._recorder.print_ended("done"),
            Events.PRINT_CANCELLED: lambda payload: self._recorder.print_ended("cancelled"),
            Events.PRINT_FAILED: self._print_failed,
            THROTTLE_STATE: self._throttle_state,
        }

    def ignore_throttle_states(self) -> None:
        """Ignore Pi Support's events: the kernel reports undervoltage sooner."""
        del self._handlers[THROTTLE_STATE]

    def hear(self, event: str, payload: Any) -> None:
        """Handle an event. Any plugin may fire any event, with any payload."""
        handler = self._handlers.get(event)
        if handler is None:
            return
        try:
            handler(payload)
        except (AttributeError, KeyError, TypeError) as error:
            self._logger.warning("Ignoring a %s event with an unexpected payload: %r", event, error)

    def _connected(self, payload: Any) -> None:
        # OctoPrint 2 connects to more than serial ports.
        port = payload.get("port") or payload.get("connector")
        self._is_disconnecting = False
        self._reader.printer_connected()
        self._recorder.connected(port)
        self._connection_watch.begins(port)
        self._on_connection()

    def _disconnecting(self, payload: Any) -> None:
        self._is_disconnecting = True

    def _disconnected(self, payload: Any) -> None:
        self._reader.printer_disconnected()
        # OctoPrint announces a disconnect only if someone asks for it.
        asked, self._is_disconnecting = self._is_disconnecting, False
        # OctoPrint fires no event for the end of a paused print.
        self._recorder.print_ended("failed")
        explain = self._recorder.disconnected(failed=not asked)
        self._connection_watch.ends(asked, explain)
        self._on_connection()

    def _emergency_stop(self, payload: Any) -> None:
        self._connection_watch.stops()

    def _state_changed(self, payload: Any) -> None:
        self._connection_watch.changes_state(payload["state_id"])

    def _print_started(self, payload: Any) -> None:
        self._recorder.print_started(payload["path"])

    def _print_failed(self, payload: Any) -> None:
        # PrintCancelled came before, and the next print may have started in the meantime.
        if payload.get("reason") != "cancelled":
            self._recorder.print_ended("failed")

    def _throttle_state(self, payload: Any) -> None:
        if self._throttle_states.show_undervoltage(payload):
            self._recorder.undervoltage()
