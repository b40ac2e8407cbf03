"""Answers of the history API, for a page under test."""

from playwright.sync_api import expect

HISTORY = "**/plugin/octoprint_uptime/history?days=*"
DAY = 86400.0
NOON = 1_790_000_000.0


def why(reason="unknown", grade="unknown", text="Nothing shows why.", **fields):
    """The API's ``why`` of an entry."""
    told = {"reason": reason, "grade": grade, "text": text, "advice": None}
    return {**told, "evidence": [], "vitals": [], **fields}


def stopped_at(file, **fields):
    """The API's ``stopped_at`` of an entry."""
    return {
        "file": file,
        "origin": "local",
        "percent": 63.97,
        "position_bytes": 84_000_000,
        "size_bytes": 132_000_000,
        "z_mm": 41.2,
        "printed_seconds": 11_520,
        "targets": {"tool0": 210.0},
        **fields,
    }


def run(**fields):
    """A run of OctoPrint, as an entry of the API."""
    return {
        "started_at": NOON - DAY,
        "ended_at": NOON - 900,
        "seconds": DAY - 900,
        "end": "power_loss",
        "end_exact": False,
        "downtime_seconds": 840.0,
        "interrupted_print": None,
        "stopped_at": None,
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


def history(octoprint, system=(), printer=(), prints=(), availability=0.9):
    """An answer of the history API."""
    summary = {"availability": availability, "longest_seconds": 0, "ends": {}}
    return {
        "from": NOON - 30 * DAY,
        "to": NOON,
        "recorded_since": min(
            (run["started_at"] for run in octoprint if run["started_at"] is not None),
            default=None,
        ),
        "octoprint": octoprint,
        "system": list(system),
        "printer": list(printer),
        "prints": list(prints),
        "summary": {"octoprint": summary, "system": summary},
    }


def open_history(tab):
    tab.open_panel().get_by_text("History").click()
    tab.page.clock.run_for(1000)  # the dialog fades in
    dialog = tab.page.locator("#octoprint_uptime_history")
    expect(dialog).to_be_visible()
    return dialog
