"""A record can be copied whole while another process writes it, which never notices."""

import contextlib
import logging
import multiprocessing
import sqlite3
import statistics
import time
from pathlib import Path

import pytest

from octoprint_uptime.history import copy
from octoprint_uptime.history.copy import NoCopyError, holder, whole_copy
from octoprint_uptime.history.record import History, Instant, NewRun
from octoprint_uptime.history.recorder import Recorder

READS = 500
HEARTBEAT_SECONDS = 0.1


def write_until(done, path, began):
    """Write as fast as the disk allows; each transaction counts in two places."""
    history = History(path)
    with history.transaction():
        history.begin(NewRun("boot", 0.0, "1.11.8"), Instant(0.0, 0.0))
    at = 0.0
    while not done.is_set():
        at += 1.0
        with history.transaction():
            history.undervoltage(at)
            history.beat(at)
        began.set()
    history.close()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "history.db"


def writing(path):
    """A process that writes the record, and the event that ends it."""
    context = multiprocessing.get_context("fork")
    done, began = context.Event(), context.Event()
    process = context.Process(target=write_until, args=(done, path, began))
    process.start()
    assert began.wait(30)
    return process, done


@pytest.fixture
def writer(path):
    process, done = writing(path)
    yield process
    done.set()
    process.join(30)


def counts(path):
    """The two counts and the last heartbeat in a copy, which SQLite finds whole."""
    with whole_copy(path) as where:
        with contextlib.closing(sqlite3.connect(where)) as database:
            assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        history = History(where)
        run, totals = history.records().runs[-1], history.totals()
        history.close()
        return run.undervoltage, totals["octoprint", "undervoltages"], run.seen


def test_no_read_sees_half_a_transaction(path, writer):
    """Reads that find nothing new prove nothing; a slow disk makes more of those."""
    seen, news = 0.0, 0
    while news < READS:
        assert writer.is_alive()
        of_run, of_totals, beat = counts(path)
        assert of_run == of_totals == beat
        assert beat >= seen
        news += beat > seen
        seen = beat


def record_until(done, path, heartbeats):
    """Record ten heartbeats a second as OctoPrint does, and send the time of each."""
    beat = History.beat

    def beat_and_tell(*arguments):
        beat(*arguments)
        heartbeats.send(time.monotonic())

    History.beat = beat_and_tell
    recorder = Recorder(
        path, logging.getLogger("test"), lambda: HEARTBEAT_SECONDS, lambda: 30, lambda: None
    )
    recorder.start(0.0, "1.11.8")
    done.wait()
    recorder.stop()


@pytest.fixture
def heartbeats(path):
    """Receives the times of the heartbeats of a recorder in another process."""
    context = multiprocessing.get_context("fork")
    done = context.Event()
    received, sent = context.Pipe(duplex=False)
    process = context.Process(target=record_until, args=(done, path, sent))
    process.start()
    following(received, 1)
    yield received
    done.set()
    process.join(30)
    assert process.exitcode == 0


def following(heartbeats, count):
    """Wait for that many heartbeats."""
    times = []
    while len(times) < count:
        assert heartbeats.poll(30)
        times.append(heartbeats.recv())
    return times


def so_far(heartbeats):
    """The heartbeats since the last ones."""
    times = []
    while heartbeats.poll():
        times.append(heartbeats.recv())
    return times


def usual_interval(times):
    """The median: a busy disk delays some heartbeat anyway."""
    return statistics.median(later - earlier for earlier, later in zip(times, times[1:]))


def read_whole(path):
    with whole_copy(path) as where:
        history = History(where)  # checks it
        assert history.last_run()
        history.close()


def test_many_reads_delay_no_heartbeat(path, heartbeats):
    alone = following(heartbeats, 30)
    for _ in range(READS):
        read_whole(path)
    assert usual_interval(so_far(heartbeats)) < 2 * usual_interval(alone)


def test_a_read_that_stands_still_holds_up_no_heartbeat(path, heartbeats, monkeypatch):
    """Wherever it stands: with each file open, and with the copy in use."""
    open_file, opened = Path.open, []

    def open_and_wait(file, *arguments, **options):
        opening = open_file(file, *arguments, **options)
        opened.append(file)
        so_far(heartbeats)
        following(heartbeats, 2)
        return opening

    monkeypatch.setattr(Path, "open", open_and_wait)
    assert holder(path)
    read_whole(path)
    assert {path, path.with_name("history.db-wal")} <= set(opened)


def test_who_holds_it(path, writer):
    assert holder(path) == writer.pid


def test_a_reader_does_not_hold_it(path):
    History(path).close()
    context = multiprocessing.get_context("fork")
    reads, done = context.Event(), context.Event()

    def read():
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            database.execute("BEGIN")
            database.execute("SELECT * FROM runs").fetchall()
            reads.set()
            done.wait(30)

    process = context.Process(target=read)
    process.start()
    assert reads.wait(30)
    assert holder(path) is None
    done.set()
    process.join()


def test_nobody_holds_it_after_a_kill(path):
    process, _done = writing(path)
    process.kill()
    process.join()
    assert holder(path) is None
    of_run, of_totals, beat = counts(path)
    assert of_run == of_totals == beat


def test_after_a_clean_stop_there_is_no_journal(path):
    History(path).close()
    with whole_copy(path) as where:
        assert [file.name for file in where.parent.iterdir()] == ["history.db"]
    assert not where.parent.exists()


@pytest.mark.parametrize("after", [b"new", b"old"])
def test_a_journal_that_restarts_meanwhile(path, monkeypatch, after):
    """Or one that was another while it was read."""
    History(path).close()
    states = iter([(b"old", 0), (after, 0), (b"", 1), (b"", 1)])
    monkeypatch.setattr(copy, "_state", lambda path: next(states))
    with whole_copy(path):
        assert next(states, None) is None


def test_a_record_that_never_rests(path, monkeypatch):
    History(path).close()
    monkeypatch.setattr(copy, "_state", lambda path: (b"", object()))
    monkeypatch.setattr(copy, "PATIENCE_SECONDS", 0.0)
    with pytest.raises(NoCopyError), whole_copy(path):
        pass


@pytest.mark.parametrize("nowhere", [False, True])
def test_without_a_folder_in_memory(path, monkeypatch, tmp_path, nowhere):
    History(path).close()
    monkeypatch.setattr(copy, "MEMORY", tmp_path / "none")
    if nowhere:
        monkeypatch.setattr(copy.tempfile, "gettempdir", raise_not_found)
        with pytest.raises(NoCopyError, match="No usable"), whole_copy(path):
            pass
        return
    with whole_copy(path) as where:
        assert where.exists()


def raise_not_found():
    raise FileNotFoundError("No usable temporary directory found")


def test_where_the_holder_cannot_be_known(path, monkeypatch):
    History(path).close()
    monkeypatch.setattr(copy.sys, "platform", "win32")
    assert holder(path) == 0
