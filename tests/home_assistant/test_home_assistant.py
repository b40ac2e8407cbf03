"""A real Home Assistant shows OctoPrint through a real broker and a stand-in for OctoPrint-MQTT."""

from __future__ import annotations

import contextlib
import json
import signal
from datetime import datetime

import pytest
import yaml
from examples import blocks
from helpers import kill, recorded, signed_in, wait_for
from home_assistant_server import HomeAssistant
from mqtt_broker import broker, with_octoprint_mqtt
from paho.mqtt import publish
from shared.octoprint_server import free_port

from octoprint_uptime.telling.home_assistant import ENTITIES

HISTORY = "/plugin/octoprint_uptime/history"
DIAGNOSTIC = {"host_started", "octoprint_started", "printer_connected", "undervoltage"}


class Broker:
    """A broker that can be away for a while."""

    def __init__(self):
        self.port = free_port()
        self._stack = contextlib.ExitStack()

    def start(self):
        self._stack.enter_context(broker(self.port))

    def stop(self):
        self._stack.close()


@pytest.fixture(scope="module")
def mosquitto():
    mosquitto = Broker()
    mosquitto.start()
    yield mosquitto
    mosquitto.stop()


@pytest.fixture(scope="module")
def home_assistant(tmp_path_factory, mosquitto):
    by_hand = yaml.safe_load(blocks("docs/mqtt.md", "yaml")[0])
    home_assistant = HomeAssistant(tmp_path_factory.mktemp("home_assistant"), **by_hand)
    try:
        home_assistant.start()
        home_assistant.add_mqtt(mosquitto.port)
        yield home_assistant
    finally:
        home_assistant.stop()


def printer(new_server, mosquitto, name):
    """A server that has been shut down cleanly once."""
    server = with_octoprint_mqtt(new_server, mosquitto.port, appearance={"name": name})
    with server.running():
        pass
    return server


@pytest.fixture(scope="module")
def left(new_server, mosquitto):
    return printer(new_server, mosquitto, "Ender left")


@pytest.fixture(scope="module")
def right(new_server, mosquitto):
    return printer(new_server, mosquitto, "Ender right")


def devices(home_assistant):
    """The devices of OctoPrint-Uptime, by name."""
    return {
        device["name"]: device
        for device in home_assistant.registry("device")
        if any(
            identifier.startswith("octoprint_uptime_") for _, identifier in device["identifiers"]
        )
    }


def entities(home_assistant, name):
    """The entities of a device, by their names in ``ENTITIES``."""
    device = devices(home_assistant).get(name)
    if device is None:
        return {}
    ((_, unique_id),) = device["identifiers"]
    return {
        entity["unique_id"].removeprefix(f"{unique_id}_"): entity
        for entity in home_assistant.registry("entity")
        if entity["device_id"] == device["id"]
    }


def shown(home_assistant, name):
    """The states of a device's entities, by the same names."""
    states = home_assistant.states()
    return {
        entity: states[about["entity_id"]]
        for entity, about in entities(home_assistant, name).items()
        if about["entity_id"] in states
    }


def values(home_assistant, name):
    return {entity: state["state"] for entity, state in shown(home_assistant, name).items()}


def is_shown(home_assistant, name, **wanted):
    return wanted.items() <= values(home_assistant, name).items()


def unix_time(state):
    return datetime.fromisoformat(state).timestamp()


def start_to_print(server, admin):
    (server.basedir / "uploads").mkdir(exist_ok=True)
    (server.basedir / "uploads" / "long.gcode").write_text("G28\n" + "G4 P200\n" * 3000)
    admin.post("/api/connection", {"command": "connect", "port": "VIRTUAL"})
    wait_for(lambda: admin.get("/api/connection").json()["current"]["state"] == "Operational")
    admin.post("/api/files/local/long.gcode", {"command": "select", "print": True})
    wait_for(lambda: admin.get("/api/job").json()["state"] == "Printing")


def switch(admin, on):
    change = {"plugins": {"octoprint_uptime": {"home_assistant": on}}}
    admin.post("/api/settings", change).raise_for_status()


class TestHomeAssistant:
    """The tests run in order: each continues where the last one ended."""

    def test_the_device_and_every_entity(self, home_assistant, left):
        admin = recorded(left)
        wait_for(lambda: is_shown(home_assistant, "Ender left", last_end="restart"))
        device = devices(home_assistant)["Ender left"]
        assert device["sw_version"] == admin.get("/api/version").json()["server"]
        assert device["manufacturer"] == "OctoPrint"

        registered = entities(home_assistant, "Ender left")
        assert set(registered) == set(ENTITIES)
        assert {
            name for name, entity in registered.items() if entity["entity_category"] == "diagnostic"
        } == DIAGNOSTIC
        running, before = admin.get(HISTORY).json()["octoprint"]
        (host,) = admin.get(HISTORY).json()["system"]
        told = values(home_assistant, "Ender left")
        for entity, moment in {
            "ended_at": before["ended_at"],
            "host_started": host["started_at"],
            "octoprint_started": running["started_at"],
        }.items():
            assert unix_time(told.pop(entity)) == pytest.approx(moment, abs=0.7)
        assert float(told.pop("downtime")) == before["downtime_seconds"]
        assert told == {
            "last_end": "restart",
            "unplanned": "off",
            "why": before["why"]["text"],
            "interrupted_print": "unknown",
            "printer_connected": "unknown",
            "undervoltage": "off",
        }
        attributes = shown(home_assistant, "Ender left")["last_end"]["attributes"]
        assert attributes["options"] == ENTITIES["last_end"]["options"]

    def test_the_printer_connects_and_disconnects(self, home_assistant, left):
        admin = signed_in(left)
        admin.post("/api/connection", {"command": "connect", "port": "VIRTUAL"})
        wait_for(lambda: values(home_assistant, "Ender left")["printer_connected"] != "unknown")
        (connection,) = admin.get(HISTORY).json()["printer"]
        told = values(home_assistant, "Ender left")["printer_connected"]
        assert unix_time(told) == pytest.approx(connection["started_at"], abs=0.7)
        admin.post("/api/connection", {"command": "disconnect"})
        wait_for(lambda: is_shown(home_assistant, "Ender left", printer_connected="unknown"))

    def test_a_kill_in_the_middle_of_a_print(self, home_assistant, left):
        start_to_print(left, signed_in(left))
        kill(left, signal.SIGKILL)
        wait_for(lambda: set(values(home_assistant, "Ender left").values()) == {"unavailable"})
        admin = recorded(left)
        wait_for(lambda: is_shown(home_assistant, "Ender left", last_end="crash", unplanned="on"))
        why = admin.get(HISTORY).json()["octoprint"][1]["why"]
        assert why["text"] == "OctoPrint was killed by signal 9 (SIGKILL)."
        assert is_shown(
            home_assistant, "Ender left", why=why["text"], interrupted_print="long.gcode"
        )
        attributes = shown(home_assistant, "Ender left")["why"]["attributes"]
        assert (attributes["reason"], attributes["grade"]) == ("killed", "certain")
        assert attributes["evidence"]

    def test_another_printer_is_another_device(self, home_assistant, left, right):
        """Although both have OctoPrint-MQTT's default base topic."""
        recorded(right)
        wait_for(lambda: is_shown(home_assistant, "Ender right", last_end="restart"))
        assert set(entities(home_assistant, "Ender right")) == set(ENTITIES)
        assert is_shown(home_assistant, "Ender left", last_end="crash", unplanned="on")
        assert set(devices(home_assistant)) == {"Ender left", "Ender right"}
        right.stop()

    def test_the_broker_is_away(self, home_assistant, mosquitto, left):
        # The other one's last will is on the same topic.
        left.stop()
        recorded(left)
        wait_for(lambda: is_shown(home_assistant, "Ender left", last_end="restart"))
        mosquitto.stop()
        wait_for(lambda: set(values(home_assistant, "Ender left").values()) == {"unavailable"})
        mosquitto.start()
        wait_for(lambda: is_shown(home_assistant, "Ender left", last_end="restart"))

    def test_home_assistant_starts_anew(self, home_assistant, mosquitto, left):
        """The broker, which had lost everything, has been sent it again and retains it."""
        home_assistant.stop()
        home_assistant.start()
        wait_for(lambda: is_shown(home_assistant, "Ender left", last_end="restart"))

    def test_another_name(self, home_assistant, left):
        admin = signed_in(left)
        admin.post("/api/settings", {"appearance": {"name": "Ender"}}).raise_for_status()
        wait_for(lambda: set(entities(home_assistant, "Ender")) == set(ENTITIES))
        assert is_shown(home_assistant, "Ender", last_end="restart")

    def test_switched_off_and_on(self, home_assistant, left):
        admin = signed_in(left)
        switch(admin, False)
        wait_for(lambda: "Ender" not in devices(home_assistant))
        switch(admin, True)
        wait_for(lambda: is_shown(home_assistant, "Ender", last_end="restart"))

    def test_what_the_page_has_owners_paste(self, home_assistant, mosquitto):
        base = "octoPrint/left/"
        (last_end,) = blocks("docs/mqtt.md", "json")
        for topic, message in {
            "plugin/octoprint_uptime/last_end": last_end,
            "mqtt": "connected",
        }.items():
            publish.single(base + topic, message, retain=True, port=mosquitto.port)
        names = {
            "binary_sensor.left_printer_had_an_unplanned_outage": "on",
            "binary_sensor.left_printer_s_octoprint": "on",
            "sensor.left_printer_s_last_end": "power_loss",
        }
        wait_for(lambda: {name: home_assistant.states()[name]["state"] for name in names} == names)
        attributes = home_assistant.states()["sensor.left_printer_s_last_end"]["attributes"]
        assert attributes["interrupted_print"] == json.loads(last_end)["interrupted_print"]

    def test_home_assistant_had_nothing_to_complain_of(self, home_assistant):
        complaints = [
            line
            for line in home_assistant.log().splitlines()
            if ("WARNING" in line or "ERROR" in line) and "mqtt" in line
        ]
        # The broker was away.
        assert [line for line in complaints if "mqtt.client" not in line] == []
