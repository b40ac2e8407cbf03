"""What OctoPrint's own health check says of a host that keeps going down."""

import time
from importlib.metadata import version

import pytest
from accounts import PASSWORD
from board import Board
from helpers import WITH_HEALTH_CHECK, recorded, scripted_board, wait_for

DAY = 86400
CHECK = "octoprint_uptime_power"
has_health_check = pytest.mark.skipif(
    version("OctoPrint").startswith("1.10."), reason="OctoPrint 1.10 has no health check"
)


def power_losses(server, days_ago, undervoltage=0):
    """Have the host go down by itself so many days ago, the last of them at this start."""
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
    """What the check says after such power losses."""

    def check(*days_ago, undervoltage=0):
        # The host has just booted; the real one may have been up since before those losses.
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
def test_it_counts_those_of_seven_days(checked, days_ago, result):
    told, context = checked(*days_ago, undervoltage=1)
    assert told == result
    if result != "ok":
        assert context == {"days": 7, "losses": len(days_ago), "after_undervoltage": 1}


@has_health_check
def test_a_crash_of_octoprint_is_not_the_hosts(new_server):
    server = new_server(plugins=WITH_HEALTH_CHECK)
    admin = recorded(server)
    for _ in range(2):
        server.stop(9)
        admin = recorded(server)
    assert admin.get("/api/plugin/health_check").json()["health"][CHECK]["result"] == "ok"


@has_health_check
def test_a_history_that_cannot_be_had_is_no_reason_to_worry(new_server):
    server = new_server(plugins=WITH_HEALTH_CHECK)
    (server.basedir / "data" / "octoprint_uptime" / "history.db").mkdir(parents=True)
    with server.running():
        admin = server.login("admin", PASSWORD)
        health = wait_for(lambda: admin.get("/api/plugin/health_check").json()["health"])
        assert health[CHECK]["result"] == "ok"
