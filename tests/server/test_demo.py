"""The server of ``make demo`` keeps its data across a restart and needs no internet."""

import contextlib
import os
import re
import signal
import subprocess
import sys

from examples import ROOT
from helpers import wait_for
from shared.octoprint_server import OctoPrintServer, free_port


@contextlib.contextmanager
def demo(folder):
    environment = {**os.environ, "DEMO": str(folder), "PORT": str(free_port())}
    output = folder / "demo.txt"
    with output.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, ROOT / "tools" / "demo.py"],
            env=environment,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_for(lambda: "Ctrl-C" in output.read_text() or process.poll(), timeout_seconds=120)
        port = re.search(r"http://127\.0\.0\.1:(\d+)", output.read_text())[1]
        yield OctoPrintServer(folder, int(port)).login("demo", "demo")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def test_it_serves_keeps_its_data_and_asks_no_other_host(tmp_path):
    with demo(tmp_path) as session:
        assert session.get("/api/plugin/octoprint_uptime").json()["uptime_available"] is True
        wizards = session.get("/api/setup/wizard").json()
        assert not [name for name, wizard in wizards.items() if wizard["required"]]
        wait_for(
            lambda: session.get("/api/plugin/octoprint_uptime").json()["printer_seconds"],
            timeout_seconds=60,
        )
        body = {"plugins": {"octoprint_uptime": {"display_format": "short"}}}
        session.post("/api/settings", body).raise_for_status()
    with demo(tmp_path) as session:
        assert session.get("/api/plugin/octoprint_uptime").json()["display_format"] == "short"
    log = next(tmp_path.glob("*/output.log")).read_text()
    assert " ERROR " not in log  # which a failed request to the internet would log
