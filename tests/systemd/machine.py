"""A machine made of namespaces in which a real systemd runs OctoPrint as a service."""

from __future__ import annotations

import contextlib
import os
import signal
import struct
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil
from helpers import wait_for
from shared.octoprint_server import OctoPrintServer

HERE = Path(__file__).parent
CHECKOUT = HERE.parent.parent
SERVICE = "octoprint.service"
ANSWER_TIMEOUT_SECONDS = 120
OFF_TIMEOUT_SECONDS = 120

TARGET = """\
[Unit]
Requires=basic.target systemd-journald.service dbus.service systemd-logind.service
Wants=systemd-tmpfiles-setup.service octoprint.service
After=basic.target
"""
# OctoPi's unit, which does not restart OctoPrint after a crash.
OCTOPRINT = """\
[Unit]
Description=The snappy web interface for your 3D printer
After={network} systemd-tmpfiles-setup.service
Wants={network}

[Service]
Environment=LC_ALL=C.UTF-8
Environment=LANG=C.UTF-8
Type=exec
User=owner
ExecStart={octoprint} --basedir /home/owner/.octoprint serve --host 127.0.0.1 --port {port}
"""
# OctoPi's unit names a target that does not exist, so it waits for nothing, and a shutdown stops
# D-Bus together with it.
NO_NETWORK = "network.online.target"
# OctoPrint's own unit names the right one. Where that waits for NetworkManager, which needs D-Bus,
# D-Bus is stopped after OctoPrint.
REAL_NETWORK = "network-online.target"
# Stands in for NetworkManager's.
NETWORK = """\
[Unit]
After=dbus.service
Before=network-online.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/true
"""
# The hierarchies of control groups that systemd needs, with their mount options, in version 1.
# Version 2 has a single hierarchy.
HIERARCHIES = {"name=systemd": "none,name=systemd", "memory": "memory"}
JOIN = 'for group in $CONTROL_GROUPS; do echo $$ >"$group/cgroup.procs"; done; exec "$@"'


class Machine:
    """A host that can be switched on and off, and whose power can be cut.

    Args:
        folder: Where its disk and its runtime files are.
        service: Lines of the section ``[Service]`` besides OctoPi's.
        waits_for_network: Whether OctoPrint waits for the network, so that D-Bus outlasts it
            when the machine goes down.
    """

    def __init__(self, folder: Path, *service: str, waits_for_network: bool = False) -> None:
        self.folder = folder
        self.server = OctoPrintServer(folder / "disk" / ".octoprint")
        self._power: subprocess.Popen | None = None
        self._groups: list[Path] = []
        (folder / "root").mkdir()
        (folder / "machine-id").write_text(f"{uuid.uuid4().hex}\n")
        self._write_units(service, waits_for_network)

    def boot(self) -> None:
        """Switch it on and wait until OctoPrint answers."""
        assert self._power is None, "It is on."
        (self.folder / "boot_id").write_text(f"{uuid.uuid4()}\n")
        (self.folder / "kernel-seqnum").write_bytes(struct.pack("=Q", next_kernel_message()))
        self._make_control_groups()
        with self._console.open("ab") as console:
            self._power = subprocess.Popen(
                switching_on(self.folder),
                env={**os.environ, "CONTROL_GROUPS": " ".join(map(str, self._groups))},
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
            )
        self._wait_for_octoprint()

    def reboot(self) -> None:
        """Reboot it cleanly and wait until OctoPrint answers again."""
        self.run("systemctl", "reboot", check=False)
        self._wait_until_off(signal.SIGHUP)
        self.boot()

    def power_off(self) -> None:
        self.run("systemctl", "poweroff", check=False)
        self._wait_until_off(signal.SIGINT)

    def cut_power(self) -> None:
        """End everything in it at once; does nothing if it is off."""
        if self._power is None:
            return
        with contextlib.suppress(IndexError, psutil.NoSuchProcess, ProcessLookupError):
            os.kill(self._first_process(), signal.SIGKILL)
        self._wait_until_off()

    def run(self, *command: str, user: str = "root", check: bool = True) -> str:
        """Run a command in it and return what that prints."""
        done = subprocess.run(
            [
                *("nsenter", "--target", str(self._first_process()), "--all", "--"),
                *("setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups"),
                *("env", "--ignore-environment", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"),
                *command,
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}")
        return done.stdout

    def start(self) -> None:
        self.run("systemctl", "start", SERVICE)
        self._wait_for_octoprint()

    def stop(self) -> None:
        self.run("systemctl", "stop", SERVICE)

    def restart(self) -> None:
        self.run("systemctl", "restart", SERVICE)
        self._wait_for_octoprint()

    def kill(self) -> None:
        """Kill OctoPrint's process, and no other of its service."""
        self.run("systemctl", "kill", "--signal=KILL", "--kill-who=main", SERVICE)

    def service_property(self, name: str) -> str:
        """A property of OctoPrint's service, as systemd shows it."""
        return self.run("systemctl", "show", "--value", f"--property={name}", SERVICE).strip()

    def wait_until_dead(self) -> None:
        """Wait until nothing of the service runs or will be restarted."""
        wait_for(lambda: self.service_property("ActiveState") in ("failed", "inactive"))

    def wait_until_back(self) -> None:
        """Wait until systemd has restarted it."""
        wait_for(lambda: self.service_property("NRestarts") != "0")
        self._wait_for_octoprint()

    def log(self) -> str:
        """Its console, its journal if it is on, and OctoPrint's own log."""
        octoprint = self.server.basedir / "logs" / "octoprint.log"
        logs = [self._console.read_text(errors="replace")]
        if self._is_on():
            with contextlib.suppress(IndexError, psutil.NoSuchProcess):  # it is shutting down
                logs.append(self.run("journalctl", "--boot", check=False))
        if octoprint.exists():
            logs.append(octoprint.read_text(errors="replace"))
        return "\n".join(logs)

    @property
    def _console(self) -> Path:
        return self.folder / "console.log"

    def _write_units(self, service: tuple[str, ...], waits_for_network: bool) -> None:
        units = self.folder / "units"
        units.mkdir()
        octoprint = Path(sys.executable).parent / "octoprint"
        network = REAL_NETWORK if waits_for_network else NO_NETWORK
        unit = OCTOPRINT.format(network=network, octoprint=octoprint, port=self.server.port)
        (units / SERVICE).write_text(unit + "".join(f"{line}\n" for line in service))
        (units / "machine.target").write_text(TARGET)
        if waits_for_network:
            wants = units / f"{REAL_NETWORK}.wants"
            wants.mkdir()
            (units / "network.service").write_text(NETWORK)
            (wants / "network.service").symlink_to("../network.service")

    def _make_control_groups(self) -> None:
        mounts = ""
        for kind, options, folder in control_group_mounts():
            group = Path(folder, f"octoprint-uptime-{os.getpid()}-{self.server.port}")
            group.mkdir()
            self._groups.append(group)
            mounts += f"{kind} {options} {folder}\n"
        (self.folder / "cgroups").write_text(mounts)

    def _is_on(self) -> bool:
        return self._power is not None and self._power.poll() is None

    def _first_process(self) -> int:
        """Its process id on the host."""
        assert self._power is not None, "It is off."
        return psutil.Process(self._power.pid).children()[0].pid

    def _wait_for_octoprint(self) -> None:
        wait_for(lambda: not self._is_on() or self.server.answers(), ANSWER_TIMEOUT_SECONDS)
        if not self._is_on():
            raise RuntimeError(f"The machine went off:\n{self.log()}")

    def _wait_until_off(self, expected: int | None = None) -> None:
        """Wait for the first process: the kernel's signal to it tells a reboot from a halt."""
        assert self._power is not None
        ended = -self._power.wait(OFF_TIMEOUT_SECONDS)
        self._power = None
        while self._groups:
            remove_control_group(self._groups.pop())
        if expected and ended != expected:
            raise RuntimeError(f"The machine went off with {ended}:\n{self.log()}")


def switching_on(folder: Path) -> list[str]:
    """The command whose process is the machine, which ends with it or with its parent.

    Its clocks start at the boot, as on any machine.
    """
    return [
        *("setpriv", "--pdeathsig=KILL"),
        *("sh", "-euc", JOIN, "join"),
        *("unshare", "--mount", "--pid", "--fork", "--kill-child"),
        *("--cgroup", "--ipc", "--uts", "--time"),
        f"--boottime={-int(time.clock_gettime(time.CLOCK_BOOTTIME))}",
        f"--monotonic={-int(time.monotonic())}",
        *("--", str(HERE / "first_process.sh")),
        *(str(folder), str(CHECKOUT), sys.base_prefix),
    ]


def next_kernel_message() -> int:
    """The number of the kernel's next message; earlier ones are from before this boot."""
    number = 0
    messages = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
    try:
        while True:
            # Broken is the pipe where the next message has been overwritten; the read after it
            # goes on with the oldest.
            with contextlib.suppress(BrokenPipeError):
                number = int(os.read(messages, 8192).split(b",", 2)[1]) + 1
    except BlockingIOError:
        return number
    finally:
        os.close(messages)


def control_group_mounts() -> Iterator[tuple[str, str, str]]:
    """The type, options and folder of each hierarchy in which the machine gets a group."""
    for line in Path("/proc/mounts").read_text().splitlines():
        _, folder, kind, options, *_ = line.split()
        if kind == "cgroup2":
            yield kind, "rw", folder
        elif kind == "cgroup":
            for name in HIERARCHIES.keys() & set(options.split(",")):
                yield kind, HIERARCHIES[name], folder


def remove_control_group(group: Path) -> None:
    """Remove an empty control group and those below it."""
    for below in sorted(group.glob("**/"), reverse=True):
        below.rmdir()
