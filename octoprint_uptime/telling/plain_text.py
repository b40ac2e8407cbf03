"""Ends as plain text, in the current language, for terminals and reports.

The page has the same words in ``uptime_ends.js``, ``uptime_why.js`` and ``uptime_print.js``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Callable, NamedTuple

from flask_babel import gettext

from ..format_uptime import format_uptime, format_uptime_short
from ..history.aftermath import Aftermath
from ..history.ends import UNPLANNED_ENDS
from ..why.words import N_, Words, hang
from .columns import columns, left_aligned, right_aligned, wrapped_text
from .moments import Moments
from .stopped_print import about_print, heater_warning
from .units import bytes_text, celsius, duration, in_unit, number

COLUMNS = 80
MINUTE_SECONDS = 60
LATE_SECONDS = 10.0

TITLE, ALARM, FAINT = "title", "alarm", "faint"
"""The looks of lines that stand out."""

LOST = "error"
STOPPED = N_("OctoPrint stopped")
"""What ``restart`` is called as long as OctoPrint has not started again."""

_ENDS = {
    "restart": N_("OctoPrint restarted"),
    "shutdown": N_("Clean shutdown of the host"),
    "crash": N_("OctoPrint crashed"),
    "power_loss": N_("Power loss or reset"),
    "restored": N_("Restored from a backup"),
    "unknown": N_("Host went down, cause not recorded"),
    "disconnected": N_("Printer disconnected"),
    "error": N_("Lost connection to the printer"),
    "octoprint_down": N_("OctoPrint went down"),
}

_GRADES = {
    "certain": (N_("Certain"), N_("The evidence states the reason."), "%(reason)s"),
    "likely": (
        N_("Likely"),
        N_("At least two independent signs point to it."),
        N_("Likely: %(reason)s"),
    ),
    "possible": (N_("Possible"), N_("Only one sign points to it."), N_("Possible: %(reason)s")),
    "unknown": (N_("Unknown"), N_("Nothing recorded points to a reason."), "%(reason)s"),
}
"""The name of each grade, its meaning, and a sentence with the reason."""

_PLAIN_REASONS = ("requested", "power_off", "unknown")
"""The reasons that only say that the end was planned."""

_SOURCES = {
    "systemd": N_("systemd"),
    "kernel": N_("Kernel"),
    "process": N_("OctoPrint process"),
    "heartbeat": N_("Last heartbeat"),
    "disk": N_("Disk"),
    "board": N_("Board"),
    "undervoltage": N_("Voltage sensor"),
    "log": N_("OctoPrint log"),
    "journal": N_("System journal"),
    "goodbye": N_("OctoPrint shutdown"),
    "start": N_("Next start"),
    "octoprint": N_("OctoPrint"),
    "firmware": N_("Printer firmware"),
}


class Line(NamedTuple):
    """A line of text, to be wrapped.

    Attributes:
        text: The text; empty for a blank line.
        indent: How many spaces precede it.
        hang: How many more precede what does not fit on its first line.
        look: How it stands out, if it does.
        is_fixed: Whether it is a row of a table, which must not be wrapped.
    """

    text: str = ""
    indent: int = 0
    hang: int = 0
    look: str = ""
    is_fixed: bool = False


BLANK = Line()
Lines = Iterator[Line]


def state_sentences(aftermath: Aftermath, heartbeat_seconds: int) -> Iterator[str]:
    """Yield whether OctoPrint is running, and how old the record is.

    Args:
        aftermath: What the record says.
        heartbeat_seconds: The interval of the heartbeats.
    """
    running = aftermath.running
    if aftermath.is_elsewhere:
        yield gettext("This history is from another computer.")
    elif running is None:
        yield gettext("OctoPrint is not running, or it is in safe mode.")
    if running is None:
        return
    if running.pid:
        yield gettext("OctoPrint is running (process %(pid)d).", pid=running.pid)
    else:
        yield gettext("OctoPrint may be running.")
    if running.hung is not None:
        yield hang(running.hung)
    if running.heartbeat_seconds_ago is None:
        yield gettext("It has not recorded anything yet.")
        return
    age = duration(running.heartbeat_seconds_ago)
    if running.heartbeat_seconds_ago > 2 * heartbeat_seconds + LATE_SECONDS:
        yield gettext("It may be hung: its last heartbeat was %(duration)s ago.", duration=age)
    else:
        yield gettext("Its last heartbeat was %(duration)s ago.", duration=age)


def is_unplanned(entry: Mapping[str, Any]) -> bool:
    """Return whether an entry of the history ended without anyone asking for it."""
    return entry["end"] in (*UNPLANNED_ENDS, LOST)


class PlainText:
    """Describes entries of the history.

    Args:
        moments: Writes dates and times.
        heartbeat_seconds: The interval of the heartbeats, which limits what is known exactly.
        with_logs: As in :meth:`Words.why`.
        with_names: Whether to name files.
        with_advice: Whether to say what to do.
    """

    def __init__(
        self,
        moments: Moments,
        heartbeat_seconds: int,
        *,
        with_logs: bool,
        with_names: bool = True,
        with_advice: bool = True,
    ) -> None:
        self._moments = moments
        self._heartbeat_seconds = heartbeat_seconds
        self._with_logs = with_logs
        self._with_names = with_names
        self._with_advice = with_advice
        self._words = Words()
        self._said: dict[str, str] = {}

    # All about one end

    def details(self, entry: Mapping[str, Any]) -> Lines:
        """Yield everything that is known about an end.

        Args:
            entry: An entry of :meth:`Aftermath.ended`.
        """
        why = self._why(entry)
        grade, meaning, _ = _GRADES[why["grade"]]
        yield Line(self._name(entry), look=ALARM if is_unplanned(entry) else TITLE)
        for warning in heater_warning(entry, self._heartbeat_seconds):
            yield Line(warning, look=TITLE)
        yield Line(why["text"])
        yield Line(f"{gettext(grade)}. {gettext(meaning)}", look=FAINT)
        told = list(self._about_print(entry))
        if told:
            yield BLANK
            yield from map(Line, told)
        yield BLANK
        yield from self._figures(entry)
        yield from self._evidence(why["evidence"])
        yield from self._vitals(entry["why"].vitals_before)
        if why["advice"] and self._with_advice:
            yield from _section(gettext("What to do"))
            yield Line(why["advice"], indent=2)

    def _figures(self, entry: Mapping[str, Any]) -> Lines:
        figures = {gettext("When"): self._when(entry)}
        figures[gettext("Uptime before")] = duration(entry["seconds"])
        if "downtime_seconds" in entry:
            figures[gettext("Downtime after")] = self._downtime(entry["downtime_seconds"], entry)
        width = max(map(columns, figures))
        for label, figure in figures.items():
            yield Line(f"{left_aligned(label, width)}  {figure}", hang=width + 2)

    def _when(self, entry: Mapping[str, Any]) -> str:
        if entry["ended_at"] is None:
            return gettext("time unknown")
        return f"{self._moments.date_and_time(entry['ended_at'])}{self._exactness(entry)}"

    def _exactness(self, entry: Mapping[str, Any]) -> str:
        """Return in parentheses how much later than recorded an entry may have ended."""
        if entry.get("end_exact") is not False:
            return ""
        later = self._say(N_("or up to %(seconds)d s later")) % {"seconds": self._heartbeat_seconds}
        return f" ({later})"

    def _evidence(self, evidence: Sequence[Mapping[str, str]]) -> Lines:
        if evidence:
            yield from _section(gettext("Evidence"))
        for sign in evidence:
            source = _SOURCES[sign["source"]]
            yield Line(f"{gettext(source)}: {sign['text']}", indent=2, hang=2)

    def _vitals(self, beats: Sequence[Mapping[str, float]]) -> Lines:
        """Yield a table of the vital signs, with a column for each time."""
        rows = [
            (gettext(name), [text(beat[field]) if field in beat else "–" for beat in beats])
            for field, name, text in _MEASURES
            if any(field in beat for beat in beats)
        ]
        if not rows:
            return
        yield from _section(gettext("Before the outage"))
        times = [_time_before(beat["seconds_before"]) for beat in beats]
        yield from _table([("", times), *rows])

    # The list

    def listed(self, entries: Iterable[Mapping[str, Any]]) -> Lines:
        """Yield a few lines for each of the entries, which are sorted by time, day by day."""
        timed = [(entry, self._time(entry)) for entry in entries]
        width = max(columns(time) for _, time in timed)
        for position, (day, of_day) in enumerate(groupby(timed, lambda one: self._day(one[0]))):
            if position:
                yield BLANK
            yield Line(day, look=TITLE)
            for entry, time in of_day:
                yield from self._listed(entry, right_aligned(time, width))

    def _day(self, entry: Mapping[str, Any]) -> str:
        ended_at = entry["ended_at"]
        if ended_at is None:
            return self._say(N_("Time unknown"))
        return self._moments.date(ended_at)

    def _time(self, entry: Mapping[str, Any]) -> str:
        ended_at = entry["ended_at"]
        return "–" if ended_at is None else self._moments.time(ended_at)

    def _listed(self, entry: Mapping[str, Any], time: str) -> Lines:
        look = ALARM if is_unplanned(entry) else ""
        yield Line(f"{time}  {self._name(entry)}{self._exactness(entry)}", 2, look=look)
        indent = columns(time) + 4
        reason = self._reason(entry)
        if reason:
            yield Line(reason, indent)
        for told in self._about_print(entry):
            yield Line(told, indent)
        figures = [f"{self._say(N_('Uptime before'))}: {duration(entry['seconds'])}"]
        downtime = entry.get("downtime_seconds")
        if downtime is not None:
            figures.append(f"{self._say(N_('Downtime after'))}: {self._downtime(downtime, entry)}")
        yield Line(" · ".join(figures), indent, look=FAINT)

    def summary(self, entry: Mapping[str, Any]) -> str:
        """Return one line about an end, with the names that the API has for it."""
        why = self._why(entry)
        names = f"{entry['end']}, {why['reason']}, {why['grade']}"
        return f"{self._when(entry)}: {names}: {why['text']}"

    def _reason(self, entry: Mapping[str, Any]) -> str:
        """Return why an entry ended, in a sentence; empty if that is obvious."""
        why = entry["why"]
        verdict = why.verdict
        if not is_unplanned(entry) and verdict.reason in _PLAIN_REASONS:
            return ""
        *_, sentence = _GRADES[verdict.grade]
        text = self._words.text(why.subject, why.end, verdict, with_logs=self._with_logs)
        return self._say(sentence) % {"reason": text}

    def _name(self, entry: Mapping[str, Any]) -> str:
        """Return what an end is called."""
        is_stopped = entry["end"] == "restart" and "is_last" in entry
        return self._say(STOPPED if is_stopped else _ENDS[entry["end"]])

    def _downtime(self, seconds: float | None, entry: Mapping[str, Any]) -> str:
        if seconds is None:
            return gettext("unknown")
        if "is_last" in entry:
            return gettext("%(duration)s so far", duration=duration(seconds))
        return duration(seconds)

    def _say(self, text: str) -> str:
        """Translate what a list repeats a thousand times."""
        if text not in self._said:
            self._said[text] = str(gettext(text))
        return self._said[text]

    def _about_print(self, entry: Mapping[str, Any]) -> Iterator[str]:
        return about_print(entry, self._heartbeat_seconds, with_name=self._with_names)

    def _why(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        why = entry["why"]
        return self._words.why(why.subject, why.end, why.verdict, with_logs=self._with_logs)


def _section(title: str) -> Lines:
    yield BLANK
    yield Line(title, look=TITLE)


def _table(rows: Sequence[tuple[str, Sequence[str]]]) -> Lines:
    names = max(columns(name) for name, _ in rows)
    width = max(columns(cell) for _, cells in rows for cell in cells)
    for name, cells in rows:
        aligned = (right_aligned(cell, width) for cell in cells)
        row = "  ".join([left_aligned(name, names), *aligned])
        yield Line(row, indent=2, is_fixed=True)


_MEASURES: tuple[tuple[str, str, Callable[[float], str]], ...] = (
    ("memory_available_bytes", N_("Memory available"), bytes_text),
    ("process_memory_bytes", N_("OctoPrint's memory"), bytes_text),
    ("cpu_celsius", N_("Temperature"), celsius),
    ("load", N_("Load"), lambda load: number(load, 2)),
    ("swap_used_bytes", N_("Swap used"), bytes_text),
    ("disk_free_bytes", N_("Disk space left"), bytes_text),
    ("process_open_files", N_("Open files"), number),
    ("loop_late_seconds", N_("Server delay"), lambda late: in_unit(N_("%(number)s s"), late, 1)),
)
"""The vital signs in the order in which they are shown, with their names."""


def _time_before(seconds: float) -> str:
    return format_uptime(seconds) if seconds < MINUTE_SECONDS else format_uptime_short(seconds)


def wrapped(lines: Iterable[Line], width: int = COLUMNS) -> Iterator[tuple[str, str]]:
    """Yield the physical lines, each with its look.

    Args:
        lines: Lines of any length.
        width: How many columns they may take.
    """
    for line in lines:
        text = _printable(line.text)
        first, rest = " " * line.indent, " " * (line.indent + line.hang)
        fits = line.is_fixed or columns(first + text) <= width
        for part in [first + text] if fits else wrapped_text(text, width, first, rest):
            yield _UNBROKEN.sub(" ", part).rstrip(), line.look


def _printable(text: str) -> str:
    """Replace what could control a terminal: names of files and logs may contain anything."""
    if _UNBROKEN.sub(" ", text).isprintable():
        return text
    return "".join(
        letter if letter.isprintable() or _UNBROKEN.match(letter) else "\N{REPLACEMENT CHARACTER}"
        for letter in text
    )


_UNBROKEN = re.compile("[\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}]")
