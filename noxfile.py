"""The unit and server tests on every supported OctoPrint; ``make matrix`` runs it."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import nox

MATRIX = {"1.10.3": "3.9", "1.11.8": "3.11", "2.0.0rc7": "3.13"}

nox.options.reuse_existing_virtualenvs = True
nox.options.error_on_missing_interpreters = os.environ.get("CI") == "true"


def interpreter(version: str) -> str:
    """The newest Python of that version: on the path, else among pyenv's."""
    name = f"python{version}"
    folders = Path("~/.pyenv/versions").expanduser().glob(f"{version}.*")
    newest = sorted(folders, key=lambda folder: [int(n) for n in re.findall(r"\d+", folder.name)])
    own = [str(folder / "bin" / "python") for folder in newest[-1:]]
    return shutil.which(name) or next(iter(own), name)


def tests_on(octoprint: str, python: str) -> None:
    @nox.session(name=f"octoprint-{octoprint}", python=interpreter(python))
    def tests(session: nox.Session) -> None:
        session.install(f"OctoPrint=={octoprint}", "-e", ".[test]")
        session.run("python", "-m", "pytest", "tests/unit", "tests/server", *session.posargs)


for octoprint, python in MATRIX.items():
    tests_on(octoprint, python)
