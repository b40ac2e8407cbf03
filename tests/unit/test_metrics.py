"""Prometheus's own parsers read the right metrics."""

import pytest
from prometheus_client import REGISTRY, Counter, openmetrics, parser
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics

from octoprint_uptime.history.ends import ENDS
from octoprint_uptime.reader import Uptimes
from octoprint_uptime.telling.metrics import Metrics, UptimeCollector
from octoprint_uptime.why import verdict

UPTIMES = Uptimes(host=93784.5121, octoprint=3661.27, printer=60.5)
TOTALS = {
    ("octoprint", "crash"): 2,
    ("system", "power_loss"): 1,
    ("printer", "error"): 7,
    ("octoprint", "interrupted_print"): 3,
    ("octoprint", "undervoltage"): 4,
    ("octoprint", "undervoltages"): 9,
}
REASONS = {
    ("octoprint", "crash", "out_of_memory"): 1,
    ("octoprint", "crash", "unknown"): 1,
    ("octoprint", "restart", "update"): 3,
    ("system", "power_loss", "undervoltage"): 1,
    ("printer", "disconnected", "requested"): 5,
    ("printer", "error", "unplugged"): 4,
    ("printer", "error", "unknown"): 3,
}
BUILD = {"version": "0.2.0", "octoprint_version": "1.11.8", "python_version": '3.11"\n\\'}
NOW = 1_790_000_000.0
PREFIX = "octoprint_uptime_"

# As Prometheus 2 sends it.
PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
READERS = {
    PROMETHEUS: read_openmetrics,
    "": parser.text_string_to_metric_families,
}


class Told:
    """A collector whose facts a test can change."""

    def __init__(self):
        self.uptimes = UPTIMES
        self.totals = TOTALS
        self.reasons = REASONS
        self.now = NOW
        self.metrics = Metrics(
            UptimeCollector(lambda: self.uptimes, self.counts, BUILD, lambda: self.now)
        )

    def counts(self):
        return None if self.totals is None else (self.totals, self.reasons)

    def families(self, accept=PROMETHEUS):
        body, _ = self.metrics.exposition(accept)
        return list(READERS[accept](body.decode()))

    def samples(self, accept=PROMETHEUS):
        return {
            (sample.name.removeprefix(PREFIX), *sorted(sample.labels.values())): sample.value
            for family in self.families(accept)
            for sample in family.samples
        }


@pytest.fixture
def told():
    return Told()


@pytest.mark.parametrize("accept", READERS)
def test_every_fact_in_both_formats(told, accept):
    samples = told.samples(accept)
    ends = {key: value for key, value in samples.items() if key[0] == "ends_total"}
    reasons = {key: value for key, value in samples.items() if key[0] == "ends_by_reason_total"}
    lost = {key: value for key, value in samples.items() if key[0] == "connections_lost_total"}
    others = samples.keys() - ends.keys() - reasons.keys() - lost.keys()
    assert {key: samples[key] for key in others} == {
        ("system_start_time_seconds",): 1_789_906_215.488,
        ("process_start_time_seconds",): 1_789_996_338.73,
        ("printer_connected_time_seconds",): 1_789_999_939.5,
        ("system_uptime_seconds",): 93784,
        ("process_uptime_seconds",): 3661,
        ("printer_connected",): 1,
        ("interrupted_prints_total",): 3,
        ("undervoltage_runs_total",): 4,
        ("undervoltage_total",): 9,
        ("build_info", *sorted(BUILD.values())): 1,
    }
    # Ends that never happened are exported too: Prometheus must see a counter's 0 first.
    assert ends == {
        ("ends_total", *sorted((end, subject))): TOTALS.get((subject, end), 0)
        for subject, ways in ENDS.items()
        for end in ways
    }
    # Reasons are exported if they explain unplanned ends or have occurred.
    unplanned = {
        (*what, reason): 0
        for what in (("octoprint", "crash"), ("system", "power_loss"))
        for reason in verdict.REASONS[what]
    }
    assert reasons == {
        ("ends_by_reason_total", *sorted((end, reason, subject))): count
        for (subject, end, reason), count in {**unplanned, **REASONS}.items()
        if subject != "printer"
    }
    # The printer's reasons are those of lost connections only.
    assert lost == {
        ("connections_lost_total", reason): REASONS.get(("printer", "error", reason), 0)
        for reason in verdict.REASONS["printer", "error"]
    }


def test_types_units_and_help(told):
    types = {family.name.removeprefix(PREFIX): family.type for family in told.families()}
    assert types == {
        "system_start_time_seconds": "gauge",
        "process_start_time_seconds": "gauge",
        "printer_connected_time_seconds": "gauge",
        "system_uptime_seconds": "gauge",
        "process_uptime_seconds": "gauge",
        "printer_connected": "gauge",
        "ends": "counter",
        "ends_by_reason": "counter",
        "connections_lost": "counter",
        "interrupted_prints": "counter",
        "undervoltage_runs": "counter",
        "undervoltage": "counter",
        "build": "info",
    }
    for family in told.families():
        assert family.unit == ("seconds" if family.name.endswith("_seconds") else "")
        assert family.documentation.endswith(".")
        if family.type == "counter":
            assert "pruning do not change it;" in family.documentation


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (PROMETHEUS, "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        ("application/openmetrics-text", "application/openmetrics-text; version=1.0.0"),
        ("application/openmetrics-text;version=one", "application/openmetrics-text; version=1.0.0"),
        ("application/openmetrics-text;q=0", "text/plain; version=0.0.4; charset=utf-8"),
        ("", "text/plain; version=0.0.4; charset=utf-8"),
        ("text/plain;version=one", "text/plain; version=0.0.4; charset=utf-8"),
        ("*/*", "text/plain; version=0.0.4; charset=utf-8"),
    ],
)
def test_the_scraper_chooses_the_format(told, accept, content_type):
    body, answered = told.metrics.exposition(accept)
    assert answered.startswith(content_type)
    assert body.endswith(b"# EOF\n") == answered.startswith(
        openmetrics.exposition.CONTENT_TYPE_LATEST.split(";")[0]
    )


def test_without_a_printer(told):
    told.uptimes = UPTIMES._replace(printer=None)
    samples = told.samples()
    assert samples["printer_connected",] == 0
    assert ("printer_connected_time_seconds",) not in samples


def test_unknown_values_are_left_out(told):
    told.uptimes = Uptimes(host=None, octoprint=None, printer=None)
    told.totals = None
    assert [key[0] for key in told.samples()] == ["printer_connected", "build_info"]


def test_a_start_is_to_the_digit_the_same_until_it_moves(told):
    def start():
        return told.samples()["system_start_time_seconds",]

    before = start()
    for _ in range(10):
        told.now += 60.0004  # read a moment later than the uptime
        told.uptimes = told.uptimes._replace(host=told.uptimes.host + 60)
        assert start() == before
    told.now += 3600
    assert start() == pytest.approx(before + 3600, abs=0.01)


def test_a_clock_that_began_with_1970(told):
    told.now = 93784.6
    samples = told.samples()
    assert samples["system_start_time_seconds",] == pytest.approx(0.088)
    assert samples["system_uptime_seconds",] == 93784


def test_the_metrics_of_others_stay_out(told):
    theirs = Counter("another_plugins", "Whatever another plugin counts.")
    try:
        assert {family.name.startswith(PREFIX) for family in told.families()} == {True}
        assert PREFIX not in str(list(REGISTRY.collect()))
    finally:
        REGISTRY.unregister(theirs)


def test_it_is_small(told):
    told.totals = {(subject, end): 10**15 for subject, ways in ENDS.items() for end in ways}
    told.reasons = {
        (*what, reason): 10**15 for what, possible in verdict.REASONS.items() for reason in possible
    }
    assert len(told.metrics.exposition(PROMETHEUS)[0]) < 10_000
