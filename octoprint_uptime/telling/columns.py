"""How wide a terminal shows a text, and texts that fit into a width.

Most characters take one column. Those of Chinese, Japanese and Korean take two, and need no space
between them for a line break.
"""

from __future__ import annotations

from collections.abc import Iterator
from unicodedata import category, east_asian_width

_FIRST_WIDE = "\u1100"
_OPENING = ("Pi", "Ps")
"""The categories of punctuation after which no line breaks."""
_CLOSING = ("Pe", "Pf", "Po")
"""Those before which none does."""


def columns(text: str) -> int:
    """Return how many columns a text takes."""
    if max(text, default="") < _FIRST_WIDE:  # quick, for lists of thousands of lines
        return len(text)
    return len(text) + sum(map(_is_wide, text))


def left_aligned(text: str, width: int) -> str:
    """Return a text of that many columns at least, with spaces after it."""
    return text + " " * (width - columns(text))


def right_aligned(text: str, width: int) -> str:
    """Return a text of that many columns at least, with spaces before it."""
    return " " * (width - columns(text)) + text


def wrapped_text(text: str, width: int, first: str = "", rest: str = "") -> Iterator[str]:
    """Yield the lines of a text.

    Args:
        text: One line of any length.
        width: How many columns each line may take.
        first: What precedes the first line.
        rest: What precedes the others.
    """
    line, has_text = first, False
    for word in _words(text):
        # Even a word that is longer than a line has to break somewhere.
        for piece in word if columns(rest + word.rstrip()) > width else [word]:
            if has_text and columns(line + piece.rstrip()) > width:
                yield line
                line = rest
            line, has_text = line + piece, True
    yield line


def _words(text: str) -> Iterator[str]:
    """Yield what no line break divides, with the spaces that follow it."""
    start = 0
    for at in range(1, len(text)):
        if _may_break(text[at - 1], text[at]):
            yield text[start:at]
            start = at
    yield text[start:]


def _may_break(before: str, after: str) -> bool:
    if " " in (before, after):
        return after != " "
    if not (_is_wide(before) or _is_wide(after)):
        return False
    return category(before) not in _OPENING and category(after) not in _CLOSING


def _is_wide(letter: str) -> bool:
    return east_asian_width(letter) in ("W", "F")
