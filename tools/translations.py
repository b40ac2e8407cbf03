"""Extract the strings, update the catalogues and bundle them into the package.

The catalogues under ``translations/`` are the ones to edit. OctoPrint reads the copies
in the package: the ``.mo`` files for Python and templates, the ``.po`` files for
JavaScript.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CATALOGUES = ROOT / "translations"
BUNDLED = ROOT / "octoprint_uptime" / "translations"


def pybabel(*arguments: object) -> None:
    command = [sys.executable, "-m", "babel.messages.frontend", "--quiet"]
    subprocess.run([*command, *map(str, arguments)], cwd=ROOT, check=True)


def extract(template: Path) -> None:
    """Write every marked string of the package into ``template``."""
    pybabel("extract", "-F", "babel.cfg", "--no-location", "-o", template, ".")


def main(new_language: str) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        template = Path(scratch) / "messages.pot"
        extract(template)
        if new_language:
            pybabel("init", "-i", template, "-d", CATALOGUES, "-l", new_language)
        pybabel(
            *("update", "-i", template, "-d", CATALOGUES, "--no-fuzzy-matching"),
            *("--ignore-obsolete", "--ignore-pot-creation-date"),
        )
    shutil.rmtree(BUNDLED, ignore_errors=True)
    shutil.copytree(CATALOGUES, BUNDLED)
    pybabel("compile", "-d", BUNDLED)


if __name__ == "__main__":
    main(new_language="".join(sys.argv[1:]))
