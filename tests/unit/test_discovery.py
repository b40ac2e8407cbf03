"""Home Assistant's templates read the right states from the messages."""

import json

import jinja2
import pytest
from board import HEARTBEAT, NOON, Board

from octoprint_uptime.history.ends import ENDS
from octoprint_uptime.history.report import NO_PREVIOUS_END, Why
from octoprint_uptime.reader import Uptimes
from octoprint_uptime.telling.home_assistant import (
    ENTITIES,
    LONGEST_STATE,
    Device,
    States,
    Told,
    address,
    discovery_message,
)
from octoprint_uptime.telling.start_times import StartTimes
from octoprint_uptime.why.evidence import Facts

DEVICE = Device("Ender", "1.11.8", "0.3.0", "Raspberry Pi 4", "http://octopi.local/")
STATES = "octoPrint/plugin/octoprint_uptime/id/state"
UPTIMES = Uptimes(host=93784.5121, octoprint=3661.27, printer=60.5)
NOTHING = Told(NO_PREVIOUS_END, None, undervoltage=False)


def told(board):
    return Told.by(board.timeline())


def crashed(tmp_path, facts=None, printing=None):
    """A board whose OctoPrint was killed while it printed, and is back after 12 seconds."""
    board = Board(tmp_path / "history.db").start().up(5 * HEARTBEAT)
    if printing:
        board.print(printing)
    board.kill().off(12).start()
    if facts:
        run = board.records().runs[0].id
        board.write("keep_facts", run, facts.to_json())
    return board


@pytest.fixture
def message():
    return discovery_message("octoprint_uptime_id", DEVICE, STATES, "octoPrint/mqtt")


def rendered(states, template="value_template"):
    """The templates' results for a message of states that has been through the broker."""
    value_json = json.loads(json.dumps(states))
    components = discovery_message("octoprint_uptime_id", DEVICE, STATES, None)["components"]
    return {
        name: jinja2.Template(entity[template]).render(value_json=value_json)
        for name, entity in components.items()
        if template in entity
    }


def attributes(states):
    return {
        name: json.loads(text)
        for name, text in rendered(states, "json_attributes_template").items()
    }


def test_the_device(message):
    assert message["device"] == {
        "identifiers": ["octoprint_uptime_id"],
        "name": "Ender",
        "manufacturer": "OctoPrint",
        "model": "Print server",
        "sw_version": "1.11.8",
        "hw_version": "Raspberry Pi 4",
        "configuration_url": "http://octopi.local/",
    }
    assert message["origin"] == {"name": "OctoPrint-Uptime", "sw_version": "0.3.0"}
    assert message["state_topic"] == STATES


def test_unknown_details_of_the_device_are_left_out():
    message = discovery_message(
        "octoprint_uptime_id", Device("", "1.11.8", "0.3.0", None, None), STATES, None
    )
    assert message["device"]["name"] == "OctoPrint"
    assert not {"hw_version", "configuration_url"} & set(message["device"])
    assert "availability" not in message


def test_the_last_will(message):
    assert message["availability"] == [
        {
            "topic": "octoPrint/mqtt",
            "payload_available": "connected",
            "payload_not_available": "disconnected",
        }
    ]


def test_the_ids_of_the_entities(message):
    assert {name: entity["unique_id"] for name, entity in message["components"].items()} == {
        name: f"octoprint_uptime_id_{name}" for name in ENTITIES
    }


def test_every_end_is_an_option(message):
    assert message["components"]["last_end"]["options"] == list(ENDS["octoprint"])


def test_nothing_known():
    states = States().message(NOTHING, Uptimes(None, None, None))
    assert rendered(states) == {
        # "None" is Home Assistant's word for unknown.
        **dict.fromkeys(ENTITIES, "None"),
        "unplanned": "OFF",
        "undervoltage": "OFF",
    }
    assert attributes(states) == {
        "last_end": NO_PREVIOUS_END,
        "why": {},
        "interrupted_print": {"file": None},
    }


def test_a_crash_in_the_middle_of_a_print(tmp_path):
    facts = Facts(witnessed=True, pid=4711, signal=9, told_by="kernel")
    board = crashed(tmp_path, facts, printing="half-way.gcode")
    start_times = StartTimes(lambda: NOON + 10_000)
    states = States(start_times).message(told(board), UPTIMES)
    assert rendered(states) == {
        "last_end": "crash",
        "unplanned": "ON",
        "why": "OctoPrint was killed by signal 9 (SIGKILL).",
        "ended_at": "2026-09-21T14:18:20+00:00",
        "downtime": "12.0",
        "interrupted_print": "half-way.gcode",
        "host_started": "2026-09-20T14:56:55+00:00",
        "octoprint_started": "2026-09-21T15:58:59+00:00",
        "printer_connected": "2026-09-21T16:59:00+00:00",
        "undervoltage": "OFF",
    }
    extra = attributes(states)
    assert extra["last_end"] == board.timeline().previous_end()
    assert extra["why"]["reason"] == "killed"
    assert extra["why"]["evidence"][0]["text"] == "Signal 9 (SIGKILL) ended the process."
    assert extra["interrupted_print"] == {"file": "half-way.gcode"}


def test_undervoltage_is_that_of_the_running_run(tmp_path):
    board = Board(tmp_path / "history.db").start()
    board.write("undervoltage", board.now.since_boot, 1)
    states = States()
    assert rendered(states.message(told(board), UPTIMES))["undervoltage"] == "ON"
    board.up(HEARTBEAT).goodbye().off(5).start()
    after = states.message(told(board), UPTIMES)
    assert rendered(after)["undervoltage"] == "OFF"
    assert attributes(after)["last_end"]["undervoltage"] is True


def test_only_admins_read_what_is_in_logs(tmp_path):
    exception = {
        **{"thread": "MainThread", "is_main": True, "type": "OSError", "errno": None},
        **{"message": "a key", "seconds_before": 1.0, "plugin": None},
    }
    facts = Facts(
        witnessed=True, exit_status=1, told_by="kernel", lines=["a line"], exception=exception
    )
    states = States().message(told(crashed(tmp_path, facts)), UPTIMES)
    assert "OSError" in json.dumps(states)
    assert "a key" not in json.dumps(states)
    assert "a line" not in json.dumps(states)


def test_home_assistant_takes_no_longer_state():
    file = "ü" * 300 + ".gcode"
    end = {**NO_PREVIOUS_END, "previous_end": "crash", "interrupted_print": file}
    facts = Facts(goodbye="no", changed=[{"name": "P" * 300, "old": "1", "new": "2"}])
    why = Why("octoprint", "restart", facts.to_json(), None)
    states = States().message(Told(end, why, undervoltage=False), UPTIMES)
    for name in ("interrupted_print", "why"):
        assert len(rendered(states)[name]) == LONGEST_STATE
        assert rendered(states)[name].endswith("…")
    assert attributes(states)["interrupted_print"]["file"] == file
    assert len(attributes(states)["why"]["text"]) > 300


class TestClock:
    @pytest.fixture
    def at(self):
        """The message for a reading of both clocks."""
        clock = {}
        states = States(StartTimes(lambda: clock["wall"]))

        def message(wall, uptime):
            clock["wall"] = wall
            return states.message(NOTHING, Uptimes(uptime, uptime - 5, None))

        return message

    def test_two_clocks_read_one_after_the_other(self, at):
        assert at(NOON, 1000) == at(NOON + 500.04, 1500) == at(NOON + 900.47, 1900.5)

    def test_one_that_is_set(self, at):
        before = at(NOON, 1000)
        assert at(NOON + 3600, 1000) != before

    def test_one_that_has_not_been_set(self, at):
        assert rendered(at(30_000.0, 1000))["host_started"] == "None"

    def test_a_host_that_has_been_up_for_years(self, at):
        assert rendered(at(NOON, 100_000_000))["host_started"].startswith("2023-")


@pytest.mark.parametrize(
    ("host", "port", "hostname", "public", "found"),
    [
        ("0.0.0.0", 5000, "octopi", {}, "http://octopi.local:5000/"),
        ("::", 5000, "octopi", {}, "http://octopi.local:5000/"),
        ("0.0.0.0", 80, "octopi", {}, "http://octopi.local/"),
        ("0.0.0.0", 5000, "left.example.org", {}, "http://left.example.org:5000/"),
        ("192.168.1.5", 5000, "octopi", {}, "http://192.168.1.5:5000/"),
        ("fd00::5", 5000, "octopi", {}, "http://[fd00::5]:5000/"),
        ("left.lan", 5000, "octopi", {}, "http://left.lan:5000/"),
        # As on OctoPi, which has a proxy.
        ("127.0.0.1", 5000, "octopi", {"publicPort": 80}, "http://octopi.local/"),
        ("127.0.0.1", 5000, "octopi", {"publicPort": "443"}, "https://octopi.local/"),
        ("127.0.0.1", 5000, "octopi", {}, None),
        ("localhost", 5000, "octopi", {}, None),
        ("::1", 5000, "octopi", {}, None),
        (
            *("127.0.0.1", 5000, "octopi"),
            {"publicHost": "print.example.org", "publicPort": 443, "pathPrefix": "/left one/"},
            "https://print.example.org/left%20one",
        ),
        ("127.0.0.1", 5000, "octopi", {"publicHost": "left"}, "http://left:5000/"),
        ("0.0.0.0", 5000, "octopi", {"publicHost": "http://left"}, None),
        ("0.0.0.0", 5000, "octopi", {"publicPort": "many"}, None),
    ],
)
def test_where_a_browser_finds_octoprint(host, port, hostname, public, found):
    assert address(host, port, hostname, public) == found
