"""The language of texts outside of requests: OctoPrint's default language, or the shell's."""

from __future__ import annotations

import contextlib
import gettext
from collections.abc import Iterator, Mapping
from pathlib import Path

from babel import Locale, UnknownLocaleError
from flask import Flask
from flask_babel import Babel, force_locale

CATALOGUES = Path(__file__).parent.parent / "translations"
ENGLISH = Locale("en", "GB")
VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANG")
"""The variables of the shell's language, the strongest first."""


@contextlib.contextmanager
def default_language(chosen: str | None) -> Iterator[None]:
    """Make ``gettext`` translate to a language outside of a request.

    Args:
        chosen: OctoPrint's setting. English replaces a language that OctoPrint lacks, such as
            ``_default``.
    """
    # Imported here because OctoPrint's command line loads plugins without its server.
    import octoprint.server  # noqa: PLC0415

    language = chosen if chosen in octoprint.server.LANGUAGES else "en"
    with octoprint.server.app.app_context(), force_locale(language):
        yield


@contextlib.contextmanager
def language_without_server(locale: Locale) -> Iterator[None]:
    """Make ``gettext`` translate to a language in a process that is not OctoPrint's server."""
    app = Flask(__name__)
    Babel(app, default_translation_directories=str(CATALOGUES))  # type: ignore[no-untyped-call]
    with app.app_context(), force_locale(str(locale)):
        yield


def shell_locale(environment: Mapping[str, str]) -> Locale:
    """Return the first language of the shell that there is a catalogue for, else English.

    Args:
        environment: The variables of the shell, which are read as GNU gettext reads them.
    """
    code = next(filter(None, map(environment.get, VARIABLES)), "")
    # GNU gettext ignores LANGUAGE unless another variable chooses a language, too.
    first = environment.get("LANGUAGE", "").split(":") if _parsed(code) else []
    for locale in map(_parsed, [*first, code]):
        if locale and (locale.language == "en" or _has_catalogue(locale)):
            return locale
    return ENGLISH


def _parsed(code: str) -> Locale | None:
    with contextlib.suppress(UnknownLocaleError, ValueError):
        return Locale.parse(code.partition(".")[0].partition("@")[0])
    return None


def _has_catalogue(locale: Locale) -> bool:
    return gettext.find("messages", CATALOGUES, [str(locale)]) is not None
