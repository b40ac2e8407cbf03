"""What the API answers, made from the reader's numbers and the settings."""

from __future__ import annotations

from typing import Any, Dict, Mapping, Optional

from .format_uptime import FORMATS
from .reader import Uptimes

_TEXT_FIELDS = {
    "uptime" if name == "full" else f"uptime_{name}": format_text
    for name, format_text in FORMATS.items()
}


def uptime_answer(uptimes: Uptimes, settings: Mapping[str, Any]) -> Dict[str, Any]:
    """The body of ``GET /api/plugin/octoprint_uptime``.

    Args:
        uptimes: What the reader knows.
        settings: Valid settings.

    Returns:
        The fields that ``docs/api.md`` lists, ready for JSON, but for ``error``: that
        is a sentence for people, and so in their language.
    """
    answer: Dict[str, Any] = {}
    for prefix, seconds in (
        ("", uptimes.host),
        ("octoprint_", uptimes.octoprint),
        ("printer_", uptimes.printer),
    ):
        answer.update(_fields(prefix, seconds))
    answer["display_format"] = settings["display_format"]
    answer["poll_interval_seconds"] = settings["poll_interval_seconds"]
    answer["uptime_available"] = uptimes.host is not None
    return answer


def refusal(error: str) -> Dict[str, Any]:
    """The body for someone who may not see the uptimes."""
    return {"error": error, "uptime_available": False}


def _fields(prefix: str, seconds: Optional[float]) -> Dict[str, Any]:
    if seconds is None:
        return {f"{prefix}{field}": None for field in ("seconds", *_TEXT_FIELDS)}
    # Rounded first, so that the number and its texts never disagree.
    seconds = round(seconds, 3)
    return {
        f"{prefix}seconds": seconds,
        **{f"{prefix}{field}": to_text(seconds) for field, to_text in _TEXT_FIELDS.items()},
    }
