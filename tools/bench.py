"""What the plugin costs: requests a second beside an empty plugin, import and start.

Both plugins run in one real server and are asked in turn, so that whatever else the
machine does hits both. Only the ratios mean anything on another machine.
"""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from octoprint_server import QUIET_CONFIG, OctoPrintServer, Session

ROUNDS = 40
ROUND_SECONDS = 1
STARTS = 7
IMPORTS = 15
TARGET = 0.95

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

IMPORT = """
import time
import octoprint.plugin, octoprint.access.permissions, octoprint.events, flask_babel, psutil
start = time.perf_counter()
import octoprint_uptime
octoprint_uptime.UptimeReader()
print(time.perf_counter() - start)
"""


def requests_per_second(url: str, api_key: str) -> float:
    """One round of wrk: four kept-alive connections."""
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
        os.sched_setaffinity(0, {min(cores)})  # the server inherits it, threads and all
        with server.running():
            os.sched_setaffinity(0, cores - {min(cores)} or cores)
            ratio = bench_requests(server, api_key_of(server))
        os.sched_setaffinity(0, cores)
        bench_import()
        bench_start(folder)
    return 0 if ratio >= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
