"""What runs on every supported OctoPrint: ``make matrix`` and ``make release``."""

from __future__ import annotations

import os
import re
from pathlib import Path

import nox

# For each OctoPrint a Python, a psutil and a prometheus_client it runs with.
MATRIX = {
    "1.10.3": ("3.9", "5.9.8", "0.20.0"),
    "1.11.8": ("3.11", "6.1.1", "0.22.1"),
    "2.0.0rc7": ("3.13", "7.2.2", "0.26.0"),
}

# OctoPrint 1.10 imports pkg_resources without asking for what brings it.
PKG_RESOURCES = "setuptools<81"

nox.options.reuse_existing_virtualenvs = True
nox.options.error_on_missing_interpreters = os.environ.get("CI") == "true"
nox.options.tags = ["tests"]


def interpreter(version: str) -> str:
    """pyenv's newest Python of that version, else the one on the path.

    pyenv's go first: what it puts on the path runs only the version that is switched on.
    """
    folders = Path("~/.pyenv/versions").expanduser().glob(f"{version}.*")
    newest = sorted(folders, key=lambda folder: [int(n) for n in re.findall(r"\d+", folder.name)])
    return str(newest[-1] / "bin" / "python") if newest else f"python{version}"


def tests_on(octoprint: str, python: str, psutil: str, prometheus_client: str) -> None:
    """The unit, server and a few browser tests."""

    @nox.session(name=f"octoprint-{octoprint}", python=interpreter(python), tags=["tests"])
    def tests(session: nox.Session) -> None:
        session.install(
            *(f"OctoPrint=={octoprint}", f"psutil=={psutil}", PKG_RESOURCES),
            f"prometheus-client=={prometheus_client}",
            *("-e", ".[test,browser]"),
        )
        session.run("python", "-m", "pytest", "tests/unit", "tests/server", *session.posargs)
        session.run("python", "-m", "pytest", "tests/browser", "-m", "matrix", *session.posargs)


def wheel_on(octoprint: str, python: str) -> None:
    """A wheel in a fresh environment, as an owner installs it."""

    @nox.session(
        name=f"wheel-{octoprint}",
        python=interpreter(python),
        tags=["wheel"],
        reuse_venv=False,
    )
    def wheel(session: nox.Session) -> None:
        session.install(f"OctoPrint=={octoprint}", PKG_RESOURCES)
        session.install(*session.posargs)
        session.run("python", Path("tools", "ask_installed.py").resolve())


for octoprint, versions in MATRIX.items():
    tests_on(octoprint, *versions)
    wheel_on(octoprint, versions[0])
