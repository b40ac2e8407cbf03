"""The last end for MQTT: retained by the broker, by way of the plugin OctoPrint-MQTT."""

from __future__ import annotations

import logging
from typing import Any, Callable

TOPIC = "plugin/octoprint_uptime/last_end"
DEFAULT_BASE_TOPIC = "octoPrint/"
"""OctoPrint-MQTT's own."""

Publish = Callable[..., Any]


class LastEnd:
    """Leaves the last end at the broker, below OctoPrint-MQTT's base topic.

    As a retained message of its own, not only as an event: OctoPrint-MQTT drops the events
    of a start at which it has not reached its broker yet. For one thread.

    Args:
        helper: OctoPrint-MQTT's ``mqtt_publish``; ``None`` where that plugin is not.
        base_topic: The one in OctoPrint-MQTT's settings; ``None`` if no one has changed it.
        logger: Where it is told that OctoPrint-MQTT failed.
    """

    def __init__(
        self,
        helper: Callable[[], Publish | None],
        base_topic: Callable[[], str | None],
        logger: logging.Logger,
    ) -> None:
        self._helper = helper
        self._base_topic = base_topic
        self._logger = logger
        self._payload: dict[str, Any] | None = None
        self._topic = ""

    def publish(self, payload: dict[str, Any]) -> None:
        """Have it published as soon as OctoPrint-MQTT has reached its broker."""
        self._payload = payload
        self._topic = self._topic_now()
        self._hand_over(self._topic, payload)

    def follow_base_topic(self) -> None:
        """Move the message if the base topic has been changed since it was published."""
        topic = self._topic_now()
        if self._payload is None or topic == self._topic:
            return
        self._hand_over(self._topic, "")  # what is empty takes a retained message away
        self.publish(self._payload)

    def _topic_now(self) -> str:
        base = self._base_topic()
        return f"{DEFAULT_BASE_TOPIC if base is None else base}{TOPIC}"

    def _hand_over(self, topic: str, payload: dict[str, Any] | str) -> None:
        publish = self._helper()
        if publish is None:
            return
        try:
            publish(topic, payload, retained=True, allow_queueing=True)
        except Exception:  # whatever another plugin raises must not cost the history
            self._logger.exception("OctoPrint-MQTT did not take the last end")
