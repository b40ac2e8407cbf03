"""Browsers other than Chromium, all with the same few methods."""

from __future__ import annotations

import contextlib
import errno
import importlib.util
import itertools
import json
import os
import re
import subprocess
import sys
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests
import websocket
from helpers import wait_for
from selenium.webdriver import WebKitGTK
from selenium.webdriver.webkitgtk.options import Options
from selenium.webdriver.webkitgtk.service import Service
from shared.octoprint_server import free_port

WIDTH, HEIGHT = 1400, 900
TIMEOUT_SECONDS = 60

# Whether a click in the middle of an element would hit it: it exists, is visible and at rest.
CAN_BE_HIT = """selector => {
    const element = document.querySelector(selector);
    if (!element) return false;
    element.scrollIntoView({block: "nearest"});
    const {x, y, width, height} = element.getBoundingClientRect();
    const before = window.lastPlace;
    window.lastPlace = JSON.stringify([selector, x, y]);
    const hit = document.elementFromPoint(x + width / 2, y + height / 2);
    return before === window.lastPlace && element.contains(hit);
}"""


class Browser(ABC):
    """One window of a browser."""

    @abstractmethod
    def go(self, url: str) -> None:
        """Open a page and wait until it has loaded."""

    @abstractmethod
    def _value(self, expression: str) -> str | None:
        """Evaluate a JavaScript expression whose value is text or nothing."""

    @abstractmethod
    def _press(self, selector: str) -> None:
        """Click in the middle of an element."""

    @abstractmethod
    def _type(self, text: str) -> None:
        """Type into the focused element."""

    def evaluate(self, function: str, *arguments: Any) -> Any:
        """Call a JavaScript function with JSON values and return its result."""
        values = ", ".join(json.dumps(argument) for argument in arguments)
        text = self._value(f"JSON.stringify(({function})({values}))")
        return None if text is None else json.loads(text)

    def click(self, selector: str) -> None:
        try:
            wait_for(lambda: self.evaluate(CAN_BE_HIT, selector))
        except TimeoutError:
            raise AssertionError(f"{selector} cannot be clicked") from None
        self._press(selector)

    def fill(self, selector: str, text: str) -> None:
        self.click(selector)
        self.evaluate("selector => document.querySelector(selector).select()", selector)
        self._type(text)

    def expect_text(self, selector: str, pattern: str) -> None:
        """Wait until the visible text of an element matches a pattern."""
        text = ""

        def reads() -> bool:
            nonlocal text
            text = self.text(selector)
            return bool(re.search(pattern, text))

        try:
            wait_for(reads)
        except TimeoutError:
            raise AssertionError(f"{pattern!r} is not in {selector}: {text!r}") from None

    def text(self, selector: str) -> str:
        """The visible text of the first such element; empty if it is hidden."""
        return self.evaluate(
            """selector => {
                const element = document.querySelector(selector);
                return element && element.offsetParent ? element.innerText : "";
            }""",
            selector,
        )


class WebKit(Browser):
    """Safari's engine, in WebKitGTK's own small browser."""

    def __init__(self, driver: WebKitGTK) -> None:
        self._driver = driver

    def go(self, url: str) -> None:
        self._driver.get(url)

    def _value(self, expression: str) -> str | None:
        return self._driver.execute_script(f"return {expression}")

    def _press(self, selector: str) -> None:
        self._driver.find_element("css selector", selector).click()

    def _type(self, text: str) -> None:
        self._driver.switch_to.active_element.send_keys(text)


class JsonSocket:
    """Sends numbered requests and reads their answers; ignores events in between."""

    def __init__(self, address: str) -> None:
        self._socket = websocket.create_connection(
            address, timeout=TIMEOUT_SECONDS, suppress_origin=True
        )
        self._numbers = itertools.count(1)

    def ask(self, method: str, parameters: dict[str, Any]) -> dict[str, Any]:
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._socket.recv())
            if answer.get("id") == number:
                return answer

    def wait_for(self, event: str) -> None:
        while json.loads(self._socket.recv()).get("method") != event:
            pass


class Firefox(Browser):
    """Firefox over WebDriver BiDi, which needs no driver."""

    def __init__(self, address: str) -> None:
        self._socket = JsonSocket(f"{address}/session")
        self._call("session.new", capabilities={})
        (window,) = self._call("browsingContext.getTree")["contexts"]
        self._window = window["context"]
        viewport = {"width": WIDTH, "height": HEIGHT}
        self._call("browsingContext.setViewport", context=self._window, viewport=viewport)

    def _call(self, method: str, **parameters: Any) -> Any:
        answer = self._socket.ask(method, parameters)
        if answer["type"] == "error":
            raise RuntimeError(f"{method}: {answer['error']}, {answer['message']}")
        return answer["result"]

    def _evaluate(self, expression: str) -> Any:
        answer = self._call(
            "script.evaluate",
            expression=expression,
            target={"context": self._window},
            awaitPromise=False,
        )
        if answer["type"] == "exception":
            raise RuntimeError(answer["exceptionDetails"]["text"])
        return answer["result"]

    def _act(self, source: str, *actions: dict[str, Any]) -> None:
        sources = [{"type": source, "id": source, "actions": list(actions)}]
        self._call("input.performActions", context=self._window, actions=sources)

    def go(self, url: str) -> None:
        self._call("browsingContext.navigate", context=self._window, url=url, wait="complete")

    def _value(self, expression: str) -> str | None:
        return self._evaluate(expression).get("value")

    def _press(self, selector: str) -> None:
        node = self._evaluate(f"document.querySelector({json.dumps(selector)})")
        middle = {"type": "element", "element": {"sharedId": node["sharedId"]}}
        self._act(
            "pointer",
            {"type": "pointerMove", "x": 0, "y": 0, "origin": middle},
            {"type": "pointerDown", "button": 0},
            {"type": "pointerUp", "button": 0},
        )

    def _type(self, text: str) -> None:
        keys = [{"type": kind, "value": key} for key in text for kind in ("keyDown", "keyUp")]
        self._act("key", *keys)


class OldChromium(Browser):
    """A Chromium of 2018, over the DevTools protocol."""

    def __init__(self, address: str) -> None:
        self._socket = JsonSocket(address)
        self._call("Page.enable")

    def _call(self, method: str, **parameters: Any) -> Any:
        answer = self._socket.ask(method, parameters)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def go(self, url: str) -> None:
        self._call("Page.navigate", url=url)
        self._socket.wait_for("Page.loadEventFired")

    def _value(self, expression: str) -> str | None:
        answer = self._call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"]["exception"]["description"])
        return answer["result"].get("value")

    def _press(self, selector: str) -> None:
        middle = self.evaluate(
            """selector => {
                const {x, y, width, height} =
                    document.querySelector(selector).getBoundingClientRect();
                return {x: x + width / 2, y: y + height / 2};
            }""",
            selector,
        )
        for kind in ("mousePressed", "mouseReleased"):
            self._call("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **middle)

    def _type(self, text: str) -> None:
        # Without a real screen its window never becomes active, and keys go nowhere.
        self.evaluate("text => document.execCommand('insertText', false, text)", text)


@contextlib.contextmanager
def process(*command: str, **options: Any) -> Iterator[subprocess.Popen]:
    with subprocess.Popen(command, text=True, **options) as started:
        try:
            yield started
        finally:
            started.terminate()


@contextlib.contextmanager
def webkit() -> Iterator[WebKit]:
    """Start WebKit; FileNotFoundError without Debian's webkit2gtk-driver and xvfb."""
    screen = ("-screen", "0", f"{WIDTH}x{HEIGHT}x24", "-nolisten", "tcp", "-displayfd", "1")
    with process("Xvfb", *screen, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as display:
        number = display.stdout.readline().strip()
        service = Service("/usr/bin/WebKitWebDriver", env={"DISPLAY": f":{number}"})
        driver = WebKitGTK(options=Options(), service=service)
        driver.set_window_size(WIDTH, HEIGHT)
        driver.set_page_load_timeout(TIMEOUT_SECONDS)
        try:
            yield WebKit(driver)
        finally:
            driver.quit()


@contextlib.contextmanager
def firefox() -> Iterator[Firefox]:
    """Start Firefox; FileNotFoundError without Debian's firefox-esr."""
    with (
        tempfile.TemporaryDirectory() as profile,
        process(
            *("firefox-esr", "--headless", "--remote-debugging-port", "0", "--profile", profile),
            stderr=subprocess.PIPE,
        ) as running,
    ):
        for line in running.stderr:
            address = re.search(r"WebDriver BiDi listening on (\S+)", line)
            if address:
                yield Firefox(address[1])
                return
        raise RuntimeError("Firefox ended unexpectedly.")


@contextlib.contextmanager
def old_chromium() -> Iterator[OldChromium]:
    """Start Qt's browser; FileNotFoundError without PyQtWebEngine."""
    if importlib.util.find_spec("PyQt5") is None:
        raise FileNotFoundError(errno.ENOENT, "not installed", "PyQtWebEngine")
    port = free_port()
    settings = {"QTWEBENGINE_REMOTE_DEBUGGING": str(port), "QTWEBENGINE_DISABLE_SANDBOX": "1"}
    window = Path(__file__).with_name("qt_window.py")
    with process(
        *(sys.executable, str(window), str(WIDTH), str(HEIGHT)),
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen", **settings},
        stderr=subprocess.DEVNULL,
    ):
        (target,) = wait_for(lambda: debugger_targets(port))
        yield OldChromium(target["webSocketDebuggerUrl"])


def debugger_targets(port: int) -> list[dict[str, Any]]:
    try:
        return requests.get(f"http://127.0.0.1:{port}/json", timeout=5).json()
    except requests.ConnectionError:
        return []
