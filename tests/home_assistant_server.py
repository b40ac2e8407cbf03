"""A real Home Assistant on loopback, for the tests."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import requests
import websocket
import yaml
from shared.octoprint_server import free_port

START_TIMEOUT_SECONDS = 120
STOP_TIMEOUT_SECONDS = 60

PYTHON = Path(os.environ.get("HOME_ASSISTANT", ".venv/home-assistant"), "bin", "python").absolute()


class HomeAssistant:
    """Home Assistant with an owner, and MQTT as soon as :meth:`add_mqtt` has been called.

    Args:
        folder: Where its configuration and data go.
        configuration: More lines of ``configuration.yaml``.
    """

    def __init__(self, folder: Path, **configuration: Any) -> None:
        self._folder = folder
        self._port = free_port()
        self._url = f"http://127.0.0.1:{self._port}"
        self._tokens: dict[str, str] = {}
        self._process: subprocess.Popen | None = None
        http = {"server_host": "127.0.0.1", "server_port": self._port}
        needed = {"http": http, "config": {}, "onboarding": {}}
        (folder / "configuration.yaml").write_text(yaml.safe_dump({**needed, **configuration}))

    def start(self) -> None:
        with (self._folder / "output.log").open("ab") as log:
            self._process = subprocess.Popen(
                # Everything it would install is there; it needs no internet.
                [PYTHON, "-m", "homeassistant", "--config", self._folder, "--skip-pip"],
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"Home Assistant does not start:\n{self.log()}")
            time.sleep(0.05)
        self._sign_in()

    def stop(self) -> None:
        if self._process:
            self._process.terminate()
            self._process.wait(STOP_TIMEOUT_SECONDS)
        self._process = None

    def log(self) -> str:
        """Its log so far."""
        return (self._folder / "output.log").read_text()

    def add_mqtt(self, port: int) -> None:
        """Connect it to the broker on that port of this host, as its page does."""
        flows = "/api/config/config_entries/flow"
        flow = self.ask("POST", flows, {"handler": "mqtt"})
        broker = {"broker": "127.0.0.1", "port": port}
        done = self.ask("POST", f"{flows}/{flow['flow_id']}", broker)
        if done["type"] != "create_entry":
            raise RuntimeError(f"Home Assistant does not take the broker: {done}")

    def states(self) -> dict[str, dict[str, Any]]:
        """All states, by the ids of their entities."""
        return {state["entity_id"]: state for state in self.ask("GET", "/api/states")}

    def registry(self, kind: str) -> list[dict[str, Any]]:
        """The registry of ``device`` or ``entity``."""
        connection = websocket.create_connection(
            f"ws://127.0.0.1:{self._port}/api/websocket", timeout=30
        )
        with contextlib.closing(connection):
            connection.recv()
            self._say(connection, type="auth", access_token=self._tokens["access_token"])
            return self._say(connection, id=1, type=f"config/{kind}_registry/list")["result"]

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        token = self._tokens.get("access_token")
        response = requests.request(
            method,
            self._url + path,
            json=body,
            headers={"Authorization": f"Bearer {token}"} if token else {},
            timeout=30,
        )
        response.raise_for_status()
        return response.json()

    def _answers(self) -> bool:
        try:
            return requests.get(f"{self._url}/api/onboarding", timeout=5).ok
        except requests.ConnectionError:
            return False

    def _sign_in(self) -> None:
        grant = {"grant_type": "refresh_token", "refresh_token": self._tokens.get("refresh_token")}
        if not self._tokens:
            owner = {"name": "Owner", "username": "owner", "password": "owner", "language": "en"}
            made = self.ask(
                "POST", "/api/onboarding/users", {"client_id": f"{self._url}/", **owner}
            )
            grant = {"grant_type": "authorization_code", "code": made["auth_code"]}
        response = requests.post(
            f"{self._url}/auth/token", {"client_id": f"{self._url}/", **grant}, timeout=30
        )
        response.raise_for_status()
        self._tokens.update(response.json())

    def _say(self, connection: websocket.WebSocket, **message: Any) -> Any:
        connection.send(json.dumps(message))
        return json.loads(connection.recv())
