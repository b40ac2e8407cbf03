"""The settings: one table, and the one function that makes anything valid."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Dict, List, Tuple, Union

from .format_uptime import FORMATS


class Unreadable(ValueError):
    """A value that cannot be understood as the setting's kind."""


@dataclass(frozen=True)
class Switch:
    """On or off; also as YAML and JavaScript owners write it."""

    default: bool

    def read(self, raw: Any) -> bool:
        text = str(raw).strip().lower()
        if text in ("true", "yes", "on", "1"):
            return True
        if text in ("false", "no", "off", "0"):
            return False
        raise Unreadable


@dataclass(frozen=True)
class Choice:
    """One of a few words."""

    default: str
    options: Tuple[str, ...]

    def read(self, raw: Any) -> str:
        if raw not in self.options:
            raise Unreadable
        return raw


@dataclass(frozen=True)
class Interval:
    """A whole number of seconds; fractions are cut."""

    default: int
    minimum: int
    maximum: int

    def read(self, raw: Any) -> int:
        if isinstance(raw, bool) or not isinstance(raw, (int, float, str)):
            raise Unreadable
        try:
            return math.trunc(float(raw)) if isinstance(raw, str) else math.trunc(raw)
        except (ValueError, OverflowError):
            raise Unreadable from None

    def nearest(self, seconds: int) -> int:
        """The value within the range that is nearest to ``seconds``."""
        return min(max(seconds, self.minimum), self.maximum)


Setting = Union[Switch, Choice, Interval]
Value = Union[bool, str, int]

SETTINGS: Dict[str, Setting] = {
    "show_system_uptime": Switch(True),
    "show_octoprint_uptime": Switch(True),
    "show_printer_uptime": Switch(False),
    "display_format": Choice("full", tuple(FORMATS)),
    "compact_display": Switch(False),
    "compact_toggle_interval_seconds": Interval(5, 5, 60),
    "poll_interval_seconds": Interval(60, 1, 120),
}
"""Every setting's name, kind, default and range."""


def defaults() -> Dict[str, Value]:
    """The settings of an owner who has changed none."""
    return {name: setting.default for name, setting in SETTINGS.items()}


def valid_settings(raw: Any) -> Tuple[Dict[str, Value], List[str]]:
    """Turn anything into valid settings.

    Args:
        raw: Whatever was stored or sent. Names that are missing get their default;
            unknown names are dropped.

    Returns:
        A value for every setting, and one sentence for each that was not taken as it
        was: out of range goes to the nearest bound, unreadable to the default.
    """
    if not isinstance(raw, Mapping):
        return defaults(), [f"The settings are no mapping: {_shown(raw)}, using the defaults"]
    values = defaults()
    corrections: List[str] = []
    for name, setting in SETTINGS.items():
        if name not in raw:
            continue
        try:
            value = setting.read(raw[name])
        except Unreadable:
            corrections.append(
                f"Setting {name} cannot be {_shown(raw[name])}, using the default {setting.default}"
            )
            continue
        if isinstance(setting, Interval):
            nearest = setting.nearest(value)
            if nearest != value:
                corrections.append(
                    f"Setting {name} must be from {setting.minimum} to {setting.maximum},"
                    f" not {_shown(raw[name])}, using {nearest}"
                )
            value = nearest
        values[name] = value
    return values, corrections


def without_defaults(values: Mapping) -> Dict[str, Value]:
    """Only what differs from the defaults: all that needs storing."""
    return {name: value for name, value in values.items() if value != SETTINGS[name].default}


def _shown(raw: Any) -> str:
    """A value as the log may show it: on one line and short."""
    text = repr(raw)
    return text if len(text) <= 80 else text[:77] + "..."
