import doctest
import json
import math
import re
from decimal import Decimal
from fractions import Fraction
from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import octoprint_uptime
from octoprint_uptime.format_uptime import FORMATS

TABLE = json.loads((Path(__file__).parent.parent / "format_cases.json").read_text())
CASES = [
    (format_name, row[0], text)
    for row in TABLE["cases"]
    for format_name, text in zip(TABLE["columns"][1:], row[1:])
]
SECONDS_IN = {"d": 86400, "h": 3600, "m": 60, "s": 1}
# The smallest unit of each format; the text drops less than one of these.
RESOLUTION = {"full": 1, "dhm": 60, "dh": 3600, "d": 86400, "short": 60}

every_format = pytest.mark.parametrize("name", FORMATS)


def test_the_table_has_every_format():
    assert TABLE["columns"] == ["seconds", *FORMATS]


@pytest.mark.parametrize(("name", "seconds", "text"), CASES)
def test_text(name, seconds, text):
    assert FORMATS[name](seconds) == text


@every_format
@pytest.mark.parametrize("value", TABLE["not_numbers"] + [1 + 2j, b"60", object], ids=repr)
def test_a_type_error_names_what_is_not_a_number(name, value):
    with pytest.raises(TypeError, match=re.escape(repr(value))):
        FORMATS[name](value)


@every_format
@pytest.mark.parametrize(
    "value", [math.nan, math.inf, -math.inf, Decimal("NaN"), Decimal("-Infinity")], ids=repr
)
def test_a_value_error_names_what_is_not_finite(name, value):
    with pytest.raises(ValueError, match=re.escape(repr(value))):
        FORMATS[name](value)


@every_format
@pytest.mark.parametrize("value", [Fraction(180123, 2), Decimal("90061.5"), 90061.5])
def test_every_kind_of_real_number_is_taken(name, value):
    assert FORMATS[name](value) == FORMATS[name](90061)


def parsed(text):
    return [(int(count), unit) for count, unit in re.findall(r"(\d+)([dhms])", text)]


@every_format
@given(seconds=st.one_of(st.integers(-(10**6), 10**12), st.floats(-1e6, 1e12)))
def test_the_parts_add_up_to_the_input(name, seconds):
    total = sum(count * SECONDS_IN[unit] for count, unit in parsed(FORMATS[name](seconds)))
    whole = max(0, math.trunc(seconds))
    assert total == whole - whole % RESOLUTION[name]


@every_format
@given(seconds=st.integers(0, 10**12))
def test_units_fall_and_only_the_first_may_overflow(name, seconds):
    parts = parsed(FORMATS[name](seconds))
    units = "".join(unit for _, unit in parts)
    assert units in "dhms"
    limits = {"h": 24, "m": 60, "s": 60}
    assert all(count < limits[unit] for count, unit in parts if unit in limits)


def test_the_package_lends_all_five():
    # By its name, because the package's attribute is the function.
    module = import_module("octoprint_uptime.format_uptime")
    assert octoprint_uptime.format_uptime is module.format_uptime
    for name in octoprint_uptime.__all__:
        assert getattr(octoprint_uptime, name) is getattr(module, name)
    assert len(octoprint_uptime.__all__) == 5


def test_the_docstrings_examples_hold():
    module = import_module("octoprint_uptime.format_uptime")
    results = doctest.testmod(module)
    assert results.attempted >= 10
    assert results.failed == 0
