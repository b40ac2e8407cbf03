from __future__ import annotations

import os
import re
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from accounts import PASSWORD
from history_answers import HISTORY, NOON
from playwright.sync_api import Error, Locator, Page, expect, sync_playwright
from shared import chromium
from shared.octoprint_server import OctoPrintServer

from octoprint_uptime.settings import defaults

API = "/api/plugin/octoprint_uptime"

# OctoPrint's G-code viewer loads this late, in a worker, perhaps when a test has stopped the
# server. The plugin has no worker.
NOT_OURS = re.compile(r"Failed to execute 'importScripts'.*/pako\.js")


# Playwright's five seconds are too few for a busy machine.
expect.set_options(timeout=30_000)


@pytest.fixture(scope="session")
def browser():
    with sync_playwright() as playwright:
        try:
            browser = chromium.launch(playwright)
        except Error as error:
            not_run = f"browser tests not run, no Chromium: {error.message.splitlines()[0]}"
            if os.environ.get("CI") == "true":
                pytest.fail(not_run)
            pytest.skip(not_run)
        yield browser
        browser.close()


class Tab:
    """One tab with OctoPrint's page and the widget in it."""

    def __init__(self, page: Page, server: OctoPrintServer) -> None:
        self.page = page
        self.server = server
        self.asked: list[str] = []
        self.problems: list[str] = []
        self.item = page.locator("#navbar_plugin_octoprint_uptime")
        self.toggle = self.item.locator("> a")
        self.panel = self.item.locator(".octoprint_uptime_panel")
        page.on("request", self._note)
        page.on("pageerror", self._note_error)

    def _note(self, request) -> None:
        if request.url.endswith(API):
            self.asked.append(request.url)

    def _note_error(self, error) -> None:
        if not NOT_OURS.search(str(error)):
            self.problems.append(str(error))

    def open(self, user: str | None = "admin") -> Tab:
        if user:
            chromium.sign_in(self.page.context, self.server, user, PASSWORD)
        self.page.goto(self.server.url)
        self.page.wait_for_function("window.OctoPrint?.coreui?.startedUp")
        return self

    def shown(self) -> Tab:
        self.item.wait_for(state="visible")
        return self

    @property
    def clocks(self) -> Locator:
        """The uptimes visible in the navigation bar."""
        return self.item.locator(".octoprint_uptime_text:visible")

    def texts(self) -> list[str]:
        return self.clocks.all_inner_texts()

    def open_panel(self) -> Locator:
        self.toggle.click()
        self.panel.wait_for(state="visible")
        return self.panel

    def answer_with(self, **fields: Any) -> None:
        """Change the API's real answer on its way to the page."""

        def change(route) -> None:
            response = route.fetch()
            route.fulfill(response=response, json={**response.json(), **fields})

        self.page.unroute(f"**{API}")
        self.page.route(f"**{API}", change)

    def set_hidden(self, hidden: bool) -> None:
        """Hide or show the tab, as when another tab covers it."""
        self.page.evaluate(
            """hidden => {
                Object.defineProperty(document, "hidden", {value: hidden, configurable: true});
                document.dispatchEvent(new Event("visibilitychange"));
            }""",
            hidden,
        )

    def wait_for_answers(self, count: int) -> None:
        """Wait for so many requests and their answers: a clock that jumps times them out."""
        while len(self.asked) < count:
            self.page.wait_for_event("request", lambda request: request.url.endswith(API))
        self.page.wait_for_function("$.active === 0")


@pytest.fixture
def new_tab(browser, server):
    """A factory of tabs, each in its own browser context unless they share ``context``."""
    contexts = []
    tabs = []

    def make(context=None, of=server, clock=False, **options) -> Tab:
        options = {"viewport": {"width": 1400, "height": 900}, "locale": "en-GB", **options}
        if context is None:
            context = browser.new_context(**options)
            contexts.append(context)
        page = context.new_page()
        if clock:
            page.clock.install()
        tabs.append(Tab(page, of))
        return tabs[-1]

    yield make
    for context in contexts:
        context.close()
    assert [tab.problems for tab in tabs if tab.problems] == []


@pytest.fixture
def preferences(server, admin):
    """A function that saves settings; the defaults are restored after the test."""

    def save(**settings) -> None:
        body = {"plugins": {"octoprint_uptime": settings}}
        admin.post("/api/settings", body).raise_for_status()

    yield save
    save(**defaults())


@pytest.fixture
def told(new_tab):
    """A factory of tabs whose time is noon and whose API tells a given history."""

    def make(answer, at=NOON, **options):
        tab = new_tab(timezone_id="Europe/Berlin", **options)
        tab.page.clock.install(time=datetime.fromtimestamp(at, ZoneInfo("UTC")))
        tab.page.route(HISTORY, lambda route: route.fulfill(json=answer))
        tab.open().shown()
        return tab

    return make
