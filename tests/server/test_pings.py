"""A monitor elsewhere gets pings while OctoPrint lives and raises an alarm when it dies.

The alarms are raised by monitors that wait as real ones do, in real time: a module-wide fixture
has everything die at once, so that all wait together.
"""

import contextlib
import itertools
import os
import signal
import threading
import zipfile
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest
from accounts import PASSWORD, add_user, change_group
from helpers import kill, recorded, signed_in, wait_for
from monitors import UUID, Healthchecks, Monitor, UptimeKuma, black_hole, saying, talking
from shared.octoprint_server import OctoPrintServer, Session

API = "/api/plugin/octoprint_uptime"
PLUGINS = Path(__file__).parent / "plugins"
INTERVAL = 30
PERIOD, GRACE = 10, 40
"""healthchecks has a minute each at least; within the latter a heartbeat follows a start."""
ALARM_SECONDS = 180
"""Until then an alarm has to be there, however busy the machine is."""


def pinging(new_server, url, **more):
    """A server, not started yet, that will ping that address."""
    settings = {"ping_url": url, "ping_interval_seconds": INTERVAL, **more}
    return new_server(plugins={"octoprint_uptime": settings})


@pytest.fixture(scope="module")
def monitors():
    with contextlib.ExitStack() as stack:
        yield lambda monitor: stack.enter_context(monitor.running())


class Scene(NamedTuple):
    server: OctoPrintServer
    monitor: Monitor


@pytest.fixture(scope="module")
def dead(new_server, monitors):
    """Four servers: killed, stopped, hung, and one that has only been restarted."""
    scenes = {
        "killed": monitors(Healthchecks(PERIOD, GRACE)),
        "stopped": monitors(UptimeKuma(INTERVAL + 15)),
        "hung": monitors(Healthchecks(PERIOD, GRACE)),
        "restarted": monitors(Healthchecks(PERIOD, GRACE)),
    }
    servers = {name: pinging(new_server, monitor.url) for name, monitor in scenes.items()}
    (servers["hung"].basedir / "plugins").mkdir()
    (servers["hung"].basedir / "plugins" / "deaths.py").symlink_to(PLUGINS / "deaths.py")
    for server in servers.values():
        server.start()
    for monitor in scenes.values():
        wait_for(lambda monitor=monitor: heartbeats(monitor), ALARM_SECONDS)

    session = servers["hung"].login("admin", PASSWORD)
    session.post("/api/plugin/deaths", {"command": "die", "how": "block"}).raise_for_status()
    kill(servers["killed"])
    os.kill(servers["stopped"].pid, signal.SIGSTOP)
    servers["restarted"].stop()
    # The monitor restarts too, and keeps its state.
    scenes["restarted"].stop()
    scenes["restarted"].start()
    servers["restarted"].start()
    yield {name: Scene(servers[name], scenes[name]) for name in scenes}
    os.kill(servers["stopped"].pid, signal.SIGCONT)
    os.kill(servers["hung"].pid, signal.SIGKILL)


def heartbeats(monitor):
    if isinstance(monitor, UptimeKuma):
        return [message for status, message in monitor.beats if status == "up"]
    return [body for kind, body in monitor.bodies if kind == "success"]


def story(monitor):
    """What the monitor recorded, with consecutive heartbeats merged."""
    return [kind for kind, _ in itertools.groupby(monitor.kinds())]


def test_an_alarm_after_a_kill_and_the_reason_with_the_next_start(dead):
    server, monitor = dead["killed"]
    assert wait_for(monitor.alarms, ALARM_SECONDS) == ["silence"]
    server.start()
    wait_for(lambda: "fail" in monitor.kinds())
    assert story(monitor) == ["start", "success", "start", "fail"]
    _, body = monitor.bodies[-1]
    assert "OctoPrint was killed by signal 9 (SIGKILL)." in body
    assert "Downtime: " in body
    assert monitor.alarms() == ["silence"]  # it is down already
    wait_for(lambda: monitor.status == "up", ALARM_SECONDS)
    assert monitor.rate_limited == 0


def test_an_alarm_when_the_whole_process_hangs_and_none_once_it_goes_on(dead):
    server, monitor = dead["stopped"]
    told = wait_for(monitor.notifications, ALARM_SECONDS)
    assert told == [("down", "No heartbeat in the time window")]
    os.kill(server.pid, signal.SIGCONT)
    wait_for(lambda: monitor.notifications()[1:] == [("up", "OK")], ALARM_SECONDS)


def test_an_alarm_when_the_servers_loop_hangs(dead):
    server, monitor = dead["hung"]
    assert wait_for(monitor.alarms, ALARM_SECONDS) == ["silence"]
    assert story(monitor) == ["start", "success"]
    # The rest of the process is alive.
    assert psutil.Process(server.pid).status() in (psutil.STATUS_RUNNING, psutil.STATUS_SLEEPING)


def test_no_alarm_at_an_ordinary_restart_but_one_after_it(dead):
    """The monitor restarted meanwhile too."""
    server, monitor = dead["restarted"]
    for name in ("killed", "hung"):
        wait_for(dead[name].monitor.alarms, ALARM_SECONDS)  # this long
    assert monitor.alarms() == []
    assert story(monitor) == ["start", "success", "log", "start", "success"]
    assert ("log", "OctoPrint shut down cleanly.") in monitor.bodies
    assert monitor.rate_limited == 0
    kill(server)
    assert wait_for(monitor.alarms, ALARM_SECONDS) == ["silence"]


PRINT = "G4 P100\n" * 3000


def test_a_print_is_told_while_it_goes_on_and_when_it_was_interrupted(new_server, monitors):
    check, push = monitors(Healthchecks()), monitors(UptimeKuma())
    server = pinging(new_server, check.url)
    admin = recorded(server)
    admin.post("/api/connection", {"command": "connect", "port": "VIRTUAL"}).raise_for_status()
    upload = {"file": ("hinge ä.gcode", PRINT)}
    state = lambda: admin.get("/api/printer").json().get("state", {}).get("flags", {})  # noqa: E731
    wait_for(lambda: state().get("ready"))
    headers = {"X-CSRF-Token": admin.requests.cookies[f"csrf_token_P{server.port}"]}
    response = admin.requests.post(
        f"{server.url}/api/files/local", files=upload, data={"print": "true"}, headers=headers
    )
    response.raise_for_status()
    name = response.json()["files"]["local"]["path"]
    wait_for(lambda: state().get("printing"))

    save(admin, ping_interval_seconds=INTERVAL + 1)
    wait_for(lambda: check.bodies[-1][1].startswith(f"Printing {name}, "))
    assert check.bodies[-1][1].endswith("%")
    admin.post("/api/job", {"command": "pause", "action": "pause"}).raise_for_status()
    wait_for(lambda: state().get("paused"))
    save(admin, ping_url=push.url)
    wait_for(lambda: push.beats)
    assert push.beats[-1][1].startswith(f"Print paused: {name}, ")

    # Not before a heartbeat has recorded it.
    save(admin, heartbeat_seconds=10)
    kill(server)
    server.start()
    wait_for(lambda: push.beats[1:])
    status, message = push.beats[1]
    assert status == "down"
    assert f"The print of {name} was interrupted." in message
    assert push.notifications() == [("down", message)]


def save(session, **settings):
    session.post("/api/settings", {"plugins": {"octoprint_uptime": settings}}).raise_for_status()


@pytest.fixture(scope="module")
def server(new_server):
    """A server without a monitor; it has accounts for each group and for reading settings."""
    server = new_server(devel={"enableRateLimiter": False})
    server.start()
    admin = server.login("admin", PASSWORD)
    for group in ("users", "readonly"):
        add_user(admin, group, groups=[group])
    for group in ("users", "guests"):
        change_group(admin, group, add={"SETTINGS_READ", "PLUGIN_OCTOPRINT_UPTIME_VIEW"})
    signed_in(server)
    return server


@pytest.fixture(autouse=True)
def switched_off(request):
    yield
    if "admin" in request.fixturenames:
        admin = request.getfixturevalue("admin")
        save(admin, ping_url="", ping_style="auto", ping_interval_seconds=60)


def pings(session):
    return session.get(API).json()["pings"]


def test_without_a_monitor_the_api_tells_nothing_of_pings(admin):
    assert pings(admin) is None


def test_pings_begin_and_end_with_the_setting(admin, monitors):
    monitor = monitors(Healthchecks())
    save(admin, ping_url=monitor.url)
    wait_for(lambda: monitor.bodies == [("success", "")])
    wait_for(lambda: pings(admin)["last_success_seconds_ago"] is not None)
    assert pings(admin)["error"] is None
    save(admin, ping_url="")
    assert pings(admin) is None


def test_viewers_are_told_when_a_monitor_refuses(server, admin, monitors):
    monitor = monitors(Healthchecks())
    save(admin, ping_url=monitor.url + "0", ping_style="healthchecks")
    wait_for(lambda: pings(admin)["error"])
    told = pings(server.login("readonly", PASSWORD))
    assert told["error"] == "The monitor does not recognize the address."
    assert told["failing_seconds"] >= 0
    save(admin, ping_url=monitor.url)
    wait_for(lambda: pings(admin)["error"] is None)
    complaint = "Could not ping the monitor: The monitor does not recognize the address."
    wait_for(lambda: server.log().count(complaint))
    assert server.log().count(complaint) == 1


def test_a_monitor_that_never_answers_does_not_delay_the_end(new_server):
    """OctoPrint stops although the monitor has not answered yet."""
    let_go = threading.Event()
    hold = lambda connection, ended: let_go.wait()  # noqa: E731
    with talking(hold) as url:
        server = pinging(new_server, url)
        recorded(server)
        os.kill(server.pid, signal.SIGTERM)
        assert server.wait() == 0
        let_go.set()
    session = recorded(server)
    (_, earlier) = session.get("/plugin/octoprint_uptime/history").json()["octoprint"]
    assert earlier["end"] == "restart"


def try_out(session, url, style="auto"):
    command = {"command": "test_ping", "ping_url": url, "ping_style": style}
    return session.post(API, command)


def test_a_test_ping_shows_what_the_monitor_answered(admin, monitors):
    check, push = monitors(Healthchecks()), monitors(UptimeKuma())
    assert try_out(admin, check.url).json() == {
        "taken": True,
        "style": "healthchecks",
        "status": 200,
        "answer": "OK",
        "error": None,
        "seconds": pytest.approx(5, abs=5),
    }
    assert check.bodies == [("success", "Test ping from OctoPrint.")]
    assert try_out(admin, push.url).json()["answer"] == '{"ok":true}'
    assert push.beats == [("up", "Test ping from OctoPrint.")]
    push.active = False
    answer = try_out(admin, push.url).json()
    assert (answer["taken"], answer["status"]) == (False, 404)
    assert answer["error"] == "The monitor does not recognize the address, or it is paused."
    assert "Monitor not found or not active." in answer["answer"]
    assert pings(admin) is None  # nothing was saved


def test_an_unknown_kind_of_monitor_gets_no_test_ping(admin, monitors):
    monitor = monitors(Healthchecks())
    refused = try_out(admin, monitor.url, "uptime-kuma")
    assert refused.status_code == 400
    assert refused.json()["error"] == "This type of monitor is unknown."
    assert monitor.bodies == []


def test_who_may_send_test_pings(server, monitors):
    monitor = monitors(Healthchecks())
    anonymous = Session(server)
    anonymous.get("/")  # for the CSRF cookie
    for session in (anonymous, *(server.login(name, PASSWORD) for name in ("users", "readonly"))):
        assert try_out(session, monitor.url).status_code == 403
    assert monitor.received == []


@pytest.mark.parametrize("url", ["", "ftp://example.org/", "hc-ping.com/x", "http://", 5, None])
def test_a_test_ping_of_an_invalid_address(server, admin, url):
    response = try_out(admin, url)
    assert response.status_code == 400
    assert "http://" in response.json()["error"]


def test_too_many_tests(admin, monitors):
    monitor = monitors(Healthchecks())
    statuses = [try_out(admin, monitor.url).status_code for _ in range(5)]
    assert statuses == [200, 200, 200, 429, 429]
    assert len(monitor.received) == 3


BAD = [
    saying(b"HTTP/1.1 500 Sorry\r\n\r\n"),
    saying(b"HTTP/1.1 404 Not found\r\n\r\nnot found"),
    saying(b"HTTP/1.1 302 Found\r\nLocation: http://example.org/\r\n\r\n"),
    saying(b"HTTP/1.1 302 Found\r\nLocation: /again\r\n\r\n"),
    saying(b"HTTP/1.1 200 OK\r\n\r\n", b"<html>" * 10_000),
    saying(b"HTTP/1.1 200 OK\r\nno header\r\nContent-Length: 1\r\n\r\n"),
    saying(os.urandom(1000)),
    saying(),
]


def test_500_bad_answers_change_nothing_in_octoprint(server, admin):
    process = psutil.Process(server.pid)
    lines = len(server.log().splitlines())
    fds, threads = process.num_fds(), process.num_threads()
    kinds = set()
    with contextlib.ExitStack() as stack:
        urls = [stack.enter_context(talking(talk)) for talk in BAD]
        for number in range(500):
            answer = try_out(admin, f"{urls[number % len(urls)]}/{number}", "healthchecks").json()
            assert not answer["taken"]
            kinds.add(answer["error"])
    assert len(kinds) >= 4
    assert admin.get(API).json()["uptime_available"] is True
    # OctoPrint's thread pool for requests may have grown, but not by hundreds.
    wait_for(lambda: process.num_threads() < threads + 50)
    wait_for(lambda: process.num_fds() < fds + 50)
    logged = server.log().splitlines()[lines:]
    assert not [line for line in logged if "ERROR" in line or "Traceback" in line]


def test_a_monitor_that_never_answers_changes_nothing_in_octoprint(server, admin):
    with black_hole() as url:
        save(admin, ping_url=url)
        wait_for(lambda: pings(admin)["error"])
        assert pings(admin)["error"] == "The monitor did not respond within 10 seconds."
        assert admin.get(API).json()["uptime_available"] is True


@pytest.mark.parametrize(
    "url", [f"ftp://example.org/{UUID}", f"example.org/{UUID}", f"http:///{UUID}", [UUID]]
)
def test_the_log_reports_a_bad_address_without_naming_it(server, admin, url):
    lines = len(server.log().splitlines())
    save(admin, ping_url=url)
    assert admin.get("/api/settings").json()["plugins"]["octoprint_uptime"]["ping_url"] == ""
    complaint = "Setting ping_url must be empty or an address with http:// or https:// and a host"
    wait_for(lambda: complaint in "".join(server.log().splitlines()[lines:]))
    assert UUID not in server.log()


LOGGING = """
root:
    level: DEBUG
loggers:
    urllib3:
        level: DEBUG
"""


@pytest.fixture(scope="module")
def talkative(new_server, monitors):
    """A server that logs everything, with one monitor that refuses and one that accepts."""
    monitor = monitors(Healthchecks())
    server = pinging(new_server, monitor.url)
    (server.basedir / "logging.yaml").write_text(LOGGING)
    server.start()
    admin = signed_in(server)
    for name, groups in (("users", ["users"]), ("readonly", ["readonly"])):
        add_user(admin, name, groups=groups)
    for group in ("users", "guests"):  # who may still read the settings
        change_group(admin, group, add={"SETTINGS_READ", "PLUGIN_OCTOPRINT_UPTIME_VIEW", "STATUS"})
    wait_for(lambda: monitor.bodies)
    save(admin, ping_url=monitor.url + "0")
    wait_for(lambda: pings(admin)["error"])
    try_out(admin, monitor.url).raise_for_status()
    try_out(admin, f"http://127.0.0.1:1/{UUID}").raise_for_status()
    return server


def test_only_those_who_may_change_settings_get_the_address(talkative):
    admin = talkative.login("admin", PASSWORD)
    served = admin.get("/api/settings").json()["plugins"]["octoprint_uptime"]
    assert UUID in served["ping_url"]
    others = [talkative.login(name, PASSWORD) for name in ("users", "readonly")]
    for session in (*others, Session(talkative)):
        response = session.get("/api/settings")
        response.raise_for_status()
        served = response.json()["plugins"]["octoprint_uptime"]
        assert served["ping_url"] == ""
        assert served["ping_style"] == "auto"
        assert UUID not in response.text
        for path in (API, "/plugin/octoprint_uptime/history", "/plugin/octoprint_uptime/metrics"):
            assert UUID not in session.get(path).text
        assert UUID not in session.get("/").text


def test_the_address_is_in_no_log_and_no_bundle(talkative):
    admin = talkative.login("admin", PASSWORD)
    assert UUID not in admin.get(API).text
    response = admin.get("/downloads/systeminfo.zip")
    response.raise_for_status()
    bundle = zipfile.ZipFile(BytesIO(response.content))
    assert "systeminfo.txt" in bundle.namelist()
    for name in bundle.namelist():
        assert UUID.encode() not in bundle.read(name)
    for log in (talkative.basedir / "logs").iterdir():
        assert UUID.encode() not in log.read_bytes()
    assert "DEBUG" in talkative.log()
    assert UUID not in talkative.log()


def test_the_address_is_in_no_event(new_server, monitors):
    monitor = monitors(Healthchecks())
    server = pinging(new_server, monitor.url)
    (server.basedir / "plugins").mkdir()
    (server.basedir / "plugins" / "event_bus.py").symlink_to(PLUGINS / "event_bus.py")
    recorded(server)
    kill(server)
    admin = recorded(server)
    wait_for(lambda: len(admin.get("/api/plugin/event_bus").json()["events"]) == 2)
    assert UUID not in admin.get("/api/plugin/event_bus").text
    assert UUID not in (server.basedir / "data/octoprint_uptime/history.db").read_bytes().decode(
        "latin-1"
    )


def test_reasons_are_in_octoprints_default_language(new_server, monitors):
    monitor = monitors(Healthchecks())
    server = pinging(new_server, monitor.url)
    server.configure(
        appearance={"defaultLanguage": "de"},
        plugins={"octoprint_uptime": {"ping_url": monitor.url}},
    )
    recorded(server)
    kill(server)
    server.start()
    wait_for(lambda: "fail" in monitor.kinds())
    assert "OctoPrint wurde durch das Signal 9 (SIGKILL) beendet." in monitor.bodies[-1][1]
