"""Build what is published, from a clean tree, and prove that it is what it should be."""

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
MANIFEST = ROOT / "tools" / "manifest"


def run(*command: object) -> str:
    words = [str(word) for word in command]
    return subprocess.run(words, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def contents(archive: Path) -> set[str]:
    """The files in an archive, without what differs by version, ours or setuptools'."""
    if archive.suffix == ".whl":
        names = zipfile.ZipFile(archive).namelist()
        own = re.compile(r"^octoprint_uptime-[^/]+\.dist-info/(licenses/)?", re.IGNORECASE)
        return {own.sub("dist-info/", name) for name in names}
    with tarfile.open(archive) as tar:
        return {m.name.partition("/")[2] for m in tar.getmembers() if m.isfile()}


def manifest(archive: Path) -> set[str]:
    """What must be in it."""
    kind = "wheel" if archive.suffix == ".whl" else "sdist"
    return set((MANIFEST / f"{kind}.txt").read_text().split())


def assert_as_in_manifest(archive: Path) -> None:
    there, wanted = contents(archive), manifest(archive)
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
        assert_as_in_manifest(archive)
    (wheel,) = DIST.glob("*.whl")
    everywhere = [sys.executable, "-m", "nox", "--tags", "wheel", "--", wheel]
    subprocess.run(everywhere, cwd=ROOT, check=True)
    print("Ready to be published:", *archives, sep="\n  ")


if __name__ == "__main__":
    main()
