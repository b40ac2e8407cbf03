"""The report for whoever helps: everything that a forum asks for, as text to paste.

In English, like OctoPrint's own log. It has no address of a monitor, no user name, no key and no
line of a log, which may contain them.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ..history.aftermath import LISTED, Aftermath
from ..history.record import Reasons
from ..settings import SETTINGS, Address
from .identity import board_model
from .moments import UtcMoments
from .plain_text import BLANK, TITLE, Line, Lines, PlainText, state_sentences, wrapped

MAX_ENDS = 10
MAX_BYTES = 65_536
CUT_OFF = "\n… The report is cut off here.\n"
OS_RELEASE = Path("etc/os-release")


def helper_report(
    aftermath: Aftermath, values: Mapping[str, Any], root: Path = Path("/"), *, with_names: bool
) -> str:
    """Return the report.

    Args:
        aftermath: What the record says.
        values: The settings.
        root: The root folder of the system that the record belongs to.
        with_names: Whether to name files.
    """
    text = PlainText(
        UtcMoments(),
        values["heartbeat_seconds"],
        with_logs=False,
        with_names=with_names,
        with_advice=False,
    )
    lines = [
        *_about(aftermath, root),
        Line(" ".join(state_sentences(aftermath, values["heartbeat_seconds"]))),
        *_ends(aftermath, text),
        *_counts(aftermath.reasons),
        *_settings(values),
    ]
    return bounded("".join(f"{line}\n" for line, _ in wrapped(lines)))


def last_ends(aftermath: Aftermath, heartbeat_seconds: int) -> dict[str, str]:
    """Return a line about each of the last ends, by its number."""
    text = PlainText(UtcMoments(), heartbeat_seconds, with_logs=False)
    ended = aftermath.ended(*LISTED)[:MAX_ENDS]
    return {f"{number:02}": text.summary(entry) for number, entry in enumerate(ended, start=1)}


def bounded(text: str) -> str:
    """Return a text of at most ``MAX_BYTES`` in UTF-8, which says so if it is cut off."""
    encoded = text.encode()
    if len(encoded) <= MAX_BYTES:
        return text
    kept = encoded[: MAX_BYTES - len(CUT_OFF.encode())]
    return kept.decode(errors="ignore") + CUT_OFF


def _about(aftermath: Aftermath, root: Path) -> Lines:
    versions = {
        "OctoPrint-Uptime": version("OctoPrint-Uptime"),
        "OctoPrint": aftermath.octoprint_version,
        "Operating system": _operating_system(root),
    }
    if not aftermath.is_elsewhere:
        versions["Kernel"] = platform.platform()
        versions["Python"] = platform.python_version()
        versions["Board"] = board_model() or "unknown"
    yield Line(
        f"OctoPrint-Uptime report, {datetime.now(timezone.utc):%Y-%m-%d %H:%M:%S} UTC", look=TITLE
    )
    yield BLANK
    yield from _named(versions)
    yield BLANK


def _operating_system(root: Path) -> str:
    file = root / OS_RELEASE
    found = (
        re.search(r'^PRETTY_NAME="?(.*?)"?$', file.read_text(), re.MULTILINE)
        if file.exists()
        else None
    )
    return found[1] if found else platform.system()


def _ends(aftermath: Aftermath, text: PlainText) -> Lines:
    ended = aftermath.ended(*LISTED)
    last = ended[:MAX_ENDS]
    yield BLANK
    yield Line(f"Last ends: {len(last)} of {len(ended)}", look=TITLE)
    for number, entry in enumerate(last, start=1):
        why = entry["why"].verdict
        yield BLANK
        yield Line(f"{number}. {entry['end']}, {why.reason}, {why.grade}", indent=2)
        for line in text.details(entry):
            yield line._replace(indent=line.indent + 5)


def _counts(reasons: Reasons) -> Lines:
    yield BLANK
    yield Line("Ends since the history began, by reason", look=TITLE)
    yield BLANK
    yield from _named(
        {
            ", ".join(what): str(count)
            for what, count in sorted(reasons.items(), key=lambda one: -one[1])
        }
    )


def _settings(values: Mapping[str, Any]) -> Lines:
    yield BLANK
    yield Line("Settings", look=TITLE)
    yield BLANK
    yield from _named({name: _shown(name, value) for name, value in values.items()})


def _shown(name: str, value: Any) -> str:
    if isinstance(SETTINGS[name], Address):
        return "set" if value else "not set"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _named(values: Mapping[str, str]) -> Lines:
    width = max(map(len, values), default=0)
    for name, value in values.items():
        yield Line(f"{name.ljust(width)}  {value}", indent=2, hang=width + 2)
