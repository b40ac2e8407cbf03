"""Take the pictures in ``docs/`` of a real OctoPrint, in a real Chromium."""

from __future__ import annotations

import tempfile
from pathlib import Path

import chromium
import psutil
import sample_history
from octoprint_server import OctoPrintServer
from playwright.sync_api import Locator, Page, sync_playwright

DOCS = Path(__file__).resolve().parent.parent / "docs"
# A host that has been up for long, as the reader's will have been.
UPTIMES = {"seconds": 1_048_953, "octoprint_seconds": 267_130, "printer_seconds": 29_537}


def with_long_uptimes(route) -> None:
    response = route.fetch()
    route.fulfill(response=response, json={**response.json(), **UPTIMES})


def picture(part: Locator, name: str) -> None:
    """Of a part of a dialog, once that has faded in."""
    part.wait_for()
    part.evaluate(
        """part => Promise.all(
            part.closest(".modal").getAnimations().map(animation => animation.finished)
        )"""
    )
    part.screenshot(path=DOCS / name)


def take(page: Page) -> None:
    page.locator("#navbar_plugin_octoprint_uptime > a").click()
    page.locator(".octoprint_uptime_panel").wait_for()
    page.locator(".octoprint_uptime_strip").wait_for()
    panel = {"x": 390, "y": 0, "width": 610, "height": 385}
    page.screenshot(path=DOCS / "navbar.png", clip=panel)
    page.locator(".octoprint_uptime_history_link").click()
    history = page.locator("#octoprint_uptime_history")
    picture(history, "history.png")
    page.keyboard.press("Escape")
    history.wait_for(state="hidden")
    page.locator("#navbar_plugin_octoprint_uptime > a").click()
    page.locator(".octoprint_uptime_settings").click()
    settings = page.locator("#settings_plugin_octoprint_uptime")
    picture(settings, "settings.png")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        server = OctoPrintServer(Path(folder))
        server.configure(plugins={"octoprint_uptime": {"show_printer_uptime": True}})
        sample_history.write(
            server.basedir / "data" / "octoprint_uptime" / "history.db",
            until=psutil.boot_time() - 860,
            ends=("power_loss", "restart", "shutdown", "crash"),
        )
        server.add_admin("admin", "admin")
        with server.running():
            command = {"command": "acknowledge"}
            server.login("admin", "admin").post("/api/plugin/octoprint_uptime", command)
            browser = chromium.launch(playwright)
            page = browser.new_page(viewport={"width": 1000, "height": 1000}, locale="en-GB")
            chromium.sign_in(page.context, server, "admin", "admin")
            page.route("**/api/plugin/octoprint_uptime", with_long_uptimes)
            page.goto(server.url)
            take(page)
            browser.close()


if __name__ == "__main__":
    main()
