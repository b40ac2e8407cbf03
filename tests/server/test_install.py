"""The sdist and the wheel hold the whole package, German page included."""

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
import release
import requests
from accounts import PASSWORD
from examples import ROOT


def run(*command, **options):
    return subprocess.run(
        [str(word) for word in command], check=True, capture_output=True, text=True, **options
    ).stdout


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    """The sdist, and the wheel made from it."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--outdir", folder, ROOT)
    return {"sdist": next(folder.glob("*.tar.gz")), "wheel": next(folder.glob("*.whl"))}


def python_with(archive, folder):
    """A Python that shares this one's OctoPrint and has the plugin from ``archive``."""
    run(sys.executable, "-m", "venv", folder)
    python = folder / "bin" / "python"
    site_packages = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))")
    borrowed = Path(site_packages.strip()) / "octoprint.pth"
    borrowed.write_text(sysconfig.get_path("purelib") + "\n")
    run(python, "-m", "pip", "install", "--no-deps", "--ignore-installed", archive)
    return python


@pytest.mark.parametrize("kind", ["editable", "sdist", "wheel"])
def test_the_german_page(kind, archives, new_server, tmp_path):
    python = Path(sys.executable)
    if kind != "editable":
        python = python_with(archives[kind], tmp_path / "venv")
    ask = "import octoprint_uptime as u; print(u.__file__)"
    where = run(python, "-c", ask, cwd=tmp_path).strip()
    assert Path(where).is_relative_to(ROOT / "octoprint_uptime") == (kind == "editable")

    server = new_server(python=str(python))
    with server.running():
        session = server.login("admin", PASSWORD)
        assert session.get("/api/plugin/octoprint_uptime").json()["uptime_available"] is True
        session.requests.headers["Accept-Language"] = "de"
        page = session.get("/").text
        assert "Laufzeit des Rechners" in page
        assert f"= {Path(where).parent}\n" in server.log()
        assert "octoprint_uptime_bar" in page
        assert "nicht verbunden" in session.get("/i18n/de/messages.js").text
        assets = ("clientjs/octoprint_uptime.js", "js/uptime_widget.js", "css/octoprint_uptime.css")
        for asset in assets:
            url = f"{server.url}/plugin/octoprint_uptime/static/{asset}"
            assert requests.get(url, timeout=30).status_code == 200


@pytest.mark.parametrize("kind", ["sdist", "wheel"])
def test_they_hold_the_whole_package_and_nothing_else(kind, archives):
    release.assert_complete(archives[kind])
