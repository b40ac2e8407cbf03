"""The recorder's thread survives a disk that fails and recovers."""

import contextlib
import json
import logging
import resource
import sqlite3
import threading

import pytest
from helpers import wait_for

from octoprint_uptime.history.position import Position
from octoprint_uptime.history.record import History, Instant
from octoprint_uptime.history.recorder import HistoryUnavailableError, Recorder, nowhere

DAY = 86400.0


@pytest.fixture
def path(tmp_path):
    return tmp_path / "data" / "history.db"


@pytest.fixture
def new_recorder(path, request):
    """A factory of recorders that have begun, unless the disk fails."""
    made = []

    def make(heartbeat_seconds=3600.0, history_days=90, changed=lambda: None, position=nowhere):
        recorder = Recorder(
            path,
            logging.getLogger(request.node.name),
            lambda: heartbeat_seconds,
            lambda: history_days,
            changed,
        )
        recorder.start(age=1.0, octoprint_version="1.11.8", position=position)
        reached(recorder)
        made.append(recorder)
        return recorder

    path.parent.mkdir()
    yield make
    for recorder in made:
        recorder.stop()


def reached(recorder):
    """Wait until the recorder has tried to write everything so far."""
    for _ in range(2):
        event = threading.Event()
        recorder.soon(event.set)
        assert event.wait(30)


def messages(caplog):
    return [record.getMessage() for record in caplog.records if record.name.startswith("test_")]


def test_what_is_recorded(new_recorder):
    first = new_recorder()
    first.connected("/dev/ttyUSB0")
    first.print_started("benchy.gcode")
    first.print_ended("done")
    first.print_started("x.gcode")
    first.undervoltage()
    first.stop()
    second = new_recorder()
    second.disconnected(failed=True)
    reached(second)
    records = second.records()
    assert records.runs[0].printing == "x.gcode"
    assert records.runs[0].undervoltage == 1
    assert records.runs[0].ended >= records.runs[0].started + 1
    assert [(c.port, c.ended) for c in records.connections] == [("/dev/ttyUSB0", None)]
    assert [(p.file, p.result) for p in records.prints] == [
        *(("benchy.gcode", "done"), ("x.gcode", None))
    ]


def test_heartbeats(new_recorder):
    recorder = new_recorder(heartbeat_seconds=0.01)
    seen = recorder.records().runs[0].seen
    wait_for(lambda: recorder.records().runs[0].seen > seen)


def test_file_names_need_not_be_unicode(new_recorder):
    recorder = new_recorder()
    recorder.print_started("\udcff.gcode")
    reached(recorder)
    assert recorder.records().runs[0].printing == "?.gcode"


def test_a_goodbye_asks_once_more_where_the_print_is(new_recorder):
    name = "\udcff.gcode"
    position = Position(name, "local", position_bytes=10)
    recorder = new_recorder(position=lambda: position)
    recorder.print_started(name)
    reached(recorder)
    position = position._replace(position_bytes=11)
    recorder.stop()
    stopped_at = new_recorder().records().runs[0].stopped_at
    assert json.loads(stopped_at)["position_bytes"] == 11


def test_what_changed_is_told(new_recorder):
    told = []
    recorder = new_recorder(changed=lambda: told.append(threading.current_thread()))
    wait_for(lambda: len(told) == 1)
    recorder.acknowledge()
    recorder.clear()
    assert len(told) == 3
    recorder.beat()
    reached(recorder)
    assert len(told) == 3


def test_the_wall_clock_is_followed(new_recorder, mocker):
    recorder = new_recorder()
    before = recorder.records().boots[0]
    now = recorder.now()
    mocker.patch.object(recorder, "now", return_value=now._replace(wall=now.wall + 10800))
    recorder.beat()
    reached(recorder)
    after = recorder.records().boots[0]
    assert after.booted_at == pytest.approx(before.booted_at + 10800, abs=1)
    assert (before.clock_set, after.clock_set) == (0, 1)


def test_old_rows_go_once_the_clock_has_settled(new_recorder, mocker):
    new_recorder().stop()
    recorder = new_recorder(history_days=7)
    now = recorder.now()
    assert len(recorder.records().runs) == 2
    later = Instant(now.since_boot + 8 * DAY, now.wall + 8 * DAY)
    mocker.patch.object(recorder, "now", return_value=later)
    recorder.beat()
    reached(recorder)
    assert len(recorder.records().runs) == 1


class TestTrouble:
    def test_a_disk_that_is_full_costs_nothing_but_the_time(self, new_recorder, path, caplog):
        caplog.set_level(logging.INFO)
        new_recorder().stop()
        recorder = new_recorder()
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        size = path.with_name("history.db-wal").stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            recorder.connected("/dev/ttyUSB0")
            reached(recorder)
            recorder.print_started("x.gcode")
            reached(recorder)
            assert len(recorder.records().runs) == 2
            with pytest.raises(HistoryUnavailableError):
                recorder.clear()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, hard))
        assert recorder.records().connections == []
        recorder.beat()
        reached(recorder)
        assert recorder.records().connections[0].port == "/dev/ttyUSB0"
        assert recorder.records().runs[1].printing == "x.gcode"
        cannot, can = messages(caplog)
        assert cannot.startswith("Could not write the history: ")
        assert can == "Writing the history works again"

    def test_a_disk_that_fails_from_the_start(self, new_recorder, path, caplog):
        caplog.set_level(logging.INFO)
        path.mkdir()
        recorder = new_recorder()
        recorder.connected("A")
        reached(recorder)
        with pytest.raises(HistoryUnavailableError, match="unable to open"):
            recorder.records()
        path.rmdir()
        recorder.beat()
        reached(recorder)
        records = recorder.records()
        assert records.runs[0].seen - records.runs[0].started > 1
        assert [connection.port for connection in records.connections] == ["A"]
        assert len(messages(caplog)) == 2

    def test_a_disk_that_hangs_keeps_no_request_waiting(self, new_recorder, mocker):
        mocker.patch("octoprint_uptime.history.recorder.PATIENCE_SECONDS", 0.01)
        recorder = new_recorder()
        hangs, goes_on = threading.Event(), threading.Event()

        def hang(*_):
            hangs.set()
            goes_on.wait(30)

        mocker.patch.object(History, "beat", side_effect=hang)
        recorder.beat()
        assert hangs.wait(30)
        for ask in (recorder.records, recorder.totals, recorder.clear):
            with pytest.raises(HistoryUnavailableError, match="the disk is slow"):
                ask()
        goes_on.set()
        reached(recorder)
        assert len(recorder.records().runs) == 1

    def test_a_damaged_file_is_moved_aside(self, new_recorder, path, caplog):
        path.write_bytes(b"damaged" * 1000)
        assert len(new_recorder().records().runs) == 1
        aside = next(path.parent.glob("history.db.damaged-20*"))
        assert aside.read_bytes() == b"damaged" * 1000
        assert len(messages(caplog)) == 1
        assert str(aside) in messages(caplog)[0]

    def test_an_unexpected_error_loses_only_the_history(self, new_recorder, caplog, mocker):
        recorder = new_recorder()
        mocker.patch.object(History, "beat", side_effect=ZeroDivisionError)
        recorder.beat()
        recorder._thread.join(30)
        assert messages(caplog) == [
            "The history is no longer recorded, because of an unexpected error"
        ]
        assert len(recorder.records().runs) == 1

    def test_a_failing_listener_does_not_stop_it(self, new_recorder, caplog):
        def fail():
            raise RuntimeError("of somebody else's")

        recorder = new_recorder(changed=fail)
        recorder.soon(fail)
        recorder.connected("A")
        reached(recorder)
        assert [connection.port for connection in recorder.records().connections] == ["A"]
        assert messages(caplog) == ["Could not announce a change in the history"]

    def test_damage_while_it_runs(self, new_recorder, path, caplog, mocker):
        recorder = new_recorder()
        mocker.patch.object(
            History, "beat", side_effect=[sqlite3.DatabaseError("malformed"), None, None, None]
        )
        recorder.connected("A")
        reached(recorder)
        assert [connection.port for connection in recorder.records().connections] == ["A"]
        assert len(list(path.parent.glob("history.db.damaged-20*"))) == 1
        assert len(messages(caplog)) == 1

    def test_a_newer_file_is_left_alone(self, new_recorder, path, caplog):
        new_recorder().stop()
        with contextlib.closing(sqlite3.connect(path)) as database:
            database.execute("PRAGMA user_version = 99")
        content = path.read_bytes()
        recorder = new_recorder()
        recorder.beat()
        reached(recorder)
        with pytest.raises(HistoryUnavailableError, match="knows only versions"):
            recorder.records()
        recorder.stop()
        assert path.read_bytes() == content
        assert len(messages(caplog)) == 1
        assert "version 99" in messages(caplog)[0]
