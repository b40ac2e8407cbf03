"""The commands for the shell: ``octoprint plugins octoprint_uptime:why`` and so on.

They read the history whether OctoPrint is dead, hung or running, and change nothing.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sqlite3
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any, Callable, NamedTuple, NoReturn

import click
from babel import Locale
from flask_babel import gettext

from ..history.aftermath import IDENTIFIER, LISTED, SUBJECTS, Aftermath, Place, read
from ..history.copy import NoCopyError
from ..history.record import NewerFileError
from ..settings import defaults, valid_settings
from .answers import DEFAULT_DAYS, history_csv, history_json
from .helper_report import helper_report
from .language import ENGLISH, language_without_server, shell_locale
from .moments import LocalMoments
from .plain_text import (
    ALARM,
    BLANK,
    COLUMNS,
    FAINT,
    TITLE,
    Line,
    Lines,
    PlainText,
    is_unplanned,
    state_sentences,
    wrapped,
)

MAX_DAYS = 3650
_END_SIGNALS = [getattr(signal, n) for n in ("SIGTERM", "SIGHUP") if hasattr(signal, n)]
"""What ends a command when its terminal is closed, for one; Windows lacks the second."""
_LOOKS: Mapping[str, Mapping[str, Any]] = {
    ALARM: {"fg": "red", "bold": True},
    FAINT: {"dim": True},
    TITLE: {"bold": True},
}


class Source(NamedTuple):
    """What the commands read.

    Attributes:
        place: Where OctoPrint keeps the history.
        values: The settings of the plugin.
    """

    place: Place
    values: Mapping[str, Any]

    @classmethod
    def in_base_folder(cls, base: Path, config: Any, **more: Any) -> Source:
        """Return the source in an OctoPrint's base folder.

        Args:
            base: The base folder.
            config: What OctoPrint's settings have in ``folder`` and ``plugins``.
            more: The other attributes of the place.
        """
        config = _mapping(config)
        stored = _mapping(_mapping(config.get("plugins")).get(IDENTIFIER))
        return cls(
            Place.in_base_folder(base, _mapping(config.get("folder")), **more),
            valid_settings(stored, missing=defaults())[0],
        )


def _mapping(value: Any) -> Mapping[str, Any]:
    """Return a mapping: a damaged file may have anything in its place."""
    return value if isinstance(value, Mapping) else {}


def commands(source: Callable[[], Source]) -> list[click.Command]:
    """Return the commands.

    Args:
        source: Returns what they read; called when a command runs.
    """

    @click.command()
    @_OUTPUT
    def why(output: Path | None) -> None:
        """Show why OctoPrint and the host last went down."""
        with _at_shell(shell_locale(os.environ)):
            _show(_why(source()), output)

    @click.command()
    @click.option(
        "--days",
        type=click.IntRange(1, MAX_DAYS),
        default=DEFAULT_DAYS,
        show_default=True,
        help="How many days back.",
    )
    @click.option(
        "--what",
        type=click.Choice(SUBJECTS),
        help="List only the ends of OctoPrint, the host or the printer connection.",
    )
    @click.option(
        "--unplanned", is_flag=True, help="List only crashes, power losses and lost connections."
    )
    @click.option("--json", "form", flag_value="json", help="Write JSON, as the API does.")
    @click.option("--csv", "form", flag_value="csv", help="Write OctoPrint's runs as CSV.")
    @_OUTPUT
    def history(
        days: int, what: str | None, unplanned: bool, form: str | None, output: Path | None
    ) -> None:
        """List what went down, newest first."""
        if form == "csv" and what not in (None, "octoprint"):
            raise click.UsageError("--csv writes OctoPrint's runs only.")
        with _at_shell(shell_locale(os.environ)):
            if form:
                # Without a byte order mark, spreadsheets guess another encoding.
                encoding = "utf-8-sig" if form == "csv" else "utf-8"
                _write(_exported(source(), days, what, unplanned, form), output, encoding)
            else:
                _show(_history(source(), days, what, unplanned), output)

    @click.command()
    @click.option("--no-names", is_flag=True, help="Leave out the names of files.")
    @_OUTPUT
    def report(no_names: bool, output: Path | None) -> None:
        """Write a report, in English, for the person helping you."""
        with _at_shell(ENGLISH):
            _write(_report(source(), with_names=not no_names), output)

    return [why, history, report]


_OUTPUT = click.option(
    "--output",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write to this file instead of the terminal.",
)


# What each command says


def _why(source: Source) -> Lines:
    aftermath = _read(source)
    if aftermath is None:
        yield Line(gettext("Nothing has been recorded yet."))
        return
    text = _text(source)
    yield from _state(source, aftermath)
    ends = _last_ends(aftermath)
    if not ends:
        yield Line(gettext("Nothing has gone down since the history began."))
    for names, entry in ends:
        yield BLANK
        yield Line(" · ".join(map(gettext, names)), look=FAINT)
        yield from text.details(entry)


def _state(source: Source, aftermath: Aftermath) -> Lines:
    sentences = state_sentences(aftermath, source.values["heartbeat_seconds"])
    yield Line(" ".join(sentences))


def _last_ends(aftermath: Aftermath) -> list[tuple[list[str], dict[str, Any]]]:
    """Return the last end of OctoPrint and of the host, which may be the same."""
    lasts = [
        (name, ended[0])
        for name, subject in (("OctoPrint", "octoprint"), ("Host", "system"))
        if (ended := aftermath.ended(subject))
    ]
    if len(lasts) > 1 and _is_same(*(entry for _, entry in lasts)):
        return [([name for name, _ in lasts], lasts[0][1])]
    return [([name], entry) for name, entry in lasts]


def _is_same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return (one["end"], one["ended_at"]) == (other["end"], other["ended_at"])


def _history(source: Source, days: int, what: str | None, unplanned: bool) -> Lines:
    aftermath = _read(source)
    if aftermath is None:
        yield Line(gettext("Nothing has been recorded yet."))
        return
    yield from _state(source, aftermath)
    yield BLANK
    subjects = LISTED if what is None else (what,)
    entries = [
        entry
        for entry in aftermath.ended(*subjects, days=days)
        if not unplanned or is_unplanned(entry)
    ]
    if not entries:
        yield Line(gettext("No matching events."))
        return
    yield from _text(source).listed(entries)


_NOTHING: Mapping[str, Any] = {
    **dict.fromkeys(("from", "to", "recorded_since")),
    **{name: [] for name in (*SUBJECTS, "prints")},
    "summary": {},
}
"""The answer of a history without any run."""


def _exported(source: Source, days: int, what: str | None, unplanned: bool, form: str) -> str:
    aftermath = _read(source)
    answer = aftermath.answer(days) if aftermath else dict(_NOTHING)
    if unplanned:
        for subject in SUBJECTS:
            answer[subject] = list(filter(is_unplanned, answer[subject]))
    if form == "csv":
        return history_csv(answer)
    if what is not None:
        for other in {*SUBJECTS, "prints"} - {what}:
            del answer[other]
    return history_json(answer, with_logs=True) + "\n"


def _report(source: Source, *, with_names: bool) -> str:
    aftermath = _read(source)
    if aftermath is None:
        return gettext("Nothing has been recorded yet.") + "\n"
    return helper_report(aftermath, source.values, source.place.root, with_names=with_names)


def _text(source: Source) -> PlainText:
    return PlainText(
        LocalMoments(shell_locale(os.environ)), source.values["heartbeat_seconds"], with_logs=True
    )


# Reading and writing


def _read(source: Source) -> Aftermath | None:
    """Read the history.

    Raises:
        ClickException: It cannot be read; the message says why.
    """
    folder = source.place.folder
    try:
        return read(source.place)
    except FileNotFoundError:
        message = gettext(
            "There is no history in %(folder)s. If OctoPrint uses a different base folder, name it"
            " with --basedir.",
            folder=folder,
        )
    except PermissionError:
        message = gettext(
            "You do not have permission to read the history in %(folder)s. Use the account that"
            " OctoPrint runs under, or root.",
            folder=folder,
        )
    except (NewerFileError, NoCopyError, OSError, ValueError, sqlite3.OperationalError) as error:
        message = gettext("The history is not available: %(reason)s.", reason=error)
    except sqlite3.DatabaseError as error:
        message = gettext(
            "The history in %(folder)s is damaged (%(error)s). OctoPrint will start a new one.",
            folder=folder,
            error=error,
        )
    raise click.ClickException(message)


@contextlib.contextmanager
def _at_shell(locale: Locale) -> Iterator[None]:
    # A terminal need not know all characters.
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
    with _ending_in_order(), language_without_server(locale):
        yield


@contextlib.contextmanager
def _ending_in_order() -> Iterator[None]:
    """Let signals end a command as errors do, so that it removes its copy of the history."""
    # After nohup, one of them is ignored.
    numbers = [number for number in _END_SIGNALS if signal.getsignal(number) is signal.SIG_DFL]
    for number in numbers:
        signal.signal(number, _exit)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)


def _exit(number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)  # the status that shells report for a signal


def _show(lines: Lines, output: Path | None) -> None:
    """Write text for people: wrapped, and in colour on a terminal."""
    columns = min(COLUMNS, shutil.get_terminal_size().columns)
    styled = (
        click.style(line, **_LOOKS[look]) if look and not output else line
        for line, look in wrapped(lines, columns)
    )
    _write("".join(f"{line}\n" for line in styled), output)


def _write(text: str, output: Path | None, encoding: str = "utf-8") -> None:
    if output:
        try:
            output.write_bytes(text.encode(encoding))
        except OSError as error:
            raise click.FileError(str(output), str(error.strerror)) from error
        return
    click.echo(text, nl=False, color=False if os.environ.get("NO_COLOR") else None)
