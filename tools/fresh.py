"""Run the README's two commands as a newcomer would, in a bare Debian.

From this machine, that Debian gets only the access to package registries: name servers,
certificates and the settings of a proxy or a mirror. This needs root, for namespaces.
"""

from __future__ import annotations

import contextlib
import http.cookiejar
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
PACKAGES = "python3,python3-venv,make,git,ca-certificates"
FOLDER = "/srv/OctoPrint-Uptime"
NOBODY = "65534"
# These settings tell package managers how to reach registries.
REGISTRY_SETTINGS = re.compile(
    r".*_proxy|pip_(cert|index_url)|(ssl|requests|curl|node_extra)_(cert_file|ca_bundle|ca_certs)"
    r"|npm_config_registry|ci",
    re.IGNORECASE,
)
CERTIFICATES = Path("etc/ssl/certs/ca-certificates.crt")
# Separate namespaces: mounts and processes there end with the first process.
# The host's uptime there is a month, so that no test depends on when this machine booted.
ENTER = (
    *("unshare", "--mount", "--pid", "--fork", "--kill-child"),
    *("--time", f"--boottime={30 * 86400}", f"--monotonic={30 * 86400}", "--"),
    *("sh", "-euc"),
    """root=$1; shift
    mount -t proc proc "$root/proc"
    mount --rbind /sys "$root/sys"
    mount --rbind /dev "$root/dev"
    mount -t tmpfs tmpfs "$root/dev/shm"
    exec chroot "$root" "$@" """,
    "enter",
)
REFUSAL_TIMEOUT_SECONDS = 30


@contextlib.contextmanager
def bare_debian(suite: str) -> Iterator[Path]:
    """Yield the root of a new file system that contains a clone of HEAD."""
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix=f"fresh-{suite}-") as folder:
        root = Path(folder, "root")
        run("mmdebstrap", "--quiet", "--variant=minbase", f"--include={PACKAGES}", suite, root)
        for file in ("etc/resolv.conf", "etc/hosts", CERTIFICATES):
            shutil.copyfile(Path("/", file), root / file)
        run("git", "clone", "--quiet", "--no-local", CHECKOUT, f"{root}{FOLDER}")
        yield root


def run(*command: object) -> None:
    subprocess.run([str(word) for word in command], check=True)


def inside(root: Path, *command: str, user: str = "0") -> list[str]:
    """Wrap a command to run in the clone in that root, without our environment."""
    settings = [f"{k}={v}" for k, v in os.environ.items() if REGISTRY_SETTINGS.fullmatch(k)]
    return [
        *(*ENTER, str(root)),
        *("setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"),
        *("env", "--ignore-environment", f"--chdir={FOLDER}"),
        *("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"),
        *(f"HOME={'/root' if user == '0' else '/nonexistent'}", *settings),
        *command,
    ]


def refused_to_others(root: Path) -> None:
    """Check that other users are told at once which command to run."""
    done = subprocess.run(
        inside(root, "make", "demo", user=NOBODY),
        capture_output=True,
        text=True,
        timeout=REFUSAL_TIMEOUT_SECONDS,
        check=False,
    )
    if done.returncode == 0 or "sudo apt install gcc" not in done.stderr:
        sys.exit(f"make demo told a user who is not root:\n{done.stdout}{done.stderr}")


def demo(root: Path) -> None:
    """Start the demo, log in with its account, and request its page and its API."""
    with subprocess.Popen(
        inside(root, "make", "demo"), stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            ask(*announced(process))
        finally:
            process.kill()


def announced(process: subprocess.Popen) -> tuple[str, str, str]:
    """Return the address, the name and the password that the demo prints."""
    told = ""
    assert process.stdout is not None
    for line in process.stdout:
        told += line
        found = re.search(r"(http://\S+)\s+Sign in as (\S+) with the password (\S+)\.", told)
        if found:
            return found[1], found[2], found[3]
    sys.exit(f"make demo ended:\n{told}")


def ask(url: str, name: str, password: str) -> None:
    cookies = http.cookiejar.CookieJar()
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(cookies))
    # The login needs the CSRF cookie of the page.
    opener.open(url).read()
    (token,) = [cookie.value for cookie in cookies if cookie.name.startswith("csrf_token")]
    login = urllib.request.Request(
        f"{url}/api/login",
        json.dumps({"user": name, "pass": password}).encode(),
        {"Content-Type": "application/json", "X-CSRF-Token": token or ""},
    )
    opener.open(login).read()
    page = opener.open(url).read().decode()
    if 'id="navbar_plugin_octoprint_uptime"' not in page:
        sys.exit("The demo's page has no uptime in its navigation bar.")
    answer = json.load(opener.open(f"{url}/api/plugin/octoprint_uptime"))
    if not answer["uptime_available"]:
        sys.exit(f"The demo's API answers {answer}.")
    print(f"The demo answers: host {answer['uptime']}, OctoPrint {answer['octoprint_uptime']}")


def timed(suite: str, name: str, started: float) -> float:
    now = time.monotonic()
    print(f"{suite}: {name} took {now - started:.0f} s", flush=True)
    return now


def try_out(suite: str) -> None:
    at = time.monotonic()
    with bare_debian(suite) as root:
        at = timed(suite, "a bare Debian with a clone", at)
        refused_to_others(root)
        at = timed(suite, "being refused without root", at)
        demo(root)
        at = timed(suite, "make demo until it answers", at)
        run(*inside(root, "make", "test"))
        timed(suite, "make test", at)


def end(*_: object) -> None:
    """Stop like Ctrl-C does, which also ends the processes there and deletes the file system."""
    # make sends SIGTERM again in the meantime.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def main() -> None:
    if os.geteuid() != 0:
        sys.exit("make fresh needs root: sudo make fresh")
    signal.signal(signal.SIGTERM, end)
    for suite in sys.argv[1:]:
        try_out(suite)


if __name__ == "__main__":
    main()
