"""A real OctoPrint tells how it ended, once it has started again."""

import contextlib
import csv
import io
import json
import re
import shutil
import signal
import sqlite3
import time
from pathlib import Path
from urllib.parse import quote

import pytest
import websocket
from accounts import PASSWORD, add_user, api_key, change_group
from helpers import boot, cut_power, last_end, recorded, scripted_board, wait_for
from shared.octoprint_server import OctoPrintServer, Session

HERE = Path(__file__).parent
URL = "/plugin/octoprint_uptime/history"
API = "/api/plugin/octoprint_uptime"
EVENT_BUS = "/api/plugin/event_bus"
VIEW = "PLUGIN_OCTOPRINT_UPTIME_VIEW"
FILE = "=1+1 half-way.gcode"
# OctoPrint removes markup from its own file names, but not from those on the printer's card.
MARKUP = "=1+1 <img src=x onerror=alert(1)>.gcode"
LONG_PRINT = "G28\n" + "G4 P200\n" * 3000


def history(session, query=""):
    response = session.get(URL + query)
    assert response.status_code == 200, response.text
    assert response.headers["Content-Type"] == "application/json"
    return response.json()


def fire(session, event, payload):
    body = {"command": "fire", "event": event, "payload": payload}
    session.post(EVENT_BUS, body).raise_for_status()


def throttle(session, current=False, past=False):
    payload = {"current_undervoltage": current, "past_undervoltage": past}
    fire(session, "plugin_pi_support_throttle_state", payload)


def wait_for_events(session, count):
    """The plugin's events, once there are that many."""
    wait_for(lambda: len(session.get(EVENT_BUS).json()["events"]) >= count)
    return session.get(EVENT_BUS).json()["events"]


def connect(session, port="VIRTUAL"):
    session.post("/api/connection", {"command": "connect", "port": port}).raise_for_status()
    wait_for(lambda: session.get("/api/printer").status_code == 200)


def wait_for_connections(session, ends):
    wait_for(lambda: [c["end"] for c in history(session)["printer"]] == ends)


@pytest.fixture
def on_board(new_server):
    """A factory of servers on a host with scripted boots, with the event bus."""

    def make(**config):
        server = new_server(environment=scripted_board("first", age=5000), **config)
        shutil.copytree(HERE / "plugins", server.basedir / "plugins")
        return server

    return make


class TestEnds:
    def test_sigterm_then_start(self, new_server):
        server = new_server()
        before = time.time() - 0.01  # the kernel counts process starts in hundredths
        with server.running():
            pass
        admin = recorded(server)
        ended = last_end(admin)
        answer = history(admin)
        assert ended["end"] == "restart"
        assert ended["end_exact"] is True
        assert before <= ended["started_at"] < ended["ended_at"] < time.time()
        assert ended["seconds"] == pytest.approx(ended["ended_at"] - ended["started_at"], abs=0.01)
        running = answer["octoprint"][0]
        assert running["end"] == "running"
        assert running["started_at"] - ended["ended_at"] == pytest.approx(
            ended["downtime_seconds"], abs=0.01
        )
        assert answer["from"] == pytest.approx(answer["to"] - 30 * 86400)
        assert answer["recorded_since"] == answer["octoprint"][-1]["started_at"]
        assert [boot["end"] for boot in answer["system"]] == ["running"]
        ends = answer["summary"]["octoprint"]["ends"]
        assert {end: count for end, count in ends.items() if count} == {"restart": 1}
        assert 0 < answer["summary"]["octoprint"]["availability"] < 1
        assert answer["summary"]["system"]["availability"] == 1

    def test_sigkill_then_start(self, new_server):
        server = new_server()
        recorded(server)
        cut_power(server)
        ended = last_end(recorded(server))
        assert ended["end"] == "crash"
        assert ended["end_exact"] is False
        assert ended["seconds"] >= 0
        assert ended["downtime_seconds"] > 0

    @pytest.mark.parametrize(
        ("go_down", "end"), [(OctoPrintServer.stop, "shutdown"), (cut_power, "power_loss")]
    )
    def test_another_boot(self, on_board, go_down, end):
        server = on_board()
        recorded(server)
        go_down(server)
        stopped = time.monotonic()
        boot(server, "second", age=time.monotonic() - stopped)
        admin = recorded(server)
        answer = history(admin)
        for what in ("octoprint", "system"):
            running, ended = answer[what]
            assert (running["end"], ended["end"]) == ("running", end)
            assert ended["end_exact"] is (end == "shutdown")
            assert ended["downtime_seconds"] >= 0
            assert answer["summary"][what]["ends"][end] == 1
        assert answer["system"][1]["seconds"] > 5000

    def test_a_clock_that_is_behind_gives_no_absurd_times(self, on_board):
        server = on_board()
        recorded(server)
        server.stop(signal.SIGKILL)
        boot(server, "second", age=3 * 86400)
        answer = history(recorded(server))
        assert answer["to"] is None
        assert answer["octoprint"][0]["started_at"] is None
        assert answer["octoprint"][1]["downtime_seconds"] is None


class TestPrinter:
    def test_a_disconnect_an_error_and_a_crash(self, new_server):
        server = new_server()
        admin = recorded(server)
        connect(admin)
        wait_for_connections(admin, ["running"])
        admin.post("/api/connection", {"command": "disconnect"}).raise_for_status()
        wait_for_connections(admin, ["disconnected"])
        connect(admin)
        wait_for_connections(admin, ["running", "disconnected"])
        admin.post("/api/printer/command", {"command": "!!DEBUG:drop_connection"})
        admin.post("/api/printer/command", {"command": "M105"})
        wait_for_connections(admin, ["error", "disconnected"])
        connect(admin)
        wait_for_connections(admin, ["running", "error", "disconnected"])
        server.stop(signal.SIGKILL)
        admin = recorded(server)
        wait_for_connections(admin, ["octoprint_down", "error", "disconnected"])
        latest = history(admin)["printer"][0]
        assert latest["port"] == "VIRTUAL"
        assert latest["ended_at"] == last_end(admin)["ended_at"]
        assert latest["seconds"] >= 0


def start_print(session, name):
    body = {"command": "select", "print": True}
    session.post(f"/api/files/local/{quote(name)}", body).raise_for_status()


@pytest.fixture(scope="module")
def interrupted(new_server):
    """A server that was killed halfway through a print, and runs again."""
    server = new_server()
    shutil.copytree(HERE / "plugins", server.basedir / "plugins")
    uploads = server.basedir / "uploads"
    uploads.mkdir()
    (uploads / FILE).write_text(LONG_PRINT)
    (uploads / "short.gcode").write_text("G28\n")
    admin = recorded(server)
    connect(admin)
    start_print(admin, FILE)
    wait_for(lambda: admin.get("/api/job").json()["state"] == "Printing")
    throttle(admin, current=True)
    # Everything before this row has been recorded too.
    wait_for(lambda: history(admin)["octoprint"][0]["undervoltage"])
    server.stop(signal.SIGKILL)
    recorded(server)
    return server


class TestInterruptedPrint:
    """OctoPrint was killed halfway through a print whose file name is a formula."""

    def test_it_is_named_as_it_is(self, interrupted):
        admin = interrupted.login("admin", PASSWORD)
        running, ended = history(admin)["octoprint"]
        assert ended["interrupted_print"] == FILE
        assert ended["undervoltage"] is True
        assert (running["interrupted_print"], running["undervoltage"]) == (None, False)

    def test_in_the_csv(self, interrupted):
        admin = interrupted.login("admin", PASSWORD)
        response = admin.get(URL + "?format=csv")
        assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
        assert "attachment" in response.headers["Content-Disposition"]
        rows = list(csv.DictReader(io.StringIO(response.content.decode("utf-8-sig"))))
        assert [row["end"] for row in rows] == ["running", "crash"]
        assert rows[1]["interrupted_print"] == "'" + FILE
        assert rows[1]["stopped_at_percent"] == str(last_end(admin)["stopped_at"]["percent"])
        why = last_end(admin)["why"]
        assert [(row["reason"], row["grade"]) for row in rows] == [
            ("", ""),
            (why["reason"], why["grade"]),
        ]

    def test_in_the_events(self, interrupted):
        admin = interrupted.login("admin", PASSWORD)
        names_and_payloads = wait_for_events(admin, 2)
        assert [name for name, _ in names_and_payloads] == [
            "plugin_octoprint_uptime_started",
            "plugin_octoprint_uptime_unplanned",
        ]
        ended = last_end(admin)
        for _, payload in names_and_payloads:
            assert payload == {
                "previous_end": "crash",
                "previous_ended_at": ended["ended_at"],
                "downtime_seconds": ended["downtime_seconds"],
                "interrupted_print": FILE,
                "stopped_at": ended["stopped_at"],
                "undervoltage": True,
                "why": {name: ended["why"][name] for name in ("reason", "grade")},
            }

    def test_in_the_uptime_api_until_acknowledged(self, interrupted):
        admin = interrupted.login("admin", PASSWORD)
        ended = last_end(admin)
        notice = admin.get(API).json()["unacknowledged_end"]
        fields = (
            *("end", "ended_at", "end_exact", "downtime_seconds"),
            *("interrupted_print", "stopped_at", "undervoltage", "why"),
        )
        assert notice == {field: ended[field] for field in fields}
        assert admin.post(API, {"command": "acknowledge"}).status_code == 204
        assert admin.get(API).json()["unacknowledged_end"] is None
        interrupted.stop()
        admin = recorded(interrupted)
        assert admin.get(API).json()["unacknowledged_end"] is None

    def test_markup_in_a_name_is_unchanged(self, interrupted):
        admin = interrupted.login("admin", PASSWORD)
        fire(admin, "PrintStarted", {"path": MARKUP})
        throttle(admin, current=True)
        wait_for(lambda: history(admin)["octoprint"][0]["undervoltage"])
        interrupted.stop(signal.SIGKILL)
        admin = recorded(interrupted)
        assert last_end(admin)["interrupted_print"] == MARKUP
        assert f",'{MARKUP}," in admin.get(URL + "?format=csv").text

    def test_a_late_end_of_a_cancelled_print_does_not_end_the_next(self, on_board):
        server = on_board()
        admin = recorded(server)
        fire(admin, "PrintStarted", {"path": "first.gcode"})
        fire(admin, "PrintCancelled", {"path": "first.gcode"})
        fire(admin, "PrintStarted", {"path": "second.gcode"})
        fire(admin, "PrintFailed", {"path": "first.gcode", "reason": "cancelled"})
        wait_for_prints(admin, ["running", "cancelled"])
        throttle(admin, current=True)
        wait_for(lambda: history(admin)["octoprint"][0]["undervoltage"])
        server.stop(signal.SIGKILL)
        assert last_end(recorded(server))["interrupted_print"] == "second.gcode"

    def test_a_finished_print_is_not_interrupted(self, interrupted):
        admin = interrupted.login("admin", PASSWORD)
        connect(admin)
        start_print(admin, "short.gcode")
        wait_for(lambda: admin.get("/api/job").json()["progress"]["completion"] == 100)
        wait_for(lambda: admin.get("/api/job").json()["state"] == "Operational")
        throttle(admin, current=True)
        wait_for(lambda: history(admin)["octoprint"][0]["undervoltage"])
        interrupted.stop(signal.SIGKILL)
        assert last_end(recorded(interrupted))["interrupted_print"] is None


class TestPrints:
    def test_done_cancelled_failed_and_interrupted(self, new_server):
        server = new_server()
        uploads = server.basedir / "uploads"
        uploads.mkdir()
        (uploads / "short.gcode").write_text("G28\n")
        (uploads / "long.gcode").write_text(LONG_PRINT)
        admin = recorded(server)
        connect(admin)
        start_print(admin, "short.gcode")
        wait_for_prints(admin, ["done"])
        wait_for(lambda: admin.get("/api/job").json()["state"] == "Operational")
        start_print(admin, "long.gcode")
        wait_for_prints(admin, ["running", "done"])
        admin.post("/api/job", {"command": "cancel"}).raise_for_status()
        wait_for_prints(admin, ["cancelled", "done"])
        wait_for(lambda: admin.get("/api/job").json()["state"] == "Operational")
        start_print(admin, "long.gcode")
        wait_for_prints(admin, ["running", "cancelled", "done"])
        admin.post("/api/printer/command", {"command": "!!DEBUG:drop_connection"})
        wait_for_prints(admin, ["failed", "cancelled", "done"])
        connect(admin)
        start_print(admin, "long.gcode")
        wait_for_prints(admin, ["running", "failed", "cancelled", "done"])
        server.stop(signal.SIGKILL)
        admin = recorded(server)
        wait_for_prints(admin, ["interrupted", "failed", "cancelled", "done"])
        prints = history(admin)["prints"]
        assert [print_["file"] for print_ in prints] == [*["long.gcode"] * 3, "short.gcode"]
        assert prints[0]["ended_at"] == last_end(admin)["ended_at"]
        for print_ in prints:
            assert print_["ended_at"] - print_["started_at"] == pytest.approx(
                print_["seconds"], abs=0.002
            )
            assert print_["ended_at"] <= time.time()

    def test_a_paused_print_ends_with_the_connection(self, new_server):
        """OctoPrint fires no event for its end."""
        server = new_server()
        uploads = server.basedir / "uploads"
        uploads.mkdir()
        (uploads / "long.gcode").write_text(LONG_PRINT)
        admin = recorded(server)
        connect(admin)
        start_print(admin, "long.gcode")
        wait_for_prints(admin, ["running"])
        admin.post("/api/job", {"command": "pause", "action": "pause"}).raise_for_status()
        wait_for(lambda: admin.get("/api/job").json()["state"] == "Paused")
        admin.post("/api/connection", {"command": "disconnect"}).raise_for_status()
        wait_for_prints(admin, ["failed"])
        server.stop()
        assert last_end(recorded(server))["interrupted_print"] is None


def wait_for_prints(session, results):
    wait_for(lambda: [print_["result"] for print_ in history(session)["prints"]] == results)


@pytest.fixture(scope="module")
def odd(new_server):
    server = new_server()
    shutil.copytree(HERE / "plugins", server.basedir / "plugins")
    return server, recorded(server)


class TestOddEvents:
    """A malformed event from another plugin costs that event and one log line."""

    @pytest.mark.parametrize(
        ("event", "payload"),
        [
            ("PrintStarted", {"name": "no path.gcode"}),
            ("PrintStarted", None),
            ("PrintFailed", None),
            ("Connected", None),
            ("Connected", "VIRTUAL"),
            ("plugin_pi_support_throttle_state", {"current_undervoltage": True}),
            ("plugin_pi_support_throttle_state", None),
        ],
    )
    def test_cost_nothing_else(self, odd, event, payload):
        server, admin = odd
        lines = len(complaints(server))
        fire(admin, event, payload)
        wait_for(lambda: len(complaints(server)) == lines + 1)
        assert f"Ignoring a {event} event with an unexpected payload" in complaints(server)[-1]
        assert history(admin)["printer"] == []
        assert admin.get(API).json()["printer_seconds"] is None
        throttle(admin, current=True)
        wait_for(lambda: history(admin)["octoprint"][0]["undervoltage"])


def complaints(server):
    lines = server.log().splitlines()
    return [line for line in lines if "octoprint.plugins.octoprint_uptime - WARNING" in line]


class TestUndervoltage:
    def test_undervoltage_before_this_run_does_not_count(self, on_board):
        server = on_board()
        admin = recorded(server)
        throttle(admin, past=True)
        connect(admin)
        wait_for_connections(admin, ["running"])
        assert history(admin)["octoprint"][0]["undervoltage"] is False

    def test_undervoltage_between_two_looks_counts(self, on_board):
        server = on_board()
        admin = recorded(server)
        throttle(admin)
        throttle(admin, past=True)
        wait_for(lambda: history(admin)["octoprint"][0]["undervoltage"])


class TestNotice:
    def test_the_setting_turns_it_off(self, new_server):
        server = new_server(plugins={"octoprint_uptime": {"notify_unplanned": False}})
        recorded(server)
        server.stop(signal.SIGKILL)
        admin = recorded(server)
        assert last_end(admin)["end"] == "crash"
        assert admin.get(API).json()["unacknowledged_end"] is None


class TestEvents:
    def test_on_the_first_day(self, on_board):
        server = on_board()
        admin = recorded(server)
        assert wait_for_events(admin, 1) == [
            [
                "plugin_octoprint_uptime_started",
                {
                    "previous_end": None,
                    "previous_ended_at": None,
                    "downtime_seconds": None,
                    "interrupted_print": None,
                    "stopped_at": None,
                    "undervoltage": None,
                    "why": None,
                },
            ]
        ]

    def test_after_a_restart(self, on_board):
        server = on_board()
        with server.running():
            pass
        admin = recorded(server)
        ((name, payload),) = wait_for_events(admin, 1)
        assert name == "plugin_octoprint_uptime_started"
        assert payload["previous_end"] == "restart"

    def test_over_the_push_socket_only_to_those_who_may_view(self, on_board):
        server = on_board()
        admin = recorded(server)
        rights = ["STATUS", "SETTINGS_READ"]
        add_user(admin, "viewer", groups=[], permissions=[*rights, VIEW])
        add_user(admin, "stranger", groups=[], permissions=rights)
        event = {"type": "plugin_octoprint_uptime_unplanned", "payload": {"previous_end": "crash"}}
        with socket(server, "viewer") as viewer, socket(server, "stranger") as stranger:
            fire(admin, event["type"], event["payload"])
            fire(admin, "PrinterReset", {"idle": True})
            assert event in events_until(viewer, "PrinterReset")
            assert event["type"] not in [e["type"] for e in events_until(stranger, "PrinterReset")]


@contextlib.contextmanager
def socket(server, name):
    """OctoPrint's push socket, signed in."""
    session = Session(server)
    session.get("/").raise_for_status()
    login = session.post("/api/login", {"user": name, "pass": PASSWORD}).json()
    connection = websocket.create_connection(
        server.url.replace("http", "ws") + "/sockjs/websocket", timeout=30
    )
    with contextlib.closing(connection):
        connection.send(json.dumps({"auth": f"{login['name']}:{login['session']}"}))
        while "reauthRequired" not in (received := connection.recv()) and "history" not in received:
            pass
        yield connection


def events_until(connection, last):
    events = []
    while not events or events[-1]["type"] != last:
        message = json.loads(connection.recv())
        if "event" in message:
            events.append(message["event"])
    return events


@pytest.fixture(scope="module")
def sessions(server, admin):
    add_user(admin, "nobody", groups=[], permissions=["STATUS"])
    key = api_key(admin, "readonly")
    guest = Session(server)
    guest.get("/").raise_for_status()  # which sets the CSRF cookie
    return {
        "viewer": Session(server, **{"X-Api-Key": key}),
        "bearer": Session(server, Authorization=f"Bearer {key}"),
        "nobody": server.login("nobody", PASSWORD),
        "guest": guest,
    }


class TestPermission:
    @pytest.mark.parametrize("who", ["viewer", "bearer"])
    def test_those_who_may_view(self, sessions, who):
        assert len(history(sessions[who])["octoprint"]) == 1

    @pytest.mark.parametrize("query", ["", "?format=csv", "?days=0"])
    @pytest.mark.parametrize("who", ["nobody", "guest"])
    def test_the_others_get_the_same_refusal_as_from_the_api(self, sessions, who, query):
        response = sessions[who].get(URL + query)
        assert response.status_code == 403
        assert response.json() == sessions[who].get(API).json()

    def test_taken_away(self, server, admin):
        session = server.login("users", PASSWORD)
        change_group(admin, "users", remove={VIEW})
        try:
            assert session.get(URL).status_code == 403
            assert session.post(API, {"command": "acknowledge"}).status_code == 403
        finally:
            change_group(admin, "users", add={VIEW})
        assert session.get(URL).status_code == 200

    @pytest.mark.parametrize("who", ["viewer", "nobody", "guest"])
    def test_only_those_with_the_settings_permission_may_clear(self, sessions, who):
        response = sessions[who].post(API, {"command": "clear_history"})
        assert response.status_code == 403
        body = response.json()
        assert body["uptime_available"] is False
        assert "settings permission" in body["error"]

    @pytest.mark.parametrize("who", ["nobody", "guest"])
    def test_only_those_who_may_view_may_acknowledge(self, sessions, who):
        assert sessions[who].post(API, {"command": "acknowledge"}).status_code == 403
        assert sessions["viewer"].post(API, {"command": "acknowledge"}).status_code == 204

    def test_a_forged_request_is_refused(self, server, admin):
        response = admin.requests.post(server.url + API, json={"command": "clear_history"})
        assert response.status_code == 400


class TestArguments:
    @pytest.mark.parametrize("days", ["1", "30", "90", "0090"])
    def test_days(self, admin, days):
        answer = history(admin, f"?days={days}")
        assert answer["to"] - answer["from"] == pytest.approx(int(days) * 86400, abs=0.01)

    @pytest.mark.parametrize("days", ["0", "91", "-1", "1.5", "", "x", "1e1", "²", "9" * 5000])
    def test_other_days(self, admin, days):
        response = admin.get(f"{URL}?days={days}")
        assert response.status_code == 400
        assert response.json() == {
            "error": "days must be a whole number from 1 to 90.",
            "uptime_available": False,
        }

    def test_the_setting_limits_the_days(self, admin):
        def keep(days):
            body = {"plugins": {"octoprint_uptime": {"history_days": days}}}
            admin.post("/api/settings", body).raise_for_status()

        keep(7)
        try:
            answer = history(admin)
            assert answer["to"] - answer["from"] == pytest.approx(7 * 86400, abs=0.01)
            assert admin.get(f"{URL}?days=8").status_code == 400
        finally:
            keep(90)

    def test_other_formats(self, admin):
        response = admin.get(f"{URL}?format=xml")
        assert response.status_code == 400
        assert response.json()["error"] == "format must be csv or json."


class TestClear:
    def test_only_what_still_runs_is_left(self, new_server):
        server = new_server()
        recorded(server)
        server.stop(signal.SIGKILL)
        admin = recorded(server)
        assert admin.post(API, {"command": "clear_history"}).status_code == 204
        assert [run["end"] for run in history(admin)["octoprint"]] == ["running"]
        assert admin.get(API).json()["unacknowledged_end"] is None
        server.stop()
        assert [run["end"] for run in history(recorded(server))["octoprint"]] == [
            "running",
            "restart",
        ]


class TestTrouble:
    """While its file is unavailable, only the history is lost."""

    def warnings(self, server):
        log = server.log().splitlines()
        return [line for line in log if "octoprint_uptime - " in line and " - DEBUG" not in line]

    def test_a_file_that_cannot_be_opened(self, new_server):
        server = new_server(plugins={"octoprint_uptime": {"heartbeat_seconds": 10}})
        file = server.basedir / "data" / "octoprint_uptime" / "history.db"
        file.mkdir(parents=True)
        admin = recorded(server)
        response = admin.get(URL)
        assert response.status_code == 503
        assert response.json()["error"].startswith("The history is not available: unable to open")
        assert admin.get(API).json()["uptime_available"] is True
        assert admin.post(API, {"command": "clear_history"}).status_code == 503
        file.rmdir()
        # Saving settings triggers the next heartbeat.
        admin.post("/api/settings", {"plugins": {"octoprint_uptime": {}}}).raise_for_status()
        wait_for(lambda: admin.get(URL).status_code == 200)
        assert history(admin)["octoprint"][0]["seconds"] > 0
        cannot, can = self.warnings(server)
        assert "WARNING - Could not write the history: unable to open" in cannot
        assert "INFO - Writing the history works again" in can

    def test_a_folder_that_cannot_be_created(self, new_server):
        server = new_server()
        (server.basedir / "data").mkdir()
        (server.basedir / "data" / "octoprint_uptime").write_text("no folder")
        with server.running():
            admin = server.login("admin", PASSWORD)
            wait_for(lambda: "exists" in admin.get(URL).text)
            assert admin.get(URL).status_code == 503
            assert admin.get(API).status_code == 200
        watch, record = self.warnings(server)
        assert "WARNING - Could not start collecting evidence" in watch
        assert "WARNING - Could not write the history" in record

    def test_a_damaged_file(self, new_server):
        server = new_server()
        folder = server.basedir / "data" / "octoprint_uptime"
        folder.mkdir(parents=True)
        (folder / "history.db").write_bytes(b"no database at all" * 1000)
        assert len(history(recorded(server))["octoprint"]) == 1
        (aside,) = folder.glob("history.db.damaged-*")
        assert aside.read_bytes() == b"no database at all" * 1000
        (line,) = self.warnings(server)
        assert aside.name in line

    def test_a_newer_file(self, new_server):
        server = new_server()
        folder = server.basedir / "data" / "octoprint_uptime"
        folder.mkdir(parents=True)
        with contextlib.closing(sqlite3.connect(folder / "history.db")) as database:
            database.execute("PRAGMA user_version = 99")
        content = (folder / "history.db").read_bytes()
        with server.running():
            admin = server.login("admin", PASSWORD)
            assert admin.get(URL).status_code == 503
            assert "knows only versions up to" in admin.get(URL).json()["error"]
            assert admin.get(API).status_code == 200
        assert (folder / "history.db").read_bytes() == content
        (line,) = self.warnings(server)
        assert re.search(r"ERROR - The history is not recorded: .* version 99, but", line)


def test_the_command_line_records_nothing(new_server):
    server = new_server()
    server.add_admin("another", PASSWORD)
    assert not (server.basedir / "data" / "octoprint_uptime" / "history.db").exists()
