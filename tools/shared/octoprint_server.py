"""A real OctoPrint in a separate base folder, for the demo, the tests and the benchmark."""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests
import yaml

START_TIMEOUT_SECONDS = 300
STOP_TIMEOUT_SECONDS = 120
# Below the range from which the kernel assigns free ports.
PORTS = range(20_000, 32_000)
_ours: list[socket.socket] = []

# No wizard, a virtual printer, and no access to the internet.
QUIET_CONFIG: dict[str, Any] = {
    # On a slow machine, a test may change accounts later than five minutes after signing in.
    "accessControl": {"defaultReauthenticationTimeout": 1440},
    "server": {
        "firstRun": False,
        "onlineCheck": {"enabled": False},
        "pluginBlacklist": {"enabled": False},
        "seenWizards": {
            "backup": None,
            "classicwebcam": None,
            "corewizard": 4,
            "tracking": None,
        },
    },
    "plugins": {
        "_disabled": [
            "announcements",
            "discovery",
            "errortracking",
            "health_check",
            "pluginmanager",
            "softwareupdate",
            "tracking",
        ],
        "virtual_printer": {"enabled": True},
    },
}


def free_port() -> int:
    """Reserve a port of 127.0.0.1 until this process ends.

    A server needs seconds until it listens, also after a restart. Meanwhile no other server may
    get its port, not even from tests that run at the same time.
    """
    for port in random.sample(PORTS, len(PORTS)):
        ours = socket.socket(socket.AF_UNIX)
        with contextlib.suppress(OSError), socket.socket() as probe:
            # An abstract socket has no file and disappears with the process.
            ours.bind(f"\0octoprint-uptime-port-{port}")
            probe.bind(("127.0.0.1", port))
            _ours.append(ours)
            return port
        ours.close()
    raise RuntimeError("There is no free port.")


def merged(base: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """Return ``base`` with ``more`` merged into it, mapping by mapping."""
    result = dict(base)
    for key, value in more.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if both else value
    return result


class OctoPrintServer:
    """OctoPrint on 127.0.0.1.

    Args:
        basedir: The base folder; created if it is missing.
        port: The port; by default, any free port.
        environment: Variables to add to the environment of the process.
        python: The Python that has OctoPrint; by default, the running one.
    """

    def __init__(
        self,
        basedir: Path,
        port: int | None = None,
        environment: dict[str, str] | None = None,
        python: str = sys.executable,
    ) -> None:
        self.basedir = basedir
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = environment or {}
        self.python = python
        self._process: subprocess.Popen | None = None
        self._output = basedir / "output.log"
        basedir.mkdir(parents=True, exist_ok=True)

    @property
    def config_file(self) -> Path:
        return self.basedir / "config.yaml"

    def configure(self, **more: Any) -> None:
        """Write a quiet ``config.yaml`` with ``more`` merged into it."""
        self.config_file.write_text(yaml.safe_dump(merged(QUIET_CONFIG, more)))

    def stored_config(self) -> dict[str, Any]:
        return yaml.safe_load(self.config_file.read_text())

    def add_admin(self, name: str, password: str) -> None:
        self.octoprint("user", "add", name, "--password", password, "--admin")

    def octoprint(self, *arguments: str) -> None:
        """Run an OctoPrint command on this base folder."""
        done = subprocess.run(
            self._command(*arguments),
            cwd=self.basedir,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"OctoPrint {' '.join(arguments)} failed:\n{done.stdout}")

    def start(self) -> None:
        with self._output.open("ab") as output:
            self._process = subprocess.Popen(
                self._command(
                    *("serve", "--iknowwhatimdoing"),
                    *("--host", "127.0.0.1", "--port", str(self.port)),
                ),
                # Python would search the caller's folder before the installed packages.
                cwd=self.basedir,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.environment},
            )
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while not self.answers():
            if self._process.poll() is not None:
                raise RuntimeError(f"OctoPrint ended unexpectedly:\n{self.log()}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"OctoPrint does not answer:\n{self.log()}")
            time.sleep(0.05)

    def answers(self) -> bool:
        try:
            return requests.get(f"{self.url}/api/version", timeout=5).status_code in (200, 403)
        except requests.ConnectionError:
            return False

    def stop(self, with_signal: int = signal.SIGTERM) -> None:
        if self._process is None:
            return
        self._process.send_signal(with_signal)
        try:
            self._process.wait(STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def wait(self) -> int:
        """Wait for the server to end. Return its exit status."""
        assert self._process is not None
        return self._process.wait()

    @contextlib.contextmanager
    def running(self) -> Iterator[OctoPrintServer]:
        self.start()
        try:
            yield self
        finally:
            self.stop()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def log(self) -> str:
        """Return all output of OctoPrint, without colours."""
        if not self._output.exists():
            return ""
        return re.sub(r"\x1b\[[0-9;]*m", "", self._output.read_text(errors="replace"))

    def login(self, name: str, password: str) -> Session:
        """Log in as the web interface does."""
        session = Session(self)
        # The login, too, needs the CSRF cookie of the page.
        session.get("/").raise_for_status()
        body = {"user": name, "pass": password, "remember": True}
        session.post("/api/login", body).raise_for_status()
        return session

    def _command(self, *arguments: str) -> list[str]:
        return [self.python, "-m", "octoprint", "--basedir", str(self.basedir), *arguments]


class Session:
    """Authenticated requests to one server."""

    def __init__(self, server: OctoPrintServer, **headers: str) -> None:
        self._server = server
        self.requests = requests.Session()
        self.requests.headers.update(headers)

    def get(self, path: str) -> requests.Response:
        return self.requests.get(self._server.url + path, timeout=30)

    def post(self, path: str, body: Any = None) -> requests.Response:
        return self._send("POST", path, body)

    def put(self, path: str, body: Any = None) -> requests.Response:
        return self._send("PUT", path, body)

    def _send(self, method: str, path: str, body: Any) -> requests.Response:
        headers = {}
        token = self.requests.cookies.get(f"csrf_token_P{self._server.port}")
        if token:
            headers["X-CSRF-Token"] = token
        return self.requests.request(
            method, self._server.url + path, json=body or {}, headers=headers, timeout=30
        )
