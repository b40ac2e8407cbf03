"""Measure what a farm costs its Prometheus: synthetic printers with the plugin's real exposition.

``make farm-scale`` prints the figures in docs/farm/scale.md.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import tornado.httpserver
import tornado.web
from shared.prometheus import Prometheus
from tornado.testing import bind_unused_port

from octoprint_uptime.history.ends import ENDS
from octoprint_uptime.reader import Uptimes
from octoprint_uptime.telling.metrics import Metrics, UptimeCollector

PRINTERS = 1000
SECONDS = 120
INTERVAL_SECONDS = 15
DAYS_IN_BLOCKS = 7
PRINTERS_IN_BLOCKS = 10
DAY_SECONDS = 86400
STEP_SECONDS = 60

# The metrics that recording.yml copies.
RECORDED = re.compile(
    'ends_total{end="(crash|power_loss)"|interrupted_prints_total|undervoltage_runs_total'
    '|{end="error",subject="printer"}'
)

CONFIG = f"""
global: {{scrape_interval: {INTERVAL_SECONDS}s, evaluation_interval: {INTERVAL_SECONDS}s}}
rule_files: [recording.yml, alerts.yml]
scrape_configs:
  - job_name: octoprint
    file_sd_configs: [{{files: [targets.json]}}]
  - job_name: prometheus
    static_configs: [{{targets: ["SELF"]}}]
"""


class Printer:
    """A printer that goes down now and then."""

    def __init__(self, number: int) -> None:
        self._chance = random.Random(number)
        self.now: float | None = None  # the wall clock's unless measure_blocks sets it
        self._booted_at = time.time() - self._chance.uniform(0, 30) * DAY_SECONDS
        self._totals = {
            (subject, end): self._chance.randrange(20)
            for subject, ways in ENDS.items()
            for end in ways
        }
        self._reasons = {
            ("octoprint", "restart", "requested"): 9,
            ("system", "shutdown", "reboot"): 5,
        }
        build = {"version": "0.2.0", "octoprint_version": "1.11.8", "python_version": "3.11.2"}
        self.metrics = Metrics(
            UptimeCollector(self._uptimes, lambda: (self._totals, self._reasons), build, self.clock)
        )

    def clock(self) -> float:
        return time.time() if self.now is None else self.now

    def live(self, seconds: float) -> None:
        """Simulate half a crash a day, and as many lost connections."""
        if self._chance.random() < seconds / DAY_SECONDS:
            what = self._chance.choice((("octoprint", "crash"), ("printer", "error")))
            self._totals[what] += 1
            reason = (*what, "unknown")
            self._reasons[reason] = self._reasons.get(reason, 0) + 1
            self._booted_at = self.clock()

    def _uptimes(self) -> Uptimes:
        up = self.clock() - self._booted_at
        return Uptimes(up, max(0.0, up - 25), max(0.0, up - 40))


class Answers(tornado.web.RequestHandler):
    def get(self, number: str) -> None:
        body, content_type = self.application.settings["printers"][int(number)].metrics.exposition(
            self.request.headers.get("Accept", "")
        )
        self.set_header("Content-Type", content_type)
        self.finish(body)


def serve(printers: list[Printer]) -> int:
    """Serve the metrics of all printers from a thread. Return the port."""
    socket, port = bind_unused_port("127.0.0.1")

    async def answer() -> None:
        application = tornado.web.Application([(r"/(\d+)/metrics", Answers)], printers=printers)
        tornado.httpserver.HTTPServer(application).add_socket(socket)
        await asyncio.Event().wait()

    threading.Thread(target=lambda: asyncio.run(answer()), daemon=True).start()
    return port


def targets(port: int) -> str:
    return json.dumps(
        [
            {
                "targets": [f"127.0.0.1:{port}"],
                "labels": {
                    "__metrics_path__": f"/{number}/metrics",
                    "instance": f"printer-{number}",
                    "site": f"site-{number % 10}",
                },
            }
            for number in range(PRINTERS)
        ]
    )


def measure_scrapes(folder: Path) -> None:
    port = serve([Printer(number) for number in range(PRINTERS)])
    farm = Path(__file__).resolve().parent.parent / "docs" / "farm"
    for name in ("recording.yml", "alerts.yml"):
        (folder / name).write_text((farm / name).read_text())
    (folder / "targets.json").write_text(targets(port))
    prometheus = Prometheus(folder)
    (folder / "prometheus.yml").write_text(
        CONFIG.replace("SELF", prometheus.url.removeprefix("http://"))
    )
    with prometheus.running():
        time.sleep(SECONDS)  # the measurement itself
        told = {
            "targets up": "sum(up{job='octoprint'})",
            "series of a printer": "count({instance='printer-7', __name__!~'instance:.*'})",
            "recorded for the alerts": "count({instance='printer-7', __name__=~'instance:.*'})",
            "series in all": "prometheus_tsdb_head_series",
            "scrape, mean (ms)": (
                "1000 * avg(avg_over_time(scrape_duration_seconds{job='octoprint'}[1m]))"
            ),
            "scrape, 99th percentile (ms)": (
                "1000 * quantile(0.99, scrape_duration_seconds{job='octoprint'})"
            ),
            "samples a second": "rate(prometheus_tsdb_head_samples_appended_total[1m])",
            "resident memory (MB)": "process_resident_memory_bytes / 1e6",
            "CPU (cores)": "rate(process_cpu_seconds_total[1m])",
            "evaluation of all rules (ms)": (
                "1000 * sum(prometheus_rule_group_last_duration_seconds)"
            ),
        }
        print(f"{PRINTERS} printers every {INTERVAL_SECONDS} s for {SECONDS} s, {machine()}")
        for name, expression in told.items():
            print(f"  {name}: {prometheus.value(expression):.5g}")
        log = sum(file.stat().st_size for file in (folder / "data" / "wal").iterdir())
        print(f"  write-ahead log: {log / 1e6:.1f} MB")


def machine() -> str:
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = psutil.virtual_memory().total / 2**30
    return f"{os.cpu_count()} cores of {model.group(1) if model else '?'}, {memory:.0f} GiB"


def lines_of(printer: Printer, labels: str, at: float) -> Iterator[str]:
    """Yield the samples of a scrape in promtool's format, with those that Prometheus adds."""
    body, _ = printer.metrics.exposition("application/openmetrics-text")
    samples = [line for line in body.decode().splitlines() if not line.startswith("#")]
    samples += [
        "up 1",
        f"scrape_duration_seconds {random.gauss(0.03, 0.005):.9f}",
        f"scrape_samples_scraped {len(samples)}",
        f"scrape_samples_post_metric_relabeling {len(samples)}",
        "scrape_series_added 0",
    ]
    for line in samples:
        series, value = line.rsplit(" ", 1)
        name, _, own_labels = series.partition("{")
        rest = f"{labels}{',' if own_labels else '}'}{own_labels} {value} {at:.3f}"
        yield f"{name}{{{rest}"
        if RECORDED.search(series):
            yield f"instance:{name.removesuffix('_total')}:last{{{rest}"


def measure_blocks(folder: Path) -> None:
    """Measure the size of Prometheus's permanent blocks."""
    end = time.time()
    text = folder / "week.txt"
    samples = 0
    with text.open("w") as file:
        for number in range(PRINTERS_IN_BLOCKS):
            printer = Printer(number)
            labels = f'job="octoprint",instance="printer-{number}",site="site"'
            at = end - DAYS_IN_BLOCKS * DAY_SECONDS
            while at < end:
                printer.now = at + random.uniform(0, 0.01)  # the scrape starts a little earlier
                printer.live(STEP_SECONDS)
                for line in lines_of(printer, labels, at):
                    file.write(f"{line}\n")
                    samples += 1
                at += STEP_SECONDS  # Prometheus aligns its timestamps in the same way
        file.write("# EOF\n")
    subprocess.run(
        ["promtool", "tsdb", "create-blocks-from", "openmetrics", text, folder / "blocks"],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    size = sum(file.stat().st_size for file in (folder / "blocks").rglob("*") if file.is_file())
    a_day = size / PRINTERS_IN_BLOCKS / DAYS_IN_BLOCKS
    print(
        f"kept: {size / samples:.2f} bytes a sample,"
        f" {a_day / 1000:.0f} KB a day and {a_day * 365 / 1e6:.0f} MB a year for a printer"
        f" asked every {STEP_SECONDS} s"
    )


def measure_answer() -> None:
    printer = Printer(0)
    sizes, seconds = [], []
    for _ in range(1000):
        started = time.perf_counter()
        body, _ = printer.metrics.exposition("application/openmetrics-text")
        seconds.append(time.perf_counter() - started)
        sizes.append(len(body))
    print(
        f"an answer: {statistics.median(sizes)} bytes,"
        f" made in {statistics.median(seconds) * 1000:.2f} ms"
    )


def main() -> None:
    measure_answer()
    with tempfile.TemporaryDirectory() as folder:
        measure_blocks(Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        measure_scrapes(Path(folder))


if __name__ == "__main__":
    sys.exit(main())
