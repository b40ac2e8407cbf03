"""The row of a lost connection opens to its reason and evidence."""

import re

import pytest
from helpers import inside, recorded, wait_for
from history_answers import NOON, RUNNING, history, open_history, why
from playwright.sync_api import expect
from pty_printer import KILLED, PtyPrinter, config_for

HISTORY = "/plugin/octoprint_uptime/history"
MARKUP = "<img src=x onerror=alert(1)>"
LOST = re.compile("Lost connection to the printer")


@pytest.fixture(scope="module")
def printer(tmp_path_factory):
    printer = PtyPrinter(tmp_path_factory.mktemp("printer") / "port")
    printer.plug_in()
    yield printer
    printer.unplug()


@pytest.fixture(scope="module")
def server(new_server, printer):
    """A server whose printer was disconnected on request, then stopped by its firmware."""
    server = new_server(**config_for(printer.port))
    admin = recorded(server)

    def newest():
        return (admin.get(HISTORY).json()["printer"] or [{"end": None}])[0]

    printer.connect(admin)
    wait_for(lambda: newest()["end"] == "running")
    admin.post("/api/connection", {"command": "disconnect"}).raise_for_status()
    wait_for(lambda: newest()["end"] == "disconnected")
    printer.plug_in()
    printer.connect(admin)
    wait_for(lambda: newest()["end"] == "running")
    printer.say(f"Error:MINTEMP triggered {MARKUP}", KILLED)
    wait_for(lambda: newest()["end"] == "error" and newest()["why"]["evidence"])
    return server


@pytest.mark.matrix
def test_the_firmwares_own_words(new_tab):
    tab = new_tab().open().shown()
    tab.open_panel().get_by_text("History").click()
    dialog = tab.page.locator("#octoprint_uptime_history")
    events = dialog.locator("tbody .octoprint_uptime_event")
    expect(events).to_have_count(2)
    lost, disconnected = events.all()
    expect(lost).to_contain_text("The printer's firmware reported an error: “MINTEMP triggered")
    expect(lost.locator("p:visible").last).to_have_text(re.compile("/printer.*/port$"))
    # It was planned, so there are no details.
    expect(disconnected).to_have_text(re.compile(r"disconnected\s*$"))
    expect(disconnected.get_by_role("button")).to_have_count(0)
    button = lost.get_by_role("button", name=LOST)
    button.click()
    more = dialog.locator(f"#{button.get_attribute('aria-controls')}")
    expect(more).to_contain_text("Certain The evidence states the reason.")
    firmware = more.locator("li").first
    expect(firmware).to_contain_text("Printer firmware")
    expect(firmware).to_contain_text(MARKUP)
    expect(more).to_contain_text("its thermistor or the wiring")
    expect(more).not_to_contain_text("Before the outage")
    assert dialog.locator("img").count() == 0


@pytest.mark.parametrize("width", [1400, 1024, 768, 375, 320])
def test_an_open_row_fits(told, width):
    told_why = why(
        *("usb_reset", "certain", "The printer's USB connection was reset."),
        advice="Use a short, shielded cable. " * 5,
        evidence=[
            {"source": "kernel", "text": "A second later it was there again."},
            {"source": "octoprint", "text": "SerialException:" + "x" * 200},
        ],
    )
    del told_why["vitals"]
    lost = {
        **{"started_at": NOON - 7200, "ended_at": NOON - 3600, "seconds": 3600.0, "end": "error"},
        **{"port": "/dev/serial/by-id/" + "x" * 100, "why": told_why},
    }
    answer = history([RUNNING], printer=[lost])
    tab = told(answer, viewport={"width": width, "height": 900})
    dialog = open_history(tab)
    # The API has no downtime of a connection.
    glance = dialog.locator("dd", has_text=LOST)
    expect(glance).to_have_text(
        re.compile(r"^\s*Lost connection to the printer, \w+ 15:13\s*The printer's USB [^,]+$")
    )
    event = dialog.locator("tbody .octoprint_uptime_event")
    expect(event).to_contain_text("The printer's USB connection was reset.")
    button = dialog.locator("tbody").get_by_role("button", name=LOST)
    button.click()
    more = dialog.locator(f"#{button.get_attribute('aria-controls')}")
    expect(more.locator("li").last).to_contain_text("OctoPrint SerialException")
    assert inside(more, width)
    body = dialog.locator(".modal-body")
    assert body.evaluate("el => el.scrollWidth <= el.clientWidth")
    for part in more.locator("div, p").all():
        assert part.evaluate("el => el.scrollWidth <= el.clientWidth + 1"), part.inner_html()
