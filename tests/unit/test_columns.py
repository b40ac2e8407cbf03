"""Texts in the columns of a terminal, where some characters take two."""

import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoprint_uptime.telling.columns import columns, left_aligned, right_aligned, wrapped_text

WORDS = st.lists(st.text("ab,.-", min_size=1, max_size=6)).map(" ".join)
MIXED = st.text("ab  .,印打，。（）", max_size=100)  # noqa: RUF001
WIDTHS = st.integers(8, 40)


@pytest.mark.parametrize(
    ("text", "wide"), [("", 0), ("Z 41.2 mm – ü", 13), ("已打印", 6), ("ｶﾅカナ", 6)]
)
def test_how_wide(text, wide):
    assert columns(text) == wide


def test_aligned():
    assert left_aligned("温度", 6) + "|" == "温度  |"
    assert right_aligned("温度", 6) == "  温度"
    assert left_aligned("too long", 3) == right_aligned("too long", 3) == "too long"


@given(WORDS, WIDTHS)
def test_without_wide_characters_it_is_as_usual(text, width):
    usual = textwrap.wrap(
        text, width, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False
    )
    lines = [line.rstrip() for line in wrapped_text(text, width, "  ", "  ")]
    assert lines == (usual or [""])


@given(MIXED, WIDTHS)
def test_nothing_is_too_wide_or_missing(text, width):
    lines = list(wrapped_text(text, width, "- ", "  "))
    assert max(columns(line.rstrip()) for line in lines) <= width
    assert "".join(line[2:] for line in lines) == text


def test_punctuation_stays_with_its_word():
    text = "打印（印）。打，印"  # noqa: RUF001
    assert list(wrapped_text(text, 8)) == ["打印", "（印）。", "打，印"]  # noqa: RUF001


def test_latin_among_them_is_not_divided():
    assert list(wrapped_text("印打印abc印", 7)) == ["印打印", "abc印"]
