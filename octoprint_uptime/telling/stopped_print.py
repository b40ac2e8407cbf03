"""What an end did to a print, as sentences in the current language."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from babel.numbers import format_percent
from flask_babel import get_locale, gettext, ngettext

from ..history.ends import UNPLANNED_ENDS
from ..why.words import N_
from .units import celsius, duration, in_unit

INTERRUPTED = N_("The print of %(file)s was interrupted.")
CONTINUES = N_(
    "The print of %(file)s may have continued: the printer was reading it from its own SD card."
)
MINUTE_SECONDS = 60

_HEATERS = {
    "bed": N_("The bed was set to %(target)s."),
    "chamber": N_("The chamber was set to %(target)s."),
}
_TOOL = re.compile(r"tool(\d+)")
"""The name of a nozzle's heater, with its number from 0."""


def is_on_card(position: Mapping[str, Any] | None) -> bool:
    """Return whether the printer was reading the file from its own card, without OctoPrint."""
    return position is not None and position["origin"] == "printer"


def about_print(
    entry: Mapping[str, Any], heartbeat_seconds: int, *, with_name: bool
) -> Iterator[str]:
    """Yield what happened to the print and where it stopped, if there was one.

    Args:
        entry: An entry of the history.
        heartbeat_seconds: The interval of the heartbeats.
        with_name: Whether to name the file.
    """
    file, position = entry.get("interrupted_print"), entry.get("stopped_at")
    if not file:
        return
    sentence = gettext(CONTINUES if is_on_card(position) else INTERRUPTED)
    yield sentence % {"file": file if with_name else "…"}
    if position:
        yield from _stopped(entry["end"], position, heartbeat_seconds)


def heater_warning(entry: Mapping[str, Any], heartbeat_seconds: int) -> Iterator[str]:
    """Yield what to do first, if a heater may still be on."""
    if not entry.get("interrupted_print") or entry["end"] not in UNPLANNED_ENDS:
        return
    if not _may_be_hot(entry.get("stopped_at"), heartbeat_seconds):
        return
    if entry["end"] == "power_loss":
        yield gettext("Check the printer: if it kept power, its heaters may still be on.")
    else:
        yield gettext("Check the printer: its heaters may still be on.")


def _may_be_hot(position: Mapping[str, Any] | None, heartbeat_seconds: int) -> bool:
    if position is None or position["targets"]:
        return True
    # A print begins with heating, possibly after the last heartbeat.
    printed = position["printed_seconds"]
    return printed is None or printed < heartbeat_seconds


def _stopped(end: str, position: Mapping[str, Any], heartbeat_seconds: int) -> Iterator[str]:
    """Yield where the print stopped and which heaters were on, in one line."""
    where = ", ".join(_where(position))
    sentences = [*_heaters(position["targets"] or {})]
    if where:
        sentences.insert(0, _stopped_at(end, where, is_on_card(position), heartbeat_seconds))
    if sentences:
        yield " ".join(sentences)


def _stopped_at(end: str, where: str, on_card: bool, heartbeat_seconds: int) -> str:
    if on_card:
        return gettext("Last seen at %(where)s.", where=where)
    if end not in UNPLANNED_ENDS:  # at a goodbye the position is exact
        return gettext("Stopped at %(where)s.", where=where)
    return gettext(
        "Stopped at %(where)s (%(exactness)s).",
        where=where,
        exactness=_exactness(heartbeat_seconds),
    )


def _exactness(seconds: int) -> str:
    minutes, rest = divmod(seconds, MINUTE_SECONDS)
    if seconds == MINUTE_SECONDS:
        return gettext("within a minute")
    if rest:
        return ngettext(
            "within %(count)d second", "within %(count)d seconds", seconds, count=seconds
        )
    return ngettext("within %(count)d minute", "within %(count)d minutes", minutes, count=minutes)


def _where(position: Mapping[str, Any]) -> Iterator[str]:
    """Yield the known parts of a position, the most telling first."""
    if position["percent"] is not None:
        # An unfinished print is not at 100 %, even if all of its file has been sent.
        percent = min(99, math.floor(position["percent"]))
        yield format_percent(percent / 100, locale=get_locale())
    if position["z_mm"] is not None:
        yield in_unit(N_("Z %(number)s mm"), position["z_mm"], 2)
    if position["printed_seconds"] is not None:
        printed = duration(position["printed_seconds"]).replace(" ", "\N{NO-BREAK SPACE}")
        yield gettext("%(duration)s into the print", duration=printed)


def _heaters(targets: Mapping[str, float]) -> Iterator[str]:
    """Yield a sentence for each heater that was on."""
    nozzles = {name: int(tool[1]) + 1 for name in targets if (tool := _TOOL.fullmatch(name))}
    for heater, degrees in targets.items():
        target = celsius(degrees, 2)
        nozzle = nozzles.get(heater)
        if nozzle == 1 and len(nozzles) == 1:
            yield gettext("The nozzle was set to %(target)s.", target=target)
        elif nozzle:
            yield gettext("Nozzle %(number)d was set to %(target)s.", number=nozzle, target=target)
        elif heater in _HEATERS:
            yield gettext(_HEATERS[heater], target=target)
        else:
            yield gettext("%(heater)s was set to %(target)s.", heater=heater, target=target)
