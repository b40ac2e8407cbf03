"""The texts of pings follow the grammar of each language."""

import contextlib

import pytest

from octoprint_uptime.history.report import Why
from octoprint_uptime.telling import notes as module
from octoprint_uptime.telling.notes import Notes
from octoprint_uptime.why import words
from octoprint_uptime.why.evidence import Facts
from octoprint_uptime.why.verdict import verdict
from octoprint_uptime.why.words import Words

FRENCH = {
    "Printing %(file)s": "Impression de %(file)s",
    "%(print)s, %(percent)d%%": "%(print)s : %(percent)d %%",
    "Software changed before the next start: %(changes)s.": "Mise à jour : %(changes)s.",
    "%(name)s removed": "sans %(name)s",
    "%(told)s, %(more)s": "%(told)s ; %(more)s",
}
"""As somebody might translate it."""


@pytest.fixture(params=["en", "fr"])
def language(request, monkeypatch):
    catalogue = FRENCH if request.param == "fr" else {}
    for place in (module, words):
        monkeypatch.setattr(place, "gettext", lambda text: catalogue.get(text, text))
    monkeypatch.setattr(module, "default_language", lambda chosen: contextlib.nullcontext())
    return request.param


@pytest.mark.parametrize(
    ("completion", "en", "fr"),
    [
        (None, "Printing 100%.gcode", "Impression de 100%.gcode"),
        (62.7, "Printing 100%.gcode, 63%", "Impression de 100%.gcode : 63 %"),
    ],
)
def test_how_far_a_print_is(language, completion, en, fr):
    state = {
        "state": {"flags": {"printing": True}},
        "job": {"file": {"path": "100%.gcode"}},
        "progress": {"completion": completion},
    }
    assert Notes(lambda: language).printing(state) == {"en": en, "fr": fr}[language]


@pytest.mark.parametrize("count", [1, 3])
def test_what_was_changed(language, count):
    changed = [{"name": name, "old": "1", "new": None} for name in ("A", "B", "C")[:count]]
    facts = Facts(goodbye="no", changed=changed)
    why = Words().why(
        "octoprint", "restart", verdict("octoprint", "restart", facts), with_logs=True
    )
    told = {
        ("en", 1): "Software changed before the next start: A removed.",
        ("en", 3): "Software changed before the next start: A removed, B removed, C removed.",
        ("fr", 1): "Mise à jour : sans A.",
        ("fr", 3): "Mise à jour : sans A ; sans B ; sans C.",
    }
    assert why["text"] == told[language, count]


@pytest.mark.parametrize(
    ("stopped_at", "told"),
    [
        (None, "The print of hinge.gco was interrupted."),
        ({"origin": "local"}, "The print of hinge.gco was interrupted."),
        ({"origin": "printer"}, "The print of hinge.gco may have continued: the printer was"),
    ],
)
def test_what_became_of_the_print(language, stopped_at, told):
    end = {"interrupted_print": "hinge.gco", "stopped_at": stopped_at, "downtime_seconds": None}
    _, line = (
        Notes(lambda: language).unplanned(end, Why("octoprint", "crash", None, None)).split("\n")
    )
    assert line.startswith(told)
