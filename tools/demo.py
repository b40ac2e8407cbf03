"""Serve an OctoPrint to try the plugin: with an account, a virtual printer and no wizard."""

from __future__ import annotations

import os
import signal
import socket
import sys
from importlib.metadata import version
from pathlib import Path

from shared.octoprint_server import OctoPrintServer, free_port

NAME = PASSWORD = "demo"
PREFERRED_PORT = 5000
FOLDER = Path(os.environ.get("DEMO", Path(__file__).resolve().parent.parent / ".demo"))


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def demo_server() -> OctoPrintServer:
    port = int(os.environ.get("PORT", PREFERRED_PORT))
    basedir = FOLDER / f"octoprint-{version('OctoPrint')}"
    server = OctoPrintServer(basedir, port if is_free(port) else free_port())
    if not (basedir / "users.yaml").exists():
        server.configure(
            serial={"autoconnect": True, "port": "VIRTUAL"},
            plugins={"octoprint_uptime": {"show_printer_uptime": True}},
        )
        server.add_admin(NAME, PASSWORD)
    return server


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    server = demo_server()
    try:
        with server.running():
            print(f"OctoPrint {version('OctoPrint')} with the plugin: {server.url}")
            print(f"Sign in as {NAME} with the password {PASSWORD}. Ctrl-C ends it.", flush=True)
            sys.exit(server.wait())
    except KeyboardInterrupt:
        print()
    except RuntimeError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
