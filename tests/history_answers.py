"""Answers of the API about a history, to be told to a page."""

from playwright.sync_api import expect

HISTORY = "**/plugin/octoprint_uptime/history?days=*"
DAY = 86400.0
NOON = 1_790_000_000.0


def why(reason="unknown", grade="unknown", text="Nobody knows why.", **fields):
    """Why an entry ended, as the API tells it."""
    told = {"reason": reason, "grade": grade, "text": text, "advice": None}
    return {**told, "evidence": [], "vitals": [], **fields}


def run(**fields):
    """A run of OctoPrint as the API tells of it, newest first in a list of them."""
    return {
        "started_at": NOON - DAY,
        "ended_at": NOON - 900,
        "seconds": DAY - 900,
        "end": "power_loss",
        "end_exact": False,
        "downtime_seconds": 840.0,
        "interrupted_print": None,
        "undervoltage": False,
        "octoprint_version": "1.11.8",
        "why": why(),
        **fields,
    }


RUNNING = run(
    started_at=NOON - 60,
    ended_at=None,
    seconds=60.0,
    end="running",
    downtime_seconds=None,
    why=None,
)


def history(octoprint, system=(), printer=(), availability=0.9):
    """An answer of the API."""
    summary = {"availability": availability, "longest_seconds": 0, "ends": {}}
    return {
        "from": NOON - 30 * DAY,
        "to": NOON,
        "octoprint": octoprint,
        "system": list(system),
        "printer": list(printer),
        "summary": {"octoprint": summary, "system": summary},
    }


def open_history(tab):
    tab.open_panel().get_by_text("History").click()
    tab.page.clock.run_for(1000)  # the dialog fades in
    dialog = tab.page.locator("#octoprint_uptime_history")
    expect(dialog).to_be_visible()
    return dialog
