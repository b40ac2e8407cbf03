"""``docs/farm`` works with three real OctoPrints, Prometheus and Alertmanager.

Where the documents say minutes, the Prometheus here uses seconds.
"""

from __future__ import annotations

import http.server
import json
import re
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import yaml
from accounts import PASSWORD, add_user
from examples import ROOT, blocks
from helpers import metrics, recorded, wait_for
from shared.prometheus import Alertmanager, Prometheus

FARM = ROOT / "docs" / "farm"
HERE = Path(__file__).parent
METRICS = "/plugin/octoprint_uptime/metrics"
SHARED_KEY = "f" * 64
HOSTS = ("ender-left", "ender-right", "prusa")


def hurried(text: str) -> str:
    """The same text with seconds for minutes."""
    return re.sub(r"\b(\d+)m\b", r"\1s", text)


def assemble(folder: Path) -> Path:
    """Copy the files of ``docs/farm`` and add keys, as an owner does."""
    shutil.copytree(FARM, folder)
    (folder / "keys").mkdir()
    for name in ("octoprint", "octoprint-garage", "store"):
        (folder / "keys" / name).write_text(SHARED_KEY)
    return folder


def share_the_key(server) -> None:
    """Do what the page tells owners to do in a script."""
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
    """The OctoPrint servers by name; the first two share a key."""
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
    """A second Prometheus, which receives what the first one writes."""
    folder = tmp_path_factory.mktemp("store")
    (folder / "prometheus.yml").write_text("{}")
    with Prometheus(folder, "--web.enable-remote-write-receiver").running() as store:
        yield store


@pytest.fixture(scope="module")
def webhook():
    """The notifications to the owner: alert and host, whether firing, and which group."""
    posted = []

    class Receiver(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    receiver = http.server.HTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    receiver.posted = posted
    yield receiver
    receiver.shutdown()


@pytest.fixture(scope="module")
def alertmanager(tmp_path_factory, webhook):
    """The documented one, with seconds for minutes, and a webhook on this host."""
    folder = tmp_path_factory.mktemp("alertmanager")
    config = hurried((FARM / "alertmanager.yml").read_text()).replace(
        "https://hooks.example.org/octoprint", f"http://127.0.0.1:{webhook.server_port}"
    )
    (folder / "alertmanager.yml").write_text(config)
    with Alertmanager(folder).running() as alertmanager:
        yield alertmanager


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory, servers, store, alertmanager):
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
    config = (folder / "prometheus.yml").read_text() + remote_write
    for documented, here in (
        ("scrape_timeout: 10s", ""),
        ("127.0.0.1:9093", f"127.0.0.1:{alertmanager.port}"),
    ):
        assert documented in config
        config = config.replace(documented, here)
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
    """The unchanged files pass Prometheus's own tools."""

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

    def test_where_the_alerts_go(self, folder):
        subprocess.run(["amtool", "check-config", folder / "alertmanager.yml"], check=True)
        severities = re.findall(r"severity: (\w+)", (folder / "alerts.yml").read_text())
        assert set(severities) == {"critical", "warning"}
        named = set(re.findall(r"OctoPrint[A-Z]\w+", (folder / "alertmanager.yml").read_text()))
        assert named <= set(re.findall(r"alert: (\w+)", (folder / "alerts.yml").read_text()))

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
    """The hosts for which an alert fires."""
    return {
        alert["labels"]["instance"]
        for alert in prometheus.alerts()
        if alert["labels"]["alertname"] == name and alert["state"] == "firing"
    }


def fired(prometheus, name) -> set[str]:
    """The hosts for which an alert has fired, however briefly."""
    alerts = f'ALERTS{{alertname="{name}", alertstate="firing"}}'
    told = prometheus.query(f"count by (instance) (count_over_time({alerts}[1h]))")
    return {series["metric"]["instance"] for series in told}


def crashes(prometheus, instance) -> float | None:
    return prometheus.value(
        f'octoprint_uptime_ends_total{{subject="octoprint", end="crash", instance="{instance}"}}'
    )


class TestFarm:
    """The tests run in order: later ones ask about what earlier ones killed."""

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
        # A rule that was not evaluated during the connection knows no errors to compare with.
        rule = "instance:octoprint_uptime_printer_errors:last_connected"
        wait_for(lambda: prometheus.query(f'{rule}{{instance="prusa"}}'))
        admin.post("/api/printer/command", {"command": "!!DEBUG:drop_connection"})
        admin.post("/api/printer/command", {"command": "M105"})
        wait_for(lambda: firing(prometheus, "OctoPrintPrinterLost") == {"prusa"})

    @pytest.mark.parametrize(
        ("alert", "instance", "severity", "site"),
        [
            ("OctoPrintHostDown", "ender-left", "critical", "workshop"),
            ("OctoPrintPrintInterrupted", "ender-left", "critical", "workshop"),
            ("OctoPrintCrashed", "ender-left", "warning", "workshop"),
            ("OctoPrintPrinterLost", "prusa", "warning", "garage"),
        ],
    )
    def test_the_owner_is_told_and_told_again_when_it_is_over(
        self, servers, prometheus, webhook, alert, instance, severity, site
    ):
        def told(status):
            return [
                message
                for message in webhook.posted
                for one in message["alerts"]
                if one["status"] == status
                and one["labels"]["alertname"] == alert
                and one["labels"]["instance"] == instance
            ]

        wait_for(lambda: told("firing"))
        message = told("firing")[0]
        assert message["groupLabels"] == {"site": site}
        (one,) = (a for a in message["alerts"] if a["labels"]["alertname"] == alert)
        assert one["labels"]["severity"] == severity
        assert one["annotations"]["runbook"]
        if alert == "OctoPrintPrinterLost":
            admin = servers["prusa"].login("admin", PASSWORD)
            admin.post("/api/connection", {"command": "connect", "port": "VIRTUAL"})
        wait_for(lambda: told("resolved"), timeout_seconds=60)

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


class TestInhibition:
    @pytest.mark.parametrize(
        ("of_the_host", "of_the_printer", "is_quiet"),
        [
            ("OctoPrintHostDown", "OctoPrintPrinterLost", True),
            ("OctoPrintHostDown", "OctoPrintUndervoltage", True),
            ("OctoPrintPowerLoss", "OctoPrintPrinterLost", True),
            ("OctoPrintRestartLoop", "OctoPrintCrashed", True),
            ("OctoPrintPowerLoss", "OctoPrintCrashed", False),
            # Heaters may be on.
            ("OctoPrintHostDown", "OctoPrintPrintInterrupted", False),
            ("OctoPrintPowerLoss", "OctoPrintPrintInterrupted", False),
            ("OctoPrintPowerLoss", "OctoPrintUndervoltage", False),
        ],
    )
    def test_the_hosts_alert_stands_for_the_printers(
        self, alertmanager, of_the_host, of_the_printer, is_quiet
    ):
        one, other = f"{of_the_host}-{of_the_printer}", "another"
        alertmanager.post(
            {"alertname": of_the_host, "instance": one, "site": "attic"},
            {"alertname": of_the_printer, "instance": one, "site": "attic"},
            {"alertname": of_the_printer, "instance": other, "site": "attic"},
        )

        def quiet():
            """By printer, whether its processed alert is silenced by another alert."""
            return {
                alert["labels"]["instance"]: bool(alert["status"]["inhibitedBy"])
                for alert in alertmanager.alerts()
                if alert["labels"]["alertname"] == of_the_printer
                and alert["labels"]["instance"] in (one, other)
                and alert["status"]["state"] != "unprocessed"
            }

        wait_for(lambda: quiet() == {one: is_quiet, other: False})


def dashboards(expression) -> str:
    """Fill in a dashboard's variables as Grafana does, with everything selected."""
    for variable, value in (
        ("$__range", "5m"),
        ("$__interval", "5s"),
        ("$job", "octoprint.*"),
        ("$site", ".*"),
    ):
        expression = expression.replace(variable, value)
    assert "$" not in expression
    return expression
