"""A scripted /sys shows what happened to the device behind a port."""

import pytest
from usb_tree import UsbTree

from octoprint_uptime.why.device import device_of

BY_ID = "/dev/serial/by-id/usb-1a86_USB_Serial-if00-port0"


class Host:
    """A host with one printer on USB, at ``/dev/ttyUSB0``, which udev also links to."""

    def __init__(self, root):
        self.root = root
        (root / "dev/serial/by-id").mkdir(parents=True)
        self.usb = UsbTree(root)
        self.plug_in("ttyUSB0", 5)

    def plug_in(self, tty, devnum):
        self.usb.plug_in(tty, devnum, has_driver_of_its_own=tty.startswith("ttyUSB"))
        self.tty = self.root / "dev" / tty
        self.tty.touch()
        (self.root / BY_ID[1:]).symlink_to(f"../../{tty}")

    def unplug(self):
        self.usb.unplug()
        self.tty.unlink()
        (self.root / BY_ID[1:]).unlink()

    def device(self, port="/dev/ttyUSB0"):
        return device_of(port, self.root)


@pytest.fixture
def pi(tmp_path):
    return Host(tmp_path)


@pytest.mark.parametrize("port", ["/dev/ttyUSB0", BY_ID])
def test_a_printer_on_usb(pi, port):
    device = pi.device(port)
    assert (device.tty, device.devnum, device.over_currents) == ("ttyUSB0", 5, 0)
    assert device.usb.name == "1-1.4"
    assert device.after_the_end() == {"still_there": True}


def test_one_without_a_driver_of_its_own(tmp_path):
    pi = Host(tmp_path)
    pi.unplug()
    pi.plug_in("ttyACM0", 7)
    assert pi.device("/dev/ttyACM0").devnum == 7


@pytest.mark.parametrize(
    "port", [None, "", "VIRTUAL", "AUTO", "COM3", "socket://10.0.0.7:23", "/dev/ttyUSB1", "/dev/\0"]
)
def test_no_device(pi, port):
    assert pi.device(port) is None


@pytest.mark.parametrize("port", ["/dev/ttyUSB0", BY_ID])
def test_unplugged(pi, port):
    device = pi.device(port)
    pi.unplug()
    assert device.after_the_end() == {"gone": "usb", "over_currents": 0}


def test_unplugged_in_a_container_whose_node_stays(pi):
    device = pi.device()
    pi.unplug()
    pi.tty.touch()
    assert device.after_the_end() == {"gone": "usb", "over_currents": 0}


def test_reset(pi):
    device = pi.device()
    pi.unplug()
    pi.plug_in("ttyUSB0", 6)
    assert device.after_the_end() == {"devnums": [5, 6], "port_now": None, "over_currents": 0}


def test_the_numbers_start_again_after_127(pi):
    pi.unplug()
    pi.plug_in("ttyUSB0", 127)
    device = pi.device()
    pi.unplug()
    pi.plug_in("ttyUSB0", 3)
    assert device.after_the_end()["devnums"] == [127, 3]


@pytest.mark.parametrize(("port", "port_now"), [("/dev/ttyUSB0", "/dev/ttyUSB1"), (BY_ID, None)])
def test_reset_and_called_something_else(pi, port, port_now):
    device = pi.device(port)
    pi.unplug()
    pi.plug_in("ttyUSB1", 6)
    after = device.after_the_end()
    assert (after["devnums"], after["port_now"]) == ([5, 6], port_now)


@pytest.mark.parametrize("returns", [True, False])
def test_over_current(pi, returns):
    pi.usb.over_currents = 2
    device = pi.device()
    pi.usb.over_currents = 5
    pi.unplug()
    if returns:
        pi.plug_in("ttyUSB0", 6)
    assert device.after_the_end()["over_currents"] == 3


def test_over_current_is_not_the_reason_if_the_device_stayed(pi):
    device = pi.device()
    pi.usb.over_currents = 5
    assert device.after_the_end() == {"still_there": True}


def test_a_kernel_that_counts_no_over_currents(pi):
    pi.usb.over_current_count.unlink()
    device = pi.device()
    assert device.over_currents is None
    pi.unplug()
    assert device.after_the_end() == {"gone": "usb", "over_currents": 0}


@pytest.mark.parametrize(
    ("stays", "after"), [(True, {"still_there": True}), (False, {"gone": "port"})]
)
def test_a_port_of_no_usb_device(tmp_path, stays, after):
    port = tmp_path / "dev/ttyAMA0"
    port.parent.mkdir()
    port.touch()
    device = device_of("/dev/ttyAMA0", tmp_path)
    assert device.usb is None
    if not stays:
        port.unlink()
    assert device.after_the_end() == after
