"""OctoPrint's health check warns of repeated failures and of failures to come."""

import contextlib
import json
import shutil
import sqlite3
import time
from importlib.metadata import version
from pathlib import Path
from unittest.mock import ANY

import psutil
import pytest
from accounts import PASSWORD
from board import Board
from helpers import WITH_HEALTH_CHECK, metrics, recorded, scripted_board, wait_for

from octoprint_uptime.history.copy import whole_copy
from octoprint_uptime.why.host import HostState

DAY = 86400
HOUR = 3600
GB = 10**9
CHECK = "octoprint_uptime_power"
has_health_check = pytest.mark.skipif(
    version("OctoPrint").startswith("1.10."), reason="OctoPrint 1.10 has no health check"
)


def power_losses(server, days_ago, undervoltage=0):
    """Record power losses that many days ago, the last just before this start."""
    board = Board(
        server.basedir / "data" / "octoprint_uptime" / "history.db",
        true=time.time() - (days_ago[0] + 1) * DAY,
    )
    for number, days in enumerate(days_ago):
        board.boot().start()
        if number < undervoltage:
            board.write("undervoltage", board.now.since_boot)
        board.off(time.time() - days * DAY - board.true).beat()
        board.kill()


@pytest.fixture
def checked(new_server):
    """The result of the check after such power losses."""

    def check(*days_ago, undervoltage=0):
        # The real host may have been up since before those losses, so it must have just booted.
        server = new_server(environment=scripted_board("now", age=30), plugins=WITH_HEALTH_CHECK)
        folder = server.basedir / "data" / "octoprint_uptime"
        folder.mkdir(parents=True)
        if days_ago:
            power_losses(server, days_ago, undervoltage)
        admin = recorded(server)
        result = admin.get("/api/plugin/health_check").json()["health"][CHECK]
        assert "Exception while running health check" not in server.log()
        server.stop()
        return result["result"], result["context"]

    return check


@has_health_check
@pytest.mark.parametrize(
    ("days_ago", "result"),
    [
        ((6,), "ok"),
        ((9, 8, 6), "ok"),
        ((6, 1), "warning"),
        ((6, 5, 4, 0.5), "warning"),
        ((6, 5, 4, 3, 2), "issue"),
    ],
)
def test_it_counts_the_power_losses_of_seven_days(checked, days_ago, result):
    told, context = checked(*days_ago, undervoltage=1)
    assert told == result
    if result != "ok":
        assert context == {"days": 7, "losses": len(days_ago), "after_undervoltage": 1}


@has_health_check
def test_a_crash_of_octoprint_is_no_power_loss(new_server):
    server = new_server(plugins=WITH_HEALTH_CHECK)
    admin = recorded(server)
    for _ in range(2):
        server.stop(9)
        admin = recorded(server)
    assert admin.get("/api/plugin/health_check").json()["health"][CHECK]["result"] == "ok"


@has_health_check
def test_an_unavailable_history_raises_no_warning(new_server):
    server = new_server(plugins=WITH_HEALTH_CHECK)
    (server.basedir / "data" / "octoprint_uptime" / "history.db").mkdir(parents=True)
    with server.running():
        admin = server.login("admin", PASSWORD)
        health = wait_for(lambda: admin.get("/api/plugin/health_check").json()["health"])
        assert health[CHECK]["result"] == "ok"


KEYS = {
    f"octoprint_uptime_{name}"
    for name in (
        *("power", "disk", "memory", "undervoltage", "heat", "filesystem", "connection", "clock"),
    )
}
WELL = {"clock_set": True, "network": True}
UNSET = {"clock_set": False, "network": True}
PLUGIN = Path(__file__).parent / "plugins" / "host_seems.py"


def board_of(server, days):
    """A board that has been up for that many days as the server starts."""
    folder = server.basedir / "data" / "octoprint_uptime"
    folder.mkdir(parents=True)
    return Board(folder / "history.db", true=time.time() - days * DAY).start()


@pytest.fixture
def health(new_server):
    """The results of the checks after a board's history, on a host in such a state."""

    def check(days, live, vitals=(), host=WELL, disabled=(), **settings):
        disabled = [*WITH_HEALTH_CHECK["health_check"]["disabled"], *disabled]
        server = new_server(
            environment={
                **scripted_board("boot-0", age=days * DAY + 5),
                "HOST_SEEMS": json.dumps({"vitals": dict(vitals), "host": host}),
            },
            plugins={**WITH_HEALTH_CHECK, "health_check": {"disabled": disabled, **settings}},
        )
        (server.basedir / "plugins").mkdir()
        shutil.copy(PLUGIN, server.basedir / "plugins")
        live(board_of(server, days))
        admin = recorded(server)
        return server, admin, checks_of(server, admin)

    return check


def checks_of(server, admin):
    told = admin.get("/api/plugin/health_check").json()["health"]
    assert "Exception while running health check" not in server.log()
    return {key: (check["result"], check["context"]) for key, check in told.items() if key in KEYS}


def troubles(told):
    return {key: check for key, check in told.items() if check[0] != "ok"}


def free_bytes(server_or_folder):
    return psutil.disk_usage(str(server_or_folder)).free


def two_digits(number):
    return pytest.approx(number, rel=0.06)


def live_well(board):
    board.host = HostState(**WELL, heat_limit_celsius=80.0)
    board.hours(
        95,
        disk_free_bytes=8 * GB,
        process_memory_bytes=150e6,
        memory_available_bytes=900e6,
        cpu_celsius=60.0,
        filesystem_errors=3,
    )
    board.goodbye()


@has_health_check
def test_all_is_well(health):
    _, _, told = health(4, live_well, {"filesystem_errors": 3, "disk_free_bytes": 8 * GB})
    assert told == dict.fromkeys(KEYS, ("ok", {}))


@has_health_check
def test_all_is_well_on_the_first_day(new_server):
    server = new_server(plugins=WITH_HEALTH_CHECK)
    admin = recorded(server)
    assert {key: result for key, (result, _) in checks_of(server, admin).items()} == dict.fromkeys(
        KEYS, "ok"
    )


@has_health_check
def test_the_real_disk(new_server):
    """The real free space lasts five and a half more days at the scripted rate."""
    server = new_server(
        environment=scripted_board("boot-0", age=4 * DAY), plugins=WITH_HEALTH_CHECK
    )
    free = free_bytes(server.basedir)
    a_day = free / 5.5
    now = time.time()
    board_of(server, 4).hours(95, disk_free_bytes=lambda at: free + a_day * (now - at) / DAY).kill()
    result, context = checks_of(server, recorded(server))["octoprint_uptime_disk"]
    assert result == "warning"
    assert context == {
        "free_bytes": two_digits(free),
        "bytes_a_day": two_digits(a_day),
        "hours_left": 5 * 24,
    }


def fill(board):
    now = board.true + 3 * DAY
    board.hours(71, disk_free_bytes=lambda at: GB + 5 * GB * (now - at) / DAY).kill()


@has_health_check
@pytest.mark.parametrize(
    ("left", "told"),
    [
        (40 * GB, ("ok", {})),
        (22 * GB, ("warning", {"free_bytes": 22 * GB, "bytes_a_day": 5 * GB, "hours_left": 96})),
        (4 * GB, ("issue", {"free_bytes": 4 * GB, "bytes_a_day": 5 * GB, "hours_left": 19})),
        (GB, ("issue", {"free_bytes": GB, "bytes_a_day": 5 * GB, "hours_left": 4})),
    ],
)
def test_a_disk_that_fills(health, left, told):
    _, _, checks = health(3, fill, {"disk_free_bytes": left})
    assert checks["octoprint_uptime_disk"] == told


@has_health_check
def test_a_disk_that_is_almost_full_and_read_only(health):
    vitals = {"disk_free_bytes": 199_999_999, "disk_read_only": 1}
    _, _, told = health(1, lambda board: board.kill(), vitals)
    assert troubles(told) == {
        "octoprint_uptime_disk": ("issue", {"free_bytes": 200_000_000}),
        "octoprint_uptime_filesystem": ("issue", {"errors": 0, "read_only": True, "days": 7}),
    }


@has_health_check
def test_memory_that_octoprint_uses_up(health):
    available = psutil.virtual_memory().available

    def leak(board):
        board.goodbye()
        rows = [
            (
                2,  # the run of this server
                1,
                board.now.since_boot + number * HOUR,
                json.dumps({"process_memory_bytes": 100e6 + available / 2 * number / 24}),
            )
            for number in range(40)
        ]
        with contextlib.closing(sqlite3.connect(board.path)) as database, database:
            database.executemany(
                "INSERT INTO hours (run, boot, at, vitals) VALUES (?, ?, ?, ?)", rows
            )

    _, _, told = health(39.5 / 24, leak)
    result, context = told["octoprint_uptime_memory"]
    assert result == "warning"
    assert context["bytes_a_day"] == two_digits(available / 2)
    days = context["available_bytes"] / context["bytes_a_day"]
    # All three figures are rounded.
    assert context["hours_left"] == pytest.approx(days * 24, rel=0.25)
    assert context["process_bytes"] > 10e6


@has_health_check
def test_everything_at_once_then_switched_off(health):
    def live_badly(board):
        board.host = HostState(**UNSET, heat_limit_celsius=80.0)
        board.hours(20, filesystem_errors=3, cpu_celsius=50.0)
        board.hours(4, filesystem_errors=3, cpu_celsius=81.5)
        for _ in range(5):
            board.write("connected", board.now.since_boot, "/dev/ttyUSB0").off(60)
            board.write("disconnected", board.now.since_boot, True).off(60)
        board.write("undervoltage", board.now.since_boot, 4)
        board.kill()

    server, admin, told = health(
        25 / 24, live_badly, {"filesystem_errors": 5}, UNSET, check_interval=1 / 60
    )
    bad = {
        "octoprint_uptime_undervoltage": ("warning", {"times": 4}),
        "octoprint_uptime_heat": ("warning", {"minutes": 240, "celsius": 82}),
        "octoprint_uptime_filesystem": ("issue", {"errors": 2, "read_only": False, "days": 7}),
        "octoprint_uptime_connection": (
            "warning",
            {
                "days": 7,
                "losses": 5,
                "reason": "unknown",
                "times": 5,
                "text": "The connection was lost. Nothing recorded shows why.",
                "advice": ANY,
            },
        ),
        "octoprint_uptime_clock": ("warning", {"hours": 24}),
    }
    assert troubles(told) == bad
    assert metrics(admin)["octoprint_uptime_undervoltage_total"] == 4
    # OctoPrint's log has the figures too.
    wait_for(lambda: "octoprint_uptime_clock: {'hours': 24}" in server.log())
    for key in bad:
        disabled = {"plugins": {"health_check": {"disabled": [key]}}}
        admin.post("/api/settings", disabled).raise_for_status()
        assert checks_of(server, admin).keys() == KEYS - {key}


@has_health_check
def test_checks_switched_off_at_the_start_are_missing(health):
    off = {"octoprint_uptime_memory", "octoprint_uptime_clock"}
    _, _, told = health(1, lambda board: board.kill(), disabled=off)
    assert told.keys() == KEYS - off


def hours_in(file):
    with whole_copy(file) as copy, contextlib.closing(sqlite3.connect(copy)) as database:
        return database.execute("SELECT run, at, vitals FROM hours").fetchall()


def test_the_running_server_records_its_hours(new_server):
    server = new_server(
        environment=scripted_board("now", age=HOUR - 60),
        plugins={"octoprint_uptime": {"heartbeat_seconds": 600}},
    )
    admin = recorded(server)
    history = "/plugin/octoprint_uptime/history"
    wait_for(lambda: admin.get(history).json()["system"][0]["seconds"] > HOUR, timeout_seconds=120)
    # Changing a setting triggers the next heartbeat.
    admin.post("/api/settings", {"plugins": {"octoprint_uptime": {"heartbeat_seconds": 300}}})
    file = server.basedir / "data" / "octoprint_uptime" / "history.db"
    ((run, at, vitals),) = wait_for(lambda: hours_in(file))
    assert run == 1
    assert at > HOUR
    names = ("disk_free_bytes", "process_memory_bytes", "memory_available_bytes", "undervoltages")
    assert set(names) <= json.loads(vitals).keys()
    assert json.loads(vitals)["network"] in (0, 1)
