"""The examples run as printed, and the tables say what is."""

import doctest
import json
import os
import re
import subprocess

import pytest
from accounts import api_key
from examples import ROOT, blocks
from helpers import wait_for
from octoprint_server import Session

from octoprint_uptime.format_uptime import FORMATS
from octoprint_uptime.settings import SETTINGS, Choice, Interval

URL = "/api/plugin/octoprint_uptime"


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


def test_the_formats_in_the_api_reference():
    rows = re.findall(r"^\| `(\w+)` \| `uptime\w*` \|(.+)\|$", read("docs/api.md"), re.MULTILINE)
    assert [name for name, _ in rows] == list(FORMATS)
    for name, texts in rows:
        shown = re.findall(r"`([^`]+)`", texts)
        assert shown == [FORMATS[name](seconds) for seconds in (59, 3600, 184500)]


def test_the_settings_in_the_readme():
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \| (.*?) ?\| .+\|$", read("README.md"), re.MULTILINE)
    assert [name for name, _, _ in rows] == list(SETTINGS)
    for name, default, values in rows:
        setting = SETTINGS[name]
        assert default == str(setting.default).lower()
        if isinstance(setting, Interval):
            assert values == f"{setting.minimum} to {setting.maximum}"
        elif isinstance(setting, Choice):
            assert values == ", ".join(f"`{option}`" for option in setting.options)


def test_what_the_documents_name_is_there():
    documents = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    for document in documents:
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text(encoding="utf-8")):
            assert (document.parent / target).exists(), f"{document.name} names {target}"


def read(document):
    return (ROOT / document).read_text(encoding="utf-8")
