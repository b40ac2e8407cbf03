"""A headless Chromium for the browser tests and the pictures."""

from __future__ import annotations

import os
import shutil

from playwright.sync_api import Browser, BrowserContext, Playwright
from shared.octoprint_server import OctoPrintServer

NAMES = ("chromium-headless-shell", "chromium", "google-chrome")
# Chromium's sandbox does not work for root, and a container has no GPU.
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


def launch(playwright: Playwright) -> Browser:
    """Launch the browser in ``CHROMIUM``, else the system's Chromium or Chrome."""
    installed = (path for name in NAMES if (path := shutil.which(name)))
    path = os.environ.get("CHROMIUM") or next(installed, None)
    return playwright.chromium.launch(executable_path=path, args=FLAGS)


def sign_in(context: BrowserContext, server: OctoPrintServer, name: str, password: str) -> None:
    cookies = server.login(name, password).requests.cookies
    context.add_cookies(
        [{"name": cookie.name, "value": cookie.value, "url": server.url} for cookie in cookies]
    )
