"""Numbers with their units, in the current language."""

from __future__ import annotations

from babel.numbers import format_decimal
from flask_babel import get_locale, gettext

from ..format_uptime import format_uptime, format_uptime_dhm
from ..why.words import GB, MB, N_

HOUR_SECONDS = 3600


def duration(seconds: float) -> str:
    """Return a duration, with seconds only if it is short."""
    return format_uptime(seconds) if seconds < HOUR_SECONDS else format_uptime_dhm(seconds)


def number(value: float, most_digits: int = 0) -> str:
    """Return a number with at most that many decimal digits."""
    return format_decimal(round(value, most_digits), locale=get_locale())


def in_unit(pattern: str, value: float, most_digits: int = 0) -> str:
    """Return a number with its unit, which no line break may separate."""
    text = gettext(pattern, number=number(value, most_digits))
    return str(text).replace(" ", "\N{NO-BREAK SPACE}")


def bytes_text(count: float) -> str:
    """Return a size in megabytes or gigabytes."""
    if count < GB:
        return in_unit(N_("%(number)s MB"), count / MB)
    return in_unit(N_("%(number)s GB"), count / GB, 1 if count < 1000 * GB else 0)


def celsius(degrees: float, most_digits: int = 0) -> str:
    """Return a temperature."""
    return in_unit(N_("%(number)s °C"), degrees, most_digits)
