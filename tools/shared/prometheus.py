"""Prometheus and Alertmanager on loopback, for farm tests and measurements."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import requests
from shared.octoprint_server import free_port

START_TIMEOUT_SECONDS = 60
STOP_TIMEOUT_SECONDS = 30


Service = TypeVar("Service", bound="_Service")


class _Service:
    """A command that listens on loopback and answers there when it is ready."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def _command(self) -> list[str]:
        raise NotImplementedError

    @contextlib.contextmanager
    def running(self: Service) -> Iterator[Service]:
        output = self.folder / "output.log"
        with output.open("wb") as log:
            process = subprocess.Popen(self._command(), stdout=log, stderr=subprocess.STDOUT)
        try:
            deadline = time.monotonic() + START_TIMEOUT_SECONDS
            while not self._is_ready():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"It does not start:\n{output.read_text()}")
                time.sleep(0.05)
            yield self
        finally:
            process.terminate()
            process.wait(STOP_TIMEOUT_SECONDS)

    def _is_ready(self) -> bool:
        try:
            return requests.get(f"{self.url}/-/ready", timeout=5).ok
        except requests.ConnectionError:
            return False


class Alertmanager(_Service):
    """Debian's Alertmanager.

    Args:
        folder: The folder of its ``alertmanager.yml`` and its data.
    """

    def _command(self) -> list[str]:
        return [
            "prometheus-alertmanager",
            f"--config.file={self.folder / 'alertmanager.yml'}",
            f"--storage.path={self.folder / 'alertmanager'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--cluster.listen-address=",  # it has no peers
        ]

    def post(self, *alerts: dict[str, str]) -> None:
        """Fire alerts with these labels, as Prometheus does."""
        body = [{"labels": labels} for labels in alerts]
        requests.post(f"{self.url}/api/v2/alerts", json=body, timeout=30).raise_for_status()

    def alerts(self) -> list[dict[str, Any]]:
        """Return the firing alerts, including whether they are inhibited."""
        return requests.get(f"{self.url}/api/v2/alerts", timeout=30).json()


class Prometheus(_Service):
    """Debian's Prometheus.

    Args:
        folder: The folder of its ``prometheus.yml`` and its data.
        flags: Additional command line options.
    """

    def __init__(self, folder: Path, *flags: str) -> None:
        super().__init__(folder)
        self.flags = flags

    def _command(self) -> list[str]:
        return [
            "prometheus",
            f"--config.file={self.folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={self.folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            *self.flags,
        ]

    def query(self, expression: str, **parameters: Any) -> list[dict[str, Any]]:
        """Return the result of an instant query."""
        return self.ask("query", query=expression, **parameters)["result"]

    def query_range(self, expression: str, seconds: float, step: float) -> list[dict[str, Any]]:
        """Return the result of a query over the last ``seconds``."""
        now = time.time()
        return self.ask("query_range", query=expression, start=now - seconds, end=now, step=step)[
            "result"
        ]

    def value(self, expression: str) -> float | None:
        """Return the single value of an expression; ``None`` if it has no value."""
        result = self.query(expression)
        return float(result[0]["value"][1]) if result else None

    def alerts(self) -> list[dict[str, Any]]:
        """Return the pending and firing alerts."""
        return self.ask("alerts")["alerts"]

    def ask(self, what: str, **parameters: Any) -> Any:
        """Return the data of an endpoint of Prometheus's API."""
        answer = requests.get(f"{self.url}/api/v1/{what}", params=parameters, timeout=30).json()
        if answer["status"] != "success":
            raise ValueError(f"{parameters}: {answer['error']}")
        return answer["data"]
