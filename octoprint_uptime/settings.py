"""The settings: one table, and the one function that makes anything valid."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Union

from .format_uptime import FORMATS


@dataclass(frozen=True)
class Switch:
    """On or off; also as YAML and JavaScript owners write it."""

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
    """A whole number of seconds or days within a range; fractions are cut."""

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


Value = Union[bool, str, int]

SETTINGS: dict[str, Switch | Choice | Interval] = {
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
}
"""Every setting's name, kind, default and range."""


def defaults() -> dict[str, Value]:
    """The settings of an owner who has changed none."""
    return {name: setting.default for name, setting in SETTINGS.items()}


def valid_settings(raw: Any, missing: Mapping[str, Value]) -> tuple[dict[str, Value], list[str]]:
    """Turn anything into valid settings.

    Args:
        raw: Whatever was stored or sent. Unknown names are dropped.
        missing: The values of those that ``raw`` does not name.

    Returns:
        A value for every setting, and one sentence for each that was not taken as it
        was: out of range goes to the nearest bound, unreadable to the default.
    """
    values = dict(missing)
    if not isinstance(raw, Mapping):
        return values, [f"The settings must be a mapping, not {reprlib.repr(raw)}"]
    corrections = []
    for name, setting in SETTINGS.items():
        if name in raw:
            values[name], complaint = setting.valid(raw[name])
            if complaint:
                used = f"{reprlib.repr(raw[name])}, using {values[name]}"
                corrections.append(f"Setting {name} {complaint}, not {used}")
    return values, corrections


def without_defaults(values: Mapping[str, Value]) -> dict[str, Value]:
    """Only what differs from the defaults: all that needs storing."""
    return {name: value for name, value in values.items() if value != SETTINGS[name].default}
