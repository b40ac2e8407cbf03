"""``docs/mqtt.md`` works with a real broker and a stand-in for OctoPrint-MQTT."""

import http.server
import json
import signal
import threading

import jinja2
import pytest
import yaml
from examples import blocks
from helpers import recorded, wait_for
from mqtt_broker import broker, retained, subscriber, with_octoprint_mqtt
from shared.octoprint_server import free_port

PAGE = "docs/mqtt.md"
LAST_END = "octoPrint/plugin/octoprint_uptime/last_end"
EVENT = "octoPrint/event/plugin_octoprint_uptime_"


@pytest.fixture
def new_printer(new_server):
    """A factory of servers with the stand-in for OctoPrint-MQTT."""
    return lambda port, **config: with_octoprint_mqtt(new_server, port, **config)


def test_topics_and_messages(new_printer):
    port = free_port()
    server = new_printer(port)
    with broker(port), subscriber(port) as heard:
        recorded(server)
        wait_for(lambda: LAST_END in heard and EVENT + "started" in heard)
        ((first, _),) = heard[LAST_END]
        assert set(first.values()) == {None}
        server.stop(signal.SIGKILL)
        recorded(server)
        wait_for(lambda: len(heard[LAST_END]) == 2 and EVENT + "unplanned" in heard)

        payload, _ = heard[LAST_END][1]
        (example,) = blocks(PAGE, "json")
        assert set(payload) == set(json.loads(example))
        assert payload["previous_end"] == "crash"
        for name, count in (("started", 2), ("unplanned", 1)):
            assert len(heard[EVENT + name]) == count
            event, was_retained = heard[EVENT + name][-1]
            assert not was_retained
            assert event.pop("_timestamp") > 0
            assert event == {**payload, "_event": f"plugin_octoprint_uptime_{name}"}
        assert retained(port)[LAST_END] == payload
        assert not [topic for topic in retained(port) if topic.startswith(EVENT)]


def test_a_broker_that_comes_later_is_told_all_the_same(new_printer):
    port = free_port()
    server = new_printer(port, plugins={"mqtt": {"publish": {"baseTopic": "octoPrint/left/"}}})
    recorded(server)
    server.stop(signal.SIGKILL)
    recorded(server)
    with broker(port), subscriber(port) as heard:
        topic = LAST_END.replace("octoPrint/", "octoPrint/left/")
        wait_for(lambda: topic in heard)
        assert heard[topic][0][0]["previous_end"] == "crash"
        assert EVENT + "unplanned" not in heard


def test_the_message_moves_with_the_base_topic(new_printer):
    port = free_port()
    server = new_printer(port, plugins={"mqtt": {"publish": {"baseTopic": ""}}})
    with broker(port), subscriber(port) as heard:
        admin = recorded(server)
        topic = LAST_END.removeprefix("octoPrint/")
        wait_for(lambda: topic in heard)
        server.stop(signal.SIGKILL)
        admin = recorded(server)
        wait_for(lambda: len(heard[topic]) == 2)
        ((payload, _),) = heard[topic][1:]
        # As OctoPrint-MQTT's settings page does.
        change = {"plugins": {"mqtt": {"publish": {"baseTopic": "octoPrint/left/"}}}}
        admin.post("/api/settings", change).raise_for_status()
        moved = LAST_END.replace("octoPrint/", "octoPrint/left/")

        def ends():
            return {name: m for name, m in retained(port).items() if name.endswith("last_end")}

        wait_for(lambda: ends() == {moved: payload})


def test_home_assistant_by_hand(new_printer):
    text = blocks(PAGE, "yaml")[0]
    configuration = yaml.safe_load(text)["mqtt"]
    went_down, connected = configuration["binary_sensor"]
    (last_end,) = configuration["sensor"]
    base = "octoPrint/left/"
    topic = LAST_END.replace("octoPrint/", base)
    assert {went_down["state_topic"], last_end["state_topic"]} == {topic}
    assert last_end["json_attributes_topic"] == topic
    assert connected["state_topic"] == base + "mqtt"
    # A second printer shares no topic with it.
    other = yaml.safe_load(text.replace("left", "right").replace("Left", "Right"))["mqtt"]
    for kind in ("binary_sensor", "sensor"):
        for one, another in zip(configuration[kind], other[kind]):
            for field in ("name", "unique_id", "state_topic"):
                assert one[field] != another[field]

    def shown(sensor, payload):
        return jinja2.Template(sensor["value_template"]).render(value_json=payload)

    port = free_port()
    server = new_printer(port, plugins={"mqtt": {"publish": {"baseTopic": base}}})
    with broker(port), subscriber(port) as heard:
        for count, (with_signal, state, end) in enumerate(
            [
                (None, "OFF", "None"),
                (signal.SIGKILL, "ON", "crash"),
                (signal.SIGTERM, "OFF", "restart"),
            ],
            start=1,
        ):
            if with_signal:
                server.stop(with_signal)
            recorded(server)
            wait_for(lambda count=count: len(heard.get(topic, ())) == count)
            payload, _ = heard[topic][-1]
            assert (shown(went_down, payload), shown(last_end, payload)) == (state, end)


def test_another_plugin_that_fails_costs_nothing(new_server):
    server = new_server()
    (server.basedir / "plugins").mkdir()
    (server.basedir / "plugins" / "mqtt.py").write_text(
        "import octoprint.plugin\n"
        "__plugin_name__ = 'MQTT'\n"
        "__plugin_pythoncompat__ = '>=3.9,<4'\n"
        "__plugin_implementation__ = octoprint.plugin.OctoPrintPlugin()\n"
        "__plugin_helpers__ = {'mqtt_publish': len}\n"
    )
    admin = recorded(server)
    wait_for(lambda: "Could not publish through OctoPrint-MQTT" in server.log())
    admin.post("/api/connection", {"command": "connect", "port": "VIRTUAL"}).raise_for_status()
    wait_for(lambda: admin.get("/plugin/octoprint_uptime/history").json()["printer"])


def test_the_event_manager(new_server):
    posted = []

    class Receiver(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            posted.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    receiver = http.server.HTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    config = blocks(PAGE, "yaml")[1].replace(
        "https://ntfy.example.org/printers", f"http://127.0.0.1:{receiver.server_port}"
    )
    server = new_server(**yaml.safe_load(config))
    recorded(server)
    server.stop(signal.SIGKILL)
    recorded(server)
    wait_for(lambda: posted)
    receiver.shutdown()
    assert posted == ["OctoPrint is back after an unplanned outage"]
