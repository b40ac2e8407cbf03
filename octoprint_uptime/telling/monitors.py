"""The requests that monitors expect and the meaning of their answers, without I/O.

There are three styles: healthchecks (healthchecks.io or a self-hosted server), a push monitor of
Uptime Kuma, and any address that accepts a plain GET.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

START = "start"
HEARTBEAT = "heartbeat"
UNPLANNED = "unplanned"
GOODBYE = "goodbye"

HEALTHCHECKS = "healthchecks"
UPTIME_KUMA = "uptime_kuma"
PLAIN = "plain"

BODY_LIMIT_HEADER = "ping-body-limit"
DEFAULT_BODY_LIMIT = 10_000
"""How many bytes of a body healthchecks keeps, unless its administrator changed that."""
MAX_MESSAGE_CHARACTERS = 400
"""The message is part of the address, and proxies reject long addresses."""

_HEALTHCHECKS_PATHS = {START: "/start", HEARTBEAT: "", UNPLANNED: "/fail", GOODBYE: "/log"}
_HEALTHCHECKS_ANSWERS = (b"OK", b"Created")
_UPTIME_KUMA_STATUS = {HEARTBEAT: "up", UNPLANNED: "down"}

_UUID = "[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"
_HEALTHCHECKS_HOST = "hc-ping.com"
_HEALTHCHECKS_PATH = re.compile(
    rf"/ping/(?:{_UUID}|[\w-]{{20,}}/[\w.~%-]+)$|/{_UUID}$", re.IGNORECASE
)
_UPTIME_KUMA_PATH = re.compile(r"/api/push/[\w-]+$")

OK_STATUS, REFUSED_STATUS = range(200, 300), range(400, 500)
NOT_FOUND, CONFLICT, TOO_MANY = 404, 409, 429


@dataclass(frozen=True)
class Monitor:
    """A monitor to ping.

    Attributes:
        url: The address of the monitor, which is a secret.
        style: ``healthchecks``, ``uptime_kuma`` or ``plain``.
    """

    url: str = field(repr=False)
    style: str

    @classmethod
    def chosen(cls, url: str, style: str) -> Monitor:
        """Return the monitor in the settings. For ``auto``, guess its style from the address."""
        return cls(url, guessed_style(url) if style == "auto" else style)


@dataclass(frozen=True)
class Ping:
    """The HTTP request of one ping."""

    method: str
    url: str = field(repr=False)
    body: bytes | None = None


class Trouble(NamedTuple):
    """Why a monitor did not accept a ping: a kind, and the values for its message."""

    kind: str
    values: Mapping[str, Any] = {}


def guessed_style(url: str) -> str:
    """Guess the style of the monitor with this address."""
    parts = urlsplit(url)
    path = parts.path.rstrip("/")
    if parts.hostname == _HEALTHCHECKS_HOST or _HEALTHCHECKS_PATH.search(path):
        return HEALTHCHECKS
    return UPTIME_KUMA if _UPTIME_KUMA_PATH.search(path) else PLAIN


def has_word_for(style: str, moment: str) -> bool:
    """Return whether a monitor of this style has a ping for this moment."""
    return moment == HEARTBEAT or moment in {
        HEALTHCHECKS: _HEALTHCHECKS_PATHS,
        UPTIME_KUMA: _UPTIME_KUMA_STATUS,
    }.get(style, ())


def ping(
    monitor: Monitor,
    moment: str,
    note: str,
    answer_seconds: float = 0.0,
    body_limit: int = DEFAULT_BODY_LIMIT,
) -> Ping:
    """Return the request for a ping. :func:`has_word_for` must be true for the moment.

    Args:
        monitor: The monitor to ping.
        moment: ``start``, ``heartbeat``, ``unplanned`` or ``goodbye``.
        note: Text to send with the ping, in any number of lines; may be empty.
        answer_seconds: How long OctoPrint's server took to answer.
        body_limit: How many bytes of a body the monitor keeps.
    """
    if monitor.style == HEALTHCHECKS:
        url = _with_path(monitor.url, _HEALTHCHECKS_PATHS[moment])
        return Ping("POST", url, _cut(note, body_limit))
    if monitor.style == UPTIME_KUMA:
        query = {
            "status": _UPTIME_KUMA_STATUS[moment],
            "msg": _one_line(note) or "OK",
            # Uptime Kuma takes 0 for a missing value.
            "ping": str(max(1, round(answer_seconds * 1000))),
        }
        return Ping("GET", _with_query(monitor.url, query))
    return Ping("GET", monitor.url)


def refusal(style: str, status: int, body: bytes) -> Trouble | None:
    """Return why the monitor did not accept the ping; ``None`` if it did.

    The status is not enough: the login page of a wireless network answers every request with
    200, and healthchecks.io answers 200 even when it drops a ping.
    """
    if status == NOT_FOUND:
        return Trouble("unknown or paused" if style == UPTIME_KUMA else "unknown")
    if status == CONFLICT and style == HEALTHCHECKS:
        return Trouble("ambiguous")
    if status == TOO_MANY or (style == HEALTHCHECKS and body.startswith(b"OK (rate")):
        return Trouble("too many")
    if status not in OK_STATUS:
        return Trouble("status", {"status": status})
    return None if _is_answer(style, body) else Trouble("not a monitor")


def is_final(trouble: Trouble) -> bool:
    """Return whether the monitor would reject the same ping later, too."""
    if trouble.kind == "status":
        return trouble.values["status"] in REFUSED_STATUS
    return trouble.kind in ("unknown", "unknown or paused", "ambiguous")


def _is_answer(style: str, body: bytes) -> bool:
    if style == HEALTHCHECKS:
        return body.strip() in _HEALTHCHECKS_ANSWERS
    if style == UPTIME_KUMA:
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError):  # the answer may be anything
            return False
        return isinstance(answer, dict) and answer.get("ok") is True
    return True


def _with_path(url: str, more: str) -> str:
    parts = urlsplit(url)
    return parts._replace(path=parts.path.rstrip("/") + more).geturl()


def _with_query(url: str, fields: dict[str, str]) -> str:
    parts = urlsplit(url)
    kept = [pair for pair in parse_qsl(parts.query) if pair[0] not in fields]
    query = urlencode([*kept, *fields.items()], quote_via=quote, errors="replace")
    return parts._replace(query=query).geturl()


def _one_line(note: str) -> str:
    text = " ".join(note.split())
    if len(text) <= MAX_MESSAGE_CHARACTERS:
        return text
    return f"{text[: MAX_MESSAGE_CHARACTERS - 1]}…"


def _cut(note: str, limit: int) -> bytes:
    """Encode a text as UTF-8 in at most ``limit`` bytes, without splitting a character."""
    # File names are not always valid Unicode.
    cut = note.encode("utf-8", "replace")[: max(0, limit)]
    return cut.decode("utf-8", "ignore").encode()
