"""The documents for owners match the plugin."""

import ast
import contextlib
import json
import os
import re
import shlex
import sqlite3
import subprocess

import pytest
from accounts import PASSWORD, api_key, change_group
from examples import ROOT, blocks
from helpers import at_this_kernel, kill, last_end, recorded, wait_for
from shared.octoprint_server import QUIET_CONFIG

from octoprint_uptime.history.schema import MIGRATIONS
from octoprint_uptime.telling.shell import commands

API = "/api/plugin/octoprint_uptime"
HISTORY = "/plugin/octoprint_uptime/history"
REPORT = "/plugin/octoprint_uptime/report"
VIEW = "PLUGIN_OCTOPRINT_UPTIME_VIEW"
WITH_PLUGIN_MANAGER = {
    "_disabled": [name for name in QUIET_CONFIG["plugins"]["_disabled"] if name != "pluginmanager"],
    "pluginmanager": {"hidden": [], "repository": "", "notices": ""},
}


def read(document):
    return (ROOT / document).read_text(encoding="utf-8")


def rows(document, heading):
    """The cells of the first table below a heading, without its head."""
    table = read(document).split(f"{heading}\n", 1)[1].split("\n|---", 1)[1].split("\n\n")[0]
    return [line.strip("| ").split(" | ") for line in table.splitlines()[1:]]


@pytest.fixture
def as_on_octopi(tmp_path):
    """A function that runs a command as on OctoPi, with OctoPrint in the user's home."""

    def run(server, command):
        home = tmp_path / "home"
        if not home.exists():
            (home / "oprint" / "bin").mkdir(parents=True)
            (home / ".octoprint").symlink_to(server.basedir)
            for name, words in (
                ("octoprint", [server.python, "-m", "octoprint"]),
                ("python", [server.python]),
                ("jq", [server.python, str(ROOT / "tests" / "jq.py")]),
            ):
                program = home / "oprint" / "bin" / name
                program.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
                program.chmod(0o755)
        return subprocess.run(
            ["bash", "-ec", command],
            env={
                **os.environ,
                "HOME": str(home),
                "LANG": "en_GB.UTF-8",
                "PATH": f"{home}/oprint/bin:{os.environ['PATH']}",
            },
            cwd=tmp_path,
            capture_output=True,
            check=True,
            text=True,
        ).stdout

    return run


class TestTroubleshooting:
    PAGE = "docs/troubleshooting.md"

    def test_the_log(self, new_server, as_on_octopi):
        server = new_server(plugins={"octoprint_uptime": {"display_format": "wrong"}})
        with server.running():
            pass
        (command, _) = blocks(self.PAGE, "sh")
        assert "Setting display_format must be" in as_on_octopi(server, command)

    def test_the_question_to_the_server(self, server, admin):
        def ask():
            _, command = blocks(self.PAGE, "sh")
            return subprocess.run(
                ["bash", "-c", command.replace("http://octopi.local", server.url)],
                env={**os.environ, "API_KEY": api_key(admin, "users")},
                capture_output=True,
                check=True,
            ).stdout

        assert json.loads(ask())["seconds"] > 0
        change_group(admin, "users", remove={VIEW})
        try:
            assert "seconds" not in json.loads(ask())
        finally:
            change_group(admin, "users", add={VIEW})

    def test_every_line_of_the_log_is_explained(self):
        explained = {line.strip("`") for line, _ in rows(self.PAGE, "## Lines in octoprint.log")}
        assert explained == set(lines_of_the_log())

    def test_safe_mode(self, new_server):
        server = new_server()
        recorded(server)
        server.stop()
        server.octoprint("safemode")
        with server.running():
            admin = server.login("admin", PASSWORD)
            assert admin.get(API).status_code == 404
            assert admin.get("/api/version").status_code == 200
        ended = last_end(recorded(server))
        assert ended["end"] == "restart"
        assert ended["downtime_seconds"] > 0

    def test_a_file_that_another_program_has_open(self, new_server):
        server = new_server()
        recorded(server)
        with (
            contextlib.closing(sqlite3.connect(history_db(server), timeout=0)) as database,
            pytest.raises(sqlite3.OperationalError, match="database is locked"),
        ):
            database.execute("SELECT * FROM runs")


def history_db(server):
    return server.basedir / "data" / "octoprint_uptime" / "history.db"


def lines_of_the_log():
    """The package's log lines, with dots for the values."""
    for file in (ROOT / "octoprint_uptime").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            if not ast.unparse(node.func.value).endswith("_logger"):
                continue
            if isinstance(node.args[0], ast.Constant):
                yield re.sub(r"%[a-z]", "…", node.args[0].value).replace("…r", "…")
    # These lines are composed elsewhere.
    yield "Setting … must be …, not …; using …"
    yield "Setting … must be …; ignoring it"
    yield "The settings must be a mapping, not …"


class TestCommands:
    """What to do when OctoPrint is gone, and the commands that tell why."""

    @pytest.fixture
    def dead(self, new_server):
        server = new_server()
        with at_this_kernel(alone=False):
            recorded(server)
            kill(server)
        return server

    def test_the_recipe(self, dead, as_on_octopi, tmp_path):
        by_octoprint, by_itself, report, _rescue = blocks("docs/history.md", "sh")
        for command in (by_octoprint, by_itself):
            assert "\nOctoPrint crashed\n" in as_on_octopi(dead, command)
        as_on_octopi(dead, report)
        assert "1. crash, killed, certain\n" in (tmp_path / "report.txt").read_text()

    def test_both_ways(self, dead, as_on_octopi):
        why, history = blocks("docs/commands.md", "sh")
        assert as_on_octopi(dead, why).count("\nOctoPrint crashed\n") == 2
        text = '"OctoPrint was killed by signal 9 (SIGKILL)."'
        assert as_on_octopi(dead, history).splitlines().count(text) == 2

    def test_every_option(self):
        listed = {
            (name, option.split(" ")[0])
            for cells in rows("docs/commands.md", "## Options\n")
            for option in re.findall(r"`(--.*?)`", cells[0])
            for name in re.findall(r"`(\w+)`", cells[1]) or ("why", "history", "report")
        }
        assert listed == {
            (command.name, option.opts[0])
            for command in commands(lambda: None)
            for option in command.params
        }


class TestPrivacy:
    PAGE = "docs/privacy.md"

    def test_every_table_with_each_text_is_named(self):
        with contextlib.closing(sqlite3.connect(":memory:")) as database:
            for migration in MIGRATIONS:
                database.executescript(migration)
            tables = {
                name
                for (name,) in database.execute(
                    "SELECT name FROM sqlite_master WHERE type = 'table'"
                )
            }
            tables = {name for name in tables if not name.startswith("sqlite_")}
            texts = {
                table: {
                    name
                    for name, kind in database.execute(
                        "SELECT name, type FROM pragma_table_info(?)", (table,)
                    )
                    if kind == "TEXT"
                }
                for table in tables
            }
        named = {}
        for names, told in rows(self.PAGE, "`history.db`, an SQLite file:\n"):
            for name in re.findall(r"`(\w+)`", names):
                named[name] = set(re.findall(r"`(\w+)`", told))
        assert set(named) == set(texts)
        for table, columns in texts.items():
            assert columns <= named[table], table


class TestInstalling:
    PAGE = "docs/installing.md"

    def test_what_it_runs_on(self):
        table = {
            cells[0].split(",")[0]: cells for cells in rows(self.PAGE, "### What it runs on\n")
        }
        matrix = re.findall(
            r'^    "(.+)": \("(.+)", "(.+)", "(.+)"\),$', read("noxfile.py"), re.MULTILINE
        )
        tested = [", ".join(versions) for versions in zip(*matrix)]
        names = ["OctoPrint", "Python", "psutil", "prometheus_client"]
        assert [table[name][2] for name in names] == tested
        project = read("pyproject.toml")
        for name, requirement in (
            ("OctoPrint", "OctoPrint>={}"),
            ("Python", 'requires-python = ">={}'),
            ("psutil", "psutil>={}"),
            ("prometheus_client", "prometheus-client>={}"),
        ):
            assert requirement.format(table[name][1].split()[0]) in project
        oldest = dict(re.findall(r"(Chrome|Edge|Firefox|Safari|iOS) ([\d.]+)", table["browser"][1]))
        listed = dict(b.rsplit(" ", 1) for b in json.loads(read("package.json"))["browserslist"])
        assert oldest == {
            name: listed[key].split("-")[0]
            for name, key in (
                *(("Chrome", "chrome"), ("Edge", "edge"), ("Firefox", "firefox")),
                *(("Safari", "safari"), ("iOS", "ios_saf")),
            )
        }

    def test_an_older_version_touches_nothing(self, new_server):
        server = new_server()
        recorded(server)
        server.stop()
        with contextlib.closing(sqlite3.connect(history_db(server))) as database:
            database.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
        before = history_db(server).read_bytes()
        with server.running():
            admin = server.login("admin", PASSWORD)
            wait_for(lambda: "knows only versions up to" in admin.get(HISTORY).text)
            assert admin.get(HISTORY).status_code == 503
            assert admin.get(API).json()["seconds"] > 0
            assert "knows only versions up to" in admin.get(REPORT).text
            admin.get("/downloads/systeminfo.zip").raise_for_status()
        assert history_db(server).read_bytes() == before

    def test_a_new_history_instead(self, new_server):
        server = new_server()
        recorded(server)
        server.stop()
        for file in history_db(server).parent.glob("history.db*"):
            file.unlink()
        history = recorded(server).get(HISTORY).json()
        assert [run["end"] for run in history["octoprint"]] == ["running"]

    def test_cleaned_up_by_the_plugin_manager(self, new_server):
        server = new_server(
            plugins={**WITH_PLUGIN_MANAGER, "octoprint_uptime": {"display_format": "d"}}
        )
        admin = recorded(server)
        command = {"command": "cleanup", "plugin": "octoprint_uptime"}
        admin.post("/api/plugin/pluginmanager", command).raise_for_status()
        server.stop()
        assert not history_db(server).parent.exists()
        assert "octoprint_uptime" not in server.stored_config()["plugins"]

    def test_cleaned_up_by_hand(self, new_server, as_on_octopi):
        server = new_server(plugins={"octoprint_uptime": {"display_format": "d"}})
        recorded(server)
        server.stop()
        (commands,) = blocks(self.PAGE, "sh")
        as_on_octopi(server, commands)
        assert not history_db(server).parent.exists()
        assert not server.stored_config()["plugins"].get("octoprint_uptime")

    def test_the_permission_goes_with_the_next_change_of_the_groups(self, new_server):
        server = new_server()
        groups = server.basedir / "groups.yaml"
        with server.running():
            change_group(server.login("admin", PASSWORD), "guests", add={VIEW})
        assert VIEW in groups.read_text()
        disabled = [*QUIET_CONFIG["plugins"]["_disabled"], "octoprint_uptime"]
        server.configure(plugins={"_disabled": disabled})
        with server.running():
            assert VIEW in groups.read_text()
            change_group(server.login("admin", PASSWORD), "guests", add={"STATUS"})
        assert VIEW not in groups.read_text()

    def test_coming_from_another_plugin(self, new_server):
        settings = {"display_format": "dh", "debug": True, "poll_interval_seconds": 500}
        server = new_server(plugins={"octoprint_uptime": settings})
        with server.running():
            answer = server.login("admin", PASSWORD).get(API).json()
        assert answer["display_format"] == "dh"
        assert answer["poll_interval_seconds"] == 120
        assert "poll_interval_seconds must be" in server.log()
        kept = server.stored_config()["plugins"]["octoprint_uptime"]
        assert kept == {"display_format": "dh", "poll_interval_seconds": 120}


def test_the_headings_that_documents_point_to():
    documents = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    for document in documents:
        text = document.read_text(encoding="utf-8")
        for target, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", text):
            named = document.parent / target if target else document
            assert anchor in anchors(named), f"{document.name} names {target}#{anchor}"


def anchors(document):
    """The anchors that GitHub gives the headings of a document."""
    text = re.sub(r"^```.*?^```", "", document.read_text(encoding="utf-8"), flags=re.M | re.S)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
