"""Texts of pings and texts about pings, in the language of their readers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable

from flask_babel import gettext

from ..format_uptime import format_uptime
from ..history.report import Why
from ..why.words import N_, Words
from .language import default_language
from .monitors import Trouble
from .post import Answer
from .stopped_print import CONTINUES, INTERRUPTED, is_on_card

MAX_ANSWER_CHARACTERS = 200

_GRADES = {"likely": N_("Likely: %(reason)s"), "possible": N_("Possible: %(reason)s")}
_PAUSED = ("paused", "pausing")
_PRINTING = ("printing", "resuming", "finishing", "cancelling")

_TROUBLE = {
    "no answer": N_("The monitor did not respond within %(seconds)d seconds."),
    "unreachable": N_("Cannot reach the monitor."),
    "name": N_("Cannot resolve the monitor's host name."),
    "certificate": N_("The monitor's certificate is not valid."),
    "tls": N_("Cannot establish a secure connection to the monitor."),
    "redirected": N_("The monitor redirects to another host."),
    "redirects": N_("The monitor redirects too many times."),
    "unknown": N_("The monitor does not recognize the address."),
    "unknown or paused": N_("The monitor does not recognize the address, or it is paused."),
    "ambiguous": N_("The address matches more than one of the monitor's checks."),
    "too many": N_("The monitor is not accepting any more pings at the moment."),
    "status": N_("The monitor responded with status %(status)d."),
    "not a monitor": N_("The response is not from this type of monitor."),
    "failed": N_("The ping could not be sent (%(error)s)."),
}


def trouble_text(trouble: Trouble) -> str:
    """Return why a ping was not accepted, as a sentence. It never contains the address."""
    return str(gettext(_TROUBLE[trouble.kind]) % trouble.values)


class Notes:
    """The texts of pings, in OctoPrint's default language.

    Each string is translated once: outside of a request, OctoPrint reads the translations of all
    plugins from their files every time.

    Args:
        language: Returns OctoPrint's setting of the default language; called for each text.
    """

    def __init__(self, language: Callable[[], str | None]) -> None:
        self._language = language
        self._patterns: dict[tuple[str | None, str], str] = {}

    def unplanned(self, end: Mapping[str, Any], why: Why) -> str:
        """Return the text for an unplanned end: reason, interrupted print and downtime.

        Args:
            end: The payload of the events.
            why: The reason and its evidence.
        """
        with default_language(self._language()):
            # Log lines may contain keys, and this text leaves the host.
            told = Words().why(why.subject, why.end, why.verdict, with_logs=False)
        grade = _GRADES.get(told["grade"])
        lines = [self._say(grade, reason=told["text"]) if grade else told["text"]]
        if end["interrupted_print"]:
            pattern = CONTINUES if is_on_card(end["stopped_at"]) else INTERRUPTED
            lines.append(self._say(pattern, file=end["interrupted_print"]))
        if end["downtime_seconds"] is not None:
            downtime = format_uptime(end["downtime_seconds"])
            lines.append(self._say(N_("Downtime: %(downtime)s"), downtime=downtime))
        return "\n".join(lines)

    def printing(self, data: Mapping[str, Any]) -> str:
        """Return the file being printed and its progress; empty if there is no print.

        Args:
            data: The current data of OctoPrint's printer.
        """
        flags, file = data["state"]["flags"], data["job"]["file"]["path"]
        if not file:
            return ""
        if any(flags.get(flag) for flag in _PAUSED):
            note = self._say(N_("Print paused: %(file)s"), file=file)
        elif any(flags.get(flag) for flag in _PRINTING):
            note = self._say(N_("Printing %(file)s"), file=file)
        else:
            return ""
        completion = data["progress"]["completion"]
        if completion is None:
            return note
        return self._say(N_("%(print)s, %(percent)d%%"), print=note, percent=round(completion))

    def goodbye(self) -> str:
        """Return the text of the goodbye."""
        return self._say(N_("OctoPrint shut down cleanly."))

    def test(self) -> str:
        """Return the text of a test ping."""
        return self._say(N_("Test ping from OctoPrint."))

    def _say(self, pattern: str, **values: Any) -> str:
        key = (self._language(), pattern)
        if key not in self._patterns:
            with default_language(key[0]):
                self._patterns[key] = str(gettext(pattern))
        return self._patterns[key] % values


def tested(style: str, answer: Answer, seconds: float) -> dict[str, Any]:
    """Return the response body of the command ``test_ping``."""
    return {
        "taken": answer.trouble is None,
        "style": style,
        "seconds": round(seconds, 3),
        "status": answer.status,
        "answer": answer.body.decode("utf-8", "replace").strip()[:MAX_ANSWER_CHARACTERS],
        "error": answer.trouble and trouble_text(answer.trouble),
    }
