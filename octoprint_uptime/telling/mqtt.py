"""Retained MQTT messages, published through the plugin OctoPrint-MQTT."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from typing import Any, Callable

LAST_END = "plugin/octoprint_uptime/last_end"
"""The topic for the end of the previous run, below the base topic."""

CONNECTED, DISCONNECTED = "connected", "disconnected"
"""The payloads of OctoPrint-MQTT for its connection to the broker."""

_DEFAULTS = {
    ("publish", "baseTopic"): "octoPrint/",
    ("publish", "lwTopic"): "mqtt",
    ("publish", "lwActive"): True,
    ("broker", "lwRetain"): True,
    ("broker", "retain"): True,
}
"""The defaults of OctoPrint-MQTT's settings."""
_SECTIONS = ("broker", "client", "publish")
"""The sections of OctoPrint-MQTT's settings that can make it reconnect."""

RECONNECT_SECONDS = 10.0
"""How long OctoPrint-MQTT may take to reconnect after its settings have changed."""

Message = Mapping[str, Any]
GONE: Message = {}
"""Removes a retained message."""

Helper = Callable[..., Any]


class OctoPrintMqtt:
    """The plugin OctoPrint-MQTT, which may be missing. Not thread-safe.

    Args:
        helpers: Returns the helpers of OctoPrint-MQTT by name; ``None`` if it is missing.
        setting: Returns OctoPrint-MQTT's setting at a path; ``None`` if it is not set.
        logger: Logs once that a message could not be published.
    """

    def __init__(
        self,
        helpers: Callable[[], Mapping[str, Helper] | None],
        setting: Callable[[list[str]], Any],
        logger: logging.Logger,
    ) -> None:
        self._helpers = helpers
        self._setting = setting
        self._logger = logger
        self._is_failing = False
        self._on_connection: Callable[[], None]
        self._listens_to: str | None = None
        self._settings: list[Any] | None = None

    def is_there(self) -> bool:
        return bool(self._helpers())

    def topic(self, below: str) -> str:
        """Return a topic below the base topic."""
        return f"{self._set('publish', 'baseTopic')}{below}"

    def last_will(self) -> str | None:
        """Return the topic that retains :data:`CONNECTED` or :data:`DISCONNECTED`, if any."""
        below = self._set("publish", "lwTopic")
        is_kept = self._set("publish", "lwActive") and self._set("broker", "lwRetain")
        return self.topic(below) if below and is_kept else None

    def publish(self, topic: str, message: Message) -> bool:
        """Publish a retained message, now or on the next connection to the broker.

        Returns:
            ``False`` if OctoPrint-MQTT failed, or if the message has to wait and will not be
            retained then. OctoPrint-MQTT's setting *retain* decides that.
        """

        def hand_over(helper: Helper) -> bool:
            if helper(topic, message or "", retained=True):
                return True
            helper(topic, message or "", retained=True, allow_queueing=True)
            return bool(self._set("broker", "retain"))

        return self._call("mqtt_publish", hand_over) is not False

    def listen(self, on_connection: Callable[[], None], on_reconnect: Callable[[], None]) -> None:
        """Listen for connections to the broker. Call this again when settings may have changed.

        Args:
            on_connection: Called on another thread when the broker has been reached, also for an
                existing connection. Without a retained last will, connections go unnoticed; then
                it is called some seconds after a change of OctoPrint-MQTT's settings.
            on_reconnect: Called at once if such a change may make OctoPrint-MQTT reconnect.
        """
        self._on_connection = on_connection
        topic = self.last_will()
        if self._has_other_settings():
            on_reconnect()
            if topic is None:
                self._report_a_connection_later()
        if topic == self._listens_to:
            return
        if self._listens_to is not None:
            self._call("mqtt_unsubscribe", lambda helper: helper(self._hear))
        self._listens_to = None
        if (
            topic is not None
            and self._call("mqtt_subscribe", self._subscribe_to(topic)) is not False
        ):
            self._listens_to = topic

    def _has_other_settings(self) -> bool:
        before, self._settings = self._settings, [self._setting([name]) for name in _SECTIONS]
        return before is not None and before != self._settings

    def _report_a_connection_later(self) -> None:
        timer = threading.Timer(RECONNECT_SECONDS, self._on_connection)
        timer.daemon = True
        timer.start()

    def _subscribe_to(self, topic: str) -> Callable[[Helper], Any]:
        return lambda helper: helper(topic, self._hear)

    def _hear(self, topic: str, payload: bytes, **_: Any) -> None:
        if payload == CONNECTED.encode():
            self._on_connection()

    def _set(self, *path: str) -> Any:
        value = self._setting(list(path))
        return _DEFAULTS[path] if value is None else value  # type: ignore[index]

    def _call(self, name: str, call: Callable[[Helper], Any]) -> Any:
        helper = (self._helpers() or {}).get(name)
        if helper is None:
            return None
        try:
            result = call(helper)
        except Exception:  # an error of another plugin must not stop the history
            if not self._is_failing:
                self._logger.exception("Could not publish through OctoPrint-MQTT")
            self._is_failing = True
            return False
        self._is_failing = False
        return result


class Retained:
    """The messages that the broker should retain. Not thread-safe.

    Events alone are not enough: at a start, OctoPrint-MQTT drops them until it has reached its
    broker.
    """

    def __init__(self, mqtt: OctoPrintMqtt) -> None:
        self._mqtt = mqtt
        self._messages: dict[str, Message] = {}
        self._first_carries_all = True

    def keep(self, messages: Mapping[str, Message]) -> None:
        """Retain exactly these messages, by topic. Only changes are published."""
        wanted = {**dict.fromkeys(self._messages, GONE), **messages}
        for topic, message in wanted.items():
            if message != self._messages.get(topic):
                self._publish(topic, message)
        self._messages = wanted

    def expect_losses(self) -> None:
        """Publish everything again at the next connection.

        While OctoPrint-MQTT reconnects, what is published is lost, and the next broker may be
        another one.
        """
        self._first_carries_all = False

    def broker_reached(self) -> None:
        """Publish everything again: the broker may be a new one, or may have lost its messages.

        The first call reports the connection that has already carried the messages. It publishes
        again only if some may not have been retained then.
        """
        if not self._first_carries_all:
            for topic, message in self._messages.items():
                self._publish(topic, message)
        self._first_carries_all = False

    def _publish(self, topic: str, message: Message) -> None:
        if not self._mqtt.publish(topic, message):
            self._first_carries_all = False
