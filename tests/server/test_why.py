"""After each kind of real death, a server tells the reason and its grade."""

import contextlib
import fcntl
import os
import shutil
import signal
import sqlite3
import subprocess
import uuid
from importlib.metadata import version
from pathlib import Path

import pytest
from accounts import PASSWORD, add_user
from helpers import (
    at_this_kernel,
    boot,
    cut_power,
    die,
    kill,
    last_end,
    last_words,
    metrics,
    recorded,
    scripted_board,
    wait_for,
    wait_for_report,
    witness_of,
)
from shared.octoprint_server import OctoPrintServer

PLUGINS = Path(__file__).parent / "plugins"
HISTORY = "/plugin/octoprint_uptime/history"
API = "/api/plugin/octoprint_uptime"
FIFREEZE, FITHAW = 0xC0045877, 0xC0045878  # of linux/fs.h


@pytest.fixture(autouse=True)
def beside_others(request):
    with at_this_kernel(alone=request.node.get_closest_marker("alone") is not None):
        yield


@pytest.fixture
def mortal(new_server):
    """A factory of servers with a plugin that dies on command."""

    def make(**config):
        server = new_server(**config)
        shutil.copytree(PLUGINS, server.basedir / "plugins")
        return server

    return make


@pytest.fixture
def on_board(mortal):
    """A factory of such servers on a host with scripted boots."""
    return lambda **config: mortal(environment=scripted_board("first", age=5000), **config)


def told(entry):
    return (entry["end"], entry["why"]["reason"], entry["why"]["grade"])


def evidence(entry):
    return " ".join(sign["text"] for sign in entry["why"]["evidence"])


class TestOctoPrintDies:
    @pytest.mark.parametrize(
        ("how", "reason", "says"),
        [
            (
                "segfault",
                "native_crash",
                "ctypes, called by the plugin Deaths, crashed: Segmentation fault",
            ),
            ("abort", "native_crash", "called by the plugin Deaths, crashed: Aborted"),
            ("exit", "exited", "OctoPrint exited with status 3."),
        ],
    )
    def test_it_crashes_or_exits(self, mortal, how, reason, says):
        server = mortal()
        admin = recorded(server)
        wait_for_report(server, lambda: die(admin, how))
        admin = recorded(server)
        ended = last_end(admin)
        assert told(ended) == ("crash", reason, "certain")
        assert says in ended["why"]["text"]
        assert ended["why"]["advice"]
        assert ended["end_exact"] is True
        (now,) = ended["why"]["vitals"]
        assert 0 <= now["seconds_before"] <= ended["seconds"]
        assert now["process_memory_bytes"] > 1_000_000
        name = f'octoprint_uptime_ends_by_reason_total{{end="crash",reason="{reason}"'
        assert metrics(admin)[f'{name},subject="octoprint"}}'] == 1

    def test_killed(self, mortal):
        server = mortal()
        recorded(server)
        kill(server)
        ended = last_end(recorded(server))
        assert told(ended) == ("crash", "killed", "certain")
        assert "signal 9 (SIGKILL)" in ended["why"]["text"]
        assert ended["end_exact"] is True

    def test_killed_and_noticed_before_its_witness_reports(self, mortal):
        server = mortal()
        recorded(server)
        server.stop(signal.SIGKILL)
        ended = last_end(recorded(server))
        # The kernel no longer knows how it ended, unless the witness was faster.
        assert told(ended) in (("crash", "killed", "certain"), ("crash", "unknown", "unknown"))
        assert ended["end_exact"] is True

    def test_without_any_evidence(self, mortal):
        server = mortal()
        recorded(server)
        cut_power(server)
        ended = last_end(recorded(server))
        assert told(ended) == ("crash", "unknown", "unknown")
        assert ended["end_exact"] is False
        assert "systemd" in ended["why"]["advice"]

    def test_without_a_witness(self, mortal):
        server = mortal(plugins={"octoprint_uptime": {"witness": False}})
        recorded(server)
        server.stop(signal.SIGKILL)
        ended = last_end(recorded(server))
        assert told(ended) == ("crash", "unknown", "unknown")
        assert ended["end_exact"] is False

    def test_an_exception_before_it(self, mortal):
        server = mortal()
        admin = recorded(server)
        die(admin, "throw")
        kill(server)
        admin = recorded(server)
        ended = last_end(admin)
        assert told(ended) == ("crash", "killed", "certain")
        exception = "Exception in thread writer, plugin Deaths: OSError: "
        assert f"{exception}[Errno 28] <img src=x onerror=alert(1)>" in evidence(ended)
        assert "A thread failed because the disk was full." in evidence(ended)
        # Only those who may read logs get their contents.
        add_user(admin, "viewer", groups=["readonly"])
        viewers = last_end(server.login("viewer", PASSWORD))
        assert f"{exception}…" in evidence(viewers)
        assert "onerror" not in str(viewers)
        assert server.log().count("OSError: [Errno 28]") >= 1  # and so does whoever listened before


class TestHang:
    """A plugin blocks the loops of two servers at once, to save time."""

    def test_for_good_and_for_a_while(self, mortal):
        hung, dozed = mortal(), mortal()
        die(recorded(hung), "block")
        stacks = last_words(hung) / "hang"
        die(recorded(dozed), "doze")
        wait_for(lambda: "most recent call first" in stacks.read_text(), timeout_seconds=60)
        kill(hung)
        wait_for(lambda: "did not respond for" in dozed.log(), timeout_seconds=90)
        kill(dozed)
        ended = last_end(recorded(hung))
        assert told(ended) == ("crash", "hung", "certain")
        assert "the plugin Deaths" in ended["why"]["text"]
        assert "Signal 9 (SIGKILL) ended the process." in evidence(ended)
        assert told(last_end(recorded(dozed))) == ("crash", "killed", "certain")


@pytest.mark.alone
class TestOutOfMemory:
    LIMIT_BYTES = 400_000_000

    @pytest.fixture
    def memory_group(self):
        """A control group with little memory."""
        first = Path("/sys/fs/cgroup/memory")
        group = (first if first.exists() else Path("/sys/fs/cgroup")) / f"uptime-{uuid.uuid4()}"
        limit = "memory.limit_in_bytes" if first.exists() else "memory.max"
        try:
            group.mkdir()
            (group / limit).write_text(str(self.LIMIT_BYTES))
        except OSError as error:
            if os.environ.get("CI") == "true":
                raise
            pytest.skip(f"no memory control group: {error}")
        yield group
        group.rmdir()

    def test_the_kernel_ends_it(self, mortal, memory_group):
        server = mortal()
        admin = recorded(server)
        for process in (server.pid, witness_of(server).pid):
            (memory_group / "cgroup.procs").write_text(str(process))
        wait_for_report(server, lambda: die(admin, "leak"))
        ended = last_end(recorded(server))
        assert told(ended) == ("crash", "out_of_memory", "certain")
        assert ended["why"]["text"].startswith("Out of memory: the kernel killed OctoPrint")
        assert "Out-of-memory kills since the last heartbeat: 1." in evidence(ended)
        assert ended["end_exact"] is True


def device_number(path):
    device = path.stat().st_dev
    return f"{os.major(device)}:{os.minor(device)}"


def run(*command):
    subprocess.run(command, check=True)


def write_a_heartbeat(admin):
    """Let OctoPrint write one, as it does whenever the settings are saved."""
    body = {"plugins": {"octoprint_uptime": {"history_days": 90}}}
    admin.post("/api/settings", body).raise_for_status()


@contextlib.contextmanager
def frozen(folder):
    """A file system on which everything that writes waits."""
    opened = os.open(folder, os.O_RDONLY)
    fcntl.ioctl(opened, FIFREEZE, 0)
    try:
        yield
    finally:
        fcntl.ioctl(opened, FITHAW, 0)
        os.close(opened)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting takes root")
class TestDisk:
    @pytest.fixture
    def on_disk(self, mortal):
        """A factory of servers with the plugin's data on a small disk that the test mounts."""
        server = mortal()
        data = server.basedir / "data" / "octoprint_uptime"
        data.mkdir(parents=True)
        yield server, data
        server.stop()
        run("umount", data)

    def fill(self, data):
        with (data / "filler").open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))

    @pytest.mark.parametrize(
        ("death", "reason", "grade", "exact"),
        [
            # The file for the witness's report already existed.
            (kill, "killed", "certain", True),
            (cut_power, "disk_full", "possible", False),
        ],
    )
    def test_full(self, on_disk, death, reason, grade, exact):
        server, data = on_disk
        run("mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", data)
        recorded(server)
        self.fill(data)
        death(server)
        admin = self.started_again(server)
        (data / "filler").unlink()
        ended = self.known_end(admin)
        assert told(ended) == ("crash", reason, grade)
        assert "Disk space left afterwards: 0 MB." in evidence(ended)
        assert ended["end_exact"] is exact

    @pytest.fixture
    def card(self, tmp_path):
        """An image of a card with a file system."""
        image = tmp_path / "card"
        with image.open("wb") as file:
            file.truncate(16_000_000)
        run("mkfs.ext4", "-q", image)
        return image

    def test_slow(self, on_disk, card):
        """A file system that is frozen keeps no request waiting, and loses nothing."""
        server, data = on_disk
        run("mount", "-o", "loop", card, data)
        admin = recorded(server)
        admin.requests.headers["Accept-Language"] = "de"
        with frozen(data):
            write_a_heartbeat(admin)
            wait_for(lambda: admin.get(HISTORY).status_code == 503)
            for refused in (admin.get(HISTORY), admin.post(API, {"command": "acknowledge"})):
                assert refused.json()["error"] == (
                    "Der Verlauf ist nicht verfügbar: der Datenträger antwortet nur langsam."
                )
            assert admin.get(API).json()["uptime_available"] is True
        wait_for(lambda: admin.get(HISTORY).status_code == 200)

    @pytest.mark.alone
    def test_read_only(self, on_disk, card):
        """The kernel finds an error in the file system and makes it read-only."""
        server, data = on_disk
        run("mount", "-o", "loop,errors=remount-ro", card, data)
        recorded(server)
        (device,) = Path("/sys/dev/block").glob(device_number(data))
        error = f"/sys/fs/ext4/{device.resolve().name}/trigger_fs_error"
        Path(error).write_text("an error of the test's")
        server.stop(signal.SIGKILL)
        self.started_again(server)
        server.stop()
        run("umount", data)
        run("mount", "-o", "loop", card, data)
        ended = last_end(recorded(server))
        assert told(ended) == ("crash", "disk_read_only", "possible")
        assert "New file system errors: 1." in evidence(ended)

    def started_again(self, server):
        """The server, once it has collected the evidence and failed to write."""
        server.start()
        admin = server.login("admin", PASSWORD)
        wait_for(lambda: "not been opened yet" not in admin.get(HISTORY).text)
        return admin

    def known_end(self, admin):
        """How the last run ended, once the disk can be written again."""
        write_a_heartbeat(admin)
        wait_for(lambda: admin.get(HISTORY).status_code == 200)
        return last_end(admin)


class TestOtherBoots:
    def test_a_crash_with_a_witness_is_no_power_loss(self, on_board):
        server = on_board()
        recorded(server)
        kill(server)
        boot(server, "second", age=100)
        admin = recorded(server)
        answer = admin.get(HISTORY).json()
        assert told(answer["octoprint"][1]) == ("crash", "killed", "certain")
        assert answer["octoprint"][1]["end_exact"] is True
        host = answer["system"][1]
        assert told(host) == ("unknown", "unknown", "unknown")
        assert (host["end_exact"], host["downtime_seconds"]) == (False, None)
        assert "Nothing recorded shows how the host went down" in host["why"]["text"]
        assert answer["summary"]["system"]["ends"]["power_loss"] == 0
        assert answer["summary"]["octoprint"]["ends"]["crash"] == 1
        counted = metrics(admin)
        assert counted['octoprint_uptime_ends_total{end="unknown",subject="system"}'] == 1
        assert counted['octoprint_uptime_ends_total{end="power_loss",subject="system"}'] == 0

    def test_power_loss(self, on_board):
        server = on_board()
        recorded(server)
        cut_power(server)
        boot(server, "second", age=100)
        answer = recorded(server).get(HISTORY).json()
        assert told(answer["octoprint"][1]) == ("power_loss", "unknown", "unknown")
        assert told(answer["system"][1]) == ("power_loss", "unknown", "unknown")

    def test_a_log_that_was_torn(self, on_board):
        server = on_board()
        recorded(server)
        cut_power(server)
        with (server.basedir / "logs" / "octoprint.log").open("ab") as log:
            log.write(bytes(512))
        boot(server, "second", age=100)
        ended = last_end(recorded(server))
        assert told(ended) == ("power_loss", "power_cut", "possible")


class TestPlannedEnds:
    def test_stopped(self, mortal):
        server = mortal()
        recorded(server)
        server.stop()
        ended = last_end(recorded(server))
        assert told(ended) == ("restart", "requested", "certain")
        assert ended["why"]["vitals"] == []

    def test_an_update(self, mortal):
        server = mortal()
        recorded(server)
        server.stop()
        plugin = server.basedir / "plugins" / "deaths.py"
        plugin.write_text(plugin.read_text().replace('"1.0"', '"1.1"'))
        ended = last_end(recorded(server))
        assert told(ended) == ("restart", "update", "certain")
        assert ended["why"]["text"] == "Software changed before the next start: Deaths 1.0 to 1.1."

    def test_an_update_of_octoprint(self, mortal):
        server = mortal()
        recorded(server)
        server.stop()
        file = server.basedir / "data" / "octoprint_uptime" / "history.db"
        with contextlib.closing(sqlite3.connect(file)) as database, database:
            # As the previous version would have left it.
            database.execute("UPDATE versions SET version = '1.9.9' WHERE name = 'OctoPrint'")
        ended = last_end(recorded(server))
        assert told(ended) == ("restart", "update", "certain")
        newer = version("OctoPrint")
        assert (
            ended["why"]["text"]
            == f"Software changed before the next start: OctoPrint 1.9.9 to {newer}."
        )


class TestWitness:
    def test_it_holds_nothing_and_ignores_the_end_of_the_service(self, mortal):
        server = mortal()
        recorded(server)
        witness = witness_of(server)
        assert witness.cwd() == "/"
        open_files = {str(fd.readlink()) for fd in Path(f"/proc/{witness.pid}/fd").iterdir()}
        assert {name for name in open_files if not name.startswith("pipe:")} == {"/dev/null"}
        witness.send_signal(signal.SIGTERM)
        kill(server)
        assert told(last_end(recorded(server))) == ("crash", "killed", "certain")

    def test_a_goodbye_ends_it(self, mortal):
        server = mortal()
        recorded(server)
        witness = witness_of(server)
        server.stop()
        wait_for(lambda: not witness.is_running())

    def test_the_setting_ends_and_starts_it(self, mortal):
        server = mortal()
        admin = recorded(server)
        witness = witness_of(server)

        def want(wanted):
            body = {"plugins": {"octoprint_uptime": {"witness": wanted}}}
            admin.post("/api/settings", body).raise_for_status()

        want(False)
        assert not witness.is_running()
        want(True)
        kill(server)
        assert last_end(recorded(server))["end_exact"] is True

    def test_a_name_runs_nothing(self, mortal, tmp_path):
        moved = tmp_path / "$(touch ran);`touch ran`; touch ran '\""
        mortal().basedir.rename(moved)
        server = OctoPrintServer(moved)
        try:
            recorded(server)
            kill(server)
            assert told(last_end(recorded(server))) == ("crash", "killed", "certain")
        finally:
            server.stop()
        assert not Path("/ran").exists()


def test_without_the_permission_no_reason_is_told(mortal):
    server = mortal()
    recorded(server)
    kill(server)
    admin = recorded(server)
    why = admin.get(API).json()["unacknowledged_end"]["why"]
    assert (why["reason"], why["grade"]) == ("killed", "certain")
    assert why["text"] == "OctoPrint was killed by signal 9 (SIGKILL)."
    admin.requests.cookies.clear()
    assert "killed" not in admin.get(API).text + admin.get(HISTORY).text


def test_the_last_words_stay_few_and_out_of_backups(mortal):
    server = mortal()
    for _ in range(5):
        recorded(server)
        server.stop()
    assert len(list((server.basedir / "data/octoprint_uptime/last_words").iterdir())) <= 4
