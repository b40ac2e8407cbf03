"""Build the published archives from a clean tree and verify their contents."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DIST = ROOT / "dist"
PACKAGE = ROOT / "octoprint_uptime"
BESIDE_THE_PACKAGE = {
    "sdist": {
        *("LICENSE", "PKG-INFO", "README.md", "pyproject.toml", "setup.cfg", "setup.py"),
        *(
            f"OctoPrint_Uptime.egg-info/{name}"
            for name in (
                *("PKG-INFO", "SOURCES.txt", "dependency_links.txt", "entry_points.txt"),
                *("not-zip-safe", "requires.txt", "top_level.txt"),
            )
        ),
    },
    "wheel": {
        f"dist-info/{name}"
        for name in (
            *("LICENSE", "METADATA", "RECORD", "WHEEL", "entry_points.txt", "top_level.txt"),
        )
    },
}


def run(*command: object) -> str:
    words = [str(word) for word in command]
    return subprocess.run(words, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def contents(archive: Path) -> set[str]:
    """Return the file names in an archive, without parts that differ by version."""
    if archive.suffix == ".whl":
        names = zipfile.ZipFile(archive).namelist()
        own = re.compile(r"^octoprint_uptime-[^/]+\.dist-info/(licenses/)?", re.IGNORECASE)
        return {own.sub("dist-info/", name) for name in names}
    with tarfile.open(archive) as tar:
        return {m.name.partition("/")[2] for m in tar.getmembers() if m.isfile()}


def expected(archive: Path) -> set[str]:
    """Return the files that an archive must contain: the package and the files beside it."""
    kind = "wheel" if archive.suffix == ".whl" else "sdist"
    package = {
        str(path.relative_to(ROOT))
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    return package | BESIDE_THE_PACKAGE[kind]


def assert_complete(archive: Path) -> None:
    there, wanted = contents(archive), expected(archive)
    if there != wanted:
        lacking, besides = sorted(wanted - there), sorted(there - wanted)
        sys.exit(f"{archive.name} lacks {lacking} and has besides {besides}")


def main() -> None:
    changed = run("git", "status", "--porcelain")
    if changed:
        sys.exit(f"Commit or remove first:\n{changed}")
    shutil.rmtree(DIST, ignore_errors=True)
    run(sys.executable, "-m", "build", "--outdir", DIST)
    archives = sorted(DIST.iterdir())
    run(sys.executable, "-m", "twine", "check", "--strict", *archives)
    for archive in archives:
        assert_complete(archive)
    (wheel,) = DIST.glob("*.whl")
    everywhere = [sys.executable, "-m", "nox", "--tags", "wheel", "--", wheel]
    subprocess.run(everywhere, cwd=ROOT, check=True)
    print("Ready to be published:", *archives, sep="\n  ")


if __name__ == "__main__":
    main()
