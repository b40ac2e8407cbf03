"""The schedule picks the next ping and its time on a scripted clock."""

import pytest

from octoprint_uptime.telling.monitors import HEARTBEAT, START, UNPLANNED, Trouble
from octoprint_uptime.telling.schedule import Budget, Schedule

DOWN = Trouble("unreachable")
REFUSED = Trouble("unknown")


class Story:
    """A sequence of pings, each sent as soon as it is due."""

    def __init__(self, style="healthchecks", interval=60, at_start=True):
        self.now = 1000.0
        self.schedule = Schedule(style, interval, self.now, at_start=at_start)
        self.told = []

    def ping(self, trouble=None, seconds=0.0):
        """Send the next ping, which takes that long; return what it tells and the wait."""
        waited = self.schedule.due - self.now
        began = self.now = max(self.now, self.schedule.due)
        moment = self.schedule.next()
        self.now += seconds
        if trouble:
            self.schedule.failed(moment, trouble, self.now)
        else:
            self.schedule.taken(moment, began)
        return moment, max(0.0, waited)

    def end_is_known(self, unplanned):
        self.schedule.end_is_known(unplanned, self.now)

    def wait(self, seconds):
        self.now += seconds


def test_a_start_after_a_planned_end():
    story = Story()
    assert story.ping() == (START, 0)
    story.wait(3)
    story.end_is_known(unplanned=False)
    assert story.ping() == (HEARTBEAT, 27)
    assert story.ping() == (HEARTBEAT, 60)


def test_a_start_after_an_unplanned_end():
    story = Story()
    assert story.ping() == (START, 0)
    story.end_is_known(unplanned=True)
    assert story.ping() == (UNPLANNED, 0)
    assert story.ping() == (HEARTBEAT, 60)
    assert story.ping() == (HEARTBEAT, 60)


def test_a_start_at_which_the_end_is_known_sooner_than_the_loop_answers():
    story = Story()
    story.end_is_known(unplanned=True)
    assert [story.ping() for _ in range(3)] == [(START, 0), (UNPLANNED, 0), (HEARTBEAT, 60)]


def test_a_history_that_cannot_be_read_keeps_no_heartbeat_back():
    story = Story()
    assert [story.ping() for _ in range(3)] == [(START, 0), (HEARTBEAT, 30), (HEARTBEAT, 60)]
    story.end_is_known(unplanned=True)
    assert story.ping() == (UNPLANNED, 0)
    assert story.ping() == (HEARTBEAT, 60)


def test_an_end_that_becomes_known_while_a_heartbeat_is_under_way_is_told_next():
    story = Story()
    story.ping()
    story.wait(60)
    assert story.schedule.next() == HEARTBEAT
    story.end_is_known(unplanned=True)
    story.schedule.taken(HEARTBEAT, story.now)
    assert story.ping() == (UNPLANNED, 0)


def test_uptime_kuma_hears_no_up_before_the_down():
    story = Story("uptime_kuma")
    assert story.schedule.due == story.now + 30
    story.wait(2)
    story.end_is_known(unplanned=True)
    assert [story.ping() for _ in range(2)] == [(UNPLANNED, 0), (HEARTBEAT, 60)]


@pytest.mark.parametrize("style", ["uptime_kuma", "plain"])
def test_without_a_word_for_the_start_the_first_ping_is_a_heartbeat(style):
    story = Story(style)
    story.end_is_known(unplanned=style == "plain")
    assert [story.ping() for _ in range(2)] == [(HEARTBEAT, 0), (HEARTBEAT, 60)]


def test_however_long_the_interval_a_heartbeat_soon_follows_the_start():
    story = Story(interval=3600)
    assert [story.ping() for _ in range(3)] == [(START, 0), (HEARTBEAT, 30), (HEARTBEAT, 3600)]


def test_a_restart_is_no_more_than_five_pings_a_minute():
    before, after = Story(interval=30), Story(interval=30)
    times = []
    for story in (before, after):
        for _ in range(4):
            story.ping()
            times.append(story.now)
        story.end_is_known(unplanned=False)
        times.append(story.now)  # the goodbye
        after.now = after.schedule.due = story.now
    assert all(sixth - first >= 60 for first, sixth in zip(times, times[5:]))


def test_switched_on_later_it_begins_with_a_heartbeat():
    story = Story(at_start=False)
    assert [story.ping() for _ in range(2)] == [(HEARTBEAT, 0), (HEARTBEAT, 60)]


def test_a_slow_monitor_does_not_make_the_interval_longer():
    story = Story(at_start=False)
    story.ping(seconds=9)
    assert story.ping() == (HEARTBEAT, 51)


def test_pauses_grow_to_the_interval_and_no_further():
    story = Story(at_start=False)
    waits = [story.ping(DOWN)[1] for _ in range(7)]
    assert waits == [0, 10, 20, 40, 60, 60, 60]
    assert story.ping() == (HEARTBEAT, 60)
    assert [story.ping(DOWN)[1] for _ in range(3)] == [60, 10, 20]


def test_thousands_of_failures_are_no_different():
    story = Story(interval=3600, at_start=False)
    for _ in range(5000):
        story.ping(DOWN)
    assert story.ping() == (HEARTBEAT, 3600)
    assert story.ping() == (HEARTBEAT, 3600)


def test_what_happened_once_is_told_when_the_monitor_can_be_reached_again():
    story = Story()
    story.end_is_known(unplanned=True)
    told = [story.ping(DOWN)[0] for _ in range(20)] + [story.ping()[0] for _ in range(3)]
    assert told == [START] * 21 + [UNPLANNED, HEARTBEAT]


def test_what_the_monitor_refuses_is_not_told_again():
    story = Story()
    story.end_is_known(unplanned=True)
    told = [story.ping(trouble)[0] for trouble in (REFUSED, REFUSED, REFUSED, None)]
    assert told == [START, UNPLANNED, HEARTBEAT, HEARTBEAT]


def test_a_changed_interval_loses_nothing_that_is_yet_to_be_told():
    story = Story()
    story.end_is_known(unplanned=True)
    story.ping(DOWN)
    changed = Schedule("uptime_kuma", 30, story.now)
    changed.inherit(story.schedule)
    story.schedule = changed
    assert [story.ping() for _ in range(2)] == [(UNPLANNED, 0), (HEARTBEAT, 30)]


def test_what_an_address_has_been_told_is_not_told_again():
    story = Story()
    story.end_is_known(unplanned=True)
    back = Schedule("healthchecks", 60, story.now)
    back.inherit(story.schedule, {START})
    story.schedule = back
    assert [story.ping()[0] for _ in range(2)] == [UNPLANNED, HEARTBEAT]


def test_five_a_minute_and_no_more():
    budget, now, sent = Budget(), 0.0, []
    while now < 300:
        wait = budget.wait_seconds("a", now)
        now += wait
        budget.spend("a", now)
        sent.append(now)
        now += 1
    assert all(sixth - first >= 60 for first, sixth in zip(sent, sent[5:]))
    assert len(sent) >= 25


def test_each_address_has_a_budget_of_its_own_and_tests_a_smaller_one():
    budget = Budget()
    for _ in range(3):
        budget.spend("a", 0.0)
    assert budget.wait_seconds("b", 0.0) == 0
    assert budget.wait_seconds("a", 1.0, 3) == 59
    assert budget.wait_seconds("a", 1.0) == 0
    assert budget.wait_seconds("a", 60.0, 3) == 0
