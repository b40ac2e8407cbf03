"""What the API answers, made from the reader's numbers and the settings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Callable

from .format_uptime import FORMATS
from .reader import Uptimes

ENTRIES_AT_ONCE = 50

_PREFIXES = {"host": "", "octoprint": "octoprint_", "printer": "printer_"}


def _text_fields(prefix: str) -> dict[str, Callable[[float], str]]:
    """The fields of one clock that are texts, each with what makes it."""
    return {
        prefix + ("uptime" if name == "full" else f"uptime_{name}"): format_text
        for name, format_text in FORMATS.items()
    }


_FIELDS = [(clock, f"{prefix}seconds", _text_fields(prefix)) for clock, prefix in _PREFIXES.items()]


def uptime_answer(
    uptimes: Uptimes, settings: Mapping[str, Any], unacknowledged_end: dict[str, Any] | None
) -> dict[str, Any]:
    """The body of ``GET /api/plugin/octoprint_uptime``.

    Args:
        uptimes: What the reader knows.
        settings: Valid settings.
        unacknowledged_end: What :meth:`report.Timeline.unacknowledged` tells.

    Returns:
        The fields that ``docs/api.md`` lists, ready for JSON, but for ``error``: that
        is a sentence for people, and so in their language.
    """
    answer: dict[str, Any] = {}
    for clock, seconds_field, text_fields in _FIELDS:
        seconds = getattr(uptimes, clock)
        if seconds is None:
            answer.update(dict.fromkeys((seconds_field, *text_fields)))
            continue
        # Rounded first, so that the number and its texts never disagree.
        answer[seconds_field] = seconds = round(seconds, 3)
        for field, format_text in text_fields.items():
            answer[field] = format_text(seconds)
    answer["display_format"] = settings["display_format"]
    answer["poll_interval_seconds"] = settings["poll_interval_seconds"]
    answer["unacknowledged_end"] = unacknowledged_end if settings["notify_unplanned"] else None
    answer["uptime_available"] = uptimes.host is not None
    return answer


def refusal(error: str) -> dict[str, Any]:
    """The body of every answer that is not 200."""
    return {"error": error, "uptime_available": False}


def history_json(answer: dict[str, Any]) -> str:
    """The body of ``GET /plugin/octoprint_uptime/history`` from ``report.history_answer``.

    In pieces: encoding is one call into C, and while that lasts no other thread of
    OctoPrint goes on, the printer's included.
    """
    encode = json.JSONEncoder(separators=(",", ":")).encode

    def encoded(value: Any) -> str:
        if not isinstance(value, list):
            return encode(value)
        starts = range(0, len(value), ENTRIES_AT_ONCE)
        pieces = (encode(value[start : start + ENTRIES_AT_ONCE])[1:-1] for start in starts)
        return f"[{','.join(pieces)}]"

    fields = ",".join(f"{encode(name)}:{encoded(value)}" for name, value in answer.items())
    return f"{{{fields}}}"
