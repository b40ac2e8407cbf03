"""The metrics, scraped as Prometheus does, match the API and the history."""

import time

import pytest
from accounts import PASSWORD, add_user, api_key
from helpers import kill, metrics, recorded, wait_for
from shared import sample_history
from shared.octoprint_server import Session

from octoprint_uptime.history.ends import ENDS

URL = "/plugin/octoprint_uptime/metrics"
API = "/api/plugin/octoprint_uptime"
HISTORY = "/plugin/octoprint_uptime/history"

# Another author's plugin, with metrics in prometheus_client's default registry.
THEIR_PLUGIN = """
import octoprint.plugin
import prometheus_client

prometheus_client.Counter("theirs", "What they count.").inc()

__plugin_name__ = "Theirs"
__plugin_pythoncompat__ = ">=3.9,<4"
__plugin_implementation__ = octoprint.plugin.OctoPrintPlugin()
"""


def totals(told):
    """The counters alone."""
    return {name: value for name, value in told.items() if "_total" in name}


def ends_total(subject, end):
    return f'octoprint_uptime_ends_total{{end="{end}",subject="{subject}"}}'


@pytest.fixture(scope="module")
def keys(admin):
    add_user(admin, "nobody", groups=[], permissions=["STATUS"])
    add_user(admin, "prometheus", groups=[], permissions=["PLUGIN_OCTOPRINT_UPTIME_VIEW"])
    return {name: api_key(admin, name) for name in ("readonly", "prometheus", "nobody")}


class TestPermission:
    @pytest.mark.parametrize("who", ["readonly", "prometheus"])
    def test_with_a_key_in_either_header(self, server, keys, who):
        for headers in ({"X-Api-Key": keys[who]}, {"Authorization": f"Bearer {keys[who]}"}):
            assert Session(server, **headers).get(URL).status_code == 200

    def test_with_the_session_of_the_page(self, admin):
        assert admin.get(URL).status_code == 200

    @pytest.mark.parametrize("who", ["nobody", "guest"])
    def test_the_others_get_the_same_refusal_as_from_the_api(self, server, keys, who):
        session = Session(server, **({"X-Api-Key": keys[who]} if who in keys else {}))
        response = session.get(URL)
        assert response.status_code == 403
        assert response.json() == session.get(API).json()


def test_the_accept_header_chooses_the_format(server, admin):
    for accept, expected in (
        ("application/openmetrics-text;version=1.0.0", "application/openmetrics-text; version=1"),
        ("application/openmetrics-text;version=one", "application/openmetrics-text; version=1"),
        ("text/plain;version=0.0.4;q=0.5,*/*;q=0.1", "text/plain; version=0.0.4"),
    ):
        response = admin.requests.get(server.url + URL, headers={"Accept": accept}, timeout=30)
        assert response.headers["Content-Type"].startswith(expected)


def test_the_uptimes_are_those_of_the_api(admin):
    before = admin.get(API).json()
    told = metrics(admin)
    after = admin.get(API).json()
    for name, field in (("system", "seconds"), ("process", "octoprint_seconds")):
        uptime = told[f"octoprint_uptime_{name}_uptime_seconds"]
        assert int(before[field]) <= uptime <= after[field]
        start = told[f"octoprint_uptime_{name}_start_time_seconds"]
        assert start == pytest.approx(time.time() - admin.get(API).json()[field], abs=0.5)


def test_the_printer(new_server):
    server = new_server()
    admin = recorded(server)
    assert metrics(admin)["octoprint_uptime_printer_connected"] == 0
    admin.post("/api/connection", {"command": "connect", "port": "VIRTUAL"}).raise_for_status()
    wait_for(lambda: metrics(admin)["octoprint_uptime_printer_connected"] == 1)
    (connection,) = wait_for(lambda: admin.get(HISTORY).json()["printer"])
    connected_at = metrics(admin)["octoprint_uptime_printer_connected_time_seconds"]
    assert connected_at == pytest.approx(connection["started_at"], abs=0.5)


def test_the_counters_match_the_history_and_outlive_it(new_server):
    server = new_server(plugins={"octoprint_uptime": {"history_days": 7}})
    file = server.basedir / "data" / "octoprint_uptime" / "history.db"
    sample_history.write(file, until=time.time() - 3600, days=6.5, ends=("crash", "power_loss"))
    admin = recorded(server)
    before = metrics(admin)
    history = admin.get(f"{HISTORY}?days=7").json()
    for subject, ways in ENDS.items():
        for end in ways:
            count = sum(entry["end"] == end for entry in history[subject])
            assert before[ends_total(subject, end)] == count
    interrupted = sum(run["interrupted_print"] is not None for run in history["octoprint"])
    assert before["octoprint_uptime_interrupted_prints_total"] == interrupted
    undervoltage = sum(run["undervoltage"] for run in history["octoprint"])
    assert before["octoprint_uptime_undervoltage_runs_total"] == undervoltage > 0

    kill(server)
    admin = recorded(server)
    crash = ends_total("octoprint", "crash")
    killed = (
        'octoprint_uptime_ends_by_reason_total{end="crash",reason="killed",subject="octoprint"}'
    )
    assert totals(metrics(admin)) == {
        **totals(before),
        crash: before[crash] + 1,
        killed: before[killed] + 1,
    }

    admin.post(API, {"command": "clear_history"}).raise_for_status()
    assert set(totals(metrics(admin)).values()) == {0}


def test_without_a_history_only_the_counters_are_missing(new_server):
    server = new_server()
    (server.basedir / "data" / "octoprint_uptime" / "history.db").mkdir(parents=True)
    with server.running():
        told = metrics(server.login("admin", PASSWORD))
    assert told["octoprint_uptime_system_uptime_seconds"] > 0
    assert totals(told) == {}


def test_the_metrics_of_another_plugin_stay_out(new_server):
    server = new_server()
    (server.basedir / "plugins").mkdir()
    (server.basedir / "plugins" / "theirs.py").write_text(THEIR_PLUGIN)
    with server.running():
        told = metrics(server.login("admin", PASSWORD))
        assert "Theirs" in server.log()
    assert all(name.startswith("octoprint_uptime_") for name in told)
