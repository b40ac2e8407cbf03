"""Each check warns from its threshold on, and stops when it should."""

import weakref
from unittest.mock import ANY

import pytest
from board import Board
from helpers import wait_for

from octoprint_uptime.why.connection import ConnectionFacts
from octoprint_uptime.why.host import HostState
from octoprint_uptime.why.words import Words

health = pytest.importorskip(
    "octoprint_uptime.telling.health", reason="OctoPrint 1.10 has no health check"
)

HOUR = 3600.0
DAY = 86400.0
GB_A_DAY = 10**9
UNSET = HostState(clock_set=False, network=True)


@pytest.fixture
def board(tmp_path):
    return Board(tmp_path / "history.db").start()


def told(board, name, host=UNSET, online=True, **vitals):
    look = health.Look(vitals, host, lambda: online, board.outlook(host.clock_set))
    check = health.RULES[name](look)
    return health.Result(check.result).value, check.context


OK = ("ok", {})


def test_undervoltage_more_than_three_times_a_day(board):
    board.write("undervoltage", 0.0, 3)
    assert told(board, "undervoltage") == OK
    board.write("undervoltage", 0.0)
    assert told(board, "undervoltage") == ("warning", {"times": 4})


def test_many_undervoltages_are_told_roughly(board):
    board.write("undervoltage", 0.0, 123)
    assert told(board, "undervoltage") == ("warning", {"times": 120})


@pytest.mark.parametrize(("hot", "told_minutes"), [(60, 60), (74, 60), (76, 90), (104, 90)])
def test_heat_is_told_in_half_hours(board, hot, told_minutes):
    board.host = HostState(heat_limit_celsius=80.0)
    for minute in range(120):
        board.off(60).beat(cpu_celsius=80.0 if minute < hot else 60.0)
    assert told(board, "heat") == ("warning", {"minutes": told_minutes, "celsius": 80})


def test_an_hour_of_heat_added_up_over_a_day(board):
    board.host = HostState(heat_limit_celsius=80.0)
    hot_for_half_an_hour = [80.0, 79.9] * 30
    for celsius in hot_for_half_an_hour:
        board.off(60).beat(cpu_celsius=celsius)
    assert told(board, "heat") == OK
    for celsius in hot_for_half_an_hour:
        board.off(60).beat(cpu_celsius=celsius)
    assert told(board, "heat") == ("warning", {"minutes": 60, "celsius": 80})
    board.hours(25, cpu_celsius=50.0)
    assert told(board, "heat") == OK


@pytest.mark.parametrize(
    ("counts", "now", "errors"),
    [
        ([0, 0], 0, 0),
        ([4, 4], 4, 0),  # from before
        ([4, 4], 5, 1),
        ([4, 5], 5, 1),
        ([4, 9, 0], 0, 0),  # repaired
        ([4, 9, 0], 2, 2),
        ([], 3, 0),
    ],
)
def test_new_errors_of_the_file_system(board, counts, now, errors):
    for count in counts:
        board.hours(1, filesystem_errors=count)
    context = {"errors": errors, "read_only": False, "days": 7}
    expected = ("issue", context) if errors else OK
    assert told(board, "filesystem", filesystem_errors=now) == expected


def test_errors_of_a_week_ago_are_over(board):
    board.hours(1, filesystem_errors=0).hours(1, filesystem_errors=3)
    assert told(board, "filesystem", filesystem_errors=3)[0] == "issue"
    board.hours(7 * 24, filesystem_errors=3)
    assert told(board, "filesystem", filesystem_errors=3) == OK


def boot_without_a_clock(board):
    return board.goodbye().off(HOUR).boot(ahead=-board.true).start()


def test_errors_before_a_reboot_of_a_board_whose_clock_is_not_set(board):
    board.host = UNSET
    board.hours(3, filesystem_errors=0).hours(1, filesystem_errors=3)
    boot_without_a_clock(board).hours(1, filesystem_errors=3)
    context = {"errors": 3, "read_only": False, "days": 7}
    assert told(board, "filesystem", filesystem_errors=3) == ("issue", context)
    boot_without_a_clock(board).hours(7 * 24 - 1, filesystem_errors=3)
    assert told(board, "filesystem", filesystem_errors=3) == OK


@pytest.mark.parametrize(
    ("at_start", "now", "errors"), [(2, 5, 3), (5, 5, 0), (5, 0, 0), (0, 0, 0)]
)
def test_errors_since_the_start_while_the_history_cannot_be_read(at_start, now, errors):
    vitals = {"filesystem_errors": now, "filesystem_errors_at_start": at_start}
    check = health.RULES["filesystem"](health.Look(vitals, UNSET, lambda: True, None))
    context = {"errors": errors, "read_only": False, "days": 7} if errors else {}
    assert check.context == context


def lose_connection(board, times, **facts):
    for _ in range(times):
        board.write("connected", board.now.since_boot, "A").off(60)
        ended = board.now.since_boot
        board.write("disconnected", ended, True)
        board.write("explain", ended, "error", "any", ConnectionFacts(**facts).to_json()).beat()


def test_five_lost_connections_a_week(board):
    lose_connection(board, 4)
    board.write("connected", board.now.since_boot, "A").off(60)
    board.write("disconnected", board.now.since_boot, False)
    assert told(board, "connection") == OK
    lose_connection(board, 1)
    result, context = told(board, "connection")
    assert result == "warning"
    assert context == {
        "days": 7,
        "losses": 5,
        "reason": "unknown",
        "times": 5,
        "text": "The connection was lost. Nothing recorded shows why.",
        "advice": ANY,
    }
    assert "no other program uses the port" in context["advice"]
    board.off(7 * 86400.0).beat()
    assert told(board, "connection") == OK


@pytest.mark.parametrize(
    ("losses", "reason", "times"),
    [
        ([(3, {}), (2, {"gone": "usb"})], "unplugged", 2),
        ([(2, {"gone": "usb"}), (3, {"timed_out": True})], "silent", 3),
        ([(4, {"emergency_stop": True}), (5, {})], "unknown", 5),
    ],
)
def test_the_commonest_known_reason(board, losses, reason, times):
    for count, facts in losses:
        lose_connection(board, count, **facts)
    _, context = told(board, "connection")
    assert (context["reason"], context["times"]) == (reason, times)


@pytest.mark.parametrize(
    "facts",
    [
        {"gone": "usb"},
        {"devnums": [5, 6]},
        {"over_currents": 1},
        {"timed_out": True},
        {"firmware_error": "Thermal Runaway"},
        {},
    ],
)
def test_the_history_gives_the_same_reason_and_advice(board, monkeypatch, facts):
    monkeypatch.setattr("octoprint_uptime.why.words.gettext", lambda text: text)
    lose_connection(board, 5, **facts)
    _, context = told(board, "connection")
    why = Words().why(
        "printer", "error", board.timeline().printer()[-1]["why"].verdict, with_logs=False
    )
    assert why["reason"] == context["reason"]
    assert why["text"].startswith(context["text"].rstrip("."))
    assert why["advice"] == context["advice"] is not None


class TestTheClock:
    @pytest.fixture
    def board(self, board):
        board.host = UNSET
        return board.hours(24)

    def test_a_day_of_running_without(self, board):
        assert told(board, "clock") == ("warning", {"hours": 24})

    def test_also_over_several_boots(self, board):
        board.hours(12).goodbye().off(HOUR).boot(ahead=-HOUR).start().hours(12)
        assert told(board, "clock") == ("warning", {"hours": 24})

    def test_not_on_the_first_day(self, tmp_path):
        board = Board(tmp_path / "new.db").start()
        board.host = UNSET
        assert told(board.hours(23), "clock") == OK

    @pytest.mark.parametrize(
        "then",
        [
            HostState(clock_set=True, network=True),
            HostState(clock_set=False, network=False),
            HostState(),
        ],
    )
    def test_not_after_one_hour_that_was_otherwise(self, board, then):
        board.host = then
        board.hours(1)
        board.host = UNSET
        assert told(board.hours(23), "clock") == OK
        assert told(board.hours(1), "clock")[0] == "warning"

    @pytest.mark.parametrize(
        "host", [HostState(True, True), HostState(False, False), HostState(None, True)]
    )
    def test_not_if_it_is_otherwise_now(self, board, host):
        assert told(board, "clock", host=host) == OK

    def test_not_while_octoprint_is_offline(self, board):
        assert told(board, "clock", online=False) == OK


def hours_left(board, hours):
    """The time that a disk with so many hours left is said to last."""
    _, context = told(board, "disk", disk_free_bytes=GB_A_DAY * hours / 24)
    return context["hours_left"]


@pytest.fixture
def filling(board):
    """A board whose disk has been filling up for three days."""
    full_at = board.true + 10 * DAY
    return board.hours(75, disk_free_bytes=lambda at: GB_A_DAY * (full_at - at) / DAY)


def test_the_time_left_is_told_within_a_fifth_or_an_hour_and_never_too_long(filling):
    for tenths in range(5, 7 * 240, 7):
        left, shown = tenths / 10, hours_left(filling, tenths / 10)
        assert shown <= max(left, 1)
        assert left - shown <= max(left / 5, 1)


@pytest.mark.parametrize(
    ("left", "shown"),
    [(0.4, 1), (2.4, 2), (7.3, 7), (23.9, 23), (35, 30), (71, 60), (95, 84), (119, 96), (167, 144)],
)
def test_the_time_left_changes_in_steps(filling, left, shown):
    assert hours_left(filling, left) == shown


def test_without_a_past_only_the_present_counts():
    vitals = {"disk_free_bytes": 10**12, "memory_available_bytes": 1}
    look = health.Look(vitals, UNSET, lambda: True, None)
    results = {health.Result(rule(look).result).value for rule in health.RULES.values()}
    assert results == {"ok"}


class TestTheSharedLook:
    @pytest.fixture
    def pasts(self):
        """The pasts that the checks have read and still hold in memory."""
        pasts = []
        yield pasts
        wait_for(lambda: not [past for past in pasts if past()])

    @pytest.fixture
    def perform(self, board, pasts):
        """A function that performs all checks one after the other."""

        def look():
            past = board.outlook()
            pasts.append(weakref.ref(past))
            return health.Look({}, UNSET, lambda: True, past)

        checks = [check({}) for check in health.checks(look)]
        return lambda: [check.perform_check() for check in checks]

    def test_all_checks_share_one(self, perform, pasts):
        assert len(perform()) == len(health.RULES)
        assert len(pasts) == 1

    def test_it_is_released_after_the_checks(self, perform, pasts, monkeypatch):
        monkeypatch.setattr(health, "SAME_LOOK_SECONDS", 0.05)
        perform()
        wait_for(lambda: not [past for past in pasts if past()])
        looks = len(pasts)
        perform()
        assert len(pasts) > looks
