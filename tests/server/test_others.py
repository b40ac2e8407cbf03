"""Other plugins, System Information and a restart get the right uptimes."""

import io
import shutil
import zipfile
from pathlib import Path

import pytest
from accounts import PASSWORD, api_key
from helpers import seconds_of
from shared.octoprint_server import Session

HERE = Path(__file__).parent
URL = "/api/plugin/octoprint_uptime"
HOST = "env.plugins.octoprint_uptime.system_uptime"
OCTOPRINT = "env.plugins.octoprint_uptime.octoprint_uptime"


def test_the_helper_gives_the_apis_answer(new_server):
    server = new_server()
    shutil.copytree(HERE / "plugins", server.basedir / "plugins")
    with server.running():
        admin = server.login("admin", PASSWORD)
        by_helper = admin.get("/api/plugin/uptime_reader").json()
        by_api = admin.get(URL).json()
        assert set(by_helper["answer"]) == set(by_api)
        assert by_helper["answer"]["seconds"] <= by_api["seconds"]
        assert by_helper["formatted"] == by_helper["answer"]["uptime"]


class TestSystemInformation:
    @staticmethod
    def looked_up(admin):
        return admin.get("/api/system/info").json()["systeminfo"]

    def test_it_has_both_current_uptimes(self, admin):
        for field, key in (("uptime", HOST), ("octoprint_uptime", OCTOPRINT)):
            before = admin.get(URL).json()
            info = self.looked_up(admin)
            after = admin.get(URL).json()
            shown = seconds_of(info[key])
            assert seconds_of(before[field]) <= shown <= seconds_of(after[field])
        assert seconds_of(self.looked_up(admin)[OCTOPRINT]) >= shown

    def test_it_is_in_the_bundle(self, admin):
        bundle = zipfile.ZipFile(io.BytesIO(admin.get("/downloads/systeminfo.zip").content))
        lines = bundle.read("systeminfo.txt").decode().splitlines()
        values = dict(line.split(": ", 1) for line in lines)
        assert values[HOST].endswith("s")
        assert values[OCTOPRINT].endswith("s")


class TestRestart:
    def test_only_octoprints_uptime_starts_again(self, new_server):
        server = new_server()
        with server.running():
            key = api_key(server.login("admin", PASSWORD), "admin")
            before = Session(server, **{"X-Api-Key": key}).get(URL).json()
        with server.running():
            after = Session(server, **{"X-Api-Key": key}).get(URL).json()
        assert after["seconds"] > before["seconds"]
        started_before = before["seconds"] - before["octoprint_seconds"]
        started_after = after["seconds"] - after["octoprint_seconds"]
        assert started_after > started_before


@pytest.fixture(scope="module")
def answer_and_log(new_server):
    server = server_refused(new_server, "boot_time")
    with server.running():
        admin = server.login("admin", PASSWORD)
        response = admin.get(URL)
        info = admin.get("/api/system/info").json()["systeminfo"]
        admin.get(URL)
    return response, info, server.log()


def server_refused(new_server, *functions):
    environment = {
        "PYTHONPATH": str(HERE / "refused_psutil"),
        "REFUSED": " ".join(functions),
    }
    return new_server(environment=environment)


def warnings_of(log):
    return [line for line in log.splitlines() if "octoprint_uptime - WARNING" in line]


class TestRefusedPsutil:
    """On a host where psutil is refused the boot time."""

    def test_the_hosts_fields_are_null_and_the_others_known(self, answer_and_log):
        response, _, _ = answer_and_log
        assert response.status_code == 200
        body = response.json()
        assert body["uptime_available"] is False
        assert body["error"] == "The host's uptime is not available."
        for field in ("seconds", "uptime", "uptime_dhm", "uptime_dh", "uptime_d", "uptime_short"):
            assert body[field] is None
            assert body[f"octoprint_{field}"] is not None

    def test_one_line_in_the_log_says_why(self, answer_and_log):
        lines = warnings_of(answer_and_log[2])
        assert len(lines) == 1
        assert "octoprint (" not in lines[0]
        assert "host" in lines[0]
        assert "PermissionError" in lines[0]

    def test_one_line_is_enough_for_both(self, new_server):
        server = server_refused(new_server, "boot_time", "Process")
        with server.running():
            body = server.login("admin", PASSWORD).get(URL).json()
        assert body["seconds"] is None
        assert body["octoprint_seconds"] is None
        lines = warnings_of(server.log())
        assert len(lines) == 1
        assert "host (" in lines[0]
        assert "octoprint (" in lines[0]

    def test_system_information_says_unknown(self, answer_and_log):
        assert answer_and_log[1][HOST] == "unknown"
        assert answer_and_log[1][OCTOPRINT].endswith("s")
