"""Whatever happens to a board and its clock, the report is consistent."""

import contextlib
import sqlite3
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from board import Board
from hypothesis import example, given, settings
from hypothesis import strategies as st

from octoprint_uptime.history.ends import ENDS
from octoprint_uptime.history.record import History
from octoprint_uptime.history.report import history_answer

SECONDS = st.integers(1, 2000).map(float)
CLOCK = st.one_of(st.just(0.0), st.integers(-200_000, 200_000).map(float))

# What can happen while OctoPrint runs, and while it does not.
RUNNING = st.one_of(
    st.tuples(st.just("up"), SECONDS),
    st.tuples(st.just("set_clock"), CLOCK),
    st.tuples(st.just("connect"), st.just(0.0)),
    st.tuples(st.just("disconnect"), st.just(0.0)),
    st.tuples(st.just("lose_printer"), st.just(0.0)),
    st.tuples(st.just("print"), st.just(0.0)),
    st.tuples(st.just("finish_print"), st.just(0.0)),
    st.tuples(st.just("undervoltage"), st.just(0.0)),
)
RUN = st.tuples(
    st.lists(RUNNING, max_size=6),
    st.sampled_from(["goodbye", "kill"]),
    SECONDS,  # down
    st.one_of(st.none(), CLOCK),  # another boot, with a clock that is this wrong
)
STORY = st.lists(RUN, min_size=1, max_size=8)


def live(board, story):
    """Play the events; return each run's uptime, as far as heartbeats show it."""
    up = []
    for number, (happenings, end, down, clock) in enumerate(story):
        board.start()
        started, seen = board.true, board.true
        for what, amount in happenings:
            if what == "connect":
                board.write("connected", board.now.since_boot, "A")
            elif what in ("disconnect", "lose_printer"):
                board.write("disconnected", board.now.since_boot, what == "lose_printer")
            elif what in ("print", "finish_print"):
                if what == "print":
                    board.write("print_started", board.now.since_boot, "a.gcode")
                else:
                    board.write("print_ended", board.now.since_boot, "done")
            elif what == "undervoltage":
                board.write("undervoltage", board.now.since_boot)
            elif what == "set_clock":
                board.set_clock(amount)
                seen = board.true
            else:
                before = board.true
                board.up(amount)
                beats = amount // 60
                seen = before + beats * 60 if beats else seen
        if number == len(story) - 1:
            up.append(board.true - started)
            return up
        up.append((board.true if end == "goodbye" else seen) - started)
        getattr(board, end)()
        board.off(down)
        if clock is not None:
            board.boot(ahead=clock)
    raise AssertionError


def assert_in_order(entries):
    """Entries are oldest first; none overlap or last less than zero."""
    latest = 0.0
    for entry in entries:
        assert entry["seconds"] >= 0
        if entry["started_at"] is not None:
            assert entry["started_at"] >= latest - 0.002
            latest = entry["started_at"] + entry["seconds"]
        if entry["ended_at"] is not None:
            assert abs(entry["ended_at"] - entry["started_at"] - entry["seconds"]) < 0.002
        assert entry.get("downtime_seconds") is None or entry["downtime_seconds"] >= 0


@settings(max_examples=150, deadline=None)
@given(story=STORY)
def test_any_story(story):
    with tempfile.TemporaryDirectory() as folder:
        board = Board(Path(folder) / "history.db")
        up = live(board, story)
        timeline = board.timeline()
        answer = board.answer(days=3650)
        board.kill()

    for entries in (
        *(timeline.octoprint(), timeline.system()),
        *(timeline.printer(), timeline.prints()),
    ):
        assert_in_order(entries)
    for summary in answer["summary"].values():
        assert summary["availability"] is None or 0 <= summary["availability"] <= 1

    assert [run["seconds"] for run in timeline.octoprint()] == up
    ends = ["restart" if end == "goodbye" else "crash" for _, end, _, _ in story[:-1]]
    on_another_boot = {"restart": "shutdown", "crash": "power_loss"}
    expected = [
        end if clock is None else on_another_boot[end] for end, (_, _, _, clock) in zip(ends, story)
    ]
    assert [run["end"] for run in timeline.octoprint()] == [*expected, "running"]


@settings(max_examples=150, deadline=None)
@given(story=STORY, seconds=st.integers(1, 20_000))
# The window begins after the last heartbeat.
@example(
    story=[
        ([], "goodbye", 1.0, -2.0),
        ([], "goodbye", 1.0, 0.0),
        ([("up", 2.0)], "kill", 1.0, None),
    ],
    seconds=1,
)
def test_what_is_read_for_a_while_tells_of_it_what_all_does(story, seconds):
    with tempfile.TemporaryDirectory() as folder:
        board = Board(Path(folder) / "history.db")
        live(board, story)
        days = seconds / 86400
        told = history_answer(board.records(), board.now, days)
        if told["to"] is not None:
            part = history_answer(board.history.records(told["from"]), board.now, days)
            # Rows without a time cannot be placed in the window.
            for name in ("printer", "prints"):
                part[name], told[name] = dated(part[name]), dated(told[name])
            assert part == told
        board.kill()


def dated(entries):
    return [entry for entry in entries if entry["started_at"] is not None]


@settings(max_examples=60, deadline=None)
@given(story=STORY)
@example(story=[([("set_clock", -2.0), ("set_clock", 1.0)], "goodbye", 1.0, None)])
def test_once_every_clock_is_set_right_all_times_are_right(story):
    in_the_end = [
        ([*happenings, ("set_clock", 0.0)], end, down, clock)
        for happenings, end, down, clock in story
    ]
    with tempfile.TemporaryDirectory() as folder:
        board = Board(Path(folder) / "history.db")
        began = board.true
        live(board, in_the_end)
        octoprint = board.timeline().octoprint()
        now = board.true
        board.kill()
    assert octoprint[0]["started_at"] == began
    for entry, later in zip(octoprint, octoprint[1:]):
        assert entry["ended_at"] + entry["downtime_seconds"] == in_ms(later["started_at"])
    assert octoprint[-1]["started_at"] + octoprint[-1]["seconds"] == in_ms(now)


def told_totals(records, timeline):
    """The totals that follow from a report of everything."""
    told = {
        "octoprint": timeline.octoprint(),
        "system": timeline.system(),
        "printer": timeline.printer(),
    }
    totals = Counter(
        (subject, entry["end"])
        for subject, entries in told.items()
        for entry in entries
        if entry["end"] != "running"
    )
    totals["octoprint", "interrupted_print"] = sum(
        run["interrupted_print"] is not None for run in told["octoprint"]
    )
    totals["octoprint", "undervoltage"] = sum(run["undervoltage"] for run in told["octoprint"])
    totals["octoprint", "undervoltages"] = sum(run.undervoltage for run in records.runs)
    return {what: count for what, count in totals.items() if count}


@settings(max_examples=100, deadline=None)
@given(story=STORY)
def test_the_totals_are_what_the_record_tells(story):
    with tempfile.TemporaryDirectory() as folder:
        board = Board(Path(folder) / "history.db")
        live(board, story)
        records, timeline, totals = board.records(), board.timeline(), board.history.totals()
        board.kill()
        assert totals == told_totals(records, timeline)

        forget_the_totals(board.path)
        with contextlib.closing(History(board.path)) as migrated:
            if ("octoprint", "undervoltages") in totals:
                # That version recorded only whether undervoltage was seen.
                totals["octoprint", "undervoltages"] = totals["octoprint", "undervoltage"]
            assert migrated.totals() == totals
            # That version knew no reason, unless the end itself is one.
            assert migrated.reasons() == {
                (subject, end, end if end == "octoprint_down" else "unknown"): count
                for (subject, end), count in totals.items()
                if end in ENDS[subject]
            }


@settings(max_examples=100, deadline=None)
@given(story=STORY)
def test_every_end_is_counted_by_its_reason(story):
    with tempfile.TemporaryDirectory() as folder:
        board = Board(Path(folder) / "history.db")
        live(board, story)
        board.kill().off(5).start()
        reasons = Counter()
        for (subject, end, _), count in board.history.reasons().items():
            reasons[subject, end] += count
        totals = board.history.totals()
        board.kill()
    assert reasons == {what: count for what, count in totals.items() if what[1] in ENDS[what[0]]}


NEWER_COLUMNS = (
    *("copied", "token", "died", "goodbye", "undervoltage_at", "facts", "vitals", "stopped_at"),
)


def forget_the_totals(path):
    """Turn the file into one of the plugin's first version."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.executescript(
            "DROP TABLE totals; DROP TABLE seal; DROP TABLE beats; DROP TABLE reasons;"
            "DROP TABLE registers; DROP TABLE versions; DROP TABLE panics; DROP TABLE hours;"
            "DROP TABLE prints; DROP INDEX last_seen; ALTER TABLE connections DROP COLUMN facts;"
            + "".join(f"ALTER TABLE runs DROP COLUMN {name};" for name in NEWER_COLUMNS)
            + "UPDATE runs SET undervoltage = undervoltage > 0; PRAGMA user_version = 1"
        )


def in_ms(seconds):
    """Allow for the API's rounding to milliseconds, in a sum of two."""
    return pytest.approx(seconds, rel=0, abs=0.001)
