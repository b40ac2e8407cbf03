"""Sends one ping over HTTP in bounded time, without revealing its address to anyone else."""

from __future__ import annotations

import http.client
import io
import logging
import socket
import ssl
import time
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import urljoin, urlsplit

import requests

from .monitors import BODY_LIMIT_HEADER, Ping, Trouble

TOTAL_SECONDS = 10.0
"""The time limit of a ping, whatever the monitor does."""
CONNECT_SECONDS = 3.0
"""The time limit for each of a host's addresses: IPv6 may lead nowhere, and IPv4 to the monitor."""
MAX_BYTES = 2000
MAX_REDIRECTS = 3
REDIRECTS = (301, 302, 303, 307, 308)

THREAD_NAME = "octoprint_uptime.ping"
"""The prefix of the names of threads that ping."""

NO_ANSWER = Trouble("no answer", {"seconds": round(TOTAL_SECONDS)})


class Answer(NamedTuple):
    """The outcome of a ping.

    Attributes:
        status: The HTTP status; ``None`` if there was no answer.
        body: The first bytes of the answer's body.
        body_limit: How many bytes of a body the monitor keeps, if it says so.
        trouble: Why there was no answer.
    """

    status: int | None = None
    body: bytes = b""
    body_limit: int | None = None
    trouble: Trouble | None = None


def post(ping: Ping, user_agent: str) -> Answer:
    """Send a ping and return the monitor's answer. Raises nothing.

    Redirects are followed only on the same host and never from https to http. The address is a
    secret: anyone who has it can suppress the alarm.
    """
    try:
        return _post(ping, user_agent)
    except _TroubleError as error:
        return Answer(trouble=error.trouble)
    except Exception as error:  # of requests, urllib3 or idna; their texts may contain the address
        return Answer(trouble=_trouble(error))


class _TroubleError(Exception):
    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.kind)
        self.trouble = trouble


class _Session(requests.Session):
    """Ignores redirects: requests reads a redirect's whole body even if it does not follow it.

    Args:
        deadline: When to stop reading answers, on the monotonic clock.
    """

    def __init__(self, deadline: float) -> None:
        super().__init__()
        for scheme in ("http://", "https://"):
            self.mount(scheme, _Adapter(deadline))

    def get_redirect_target(self, resp: requests.Response) -> None:
        return None


class _Adapter(requests.adapters.HTTPAdapter):
    """Stops reading every answer at the deadline, even the answer of a proxy."""

    def __init__(self, deadline: float) -> None:
        super().__init__()
        self._deadline = deadline

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        super().cert_verify(conn, url, verify, cert)
        # No other overridable method gets the pool in every version of requests.
        conn.ConnectionCls = _in_time(conn.ConnectionCls, self._deadline)


def _in_time(kind: Any, deadline: float) -> Any:
    """Derive a connection class whose answers are read until the deadline."""

    def response_class(sock: Any, *args: Any, **more: Any) -> http.client.HTTPResponse:
        return http.client.HTTPResponse(_InTime(sock, deadline), *args, **more)  # type: ignore[arg-type]

    return type(kind.__name__, (kind,), {"response_class": staticmethod(response_class)})


class _InTime(io.RawIOBase):
    """Reads a socket until a deadline: the socket's own timeout restarts with each byte."""

    def __init__(self, sock: Any, deadline: float) -> None:
        self._socket = sock
        self._deadline = deadline
        self._raw = sock.makefile("rb", buffering=0)

    def makefile(self, mode: str) -> io.BufferedReader:
        """Return a reader. A response uses no other method of a socket."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._socket.settimeout(_left(self._deadline))
        return self._raw.readinto(buffer)  # type: ignore[no-any-return]

    def close(self) -> None:
        self._raw.close()
        super().close()


def _post(ping: Ping, user_agent: str) -> Answer:
    deadline = time.monotonic() + TOTAL_SECONDS
    headers = {
        "User-Agent": user_agent,
        "Accept-Encoding": "identity",
        "Connection": "close",
    }
    if ping.body is not None:
        headers["Content-Type"] = "text/plain; charset=utf-8"
    url = ping.url
    with _Session(deadline) as session:
        for _ in range(MAX_REDIRECTS + 1):
            with session.request(
                ping.method,
                url,
                data=ping.body,
                headers=headers,
                timeout=(min(CONNECT_SECONDS, _left(deadline)), _left(deadline)),
                allow_redirects=False,
                stream=True,
            ) as response:
                if response.status_code not in REDIRECTS:
                    limit = response.headers.get(BODY_LIMIT_HEADER, "")
                    return Answer(
                        response.status_code,
                        _body(response),
                        int(limit) if limit.isdecimal() else None,
                    )
                url = _redirected(url, response.headers.get("Location", ""))
    raise _TroubleError(Trouble("redirects"))


def _body(response: requests.Response) -> bytes:
    body = bytearray()
    # Byte by byte: urllib3 would wait for a larger piece to be complete.
    for piece in response.iter_content(1):
        body += piece
        if len(body) >= MAX_BYTES:
            break
    return bytes(body[:MAX_BYTES])


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise socket.timeout
    return left


def _redirected(url: str, location: str) -> str:
    new = urljoin(url, location)
    old_parts, new_parts = urlsplit(url), urlsplit(new)
    is_same_host = old_parts.hostname == new_parts.hostname
    is_as_safe = new_parts.scheme in ("https", old_parts.scheme)
    if not (location and is_same_host and is_as_safe):
        raise _TroubleError(Trouble("redirected"))
    if "@" in old_parts.netloc and "@" not in new_parts.netloc:
        credentials = old_parts.netloc.rpartition("@")[0]
        new_parts = new_parts._replace(netloc=f"{credentials}@{new_parts.netloc}")
    return new_parts.geturl()


def _trouble(error: BaseException) -> Trouble:
    causes = list(_causes(error))

    def is_any(*kinds: type[BaseException]) -> bool:
        return any(isinstance(cause, kinds) for cause in causes)

    if is_any(ssl.SSLCertVerificationError):
        return Trouble("certificate")
    if is_any(ssl.SSLError, requests.exceptions.SSLError):
        return Trouble("tls")
    if is_any(requests.exceptions.Timeout, socket.timeout):
        return NO_ANSWER
    if is_any(socket.gaierror):
        return Trouble("name")
    if is_any(
        requests.exceptions.ConnectionError,
        requests.exceptions.ChunkedEncodingError,  # it closed the connection too early
        ConnectionError,
    ):
        return Trouble("unreachable")
    return Trouble("failed", {"error": type(error).__name__})


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


class _NoAddresses(logging.Filter):
    """Drops urllib3's log lines about pings: they contain the address."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not (record.threadName or "").startswith(THREAD_NAME)


for _name in ("connection", "connectionpool", "poolmanager", "response", "util.retry"):
    logging.getLogger(f"urllib3.{_name}").addFilter(_NoAddresses())
