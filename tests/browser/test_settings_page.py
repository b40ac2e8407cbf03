"""The settings page saves valid settings, and every open tab follows at once."""

import re

import pytest
from playwright.sync_api import expect
from settings_page import open_settings, save, stored

from octoprint_uptime.settings import defaults

POLL = "#settings_octoprint_uptime_poll_interval_seconds"
TURN = "#settings_octoprint_uptime_compact_toggle_interval_seconds"
PREFIX = "#settings_octoprint_uptime_home_assistant_prefix"


@pytest.fixture(autouse=True)
def as_it_was(preferences):
    """Restore the defaults afterwards."""


@pytest.mark.matrix
def test_a_save_shows_at_once_in_every_tab(new_tab, admin):
    first = new_tab()
    page = open_settings(first)
    second = new_tab(context=first.page.context).open().shown()
    expect(second.clocks).to_have_count(2)

    page.get_by_label("Short").check()
    page.get_by_label("Show OctoPrint uptime").uncheck()
    expect(first.clocks).to_have_count(2)  # nothing is sent before the save
    save(first)

    for tab in (first, second):
        expect(tab.clocks).to_have_count(1)
        expect(tab.clocks).to_have_text(re.compile(r"^(\d+d)?(\d+h)?\d+m$"))
    assert stored(admin) == {
        **defaults(),
        "display_format": "short",
        "show_octoprint_uptime": False,
    }


def test_what_is_not_saved_does_not_show(new_tab):
    tab = new_tab()
    page = open_settings(tab)
    page.get_by_label("Show host uptime").uncheck()
    tab.page.locator("#settings_dialog .modal-footer button:visible", has_text="Close").click()
    expect(tab.page.locator("#settings_dialog")).to_be_hidden()
    expect(tab.clocks).to_have_count(2)


def test_with_every_switch_off_the_widget_is_gone(new_tab):
    tab = new_tab()
    page = open_settings(tab)
    page.get_by_label("Show host uptime").uncheck()
    page.get_by_label("Show OctoPrint uptime").uncheck()
    save(tab)
    expect(tab.item).to_be_hidden()


def test_quick_saves_end_with_the_last(new_tab, preferences):
    """The answers to the first save may come after those to the last."""
    tab = new_tab().open().shown()
    held = []

    def hold_those_of_the_first(route):
        if len(held) == len(("OctoPrint's own", "the widget's")):
            route.continue_()
        else:
            held.append(route)

    tab.page.route("**/api/settings", hold_those_of_the_first)
    preferences(show_octoprint_uptime=False)
    while len(held) < 2:
        tab.page.wait_for_event("request")
    preferences(show_octoprint_uptime=True, display_format="short")
    expect(tab.clocks.first).to_have_text(re.compile(r"m$"))
    expect(tab.clocks).to_have_count(2)
    old = {"plugins": {"octoprint_uptime": {**defaults(), "show_octoprint_uptime": False}}}
    for route in held:
        with tab.page.expect_response("**/api/settings"):
            route.fulfill(json=old)
    assert tab.clocks.count() == 2


def test_each_format_has_a_live_example(new_tab):
    tab = new_tab()
    page = open_settings(tab)
    examples = page.locator(".octoprint_uptime_example")
    expect(examples).to_have_count(5)
    full = examples.first
    before = full.inner_text()
    expect(full).not_to_have_text(before)
    answer = tab.page.evaluate("OctoPrint.plugins.octoprint_uptime.get()")
    fields = ("uptime_dhm", "uptime_dh", "uptime_d", "uptime_short")
    for example, field in zip(examples.all()[1:], fields):
        expect(example).to_have_text(answer[field])


def test_the_examples_live_with_every_switch_off(new_tab, preferences):
    preferences(show_system_uptime=False, show_octoprint_uptime=False)
    tab = new_tab(clock=True).open()
    tab.wait_for_answers(1)  # for the notice
    tab.page.clock.run_for(600_000)
    assert len(tab.asked) == 1
    tab.page.evaluate(
        "OctoPrint.coreui.viewmodels.settingsViewModel.show('settings_plugin_octoprint_uptime')"
    )
    tab.wait_for_answers(2)
    answer = tab.page.evaluate("OctoPrint.plugins.octoprint_uptime.get()")
    example = tab.page.locator(".octoprint_uptime_example").nth(1)
    expect(example).to_have_text(answer["uptime_dhm"])
    expect(tab.item).to_be_hidden()


@pytest.mark.parametrize(
    ("field", "typed", "kept", "reason"),
    [
        (POLL, "500", 120, "Enter a whole number of seconds from 1 to 120. 120 will be saved."),
        (POLL, "0", 1, "Enter a whole number of seconds from 1 to 120. 1 will be saved."),
        (POLL, "7.5", 7, "Enter a whole number of seconds from 1 to 120. 7 will be saved."),
        (POLL, "", 60, "Enter a whole number of seconds from 1 to 120. 60 will be saved."),
        (POLL, "30", 30, ""),
        (TURN, "3", 5, "Enter a whole number of seconds from 5 to 60. 5 will be saved."),
        (PREFIX, "home/ha", "home/ha", ""),
        (
            PREFIX,
            "/ha/",
            "ha",
            "Do not use # or +, or a slash at the beginning or end. ha will be saved.",
        ),
        (
            *(PREFIX, "home/#", "homeassistant"),
            "Do not use # or +, or a slash at the beginning or end. homeassistant will be saved.",
        ),
        (
            *(PREFIX, " ", "homeassistant"),
            "Do not use # or +, or a slash at the beginning or end. homeassistant will be saved.",
        ),
    ],
)
def test_ranges_are_enforced_while_typing(new_tab, admin, field, typed, kept, reason):
    tab = new_tab()
    page = open_settings(tab)
    input_field = page.locator(field)
    input_field.fill(typed)
    expect(page.locator(f"{field}_reason")).to_have_text(reason)
    expect(input_field).to_have_value(typed)
    expect(page.locator(".control-group.error")).to_have_count(1 if reason else 0)
    input_field.blur()
    expect(input_field).to_have_value(str(kept))
    expect(page.locator(f"{field}_reason")).to_have_text("")
    save(tab)
    name = field.replace("#settings_octoprint_uptime_", "")
    assert stored(admin)[name] == kept


def test_a_number_may_be_typed_digit_by_digit(new_tab):
    page = open_settings(new_tab())
    field = page.locator(TURN)
    field.fill("")
    field.press_sequentially("30")
    expect(field).to_have_value("30")
    expect(page.locator(f"{TURN}_reason")).to_have_text("")


def test_saving_while_the_cursor_is_in_the_field_keeps_the_range(new_tab, admin):
    tab = new_tab()
    page = open_settings(tab)
    page.locator(POLL).fill("999")
    tab.page.evaluate("document.querySelector('[data-test-id=settings-save]').click()")
    expect(tab.page.locator("#settings_dialog")).to_be_hidden()
    assert stored(admin)["poll_interval_seconds"] == 120


def test_home_assistant_may_be_switched_off(new_tab, admin):
    tab = new_tab()
    open_settings(tab).get_by_label("Let Home Assistant find this printer").uncheck()
    save(tab)
    assert stored(admin)["home_assistant"] is False
