"""The ping thread works with a real loop and real monitors."""

import asyncio
import logging
import threading

import pytest
from helpers import wait_for
from monitors import Healthchecks, Reply, UptimeKuma, black_hole, saying, talking

from octoprint_uptime.telling import pings as module
from octoprint_uptime.telling import post, schedule
from octoprint_uptime.telling.monitors import Monitor
from octoprint_uptime.telling.pings import Pings, Plan, TooManyTestsError
from octoprint_uptime.telling.post import THREAD_NAME

HOUR = 3600.0


class Loop:
    """A server's loop that can be held up."""

    def __init__(self):
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.goes_on = threading.Event()

    def add_callback(self, callback):
        self._loop.call_soon_threadsafe(callback)

    def hang(self):
        self._loop.call_soon_threadsafe(self.goes_on.wait)

    def end(self):
        self.goes_on.set()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()


@pytest.fixture
def loop():
    made = Loop()
    yield made
    made.end()


@pytest.fixture
def monitor():
    with Healthchecks().running() as made:
        yield made


@pytest.fixture
def changes():
    return []


@pytest.fixture
def pings(changes, caplog):
    caplog.set_level(logging.INFO)
    made = Pings(lambda: "Printing", lambda: changes.append(1), "test", logging.getLogger("pings"))
    yield made
    made.follow(None)
    wait_for(lambda: not threads_of_pings())


def plan(monitor, interval=HOUR):
    return Plan(Monitor.chosen(monitor.url, "auto"), interval)


def threads_of_pings():
    return [t for t in threading.enumerate() if t.name.startswith(THREAD_NAME)]


def thread_of_pings():
    (thread,) = (t for t in threads_of_pings() if t.name == f"{THREAD_NAME}s")
    return thread


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    """Send the first heartbeat at once."""
    monkeypatch.setattr(schedule, "FIRST_HEARTBEAT_SECONDS", 0.05)


@pytest.fixture
def quick(monkeypatch):
    """Shorten a minute to a few hundredths of a second."""
    monkeypatch.setattr(schedule, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(schedule, "MINUTE_SECONDS", 0.1)


def test_without_a_monitor_there_is_no_thread(pings, loop):
    pings.start(loop, None)
    pings.end_is_known(None)
    assert threads_of_pings() == []
    assert pings.status() is None


def test_a_start_after_a_planned_end(pings, loop, monitor):
    pings.start(loop, plan(monitor))
    pings.end_is_known(None)
    wait_for(lambda: monitor.bodies == [("start", ""), ("success", "Printing")])
    wait_for(lambda: pings.status()["last_success_seconds_ago"] is not None)
    assert pings.status()["failing_seconds"] is pings.status()["error"] is None


def test_a_start_after_an_unplanned_end(pings, loop, monitor):
    schedule.FIRST_HEARTBEAT_SECONDS = HOUR
    pings.start(loop, plan(monitor))
    pings.end_is_known(lambda: "Out of memory")
    wait_for(lambda: monitor.bodies == [("start", ""), ("fail", "Out of memory")])
    assert monitor.alarms() == ["fail"]


def test_a_body_is_cut_to_what_the_monitor_keeps(pings, loop, monitor):
    monitor.body_limit = 6
    pings.start(loop, plan(monitor))
    wait_for(lambda: pings.status()["last_success_seconds_ago"] is not None)
    pings.end_is_known(lambda: "Out of memory")
    wait_for(lambda: [p for p in monitor.received if p.body == "Out of"])


def test_a_loop_that_hangs_is_silent_and_one_that_answers_again_is_heard(pings, loop, monitor):
    loop.hang()
    pings.start(loop, plan(monitor))
    asked = threading.Event()
    ask, loop.add_callback = loop.add_callback, lambda callback: (ask(callback), asked.set())
    pings.follow(plan(monitor, HOUR + 1))
    wait_for(asked.is_set)
    assert monitor.received == []
    loop.goes_on.set()
    wait_for(lambda: monitor.kinds()[:1] == ["start"])


def test_a_change_of_settings_is_followed_at_once(pings, loop, monitor):
    pings.start(loop, plan(monitor))
    wait_for(lambda: monitor.bodies)
    with UptimeKuma().running() as kuma:
        pings.follow(plan(kuma))
        wait_for(lambda: kuma.beats == [("up", "Printing")])
        pings.follow(plan(kuma))  # which is no change
        thread = thread_of_pings()
        pings.follow(None)
        thread.join()
        assert pings.status() is None
        assert len(kuma.beats) == 1
        pings.follow(plan(kuma))
        wait_for(lambda: len(kuma.beats) == 2)


def test_what_the_loop_took_is_what_uptime_kuma_draws(pings, loop):
    with UptimeKuma().running() as kuma:
        pings.start(loop, plan(kuma))
        pings.end_is_known(None)
        wait_for(lambda: kuma.received)
    assert int(kuma.received[0].query["ping"]) >= 1


def test_a_slug_that_two_checks_share(pings, loop, monitor):
    monitor.namesakes = 1
    address = Monitor.chosen(monitor.slug_url, "auto")
    pings.start(loop, Plan(address, HOUR))
    wait_for(lambda: pings.status()["error"])
    assert pings.status()["error"] == "The address matches more than one of the monitor's checks."
    assert monitor.bodies == []
    monitor.namesakes = 0
    pings.follow(Plan(address, HOUR + 1))  # which pings at once
    wait_for(lambda: pings.status()["error"] is None)
    # The start was refused for good.
    assert monitor.bodies == [("success", "Printing")]


def test_one_line_when_trouble_begins_and_one_when_it_ends(pings, loop, quick, changes, caplog):
    # This style has no limit of pings a minute, unlike healthchecks.
    kuma = UptimeKuma()
    pings.start(loop, plan(kuma, 0.01))
    wait_for(lambda: pings.status()["error"])
    status = pings.status()
    assert status["error"] == "Cannot reach the monitor."
    assert status["last_success_seconds_ago"] is None
    wait_for(lambda: pings.status()["failing_seconds"] > 0.5)
    with kuma.running():
        wait_for(lambda: len(changes) == 2)
        assert pings.status()["error"] is None
        pings.follow(None)
    assert [r.getMessage() for r in caplog.records if r.name == "pings"] == [
        "Could not ping the monitor: Cannot reach the monitor.",
        "The monitor accepts pings again",
    ]


def test_another_address_may_end_the_trouble(pings, loop, monitor, quick, changes, caplog):
    pings.start(loop, Plan(Monitor(monitor.url + "x", "healthchecks"), HOUR))
    wait_for(lambda: pings.status()["error"])
    pings.follow(plan(monitor))
    wait_for(lambda: len(changes) == 2)
    assert [r.getMessage() for r in caplog.records if r.name == "pings"] == [
        "Could not ping the monitor: The monitor does not recognize the address.",
        "The monitor accepts pings again",
    ]


@pytest.mark.parametrize("answer", [b"[" * 2000, b"{", b"\xff", b"null"])
def test_whatever_it_answers_pings_go_on(pings, loop, quick, answer):
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(answer)
    count, bad = [], saying(head + answer)
    with talking(lambda *args: (count.append(1), bad(*args))) as url:
        pings.start(loop, Plan(Monitor(url, "uptime_kuma"), 0.01))
        pings.end_is_known(None)
        wait_for(lambda: len(count) > 2)
        assert "monitor" in pings.status()["error"]


def test_without_a_thread_there_is_trouble(pings, loop, monitor, monkeypatch, caplog):
    def refuse(thread):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as out_of_threads:
        out_of_threads.setattr(threading.Thread, "start", refuse)
        pings.start(loop, plan(monitor))
    assert "RuntimeError" in pings.status()["error"]
    assert caplog.messages == ["Pings stopped because of an unexpected error (RuntimeError)"]
    pings.say_goodbye(lambda: "")
    pings.wait_for_goodbye()


def test_500_bad_answers_are_one_line_in_the_log(pings, loop, quick, caplog):
    bad = saying(b"HTTP/1.1 500 Sorry\r\nContent-Length: 0\r\n\r\n")
    count = []
    with talking(lambda *args: (count.append(1), bad(*args))) as url:
        schedule.MINUTE_SECONDS = 0.001
        pings.start(loop, Plan(Monitor(url, "plain"), 0.001))
        pings.end_is_known(None)
        wait_for(lambda: len(count) >= 500)
        pings.follow(None)
    lines = [r.getMessage() for r in caplog.records if r.name == "pings"]
    assert lines == ["Could not ping the monitor: The monitor responded with status 500."]


def test_an_unbounded_ping_blocks_only_itself(pings, loop, monitor, monkeypatch, quick):
    """A host name that takes long to resolve has this effect."""
    monkeypatch.setattr(module, "TOTAL_SECONDS", 0.2)
    count = []
    drip = saying(b"HTTP/1.1 200 OK\r\nX: ", *[b"x"] * 10_000, pause=0.01)
    with talking(lambda *args: (count.append(1), drip(*args))) as url:
        pings.start(loop, Plan(Monitor(url, "plain"), 0.01))
        pings.end_is_known(None)
        wait_for(lambda: pings.status()["error"])
        wait_for(lambda: pings.status()["failing_seconds"] > 1)
        assert len(count) == 1
        pings.follow(plan(monitor))
        wait_for(lambda: monitor.received)


def test_without_words_a_ping_is_still_a_ping(pings, loop, monitor, caplog):
    def fail():
        raise KeyError("job")

    pings.start(loop, plan(monitor))
    pings.end_is_known(fail)
    wait_for(lambda: monitor.kinds() == ["start", "fail"])
    assert caplog.text.count("Could not compose the text of a ping") == 1


def test_the_goodbye(pings, loop, monitor, monkeypatch):
    monkeypatch.setattr(module, "GOODBYE_SECONDS", HOUR)
    pings.start(loop, plan(monitor))
    pings.end_is_known(None)
    wait_for(lambda: len(monitor.bodies) == 2)
    pings.say_goodbye(lambda: "Stopped in order")
    pings.wait_for_goodbye()
    assert monitor.bodies[2:] == [("log", "Stopped in order")]
    assert monitor.alarms() == []


def test_the_goodbye_does_not_wait_for_a_monitor_that_never_answers(pings, loop):
    with black_hole() as url:
        pings.start(loop, Plan(Monitor(url, "healthchecks"), HOUR))
        thread = thread_of_pings()
        pings.say_goodbye(lambda: "Stopped in order")
        pings.wait_for_goodbye()
        assert thread.is_alive()  # still at it


def test_a_test_ping_says_what_became_of_it(pings, loop, monitor):
    pings.start(loop, None)
    answer, seconds = pings.test(Monitor.chosen(monitor.url, "auto"), "A test")
    assert (answer.status, answer.body, answer.trouble) == (200, b"OK", None)
    assert seconds > 0
    assert monitor.bodies == [("success", "A test")]
    answer, _ = pings.test(Monitor.chosen(monitor.url + "x", "healthchecks"), "A test")
    assert (answer.status, answer.trouble.kind) == (404, "unknown")


def test_as_many_tests_as_a_monitor_takes(pings, monitor):
    address = Monitor.chosen(monitor.url, "auto")
    for _ in range(3):
        pings.test(address, "")
    with pytest.raises(TooManyTestsError):
        pings.test(address, "")
    assert len(monitor.received) == 3


def test_pings_that_fail_leave_room_for_tests(pings, loop, monitor):
    pings.start(loop, Plan(Monitor(monitor.url + "x", "healthchecks"), HOUR))
    wait_for(lambda: pings.status()["error"])
    for _ in range(3):
        answer, _ = pings.test(Monitor(monitor.url + "x", "healthchecks"), "")
        assert answer.status == 404


def test_a_test_ping_without_a_thread(pings, monitor, monkeypatch):
    def refuse(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    answer, _ = pings.test(Monitor(monitor.url, "plain"), "")
    assert answer.trouble.kind == "failed"


def test_one_test_at_a_time(pings, monitor):
    asked = threading.Event()
    with talking(lambda connection, ended: (asked.set(), ended.wait())) as url:
        thread = threading.Thread(target=pings.test, args=(Monitor(url, "plain"), ""))
        thread.start()
        wait_for(asked.is_set)
        with pytest.raises(TooManyTestsError):
            pings.test(Monitor.chosen(monitor.url, "auto"), "")
    thread.join()


def dripping(count):
    """A server of endless headers; the number of connections so far."""
    drip = saying(b"HTTP/1.1 200 OK\r\nX: ", *[b"x"] * 6000, pause=0.01)
    return talking(lambda *args: (count.append(1), drip(*args)))


def test_a_monitor_that_drips_forever_is_pinged_again(pings, loop, monkeypatch, quick):
    monkeypatch.setattr(module, "TOTAL_SECONDS", 0.1)
    monkeypatch.setattr(post, "TOTAL_SECONDS", 0.1)
    count = []
    with dripping(count) as url:
        pings.start(loop, Plan(Monitor(url, "plain"), 0.01))
        pings.end_is_known(None)
        wait_for(lambda: len(count) >= 5)
    pings.follow(None)
    wait_for(lambda: not threads_of_pings())


def held_back(monitor, reply=None):
    """The event before which the monitor does not answer."""
    goes_on, reply = threading.Event(), reply or monitor.reply
    monitor.reply = lambda ping: (goes_on.wait(30), reply(ping))[1]
    return goes_on


def test_a_start_that_is_under_way_as_the_interval_changes_is_told_once(pings, loop, monitor):
    goes_on = held_back(monitor)
    pings.start(loop, plan(monitor))
    wait_for(lambda: monitor.received)
    pings.follow(plan(monitor, HOUR + 1))
    pings.follow(plan(monitor, HOUR + 2))
    goes_on.set()
    pings.end_is_known(lambda: "Out of memory")
    wait_for(lambda: "fail" in monitor.kinds())
    assert monitor.kinds() == ["start", "fail"]


def test_a_start_that_fails_as_the_interval_changes_is_told_again(pings, loop, monitor, quick):
    goes_on = held_back(monitor, lambda ping: Reply(500, b"Sorry"))
    pings.start(loop, plan(monitor, 0.01))
    wait_for(lambda: monitor.received)
    pings.follow(plan(monitor, 0.02))
    goes_on.set()
    wait_for(lambda: len(monitor.received) >= 2)
    assert {ping.path for ping in monitor.received} == {f"{monitor.path}/start"}


def test_each_address_is_told_of_a_start_once(pings, loop, monitor):
    goes_on = held_back(monitor)
    pings.start(loop, plan(monitor))
    wait_for(lambda: monitor.received)
    with Healthchecks().running() as other:
        other_goes_on = held_back(other)
        pings.follow(plan(other))
        wait_for(lambda: other.received)
        pings.follow(plan(monitor))
        wait_for(lambda: len(monitor.received) >= 2)
        goes_on.set()
        other_goes_on.set()
        wait_for(lambda: len(monitor.kinds()) >= 2 and other.kinds())
    assert sorted(monitor.kinds() + other.kinds()) == ["start", "start", "success"]
