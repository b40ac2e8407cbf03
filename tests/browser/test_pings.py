"""The monitor's settings and test ping work, and the panel shows failing pings."""

import re

import pytest
from monitors import UUID, Healthchecks, UptimeKuma
from playwright.sync_api import expect
from settings_page import open_settings, save, stored

ADDRESS = "#settings_octoprint_uptime_ping_url"
REASON = f"{ADDRESS}_reason"
TESTED = ".octoprint_uptime_tested"


@pytest.fixture(autouse=True)
def as_it_was(preferences):
    """Restore the defaults afterwards."""


@pytest.fixture
def monitor():
    with Healthchecks().running() as made:
        yield made


@pytest.mark.matrix
def test_an_address_is_tried_before_it_is_saved_and_used_after(new_tab, admin, monitor):
    tab = new_tab()
    page = open_settings(tab)
    button = page.get_by_role("button", name="Send a test ping")
    page.locator(ADDRESS).fill(monitor.url)
    button.click()
    expect(page.locator(TESTED)).to_have_text(
        "The monitor (Healthchecks) accepted the test ping. It replied: OK"
    )
    assert stored(admin)["ping_url"] == ""
    save(tab)
    assert stored(admin)["ping_url"] == monitor.url
    open_settings(tab)
    expect(page.locator(TESTED)).to_have_text("")
    expect(page.get_by_text(re.compile(r"Last successful ping: \d+s ago."))).to_be_visible()


def test_what_a_monitor_answers_is_shown_as_text(new_tab):
    page = open_settings(new_tab())
    with UptimeKuma(active=False).running() as monitor:
        page.locator(ADDRESS).fill(monitor.url)
        page.get_by_role("button", name="Send a test ping").click()
        expect(page.locator(TESTED)).to_have_text(
            "The monitor does not recognize the address, or it is paused. It replied: "
            '{"ok": false, "msg": "Monitor not found or not active."}'
        )


def test_no_answer_makes_no_markup(new_tab):
    tab = new_tab()
    page = open_settings(tab)
    answer = {"taken": False, "style": "plain", "error": "No.", "answer": "<img src=x onerror=a()>"}
    tab.page.route(
        "**/api/plugin/octoprint_uptime",
        lambda route: (
            route.fulfill(json=answer) if route.request.method == "POST" else route.continue_()
        ),
    )
    page.locator(ADDRESS).fill("http://example.org/")
    page.get_by_role("button", name="Send a test ping").click()
    expect(page.locator(TESTED)).to_have_text("No. It replied: <img src=x onerror=a()>")
    expect(page.locator(f"{TESTED} img")).to_have_count(0)


@pytest.mark.parametrize("typed", ["hc-ping.com/x", "ftp://example.org/", "https://", "http://[x"])
def test_an_invalid_address_is_not_saved(new_tab, admin, preferences, monitor, typed):
    preferences(ping_url=monitor.url)
    tab = new_tab()
    page = open_settings(tab)
    page.locator(ADDRESS).fill(typed)
    expect(page.locator(REASON)).to_have_text(re.compile("must start with http:// or https://"))
    page.get_by_role("button", name="Send a test ping").click()
    expect(page.locator(TESTED)).to_have_text(
        "The address must start with http:// or https:// and contain a host name."
    )
    save(tab)
    assert stored(admin)["ping_url"] == monitor.url
    open_settings(tab)
    expect(page.locator(ADDRESS)).to_have_value(monitor.url)
    expect(page.locator(REASON)).to_have_text("")


def test_removing_the_address_ends_the_pings(new_tab, admin, preferences, monitor):
    preferences(ping_url=monitor.url)
    tab = new_tab()
    open_settings(tab).locator(ADDRESS).fill(" ")
    save(tab)
    assert stored(admin)["ping_url"] == ""
    assert admin.get("/api/plugin/octoprint_uptime").json()["pings"] is None


def test_the_panel_says_when_pings_fail_and_when_they_do_no_more(new_tab, preferences, monitor):
    tab = new_tab().open().shown()
    panel = tab.open_panel()
    expect(panel.get_by_text("Pings to the monitor")).to_be_hidden()
    preferences(ping_url=monitor.url + "0", ping_style="healthchecks")
    sentence = panel.get_by_text(re.compile("^Pings to the monitor have been failing since .+:"))
    expect(sentence).to_be_visible()
    expect(sentence).to_have_text(re.compile("The monitor does not recognize the address.$"))
    assert UUID not in panel.inner_text()
    preferences(ping_url=monitor.url)
    expect(sentence).to_be_hidden()


def test_who_may_only_view_sees_the_trouble_and_no_address(new_tab, preferences, monitor):
    preferences(ping_url=monitor.url + "0", ping_style="healthchecks")
    tab = new_tab().open("readonly").shown()
    expect(tab.open_panel().get_by_text("Pings to the monitor have been failing")).to_be_visible()
    kept = (
        "JSON.stringify(ko.toJS(OctoPrint.coreui.viewmodels.octoPrintUptimeViewModel.preferences))"
    )
    assert UUID not in tab.page.evaluate(kept)
    assert UUID not in tab.page.content()
