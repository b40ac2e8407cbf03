"""Home Assistant's MQTT discovery: a device that needs no configuration in Home Assistant.

All texts are in English, like the names of the entities: Home Assistant does not translate the
texts of a device.
"""

from __future__ import annotations

import ipaddress
import logging
import re
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any, Callable, NamedTuple
from urllib.parse import quote

from ..history.ends import ENDS, UNPLANNED_ENDS
from ..history.record import EARLIEST_UNIX_TIME
from ..history.report import Timeline, Why
from ..reader import Uptimes
from ..why.words import Words
from .identity import Identity
from .mqtt import CONNECTED, DISCONNECTED, GONE, Message, OctoPrintMqtt
from .start_times import StartTimes

LONGEST_STATE = 255
"""Home Assistant rejects longer states, but not longer attributes."""


class Told(NamedTuple):
    """The facts that the messages are made from.

    Attributes:
        last_end: The return value of :meth:`Timeline.previous_end`.
        why: Why the previous run ended; ``None`` if no previous run is known.
        undervoltage: Whether undervoltage was seen during this run.
    """

    last_end: dict[str, Any]
    why: Why | None
    undervoltage: bool

    @classmethod
    def by(cls, timeline: Timeline) -> Told:
        return cls(timeline.previous_end(), timeline.previous_why(), timeline.has_undervoltage())


class Device(NamedTuple):
    """The device that the entities belong to.

    Attributes:
        name: OctoPrint's name in the settings, section *Appearance*; may be empty.
        octoprint_version: The version of OctoPrint.
        plugin_version: The version of this plugin.
        board: The model of the board; ``None`` if unknown.
        address: The URL of OctoPrint's page; ``None`` if unknown.
    """

    name: str
    octoprint_version: str
    plugin_version: str
    board: str | None
    address: str | None


class HomeAssistant:
    """Makes the retained messages for Home Assistant.

    Args:
        mqtt: The plugin OctoPrint-MQTT.
        identity: The identity of the device.
        device: Returns everything else about the device; called for each message.
        uptimes: Returns the current uptimes.
        logger: Logs once that there is no identity.
    """

    def __init__(
        self,
        mqtt: OctoPrintMqtt,
        identity: Identity,
        device: Callable[[], Device],
        uptimes: Callable[[], Uptimes],
        logger: logging.Logger,
    ) -> None:
        self._mqtt = mqtt
        self._identity = identity
        self._device = device
        self._uptimes = uptimes
        self._logger = logger
        self._states = States()
        self._lacks_identity = False

    def messages(self, told: Told, *, wanted: bool, prefix: str) -> dict[str, Message]:
        """Return the messages to retain, by topic.

        Do not call this within a request: the texts would be in the language of the request.

        Args:
            told: The facts from the history.
            wanted: Whether Home Assistant is enabled in the settings. If not, the messages remove
                what an earlier run may have left.
            prefix: The prefix of the topics of Home Assistant's discovery.
        """
        try:
            unique_id = f"octoprint_uptime_{self._identity.id}"
        except OSError as error:
            if not self._lacks_identity:
                self._logger.warning("Could not announce this printer to Home Assistant: %s", error)
            self._lacks_identity = True
            return {}
        config = f"{prefix}/device/{unique_id}/config"
        # The topic contains the identity because two printers may share a base topic.
        states = self._mqtt.topic(f"plugin/octoprint_uptime/{self._identity.id}/state")
        if not wanted:
            return {config: GONE, states: GONE}
        return {
            config: discovery_message(unique_id, self._device(), states, self._mqtt.last_will()),
            states: self._states.message(told, self._uptimes()),
        }


def discovery_message(
    unique_id: str, device: Device, states: str, last_will: str | None
) -> Message:
    """Return the message that describes the device and its entities.

    Args:
        unique_id: The id of the device, and the prefix of the entities' ids.
        device: Everything else about the device.
        states: The topic of the message from :meth:`States.message`.
        last_will: The topic of OctoPrint-MQTT's last will; ``None`` if none is retained.
    """
    about = {
        "identifiers": [unique_id],
        "name": device.name or "OctoPrint",
        "manufacturer": "OctoPrint",
        "model": "Print server",
        "sw_version": device.octoprint_version,
        "hw_version": device.board,
        "configuration_url": device.address,
    }
    message: dict[str, Any] = {
        "device": {name: value for name, value in about.items() if value is not None},
        "origin": {"name": "OctoPrint-Uptime", "sw_version": device.plugin_version},
        "state_topic": states,
        "components": {
            name: {
                "unique_id": f"{unique_id}_{name}",
                "value_template": f"{{{{ value_json.states.{name} }}}}",
                **entity,
                **_attributes(name, states),
            }
            for name, entity in ENTITIES.items()
        },
    }
    if last_will is not None:
        message["availability"] = [
            {
                "topic": last_will,
                "payload_available": CONNECTED,
                "payload_not_available": DISCONNECTED,
            }
        ]
    return message


def _attributes(name: str, states: str) -> dict[str, str]:
    if name not in WITH_ATTRIBUTES:
        return {}
    return {
        "json_attributes_topic": states,
        "json_attributes_template": f"{{{{ value_json.attributes.{name} | tojson }}}}",
    }


_TIMESTAMP = {"platform": "sensor", "device_class": "timestamp"}
_PROBLEM = {"platform": "binary_sensor", "device_class": "problem"}
_DIAGNOSTIC = {"entity_category": "diagnostic"}

ENTITIES: dict[str, dict[str, Any]] = {
    "last_end": {
        "platform": "sensor",
        "device_class": "enum",
        "options": list(ENDS["octoprint"]),
        "name": "Last outage",
        "icon": "mdi:restart-alert",
    },
    "unplanned": {**_PROBLEM, "name": "Unplanned outage"},
    "why": {
        "platform": "sensor",
        "name": "Reason for last outage",
        "icon": "mdi:head-question-outline",
    },
    "ended_at": {**_TIMESTAMP, "name": "Start of last outage"},
    "downtime": {
        "platform": "sensor",
        "device_class": "duration",
        "unit_of_measurement": "s",
        "suggested_display_precision": 0,
        "name": "Downtime",
    },
    "interrupted_print": {
        "platform": "sensor",
        "name": "Interrupted print",
        "icon": "mdi:printer-3d-nozzle-alert",
    },
    "host_started": {**_TIMESTAMP, **_DIAGNOSTIC, "name": "Host started"},
    "octoprint_started": {**_TIMESTAMP, **_DIAGNOSTIC, "name": "OctoPrint started"},
    "printer_connected": {**_TIMESTAMP, **_DIAGNOSTIC, "name": "Printer connected"},
    "undervoltage": {**_PROBLEM, **_DIAGNOSTIC, "name": "Undervoltage"},
}
"""The entities of the device, by their names in the state message."""

WITH_ATTRIBUTES = ("last_end", "why", "interrupted_print")


class States:
    """Makes the messages with the states of the entities."""

    def __init__(self, start_times: StartTimes | None = None) -> None:
        self._start_times = start_times or StartTimes()
        self._words = Words()

    def message(self, told: Told, uptimes: Uptimes) -> Message:
        """Return the current states. The message stays the same while nothing changes.

        Do not call this within a request: the texts would be in the language of the request.
        """
        end = told.last_end
        why = self._why(told.why)
        file = end["interrupted_print"]
        return {
            "states": {
                "last_end": end["previous_end"],
                "unplanned": _on(end["previous_end"] in UNPLANNED_ENDS),
                "why": _short(why.get("text")),
                "ended_at": _moment(end["previous_ended_at"]),
                "downtime": end["downtime_seconds"],
                "interrupted_print": _short(file),
                "host_started": self._started("host", uptimes),
                "octoprint_started": self._started("octoprint", uptimes),
                "printer_connected": self._started("printer", uptimes),
                "undervoltage": _on(told.undervoltage),
            },
            "attributes": {
                "last_end": end,
                "why": why,
                "interrupted_print": {"file": file},
            },
        }

    def _why(self, why: Why | None) -> dict[str, Any]:
        if why is None:
            return {}
        # Readers at the broker are not necessarily admins of OctoPrint.
        return self._words.why(why.subject, why.end, why.verdict, with_logs=False)

    def _started(self, clock: str, uptimes: Uptimes) -> str | None:
        uptime = getattr(uptimes, clock)
        started = self._start_times.of(clock, uptime)
        if started is None or started + uptime < EARLIEST_UNIX_TIME:  # the clock is not set yet
            return None
        return _moment(started)


def _on(is_on: bool) -> str:
    return "ON" if is_on else "OFF"


def _short(text: str | None) -> str | None:
    if text is None or len(text) <= LONGEST_STATE:
        return text
    return text[: LONGEST_STATE - 1] + "…"


def _moment(unix_time: float | None) -> str | None:
    """Format a Unix time as ISO 8601, in whole seconds."""
    if unix_time is None:
        return None
    return datetime.fromtimestamp(round(unix_time), timezone.utc).isoformat()


def address(host: str, port: int, hostname: str, public: Mapping[str, Any]) -> str | None:
    """Return the URL of OctoPrint's page for browsers on other hosts.

    Args:
        host: The address that OctoPrint listens on.
        port: The port that OctoPrint listens on.
        hostname: The name of the host.
        public: The settings ``publicHost``, ``publicPort`` and ``pathPrefix`` of OctoPrint's
            bundled plugin *Discovery*. They say how OctoPrint is reached from other hosts.

    Returns:
        ``None`` if OctoPrint listens on loopback only, such as behind a proxy, and *Discovery*
        is not configured for the proxy.
    """
    port_outside = str(public.get("publicPort") or port)
    name = str(public.get("publicHost") or _name_outside(host, hostname, public) or "")
    # Home Assistant rejects the whole device if the address is invalid.
    if not re.fullmatch(r"[\w.:-]+", name, re.ASCII) or not port_outside.isdecimal():
        return None
    name = f"[{name}]" if ":" in name else name
    scheme = "https" if port_outside == "443" else "http"
    netloc = name if port_outside in ("80", "443") else f"{name}:{port_outside}"
    path = quote(str(public.get("pathPrefix") or "").strip("/"))
    return f"{scheme}://{netloc}/{path}"


def _name_outside(host: str, hostname: str, public: Mapping[str, Any]) -> str | None:
    try:
        listens_on = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        return host
    if listens_on.is_loopback and not public.get("publicPort"):
        return None
    if listens_on.is_loopback or listens_on.is_unspecified:
        # OctoPrint and avahi announce this name.
        return hostname if "." in hostname else f"{hostname}.local"
    return host
