"""The history survives power cuts on a simulated disk."""

import os
import random
import shutil

import pytest
from shared import power_cuts
from shared.power_cuts import COPIED, DAMAGED, LOST
from shared.recorder_story import TOKEN

CUTS = 50


@pytest.fixture
def watched():
    """A recorder watched in a new folder."""
    if shutil.which("strace") is None:
        not_run = "power cuts not tried, no strace"
        if os.environ.get("CI") == "true":
            pytest.fail(not_run)
        pytest.skip(not_run)
    return lambda *carelessness: power_cuts.watched({}, "seed", *carelessness)


def test_nothing_is_lost_at_a_power_cut(watched):
    story = watched()
    assert story.commits > 0
    assert not power_cuts.cut_power(story, CUTS, random.Random(1))


@pytest.mark.parametrize(
    ("carelessness", "troubles"), [("OFF", {LOST, DAMAGED}), (TOKEN, {COPIED})]
)
def test_what_a_careless_one_loses_is_noticed(watched, carelessness, troubles):
    found = power_cuts.cut_power(watched(carelessness), CUTS, random.Random(1))
    assert found.keys() & troubles
