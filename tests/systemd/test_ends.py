"""Under a real systemd, the history tells why OctoPrint and its host went down."""

import contextlib
import re
import time

import pytest
import requests
from accounts import PASSWORD
from helpers import at_this_kernel, last_end, signed_in

HISTORY = "/plugin/octoprint_uptime/history"
ALWAYS = "Restart=always"
# Without swap, which would delay the end.
LITTLE_MEMORY = ("MemoryMax=300M", "MemorySwapMax=0")


@pytest.fixture
def running(new_machine):
    """A factory of machines on which OctoPrint runs and records its history."""

    def make(*service, **how):
        machine = new_machine(*service, **how)
        machine.boot()
        signed_in(machine.server)
        return machine

    return make


def history(machine):
    response = signed_in(machine.server).get(HISTORY)
    response.raise_for_status()
    return response.json()


def octoprint_end(machine):
    return last_end(signed_in(machine.server))


def system_end(machine):
    """The end of the previous boot."""
    return history(machine)["system"][1]


def told(entry):
    """Its end and its reason."""
    why = entry["why"]
    assert why["text"]
    assert all(item["source"] and item["text"] for item in why["evidence"])
    return entry["end"], why["reason"], why["grade"]


def sources(entry):
    return [item["source"] for item in entry["why"]["evidence"]]


def die(machine, how):
    """Let a plugin bring OctoPrint down, perhaps before the request is answered."""
    session = machine.server.login("admin", PASSWORD)
    with contextlib.suppress(requests.ConnectionError):
        session.post("/api/plugin/deaths", {"command": "die", "how": how}).raise_for_status()
    machine.wait_until_dead()


class TestPlanned:
    def test_stop_then_start(self, running):
        machine = running()
        machine.stop()
        machine.start()
        assert told(octoprint_end(machine)) == ("restart", "requested", "certain")

    def test_restart(self, running):
        machine = running()
        machine.restart()
        assert told(octoprint_end(machine)) == ("restart", "requested", "certain")

    @pytest.mark.parametrize("waits_for_network", [False, True])
    def test_reboot(self, running, waits_for_network):
        machine = running(waits_for_network=waits_for_network)
        machine.reboot()
        assert told(octoprint_end(machine)) == ("shutdown", "reboot", "certain")
        assert told(system_end(machine)) == ("shutdown", "reboot", "certain")

    @pytest.mark.parametrize("waits_for_network", [False, True])
    def test_power_off(self, running, waits_for_network):
        machine = running(waits_for_network=waits_for_network)
        machine.power_off()
        machine.boot()
        assert told(octoprint_end(machine)) == ("shutdown", "power_off", "certain")
        assert told(system_end(machine)) == ("shutdown", "power_off", "certain")


class TestKilled:
    def test_is_told_to_the_second(self, running):
        machine = running()
        before = time.time()
        machine.kill()
        machine.wait_until_dead()
        after = time.time()
        machine.start()
        end = octoprint_end(machine)
        assert told(end) == ("crash", "killed", "certain")
        assert end["end_exact"] is True
        assert "systemd" in sources(end)
        assert before - 1 <= end["ended_at"] <= after + 1

    def test_systemd_restarts_it(self, running):
        machine = running(ALWAYS)
        machine.kill()
        machine.wait_until_back()
        end = octoprint_end(machine)
        assert told(end) == ("crash", "killed", "certain")
        assert end["end_exact"] is True

    def test_then_a_power_cut(self, running):
        machine = running()
        machine.kill()
        machine.wait_until_dead()
        machine.cut_power()
        machine.boot()
        end = octoprint_end(machine)
        assert told(end) == ("crash", "killed", "certain")
        assert end["end_exact"] is True
        # Nobody saw how the host ended.
        assert system_end(machine)["end"] == "unknown"
        for subject in history(machine)["summary"].values():
            assert subject["ends"]["power_loss"] == 0


class TestDeaths:
    def test_leaves(self, running):
        machine = running()
        die(machine, "exit")
        machine.start()
        end = octoprint_end(machine)
        assert told(end) == ("crash", "exited", "certain")
        assert end["end_exact"] is True
        assert re.search(r"\b3\b", end["why"]["text"])
        assert "systemd" in sources(end)

    def test_takes_all_memory(self, running):
        with at_this_kernel(alone=True):
            machine = running(*LITTLE_MEMORY)
            die(machine, "leak")
            machine.start()
            end = octoprint_end(machine)
        assert told(end) == ("crash", "out_of_memory", "certain")
        assert end["end_exact"] is True

    def test_crashes(self, running):
        machine = running()
        die(machine, "segfault")
        machine.start()
        end = octoprint_end(machine)
        assert told(end) == ("crash", "native_crash", "certain")
        assert end["end_exact"] is True


class TestPowerCut:
    def test_while_running(self, running):
        machine = running()
        machine.cut_power()
        machine.boot()
        assert octoprint_end(machine)["end"] == "power_loss"
        assert octoprint_end(machine)["end_exact"] is False
        assert system_end(machine)["end"] == "power_loss"
