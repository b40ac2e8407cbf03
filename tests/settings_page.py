"""The plugin's page in OctoPrint's settings, for tests in a browser."""

from playwright.sync_api import expect


def open_settings(tab):
    tab.open().shown().open_panel().get_by_text("Settings").click()
    page = tab.page.locator("#settings_plugin_octoprint_uptime")
    page.wait_for(state="visible")
    return page


def save(tab):
    tab.page.click("#settings_dialog [data-test-id=settings-save]")
    expect(tab.page.locator("#settings_dialog")).to_be_hidden()


def stored(admin):
    return admin.get("/api/settings").json()["plugins"]["octoprint_uptime"]
