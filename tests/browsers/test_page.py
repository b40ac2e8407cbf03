"""The widget, the history and the settings work in browsers other than Chromium."""

import os
import re
import shutil
from pathlib import Path

import drivers
import psutil
import pytest
from accounts import PASSWORD
from helpers import recorded, seconds_of, wait_for
from shared import sample_history

HERE = Path(__file__).parent
WIDGET = "#navbar_plugin_octoprint_uptime"
TOGGLE = f"{WIDGET} > a"
PANEL = f"{WIDGET} .octoprint_uptime_panel"
HISTORY = "#octoprint_uptime_history"
SETTINGS = "#settings_plugin_octoprint_uptime"
SHOWN_CLOCKS = f"""() => [...document.querySelectorAll("{WIDGET} .octoprint_uptime_text")]
    .filter(element => element.offsetParent).map(element => element.innerText)"""
# In a script of the page, because an error in a debugger's script is not the page's.
THROW = """() => {
    const script = document.createElement("script");
    script.textContent = "throw new Error('octoprint_uptime')";
    document.head.append(script);
}"""
BROWSERS = [drivers.webkit, drivers.firefox, drivers.old_chromium]


@pytest.fixture(scope="module", params=BROWSERS, ids=lambda browser: browser.__name__)
def browser(request):
    try:
        with request.param() as browser:
            yield browser
    except FileNotFoundError as error:
        not_run = f"not tested in {request.param.__name__}: there is no {error.filename}"
        if os.environ.get("CI") == "true":
            pytest.fail(not_run)
        pytest.skip(not_run)


@pytest.fixture(scope="module")
def server(new_server, browser):
    """A server whose last end was a power loss, already acknowledged."""
    server = new_server(devel={"webassets": {"bundle": False}})
    shutil.copytree(HERE / "plugins", server.basedir / "plugins")
    sample_history.write(
        server.basedir / "data" / "octoprint_uptime" / "history.db",
        until=psutil.boot_time() - 60,
        ends=("power_loss", "restart", "crash"),
    )
    recorded(server).post("/api/plugin/octoprint_uptime", {"command": "acknowledge"})
    return server


@pytest.fixture(scope="module")
def page(browser, server):
    """OctoPrint's page, signed in through its form."""
    browser.go(server.url)
    browser.fill("#login-user", "admin")
    browser.fill("#login-password", PASSWORD)
    browser.click("#login-remember")
    browser.click("#login-button")
    wait_for(
        lambda: browser.evaluate(
            "() => Boolean(((window.OctoPrint || {}).coreui || {}).startedUp)"
        ),
        timeout_seconds=drivers.TIMEOUT_SECONDS,
    )
    wait_for(lambda: clocks(browser))
    return browser


@pytest.fixture(autouse=True)
def no_errors(page):
    yield
    assert errors_of_ours(page) == []


def errors_of_ours(page):
    """The errors since the last call that name one of our files."""
    errors = page.evaluate("() => pageErrors.splice(0)")
    return [error for error in errors if "octoprint_uptime" in error]


def test_an_error_of_ours_would_be_seen(page):
    page.evaluate(THROW)
    wait_for(lambda: errors_of_ours(page))


def clocks(page):
    """The uptimes visible in the navigation bar."""
    return page.evaluate(SHOWN_CLOCKS)


def test_the_uptimes_tick(page):
    before = [seconds_of(text) for text in clocks(page)]
    assert len(before) == 2
    wait_for(lambda: all(seconds_of(now) > then for now, then in zip(clocks(page), before)))


def test_the_panel(page):
    page.click(TOGGLE)
    for name in ("Host", "OctoPrint"):
        page.expect_text(PANEL, rf"{name}\s+\d.*s\s+since .+\d:\d\d")
    page.expect_text(f"{PANEL} .octoprint_uptime_story", "Power loss or reset")
    page.click(TOGGLE)
    wait_for(lambda: not page.text(PANEL))


def test_the_history(page):
    page.click(TOGGLE)
    page.click(f"{PANEL} .octoprint_uptime_history_link")
    page.expect_text(f"{HISTORY} tbody .octoprint_uptime_event", "Power loss or reset")
    drawn = "selector => document.querySelectorAll(selector).length"
    assert page.evaluate(drawn, f"{HISTORY} .octoprint_uptime_picture path") > 10
    page.click(f"{HISTORY} .octoprint_uptime_ranges > :nth-child(4)")
    page.expect_text(f"{HISTORY} table", "planned: ")
    page.click(f"{HISTORY} .modal-footer [data-dismiss=modal]:not(.pull-left)")
    wait_for(lambda: not page.text(HISTORY))


def test_a_setting_is_saved_and_applies(page, server):
    page.click(TOGGLE)
    page.click(f"{PANEL} .octoprint_uptime_settings")
    page.fill(f"{SETTINGS} #settings_octoprint_uptime_poll_interval_seconds", "30")
    page.click(f"{SETTINGS} input[value=d]")
    page.click("[data-test-id=settings-save]")
    wait_for(lambda: not page.text(SETTINGS))
    wait_for(lambda: all(re.fullmatch(r"\d+d", text) for text in clocks(page)))
    stored = server.stored_config()["plugins"]["octoprint_uptime"]
    assert stored == {"display_format": "d", "poll_interval_seconds": 30}
    server.login("admin", PASSWORD).post(
        "/api/settings", {"plugins": {"octoprint_uptime": {"display_format": "full"}}}
    ).raise_for_status()
    wait_for(lambda: clocks(page)[0].endswith("s"))


def test_the_server_goes_and_comes_back(page, server):
    before = seconds_of(clocks(page)[1])
    server.stop()
    page.expect_text(TOGGLE, "offline")
    assert clocks(page) == []
    recorded(server)
    wait_for(lambda: len(clocks(page)) == 2, timeout_seconds=drivers.TIMEOUT_SECONDS)
    assert seconds_of(clocks(page)[1]) < before
