"""A ping ends in bounded time whatever the monitor does, and never reveals its address."""

import contextlib
import logging
import random
import socket
import ssl
import subprocess
import threading
from urllib.parse import urlsplit

import pytest
from monitors import UUID, Healthchecks, Monitor, Reply, saying, talking

from octoprint_uptime.telling import post as module
from octoprint_uptime.telling.monitors import Ping
from octoprint_uptime.telling.post import MAX_BYTES, Answer, post

AGENT = "OctoPrint-Uptime/1"


@pytest.fixture
def monitor():
    with Healthchecks().running() as made:
        yield made


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(module, "TOTAL_SECONDS", 0.4)


def sent(url, method="GET", body=None):
    return post(Ping(method, url, body), AGENT)


def test_what_arrives_and_what_comes_back(monitor):
    answer = sent(monitor.url + "/start", "POST", "Lüfter".encode())
    assert answer == Answer(200, b"OK", 10_000)
    (ping,) = monitor.received
    assert (ping.method, ping.path) == ("POST", f"/ping/{UUID}/start")
    assert (ping.body, ping.user_agent) == ("Lüfter", AGENT)


@pytest.fixture
def dead_end():
    """An address that drops all packets, as IPv6 does where nothing routes it."""
    with contextlib.ExitStack() as sockets:
        listener = sockets.enter_context(socket.create_server(("127.0.0.2", 0), backlog=0))
        for _ in range(2):  # with a full queue, the kernel ignores who knocks
            waiting = sockets.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()


def test_of_several_addresses_the_dead_one_costs_little(monitor, dead_end, monkeypatch):
    monkeypatch.setattr(module, "TOTAL_SECONDS", 5.0)
    monkeypatch.setattr(module, "CONNECT_SECONDS", 0.1)
    alive = urlsplit(monitor.url)
    addresses = [
        (socket.AF_INET, socket.SOCK_STREAM, 0, "", address)
        for address in (dead_end, (alive.hostname, alive.port))
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **more: addresses)
    assert sent(alive._replace(netloc="monitor.example").geturl()) == Answer(200, b"OK", 10_000)


def test_an_endless_answer_is_read_no_further_than_needed():
    head = b"HTTP/1.1 200 OK\r\n\r\n"
    with talking(saying(head, *[b"x" * 1000] * 10_000)) as url:
        assert sent(url).body == b"x" * MAX_BYTES


def test_a_silent_monitor_times_out(impatient):
    with talking(lambda connection, ended: ended.wait()) as url:
        assert sent(url).trouble.kind == "no answer"


def test_a_dripping_monitor_times_out(impatient):
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
    with talking(saying(head, *[b"x"] * 1000, pause=0.1)) as url:
        assert sent(url).trouble.kind == "no answer"


def test_the_body_of_a_redirect_is_not_read(impatient):
    head = b"HTTP/1.1 302 Found\r\nLocation: http://other.invalid/\r\n\r\n"

    def never_ends(connection, ended):
        connection.sendall(head)
        ended.wait()

    with talking(never_ends) as url:
        assert sent(url).trouble.kind == "redirected"


def test_a_header_that_drips_ends_with_the_connection():
    with talking(saying(*[b"H"] * 5, pause=0.01)) as url:
        assert sent(url).trouble.kind == "unreachable"


@pytest.mark.parametrize(
    ("talk", "kind"),
    [
        (saying(), "unreachable"),
        (saying(b"SSH-2.0-OpenSSH_9.2\r\n"), "unreachable"),
        (saying(b"HTTP/1.1 2000 OK\r\n\r\n"), "unreachable"),
        (saying(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), "unreachable"),
    ],
)
def test_nonsense_is_trouble(talk, kind):
    with talking(talk) as url:
        assert sent(url).trouble.kind == kind


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("http://127.0.0.1:1/ping", "unreachable"),
        ("http://monitor.invalid/ping", "name"),
        ("http://[::1/ping", "failed"),
        ("http://.../ping", "failed"),
        (f"http://{'a' * 70}.example.org/", "failed"),
    ],
)
def test_addresses_that_lead_nowhere(url, kind):
    assert sent(url).trouble.kind == kind


@pytest.fixture(scope="module")
def self_signed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificate")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", folder / "key.pem", "-out", folder / "certificate.pem"),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    return context, folder / "certificate.pem"


OK = saying(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK")


def test_a_certificate_that_nobody_vouches_for(self_signed):
    with talking(OK, tls=self_signed[0]) as url:
        assert sent(url).trouble.kind == "certificate"


def test_a_certificate_of_the_owners_own(self_signed, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(self_signed[1]))
    with talking(OK, tls=self_signed[0]) as url:
        assert sent(url) == Answer(200, b"OK")


def test_https_where_there_is_only_http(monitor):
    assert sent(monitor.url.replace("http:", "https:")).trouble.kind == "tls"


class Elsewhere(Monitor):
    """A server that redirects every request."""

    def __init__(self, location, status=302):
        super().__init__()
        self.reply = lambda ping: Reply(status, b"", {"Location": location} if location else {})


@contextlib.contextmanager
def redirecting(location, status=302):
    with Elsewhere(location, status).running() as elsewhere:
        yield elsewhere.url


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_on_the_same_host_is_followed_as_it_is(monitor, status):
    with redirecting(monitor.url + "/fail", status) as url:
        assert sent(url, "POST", b"Out of memory").body == b"OK"
    assert [(p.method, p.body) for p in monitor.received] == [("POST", "Out of memory")]


def test_a_redirect_to_another_host_is_told_nothing(monitor):
    with redirecting(monitor.url.replace("127.0.0.1", "localhost")) as url:
        assert sent(url).trouble.kind == "redirected"
    assert monitor.received == []


def test_a_redirect_from_https_to_http_is_told_nothing(monitor, self_signed, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(self_signed[1]))
    reply = f"HTTP/1.1 301 Moved\r\nLocation: {monitor.url}\r\n\r\n".encode()
    with talking(saying(reply), tls=self_signed[0]) as url:
        assert sent(url).trouble.kind == "redirected"
    assert monitor.received == []


@pytest.mark.parametrize(
    "location", ["", "ftp://127.0.0.1/", "https://", "//example.org/", "http://["]
)
def test_redirects_that_lead_nowhere(location):
    with redirecting(location) as url:
        assert sent(url).trouble.kind in ("redirected", "failed")


def test_a_loop_of_redirects_ends():
    with redirecting("/again") as url:
        assert sent(url).trouble.kind == "redirects"


def test_urllib3_logs_no_address(monitor, caplog):
    caplog.set_level(logging.DEBUG)
    nonsense = b"HTTP/1.1 200 OK\r\nno header\r\nContent-Length: 2\r\n\r\nOK"
    with talking(saying(nonsense)) as url:
        threads = [
            threading.Thread(target=sent, args=(address,), name=module.THREAD_NAME)
            for address in (url, monitor.url, "http://127.0.0.1:1/ping", f"{monitor.url}/x")
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert UUID not in caplog.text
        sent(url)  # it still logs other requests
        assert UUID in caplog.text


def test_500_bad_answers_leave_nothing_behind():
    """The answers take turns through all kinds."""
    chance = random.Random(12)

    def talk(connection, ended):
        status = chance.choice([b"500", b"502", b"404", b"302", b"200", b"999", b"x", b""])
        answer = b"HTTP/1.1 " + status + b" \r\n" + chance.randbytes(chance.randrange(60))
        connection.sendall(answer[: chance.randrange(len(answer) + 1)] + b"\r\n\r\n")

    before = set(threading.enumerate())
    with talking(talk) as url:
        answers = [sent(url) for _ in range(500)]
    assert all(answer.status or answer.trouble for answer in answers)
    assert len({answer.trouble.kind for answer in answers if answer.trouble}) > 1
    assert set(threading.enumerate()) <= before


DRIPPING = {
    "status": (b"", b"H"),
    "header": (b"HTTP/1.1 200 OK\r\nX: ", b"x"),
    "continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "chunk": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0"),
}
ENDLESS = 6000
"""Drops, each a hundredth of a second after the last: a minute of them."""


@pytest.mark.parametrize("kind", DRIPPING)
@pytest.mark.parametrize("is_tls", [False, True])
def test_every_dripping_answer_times_out(kind, is_tls, self_signed, impatient, monkeypatch):
    """Each byte arrives before the socket times out."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(self_signed[1]))
    head, drop = DRIPPING[kind]
    drops = []

    def talk(connection, ended):
        connection.sendall(head)
        while len(drops) < ENDLESS and not ended.wait(0.01):
            drops.append(1)
            connection.sendall(drop)

    with talking(talk, tls=self_signed[0] if is_tls else None) as url:
        assert sent(url).trouble.kind == "no answer"
        assert 0 < len(drops) < ENDLESS


def test_a_dripping_proxy_times_out(impatient, monkeypatch):
    with talking(saying(*[b"H"] * ENDLESS, pause=0.01)) as url:
        monkeypatch.setenv("https_proxy", url.partition("/ping")[0])
        assert sent("https://monitor.invalid/").trouble.kind == "no answer"
