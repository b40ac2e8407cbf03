"""A real broker gets the right discovery messages through a stand-in for OctoPrint-MQTT."""

from __future__ import annotations

import json
import re
import shutil
import signal

import pytest
from accounts import PASSWORD
from examples import ROOT
from helpers import recorded, signed_in, wait_for
from mqtt_broker import broker, retained, subscriber, with_octoprint_mqtt
from paho.mqtt import publish
from shared.octoprint_server import QUIET_CONFIG, free_port

EVENT_BUS = "/api/plugin/event_bus"
CONFIG = re.compile(r"(.+)/device/octoprint_uptime_([0-9a-f]{16})/config")
STATE = re.compile(r"(.*)plugin/octoprint_uptime/([0-9a-f]{16})/state")
LAST_END = "octoPrint/plugin/octoprint_uptime/last_end"


@pytest.fixture
def port():
    port = free_port()
    with broker(port):
        yield port


@pytest.fixture
def new_printer(new_server):
    """A factory of servers with the stand-in, stopped after the test."""
    made = []

    def make(port, **config):
        made.append(with_octoprint_mqtt(new_server, port, **config))
        return made[-1]

    yield make
    for server in made:
        server.stop()


def save(admin, **plugins):
    admin.post("/api/settings", {"plugins": plugins}).raise_for_status()


def save_own(admin, **settings):
    save(admin, octoprint_uptime=settings)


def topics(messages, pattern):
    return [topic for topic in messages if pattern.fullmatch(topic)]


def announced(port):
    """Wait for the discovery message; return it, its topic and the states."""

    def both():
        messages = retained(port)
        configs = topics(messages, CONFIG)
        if len(configs) != 1 or messages[configs[0]]["state_topic"] not in messages:
            return None
        (topic,) = configs
        return topic, messages[topic], messages[messages[topic]["state_topic"]]

    return wait_for(both)


def states(port):
    return announced(port)[2]["states"]


def is_gone(port):
    messages = retained(port)
    return not topics(messages, CONFIG) and not topics(messages, STATE)


def test_the_messages(new_printer, port):
    server = new_printer(port, appearance={"name": "Ender <left>"})
    admin = recorded(server)
    topic, config, told = announced(port)
    prefix, made = CONFIG.fullmatch(topic).groups()
    assert prefix == "homeassistant"
    assert config["state_topic"] == f"octoPrint/plugin/octoprint_uptime/{made}/state"
    assert config["availability"][0]["topic"] == "octoPrint/mqtt"
    assert config["device"]["name"] == "Ender <left>"
    assert config["device"]["sw_version"] == admin.get("/api/version").json()["server"]
    # OctoPrint listens on loopback only.
    assert "configuration_url" not in config["device"]
    assert told["states"]["last_end"] is None

    server.stop(signal.SIGKILL)
    recorded(server)
    wait_for(lambda: states(port)["last_end"] == "crash")
    assert announced(port)[0] == topic


def test_the_device_has_the_address_that_discovery_announces(new_printer, port):
    public = {"publicHost": "left.example.org", "publicPort": 8443, "pathPrefix": "/printer"}
    recorded(new_printer(port, plugins={"discovery": public}))
    address = announced(port)[1]["device"]["configuration_url"]
    assert address == "http://left.example.org:8443/printer"


def test_heartbeats_and_saves_that_change_nothing_publish_nothing(new_printer, port):
    server = new_printer(port)
    admin = recorded(server)
    announced(port)
    with subscriber(port) as heard:
        for _ in range(3):
            save_own(admin, show_printer_uptime=True)  # each brings a heartbeat
        save_own(admin, home_assistant_prefix="ha")
        wait_for(lambda: any(topic.startswith("ha/") for topic in heard))
    (state,) = topics(heard, STATE)
    assert len(heard[state]) == 1
    (before, _) = sorted(topics(heard, CONFIG), key=len, reverse=True)
    assert [message for message, _ in heard[before]][1:] == [""]


def test_what_happens_is_told(new_printer, port):
    server = new_printer(port)
    shutil.copy(ROOT / "tests/server/plugins/event_bus.py", server.basedir / "plugins")
    admin = recorded(server)
    assert states(port)["printer_connected"] is None
    admin.post("/api/connection", {"command": "connect", "port": "VIRTUAL"})
    wait_for(lambda: states(port)["printer_connected"])
    admin.post("/api/connection", {"command": "disconnect"})
    wait_for(lambda: states(port)["printer_connected"] is None)
    assert states(port)["undervoltage"] == "OFF"
    seen = {"current_undervoltage": True, "past_undervoltage": True}
    fired = {"command": "fire", "event": "plugin_pi_support_throttle_state", "payload": seen}
    admin.post(EVENT_BUS, fired).raise_for_status()
    wait_for(lambda: states(port)["undervoltage"] == "ON")


def test_a_disk_that_takes_nothing_is_no_reason_for_silence(new_printer, port):
    """The history is unknown, but OctoPrint still knows the connection."""
    server = new_printer(port)
    with server.running():
        announced(port)
    (server.basedir / "data/octoprint_uptime/history.db").unlink()
    (server.basedir / "data/octoprint_uptime/history.db").mkdir()
    server.start()
    admin = server.login("admin", PASSWORD)
    wait_for(lambda: "Could not write the history" in server.log())
    admin.post("/api/connection", {"command": "connect", "port": "VIRTUAL"})
    wait_for(lambda: states(port)["printer_connected"])
    assert states(port)["last_end"] is None


def test_other_settings_of_octoprint_mqtt(new_printer, port):
    server = new_printer(port)
    admin = recorded(server)
    announced(port)
    save(admin, mqtt={"publish": {"baseTopic": "left/", "lwTopic": "will"}})
    wait_for(lambda: announced(port)[1]["availability"][0]["topic"] == "left/will")
    wait_for(lambda: announced(port)[1]["state_topic"].startswith("left/"))
    wait_for(lambda: len(topics(retained(port), STATE)) == 1)
    save(admin, mqtt={"broker": {"lwRetain": False}})
    wait_for(lambda: "availability" not in announced(port)[1])


def test_another_broker(new_printer, port):
    """Without a last will, which would tell of the new connection."""
    server = new_printer(port, plugins={"mqtt": {"publish": {"lwActive": False}}})
    admin = recorded(server)
    before = announced(port)
    new_port = free_port()
    with broker(new_port):
        save(admin, mqtt={"broker": {"port": new_port}})
        assert announced(new_port) == before
        assert LAST_END in retained(new_port)


def test_a_last_will_that_is_turned_on(new_printer, port):
    """While OctoPrint-MQTT takes its time to reconnect."""
    server = new_printer(port, plugins={"mqtt": {"publish": {"lwActive": False}}})
    admin = recorded(server)
    announced(port)
    new_port = free_port()
    save(admin, mqtt={"broker": {"port": new_port}, "publish": {"lwActive": True}})
    with broker(new_port):
        assert announced(new_port)[1]["availability"][0]["topic"] == "octoPrint/mqtt"
        wait_for(lambda: LAST_END in retained(new_port))


def test_another_prefix(new_printer, port):
    server = new_printer(port)
    admin = recorded(server)
    announced(port)
    save_own(admin, home_assistant_prefix="house/ha")
    wait_for(lambda: announced(port)[0].startswith("house/ha/device/"))


def test_switched_off(new_printer, port):
    server = new_printer(port)
    admin = recorded(server)
    announced(port)
    save_own(admin, home_assistant=False)
    wait_for(lambda: is_gone(port))
    assert LAST_END in retained(port)


def test_switched_off_while_the_broker_was_away(new_printer):
    port = free_port()
    server = new_printer(port)
    with broker(port), server.running():
        announced(port)
        left_behind = retained(port)
    with server.running():
        save_own(signed_in(server), home_assistant=False)
    with broker(port):
        republish(port, left_behind)
        assert not is_gone(port)
        recorded(server)
        wait_for(lambda: is_gone(port))


def republish(port, messages):
    """Publish them, as a broker does that keeps them on its disk."""
    for topic, message in messages.items():
        text = message if isinstance(message, str) else json.dumps(message)
        publish.single(topic, text, retain=True, port=port)


def test_a_broker_that_comes_late(new_printer):
    """Even if OctoPrint-MQTT's settings retain nothing that had to wait."""
    port = free_port()
    server = new_printer(port, plugins={"mqtt": {"broker": {"retain": False}}})
    recorded(server)
    with broker(port):
        announced(port)
        wait_for(lambda: LAST_END in retained(port))


def test_a_broker_that_has_forgotten_everything(new_printer):
    port = free_port()
    server = new_printer(port)
    with broker(port):
        recorded(server)
        before = announced(port)
    with broker(port):
        assert announced(port) == before
        wait_for(lambda: LAST_END in retained(port))


def test_without_a_last_will(new_printer):
    port = free_port()
    settings = {"mqtt": {"publish": {"lwActive": False}}}
    server = new_printer(port, plugins=settings)
    recorded(server)
    with broker(port):
        assert "availability" not in announced(port)[1]


def test_two_with_the_same_base_topic(new_printer, port):
    for name in ("left", "right"):
        recorded(new_printer(port, appearance={"name": name}))
    wait_for(lambda: len(topics(retained(port), CONFIG)) == 2)
    messages = retained(port)
    configs = [messages[topic] for topic in topics(messages, CONFIG)]
    assert {config["device"]["name"] for config in configs} == {"left", "right"}
    assert {config["state_topic"] for config in configs} == set(topics(messages, STATE))
    ids = [entity["unique_id"] for config in configs for entity in config["components"].values()]
    assert len(set(ids)) == len(ids)


def test_one_restored_from_a_backup_is_another(new_printer, port):
    original = new_printer(port)
    admin = recorded(original)
    topic, _, _ = announced(port)
    admin.post("/plugin/backup/backup", {"exclude": []}).raise_for_status()
    folder = original.basedir / "data" / "backup"
    (archive,) = wait_for(lambda: list(folder.glob("octoprint-backup-*.zip")))
    copy = new_printer(port)
    copy.octoprint("plugins", "backup:restore", str(archive))
    recorded(copy)
    wait_for(lambda: len(topics(retained(port), CONFIG)) == 2)
    assert topic in retained(port)


class TestPluginManager:
    @pytest.fixture
    def server(self, new_printer, port):
        """A server with the plugin in OctoPrint's folder, removable by the plugin manager."""
        disabled = [n for n in QUIET_CONFIG["plugins"]["_disabled"] if n != "pluginmanager"]
        server = new_printer(port, plugins={"_disabled": disabled})
        shutil.copytree(
            ROOT / "octoprint_uptime",
            server.basedir / "plugins" / "octoprint_uptime",
            ignore=shutil.ignore_patterns("__pycache__"),
        )
        return server

    @staticmethod
    def manage(admin, command):
        body = {"command": command, "plugin": "octoprint_uptime"}
        admin.post("/api/plugin/pluginmanager", body).raise_for_status()

    def test_disabled_and_enabled_again(self, server, port):
        admin = recorded(server)
        topic, _, _ = announced(port)
        self.manage(admin, "disable")
        wait_for(lambda: is_gone(port) and LAST_END not in retained(port))
        self.manage(admin, "enable")
        assert announced(port)[0] == topic
        wait_for(lambda: LAST_END in retained(port))

    def test_uninstalled(self, server, port):
        admin = recorded(server)
        announced(port)
        self.manage(admin, "uninstall")
        wait_for(lambda: is_gone(port) and LAST_END not in retained(port))
        assert not (server.basedir / "plugins" / "octoprint_uptime").exists()
        # It runs until OctoPrint restarts, and stays silent.
        admin.post("/api/connection", {"command": "connect", "port": "VIRTUAL"})
        wait_for(lambda: admin.get("/plugin/octoprint_uptime/history").json()["printer"])
        assert is_gone(port)
