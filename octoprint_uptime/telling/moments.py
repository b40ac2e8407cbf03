"""Dates and times as text: in the reader's own way, or the same for everyone."""

from __future__ import annotations

import functools
from datetime import date, datetime, time, timezone
from typing import Protocol

from babel import Locale
from babel.dates import format_date, format_datetime, format_time


class Moments(Protocol):
    """Writes Unix times."""

    def date_and_time(self, unix_time: float) -> str: ...

    def date(self, unix_time: float) -> str: ...

    def time(self, unix_time: float) -> str: ...


class LocalMoments:
    """In the time zone of this computer, in the way of a language.

    Args:
        locale: The language and country.
    """

    def __init__(self, locale: Locale) -> None:
        self._locale = locale

    def date_and_time(self, unix_time: float) -> str:
        return format_datetime(_local(unix_time), "medium", locale=self._locale)

    def date(self, unix_time: float) -> str:
        return _date(_local(unix_time).date(), self._locale)

    def time(self, unix_time: float) -> str:
        return _time(_local(unix_time).time().replace(second=0, microsecond=0), self._locale)


# A list has thousands of times, on few days.


@functools.lru_cache
def _date(day: date, locale: Locale) -> str:
    return format_date(day, "full", locale=locale)


@functools.lru_cache(maxsize=1440)
def _time(minute: time, locale: Locale) -> str:
    return format_time(minute, "short", locale=locale)


def _local(unix_time: float) -> datetime:
    return datetime.fromtimestamp(unix_time)


class UtcMoments:
    """In UTC, in the form of ISO 8601."""

    def date_and_time(self, unix_time: float) -> str:
        return f"{self.date(unix_time)} {self.time(unix_time)}"

    def date(self, unix_time: float) -> str:
        return f"{_utc(unix_time):%Y-%m-%d}"

    def time(self, unix_time: float) -> str:
        return f"{_utc(unix_time):%H:%M:%S} UTC"


def _utc(unix_time: float) -> datetime:
    return datetime.fromtimestamp(unix_time, timezone.utc)
