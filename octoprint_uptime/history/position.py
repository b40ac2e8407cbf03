"""Where a print is, from what OctoPrint has in memory: no file, no query to the printer."""

from __future__ import annotations

import json
import logging
import math
from typing import Any, NamedTuple

from ..why.evidence import stored

TRIES = 2
"""While OctoPrint stops, the first attempt may fail: the first request after a change of the
percentage makes OctoPrint start a thread, which Python 3.12 and later then refuse."""

ORIGINS = {"sdcard": "printer"}
"""The names that differ between OctoPrint 1 and OctoPrint 2."""


class Position(NamedTuple):
    """How far a print is; ``None`` for what is unknown.

    Attributes:
        file: Its name in OctoPrint's events.
        origin: ``local`` if OctoPrint sends the file line by line, ``printer`` if the printer
            reads it from its own storage.
        percent: The share of the file, from 0 to 100.
        position_bytes: How much of the file has been sent, or read by the printer.
        size_bytes: The size of the file.
        z_mm: The last height that OctoPrint sent or the printer reported.
        printed_seconds: Time since the start of the print, without pauses.
        targets: The target in degrees Celsius of each heater that is on.
    """

    file: str
    origin: str
    percent: float | None = None
    position_bytes: int | None = None
    size_bytes: int | None = None
    z_mm: float | None = None
    printed_seconds: int | None = None
    targets: dict[str, float] | None = None

    def to_json(self) -> str:
        """Everything except the file, which the record already has."""
        fields = self._asdict()
        del fields["file"]
        return json.dumps(fields, separators=(",", ":"))

    @classmethod
    def from_json(cls, file: str, text: str) -> Position:
        """The position in a file, from what :meth:`to_json` returned."""
        known = {name: value for name, value in stored(text, dict).items() if name in cls._fields}
        return cls(file, **{"origin": "local", **known})


class PositionReader:
    """Asks OctoPrint where the print is.

    Args:
        printer: OctoPrint's printer object.
        logger: Gets the first failure.
    """

    def __init__(self, printer: Any, logger: logging.Logger) -> None:
        self._printer = printer
        self._logger = logger
        self._has_failed = False

    def read(self) -> Position | None:
        """How far the selected file is; ``None`` if there is none, or if it is unknown."""
        for tries_left in reversed(range(TRIES)):
            try:
                return self._read()
            except Exception:  # a connection that just ended, or another plugin's printer object
                if not tries_left and not self._has_failed:
                    self._has_failed = True
                    self._logger.exception("Could not read the position of the print")
        return None

    def _read(self) -> Position | None:
        data = self._printer.get_current_data()
        file, progress = data["job"]["file"], data["progress"]
        path, origin = file["path"], file["origin"]
        if not isinstance(path, str) or not isinstance(origin, str):
            return None
        return Position(
            file=path,
            origin=ORIGINS.get(origin, origin),
            percent=_percent(_number(progress["completion"])),
            position_bytes=_number(progress["filepos"]),
            size_bytes=_number(file["size"]),
            z_mm=_number(data["currentZ"]),
            printed_seconds=_number(progress["printTime"]),
            targets=self._targets(),
        )

    def _targets(self) -> dict[str, float] | None:
        heaters = self._printer.get_current_temperatures()
        if not heaters:
            return None
        targets = {name: _number(heater["target"]) for name, heater in heaters.items()}
        return {name: target for name, target in targets.items() if target}


def _percent(completion: float | None) -> float | None:
    # OctoPrint returns -100 if it does not know the size, and more than 100 for a file with bytes
    # that are not UTF-8.
    if completion is None or completion < 0:
        return None
    return min(100.0, math.floor(completion * 100) / 100)


def _number(value: Any) -> Any:
    """The number if JSON has one for it; other plugins' printers may return anything."""
    return value if isinstance(value, (int, float)) and math.isfinite(value) else None
