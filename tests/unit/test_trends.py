"""Noise is never taken for a trend, and a trend is told with the days left.

The values are of every hour, as they are kept. Each property is tried with whatever sizes,
times and random numbers Hypothesis thinks of.
"""

import math
import random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from octoprint_uptime.why.trends import ALMOST_FULL_BYTES, Point, disk_trend, memory_trend

GB = 1e9
MB = 1e6
HOUR = 1 / 24
KEPT_HOURS = 14 * 24
DISK_WARNS_DAYS = 7
MEMORY_WARNS_DAYS = 3
RIGHT = 0.2

SEEDS = st.integers(0, 2**32)
SHARE = st.floats(0, 1)
MANY = settings(max_examples=400, deadline=None)


def kept(value, hours, since_last=0.3 * HOUR):
    """The hourly values of a function of the time in days; now is 0."""
    times = [-since_last - HOUR * number for number in reversed(range(hours))]
    return [Point(-time, value(time)) for time in times]


def jitter(seed, size):
    chance = random.Random(seed)
    return lambda: chance.uniform(-size, size)


def fills_soon(free, left):
    trend = disk_trend(free, left)
    return trend is not None and trend.days_left < DISK_WARNS_DAYS


def is_used_up_soon(used, available):
    trend = memory_trend(used, available)
    return trend is not None and trend.days_left < MEMORY_WARNS_DAYS


HOURS = st.integers(0, KEPT_HOURS)


class TestTheDisk:
    FREE = st.floats(0.3 * GB, 30 * GB)

    @MANY
    @given(free=FREE, size=st.floats(0, 0.3), seed=SEEDS, hours=HOURS)
    def test_jitter(self, free, size, seed, hours):
        noise = jitter(seed, size * free)
        assert not fills_soon(kept(lambda _: free + noise(), hours), free + noise())

    @MANY
    @given(free=FREE, size=st.floats(0, 0.9), phase=SHARE, seed=SEEDS, hours=HOURS)
    def test_a_daily_rhythm(self, free, size, phase, seed, hours):
        noise = jitter(seed, 0.05 * free)

        def value(time):
            return free * (1 + size * math.sin(2 * math.pi * (time + phase))) + noise()

        assert not fills_soon(kept(value, hours), max(value(0), ALMOST_FULL_BYTES))

    @MANY
    @given(free=FREE, size=st.floats(0, 0.95), ago=st.floats(0, 5), last=SHARE, hours=HOURS)
    def test_one_spike(self, free, size, ago, last, hours):
        def value(time):
            return free * (1 - size * (-ago <= time < last - ago))

        assert not fills_soon(kept(value, hours), value(0))

    @MANY
    @given(
        free=st.floats(GB, 30 * GB),
        size=st.floats(0.1, 0.9),
        days=st.floats(0.05, 5),
        phase=SHARE,
        uneven=st.floats(0, 0.1),
        seed=SEEDS,
    )
    def test_timelapses_that_are_made_and_deleted(self, free, size, days, phase, uneven, seed):
        chance = random.Random(seed)
        sizes = [free * size * (1 + chance.uniform(-uneven, uneven)) for _ in range(600)]

        def value(time):
            tooth, at = divmod(time + 20 + phase * days, days)
            return free - sizes[int(tooth)] * at / days

        # Deleting some makes room for another day of them.
        lowest = free - max(sizes)
        assume(lowest > max(ALMOST_FULL_BYTES, free * 0.05, max(sizes) / max(days, 1)))
        assert not fills_soon(kept(value, KEPT_HOURS), value(0))

    @MANY
    @given(free=FREE, size=st.floats(0, 0.95), days_ago=st.floats(0, 5), hours=HOURS)
    def test_one_large_upload(self, free, size, days_ago, hours):
        def value(time):
            return free * (1 - size * (time >= -days_ago))

        assert not fills_soon(kept(value, hours), value(0))

    @MANY
    @given(
        a_day=st.floats(0.1 * GB, 5 * GB),
        days_left=st.floats(1, 6),
        # The present free space is as noisy as the rest; with a day left that is 15 % of it.
        noisy=st.floats(0, 0.05),
        rhythm=st.floats(0, 0.1),
        phase=SHARE,
        spike=st.floats(0, 3),
        spike_ago=st.floats(HOUR, 14),
        seed=SEEDS,
        hours=st.integers(73, KEPT_HOURS),
    )
    def test_a_trend(self, a_day, days_left, noisy, rhythm, phase, spike, spike_ago, seed, hours):
        noise = jitter(seed, noisy * a_day)

        def value(time):
            seen = a_day * (days_left - time) + noise()
            seen += a_day * rhythm * math.sin(2 * math.pi * (time + phase))
            return seen - a_day * spike * (-spike_ago <= time < HOUR - spike_ago)

        trend = disk_trend(kept(value, hours), value(0))
        assert trend is not None
        assert trend.days_left == pytest.approx(days_left, rel=RIGHT)

    @MANY
    @given(a_day=st.floats(0.1 * GB, 5 * GB), seed=SEEDS)
    def test_a_trend_in_steps(self, a_day, seed):
        """Six timelapses a day fill the disk, some large and some small."""
        chance = random.Random(seed)
        steps = []
        for day in range(-14, 0):
            sizes = [chance.uniform(0.7, 1.3) for _ in range(6)]
            for number, size in enumerate(sizes):
                at = day + (number + chance.random()) / 6
                steps.append((at, a_day * size / sum(sizes)))

        def value(time):
            return 20 * a_day - sum(size for at, size in steps if at <= time)

        trend = disk_trend(kept(value, KEPT_HOURS), value(0))
        assert trend is not None
        assert trend.days_left == pytest.approx(value(0) / a_day, rel=RIGHT)

    @MANY
    @given(a_day=st.floats(0.1 * GB, 5 * GB), on_hours=st.integers(8, 23), phase=st.integers(0, 23))
    def test_a_trend_on_a_host_that_is_off_at_night(self, a_day, on_hours, phase):
        free = kept(lambda time: a_day * (5 - time), KEPT_HOURS)
        awake = [point for number, point in enumerate(free) if (number + phase) % 24 < on_hours]
        trend = disk_trend(awake, 5 * a_day)
        if awake[-1].days_ago < 2 * HOUR:
            assert trend is not None
        assert trend is None or trend.days_left == pytest.approx(5, rel=0.01)

    @pytest.mark.parametrize("hours", [0, 1, 24, 54])
    def test_too_little_is_known(self, hours):
        assert disk_trend(kept(lambda time: GB * (2 - time), hours), 2 * GB) is None

    def test_from_three_days_on(self):
        assert disk_trend(kept(lambda time: GB * (2 - time), 73), 2 * GB) == (
            2 * GB,
            pytest.approx(GB),
        )

    def test_room_that_someone_made_just_now_counts(self):
        free = kept(lambda time: GB * (2 - time), KEPT_HOURS)
        assert disk_trend(free, 8 * GB).days_left == pytest.approx(8)

    def test_what_has_stopped(self):
        def value(time):
            return GB * (2 - min(time, -1.0))

        assert disk_trend(kept(value, KEPT_HOURS), value(0)) is None

    @pytest.mark.parametrize("low", [0.1, 0.3, 1.5, 4])
    def test_once_is_no_routine(self, low):
        """Someone deleted files ten days ago, once."""

        def value(time):
            return GB * (low - 10 - time if time < -10 else 2 - time)

        trend = disk_trend(kept(value, KEPT_HOURS), value(0))
        assert trend.days_left == pytest.approx(2, rel=0.01)

    def test_nor_is_what_is_done_at_the_last_moment(self):
        def value(time):
            return GB * (0.3 - time % -4)

        assert disk_trend(kept(value, KEPT_HOURS), value(-0.1)).days_left < 1


class TestMemory:
    SIZE = st.floats(80 * MB, 400 * MB)
    AVAILABLE = st.floats(50 * MB, 3 * GB)

    @MANY
    @given(size=SIZE, noisy=st.floats(0, 0.3), seed=SEEDS, hours=HOURS, available=AVAILABLE)
    def test_jitter(self, size, noisy, seed, hours, available):
        noise = jitter(seed, noisy * size)
        assert not is_used_up_soon(kept(lambda _: size + noise(), hours), available)

    @MANY
    @given(
        size=SIZE,
        swing=st.floats(0, 0.9),
        phase=SHARE,
        seed=SEEDS,
        hours=HOURS,
        available=AVAILABLE,
    )
    def test_a_daily_rhythm(self, size, swing, phase, seed, hours, available):
        noise = jitter(seed, 0.05 * size)

        def value(time):
            return size * (1 + swing * math.sin(2 * math.pi * (time + phase))) + noise()

        assert not is_used_up_soon(kept(value, hours), available)

    @MANY
    @given(
        size=SIZE,
        spike=st.floats(0, 4),
        ago=st.floats(0, 3),
        last=SHARE,
        hours=HOURS,
        available=AVAILABLE,
    )
    def test_one_spike(self, size, spike, ago, last, hours, available):
        def value(time):
            return size * (1 + spike * (-ago <= time < last - ago))

        assert not is_used_up_soon(kept(value, hours), available)

    @MANY
    @given(
        size=SIZE,
        grows=st.floats(0, 1),
        slowly=st.floats(0.01, 0.25),
        hours=HOURS,
        available=AVAILABLE,
    )
    def test_what_grows_after_a_start_and_stops(self, size, grows, slowly, hours, available):
        def value(time):
            return size * (1 + grows * (1 - math.exp(-(time + hours * HOUR) / slowly)))

        assert not is_used_up_soon(kept(value, hours), available)

    @MANY
    @given(
        size=SIZE,
        swing=st.floats(0.1, 1),
        days=st.floats(0.05, 5),
        phase=SHARE,
        uneven=st.floats(0, 0.1),
        seed=SEEDS,
        available=AVAILABLE,
    )
    def test_what_is_freed_again(self, size, swing, days, phase, uneven, seed, available):
        chance = random.Random(seed)
        swings = [size * swing * (1 + chance.uniform(-uneven, uneven)) for _ in range(600)]

        def value(time):
            tooth, at = divmod(time + 20 + phase * days, days)
            return size + swings[int(tooth)] * at / days

        assert not is_used_up_soon(kept(value, KEPT_HOURS), available)

    def test_what_falls_within_each_quarter_of_a_day(self):
        def value(days_ago):
            quarter, at = divmod(days_ago * 4, 1)
            return 100e6 + at * 20e6 + (8 - quarter) * 0.1e6

        points = [Point(ago, value(ago)) for ago in [(h + 0.6) / 24 for h in range(26, -1, -1)]]
        assert memory_trend(points, 300e6) is None

    @MANY
    @given(
        size=SIZE,
        days_left=st.floats(0.2, 2.4),
        noisy=st.floats(0, 0.08),
        spike=st.floats(0, 3),
        spike_ago=st.floats(0, 2),
        seed=SEEDS,
        hours=st.integers(27, KEPT_HOURS),
        available=AVAILABLE,
    )
    def test_a_trend(self, size, days_left, noisy, spike, spike_ago, seed, hours, available):
        a_day = available / days_left
        noise = jitter(seed, noisy * a_day)

        def value(time):
            seen = size + a_day * (time + hours * HOUR) + noise()
            return seen + a_day * spike * (-spike_ago <= time < HOUR - spike_ago)

        trend = memory_trend(kept(value, hours), available)
        assert trend is not None
        assert trend.days_left == pytest.approx(days_left, rel=RIGHT)

    @pytest.mark.parametrize("hours", [0, 1, 12, 26])
    def test_too_little_is_known(self, hours):
        assert memory_trend(kept(lambda time: GB + GB * time / 14, hours), GB) is None
