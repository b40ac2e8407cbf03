"""The settings: one table, and the function that makes any input valid."""

from __future__ import annotations

import math
import reprlib
import string
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Union
from urllib.parse import urlsplit

from .format_uptime import FORMATS


@dataclass(frozen=True)
class Switch:
    """On or off, in any spelling of YAML or JavaScript."""

    default: bool

    def valid(self, raw: Any) -> tuple[bool, str]:
        if raw in (True, False):
            return bool(raw), ""
        text = raw.strip().lower() if isinstance(raw, str) else ""
        if text in ("true", "yes", "on", "1"):
            return True, ""
        if text in ("false", "no", "off", "0"):
            return False, ""
        return self.default, "must be true or false"


@dataclass(frozen=True)
class Choice:
    """One of a few words."""

    default: str
    options: tuple[str, ...]

    def valid(self, raw: Any) -> tuple[str, str]:
        if isinstance(raw, str) and raw in self.options:
            return raw, ""
        return self.default, f"must be one of {', '.join(self.options)}"


@dataclass(frozen=True)
class Interval:
    """A whole number of seconds or days within a range; fractions are cut off."""

    default: int
    minimum: int
    maximum: int
    unit: str = "seconds"

    def valid(self, raw: Any) -> tuple[int, str]:
        complaint = f"must be a number of {self.unit} from {self.minimum} to {self.maximum}"
        if isinstance(raw, bool) or not isinstance(raw, (int, float, str)):
            return self.default, complaint
        try:
            number = math.trunc(float(raw) if isinstance(raw, str) else raw)
        except (ValueError, OverflowError):
            return self.default, complaint
        nearest = min(max(number, self.minimum), self.maximum)
        return nearest, "" if nearest == number else complaint


MAX_CHARACTERS = 2000


@dataclass(frozen=True)
class Address:
    """An address for requests, or empty. It is a secret, so no error repeats it."""

    default: str = ""

    def valid(self, raw: Any) -> tuple[str, str]:
        text = raw.strip() if isinstance(raw, str) else None
        if text is not None and (not text or _is_address(text)):
            return text, ""
        return self.default, "must be empty or an address with http:// or https:// and a host"


def _is_address(text: str) -> bool:
    if len(text) > MAX_CHARACTERS or not text.isprintable() or " " in text:
        return False
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


@dataclass(frozen=True)
class TopicPrefix:
    """A prefix of MQTT topics, without wildcards or a slash at the beginning or end."""

    default: str
    most: int = 200

    def valid(self, raw: Any) -> tuple[str, str]:
        complaint = (
            f"must have at most {self.most} characters, no # or +,"
            " and no slash at the beginning or end"
        )
        if not isinstance(raw, str):
            return self.default, complaint
        bare = raw.strip("/" + string.whitespace)
        is_topic = bare.isprintable() and not set("#+") & set(bare)
        if not is_topic or not 0 < len(bare) <= self.most:
            return self.default, complaint
        return bare, "" if bare == raw.strip() else complaint


Value = Union[bool, str, int]

SETTINGS: dict[str, Switch | Choice | Interval | Address | TopicPrefix] = {
    "show_system_uptime": Switch(True),
    "show_octoprint_uptime": Switch(True),
    "show_printer_uptime": Switch(False),
    "display_format": Choice("full", tuple(FORMATS)),
    "compact_display": Switch(False),
    "compact_toggle_interval_seconds": Interval(5, 5, 60),
    "poll_interval_seconds": Interval(60, 1, 120),
    "notify_unplanned": Switch(True),
    "heartbeat_seconds": Interval(60, 10, 600),
    "history_days": Interval(90, 7, 3650, unit="days"),
    "witness": Switch(True),
    "ping_url": Address(),
    "ping_style": Choice("auto", ("auto", "healthchecks", "uptime_kuma", "plain")),
    "ping_interval_seconds": Interval(60, 30, 3600),
    "home_assistant": Switch(True),
    "home_assistant_prefix": TopicPrefix("homeassistant"),
}
"""Every setting's name, kind, default and range."""


def defaults() -> dict[str, Value]:
    """The default of every setting."""
    return {name: setting.default for name, setting in SETTINGS.items()}


def valid_settings(raw: Any, missing: Mapping[str, Value]) -> tuple[dict[str, Value], list[str]]:
    """Turn any input into valid settings.

    Args:
        raw: What was stored or sent. Unknown names are dropped.
        missing: The values of the settings that ``raw`` lacks.

    Returns:
        A value for every setting, and one sentence for each correction. A number out of range
        becomes the nearest bound, any other invalid value the default; an invalid address
        changes nothing.
    """
    values = dict(missing)
    if not isinstance(raw, Mapping):
        return values, [f"The settings must be a mapping, not {type(raw).__name__}"]
    corrections = []
    for name, setting in SETTINGS.items():
        if name in raw:
            value, complaint = setting.valid(raw[name])
            if complaint and isinstance(setting, Address):
                # A mistyped address must not replace the old one: that would end its alarm.
                corrections.append(f"Setting {name} {complaint}; ignoring it")
                continue
            values[name] = value
            if complaint:
                used = f"{reprlib.repr(raw[name])}; using {values[name]}"
                corrections.append(f"Setting {name} {complaint}, not {used}")
    return values, corrections


def invalid_addresses(raw: Any) -> dict[str, Any]:
    """The addresses that were stored although they are invalid."""
    if not isinstance(raw, Mapping):
        return {}
    return {
        name: raw[name]
        for name, setting in SETTINGS.items()
        if isinstance(setting, Address) and name in raw and setting.valid(raw[name])[1]
    }


def without_defaults(values: Mapping[str, Value]) -> dict[str, Value]:
    """The settings that differ from their defaults, which are all that is stored."""
    return {name: value for name, value in values.items() if value != SETTINGS[name].default}


def restricted_paths() -> list[list[Any]]:
    """The secret settings in OctoPrint's form, with the value that others see instead."""
    return [[(name, s.default)] for name, s in SETTINGS.items() if isinstance(s, Address)]
