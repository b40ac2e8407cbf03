"""Debian's mosquitto, a subscriber to it, and OctoPrints connected to it."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

from helpers import wait_for
from paho.mqtt import publish
from paho.mqtt.client import CallbackAPIVersion, Client
from shared.octoprint_server import OctoPrintServer

STAND_IN = Path(__file__).parent / "farm" / "plugins" / "mqtt.py"
Heard = dict[str, list[tuple[Any, bool]]]


@contextlib.contextmanager
def broker(port: int) -> Iterator[None]:
    """A broker on loopback only; it forgets everything when it restarts."""
    process = subprocess.Popen(
        ["/usr/sbin/mosquitto", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def answers() -> bool:
        assert process.poll() is None
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    try:
        wait_for(answers)
        yield
    finally:
        process.terminate()
        process.wait(30)


@contextlib.contextmanager
def subscriber(port: int) -> Iterator[Heard]:
    """The messages for a client, by topic, each with whether it was retained."""
    heard: Heard = {}
    subscribed = threading.Event()

    def hear(client: Client, _: Any, message: Any) -> None:
        text = message.payload.decode()
        told = json.loads(text) if text.startswith("{") else text
        heard.setdefault(message.topic, []).append((told, message.retain))

    client = Client(CallbackAPIVersion.VERSION2)
    client.on_connect = lambda *_: client.subscribe("#")
    client.on_subscribe = lambda *_: subscribed.set()
    client.on_message = hear
    client.connect("127.0.0.1", port)
    client.loop_start()
    assert subscribed.wait(30)
    yield heard
    client.disconnect()
    client.loop_stop()


def retained(port: int) -> dict[str, Any]:
    """The retained messages, by topic."""
    with subscriber(port) as heard:
        # Retained messages come at once, so before all later ones.
        publish.single("end/of/retained", "…", port=port)
        wait_for(lambda: "end/of/retained" in heard)
    return {topic: told[0][0] for topic, told in heard.items() if told[0][1]}


def with_octoprint_mqtt(
    new_server: Callable[..., OctoPrintServer], port: int, **config: Any
) -> OctoPrintServer:
    """A server with the stand-in for OctoPrint-MQTT, connected to the broker on that port."""
    server = new_server(environment={"MQTT_PORT": str(port)}, **config)
    (server.basedir / "plugins").mkdir()
    shutil.copy(STAND_IN, server.basedir / "plugins")
    return server
