"""What an end did to a print, in words; the page's own are in ``tests/browser/test_print.py``."""

import pytest

from octoprint_uptime.telling.language import ENGLISH, language_without_server
from octoprint_uptime.telling.stopped_print import about_print, heater_warning

HEARTBEAT = 60


@pytest.fixture(autouse=True)
def english():
    with language_without_server(ENGLISH):
        yield


def interrupted(**position):
    known = {
        "origin": "local",
        "percent": 63.25,
        "z_mm": None,
        "printed_seconds": 11_520,
        "targets": {},
    }
    return {"end": "crash", "interrupted_print": "x.gcode", "stopped_at": {**known, **position}}


def position_of(entry):
    *_, position = about_print(entry, HEARTBEAT, with_name=True)
    return position


@pytest.mark.parametrize(("percent", "shown"), [(0.9, "0%"), (99.99, "99%"), (100.0, "99%")])
def test_an_unfinished_print_is_not_at_100_percent(percent, shown):
    assert position_of(interrupted(percent=percent)).startswith(f"Stopped at {shown}, ")


@pytest.mark.parametrize(
    ("targets", "sentences"),
    [
        ({"tool0": 210.0}, "The nozzle was set to 210 °C."),
        ({"tool1": 210.0}, "Nozzle 2 was set to 210 °C."),
        ({"tool0": 210.0, "toolboard": 40.0}, "The nozzle was set to 210 °C."),
        ({"toolboard": 40.0}, "toolboard was set to 40 °C."),
    ],
)
def test_heaters(targets, sentences):
    said = position_of(interrupted(targets=targets)).replace("\N{NO-BREAK SPACE}", " ")
    assert sentences in said


@pytest.mark.parametrize(
    ("entry", "is_warned"),
    [
        (interrupted(targets={"bed": 60.0}), True),
        (interrupted(), False),
        (interrupted(printed_seconds=HEARTBEAT - 1), True),
        (interrupted(printed_seconds=None), True),
        ({**interrupted(), "stopped_at": None}, True),  # nothing shows that it is cold
        ({**interrupted(), "interrupted_print": None, "stopped_at": None}, False),
        ({**interrupted(targets={"bed": 60.0}), "end": "restart"}, False),
    ],
)
def test_a_heater_that_may_be_on(entry, is_warned):
    assert bool(list(heater_warning(entry, HEARTBEAT))) is is_warned
