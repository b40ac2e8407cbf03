"""``docs/farm`` at work: three real OctoPrints, a real Prometheus, and its own tools.

Where the documents say minutes, the Prometheus here is told seconds.
"""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from accounts import PASSWORD, add_user
from examples import ROOT, blocks
from helpers import metrics, recorded, wait_for
from prometheus import Prometheus

FARM = ROOT / "docs" / "farm"
HERE = Path(__file__).parent
METRICS = "/plugin/octoprint_uptime/metrics"
SHARED_KEY = "f" * 64
HOSTS = ("ender-left", "ender-right", "prusa")


def hurried(text: str) -> str:
    """The same with seconds for minutes."""
    return re.sub(r"\b(\d+)m\b", r"\1s", text)


def assemble(folder: Path) -> Path:
    """The files of ``docs/farm`` as an owner has them, with keys."""
    shutil.copytree(FARM, folder)
    (folder / "keys").mkdir()
    for name in ("octoprint", "octoprint-garage", "store"):
        (folder / "keys" / name).write_text(SHARED_KEY)
    return folder


def share_the_key(server) -> None:
    """What the page has owners do from a script."""
    commands = blocks("docs/farm/README.md", "sh")[0]
    commands = re.sub(
        "^octoprint ",
        f"{sys.executable} -m octoprint --basedir {server.basedir} ",
        commands,
        flags=re.MULTILINE,
    )
    subprocess.run(
        ["bash", "-euc", commands.replace("~/.octoprint", str(server.basedir))],
        env={"PATH": "/usr/bin:/bin", "KEY": SHARED_KEY},
        check=True,
        capture_output=True,
    )


def key_made_by_hand(server) -> str:
    """The key that the account ``prometheus`` generates for itself."""
    add_user(server.login("admin", PASSWORD), "prometheus", groups=["readonly"])
    session = server.login("prometheus", PASSWORD)
    answer = session.post(
        "/api/plugin/appkeys", {"command": "generate", "app": "Prometheus"}
    ).json()
    return answer["api_key"]


@pytest.fixture(scope="module")
def servers(new_server):
    """The OctoPrints by name; the first two share a key."""
    servers = {name: new_server() for name in HOSTS}
    for name in HOSTS[:2]:
        share_the_key(servers[name])
    for server in servers.values():
        recorded(server)
    return servers


def targets(servers, names, site) -> str:
    return yaml.safe_dump(
        [
            {
                "targets": [f"127.0.0.1:{servers[name].port}"],
                "labels": {"instance": name, "site": site},
            }
            for name in names
        ]
    )


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """What takes what others write to it: another Prometheus."""
    folder = tmp_path_factory.mktemp("store")
    (folder / "prometheus.yml").write_text("{}")
    with Prometheus(folder, "--web.enable-remote-write-receiver").running() as store:
        yield store


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory, servers, store):
    """The documented configuration, with seconds for minutes, over the three OctoPrints."""
    folder = assemble(tmp_path_factory.mktemp("prometheus") / "farm")
    (folder / "keys" / "octoprint-garage").write_text(key_made_by_hand(servers["prusa"]))
    (folder / "targets" / "octoprint.yml").write_text(targets(servers, HOSTS[:2], "workshop"))
    (folder / "targets" / "octoprint-garage.yml").write_text(targets(servers, HOSTS[2:], "garage"))
    for name in ("prometheus.yml", "recording.yml", "alerts.yml"):
        (folder / name).write_text(hurried((folder / name).read_text()))
    remote_write = blocks("docs/farm/README.md", "yaml")[0].replace(
        "https://store.example.org/api/v1/push", f"{store.url}/api/v1/write"
    )
    config = (folder / "prometheus.yml").read_text().replace(
        "scrape_timeout: 10s", ""
    ) + remote_write
    (folder / "prometheus.yml").write_text(config)
    with Prometheus(folder).running() as prometheus:
        wait_for(lambda: prometheus.value("sum(up)") == len(HOSTS))
        yield prometheus


def promtool(*arguments, **options) -> str:
    done = subprocess.run(
        ["promtool", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        **options,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


class TestDocuments:
    """By Prometheus's own tools, as they are."""

    @pytest.fixture
    def folder(self, tmp_path):
        return assemble(tmp_path / "farm")

    def test_the_configuration(self, folder):
        told = promtool("check", "config", folder / "prometheus.yml")
        assert "2 rule files found" in told

    @pytest.mark.parametrize("number", range(3))
    def test_what_the_page_adds_to_it(self, folder, number):
        added = blocks("docs/farm/README.md", "yaml")
        assert len(added) == 3
        config = yaml.safe_load((folder / "prometheus.yml").read_text())
        more = yaml.safe_load(added[number])
        (config if "remote_write" in more else config["scrape_configs"][0]).update(more)
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        promtool("check", "config", folder / "prometheus.yml")

    def test_the_rules(self, folder):
        for name in ("alerts.yml", "recording.yml"):
            promtool("check", "rules", folder / name)

    def test_every_alert(self, folder):
        shutil.copy(HERE / "alerts_test.yml", folder)
        promtool("test", "rules", "alerts_test.yml", cwd=folder)
        tested = (HERE / "alerts_test.yml").read_text()
        rules = yaml.safe_load((folder / "alerts.yml").read_text())["groups"][0]["rules"]
        assert len(rules) >= 6
        for rule in rules:
            cases = re.findall(rf"alertname: {rule['alert']}\b", tested)
            assert len(cases) >= 2, f"{rule['alert']} needs a case for and one against"
            assert rule["annotations"]["runbook"]

    def test_the_dashboard_has_room_for_every_panel(self):
        dashboard = json.loads((FARM / "dashboard.json").read_text())
        taken = set()
        for panel in dashboard["panels"]:
            position = panel["gridPos"]
            columns = range(position["x"], position["x"] + position["w"])
            cells = {
                (column, row)
                for column in columns
                for row in range(position["y"], position["y"] + position["h"])
            }
            assert not cells & taken, panel["title"]
            assert max(columns) < 24
            taken |= cells
        assert {panel["type"] for panel in dashboard["panels"]} >= {
            "table",
            "state-timeline",
            "bargauge",
        }


def firing(prometheus, name) -> set[str]:
    """Whom an alert fires for."""
    return {
        alert["labels"]["instance"]
        for alert in prometheus.alerts()
        if alert["labels"]["alertname"] == name and alert["state"] == "firing"
    }


def fired(prometheus, name) -> set[str]:
    """Whom an alert has fired for, however shortly."""
    alerts = f'ALERTS{{alertname="{name}", alertstate="firing"}}'
    told = prometheus.query(f"count by (instance) (count_over_time({alerts}[1h]))")
    return {series["metric"]["instance"] for series in told}


def crashes(prometheus, instance) -> float | None:
    return prometheus.value(
        f'octoprint_uptime_ends_total{{subject="octoprint", end="crash", instance="{instance}"}}'
    )


class TestFarm:
    """In this order: what was killed is asked for afterwards."""

    def test_all_are_asked_with_their_keys(self, prometheus, servers):
        for name, server in servers.items():
            told = metrics(server.login("admin", PASSWORD))
            start = "octoprint_uptime_process_start_time_seconds"
            assert prometheus.value(f'{start}{{instance="{name}"}}') == pytest.approx(
                told[start], abs=0.2
            )

    def test_the_live_answer_is_as_prometheus_wants_it(self, servers):
        answer = servers["prusa"].login("admin", PASSWORD).get(METRICS).text
        assert promtool("check", "metrics", input=answer) == ""

    def test_prometheus_asks_for_openmetrics(self, prometheus):
        meta = prometheus.ask("metadata", metric="octoprint_uptime_system_uptime_seconds")
        ((told,),) = meta.values()
        assert (told["type"], told["unit"]) == ("gauge", "seconds")

    def test_a_kill_and_the_start_after_it(self, prometheus, servers):
        server = servers["ender-left"]
        (server.basedir / "uploads").mkdir(exist_ok=True)
        (server.basedir / "uploads" / "long.gcode").write_text("G28\n" + "G4 P200\n" * 3000)
        admin = server.login("admin", PASSWORD)
        admin.post("/api/connection", {"command": "connect", "port": "VIRTUAL"})
        connected = 'octoprint_uptime_printer_connected{instance="ender-left"}'
        wait_for(lambda: prometheus.value(connected) == 1)
        admin.post("/api/files/local/long.gcode", {"command": "select", "print": True})
        wait_for(lambda: admin.get("/api/job").json()["state"] == "Printing")
        before = crashes(prometheus, "ender-left")
        last = 'instance:octoprint_uptime_ends:last{instance="ender-left", end="crash"}'
        wait_for(lambda: prometheus.value(f"{last} offset 15s") == before)

        server.stop(signal.SIGKILL)
        wait_for(lambda: firing(prometheus, "OctoPrintHostDown") == {"ender-left"})
        assert crashes(prometheus, "ender-left") is None
        assert prometheus.value(last) == before

        recorded(server)
        wait_for(lambda: crashes(prometheus, "ender-left") == before + 1)
        wait_for(lambda: fired(prometheus, "OctoPrintCrashed") == {"ender-left"})
        wait_for(lambda: fired(prometheus, "OctoPrintPrintInterrupted") == {"ender-left"})
        wait_for(lambda: firing(prometheus, "OctoPrintHostDown") == set())
        assert fired(prometheus, "OctoPrintPowerLoss") == set()

    def test_a_printer_that_falls_off_the_bus(self, prometheus, servers):
        admin = servers["prusa"].login("admin", PASSWORD)
        admin.post("/api/connection", {"command": "connect", "port": "VIRTUAL"})
        wait_for(lambda: prometheus.value('octoprint_uptime_printer_connected{instance="prusa"}'))
        admin.post("/api/printer/command", {"command": "!!DEBUG:drop_connection"})
        admin.post("/api/printer/command", {"command": "M105"})
        wait_for(lambda: firing(prometheus, "OctoPrintPrinterLost") == {"prusa"})

    def test_every_query_of_the_dashboard_gives_data(self, prometheus):
        dashboard = json.loads((FARM / "dashboard.json").read_text())
        for panel in dashboard["panels"]:
            for target in panel["targets"]:
                expression = dashboards(target["expr"])
                if target["instant"]:
                    result = prometheus.query(expression)
                else:
                    result = prometheus.query_range(expression, seconds=30, step=1)
                assert result, f"{panel['title']}: {expression}"
        (annotation,) = dashboard["annotations"]["list"]
        assert prometheus.query_range(dashboards(annotation["expr"]), seconds=120, step=1)
        for variable in dashboard["templating"]["list"][1:]:
            series, label = re.fullmatch(
                r"label_values\((.+), (\w+)\)", variable["definition"]
            ).groups()
            assert prometheus.query(f"count by ({label}) ({dashboards(series)})")

    def test_every_query_of_the_page_gives_data(self, prometheus):
        (queries,) = blocks("docs/farm/README.md", "promql")
        for query in queries.strip().splitlines():
            assert prometheus.query(query), query

    def test_the_store_has_it_all(self, store, prometheus):
        wait_for(lambda: store.value("count(octoprint_uptime_system_uptime_seconds)") == len(HOSTS))
        wait_for(lambda: store.value("count(site:octoprint_up:avg)") == 2)
        assert store.value("count(prometheus_build_info)") is None


def dashboards(expression) -> str:
    """What Grafana makes of an expression, with everything chosen."""
    for variable, value in (
        ("$__range", "5m"),
        ("$__interval", "5s"),
        ("$job", "octoprint.*"),
        ("$site", ".*"),
    ):
        expression = expression.replace(variable, value)
    assert "$" not in expression
    return expression
