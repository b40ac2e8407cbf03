"""Hours of other boots count only if their time on the wall clock is known."""

import pytest
from board import Board

from octoprint_uptime.why.host import HostState

HOUR = 3600.0
DAY = 86400.0
UNSET = HostState(clock_set=False, network=False)


@pytest.fixture
def board(tmp_path):
    return Board(tmp_path / "history.db")


def hours_ago(outlook, days=14, **options):
    points = outlook.points("disk_free_bytes", days, **options)
    return [(round(point.days_ago * 24), point.value) for point in points]


class TestWhenItWas:
    def test_across_restarts_and_boots(self, board):
        board.start().hours(2, disk_free_bytes=3).goodbye().off(HOUR)
        board.boot().start().hours(1, disk_free_bytes=2).kill().off(10)
        board.start().hours(1, disk_free_bytes=1).off(HOUR)
        assert hours_ago(board.outlook()) == [(5, 3), (4, 3), (2, 2), (1, 1)]
        assert hours_ago(board.outlook(), of_this_run=True) == [(1, 1)]
        assert hours_ago(board.outlook(), days=2 / 24) == [(1, 1)]

    def test_a_clock_that_is_set_late_sets_all_of_its_boot_right(self, board):
        board.start().hours(1, disk_free_bytes=2).goodbye().off(10 * HOUR)
        board.host = UNSET
        board.boot(ahead=-10 * HOUR).start().hours(1, disk_free_bytes=1)
        # As far as the board knows, it was never off.
        assert hours_ago(board.outlook(clock_set=False)) == [(0, 1)]
        board.set_clock().hours(1, disk_free_bytes=0)
        assert hours_ago(board.outlook(clock_set=False)) == [(12, 2), (1, 1), (0, 0)]

    def test_a_boot_whose_clock_was_never_set_is_left_out(self, board):
        board.start().hours(2, disk_free_bytes=3).goodbye().off(5 * DAY)
        board.host = UNSET
        board.boot(ahead=-5 * DAY).start().hours(1, disk_free_bytes=2).goodbye().off(HOUR)
        board.host = HostState(clock_set=True)
        board.boot().start().hours(1, disk_free_bytes=1)
        assert [value for _, value in hours_ago(board.outlook())] == [3, 3, 1]

    def test_without_other_evidence_the_boots_clocks_are_believed(self, board):
        board.host = HostState()
        board.start().hours(1, disk_free_bytes=2).goodbye().off(HOUR)
        board.boot().start().hours(1, disk_free_bytes=1)
        assert hours_ago(board.outlook()) == [(2, 2), (0, 1)]

    def test_a_wrong_clock_that_contradicts_the_others(self, board):
        board.start().hours(1, disk_free_bytes=2).goodbye().off(HOUR)
        board.boot(ahead=-board.true).start().hours(1, disk_free_bytes=1)
        assert hours_ago(board.outlook()) == [(0, 1)]


class TestAfterPruning:
    """The history keeps seven days; the hours stay for fourteen."""

    def prune(self, board):
        return board.write("prune", *board.timeline().first_kept(7))

    def test_the_hours_of_both_weeks_are_where_they_were(self, board):
        for day in range(14):
            board.boot().start().hours(2, disk_free_bytes=day).goodbye().off(DAY - 2 * HOUR)
        board.boot().start()
        before = hours_ago(board.outlook())
        assert len(self.prune(board).records().runs) < 10
        assert hours_ago(board.outlook()) == before
        assert len(before) == 28

    def test_of_a_boot_whose_clock_was_never_set_they_are_still_left_out(self, board):
        board.start().hours(1, disk_free_bytes=2).goodbye()
        board.host = UNSET
        board.boot(ahead=-DAY).start().hours(1, disk_free_bytes=1).goodbye().off(9 * DAY)
        board.host = HostState(clock_set=True)
        self.prune(board.boot().start())
        assert [value for _, value in hours_ago(board.outlook())] == [2]


class TestUndervoltage:
    def sag(self, board, times=1):
        board.write("undervoltage", board.now.since_boot, times)
        return board

    def test_that_of_a_day_of_a_long_run(self, board):
        self.sag(board.start().hours(3), 5)
        self.sag(board.hours(2), 2)
        self.sag(board.hours(20))
        board.hours(3)
        # The first five were 25 hours ago.
        assert board.outlook().undervoltages(1) == 3
        assert board.outlook().undervoltages(2) == 8

    def test_those_of_a_run_whose_first_hour_was_not_over_a_day_ago(self, board):
        self.sag(board.start().hours(12), 5)
        board.hours(12).off(1800)
        assert board.outlook().undervoltages(1) == 5

    def test_that_which_cost_the_run_its_last_hour_counts(self, board):
        self.sag(board.start().off(600), 4).kill().off(10).boot().start()
        assert board.outlook().undervoltages(1) == 4
        board.hours(25)
        assert board.outlook().undervoltages(1) == 0

    def test_of_a_boot_of_which_nobody_knows_when_it_was(self, board):
        self.sag(board.start().hours(1), 4).kill().off(10).boot(ahead=-board.true).start()
        assert board.outlook().undervoltages(1) == 0


def test_the_last_hours_of_running_need_no_clock(board):
    board.host = UNSET
    board.start().hours(2).kill().off(DAY).boot(ahead=-board.true).start().hours(1)
    outlook = board.outlook(clock_set=False)
    assert [hour.run for hour in outlook.last_hours(3)] == [1, 1, 2]
    assert outlook.last_hours(4) == []


def test_lost_connections(board):
    board.start()
    for failed in (True, True, False, True):
        board.write("connected", board.now.since_boot, "A").off(60)
        board.write("disconnected", board.now.since_boot, failed)
        board.off(DAY)
    assert board.outlook().timeline.lost_connections(7) == ["unknown"] * 3
    assert board.outlook().timeline.lost_connections(2) == ["unknown"]


def test_lost_connections_on_a_board_that_does_not_know_what_time_it_is(board):
    board.boot(ahead=-board.true).start()
    for _ in range(3):
        board.write("connected", board.now.since_boot, "A").off(60)
        board.write("disconnected", board.now.since_boot, True)
        board.off(DAY)
    assert board.outlook(clock_set=False).timeline.now() is None
    assert board.outlook(clock_set=False).timeline.lost_connections(7) == ["unknown"] * 3
    assert board.outlook(clock_set=False).timeline.lost_connections(2) == ["unknown"]
    # Nothing shows how long the board was off then.
    board.kill().off(10).boot(ahead=-board.true).start()
    assert board.outlook(clock_set=False).timeline.lost_connections(7) == []
