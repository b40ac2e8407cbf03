"""The history tells why the connection to a printer on a pseudo-terminal ended."""

import shutil
from pathlib import Path

import pytest
from helpers import metrics, recorded, wait_for
from pty_printer import KILLED, PtyPrinter, config_for
from usb_tree import UsbTree

from octoprint_uptime.why.verdict import REASONS

HERE = Path(__file__).parent
HISTORY = "/plugin/octoprint_uptime/history"
RUNAWAY = "Thermal Runaway, system stopped! Heater_ID: 0"
LOST = "octoprint_uptime_connections_lost_total"


def connections(session):
    return session.get(HISTORY).json()["printer"]


def lost(session):
    """The number of lost connections, and how many of them count under a reason."""
    counts = metrics(session)
    reasons = [count for name, count in counts.items() if name.startswith(LOST)]
    return counts['octoprint_uptime_ends_total{end="error",subject="printer"}'], sum(reasons)


def ended(session):
    """The newest connection, once it has ended and its reason is known."""
    wait_for(lambda: connections(session)[0]["end"] != "running")
    wait_for(lambda: len(set(lost(session))) == 1)
    entry = connections(session)[0]
    assert "vitals" not in entry["why"]
    return entry


def shows_errors(session):
    """Whether OctoPrint shows the error of a port; 2.0 hides it at once."""
    return session.get("/api/version").json()["server"] < "2"


def reason_of(session):
    entry = ended(session)
    return entry["end"], entry["why"]["reason"], entry["why"]["grade"]


def evidence_of(session):
    return [(sign["source"], sign["text"]) for sign in ended(session)["why"]["evidence"]]


def command(session, gcode):
    session.post("/api/printer/command", {"command": gcode}).raise_for_status()


class Bench:
    """A server, and the printer at its port."""

    def __init__(self, server, printer, usb):
        self.server = server
        self.printer = printer
        self.usb = usb
        self.admin = recorded(server)

    def connect(self):
        """Plug the printer in and connect to it."""
        before = len(connections(self.admin))
        self.printer.plug_in()
        self.printer.connect(self.admin)
        wait_for(lambda: len(connections(self.admin)) == before + 1)
        assert connections(self.admin)[0]["why"] is None
        wait_for(lambda: self.state() == "Operational")
        # OctoPrint has sent all of its first commands.
        wait_for(lambda: "M105" in self.printer.received)

    def state(self):
        return self.admin.get("/api/connection").json()["current"]["state"]

    def disconnect(self):
        self.admin.post("/api/connection", {"command": "disconnect"}).raise_for_status()
        wait_for(lambda: connections(self.admin)[0]["end"] == "disconnected")

    def print(self):
        """Start a long print."""
        body = {"command": "select", "print": True}
        self.admin.post("/api/files/local/long.gcode", body).raise_for_status()
        wait_for(lambda: self.state() == "Printing")


def new_bench(new_server, folder):
    printer = PtyPrinter(folder / "printer")
    usb = UsbTree(folder / "host")
    environment = {"USB_ROOT": str(folder / "host")}
    server = new_server(environment=environment, **config_for(printer.port))
    # The scripted host needs the tests' files at their real paths.
    first = Path(folder.parts[1])
    (folder / "host" / first).symlink_to("/" / first)
    shutil.copytree(HERE / "plugins", server.basedir / "plugins")
    (server.basedir / "uploads").mkdir()
    (server.basedir / "uploads" / "long.gcode").write_text("G28\n" + "G1 X1\n" * 100_000)
    bench = Bench(server, printer, usb)
    wait_for(lambda: "The host is scripted" in server.log())
    return bench


@pytest.fixture(scope="module")
def bench(new_server, tmp_path_factory):
    bench = new_bench(new_server, tmp_path_factory.mktemp("bench"))
    yield bench
    bench.printer.unplug()


class TestLost:
    def test_it_vanishes(self, bench):
        bench.connect()
        bench.printer.unplug()
        assert reason_of(bench.admin) == ("error", "unplugged", "certain")
        assert ("kernel", "One second later the port was gone.") in evidence_of(bench.admin)

    def test_it_vanishes_while_it_prints(self, bench):
        bench.connect()
        bench.print()
        bench.printer.unplug()
        assert reason_of(bench.admin) == ("error", "unplugged", "certain")

    def test_it_is_closed_and_comes_back(self, bench):
        bench.connect()
        bench.printer.plug_in()
        assert reason_of(bench.admin) == ("error", "unknown", "unknown")
        *errors, there = evidence_of(bench.admin)
        assert there == ("kernel", "One second later the port was still there.")
        if shows_errors(bench.admin):
            ((source, text),) = errors
            assert source == "octoprint"
            # The reason depends on whether OctoPrint or the kernel notices first.
            assert text.startswith(("SerialException: ", "OSError: "))
            assert text in ended(bench.admin)["why"]["text"]

    def test_it_falls_silent(self, bench):
        bench.connect()
        bench.printer.silent = True
        assert reason_of(bench.admin) == ("error", "silent", "certain")
        assert [source for source, _ in evidence_of(bench.admin)] == [
            *("octoprint", "octoprint", "kernel")
        ]

    def test_its_firmware_stops(self, bench):
        bench.connect()
        bench.printer.say(f"Error:{RUNAWAY}", KILLED)
        assert reason_of(bench.admin) == ("error", "firmware_error", "certain")
        why = ended(bench.admin)["why"]
        assert RUNAWAY in why["text"]
        assert "thermistor" in why["advice"]
        assert {sign["source"] for sign in why["evidence"]} == {"firmware", "kernel"}

    def test_its_firmware_stops_while_it_prints(self, bench):
        bench.connect()
        bench.print()
        bench.printer.say(f"Error:{RUNAWAY}", KILLED)
        # OctoPrint answers with M112, which is not the reason.
        assert reason_of(bench.admin) == ("error", "firmware_error", "certain")
        assert "M112" in bench.printer.received

    @pytest.mark.parametrize("has_emergency_parser", [False, True])
    def test_an_emergency_stop(self, bench, has_emergency_parser):
        bench.connect()
        bench.printer.has_emergency_parser = has_emergency_parser
        command(bench.admin, "M112")
        assert reason_of(bench.admin) == ("error", "emergency_stop", "certain")
        assert "Reset the printer" in ended(bench.admin)["why"]["advice"]


class TestUsb:
    """Ports with a scripted view of the kernel."""

    def connect(self, bench, devnum=5):
        """Show the printer to the kernel as a USB device."""
        bench.printer.plug_in()
        bench.usb.plug_in(bench.printer.tty, devnum)
        bench.printer.connect(bench.admin)
        wait_for(lambda: connections(bench.admin)[0]["end"] == "running")
        wait_for(lambda: "M105" in bench.printer.received)

    def unplug(self, bench):
        bench.usb.unplug()
        bench.printer.unplug()

    def test_unplugged(self, bench):
        self.connect(bench)
        self.unplug(bench)
        assert reason_of(bench.admin) == ("error", "unplugged", "certain")
        assert ("kernel", "One second later the USB device was gone.") in evidence_of(bench.admin)

    def test_reset(self, bench):
        self.connect(bench)
        # The kernel notices before OctoPrint does.
        bench.usb.unplug()
        bench.usb.plug_in("ttyUSB1", 6)
        bench.printer.plug_in()
        assert reason_of(bench.admin) == ("error", "usb_reset", "certain")
        assert "number 6 instead of 5" in evidence_of(bench.admin)[0][1]
        self.unplug(bench)

    def test_overcurrent(self, bench):
        self.connect(bench)
        bench.usb.over_currents = 2
        self.unplug(bench)
        assert reason_of(bench.admin) == ("error", "overcurrent", "certain")
        assert (
            "kernel",
            "Over-current events at the USB port during the connection: 2.",
        ) in evidence_of(bench.admin)


class TestOtherEnds:
    def test_someone_disconnects(self, bench):
        bench.connect()
        bench.disconnect()
        assert reason_of(bench.admin) == ("disconnected", "requested", "certain")

    def test_octoprint_stops(self, new_server, tmp_path):
        bench = new_bench(new_server, tmp_path)
        bench.connect()
        bench.server.stop()
        bench.admin = recorded(bench.server)
        assert reason_of(bench.admin) == ("octoprint_down", "octoprint_down", "certain")
        bench.printer.unplug()

    def test_octoprint_stops_right_after_the_end(self, new_server, tmp_path):
        bench = new_bench(new_server, tmp_path)
        bench.connect()
        bench.printer.say(f"Error:{RUNAWAY}", KILLED)
        wait_for(lambda: connections(bench.admin)[0]["end"] == "error")
        bench.server.stop()
        bench.admin = recorded(bench.server)
        assert reason_of(bench.admin) == ("error", "firmware_error", "certain")
        bench.printer.unplug()

    def test_a_simulated_printer(self, bench):
        bench.admin.post("/api/connection", {"command": "connect", "port": "VIRTUAL"})
        wait_for(lambda: connections(bench.admin)[0]["end"] == "running")
        wait_for(lambda: bench.state() == "Operational")
        command(bench.admin, "!!DEBUG:drop_connection")
        command(bench.admin, "M105")
        assert reason_of(bench.admin) == ("error", "unknown", "unknown")
        sources = [source for source, _ in evidence_of(bench.admin)]
        assert sources == ["octoprint"] or not shows_errors(bench.admin)


def test_they_are_counted_by_their_reasons(bench):
    bench.connect()
    bench.printer.unplug()
    ended(bench.admin)
    ends = connections(bench.admin)
    reasons = [entry["why"]["reason"] for entry in ends if entry["end"] == "error"]
    counted = {
        reason: metrics(bench.admin)[f'{LOST}{{reason="{reason}"}}']
        for reason in REASONS["printer", "error"]
    }
    assert counted == {reason: reasons.count(reason) for reason in counted}
    assert counted["unplugged"] >= 1
