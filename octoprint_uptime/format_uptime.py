"""Text for an uptime: seconds in, ``1d 2h 3m 4s`` out.

Pure functions: no OctoPrint, no psutil, no clock. ``tests/format_cases.json`` tests both these and
the browser's formatter (``static/clientjs/octoprint_uptime.js``).
"""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from numbers import Real
from typing import Callable, Union

Seconds = Union[float, Decimal, Fraction]
# int and float first: they are the usual case, and an abstract class takes longer.
_NUMBERS = (int, float, Real, Decimal)

_UNITS: tuple[tuple[str, int], ...] = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


def _whole_seconds(seconds: Seconds) -> int:
    """Cut off the fraction; negative values become zero."""
    if isinstance(seconds, bool) or not isinstance(seconds, _NUMBERS):
        raise TypeError(f"seconds must be a real number, not {seconds!r}")
    try:
        return max(0, math.trunc(seconds))
    except (ValueError, OverflowError):
        raise ValueError(f"seconds must be a finite number, not {seconds!r}") from None


def _parts(seconds: Seconds, units: str, always: str) -> list[str]:
    """Split into ``units`` such as ``"dhm"``, largest first.

    Leading zero units are left out unless they are in ``always``.
    """
    rest = _whole_seconds(seconds)
    parts: list[str] = []
    for unit, length in _UNITS[: len(units)]:
        count, rest = divmod(rest, length)
        if count or parts or unit in always:
            parts.append(f"{count}{unit}")
    return parts


def format_uptime(seconds: Seconds) -> str:
    """Days, hours, minutes and seconds.

    Args:
        seconds: The uptime in seconds, any finite real number. Fractions are cut, not
            rounded; a negative value counts as 0.

    Returns:
        The largest unit that is not zero and all below it; ``0s`` at least.

    Raises:
        TypeError: If ``seconds`` is not a real number.
        ValueError: If ``seconds`` is NaN or infinite.

    Examples:
        >>> format_uptime(90061)
        '1d 1h 1m 1s'
        >>> format_uptime(3600)
        '1h 0m 0s'
        >>> format_uptime(59.9)
        '59s'
    """
    return " ".join(_parts(seconds, "dhms", always="s"))


def format_uptime_dhm(seconds: Seconds) -> str:
    """Days, hours and minutes; hours and minutes are always there.

    Args:
        seconds: As for :func:`format_uptime`.

    Returns:
        The text; ``0h 0m`` at least.

    Raises:
        TypeError: If ``seconds`` is not a real number.
        ValueError: If ``seconds`` is NaN or infinite.

    Examples:
        >>> format_uptime_dhm(90061)
        '1d 1h 1m'
        >>> format_uptime_dhm(59)
        '0h 0m'
    """
    return " ".join(_parts(seconds, "dhm", always="hm"))


def format_uptime_dh(seconds: Seconds) -> str:
    """Days and hours; hours are always there.

    Args:
        seconds: As for :func:`format_uptime`.

    Returns:
        The text; ``0h`` at least.

    Raises:
        TypeError: If ``seconds`` is not a real number.
        ValueError: If ``seconds`` is NaN or infinite.

    Examples:
        >>> format_uptime_dh(90061)
        '1d 1h'
        >>> format_uptime_dh(3599)
        '0h'
    """
    return " ".join(_parts(seconds, "dh", always="h"))


def format_uptime_d(seconds: Seconds) -> str:
    """Whole days.

    Args:
        seconds: As for :func:`format_uptime`.

    Returns:
        The text; ``0d`` at least.

    Raises:
        TypeError: If ``seconds`` is not a real number.
        ValueError: If ``seconds`` is NaN or infinite.

    Examples:
        >>> format_uptime_d(90061)
        '1d'
    """
    return " ".join(_parts(seconds, "d", always="d"))


def format_uptime_short(seconds: Seconds) -> str:
    """Days, hours and minutes without spaces, for narrow places.

    Args:
        seconds: As for :func:`format_uptime`.

    Returns:
        The text; ``0m`` at least.

    Raises:
        TypeError: If ``seconds`` is not a real number.
        ValueError: If ``seconds`` is NaN or infinite.

    Examples:
        >>> format_uptime_short(184500)
        '2d3h15m'
        >>> format_uptime_short(8100)
        '2h15m'
    """
    return "".join(_parts(seconds, "dhm", always="m"))


FORMATS: dict[str, Callable[[Seconds], str]] = {
    "full": format_uptime,
    "dhm": format_uptime_dhm,
    "dh": format_uptime_dh,
    "d": format_uptime_d,
    "short": format_uptime_short,
}
"""Every format by its name in the setting ``display_format``."""
