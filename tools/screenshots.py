"""Take the pictures in ``docs/`` from a real OctoPrint in a real Chromium."""

from __future__ import annotations

import contextlib
import json
import random
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Locator, Page, sync_playwright
from shared import chromium, sample_history
from shared.octoprint_server import OctoPrintServer

from octoprint_uptime.history.record import History, Instant, NewRun, kernel_boot_id
from octoprint_uptime.why.evidence import Facts

DOCS = Path(__file__).resolve().parent.parent / "docs"
LONG_RUNNING = Path(__file__).resolve().parent / "shared" / "long_running"
# All pictures show one story: the host came back from a power loss 12 days ago, and OctoPrint
# ran out of memory 3 days ago in the middle of a print.
HOST_SECONDS = 1_048_953
OCTOPRINT_SECONDS = 267_130
PRINTER_SECONDS = 29_537
POWER_WAS_GONE_SECONDS = 860
OCTOPRINT_WAS_GONE_SECONDS = 47


TOKEN = "screenshots"
# The witness wrote this when the kernel killed OctoPrint; 9 is the number of SIGKILL.
WITNESS = """witness 1
since {crash}
began {crash}
died {crash}
pid 812
stat 812 (octoprint) Z 1 0 0 0 9
oom_kills 1
Result=oom-kill
ExecMainCode=2
ExecMainStatus=9
lines kernel
 kernel: Out of memory: Killed process 812 (octoprint) total-vm:2391044kB
end
"""


def write_story(folder: Path) -> None:
    """Write the history until OctoPrint's start, and the last words of the previous run."""
    path = folder / "history.db"
    now = time.time()
    booted_at = now - HOST_SECONDS
    ends = ("power_loss", "restart", "shutdown", "crash")
    sample_history.write(path, until=booted_at - POWER_WAS_GONE_SECONDS, ends=ends)
    vitals = sample_history.before_end({}, random.Random(4))
    power_loss = Facts(
        undervoltage_count=3,
        undervoltage_seconds_before=41,
        registers={"power_reset": 2},
    )
    start = sample_history.BOOT_SECONDS
    crash = HOST_SECONDS - OCTOPRINT_SECONDS - OCTOPRINT_WAS_GONE_SECONDS
    with contextlib.closing(History(path)) as history, history.transaction():
        at = Instant(start, booted_at + start)
        ended = history.begin(NewRun(kernel_boot_id(), start, "1.11.8", TOKEN), at)
        assert ended
        history.keep_facts(ended.run, power_loss.to_json(), json.dumps(vitals))
        history.connected(start + 8, "/dev/ttyACM0")
        history.print_started(crash - 5400, "vase.gcode")
        position = sample_history.half_way("vase.gcode", most_seconds=5400)
        for beat in reversed(sample_history.before_end(sample_history.LEAK, random.Random(3))):
            history.beat(crash - beat["seconds_before"], beat, position)
    last_words = folder / "last_words" / TOKEN
    last_words.mkdir(parents=True)
    (last_words / "witness").write_text(WITNESS.format(crash=crash))


def picture(part: Locator, name: str) -> None:
    """Take a picture of a part of a dialog, once the dialog has faded in."""
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
    page.locator("#octoprint_uptime_panel .octoprint_uptime_picture path").first.wait_for()
    panel = {"x": 370, "y": 0, "width": 630, "height": 505}
    page.screenshot(path=DOCS / "navbar.png", clip=panel)
    page.locator(".octoprint_uptime_history_link").click()
    history = page.locator("#octoprint_uptime_history")
    history.get_by_role("button", name="OctoPrint crashed").first.click()
    page.mouse.move(0, 0)
    picture(history, "history.png")
    page.keyboard.press("Escape")
    history.wait_for(state="hidden")
    # OctoPrint's dialog is as high as the page allows.
    page.set_viewport_size({"width": 1000, "height": 2000})
    page.locator("#navbar_plugin_octoprint_uptime > a").click()
    page.locator(".octoprint_uptime_settings").click()
    settings = page.locator("#settings_plugin_octoprint_uptime")
    picture(settings, "settings.png")


def connect(admin) -> None:
    admin.post("/api/connection", {"command": "connect", "port": "VIRTUAL"}).raise_for_status()
    while admin.get("/api/plugin/octoprint_uptime").json()["printer_seconds"] is None:
        time.sleep(0.05)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        jump_file = Path(folder) / "jump"
        environment = {
            "PYTHONPATH": str(LONG_RUNNING),
            "JUMP_FILE": str(jump_file),
            "HOST_SECONDS": str(HOST_SECONDS),
            "OCTOPRINT_SECONDS": str(OCTOPRINT_SECONDS),
            "PRINTER_SECONDS": str(PRINTER_SECONDS),
        }
        server = OctoPrintServer(Path(folder) / "octoprint", environment=environment)
        server.configure(plugins={"octoprint_uptime": {"show_printer_uptime": True}})
        write_story(server.basedir / "data" / "octoprint_uptime")
        server.add_admin("admin", "admin")
        with server.running():
            admin = server.login("admin", "admin")
            connect(admin)
            jump_file.touch()
            admin.post("/api/plugin/octoprint_uptime", {"command": "acknowledge"})
            browser = chromium.launch(playwright)
            page = browser.new_page(viewport={"width": 1000, "height": 1180}, locale="en-GB")
            chromium.sign_in(page.context, server, "admin", "admin")
            page.goto(server.url)
            take(page)
            browser.close()


if __name__ == "__main__":
    main()
