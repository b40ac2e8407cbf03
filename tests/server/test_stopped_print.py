"""A real OctoPrint records where a print stopped."""

import itertools
import math
import shutil
import signal
from pathlib import Path
from urllib.parse import quote

import pytest
from accounts import PASSWORD
from helpers import boot, cut_power, last_end, recorded, scripted_board, wait_for

API = "/api/plugin/octoprint_uptime"
HISTORY = "/plugin/octoprint_uptime/history"
EVENT_BUS = "/api/plugin/event_bus"
# A valid file name that is awkward in JSON, in SQL and in a shell.
NAME = "Würfel „½“ 'x' 方.gcode"
CARD_NAME = "on the card.gcode"
HEIGHT = 41.2
TARGETS = {"tool0": 210, "bed": 60}
HEAD = f"M104 S210\nM140 S60\nG28\nG1 Z{HEIGHT} F6000\n"
# Lines of all lengths, each taking a tenth of a second.
LINES = [f"G4 P100 ; {'x' * (number % 7)}\n" for number in range(3000)]
LONG_PRINT = HEAD + "".join(LINES)
# Each line is more than a percent of the file.
SHORT_PRINT = HEAD + "G4 P300\n" * 60
NO_HEARTBEATS = {"octoprint_uptime": {"heartbeat_seconds": 600}}


def line_ends(text):
    """The byte positions between the lines."""
    return set(itertools.accumulate(len(line.encode()) for line in text.splitlines(True)))


def job(session):
    return session.get("/api/job").json()


def filepos(session):
    return job(session)["progress"]["filepos"] or 0


def the_file(session):
    """The only file; OctoPrint 2 has another name for the printer's card."""
    for origin in ("local", "sdcard", "printer"):
        for file in session.get(f"/api/files/{origin}").json().get("files", []):
            return file
    return None


@pytest.fixture
def printing(new_server):
    """A factory of servers that are printing, from the uploads or the printer's card."""

    def make(text, name=NAME, folder="uploads", environment=None):
        server = new_server(environment, plugins=NO_HEARTBEATS)
        shutil.copytree(Path(__file__).parent / "plugins", server.basedir / "plugins")
        (server.basedir / folder).mkdir()
        (server.basedir / folder / name).write_text(text)
        admin = recorded(server)
        command = {"command": "connect", "port": "VIRTUAL"}
        admin.post("/api/connection", command).raise_for_status()
        wait_for(lambda: admin.get("/api/printer").status_code == 200)
        file = wait_for(lambda: the_file(admin))
        admin.post(
            f"/api/files/{file['origin']}/{quote(file['path'])}",
            {"command": "select", "print": True},
        ).raise_for_status()
        wait_for(lambda: filepos(admin) > len(HEAD))
        return server, admin

    return make


def heartbeat(session):
    """Trigger a heartbeat by recording something that can be waited for."""
    sag = {"current_undervoltage": True, "past_undervoltage": False}
    fire = {"command": "fire", "event": "plugin_pi_support_throttle_state", "payload": sag}
    session.post(EVENT_BUS, fire).raise_for_status()
    wait_for(lambda: session.get(HISTORY).json()["octoprint"][0]["undervoltage"])


def heaters_are_set(session):
    heaters = session.get("/api/printer").json()["temperature"]
    return {name: heater["target"] for name, heater in heaters.items()} == TARGETS


def test_killed_it_is_where_the_last_heartbeat_saw_it(printing):
    server, admin = printing(LONG_PRINT)
    wait_for(lambda: heaters_are_set(admin))
    before = job(admin)["progress"]
    heartbeat(admin)
    after = job(admin)["progress"]
    wait_for(lambda: filepos(admin) > after["filepos"] + 100)
    server.stop(signal.SIGKILL)

    ended = last_end(recorded(server))
    assert (ended["end"], ended["interrupted_print"]) == ("crash", NAME)
    stopped_at = ended["stopped_at"]
    position = stopped_at["position_bytes"]
    assert position in line_ends(LONG_PRINT)
    assert before["filepos"] <= position <= after["filepos"]
    assert before["printTime"] <= stopped_at["printed_seconds"] <= after["printTime"]
    size = len(LONG_PRINT)
    assert stopped_at == {
        "file": NAME,
        "origin": "local",
        "percent": math.floor(10_000 * position / size) / 100,
        "position_bytes": position,
        "size_bytes": size,
        "z_mm": HEIGHT,
        "printed_seconds": stopped_at["printed_seconds"],
        "targets": TARGETS,
    }
    admin = server.login("admin", PASSWORD)
    assert admin.get(API).json()["unacknowledged_end"]["stopped_at"] == stopped_at


def test_after_a_clean_stop_it_is_where_the_goodbye_saw_it(printing):
    server, admin = printing(SHORT_PRINT)
    wait_for(lambda: filepos(admin) > len(HEAD) + 40)
    before = filepos(admin)
    server.stop()
    ended = last_end(recorded(server))
    assert (ended["end"], ended["interrupted_print"]) == ("restart", NAME)
    assert ended["stopped_at"]["position_bytes"] in line_ends(SHORT_PRINT)
    assert ended["stopped_at"]["position_bytes"] >= before


def test_paused_it_is_where_it_was_paused(printing):
    server, admin = printing(LONG_PRINT)
    admin.post("/api/job", {"command": "pause", "action": "pause"}).raise_for_status()
    wait_for(lambda: job(admin)["state"] == "Paused")
    paused_at = filepos(admin)
    heartbeat(admin)
    server.stop(signal.SIGKILL)
    assert last_end(recorded(server))["stopped_at"]["position_bytes"] == paused_at


def test_a_power_cut_that_takes_the_printer_first(printing):
    server, admin = printing(LONG_PRINT, environment=scripted_board("first", age=5000))
    heartbeat(admin)
    saw = filepos(admin)
    wait_for(lambda: filepos(admin) > saw)
    drop = {"command": "!!DEBUG:drop_connection"}
    admin.post("/api/printer/command", drop).raise_for_status()
    wait_for(lambda: admin.get(HISTORY).json()["printer"][0]["end"] == "error")
    cut_power(server)
    boot(server, "second", age=60)
    admin = recorded(server)
    ended = last_end(admin)
    assert (ended["end"], ended["interrupted_print"]) == ("power_loss", NAME)
    assert 0 < ended["stopped_at"]["position_bytes"] <= saw
    (cut_off,) = admin.get(HISTORY).json()["prints"]
    assert (cut_off["file"], cut_off["result"]) == (NAME, "interrupted")


def test_from_the_printers_own_card(printing):
    # When it prints from its card, the virtual printer only waits for moves.
    text = HEAD + "G1 X10 F6000\nG1 X0\n" * 20_000
    server, admin = printing(text, CARD_NAME, folder="virtualSd")
    name = job(admin)["job"]["file"]["path"]
    before = filepos(admin)
    heartbeat(admin)
    after = filepos(admin)
    wait_for(lambda: filepos(admin) > after)
    server.stop(signal.SIGKILL)
    ended = last_end(recorded(server))
    stopped_at = ended["stopped_at"]
    assert ended["interrupted_print"] == stopped_at["file"] == name
    assert stopped_at["origin"] == "printer"
    assert before <= stopped_at["position_bytes"] <= after
    assert stopped_at["size_bytes"] == len(text)


def test_without_a_print_there_is_no_position(printing):
    server, admin = printing(LONG_PRINT)
    admin.post("/api/job", {"command": "cancel"}).raise_for_status()
    wait_for(lambda: job(admin)["state"] == "Operational")
    heartbeat(admin)
    server.stop(signal.SIGKILL)
    ended = last_end(recorded(server))
    assert (ended["interrupted_print"], ended["stopped_at"]) == (None, None)
