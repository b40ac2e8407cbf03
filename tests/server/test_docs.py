"""The examples in the documents run as printed, and the tables match the plugin."""

import doctest
import json
import os
import re
import shutil
import signal
import subprocess
import textwrap

import pytest
import yaml
from accounts import api_key
from examples import ROOT, blocks
from helpers import recorded, wait_for
from monitors import UptimeKuma
from shared.octoprint_server import Session

from octoprint_uptime.format_uptime import FORMATS
from octoprint_uptime.history.report import NO_PREVIOUS_END
from octoprint_uptime.settings import SETTINGS, Choice, Interval
from octoprint_uptime.why.verdict import REASONS

URL = "/api/plugin/octoprint_uptime"
METRICS = "/plugin/octoprint_uptime/metrics"
HISTORY = "/plugin/octoprint_uptime/history"


def test_the_readmes_curl(server, admin):
    command = next(block for block in blocks("README.md", "sh") if block.startswith("curl"))
    key = api_key(admin, "users")
    output = subprocess.run(
        ["bash", "-c", command.replace("http://octopi.local", server.url)],
        env={**os.environ, "API_KEY": key},
        capture_output=True,
        check=True,
    ).stdout
    assert json.loads(output)["uptime_available"] is True


def test_the_readmes_plugin(new_server):
    plugin = next(block for block in blocks("README.md", "python") if "StartupPlugin" in block)
    server = new_server()
    (server.basedir / "plugins").mkdir()
    (server.basedir / "plugins" / "hello.py").write_text(plugin)
    with server.running():
        line = r"plugins\.hello - INFO - The host has been up for [\ddhms ]+s\n"
        wait_for(lambda: re.search(line, server.log()))


@pytest.mark.parametrize("document", ["README.md", "docs/integrating.md"])
def test_the_python_consoles(document):
    results = doctest.testfile(str(ROOT / document), module_relative=False)
    assert results.attempted >= 2
    assert results.failed == 0


def test_the_answer_in_the_api_reference(admin):
    example = json.loads(blocks("docs/api.md", "json")[0])
    real = admin.get(URL).json()
    assert set(example) == set(real)
    for prefix in ("", "octoprint_"):
        for name, format_text in FORMATS.items():
            field = f"{prefix}uptime" if name == "full" else f"{prefix}uptime_{name}"
            assert example[field] == format_text(example[f"{prefix}seconds"])


def test_the_refusal_in_the_api_reference(server):
    example = json.loads(blocks("docs/api.md", "json")[1])
    assert Session(server).get(URL).json() == example


def test_the_history_in_the_api_reference(new_server):
    example = json.loads(blocks("docs/api.md", "json")[2])
    server = new_server()
    shutil.copytree(ROOT / "tests" / "server" / "plugins", server.basedir / "plugins")
    admin = recorded(server)
    admin.post("/api/connection", {"command": "connect", "port": "VIRTUAL"}).raise_for_status()
    start = {"command": "fire", "event": "PrintStarted", "payload": {"path": "a.gcode"}}
    admin.post("/api/plugin/event_bus", start).raise_for_status()
    wait_for(lambda: admin.get(HISTORY).json()["printer"] and admin.get(HISTORY).json()["prints"])
    real = admin.get(HISTORY).json()
    assert names_in(example) == names_in(real)
    for name in ("octoprint", "system"):
        running, ended = example[name]
        assert running["started_at"] - ended["ended_at"] == ended["downtime_seconds"]
        counted = example["to"] - ended["started_at"]
        up = running["seconds"] + ended["seconds"]
        assert example["summary"][name]["availability"] == round(up / counted, 6)
        for entry in (running, ended):
            until = entry["ended_at"] or example["to"]
            assert until - entry["started_at"] == entry["seconds"]


def test_the_test_ping_in_the_api_reference(admin):
    example = json.loads(blocks("docs/api.md", "json")[3])
    with UptimeKuma().running() as monitor:
        command = {"command": "test_ping", "ping_url": monitor.url, "ping_style": "auto"}
        assert set(admin.post(URL, command).json()) == set(example)
        command["ping_url"] += "x"
        assert set(admin.post(URL, command).json()) == set(example)


def names_in(answer):
    """The names of all fields; of a list, those of its first entry."""
    if isinstance(answer, list):
        return names_in(answer[0])
    if isinstance(answer, dict):
        return {name: names_in(value) for name, value in answer.items()}
    return None


def test_the_api_references_curl(server, admin):
    (command,) = blocks("docs/api.md", "sh")
    output = subprocess.run(
        [
            "bash",
            "-c",
            command.replace("http://octopi.local", server.url).strip() + ' -w "%{http_code}"',
        ],
        env={**os.environ, "API_KEY": api_key(admin, "users")},
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    assert output == "204"


def test_the_plugin_that_receives_events(new_server):
    plugin = next(block for block in blocks("docs/integrating.md", "python") if "Alarm" in block)
    server = new_server()
    (server.basedir / "plugins").mkdir()
    (server.basedir / "plugins" / "alarm.py").write_text(plugin)
    recorded(server)
    server.stop(signal.SIGKILL)
    recorded(server)
    wait_for(lambda: "plugins.alarm - WARNING - OctoPrint went down: crash" in server.log())


def test_the_events_in_the_readme():
    rows = re.findall(
        r"^\| `(\w+)` \| .+ \|$", read("README.md").split("## Events")[1], re.MULTILINE
    )
    assert rows == list(NO_PREVIOUS_END)


def test_the_formats_in_the_api_reference():
    rows = re.findall(r"^\| `(\w+)` \| `uptime\w*` \|(.+)\|$", read("docs/api.md"), re.MULTILINE)
    assert [name for name, _ in rows] == list(FORMATS)
    for name, texts in rows:
        shown = re.findall(r"`([^`]+)`", texts)
        assert shown == [FORMATS[name](seconds) for seconds in (59, 3600, 184500)]


def test_the_settings_in_the_readme():
    row = r"^\| `(\w+)` \| (?:`(\w+)`|empty) \| (.*?) ?\| .+\|$"
    rows = re.findall(row, read("README.md"), re.MULTILINE)
    assert [name for name, _, _ in rows] == list(SETTINGS)
    for name, default, values in rows:
        setting = SETTINGS[name]
        assert default == str(setting.default).lower()
        if isinstance(setting, Interval):
            assert values == f"{setting.minimum} to {setting.maximum}"
        elif isinstance(setting, Choice):
            assert values == ", ".join(f"`{option}`" for option in setting.options)


def test_the_metrics_in_the_api_reference(admin):
    table = read("docs/api.md").split("/metrics`")[1].split("## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| .+ \|$", table, re.MULTILINE)
    # The metrics without a connected printer, and the one that needs a printer.
    there = dict(re.findall(r"^# TYPE (\w+) (\w+)$", admin.get(METRICS).text, re.MULTILINE))
    absent = {"octoprint_uptime_printer_connected_time_seconds": "gauge"}
    assert dict(rows) == {**there, **absent}


def test_the_checks_in_the_health_document():
    health = pytest.importorskip("octoprint_uptime.telling.health")  # OctoPrint 1.10 has none
    keys = re.findall(r"^\| `octoprint_uptime_(\w+)` \|", read("docs/health.md"), re.MULTILINE)
    assert keys == list(health.RULES)
    (example,) = blocks("docs/health.md", "yaml")
    disabled = yaml.safe_load(example)["plugins"]["health_check"]["disabled"]
    assert {key.removeprefix("octoprint_uptime_") for key in disabled} <= set(keys)


def test_the_history_document_has_every_reason():
    explained = set(re.findall(r"`(\w+)`", read("docs/history.md")))
    assert {reason for reasons in REASONS.values() for reason in reasons} <= explained


def test_every_setting_has_a_control():
    template = read("octoprint_uptime/templates/octoprint_uptime_settings.jinja2")
    assert [name for name in SETTINGS if name not in template] == []


def test_the_files_to_touch_exist():
    table = read("docs/contributing.md").split("## To add …")[1].split("##")[0]
    files = re.findall(r"`([\w/]+\.\w+)`", table)
    assert len(files) > 10
    assert [file for file in files if not (ROOT / file).is_file()] == []


def test_the_release_commands():
    hook, registration = blocks("docs/releasing.md", "python")
    source = read("octoprint_uptime/__init__.py")
    class_end = source.index("\n\n__plugin_name__")
    hooks_end = source.index("    }\n", source.index("__plugin_hooks__ = {"))
    pasted = (
        source[:class_end]
        + "\n"
        + textwrap.indent(hook, "    ")
        + source[class_end:hooks_end]
        + textwrap.indent(registration, " " * 8)
        + source[hooks_end:]
    )
    compile(pasted, "pasted", "exec")
    address, front_matter = blocks("docs/releasing.md", "markdown")
    assert "OWNER" in address
    told = yaml.safe_load(front_matter.split("---")[1])
    assert told["id"] == "octoprint_uptime"
    for picture in [*told["screenshots"], {"url": told["featuredimage"]}]:
        assert (ROOT / "docs" / picture["url"].rpartition("/")[2]).exists()


def test_every_file_of_the_package_is_in_the_architecture():
    package = ROOT / "octoprint_uptime"
    suffixes = (".py", ".sh", ".js", ".css", ".jinja2")
    files = {file.name for file in package.rglob("*") if file.suffix in suffixes}
    (listed,) = blocks("docs/architecture.md", "")
    names = re.findall(r"^ +(\w+\.\w+) ", listed.split("\ntranslations/")[0], re.MULTILINE)
    assert sorted(names) == sorted(files)


def test_the_changelog_has_this_version():
    versions = re.findall(r"^## \[(\d.+)\] - \d{4}-\d\d-\d\d$", read("CHANGELOG.md"), re.MULTILINE)
    assert f'version = "{versions[0]}"' in read("pyproject.toml")


def test_what_the_documents_name_exists():
    documents = [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")]
    for document in documents:
        text = document.read_text(encoding="utf-8")
        for target in re.findall(r"(?:\]\(|<img src=\")([^)\"#:]+)[)\"]", text):
            assert (document.parent / target).exists(), f"{document.name} names {target}"


def read(document):
    return (ROOT / document).read_text(encoding="utf-8")
