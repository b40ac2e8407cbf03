"""OctoPrint's health check shows the plugin's results in plain words."""

import json
import shutil
import time
from importlib.metadata import version
from pathlib import Path

import pytest
from accounts import PASSWORD
from board import Board
from helpers import WITH_HEALTH_CHECK, inside, recorded, scripted_board
from playwright.sync_api import expect

from octoprint_uptime.why.words import in_general

pytestmark = pytest.mark.skipif(
    version("OctoPrint").startswith("1.10."), reason="OctoPrint 1.10 has no health check"
)

DAY = 86400
GB = 10**9
MARKUP = "<img src=x onerror=alert(1)>"
PLUGIN = Path(__file__).parent.parent / "server" / "plugins" / "host_seems.py"
SILENT, BUSY = in_general("printer", "error", "silent")

STICKS_OUT = """dialog => {
    const right = dialog.getBoundingClientRect().right + 1;
    return [dialog, ...dialog.querySelectorAll("*")]
        .filter(element => element.checkVisibility())
        .filter(element => element.getBoundingClientRect().right > right
            || (getComputedStyle(element).display !== "inline"
                && element.scrollWidth > element.clientWidth + 1))
        .map(element => element.outerHTML.slice(0, 200));
}"""

TOLD = {
    "disk": ("warning", {"free_bytes": 20 * GB, "bytes_a_day": 4_400_000_000, "hours_left": 120}),
    "memory": (
        "warning",
        {
            "process_bytes": 910_000_000,
            "available_bytes": 1_200_000_000,
            "bytes_a_day": 800_000_000,
            "hours_left": 36,
        },
    ),
    "undervoltage": ("warning", {"times": 4}),
    "heat": ("warning", {"minutes": 75, "celsius": 84}),
    "filesystem": ("issue", {"errors": 2, "read_only": True, "days": 7}),
    "connection": (
        "warning",
        {"days": 7, "losses": 6, "reason": "silent", "times": 4, "text": SILENT, "advice": BUSY},
    ),
    "clock": ("warning", {"hours": 24}),
    "power": ("warning", {"days": 7, "losses": 3, "after_undervoltage": 1}),
}


@pytest.fixture(scope="module")
def server(new_server):
    """A server whose disk has been filling up for four days and will last four and a half more."""
    seems = {"vitals": {"disk_free_bytes": 22.5 * GB}, "host": {"clock_set": True, "network": True}}
    server = new_server(
        environment={
            **scripted_board("boot-0", age=4 * DAY + 5),
            "HOST_SEEMS": json.dumps(seems),
        },
        plugins=WITH_HEALTH_CHECK,
    )
    (server.basedir / "plugins").mkdir()
    shutil.copy(PLUGIN, server.basedir / "plugins")
    folder = server.basedir / "data" / "octoprint_uptime"
    folder.mkdir(parents=True)
    board = Board(folder / "history.db", true=time.time() - 4 * DAY).start()
    full_at = time.time() + 4.5 * DAY
    board.hours(95, disk_free_bytes=lambda at: 5 * GB * (full_at - at) / DAY).goodbye()
    recorded(server)
    return server


@pytest.fixture
def opened(server, new_tab):
    """The dialog, with the server's results or with others."""

    def make(results=None, **options):
        tab = new_tab(of=server, **options).open().shown()
        if results is not None:
            admin = server.login("admin", PASSWORD)
            answer = admin.get("/api/plugin/health_check").json()
            for name, (result, context) in results.items():
                check = answer["health"][f"octoprint_uptime_{name}"]
                check.update(result=result, context=context, hash=name)
            tab.page.route("**/api/plugin/health_check*", lambda route: route.fulfill(json=answer))
        request = "OctoPrint.coreui.viewmodels.healthCheckViewModel.requestData()"
        tab.page.evaluate(request)
        tab.page.evaluate(
            "OctoPrint.coreui.viewmodels.healthCheckViewModel.showHealthCheckDialog()"
        )
        dialog = tab.page.locator("#plugin_health_check_dialog")
        expect(dialog).to_be_visible()
        return dialog

    return make


def card(dialog, title):
    return dialog.locator(".plugin_health_check_alert", has_text=title)


def test_what_the_server_says(opened):
    dialog = opened()
    told = card(dialog, "The disk is filling up")
    expect(told.locator("p")).to_have_text(
        [
            "Disk space left: 22 GB.",
            "Free space has shrunk by 5 GB a day over the last three days."
            " At this rate the disk will be full in about 4 days.",
            "Delete old timelapses, uploads and logs, or use a larger card.",
        ]
    )


@pytest.mark.parametrize("width", [1400, 768, 375])
def test_title_figures_and_advice_of_each(opened, width):
    dialog = opened(TOLD, viewport={"width": width, "height": 900})
    for title, figures, advice in [
        ("The disk is filling up", "full in about 5 days", "Delete old timelapses"),
        (
            "OctoPrint is using up the host's memory",
            "memory has grown to 910 MB. It has grown steadily for a day, by 800 MB a day."
            "The host has 1.2 GB left, enough for about 36 hours at this rate.",
            "Then find the leak",
        ),
        ("The power supply is too weak", "detected 4 times in the last 24 hours", "official power"),
        ("The processor is too hot", "for 75 minutes in the last 24 hours", "heat sink"),
        ("The processor is too hot", "It reached 84 °C", "heated enclosure"),
        ("The file system is failing", "OctoPrint cannot save anything.", "Back up now"),
        ("The file system is failing", "reported 2 errors in the last 7 days.", "SD card"),
        ("The printer keeps disconnecting", "lost 6 times in the last 7 days", "baud rate"),
        (
            "The printer keeps disconnecting",
            "Most frequent reason (4 times): The printer stopped responding.",
            "increase the timeouts",
        ),
        (
            "The host's clock is not synchronized",
            "in the last 24 hours of running",
            "timedatectl set-ntp true",
        ),
        ("The host keeps losing power", "reset 3 times in the last 7 days", "preceded 1 of them"),
    ]:
        told = card(dialog, title)
        expect(told).to_contain_text(figures)
        expect(told).to_contain_text(advice)
        told.scroll_into_view_if_needed()
        assert inside(told, width)
    expect(dialog.locator(".alert-error.plugin_health_check_alert")).to_have_count(1)


@pytest.mark.parametrize(
    ("hours", "told"), [(1, "1 hour"), (23, "23 hours"), (84, "84 hours"), (96, "4 days")]
)
def test_the_time_left(opened, hours, told):
    context = {"free_bytes": GB, "bytes_a_day": GB, "hours_left": hours}
    dialog = opened({"disk": ("warning", context)})
    expect(card(dialog, "The disk is filling up")).to_contain_text(f"in about {told}.")


def test_a_disk_that_is_almost_full(opened):
    dialog = opened({"disk": ("issue", {"free_bytes": 180_000_000})})
    told = card(dialog, "The disk is almost full")
    expect(told).to_contain_text("Disk space left: 180 MB.")
    expect(told).not_to_contain_text("rate")


def test_an_unknown_reason_is_not_shown_and_has_its_own_advice(opened):
    text, advice = in_general("printer", "error", "unknown")
    context = {"days": 7, "losses": 5, "reason": "unknown", "times": 5, "text": text}
    dialog = opened({"connection": ("warning", {**context, "advice": advice})})
    told = card(dialog, "The printer keeps disconnecting")
    expect(told.locator("p")).to_have_text(
        ["The connection was lost 5 times in the last 7 days.", advice]
    )


def test_what_the_server_says_about_a_reason_is_shown_as_text(opened):
    context = {"days": 7, "losses": 5, "reason": "silent", "times": 5}
    dialog = opened({"connection": ("warning", {**context, "text": MARKUP, "advice": MARKUP})})
    told = card(dialog, "The printer keeps disconnecting")
    expect(told.locator("p").last).to_have_text(MARKUP)
    expect(told.locator("img")).to_have_count(0)


def test_figures_that_are_none_are_shown_as_text(opened):
    context = {"free_bytes": 5 * GB, "bytes_a_day": GB, "hours_left": 120}
    odd = {**context, "free_bytes": MARKUP}
    told = card(opened({"disk": ("warning", odd)}), "The disk is filling up")
    expect(told.locator("p")).to_have_count(3)
    expect(told.locator("img")).to_have_count(0)


GERMAN = [
    ("Der Datenträger füllt sich", "Lösche alte Zeitrafferaufnahmen"),
    ("Der Drucker verliert immer wieder die Verbindung", "Häufigste Ursache (4-mal): "),
    ("Der Drucker verliert immer wieder die Verbindung", "Prüfe Baudrate und Kabel"),
    ("Die Uhr des Rechners ist nicht synchronisiert", "timedatectl set-ntp true"),
]


@pytest.mark.parametrize("width", [1400, 768, 375])
def test_german_at_every_width(opened, width):
    dialog = opened(TOLD, locale="de-DE", viewport={"width": width, "height": 900})
    for title, sentence in GERMAN:
        expect(card(dialog, title)).to_contain_text(sentence)
    for told in dialog.locator(".plugin_health_check_alert").all():
        told.scroll_into_view_if_needed()
        assert inside(told, width)
    assert dialog.evaluate(STICKS_OUT) == []


def test_the_language_decides_about_the_numbers(opened):
    dialog = opened(TOLD, locale="de-DE")
    expect(card(dialog, "1,2")).to_be_visible()
