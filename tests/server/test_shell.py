"""The commands for the shell beside a real OctoPrint: dead, hung, running, copied, unreadable."""

import ctypes
import functools
import io
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import zipfile
from pathlib import Path

import pytest
from accounts import PASSWORD, add_user
from helpers import (
    at_this_kernel,
    die,
    kill,
    last_end,
    last_words,
    recorded,
    wait_for,
    wait_for_report,
)

HERE = Path(__file__).parent
PLUGINS, OTHER_PLUGINS = HERE / "plugins", HERE / "other_plugins"
OWNER = 12_345
"""The id of a user that need not exist."""
CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 1, 2
PR_CAPBSET_DROP = 24
CLONE_NEWNS = 0x20000
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 32, 4096, 16384, 1 << 18
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
BY_OCTOPRINT, BY_ITSELF = ["octoprint", "plugins"], ["octoprint_uptime"]
WAYS = pytest.mark.parametrize("way", [BY_OCTOPRINT, BY_ITSELF])


@pytest.fixture(autouse=True)
def beside_others():
    with at_this_kernel(alone=False):
        yield


@pytest.fixture(scope="module")
def mortal(new_server):
    """A factory of servers with a plugin that dies on command."""

    def make(**config):
        server = new_server(**config)
        (server.basedir / "plugins").mkdir()
        shutil.copy(PLUGINS / "deaths.py", server.basedir / "plugins")
        return server

    return make


@pytest.fixture(scope="module")
def killed(mortal):
    """A server that was killed, and not started again."""
    server = mortal()
    recorded(server)
    kill(server)
    return server


@pytest.fixture(scope="module")
def busy(new_server):
    """A server that was killed before, with ten heartbeats a second, and its admin."""
    server = new_server(plugins={"octoprint_uptime": {"ping_url": "http://127.0.0.1:1/secret"}})
    shutil.copytree(OTHER_PLUGINS, server.basedir / "plugins")
    recorded(server)
    kill(server)
    return server, recorded(server)


def command(base, way, name, *options):
    module, *plugins = way
    prefix = "octoprint_uptime:" if plugins else ""
    return ["-m", module, "--basedir", str(base), *plugins, prefix + name, *options]


def run(server, way, name, *options, base=None, exit_code=0, **more):
    """Run a command of the shell. Return what it writes, without OctoPrint's own first line."""
    done = subprocess.run(
        [server.python, *command(base or server.basedir, way, name, *options)],
        cwd="/",
        env={**os.environ, "LANG": "en_GB.UTF-8", **more.pop("environment", {})},
        capture_output=True,
        text=True,
        check=False,
        **more,
    )
    assert done.returncode == exit_code, done.stdout + done.stderr
    first = "Initializing settings & plugin subsystem...\n"
    return done.stdout.removeprefix(first) if exit_code == 0 else done.stderr


def last_line(text):
    """The last line; OctoPrint and Python may have warned before."""
    return text.splitlines()[-1]


def in_one_line(text):
    return " ".join(text.split())


def everything_in(folder):
    """All files, without what Python compiles."""
    return {
        str(file): (file.stat().st_uid, file.stat().st_size, file.is_file() and file.read_bytes())
        for file in sorted(folder.rglob("*"))
        if "__pycache__" not in file.parts
    }


class TestDead:
    """Servers that have died, and were not started again."""

    @WAYS
    @pytest.mark.parametrize(
        ("how", "says"),
        [
            ("kill", "OctoPrint was killed by signal 9 (SIGKILL)."),
            (
                "segfault",
                "Native code in ctypes, called by the plugin Deaths, crashed: Segmentation fault.",
            ),
        ],
    )
    def test_before_any_start_it_says_what_the_next_start_says(self, mortal, way, how, says):
        server = mortal()
        admin = recorded(server)
        if how == "kill":
            kill(server)
        else:
            wait_for_report(server, lambda: die(admin, how))
        before = everything_in(server.basedir)
        told = run(server, way, "why")
        assert everything_in(server.basedir) == before
        assert "OctoPrint is not running, or it is in safe mode." in told
        assert "\nOctoPrint crashed\n" in told
        if way is BY_ITSELF:  # it does not know the names of plugins
            says = says.replace(", called by the plugin Deaths, crashed", " crashed")
        assert says in in_one_line(told)
        assert "\nCertain. The evidence states the reason.\n" in told
        answer = json.loads(run(server, way, "history", "--json"))
        admin = recorded(server)
        ended = last_end(admin)
        if way is BY_OCTOPRINT:
            then, now = answer["octoprint"][0], ended
            for entry in (then, now):
                del entry["downtime_seconds"]  # then it was still down
            assert then == now
        unacknowledged = admin.get("/api/plugin/octoprint_uptime").json()["unacknowledged_end"]
        assert unacknowledged["why"]["text"] == ended["why"]["text"]

    @WAYS
    def test_a_copy_of_the_base_folder(self, killed, tmp_path, way):
        copy = tmp_path / "copy"
        shutil.copytree(killed.basedir, copy)
        told = run(killed, way, "why", base=copy)
        assert "OctoPrint was killed by signal 9 (SIGKILL)." in told

    @as_root
    def test_a_read_only_mount(self, killed, tmp_path):
        read_only = functools.partial(mount_read_only, killed.basedir, tmp_path)
        told = run(killed, BY_ITSELF, "why", base=tmp_path, preexec_fn=read_only)
        assert "OctoPrint was killed by signal 9 (SIGKILL)." in told
        # OctoPrint's own command line insists on writing.
        told = run(killed, BY_OCTOPRINT, "why", base=tmp_path, preexec_fn=read_only, exit_code=1)
        assert "doesn't appear to be writable" in told

    @WAYS
    @as_root
    def test_root_leaves_nothing_that_octoprint_could_not_write(self, killed, tmp_path, way):
        base = owned_copy(killed, tmp_path)
        for name in ("why", "history", "report"):
            run(killed, way, name, base=base)
        owners = {file.stat().st_uid for file in base.rglob("*")}
        assert owners == {OWNER}

    @as_root
    def test_another_user(self, killed, tmp_path):
        home = tmp_path / "home"
        home.mkdir()
        os.chown(home, OWNER, OWNER)
        base = owned_copy(killed, home)
        for private, public in ((base, home), (home, base)):
            private.chmod(0o700)
            public.chmod(0o755)
            told = run(
                killed, BY_ITSELF, "why", base=base, exit_code=1, preexec_fn=be_nobody_special
            )
            # Warnings of OctoPrint's own may precede the only sentence.
            assert re.search(
                "^Error: You do not have permission to read the history.*\n$", told, re.M
            )
            assert "config.yaml" not in told
        home.chmod(0o755)
        # Its evidence alone is unreadable, too, if the rest can be read.
        (base / "data/octoprint_uptime").chmod(0o755)
        (base / "data").chmod(0o755)
        base.chmod(0o755)
        told = run(killed, BY_ITSELF, "why", base=base, exit_code=1, preexec_fn=be_nobody_special)
        assert "You do not have permission to read the history" in told

    @WAYS
    def test_a_damaged_file(self, killed, tmp_path, way):
        base = tmp_path / "base"
        shutil.copytree(killed.basedir, base)
        for file in (base / "data/octoprint_uptime").glob("history.db*"):
            file.write_bytes(b"\xff" * 5000)
        before = everything_in(base)
        told = run(killed, way, "why", base=base, exit_code=1)
        assert re.fullmatch(r"Error: The history in .* is damaged \(.*\)\. .*", last_line(told))
        assert everything_in(base) == before

    @WAYS
    def test_no_history(self, killed, tmp_path, way):
        told = run(killed, way, "why", base=tmp_path, exit_code=1)
        assert last_line(told).startswith("Error: There is no history in ")

    @pytest.mark.parametrize(
        "content", ["plugins: [", "- a\n- list", "plugins: []\nfolder: {data: 5}", ""]
    )
    def test_a_broken_config_file(self, killed, tmp_path, content):
        base = tmp_path / "base"
        shutil.copytree(killed.basedir, base)
        (base / "config.yaml").write_text(content)
        told = run(killed, BY_ITSELF, "why", base=base)
        assert "OctoPrint was killed by signal 9 (SIGKILL)." in told

    def test_a_german_terminal(self, killed):
        german = {"LANG": "de_DE.UTF-8", "COLUMNS": "80", "TERM": "xterm"}
        told = on_terminal(killed, "why", **german)
        assert "\x1b[31m\x1b[1mOctoPrint abgestürzt\x1b[0m" in told
        bare = re.sub(r"\x1b\[\d+m", "", told)
        assert "Signal 9 (SIGKILL)" in bare
        assert max(map(len, bare.splitlines())) <= 80
        assert "\x1b" not in on_terminal(killed, "why", NO_COLOR="1", **german)
        piped = run(killed, BY_ITSELF, "why", environment=german)
        assert without_age(piped) == without_age(bare)

    @WAYS
    def test_both_ways_into_jq(self, killed, tmp_path, way):
        file = tmp_path / "history.json"
        assert run(killed, way, "history", "--json", "--output", str(file)) == ""
        assert json.loads(file.read_text()).keys() == (
            json.loads(run(killed, way, "history", "--json")).keys()
        )


def without_age(text):
    """The lines without the one that says how long it has been down."""
    return [line for line in text.splitlines() if not line.startswith("Ausfallzeit")]


def owned_copy(server, folder):
    """A base folder that belongs to another user, who alone may read it."""
    base = folder / "owned"
    shutil.copytree(server.basedir, base)
    for file in (base, *base.rglob("*")):
        os.chown(file, OWNER, OWNER)
    for inner in (base, base / "data", base / "data/octoprint_uptime"):
        inner.chmod(0o700)
    return base


def mount_read_only(source, target):
    """Mount a folder read-only, for this process alone. Bare systems lack the command for it."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS):
        raise OSError(ctypes.get_errno(), "unshare")
    # This fails in a chroot, whose root is no mount; nor do mounts there propagate.
    libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None)
    for flags in (MS_BIND, MS_BIND | MS_REMOUNT | MS_RDONLY):
        if libc.mount(bytes(source), bytes(target), None, flags, None):
            raise OSError(ctypes.get_errno(), "mount")


def be_nobody_special():
    """Give up root's right to read the files of others."""
    libc = ctypes.CDLL(None)
    for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)


def on_terminal(server, name, **environment):
    """What a command writes to a terminal."""
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [server.python, *command(server.basedir, BY_ITSELF, name)],
        cwd="/",
        env={**os.environ, **environment},
        stdout=terminal,
        stdin=terminal,
    )
    os.close(terminal)
    told = b""
    while True:
        try:
            part = os.read(controller, 1000)
        except OSError:  # the other end is closed
            break
        told += part
    os.close(controller)
    assert process.wait() == 0
    return told.decode()


class TestAlive:
    @WAYS
    def test_ten_heartbeats_a_second(self, busy, way):
        server, _admin = busy
        for _ in range(5):
            told = run(server, way, "why")
            assert f"OctoPrint is running (process {server.pid})." in told
            assert "OctoPrint was killed by signal 9 (SIGKILL)." in told
        assert "Its last heartbeat was 0s ago." in in_one_line(told)

    def test_the_same_as_the_api(self, busy):
        server, admin = busy
        told = json.loads(run(server, BY_ITSELF, "history", "--json"))
        answer = admin.get("/plugin/octoprint_uptime/history").json()
        assert told.keys() == answer.keys()
        assert told["octoprint"][1:] == answer["octoprint"][1:]
        assert told["octoprint"][0]["end"] == "running"

    def test_the_csv_file_of_the_page(self, busy, tmp_path):
        server, admin = busy
        run(server, BY_ITSELF, "history", "--csv", "--output", str(tmp_path / "runs.csv"))
        told = (tmp_path / "runs.csv").read_bytes().splitlines()
        theirs = admin.get("/plugin/octoprint_uptime/history?format=csv").content.splitlines()
        # The second line has the uptime of the running OctoPrint.
        assert [told[0], *told[2:]] == [theirs[0], *theirs[2:]]

    def test_hung_and_stopped(self, mortal):
        server = mortal(plugins={"octoprint_uptime": {"heartbeat_seconds": 10}})
        die(recorded(server), "block")
        stacks = last_words(server) / "hang"
        wait_for(lambda: "most recent call first" in stacks.read_text())
        told = in_one_line(run(server, BY_OCTOPRINT, "why"))
        assert "OctoPrint's server stopped responding while the plugin Deaths was running." in told
        os.kill(server.pid, signal.SIGSTOP)
        try:
            wait_for(
                lambda: (
                    "It may be hung: its last heartbeat was"
                    in in_one_line(run(server, BY_ITSELF, "why"))
                )
            )
        finally:
            os.kill(server.pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def admin(busy):
    _, admin = busy
    return admin


class TestReport:
    def test_from_the_page(self, admin):
        response = admin.get("/plugin/octoprint_uptime/report")
        assert response.headers["Content-Disposition"] == (
            "attachment; filename=plugin_octoprint_uptime_report.log"
        )
        told = response.text
        assert "1. crash, killed, certain\n" in told
        assert "ping_url                         set\n" in told
        assert "secret" not in told
        assert len(response.content) < 65_536

    def test_the_same_from_the_shell(self, busy, admin):
        server, _admin = busy
        told = run(server, BY_ITSELF, "report", "--no-names").splitlines()
        theirs = admin.get("/plugin/octoprint_uptime/report").text.splitlines()
        # The first line has the time, and another the age of the last heartbeat.
        assert [line for line in told[1:] if "heartbeat was" not in line] == [
            line for line in theirs[1:] if "heartbeat was" not in line
        ]

    def test_who_may_have_it(self, busy, admin):
        server, _admin = busy
        add_user(admin, "viewer", groups=["readonly"])
        viewer = server.login("viewer", PASSWORD)
        response = viewer.get("/plugin/octoprint_uptime/report")
        assert response.status_code == 403
        assert response.json() == {
            "error": "You need the system permission to get the report.",
            "uptime_available": False,
        }

    def test_the_system_information_has_the_last_ends(self, admin):
        files = bundle(admin)
        assert "plugin_octoprint_uptime_report.log" not in files
        assert re.search(
            r"^env\.plugins\.octoprint_uptime\.last_ends\.01: \S+ \S+ UTC: crash, killed, certain:"
            r" OctoPrint was killed by signal 9 \(SIGKILL\)\.$",
            files["systeminfo.txt"],
            re.MULTILINE,
        )

    def test_a_bundle_that_takes_files_of_other_plugins(self, admin):
        """OctoPrint does not yet; this one believes that the plugin is its own."""
        admin.post("/api/plugin/adopter", {"command": "adopt"}).raise_for_status()
        report = bundle(admin)["plugin_octoprint_uptime_report.log"]
        assert "1. crash, killed, certain\n" in report


def bundle(session):
    """The files of the System Information bundle."""
    response = session.get("/downloads/systeminfo.zip")
    response.raise_for_status()
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}
