"""Start this Python's OctoPrint in a new base folder, and check that the plugin answers."""

from __future__ import annotations

import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from shared.octoprint_server import OctoPrintServer

import octoprint_uptime

ROOT = Path(__file__).resolve().parent.parent
PATHS = (
    "/api/plugin/octoprint_uptime",
    "/plugin/octoprint_uptime/history",
    "/plugin/octoprint_uptime/metrics",
    "/plugin/octoprint_uptime/static/js/uptime_widget.js",
)


def main() -> None:
    where = Path(octoprint_uptime.__file__)
    if ROOT / "octoprint_uptime" in where.parents:
        sys.exit(f"This is not the installed plugin: {where}")
    with tempfile.TemporaryDirectory() as folder:
        server = OctoPrintServer(Path(folder))
        server.configure()
        server.add_admin("admin", "admin")
        with server.running():
            session = server.login("admin", "admin")
            for path in PATHS:
                session.get(path).raise_for_status()
            answer = session.get(PATHS[0]).json()
            assert "nicht verbunden" in session.get("/i18n/de/messages.js").text
    print(
        f"OctoPrint {version('OctoPrint')} with OctoPrint-Uptime {version('OctoPrint-Uptime')}:"
        f" the host has been up for {answer['uptime']}"
    )


if __name__ == "__main__":
    main()
