"""The language of texts written outside of requests: OctoPrint's default language."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from flask_babel import force_locale


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
