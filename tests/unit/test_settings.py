import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoprint_uptime import settings
from octoprint_uptime.settings import (
    SETTINGS,
    Interval,
    defaults,
    restricted_paths,
    without_defaults,
)

DEFAULTS = {
    "show_system_uptime": True,
    "show_octoprint_uptime": True,
    "show_printer_uptime": False,
    "display_format": "full",
    "compact_display": False,
    "compact_toggle_interval_seconds": 5,
    "poll_interval_seconds": 60,
    "notify_unplanned": True,
    "heartbeat_seconds": 60,
    "history_days": 90,
    "witness": True,
    "ping_url": "",
    "ping_style": "auto",
    "ping_interval_seconds": 60,
    "home_assistant": True,
    "home_assistant_prefix": "homeassistant",
}


def valid_settings(raw, missing=None):
    return settings.valid_settings(raw, missing=missing or defaults())


def test_defaults():
    assert defaults() == DEFAULTS


def test_what_is_valid_is_taken_without_a_word():
    chosen = {
        "show_system_uptime": False,
        "show_octoprint_uptime": False,
        "show_printer_uptime": True,
        "display_format": "short",
        "compact_display": True,
        "compact_toggle_interval_seconds": 60,
        "poll_interval_seconds": 1,
        "notify_unplanned": False,
        "heartbeat_seconds": 600,
        "history_days": 7,
        "witness": False,
        "ping_url": "https://hc-ping.com/3f1c1f0e-8d52-4a4b-9c3e-6a5d7c8b9a01",
        "ping_style": "healthchecks",
        "ping_interval_seconds": 3600,
        "home_assistant": False,
        "home_assistant_prefix": "house/first floor",
    }
    assert valid_settings(chosen) == (chosen, [])


@pytest.mark.parametrize(
    ("name", "raw", "value"),
    [
        ("show_system_uptime", "false", False),
        ("show_system_uptime", " No ", False),
        ("show_system_uptime", 0, False),
        ("show_printer_uptime", "on", True),
        ("show_printer_uptime", 1, True),
        ("show_printer_uptime", 1.0, True),
        ("poll_interval_seconds", "30", 30),
        ("poll_interval_seconds", " 30.9 ", 30),
        ("poll_interval_seconds", 30.9, 30),
        ("compact_toggle_interval_seconds", 5.0, 5),
        ("ping_url", " http://10.0.0.5:3001/api/push/x ", "http://10.0.0.5:3001/api/push/x"),
        ("ping_url", "\n", ""),
    ],
)
def test_other_spellings_are_understood(name, raw, value):
    values, corrections = valid_settings({name: raw})
    assert values[name] == value
    assert type(values[name]) is type(DEFAULTS[name])
    assert corrections == []


@pytest.mark.parametrize(
    ("name", "raw", "nearest"),
    [
        ("poll_interval_seconds", 0, 1),
        ("poll_interval_seconds", -5, 1),
        ("poll_interval_seconds", 121, 120),
        ("poll_interval_seconds", "1e9", 120),
        ("poll_interval_seconds", 10**30, 120),
        ("compact_toggle_interval_seconds", 4, 5),
        ("compact_toggle_interval_seconds", 4.99, 5),
        ("compact_toggle_interval_seconds", 61, 60),
    ],
)
def test_out_of_range_goes_to_the_nearest_bound(name, raw, nearest):
    values, corrections = valid_settings({name: raw})
    assert values == {**DEFAULTS, name: nearest}
    assert len(corrections) == 1
    assert name in corrections[0]


NONSENSE = [None, [], [5], {}, {"a": 1}, "", "inf", "-inf", "nan", float("inf"), float("nan")]
NONSENSE += ["<script>alert(1)</script>", "'; DROP TABLE", b"5", object(), "x" * 100_000]


NO_ADDRESSES = [
    *(
        "ftp://secret/",
        "secret.example.org/ping",
        "//secret.example.org",
        "https://",
        "http:secret",
    ),
    *("http:///secret", "http://[secret", "http://secret:port/", "http://:80/secret"),
    *("http://host/a secret", "http://host/secret\n/", "javascript://host/secret"),
    *("http://host/" + "secret" * 1000, "http://host:99999/secret"),
]


@pytest.mark.parametrize("raw", NO_ADDRESSES, ids=lambda raw: raw[:30])
def test_what_is_no_address_is_complained_of_without_being_named(raw):
    values, (correction,) = valid_settings({"ping_url": raw})
    assert values == DEFAULTS
    assert "ping_url" in correction
    assert "secret" not in correction


def test_what_is_no_address_leaves_the_one_before():
    good = "https://hc-ping.com/3f1c1f0e"
    values, _ = valid_settings({"ping_url": "nonsense"}, missing={**DEFAULTS, "ping_url": good})
    assert values["ping_url"] == good


def test_the_secret_settings_are_restricted():
    assert restricted_paths() == [[("ping_url", "")]]


NO_PREFIX = ["", " ", "/", " / / ", "#", "home/#", "+/home", "a\0b", "a\nb", "\ud800", "x" * 201]
TEXTS = ("home_assistant_prefix", "ping_url")


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        *itertools.product([n for n in DEFAULTS if n not in TEXTS], NONSENSE),
        *(("home_assistant_prefix", raw) for raw in NONSENSE if not isinstance(raw, str)),
        *(("home_assistant_prefix", raw) for raw in NO_PREFIX),
    ],
    ids=lambda part: repr(part)[:20],
)
def test_what_cannot_be_read_goes_to_the_default(name, raw):
    values, corrections = valid_settings({name: raw})
    assert values == DEFAULTS
    assert len(corrections) == 1
    assert name in corrections[0]
    assert len(corrections[0]) < 250
    assert "\n" not in corrections[0]


@pytest.mark.parametrize(
    ("raw", "kept", "corrections"),
    [
        ("ha", "ha", 0),
        (" ha ", "ha", 0),
        ("house/first floor", "house/first floor", 0),
        ("haus/größe", "haus/größe", 0),
        ("/ha", "ha", 1),
        ("ha/ /", "ha", 1),
    ],
)
def test_the_slashes_of_a_prefix(raw, kept, corrections):
    values, told = valid_settings({"home_assistant_prefix": raw})
    assert values["home_assistant_prefix"] == kept
    assert len(told) == corrections


@pytest.mark.parametrize("raw", [True, False])
def test_a_switch_is_no_interval(raw):
    assert valid_settings({"poll_interval_seconds": raw})[0] == DEFAULTS


@pytest.mark.parametrize("raw", [None, 5, "text", [], [1], True])
def test_what_is_no_mapping_gives_the_defaults(raw):
    values, corrections = valid_settings(raw)
    assert values == DEFAULTS
    assert len(corrections) == 1


def test_what_is_missing_stays_as_it_was():
    before = {**DEFAULTS, "display_format": "d", "poll_interval_seconds": 7}
    assert valid_settings({"poll_interval_seconds": 8}, before)[0] == {
        **before,
        "poll_interval_seconds": 8,
    }
    assert valid_settings("text", before)[0] == before


def test_unknown_names_are_dropped():
    assert valid_settings({"unknown": 1, "__class__": 2}) == (DEFAULTS, [])


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(raw=st.dictionaries(st.sampled_from([*SETTINGS, "unknown"]), anything) | anything)
def test_whatever_arrives_what_leaves_is_valid(raw):
    values, _ = valid_settings(raw)
    assert list(values) == list(SETTINGS)
    json.dumps(values, allow_nan=False)
    for name, setting in SETTINGS.items():
        assert type(values[name]) is type(setting.default)
        if isinstance(setting, Interval):
            assert setting.minimum <= values[name] <= setting.maximum
    assert values["display_format"] in SETTINGS["display_format"].options
    assert valid_settings(values) == (values, [])
    assert valid_settings(without_defaults(values)) == (values, [])
