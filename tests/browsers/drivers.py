"""Browsers other than Chromium, each behind the same few verbs."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import subprocess
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import websocket
from helpers import wait_for
from selenium.webdriver import WebKitGTK
from selenium.webdriver.webkitgtk.options import Options
from selenium.webdriver.webkitgtk.service import Service

WIDTH, HEIGHT = 1400, 900
TIMEOUT_SECONDS = 60

# Whether a click in the middle of an element would hit it: it is there, shown, and still.
CAN_BE_HIT = """selector => {
    const element = document.querySelector(selector);
    if (!element) return false;
    element.scrollIntoView({block: "center"});
    const {x, y, width, height} = element.getBoundingClientRect();
    const moving = document.getAnimations().some(
        ({playState, effect}) => playState === "running" && effect.target.contains(element));
    const hit = document.elementFromPoint(x + width / 2, y + height / 2);
    return !moving && element.contains(hit);
}"""


class Browser(ABC):
    """One window of a browser."""

    @abstractmethod
    def go(self, url: str) -> None:
        """Open a page; back when it has loaded."""

    @abstractmethod
    def _value(self, expression: str) -> str | None:
        """What a JavaScript expression gives: text or nothing."""

    @abstractmethod
    def _press(self, selector: str) -> None:
        """Click in the middle of an element."""

    @abstractmethod
    def _type(self, text: str) -> None:
        """Type into what has the focus."""

    def evaluate(self, function: str, *arguments: Any) -> Any:
        """Call a JavaScript function with JSON values; its result."""
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
        """Wait until a pattern is found in what is to be read in an element."""
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
        """What is to be read in the first such element; empty if it is not shown."""
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


class Firefox(Browser):
    """Firefox over WebDriver BiDi, the protocol that it speaks without a driver."""

    def __init__(self, address: str) -> None:
        self._socket = websocket.create_connection(
            f"{address}/session", timeout=TIMEOUT_SECONDS, suppress_origin=True
        )
        self._numbers = itertools.count(1)
        self._call("session.new", capabilities={})
        (window,) = self._call("browsingContext.getTree")["contexts"]
        self._window = window["context"]
        viewport = {"width": WIDTH, "height": HEIGHT}
        self._call("browsingContext.setViewport", context=self._window, viewport=viewport)

    def _call(self, method: str, **parameters: Any) -> Any:
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._socket.recv())
            if answer.get("id") != number:
                continue
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


@contextlib.contextmanager
def process(*command: str, **options: Any) -> Iterator[subprocess.Popen]:
    with subprocess.Popen(command, text=True, **options) as started:
        try:
            yield started
        finally:
            started.terminate()


@contextlib.contextmanager
def webkit() -> Iterator[WebKit]:
    """Raises FileNotFoundError without Debian's webkit2gtk-driver and xvfb."""
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
    """Raises FileNotFoundError without Debian's firefox-esr."""
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
        raise RuntimeError("Firefox ended by itself.")
