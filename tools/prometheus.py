"""A real Prometheus on loopback, for the tests and the measurements of a farm."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests
from octoprint_server import free_port

START_TIMEOUT_SECONDS = 60
STOP_TIMEOUT_SECONDS = 30


class Prometheus:
    """Debian's Prometheus.

    Args:
        folder: With its ``prometheus.yml``; its data goes there too.
        flags: More of its command line.
    """

    def __init__(self, folder: Path, *flags: str) -> None:
        self.folder = folder
        self.flags = flags
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    @contextlib.contextmanager
    def running(self) -> Iterator[Prometheus]:
        output = self.folder / "output.log"
        with output.open("wb") as log:
            process = subprocess.Popen(
                [
                    "prometheus",
                    f"--config.file={self.folder / 'prometheus.yml'}",
                    f"--storage.tsdb.path={self.folder / 'data'}",
                    f"--web.listen-address=127.0.0.1:{self.port}",
                    *self.flags,
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            deadline = time.monotonic() + START_TIMEOUT_SECONDS
            while not self._is_ready():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"Prometheus does not start:\n{output.read_text()}")
                time.sleep(0.05)
            yield self
        finally:
            process.terminate()
            process.wait(STOP_TIMEOUT_SECONDS)

    def query(self, expression: str, **parameters: Any) -> list[dict[str, Any]]:
        """The result of an instant query."""
        return self.ask("query", query=expression, **parameters)["result"]

    def query_range(self, expression: str, seconds: float, step: float) -> list[dict[str, Any]]:
        """The result of a query over the last so many seconds."""
        now = time.time()
        return self.ask("query_range", query=expression, start=now - seconds, end=now, step=step)[
            "result"
        ]

    def value(self, expression: str) -> float | None:
        """The one number that an expression gives; ``None`` while it gives none."""
        result = self.query(expression)
        return float(result[0]["value"][1]) if result else None

    def alerts(self) -> list[dict[str, Any]]:
        """Those that are pending or firing."""
        return self.ask("alerts")["alerts"]

    def ask(self, what: str, **parameters: Any) -> Any:
        """The data of an endpoint of Prometheus's API."""
        answer = requests.get(f"{self.url}/api/v1/{what}", params=parameters, timeout=30).json()
        if answer["status"] != "success":
            raise ValueError(f"{parameters}: {answer['error']}")
        return answer["data"]

    def _is_ready(self) -> bool:
        try:
            return requests.get(f"{self.url}/-/ready", timeout=5).ok
        except requests.ConnectionError:
            return False
