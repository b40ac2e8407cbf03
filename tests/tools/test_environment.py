"""`make` first checks that everything it needs is there, and names what is missing."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOBODY = 65534
# Nothing else of the environment, so that no settings lead pip elsewhere.
PLAIN = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}


def see_to(*packages, path=PLAIN["PATH"], **options):
    return subprocess.run(
        [shutil.which("bash"), ROOT / "tools" / "debian.sh", *packages],
        env={**PLAIN, "PATH": path},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        **options,
    )


def without_root(**options):
    return {"user": NOBODY, "group": NOBODY, **options} if os.geteuid() == 0 else options


class TestWhatDebianBrings:
    def test_what_is_there_is_not_asked_for(self):
        file = ROOT / "setup.py"
        done = see_to("bash", "some-shell=bash", f"some-file={file}", **without_root(cwd="/"))
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

    def test_all_that_is_missing_is_in_one_command(self):
        done = see_to("no-such-a", "bash", "no-such-b=/no/such/file", **without_root(cwd="/"))
        assert done.returncode == 1
        assert done.stderr == (
            "Missing here: no-such-a no-such-b;"
            " on Debian, type: sudo apt install no-such-a no-such-b\n"
        )

    def test_elsewhere_than_on_debian_root_is_told_the_same(self, tmp_path):
        for command in ("bash", "id"):
            (tmp_path / command).symlink_to(shutil.which(command))
        done = see_to("no-such-a", path=str(tmp_path))
        assert done.returncode == 1
        assert "sudo apt install no-such-a" in done.stderr


@pytest.fixture
def index():
    """A package index that accepts requests and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


@contextlib.contextmanager
def making(folder, index):
    """Run tools/venv.sh until pip has asked the index for a package."""
    command = ["tools/venv.sh", folder, sys.executable, "1.11.8", ""]
    url = f"http://127.0.0.1:{index.getsockname()[1]}/simple"
    with subprocess.Popen(
        [str(word) for word in command],
        cwd=ROOT,
        env={**PLAIN, "PIP_INDEX_URL": url, "PIP_CONFIG_FILE": os.devnull, "PIP_RETRIES": "0"},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        index.settimeout(120)
        asking, _ = index.accept()
        with asking:
            asking.settimeout(120)
            assert asking.recv(65536).startswith(b"GET /simple/")
            yield process, asking


@pytest.fixture
def interruptible():
    """Undo that a shell's background processes, and their children, ignore SIGINT."""
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, former)


@pytest.mark.usefixtures("interruptible")
class TestEnvironment:
    @pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
    def test_when_interrupted_nothing_is_left(self, tmp_path, index, by):
        folder = tmp_path / "venv"
        with making(folder, index) as (process, asking):
            assert folder.exists()
            # As Ctrl-C does, and make when it is terminated.
            os.killpg(process.pid, by) if by == signal.SIGINT else process.send_signal(by)
            assert process.wait(60) == 128 + by
            assert not folder.exists()
            assert asking.recv(1) == b"", "pip is still running"

    def test_when_pip_fails_nothing_is_left(self, tmp_path, index):
        folder = tmp_path / "venv"
        with making(folder, index) as (process, asking):
            asking.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            assert process.wait(60) == 1
            assert "OctoPrint 1.11.8 cannot be installed for Python" in process.stderr.read()
        assert not folder.exists()

    def test_an_environment_cut_off_by_a_power_loss_is_rebuilt(self, tmp_path, index):
        folder = tmp_path / "venv"
        half_made = folder / "bin" / "python"
        half_made.parent.mkdir(parents=True)
        half_made.write_text("")
        half_made.chmod(0o755)
        with making(folder, index) as (process, _):
            assert half_made.stat().st_size > 0
            process.terminate()
