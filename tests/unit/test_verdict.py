"""The verdict draws the right reason and grade from the facts, and never guesses."""

import dataclasses

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from octoprint_uptime.history.ends import ENDS
from octoprint_uptime.why.connection import ConnectionFacts
from octoprint_uptime.why.evidence import NO_FACTS, Facts
from octoprint_uptime.why.verdict import FACTS, GRADES, REASONS, RULES, verdict
from octoprint_uptime.why.words import Words

MB = 1_000_000
SIGKILL, SIGSEGV, SIGTERM = 9, 11, 15
FAULT = {"signal": "Segmentation fault", "library": "ctypes", "plugin": "Crasher"}


def exception(**more):
    return {
        "thread": "worker",
        "is_main": False,
        "type": "OSError",
        "message": "<b>",
        "errno": None,
        "seconds_before": 3.0,
        **more,
    }


def heartbeat(**vitals):
    return {"last_vitals": vitals}


CRASHES = [
    # reason, grade, facts
    ("unknown", "unknown", {}),
    ("unknown", "unknown", {"witnessed": True, "pid": 4711}),
    ("out_of_memory", "certain", {"result": "oom-kill", "signal": SIGKILL}),
    (
        "out_of_memory",
        "certain",
        {"pid": 4711, "lines": ["kernel: Out of memory: Killed process 4711 (octoprint) total"]},
    ),
    (
        "unknown",
        "unknown",
        {"pid": 4711, "lines": ["kernel: Out of memory: Killed process 47110 (ffmpeg) total"]},
    ),
    ("out_of_memory", "certain", {"oom_kills": 1, "own_oom_kills": 1, "signal": SIGKILL}),
    # Some process was killed, but nothing says that it was OctoPrint.
    ("killed", "certain", {"oom_kills": 1, "signal": SIGKILL}),
    # A process of OctoPrint's group was killed earlier, but not now.
    ("killed", "certain", {"own_oom_kills": 1, "signal": SIGKILL}),
    ("out_of_memory", "possible", {"oom_kills": 1}),
    ("out_of_memory", "possible", heartbeat(memory_available_bytes=20 * MB)),
    ("out_of_memory", "likely", {"oom_kills": 1, **heartbeat(memory_available_bytes=20 * MB)}),
    ("out_of_memory", "possible", {"exception": exception(type="MemoryError")}),
    ("unknown", "unknown", heartbeat(memory_available_bytes=200 * MB)),
    ("native_crash", "certain", {"fault": FAULT}),
    ("native_crash", "certain", {"fault": FAULT, "signal": SIGSEGV}),
    ("native_crash", "certain", {"signal": SIGSEGV}),
    ("hung", "certain", {"hung": {"library": "time"}}),
    ("hung", "certain", {"hung": {"library": "time"}, "signal": SIGKILL}),
    ("hung", "certain", {"result": "watchdog"}),
    ("hung", "certain", {"hung": {}}),
    ("hung", "possible", heartbeat(loop_late_seconds=25.0)),
    ("hung", "possible", {"silent_seconds": 600.0}),
    ("unknown", "unknown", heartbeat(loop_late_seconds=2.0)),
    ("exited", "certain", {"exit_status": 3}),
    ("killed", "certain", {"signal": SIGKILL}),
    ("killed", "certain", {"signal": SIGTERM, "host_job": "reboot"}),
    ("killed", "certain", {"signal": SIGKILL, "exception": exception(errno=28)}),
    ("disk_full", "possible", {"exception": exception(errno=28)}),
    ("unknown", "unknown", {"exception": exception(errno=28, seconds_before=900.0)}),
    ("unknown", "unknown", {"exception": exception(type="MemoryError", seconds_before=900.0)}),
    ("disk_full", "possible", heartbeat(disk_free_bytes=0)),
    ("disk_full", "possible", {"disk": {"disk_free_bytes": 0}}),
    ("disk_full", "likely", {"disk": {"disk_free_bytes": 0}, "exception": exception(errno=28)}),
    ("unknown", "unknown", {"disk": {"disk_free_bytes": 500 * MB, "disk_read_only": 0}}),
    ("disk_read_only", "possible", {"disk": {"disk_read_only": 1}}),
    ("disk_read_only", "possible", {"filesystem_errors": 2}),
    ("disk_read_only", "likely", {"filesystem_errors": 2, **heartbeat(disk_read_only=1)}),
    ("unknown", "unknown", {"undervoltage_count": 3, "undervoltage_seconds_before": 10.0}),
]
POWER_LOSSES = [
    ("unknown", "unknown", {}),
    ("kernel_panic", "certain", {"panicked": True}),
    ("undervoltage", "possible", {"undervoltage_count": 3, "undervoltage_seconds_before": 40.0}),
    ("undervoltage", "possible", {"undervoltage_count": 1, "undervoltage_seconds_before": 9000.0}),
    ("undervoltage", "possible", {"registers": {"power_reset": 2}}),
    (
        "undervoltage",
        "likely",
        {
            "undervoltage_count": 1,
            "undervoltage_seconds_before": 4.0,
            "registers": {"power_reset": 2},
        },
    ),
    ("overheated", "possible", heartbeat(cpu_celsius=86.0)),
    ("overheated", "likely", {"registers": {"power_reset": 4}, **heartbeat(cpu_celsius=86.0)}),
    ("unknown", "unknown", heartbeat(cpu_celsius=80.0)),
    ("watchdog", "possible", {"registers": {"power_reset": 16}}),
    ("watchdog", "likely", {"registers": {"power_reset": 16}, "hung": {"library": ""}}),
    ("power_cut", "possible", {"nuls": True}),
    ("power_cut", "possible", {"registers": {"rsts": 0x1000}}),
    ("power_cut", "likely", {"registers": {"rsts": 0x1000}, "nuls": True}),
    ("unknown", "unknown", {"registers": {"rsts": 0x20}}),
    ("undervoltage", "possible", {"nuls": True, "undervoltage_count": 1}),
]
CHANGED = [{"name": "OctoPrint", "old": "1.11.7", "new": "1.11.8"}]
ASKED = [
    ("requested", "certain", {"goodbye": "no"}),
    ("update", "certain", {"goodbye": "no", "changed": CHANGED}),
    (
        "exited",
        "certain",
        {"goodbye": "no", "exception": exception(thread="MainThread", is_main=True)},
    ),
    ("requested", "certain", {"goodbye": "no", "exception": exception()}),
    (
        "requested",
        "certain",
        {"goodbye": "no", "exception": exception(is_main=True, seconds_before=1e7)},
    ),
]
RESTARTED = [
    *ASKED,
    ("requested", "certain", {"goodbye": "unknown"}),
    # The host was about to, but did not.
    ("requested", "certain", {"goodbye": "reboot"}),
]
STOPPED = [
    *ASKED,
    ("requested", "possible", {"goodbye": "unknown"}),
    ("reboot", "certain", {"goodbye": "reboot", "changed": CHANGED}),
    ("power_off", "certain", {"goodbye": "power_off"}),
]
SHUTDOWNS = [
    ("reboot", "certain", {"goodbye": "reboot"}),
    ("power_off", "certain", {"goodbye": "power_off"}),
    # OctoPrint had stopped before; nothing saw what the host did then.
    ("unknown", "unknown", {"goodbye": "no"}),
]
RUNAWAY = "Thermal Runaway, system stopped! Heater_ID: 0"
GIVEN_UP = "SerialException: read failed: [Errno 5] Input/output error"
LOST = [
    ("unknown", "unknown", {}),
    ("unknown", "unknown", {"error": GIVEN_UP}),
    ("unknown", "unknown", {"error": GIVEN_UP, "still_there": True}),
    ("unplugged", "certain", {"gone": "port", "error": GIVEN_UP}),
    ("unplugged", "certain", {"gone": "usb"}),
    # No process was left to answer.
    ("unplugged", "certain", {"gone": "usb", "timed_out": True}),
    ("usb_reset", "certain", {"devnums": [5, 6]}),
    ("usb_reset", "certain", {"devnums": [5, 6], "port_now": "/dev/ttyUSB1"}),
    ("overcurrent", "certain", {"gone": "usb", "over_currents": 1}),
    ("overcurrent", "certain", {"devnums": [5, 6], "over_currents": 1}),
    ("silent", "certain", {"timed_out": True, "still_there": True}),
    ("firmware_error", "certain", {"firmware_error": RUNAWAY}),
    # On some boards, a firmware stop takes USB down too.
    ("firmware_error", "certain", {"firmware_error": RUNAWAY, "devnums": [5, 6]}),
    ("emergency_stop", "certain", {"emergency_stop": True}),
    # How Marlin answers M112.
    ("emergency_stop", "certain", {"emergency_stop": True, "firmware_error": "kill() called!"}),
    ("emergency_stop", "certain", {"emergency_stop": True, "gone": "usb"}),
]
DISCONNECTED = [("requested", "certain", {"asked": True}), ("unknown", "unknown", {})]
CUT_OFF = [("octoprint_down", "certain", {})]


def cases(subject, end, table):
    return [pytest.param(subject, end, *row, id=f"{end}-{n}") for n, row in enumerate(table)]


@pytest.mark.parametrize(
    ("subject", "end", "reason", "grade", "facts"),
    [
        *cases("octoprint", "crash", CRASHES),
        *cases("octoprint", "power_loss", POWER_LOSSES),
        *cases("system", "power_loss", POWER_LOSSES),
        *cases("octoprint", "restart", RESTARTED),
        *cases("octoprint", "shutdown", STOPPED),
        *cases("system", "shutdown", SHUTDOWNS),
        *cases("octoprint", "restored", [("unknown", "unknown", {"goodbye": "no"})]),
        *cases("system", "unknown", [("unknown", "unknown", {"signal": 9})]),
        *cases("printer", "error", LOST),
        *cases("printer", "disconnected", DISCONNECTED),
        *cases("printer", "octoprint_down", CUT_OFF),
    ],
)
def test_table(subject, end, reason, grade, facts):
    told = verdict(subject, end, FACTS[subject](**facts))
    assert (told.reason, told.grade) == (reason, grade)


def test_every_end_has_rules():
    for subject in RULES:
        assert RULES[subject].keys() == set(ENDS[subject])


def test_every_reason_can_be_reached():
    tables = (CRASHES, POWER_LOSSES, ASKED, SHUTDOWNS, LOST, DISCONNECTED, CUT_OFF)
    reached = {row[0] for table in tables for row in table}
    assert reached == {reason for possible in REASONS.values() for reason in possible}


# All facts that can be known about an end, in every combination.
EVIDENCE = {
    "last_vitals": st.fixed_dictionaries(
        {},
        optional={
            "memory_available_bytes": st.sampled_from([MB, 900 * MB]),
            "process_memory_bytes": st.just(80 * MB),
            "cpu_celsius": st.sampled_from([50.0, 90.0]),
            "disk_free_bytes": st.sampled_from([0, 900 * MB]),
            "disk_read_only": st.sampled_from([0, 1]),
            "loop_late_seconds": st.sampled_from([0.0, 25.0]),
        },
    ),
    "memory_before": st.sampled_from([20 * MB, 80 * MB]),
    "undervoltage_count": st.integers(1, 5),
    "undervoltage_seconds_before": st.floats(0, 1000),
    "goodbye": st.sampled_from(["reboot", "power_off", "no", "unknown"]),
    "witnessed": st.just(True),
    "exit_status": st.sampled_from([0, 3]),
    "signal": st.sampled_from([1, SIGKILL, SIGSEGV, SIGTERM, 64]),
    "result": st.sampled_from(["success", "signal", "exit-code", "oom-kill", "watchdog"]),
    "host_job": st.sampled_from(["reboot", "no"]),
    "oom_kills": st.integers(1, 3),
    "own_oom_kills": st.integers(1, 3),
    "filesystem_errors": st.integers(1, 3),
    "lines": st.just(["kernel: Killed process 4711 (octoprint)"]),
    "pid": st.just(4711),
    "fault": st.just(FAULT),
    "hung": st.sampled_from([{}, {"library": "time", "plugin": "Crasher"}]),
    "silent_seconds": st.floats(60, 1000),
    "told_by": st.sampled_from(["systemd", "kernel"]),
    "exception": st.builds(
        exception,
        is_main=st.booleans(),
        seconds_before=st.sampled_from([1.0, 1e6]),
        type=st.sampled_from(["MemoryError", "OSError"]),
        errno=st.sampled_from([None, 28, 30]),
    ),
    "nuls": st.just(True),
    "disk": st.fixed_dictionaries(
        {"disk_free_bytes": st.sampled_from([0, MB * 900]), "disk_read_only": st.integers(0, 1)}
    ),
    "registers": st.fixed_dictionaries(
        {}, optional={"rsts": st.sampled_from([0x20, 0x1000]), "power_reset": st.integers(1, 31)}
    ),
    "panicked": st.just(True),
    "changed": st.just(CHANGED),
}
CONNECTION_EVIDENCE = {
    "asked": st.just(True),
    "emergency_stop": st.just(True),
    "firmware_error": st.just(RUNAWAY),
    "timed_out": st.just(True),
    "error": st.just(GIVEN_UP),
    "gone": st.sampled_from(["usb", "port"]),
    "devnums": st.just([5, 6]),
    "port_now": st.just("/dev/ttyUSB1"),
    "over_currents": st.integers(1, 3),
    "still_there": st.just(True),
}
EVIDENCE_OF = {Facts: EVIDENCE, ConnectionFacts: CONNECTION_EVIDENCE}
ENDS_AND_FACTS = st.sampled_from(
    [(subject, end) for subject, ends in RULES.items() for end in ends]
).flatmap(
    lambda what: st.tuples(
        st.just(what), st.fixed_dictionaries({}, optional=EVIDENCE_OF[FACTS[what[0]]])
    )
)


def verdict_on(what, facts):
    subject, end = what
    return verdict(subject, end, FACTS[subject](**facts))


# The first-hand testimony: of the process, its witness, systemd, the kernel.
TESTIMONY = {
    *(
        "exit_status",
        "signal",
        "result",
        "oom_kills",
        "lines",
        "pid",
        "fault",
        "hung",
        "panicked",
        "goodbye",
    ),
    "registers",
    *("asked", "emergency_stop", "firmware_error", "timed_out", "gone", "devnums", "over_currents"),
}


def without(facts, names):
    return {name: value for name, value in facts.items() if name not in names}


def said_in_main_thread(facts):
    return facts.get("exception", {}).get("is_main")


@settings(max_examples=500, deadline=None)
@given(ended=ENDS_AND_FACTS)
def test_nothing_is_certain_without_testimony(ended):
    what, facts = ended
    assume(what != ("printer", "octoprint_down"))  # the end itself is the testimony
    silent = without(facts, TESTIMONY)
    if said_in_main_thread(silent):
        silent = without(silent, {"exception"})
    assert verdict_on(what, silent).grade != "certain"


@settings(max_examples=500, deadline=None)
@given(ended=ENDS_AND_FACTS, taken=st.sets(st.sampled_from([*EVIDENCE, *CONNECTION_EVIDENCE])))
def test_less_evidence_makes_no_verdict_surer(ended, taken):
    what, facts = ended
    more = verdict_on(what, facts)
    less = verdict_on(what, without(facts, taken))
    assert GRADES.index(less.grade) >= GRADES.index(more.grade)


@settings(max_examples=500, deadline=None)
@given(ended=ENDS_AND_FACTS)
def test_likely_takes_two_sources_and_possible_one(ended):
    what, facts = ended
    told = verdict_on(what, facts)
    assert told.reason in REASONS[what]
    assert (told.grade == "unknown") == (told.reason == "unknown")
    if told.grade == "likely":
        assert len({sign.source for sign in told.signs}) >= 2
    if told.grade == "possible":
        assert told.signs


@settings(max_examples=500, deadline=None)
@given(ended=ENDS_AND_FACTS)
def test_all_of_it_can_be_put_into_words(ended, monkeypatch_words):
    what, facts = ended
    why = Words().why(*what, verdict_on(what, facts), with_logs=True)
    assert why["text"].endswith((".", "<b>"))
    for told in (why["text"], why["advice"] or "", *(e["text"] for e in why["evidence"])):
        assert "%(" not in told
        assert "None" not in told


def test_only_those_who_may_read_logs_get_their_contents(monkeypatch_words):
    facts = Facts(lines=["pi systemd[1]: a line"], exception=exception(message="a key"))
    told = [
        " ".join(
            sign["text"]
            for sign in Words().why(
                "octoprint", "crash", verdict("octoprint", "crash", facts), with_logs=with_logs
            )["evidence"]
        )
        for with_logs in (True, False)
    ]
    assert "a line" in told[0]
    assert "a key" in told[0]
    assert told[1] == "Exception in thread worker: OSError: …"


def test_what_the_firmware_said_is_told_to_all(monkeypatch_words):
    facts = ConnectionFacts(firmware_error=RUNAWAY)
    why = Words().why("printer", "error", verdict("printer", "error", facts), with_logs=False)
    assert why["text"] == f"The printer's firmware reported an error: “{RUNAWAY}”."
    assert why["evidence"] == [{"source": "firmware", "text": RUNAWAY}]


@pytest.fixture(scope="module")
def monkeypatch_words():
    """Use the English words, because there is no request with a language."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("octoprint_uptime.why.words.gettext", lambda text: text)
        yield


@given(ended=ENDS_AND_FACTS)
def test_facts_survive_being_kept(ended):
    (subject, _), facts = ended
    kept = FACTS[subject](**facts)
    assert FACTS[subject].from_json(kept.to_json()) == kept


def test_what_is_not_known_is_not_kept():
    assert NO_FACTS.to_json() == "{}"
    assert Facts.from_json(None) == NO_FACTS


def test_the_strategies_know_every_fact():
    for kind, evidence in EVIDENCE_OF.items():
        assert {field.name for field in dataclasses.fields(kind)} == evidence.keys()
