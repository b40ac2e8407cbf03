"""Request parameters and response bodies of the web API."""

from __future__ import annotations

import csv
import functools
import io
import json
import re
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any, Callable, NamedTuple

from flask_babel import get_locale, gettext

from ..format_uptime import FORMATS
from ..history.report import Why
from ..reader import Uptimes
from ..why.words import Words

DEFAULT_DAYS = 30
ENTRIES_AT_ONCE = 50

_PREFIXES = {"host": "", "octoprint": "octoprint_", "printer": "printer_"}


def _text_fields(prefix: str) -> dict[str, Callable[[float], str]]:
    """Map the text fields of one clock to their formatters."""
    return {
        prefix + ("uptime" if name == "full" else f"uptime_{name}"): format_text
        for name, format_text in FORMATS.items()
    }


_FIELDS = [(clock, f"{prefix}seconds", _text_fields(prefix)) for clock, prefix in _PREFIXES.items()]


def uptime_answer(
    uptimes: Uptimes,
    settings: Mapping[str, Any],
    unacknowledged_end: dict[str, Any] | None,
    *,
    with_logs: bool,
) -> dict[str, Any]:
    """Return the body of ``GET /api/plugin/octoprint_uptime``.

    Args:
        uptimes: The current uptimes, from the reader.
        settings: Valid settings.
        unacknowledged_end: The return value of :meth:`Timeline.unacknowledged`.
        with_logs: As in :meth:`Words.why`.

    Returns:
        The fields in ``docs/api.md``, ready for JSON. The caller adds ``error``, which is
        translated.
    """
    answer: dict[str, Any] = {}
    for clock, seconds_field, text_fields in _FIELDS:
        seconds = getattr(uptimes, clock)
        if seconds is None:
            answer.update(dict.fromkeys((seconds_field, *text_fields)))
            continue
        # Rounded before formatting, so that the number and its texts never disagree.
        answer[seconds_field] = seconds = round(seconds, 3)
        for field, format_text in text_fields.items():
            answer[field] = format_text(seconds)
    answer["display_format"] = settings["display_format"]
    answer["poll_interval_seconds"] = settings["poll_interval_seconds"]
    answer["unacknowledged_end"] = None
    if unacknowledged_end and settings["notify_unplanned"]:
        why = json.loads(_why_json(unacknowledged_end["why"], str(get_locale()), with_logs))
        answer["unacknowledged_end"] = {**unacknowledged_end, "why": why}
    answer["uptime_available"] = uptimes.host is not None
    return answer


class BadQueryError(Exception):
    """A request argument is invalid. The message is in the language of the request."""


class HistoryQuery(NamedTuple):
    """The valid arguments of ``GET /plugin/octoprint_uptime/history``."""

    days: int
    format: str

    @classmethod
    def parsed(cls, arguments: Mapping[str, str], most_days: int) -> HistoryQuery:
        """Parse the arguments of a request.

        Args:
            arguments: The query arguments of the request.
            most_days: The retention, in days.

        Raises:
            BadQueryError: An argument is out of range.
        """
        days = arguments.get("days", str(min(DEFAULT_DAYS, most_days)))
        form = arguments.get("format", "json")
        if not re.fullmatch("[0-9]{1,4}", days) or not 1 <= int(days) <= most_days:
            raise BadQueryError(
                gettext("days must be a whole number from 1 to %(most)d.", most=most_days)
            )
        if form not in ("csv", "json"):
            raise BadQueryError(gettext("format must be csv or json."))
        return cls(int(days), form)


def refusal(error: str) -> dict[str, Any]:
    """Return the body of every response whose status is not 200."""
    return {"error": error, "uptime_available": False}


def history_json(answer: dict[str, Any], *, with_logs: bool) -> str:
    """Return the body of ``GET /plugin/octoprint_uptime/history``.

    The body is encoded in pieces. Each encoding is one call into C that stops all other threads
    of OctoPrint, including the printer's.

    Args:
        answer: The return value of ``report.history_answer``.
        with_logs: As in :meth:`Words.why`.
    """
    asker = (str(get_locale()), with_logs)

    def encoded(value: Any) -> str:
        if not isinstance(value, list):
            return _ENCODE(value)
        starts = range(0, len(value), ENTRIES_AT_ONCE)
        pieces = (value[start : start + ENTRIES_AT_ONCE] for start in starts)
        return f"[{','.join(_encoded_entries(piece, *asker) for piece in pieces)}]"

    fields = ",".join(f"{_ENCODE(name)}:{encoded(value)}" for name, value in answer.items())
    return f"{{{fields}}}"


_ENCODE = json.JSONEncoder(separators=(",", ":")).encode
_NO_WHY = '"why":null'


def _encoded_entries(entries: list[dict[str, Any]], language: str, with_logs: bool) -> str:
    if "why" not in entries[0]:
        return _ENCODE(entries)[1:-1]
    text = _ENCODE([{**entry, "why": None} for entry in entries])[1:-1]
    # Inside a text the quotes would be escaped, so this matches the field alone.
    first, *others = text.split(_NO_WHY)
    whys = (
        _why_json(entry["why"], language, with_logs) if entry["why"] else "null"
        for entry in entries
    )
    return first + "".join(f'"why":{why}{other}' for why, other in zip(whys, others))


@functools.lru_cache(maxsize=4096)
def _why_json(why: Why, language: str, with_logs: bool) -> str:
    """Return the field ``why`` in ``language``, the language of the request.

    Cached, because the facts about an end no longer change, and the verdict takes longer to
    encode than the rest of an entry.
    """
    told = _ENCODE(_words(language).why(why.subject, why.end, why.verdict, with_logs=with_logs))
    # There are vital signs of the host and OctoPrint, but not of the printer.
    if why.subject == "printer":
        return told
    return f'{told[:-1]},"vitals":{why.vitals or "[]"}}}'


@functools.lru_cache(maxsize=16)
def _words(language: str) -> Words:
    return Words()


CSV_COLUMNS = (
    "started_at_utc",
    "ended_at_utc",
    "seconds",
    "end",
    "end_exact",
    "downtime_seconds",
    "interrupted_print",
    "undervoltage",
    "octoprint_version",
    "reason",
    "grade",
    "stopped_at_percent",
    "stopped_at_z_mm",
)


def history_csv(answer: dict[str, Any]) -> str:
    """Return the runs of OctoPrint in ``answer`` as CSV for a spreadsheet. Times are in UTC."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(CSV_COLUMNS)
    for run in answer["octoprint"]:
        verdict = run["why"].verdict if run["why"] else None
        stopped_at = run["stopped_at"] or {}
        cells = {
            **run,
            "started_at_utc": _utc(run["started_at"]),
            "ended_at_utc": _utc(run["ended_at"]),
            "reason": verdict.reason if verdict else "",
            "grade": verdict.grade if verdict else "",
            "stopped_at_percent": stopped_at.get("percent"),
            "stopped_at_z_mm": stopped_at.get("z_mm"),
        }
        writer.writerow([_defused(cells[column]) for column in CSV_COLUMNS])
    return text.getvalue()


def _utc(unix_time: float | None) -> str:
    if unix_time is None:
        return ""
    return datetime.fromtimestamp(unix_time, timezone.utc).strftime("%Y-%m-%d %H:%M:%S")


def _defused(cell: Any) -> Any:
    """Escape texts that spreadsheets would run as formulas."""
    if isinstance(cell, str) and cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n")):
        return "'" + cell
    return cell
