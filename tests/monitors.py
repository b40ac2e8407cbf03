"""Test monitors that behave like healthchecks and Uptime Kuma.

Each is a real HTTP server on loopback with a real clock. A restarted monitor keeps its state.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from shared.octoprint_server import free_port

UUID = "3f1c1f0e-8d52-4a4b-9c3e-6a5d7c8b9a01"
SLUG = "fqOOd6-F4MMNuCEnzTU01w/left-printer"
"""A project's ping key and the name of a check in it."""
MINUTE_SECONDS = 60
PINGS_A_MINUTE = 5
NOTIFIED = {(None, "down"), ("up", "down"), ("pending", "down"), ("down", "up")}
"""Of which changes Uptime Kuma notifies."""
JOIN_SECONDS = 60
"""A client that neither reads nor hangs up holds no test up for longer."""


class Reply(NamedTuple):
    status: int
    body: bytes
    headers: Mapping[str, str] = {}


class Received(NamedTuple):
    """A ping as it arrived."""

    at: float
    method: str
    path: str
    body: str
    user_agent: str

    @property
    def query(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}


class Monitor:
    """An HTTP server that keeps what it receives.

    Attributes:
        received: The requests, oldest first.
        port: Where it listens, and listens again after a restart.
    """

    path = "/"

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.port = free_port()
        self._server: ThreadingHTTPServer | None = None
        self._serving: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.path}"

    def reply(self, ping: Received) -> Reply:
        return Reply(200, b"hello")

    def start(self) -> None:
        monitor = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                ping = Received(
                    time.monotonic(),
                    self.command,
                    self.path,
                    body.decode(),
                    self.headers.get("User-Agent", ""),
                )
                monitor.received.append(ping)
                reply = monitor.reply(ping)
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                self.wfile.write(reply.body)

            do_GET = do_POST = do_HEAD = answer

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        self._serving = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        )
        self._serving.start()

    @contextlib.contextmanager
    def running(self) -> Iterator[Any]:
        self.start()
        try:
            yield self
        finally:
            self.stop()

    def stop(self) -> None:
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._serving.join()
        self._server = None


@dataclass
class Healthchecks(Monitor):
    """A check in healthchecks, by the rules of its source code.

    An alarm is raised once, when the check goes down: ``grace`` seconds after a ping is due or
    after a start that no success followed, or at a failure.

    Attributes:
        namesakes: How many other checks have the same slug, and so the same :attr:`slug_url`.
    """

    period: float = 60.0
    grace: float = 60.0
    body_limit: int = 10_000
    status: str = "new"
    bodies: list[tuple[str, str]] = field(default_factory=list)
    rate_limited: int = 0
    namesakes: int = 0

    path = f"/ping/{UUID}"

    def __post_init__(self) -> None:
        super().__init__()
        self._alarms: list[str] = []
        self._last_ping = self._last_start = 0.0
        self._started = False
        self._lock = threading.Lock()

    @property
    def slug_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/ping/{SLUG}"

    def kinds(self) -> list[str]:
        """The recorded kinds of pings: ``start``, ``success``, ``fail``, ``log``."""
        return [kind for kind, _ in self.bodies]

    def alarms(self) -> list[str]:
        """The cause of each time the check went down."""
        with self._lock:
            self._look()
            return list(self._alarms)

    def reply(self, ping: Received) -> Reply:
        path = urlsplit(ping.path).path
        by_slug = path.startswith(f"/ping/{SLUG}")
        prefix, _, rest = path.partition(f"/ping/{SLUG if by_slug else UUID}")
        kinds = {"": "success", "/start": "start", "/fail": "fail", "/log": "log"}
        if prefix or rest not in kinds:
            return Reply(404, b"not found")
        if by_slug and self.namesakes:
            return Reply(409, b"ambiguous slug")
        recent = [earlier for earlier in self.received if earlier.at > ping.at - MINUTE_SECONDS]
        if len(recent) > PINGS_A_MINUTE:
            self.rate_limited += 1
            return Reply(200, b"OK (rate limited)")
        with self._lock:
            self._look()
            body = ping.body.encode()[: self.body_limit].decode()
            self._record(kinds[rest], body, ping.at)
        return Reply(200, b"OK", {"Ping-Body-Limit": str(self.body_limit)})

    def _record(self, kind: str, body: str, at: float) -> None:
        self.bodies.append((kind, body))
        if kind == "start":
            self._started, self._last_start = True, at
        elif kind in ("success", "fail"):
            self._last_ping, self._started = at, False
            if kind == "fail" and self.status != "down":
                self._alarms.append("fail")
            self.status = "down" if kind == "fail" else "up"

    def _look(self) -> None:
        if self.status == "down":
            return
        dues = [self._last_ping + self.period] if self.status == "up" else []
        dues += [self._last_start] if self._started else []
        if dues and time.monotonic() >= min(dues) + self.grace:
            self._alarms.append("silence")
            self.status = "down"


@dataclass
class UptimeKuma(Monitor):
    """A push monitor in Uptime Kuma, by the rules of its source code.

    It notifies when it goes down or comes up; ``retries`` downs in a row are only "pending".
    """

    interval: float = 60.0
    retries: int = 0
    active: bool = True
    beats: list[tuple[str, str]] = field(default_factory=list)

    path = "/api/push/Zk3pVbYxQ1"

    def __post_init__(self) -> None:
        super().__init__()
        self.notified: list[tuple[str, str]] = []
        self._status: str | None = None
        self._tries = 0
        self._last = time.monotonic()
        self._lock = threading.Lock()

    def notifications(self) -> list[tuple[str, str]]:
        """``down`` or ``up`` with the message, for each change."""
        with self._lock:
            self._look()
            return list(self.notified)

    def reply(self, ping: Received) -> Reply:
        if urlsplit(ping.path).path != self.path or not self.active:
            body = {"ok": False, "msg": "Monitor not found or not active."}
            return Reply(404, json.dumps(body).encode())
        with self._lock:
            self._look()
            status = "up" if ping.query.get("status", "up") == "up" else "down"
            self._beat(status, ping.query.get("msg", "OK"), ping.at)
        return Reply(200, b'{"ok":true}')

    def _beat(self, status: str, message: str, at: float) -> None:
        self.beats.append((status, message))
        self._last = at
        if status == "down" and self._status != "down" and self._tries < self.retries:
            self._tries += 1
            status = "pending"
        else:
            self._tries = 0
        if (self._status, status) in NOTIFIED:
            self.notified.append((status, message))
        self._status = status

    def _look(self) -> None:
        now = time.monotonic()
        if now > self._last + self.interval + 1:
            self._beat("down", "No heartbeat in the time window", now)


@contextlib.contextmanager
def black_hole() -> Iterator[str]:
    """The address of a monitor that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=1000) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/ping/{UUID}"


@contextlib.contextmanager
def talking(talk, tls=None):
    """The address of a server that calls ``talk`` for each connection after its request.

    Its threads end with it, so a later count of threads has none of them.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ended = threading.Event()
        answering = []

        def serve():
            while not ended.is_set():
                with contextlib.suppress(OSError):
                    connection, _ = listener.accept()
                    thread = threading.Thread(target=answer, args=(connection,), daemon=True)
                    answering.append(thread)
                    thread.start()

        def answer(connection):
            with contextlib.suppress(OSError), connection:
                stream = tls.wrap_socket(connection, server_side=True) if tls else connection
                stream.recv(65536)
                talk(stream, ended)

        serving = threading.Thread(target=serve, daemon=True)
        serving.start()
        scheme = "https" if tls else "http"
        try:
            yield f"{scheme}://127.0.0.1:{listener.getsockname()[1]}/ping/{UUID}"
        finally:
            ended.set()
            listener.shutdown(socket.SHUT_RDWR)
            serving.join()
            for thread in answering:
                thread.join(JOIN_SECONDS)


def saying(*pieces, pause=0.0):
    """A ``talk`` that sends these one after the other and hangs up."""

    def talk(connection, ended):
        for piece in pieces:
            connection.sendall(piece)
            if ended.wait(pause):
                break

    return talk
