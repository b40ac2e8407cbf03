"""The watchers record what happens on scripted boards."""

import logging

import pytest
from helpers import wait_for

from octoprint_uptime.history.listener import THROTTLE_STATE, Listener
from octoprint_uptime.why.watch import Watch
from octoprint_uptime.why.witness import Unit, own_unit

ALARM = "sys/class/hwmon/hwmon0/in0_lcrit_alarm"


class Loop:
    """A server loop that never turns."""

    def add_callback(self, callback):
        pass


@pytest.fixture
def new_watch(tmp_path, request):
    told = []

    def make(root):
        watch = Watch(
            tmp_path / "data",
            tmp_path / "log",
            lambda sags, seconds_ago: told.append(sags),
            logging.getLogger(request.node.name),
            root,
        )
        watch.told = told
        return watch

    return make


class TestUndervoltage:
    def test_from_the_kernel(self, host, new_watch, caplog):
        root = host({ALARM: "1\n", "sys/class/hwmon/hwmon0/name": "rpi_volt\n"})
        (root / "data").write_text("no folder: all else cannot be watched")
        watch = new_watch(root)
        assert watch.hears_undervoltage
        watch.start(Loop(), with_witness=False)
        wait_for(lambda: watch.told == [1])
        (complaint,) = (r.getMessage() for r in caplog.records if r.name.startswith("test_"))
        assert complaint.startswith("Could not start collecting evidence: ")

    def test_where_there_is_no_sensor_pi_support_tells(self, host, new_watch):
        assert not new_watch(host({})).hears_undervoltage

    @pytest.mark.parametrize("hears_it_elsewhere", [False, True])
    def test_it_is_not_counted_twice(self, mocker, hears_it_elsewhere):
        recorder = mocker.Mock()
        listener = Listener(
            mocker.Mock(), recorder, mocker.Mock(), mocker.Mock(), logging.getLogger()
        )
        if hears_it_elsewhere:
            listener.ignore_throttle_states()
        state = {"current_undervoltage": True, "past_undervoltage": True}
        listener.hear(THROTTLE_STATE, state)
        assert recorder.undervoltage.called is not hears_it_elsewhere


class TestUnit:
    @pytest.mark.parametrize(
        ("cgroup", "unit"),
        [
            ("0::/system.slice/octoprint.service\n", Unit("octoprint.service", "--system")),
            (
                "9:name=systemd:/system.slice/octoprint.service\n4:memory:/system.slice\n",
                Unit("octoprint.service", "--system"),
            ),
            (
                "0::/user.slice/user-1000.slice/user@1000.service/app.slice/octoprint.service\n",
                Unit("octoprint.service", "--user"),
            ),
            ("0::/system.slice/octoprint@2.service\n", Unit("octoprint@2.service", "--system")),
            ("0::/user.slice/user-1000.slice/session-3.scope\n", None),
            ("0::/system.slice/$(reboot).service\n", None),
            ("0::/\n", None),
        ],
    )
    def test_of_the_process(self, host, cgroup, unit):
        root = host({"proc/self/cgroup": cgroup})
        assert own_unit(root) is None  # without systemd
        (root / "run/systemd/system").mkdir(parents=True)
        assert own_unit(root) == unit
