"""Measure what the plugin costs: requests a second beside an empty plugin, import and start.

Both plugins run in one real server and get requests in turn, so that other load on the machine
affects both. Only the ratios are comparable between machines.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import wear
from shared import sample_history
from shared.octoprint_server import QUIET_CONFIG, OctoPrintServer, Session

from octoprint_uptime.history.outlook import Outlook
from octoprint_uptime.history.record import HOUR_SECONDS, HOURS_KEPT, History, Instant, NewRun
from octoprint_uptime.telling import health
from octoprint_uptime.why.host import HostState

ROUNDS = 40
ROUND_SECONDS = 1
STARTS = 7
HISTORIES = 40
HISTORY_DAYS = 90
RESTARTS_A_DAY = 20
HISTORY_TARGET_SECONDS = 0.06
SCRAPES = 300
SCRAPE_TARGET_SECONDS = 0.005
SCRAPE_TARGET_BYTES = 10_000
WEAR_TARGET_BYTES = 10_000_000
VITALS_TARGET_SECONDS = 0.001
HEALTH_LOOKS = 40
HEALTH_TARGET_SECONDS = 0.03
IMPORTS = 15
COMMANDS = 7
COMMAND_TARGET_SECONDS = 0.5
TARGET = 0.95
BLACK_HOLE_ROUNDS = 40
BLACK_HOLE_TARGET = 0.98

CONTROL_PLUGIN = """
import flask
import octoprint.plugin


class EmptyPlugin(octoprint.plugin.SimpleApiPlugin):
    def is_api_protected(self):
        return True

    def on_api_get(self, request):
        return flask.jsonify({})


__plugin_name__ = "Empty"
__plugin_pythoncompat__ = ">=3"
__plugin_implementation__ = EmptyPlugin()
"""

# A thread like the printer's: it wakes up every few milliseconds and records its longest delay.
PROBE_PLUGIN = """
import threading
import time

import flask
import octoprint.plugin

PAUSE_SECONDS = 0.002


class ProbePlugin(octoprint.plugin.SimpleApiPlugin, octoprint.plugin.StartupPlugin):
    def __init__(self):
        self.latest = 0.0

    def on_after_startup(self):
        threading.Thread(target=self.probe, daemon=True).start()

    def probe(self):
        while True:
            before = time.perf_counter()
            time.sleep(PAUSE_SECONDS)
            self.latest = max(self.latest, time.perf_counter() - before - PAUSE_SECONDS)

    def is_api_protected(self):
        return True

    def on_api_get(self, request):
        latest, self.latest = self.latest, 0.0
        return flask.jsonify(latest=latest)


__plugin_name__ = "Probe"
__plugin_pythoncompat__ = ">=3"
__plugin_implementation__ = ProbePlugin()
"""

METRICS = "/plugin/octoprint_uptime/metrics"

IMPORT = """
import time
import octoprint.plugin, octoprint.access.permissions, octoprint.events, flask_babel, psutil
start = time.perf_counter()
import octoprint_uptime
octoprint_uptime.UptimeReader()
print(time.perf_counter() - start)
"""


def requests_per_second(url: str, api_key: str) -> float:
    """Run one round of wrk with four kept-alive connections."""
    report = subprocess.run(
        ["wrk", "-t1", "-c4", f"-d{ROUND_SECONDS}s", "-H", f"X-Api-Key: {api_key}", url],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    if "Non-2xx" in report:
        raise RuntimeError(report)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", report)
    assert rate is not None, report
    return float(rate.group(1))


def bench_requests(server: OctoPrintServer, api_key: str) -> float:
    urls = {
        "plugin": f"{server.url}/api/plugin/octoprint_uptime",
        "control": f"{server.url}/api/plugin/empty",
    }
    for url in urls.values():
        requests_per_second(url, api_key)
    ratios: list[float] = []
    cpu_ratios: list[float] = []
    process = psutil.Process(server.pid)
    print(f"requests a second, {ROUNDS} rounds of {ROUND_SECONDS} s, 4 kept-alive connections")
    for number in range(ROUNDS):
        rates: dict[str, float] = {}
        cpu: dict[str, float] = {}
        for name in sorted(urls, reverse=bool(number % 2)):
            before = sum(process.cpu_times())
            rates[name] = requests_per_second(urls[name], api_key)
            cpu[name] = (sum(process.cpu_times()) - before) / rates[name]
        ratios.append(rates["plugin"] / rates["control"])
        cpu_ratios.append(cpu["control"] / cpu["plugin"])
        print(
            f"  round {number + 1}: plugin {rates['plugin']:.0f}, control"
            f" {rates['control']:.0f}, ratio {ratios[-1]:.3f}; by CPU time {cpu_ratios[-1]:.3f}"
        )
    median = statistics.median(ratios)
    print(
        f"  median ratio {median:.3f} (target {TARGET});"
        f" by CPU time {statistics.median(cpu_ratios):.3f}"
    )
    return median


def bench_black_hole(server: OctoPrintServer, session: Session, api_key: str) -> float:
    """Return requests a second while a ping waits for a silent monitor, relative to no pings."""
    url = f"{server.url}/api/plugin/octoprint_uptime"
    process = psutil.Process(server.pid)
    ratios: list[float] = []
    cpu_ratios: list[float] = []
    waiting = []
    with socket.create_server(("127.0.0.1", 0)) as hole:
        for number in range(BLACK_HOLE_ROUNDS):
            # A new address each time, as each gets at most five pings a minute.
            monitor = f"http://127.0.0.1:{hole.getsockname()[1]}/{number}"
            rates: dict[str, float] = {}
            cpu: dict[str, float] = {}
            for ping_url in sorted(("", monitor), reverse=bool(number % 2)):
                settings = {"plugins": {"octoprint_uptime": {"ping_url": ping_url}}}
                session.post("/api/settings", settings).raise_for_status()
                if ping_url:
                    waiting.append(hole.accept())  # and never answer
                before = sum(process.cpu_times())
                rates[ping_url] = requests_per_second(url, api_key)
                cpu[ping_url] = (sum(process.cpu_times()) - before) / rates[ping_url]
            ratios.append(rates[monitor] / rates[""])
            cpu_ratios.append(cpu[""] / cpu[monitor])
    median = statistics.median(ratios)
    print(
        f"requests a second with a monitor that never answers: median ratio {median:.3f} of"
        f" {BLACK_HOLE_ROUNDS} rounds (target {BLACK_HOLE_TARGET});"
        f" by CPU time {statistics.median(cpu_ratios):.3f}"
    )
    return median


def latest(session: Session) -> float:
    """Return the longest delay of the probe's thread since the last call, in seconds."""
    return session.get("/api/plugin/probe").json()["latest"]


def bench_scrapes(server: OctoPrintServer, session: Session, history: str) -> bool:
    """Measure the server's CPU time for scrapes. Return whether the targets are met."""
    process = psutil.Process(server.pid)
    cost = {}
    for name, path in (("metrics", METRICS), ("empty", "/api/plugin/empty")):
        session.get(path).raise_for_status()
        before = sum(process.cpu_times())
        for _ in range(SCRAPES):
            session.get(path)
        cost[name] = (sum(process.cpu_times()) - before) / SCRAPES
    size = len(session.get(METRICS).content)
    print(
        f"a scrape, {history}: {cost['metrics'] * 1000:.1f} ms of the server's CPU, mean of"
        f" {SCRAPES} (target {SCRAPE_TARGET_SECONDS * 1000:.0f} ms; an empty request takes"
        f" {cost['empty'] * 1000:.1f} ms); {size / 1000:.1f} KB"
    )
    return cost["metrics"] <= SCRAPE_TARGET_SECONDS and size <= SCRAPE_TARGET_BYTES


def bench_history(folder: Path) -> bool:
    server = OctoPrintServer(folder / "history")
    server.configure(devel={"enableRateLimiter": False})
    (server.basedir / "plugins").mkdir()
    (server.basedir / "plugins" / "empty.py").write_text(CONTROL_PLUGIN)
    (server.basedir / "plugins" / "probe.py").write_text(PROBE_PLUGIN)
    server.add_admin("bench", "bench")
    sample_history.write(
        server.basedir / "data" / "octoprint_uptime" / "history.db",
        until=psutil.boot_time() - 60,
        days=HISTORY_DAYS - 1,
        ends_a_day=RESTARTS_A_DAY,
    )
    times: list[float] = []
    late: dict[str, list[float]] = {"history": [], "empty": []}
    with server.running():
        session = server.login("bench", "bench")
        for _ in range(HISTORIES):
            latest(session)
            session.get("/api/plugin/empty").raise_for_status()
            late["empty"].append(latest(session))
            started = time.perf_counter()
            response = session.get(f"/plugin/octoprint_uptime/history?days={HISTORY_DAYS}")
            times.append(time.perf_counter() - started)
            late["history"].append(latest(session))
        scrapes = bench_scrapes(
            server, session, f"with {len(response.json()['octoprint'])} runs in the history"
        )
    median = statistics.median(times)
    print(
        f"history of {HISTORY_DAYS} days, {len(response.json()['octoprint'])} runs,"
        f" {len(response.content) / 1000:.0f} KB: {median * 1000:.1f} ms, median of {HISTORIES}"
        f" (target {HISTORY_TARGET_SECONDS * 1000:.0f} ms)"
    )
    for name, worst in late.items():
        print(
            f"  another thread meanwhile, {name}: at worst"
            f" {statistics.median(worst) * 1000:.1f} ms late, median of {HISTORIES}"
        )
    return median < HISTORY_TARGET_SECONDS and scrapes


def bench_health(folder: Path) -> bool:
    """Measure all health checks, with that history and two weeks of hours."""
    path = folder / "health" / "history.db"
    sample_history.write(
        path, until=time.time() - 60, days=HISTORY_DAYS - 1, ends_a_day=RESTARTS_A_DAY
    )
    with contextlib.closing(History(path)) as history:
        now = Instant(HOURS_KEPT * HOUR_SECONDS, time.time())
        with history.transaction():
            history.begin(NewRun("bench", 0.0, "1.11.8"), now)
            for number in range(1, HOURS_KEPT + 1):
                history.beat(number * HOUR_SECONDS, sample_history.WELL)
                history.keep_hour(number * HOUR_SECONDS, HostState(clock_set=True, network=True))
        history.records()
        began = time.process_time()
        for _ in range(HEALTH_LOOKS):
            past = Outlook(history.records(), history.hours(), now, clock_set=True)
            look = health.Look(sample_history.WELL, HostState(), lambda: True, past)
            for rule in health.RULES.values():
                rule(look)
        seconds = (time.process_time() - began) / HEALTH_LOOKS
        print(
            f"all checks of the health check, {len(history.records().runs)} runs:"
            f" {seconds * 1000:.1f} ms of CPU (target {HEALTH_TARGET_SECONDS * 1000:.0f} ms)"
        )
    return seconds <= HEALTH_TARGET_SECONDS


def bench_commands(folder: Path) -> bool:
    """Measure what a command adds to OctoPrint's own loading, with that history."""
    base = folder / "commands"
    sample_history.write(
        base / "data" / "octoprint_uptime" / "history.db",
        until=time.time() - 60,
        days=HISTORY_DAYS - 1,
        ends_a_day=RESTARTS_A_DAY,
    )
    (base / "config.yaml").write_text("{}")
    plugins = [sys.executable, "-m", "octoprint", "--basedir", str(base), "plugins"]
    commands = {
        "loading": [*plugins, "--help"],
        **{name: [*plugins, f"octoprint_uptime:{name}"] for name in ("why", "history", "report")},
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(COMMANDS + 1):
        for name, command in commands.items():
            started = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            if number:  # the first run fills the system's caches
                times[name].append(time.perf_counter() - started)
    loading = statistics.median(times.pop("loading"))
    added = {name: statistics.median(measured) - loading for name, measured in times.items()}
    told = ", ".join(f"{name} {seconds * 1000:+.0f} ms" for name, seconds in added.items())
    print(
        f"octoprint plugins: {loading:.2f} s to load, {told}, medians of {COMMANDS}"
        f" (target {COMMAND_TARGET_SECONDS * 1000:.0f} ms)"
    )
    return max(added.values()) <= COMMAND_TARGET_SECONDS


def bench_import() -> None:
    times = [
        float(
            subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, check=True).stdout
        )
        for _ in range(IMPORTS)
    ]
    print(
        f"import and first reading: {statistics.median(times) * 1000:.1f} ms, median of {IMPORTS}"
    )


def seconds_to_start(server: OctoPrintServer) -> float:
    started = time.perf_counter()
    with server.running():
        return time.perf_counter() - started


def bench_start(folder: Path) -> None:
    with_plugin = OctoPrintServer(folder / "with")
    with_plugin.configure()
    without = OctoPrintServer(folder / "without")
    disabled = [*QUIET_CONFIG["plugins"]["_disabled"], "octoprint_uptime"]
    without.configure(plugins={"_disabled": disabled})
    times: dict[OctoPrintServer, list[float]] = {with_plugin: [], without: []}
    for number in range(STARTS + 1):
        for server, measured in times.items():
            seconds = seconds_to_start(server)
            if number:  # the first start fills OctoPrint's caches
                measured.append(seconds)
    medians = {server: statistics.median(measured) for server, measured in times.items()}
    added = medians[with_plugin] - medians[without]
    print(
        f"start of OctoPrint: {medians[with_plugin]:.2f} s with the plugin,"
        f" {medians[without]:.2f} s without, {added * 1000:+.0f} ms, medians of {STARTS}"
    )


def bench_heartbeats() -> bool:
    written, cpu = wear.day_of_heartbeats(), wear.seconds_of_vitals()
    print(
        f"written to the disk by heartbeats: {written / 1e6:.1f} MB a day"
        f" (target {WEAR_TARGET_BYTES / 1e6:.0f} MB)"
    )
    print(
        f"vital signs of a heartbeat: {cpu * 1e6:.0f} µs of CPU"
        f" (target {VITALS_TARGET_SECONDS * 1e6:.0f} µs)"
    )
    return written <= WEAR_TARGET_BYTES and cpu <= VITALS_TARGET_SECONDS


def api_key_of(server: OctoPrintServer) -> str:
    session: Session = server.login("bench", "bench")
    return session.post("/api/access/users/bench/apikey").json()["apikey"]


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = OctoPrintServer(folder / "server")
        server.configure(devel={"enableRateLimiter": False})
        (server.basedir / "plugins").mkdir()
        (server.basedir / "plugins" / "empty.py").write_text(CONTROL_PLUGIN)
        server.add_admin("bench", "bench")
        cores = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {min(cores)})  # the server and its threads inherit it
        with server.running():
            os.sched_setaffinity(0, cores - {min(cores)} or cores)
            api_key = api_key_of(server)
            ratio = bench_requests(server, api_key)
            with_black_hole = bench_black_hole(server, server.login("bench", "bench"), api_key)
            scrapes = bench_scrapes(server, server.login("bench", "bench"), "on the first day")
        os.sched_setaffinity(0, cores)
        history = bench_history(folder)
        healthy = bench_health(folder)
        commands = bench_commands(folder)
        bench_import()
        bench_start(folder)
    heartbeats = bench_heartbeats()
    fast = ratio >= TARGET and with_black_hole >= BLACK_HOLE_TARGET
    return 0 if fast and scrapes and history and healthy and commands and heartbeats else 1


if __name__ == "__main__":
    sys.exit(main())
