"""Facts about a connection's end come from OctoPrint's events, in any order."""

import errno
import logging
import threading

import pytest
from helpers import wait_for

from octoprint_uptime.history.listener import Listener
from octoprint_uptime.why import connection
from octoprint_uptime.why.connection import ConnectionFacts, ConnectionWatch
from octoprint_uptime.why.device import Device

PORT = "/dev/ttyUSB0"
KILLED = "Printer halted. kill() called!"
DROPPED = "SerialException: device reports readiness to read but returned no data"
STOPPED = "Closing serial port due to emergency stop M112."
# The events that end a connection, on every OctoPrint.
DISCONNECTED = ("Disconnected", {})
OFFLINE = ("PrinterStateChanged", {"state_id": "OFFLINE"})
STOP = ("EStop", None)


def works(state_id="OPERATIONAL"):
    return ("PrinterStateChanged", {"state_id": state_id})


def error(text, reason, **more):
    return ("Error", {"error": text, "reason": reason, **more})


class OctoPrint:
    """The events it fires, and the error it shows."""

    def __init__(self, mocker, root):
        self.root = root
        self.shows = ""
        self.ends = []
        recorder = mocker.Mock()
        recorder.disconnected.side_effect = self._ended
        self.watch = ConnectionWatch(self._shown_error, root)
        self.listener = Listener(
            mocker.Mock(), recorder, self.watch, mocker.Mock(), logging.getLogger()
        )

    def _shown_error(self):
        return self.shows() if callable(self.shows) else self.shows

    def _ended(self, failed):
        self.ends.append([])
        return self.ends[-1].append

    def fires(self, *events):
        for name, payload in events:
            self.listener.hear(name, payload)

    def connects(self):
        self.fires(works(), ("Connected", {"port": PORT}))

    def facts(self, end=0):
        """The facts about an end, by default the first."""
        wait_for(lambda: self.ends[end])
        return self.ends[end][0]


@pytest.fixture
def octoprint(mocker, tmp_path):
    (tmp_path / "dev").mkdir()
    (tmp_path / PORT[1:]).touch()
    mocker.patch.object(connection, "LOOK_AFTER_SECONDS", 0.1)
    octoprint = OctoPrint(mocker, tmp_path)
    octoprint.connects()
    return octoprint


def test_a_port_that_drops(octoprint):
    octoprint.fires(DISCONNECTED)
    octoprint.shows = DROPPED
    octoprint.fires(OFFLINE)
    # Another connection begins, and OctoPrint shows no error any more.
    octoprint.shows = ""
    octoprint.fires(works("OPEN_SERIAL"))
    octoprint.connects()
    (octoprint.root / PORT[1:]).unlink()
    assert octoprint.facts() == ConnectionFacts(error=DROPPED, gone="port")


def test_the_shown_error_stands_in_for_delayed_events(octoprint):
    octoprint.fires(DISCONNECTED)
    octoprint.shows = DROPPED
    assert octoprint.facts() == ConnectionFacts(error=DROPPED, still_there=True)


def test_the_event_thread_does_not_wait(octoprint, mocker):
    mocker.patch.object(connection, "LOOK_AFTER_SECONDS", 3600)
    octoprint.fires(DISCONNECTED, OFFLINE)
    assert octoprint.ends == [[]]
    (look,) = (t for t in threading.enumerate() if isinstance(t, threading.Timer))
    # Nor does OctoPrint when it ends.
    assert look.daemon
    octoprint.watch.stop()
    look.join()


@pytest.mark.parametrize(
    ("events", "facts"),
    [
        # OctoPrint answers the firmware's error with M112.
        (
            (error(KILLED, "firmware", consequence="emergency"), STOP),
            {"firmware_error": KILLED},
        ),
        ((error(KILLED, "firmware", consequence="disconnect"),), {"firmware_error": KILLED}),
        # Someone sent M112, and the firmware was quicker than OctoPrint.
        (
            (STOP, error(KILLED, "firmware", consequence="emergency"), STOP),
            {"firmware_error": KILLED, "emergency_stop": True},
        ),
        ((error("Too many", "timeout"),), {"error": "Too many", "timed_out": True}),
        (
            (error("Again and again", "resend_loop", consequence="emergency"), STOP),
            {"error": "Again and again"},
        ),
        # The print ends, and the connection does not.
        ((error("Probing failed", "firmware", consequence="cancel"),), {}),
        # It happened, but is over.
        ((error(KILLED, "firmware"), works("PRINTING")), {}),
        ((STOP, works("CANCELLING")), {}),
        # Because of a bad cable.
        (
            (error("Mi\0n\x1b\n  temp\ud800" + "x" * 1000, "firmware"),),
            {"firmware_error": "Mi n temp " + "x" * 290},
        ),
    ],
)
def test_what_comes_before_the_end(octoprint, events, facts):
    octoprint.fires(*events, DISCONNECTED, OFFLINE)
    assert octoprint.facts() == ConnectionFacts(still_there=True, **facts)


def test_m112_is_told_after_the_end(octoprint):
    octoprint.shows = STOPPED
    octoprint.fires(DISCONNECTED, OFFLINE, STOP)
    assert octoprint.facts() == ConnectionFacts(
        emergency_stop=True, error=STOPPED, still_there=True
    )


def test_the_error_that_is_shown_is_the_firmwares(octoprint):
    octoprint.fires(error(KILLED, "firmware"), DISCONNECTED)
    octoprint.shows = KILLED
    octoprint.fires(OFFLINE)
    assert octoprint.facts() == ConnectionFacts(firmware_error=KILLED, still_there=True)


def test_each_connection_keeps_its_own_end(octoprint):
    octoprint.fires(error(KILLED, "firmware"), STOP, DISCONNECTED, OFFLINE)
    octoprint.connects()
    octoprint.fires(DISCONNECTED, OFFLINE)
    # Each comes on its own thread, so either may be first.
    assert octoprint.facts(end=1) == ConnectionFacts(still_there=True)
    assert octoprint.facts(end=0).firmware_error == KILLED


def test_an_end_during_the_look_at_another(octoprint, mocker):
    looks, goes_on = threading.Event(), threading.Event()
    octoprint.shows = lambda: looks.set() or (goes_on.wait() and KILLED)
    octoprint.fires(DISCONNECTED)
    wait_for(looks.is_set)
    octoprint.shows = ""
    mocker.patch.object(connection, "LOOK_AFTER_SECONDS", 3600)
    octoprint.connects()
    octoprint.fires(DISCONNECTED)
    goes_on.set()
    assert octoprint.facts(end=0) == ConnectionFacts(still_there=True)
    octoprint.fires(STOP)
    octoprint.watch.stop()
    assert octoprint.facts(end=1) == ConnectionFacts(emergency_stop=True)


def test_asked(octoprint):
    octoprint.fires(("Disconnecting", {}), DISCONNECTED)
    assert octoprint.ends == [[ConnectionFacts(asked=True)]]


def test_octoprint_stops_meanwhile(octoprint, mocker):
    mocker.patch.object(connection, "LOOK_AFTER_SECONDS", 3600)
    octoprint.fires(error(KILLED, "firmware"), DISCONNECTED)
    octoprint.watch.stop()
    # The port has not been checked.
    assert octoprint.ends == [[ConnectionFacts(firmware_error=KILLED)]]


@pytest.mark.parametrize(
    "event",
    [
        ("Error", None),
        ("Error", {"error": 5}),
        ("Error", {"error": None, "reason": "firmware"}),
        ("PrinterStateChanged", None),
        ("PrinterStateChanged", {}),
    ],
)
def test_events_that_make_no_sense(octoprint, event):
    octoprint.fires(event, DISCONNECTED, OFFLINE)
    assert octoprint.facts() == ConnectionFacts(still_there=True)


class TestABrokenPart:
    """A broken part loses only its own facts."""

    @pytest.fixture(params=[OSError(errno.ENODEV, "gone"), RuntimeError("loop"), KeyError("error")])
    def trouble(self, request):
        return request.param

    def test_the_device_as_it_connects(self, octoprint, mocker, trouble):
        mocker.patch.object(connection, "device_of", side_effect=trouble)
        octoprint.connects()
        octoprint.fires(error(KILLED, "firmware"), DISCONNECTED, OFFLINE)
        assert octoprint.facts() == ConnectionFacts(firmware_error=KILLED)

    def test_the_device_after_the_end(self, octoprint, mocker, trouble):
        mocker.patch.object(Device, "after_the_end", side_effect=trouble)
        octoprint.fires(error(KILLED, "firmware"), DISCONNECTED, OFFLINE)
        assert octoprint.facts() == ConnectionFacts(firmware_error=KILLED)

    def test_what_octoprint_shows(self, octoprint, mocker, trouble):
        octoprint.watch._shown_error = mocker.Mock(side_effect=trouble)
        octoprint.fires(error(KILLED, "firmware"), DISCONNECTED, OFFLINE)
        assert octoprint.facts() == ConnectionFacts(firmware_error=KILLED, still_there=True)
