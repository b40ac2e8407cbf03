"""The uptime API answers those with the permission and refuses all others."""

import time
from pathlib import Path

import psutil
import pytest
from accounts import PASSWORD, add_user, api_key, change_group
from helpers import wait_for
from shared.octoprint_server import Session

from octoprint_uptime.format_uptime import FORMATS

URL = "/api/plugin/octoprint_uptime"
VIEW = "PLUGIN_OCTOPRINT_UPTIME_VIEW"

PREFIXES = ("", "octoprint_", "printer_")
CLOCK_FIELDS = ("seconds", "uptime", "uptime_dhm", "uptime_dh", "uptime_d", "uptime_short")
FIELDS = {prefix + field for prefix in PREFIXES for field in CLOCK_FIELDS} | {
    "display_format",
    "poll_interval_seconds",
    "unacknowledged_end",
    "pings",
    "uptime_available",
}


def uptime(session):
    response = session.get(URL)
    assert response.status_code == 200, response.text
    assert response.headers["Content-Type"] == "application/json"
    return response.json()


def assert_refused(response):
    assert response.status_code == 403
    body = response.json()
    assert set(body) == {"error", "uptime_available"}
    assert body["uptime_available"] is False
    assert body["error"].endswith(".")


def assert_texts_fit(body, prefix):
    for name, format_text in FORMATS.items():
        field = prefix + ("uptime" if name == "full" else f"uptime_{name}")
        assert body[field] == format_text(body[f"{prefix}seconds"])


def test_the_answer(admin):
    body = uptime(admin)
    assert set(body) == FIELDS
    assert body["uptime_available"] is True
    assert body["display_format"] == "full"
    assert body["poll_interval_seconds"] == 60
    assert_texts_fit(body, "")
    assert_texts_fit(body, "octoprint_")


def test_the_host_and_the_process_are_the_real_ones(server, admin):
    def real():
        host = float(Path("/proc/uptime").read_text().split()[0])
        # psutil cuts the fraction off the boot time, so its uptime is up to a second too long.
        process = time.time() - psutil.Process(server.pid).create_time()
        return host, process

    hosts_before, process_before = real()
    body = uptime(admin)
    hosts_after, process_after = real()
    assert hosts_before - 0.01 <= body["seconds"] <= hosts_after + 0.01
    assert process_before - 1.01 <= body["octoprint_seconds"] <= process_after


def test_uptimes_grow_with_time(admin):
    first = uptime(admin)

    def later():
        body = uptime(admin)
        return body if body["seconds"] - first["seconds"] > 1 else None

    second = wait_for(later)
    grown = second["seconds"] - first["seconds"]
    assert second["octoprint_seconds"] - first["octoprint_seconds"] == pytest.approx(
        grown, abs=0.01
    )


class TestPrinter:
    def test_its_uptime_grows_while_it_is_connected(self, admin):
        assert self.fields(admin) == set(), "nothing is connected yet"

        admin.post("/api/connection", {"command": "connect", "port": "VIRTUAL"}).raise_for_status()
        body = wait_for(lambda: self.connected(uptime(admin)))
        assert body["printer_seconds"] < body["octoprint_seconds"]
        assert_texts_fit(body, "printer_")
        wait_for(lambda: uptime(admin)["printer_seconds"] > body["printer_seconds"])

        admin.post("/api/connection", {"command": "disconnect"}).raise_for_status()
        wait_for(lambda: not self.connected(uptime(admin)))
        assert self.fields(admin) == set()

    @staticmethod
    def connected(body):
        return body if body["printer_seconds"] is not None else None

    @staticmethod
    def fields(admin):
        body = uptime(admin)
        return {field for field in CLOCK_FIELDS if body[f"printer_{field}"] is not None}


@pytest.fixture(scope="module")
def key(admin):
    return api_key(admin, "readonly")


class TestCredentials:
    @pytest.mark.parametrize("name", ["admin", "users", "readonly"])
    def test_sessions(self, server, name):
        uptime(server.login(name, PASSWORD))

    def test_api_key(self, server, key):
        uptime(Session(server, **{"X-Api-Key": key}))

    def test_api_key_as_parameter(self, server, key):
        assert Session(server).get(f"{URL}?apikey={key}").status_code == 200

    def test_bearer(self, server, key):
        uptime(Session(server, Authorization=f"Bearer {key}"))

    def test_application_key(self, server):
        session = server.login("users", PASSWORD)
        made = session.post("/api/plugin/appkeys", {"command": "generate", "app": "farm"})
        uptime(Session(server, Authorization=f"Bearer {made.json()['api_key']}"))


class TestRefusals:
    def test_anonymous(self, server):
        assert_refused(Session(server).get(URL))

    def test_an_account_without_the_permission(self, server, admin):
        add_user(admin, "outsider", permissions=["STATUS"], groups=["guests"])
        assert_refused(server.login("outsider", PASSWORD).get(URL))
        assert_refused(Session(server, **{"X-Api-Key": api_key(admin, "outsider")}).get(URL))

    def test_a_deactivated_account(self, server, admin):
        add_user(admin, "leaver", groups=["users"])
        session = server.login("leaver", PASSWORD)
        with_key = Session(server, **{"X-Api-Key": api_key(admin, "leaver")})
        uptime(session)
        uptime(with_key)
        body = {"active": False, "groups": ["users"], "permissions": []}
        admin.put("/api/access/users/leaver", body).raise_for_status()
        assert_refused(session.get(URL))
        assert with_key.get(URL).status_code == 403

    @pytest.mark.parametrize(
        "headers", [{"X-Api-Key": "wrong"}, {"Authorization": "Bearer wrong"}], ids=str
    )
    def test_a_wrong_key(self, server, headers):
        assert Session(server, **headers).get(URL).status_code == 403


class TestPermission:
    def test_it_is_listed_with_its_groups(self, admin):
        permissions = admin.get("/api/access/permissions").json()["permissions"]
        view = next(permission for permission in permissions if permission["key"] == VIEW)
        assert view["name"] == "Uptime: view"
        assert set(view["default_groups"]) == {"admins", "users", "readonly"}

    def test_it_can_be_taken_away_and_given_back(self, server, admin):
        session = server.login("users", PASSWORD)
        uptime(session)
        change_group(admin, "users", remove={VIEW})
        try:
            assert_refused(session.get(URL))
            uptime(admin)
        finally:
            change_group(admin, "users", add={VIEW})
        uptime(session)

    def test_it_can_be_given_to_guests(self, server, admin):
        change_group(admin, "guests", add={VIEW})
        try:
            uptime(Session(server))
        finally:
            change_group(admin, "guests", remove={VIEW})
        assert_refused(Session(server).get(URL))


def test_other_commands_are_refused(admin):
    assert admin.post(URL, {"command": "clear"}).status_code == 400
