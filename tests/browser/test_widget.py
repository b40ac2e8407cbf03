"""The widget shows the right uptimes in a real Chromium on a real OctoPrint."""

import json
import re
import time
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import psutil
import pytest
from accounts import PASSWORD, change_group
from helpers import seconds_of
from playwright.sync_api import expect

PACKAGE = Path(__file__).parents[2] / "octoprint_uptime"
WIDTHS = (1400, 1200, 1024, 980, 768, 375)
LONG = 86400 * 400 + 3600 * 23 + 60 * 59 + 58
GUESTS_MAY_USE_THE_PAGE = {"STATUS", "SETTINGS_READ"}


# Record every text that an element shows, however briefly.
RECORD = """element => {
    window.recorded = [element.innerText];
    new MutationObserver(() => window.recorded.push(element.innerText))
        .observe(element, {subtree: true, childList: true, characterData: true});
}"""


def real_uptime():
    return float(Path("/proc/uptime").read_text().split()[0])


def next_text(tab):
    """The next text that the first clock shows."""
    before = tab.texts()[0]
    expect(tab.clocks.first).not_to_have_text(before)
    return tab.texts()[0]


class TestTicking:
    def test_every_second_is_shown_and_right_without_asking(self, new_tab):
        tab = new_tab().open().shown()
        asked = len(tab.asked)
        tab.clocks.first.evaluate(RECORD)
        tab.page.wait_for_function("window.recorded.length > 3")
        shown = [seconds_of(text) for text in tab.page.evaluate("window.recorded")]
        assert shown == list(range(shown[0], shown[0] + len(shown)))
        assert len(tab.asked) == asked

    def test_it_shows_the_real_uptimes(self, new_tab):
        tab = new_tab().open().shown()
        before = real_uptime()
        shown = seconds_of(next_text(tab))
        # The request and its answer may take unequal times: up to a second either way.
        assert int(before) - 1 <= shown <= real_uptime() + 1

    def test_one_request_a_minute(self, new_tab):
        tab = new_tab(clock=True).open().shown()
        tab.wait_for_answers(1)
        assert len(tab.asked) == 1
        for minute in range(2, 5):
            tab.page.clock.run_for(30_000)
            assert len(tab.asked) == minute - 1
            tab.page.clock.run_for(31_000)
            tab.wait_for_answers(minute)
            assert len(tab.asked) == minute

    def test_it_follows_the_polling_interval(self, new_tab, preferences):
        preferences(poll_interval_seconds=5)
        tab = new_tab(clock=True).open().shown()
        tab.wait_for_answers(1)
        for answers in range(2, 5):
            tab.page.clock.run_for(6_000)
            tab.wait_for_answers(answers)
        assert len(tab.asked) == 4

    def test_a_step_of_the_wall_clock_changes_nothing(self, new_tab):
        tab = new_tab(clock=True).open().shown()
        before = seconds_of(tab.texts()[0])
        tab.page.clock.set_system_time(datetime.now() - timedelta(days=3))
        tab.page.clock.run_for(3_000)
        assert 0 <= seconds_of(tab.texts()[0]) - before <= 30

    def test_after_a_sleep_it_asks_at_once(self, new_tab):
        tab = new_tab(clock=True).open().shown()
        tab.wait_for_answers(1)
        tab.page.clock.set_system_time(datetime.now() + timedelta(hours=8))
        with tab.page.expect_response("**/api/plugin/octoprint_uptime"):
            tab.page.clock.run_for(2_000)

    def test_taking_turns(self, new_tab, preferences):
        preferences(compact_display=True, compact_toggle_interval_seconds=5)
        tab = new_tab(clock=True).open().shown()
        clocks = tab.item.locator(".octoprint_uptime_clocks > span:not([style*=none])")
        expect(clocks).to_have_count(2)
        visibility = "el => getComputedStyle(el).visibility"
        width = tab.item.bounding_box()["width"]
        seen = set()
        for _ in range(3):
            turns = tuple(clock.evaluate(visibility) for clock in clocks.all())
            assert sorted(turns) == ["hidden", "visible"]
            seen.add(turns)
            assert tab.item.bounding_box()["width"] == width
            tab.page.clock.run_for(5_000)
        assert len(seen) == 2


class TestHiddenTab:
    def test_nothing_is_asked_while_hidden_and_at_once_when_shown(self, new_tab):
        tab = new_tab(clock=True).open().shown()
        tab.wait_for_answers(1)
        tab.set_hidden(True)
        tab.page.clock.run_for(600_000)
        assert len(tab.asked) == 1
        with tab.page.expect_response("**/api/plugin/octoprint_uptime"):
            tab.set_hidden(False)
        assert len(tab.asked) == 2
        next_text(tab)


class TestPermission:
    @pytest.fixture
    def open_to_guests(self, admin):
        change_group(admin, "guests", add=GUESTS_MAY_USE_THE_PAGE)
        yield
        change_group(admin, "guests", remove=GUESTS_MAY_USE_THE_PAGE)

    def test_signed_out_it_is_hidden_and_silent(self, new_tab, open_to_guests):
        tab = new_tab(clock=True).open(user=None)
        tab.page.clock.run_for(180_000)
        expect(tab.item).to_be_hidden()
        assert tab.asked == []

        tab.page.click("#navbar_login > a")
        tab.page.fill("#login_user", "users")
        tab.page.fill("#login_pass", PASSWORD)
        tab.page.click("#login_button")
        tab.shown()
        asked = len(tab.asked)
        assert asked >= 1

        tab.page.click("#navbar_login > a")
        tab.page.click("#logout_button")
        expect(tab.item).to_be_hidden()
        tab.page.clock.run_for(180_000)
        assert len(tab.asked) == asked

    def test_without_the_permission_it_is_hidden_and_silent(self, new_tab, admin):
        view = {"PLUGIN_OCTOPRINT_UPTIME_VIEW"}
        change_group(admin, "users", remove=view)
        try:
            tab = new_tab(clock=True).open("users")
            tab.page.clock.run_for(180_000)
            expect(tab.item).to_be_hidden()
            assert tab.asked == []
        finally:
            change_group(admin, "users", add=view)

    def test_a_refusal_hides_it_for_good(self, new_tab):
        tab = new_tab(clock=True).open().shown()
        tab.page.route("**/api/plugin/octoprint_uptime", lambda route: route.fulfill(status=403))
        with tab.page.expect_response("**/api/plugin/octoprint_uptime"):
            tab.page.clock.run_for(61_000)
        expect(tab.item).to_be_hidden()
        asked = len(tab.asked)
        tab.page.clock.run_for(180_000)
        assert len(tab.asked) == asked

    def test_only_those_who_may_change_settings_get_the_link(self, new_tab):
        link = new_tab().open("readonly").shown().open_panel().get_by_text("Settings")
        expect(link).to_be_hidden()
        link = new_tab().open("admin").shown().open_panel().get_by_text("Settings")
        expect(link).to_be_visible()


class TestPanel:
    def test_the_rows(self, new_tab, server):
        zone = "America/New_York"
        tab = new_tab(timezone_id=zone).open().shown()
        rows = tab.open_panel().locator("tr")
        expect(rows).to_have_count(3)
        expect(rows.nth(0).locator("th")).to_have_text("Host")
        expect(rows.nth(1).locator("th")).to_have_text("OctoPrint")
        expect(rows.nth(2)).to_contain_text(re.compile("Printer.*not connected", re.DOTALL))
        starts = [psutil.boot_time(), psutil.Process(server.pid).create_time()]
        for row, start in zip(rows.all(), starts):
            around = [datetime.fromtimestamp(start + off, ZoneInfo(zone)) for off in (-2, 0, 2)]
            since = [f"since {when.day} {when:%b %Y, %H:%M}" for when in around]
            assert row.locator("small").inner_text() in since
        before = real_uptime()
        shown = seconds_of(rows.nth(0).locator("td > div").inner_text())
        assert int(before) - 1 <= shown <= real_uptime() + 1

    def test_hovering_tells_the_same(self, new_tab):
        tab = new_tab().open().shown()
        tab.toggle.hover()
        lines = tab.toggle.get_attribute("title").splitlines()
        assert re.fullmatch(r"Host: [\ddhms ]+ since .+", lines[0])
        assert re.fullmatch(r"OctoPrint: [\ddhms ]+ since .+", lines[1])
        assert lines[2] == "Printer: not connected"

    def test_a_click_inside_leaves_it_open_and_one_outside_closes_it(self, new_tab):
        tab = new_tab().open().shown()
        panel = tab.open_panel()
        panel.locator("caption").click()
        expect(panel).to_be_visible()
        tab.page.locator("body").click(position={"x": 5, "y": 400})
        expect(panel).to_be_hidden()

    def test_the_link_opens_the_plugins_settings(self, new_tab):
        tab = new_tab().open().shown()
        tab.open_panel().get_by_text("Settings").click()
        expect(tab.panel).to_be_hidden()
        expect(tab.page.locator("#settings_plugin_octoprint_uptime")).to_be_visible()

    def test_the_printer_appears_when_it_connects(self, new_tab, admin, preferences):
        preferences(show_printer_uptime=True)
        tab = new_tab().open().shown()
        expect(tab.clocks.nth(2)).to_have_text("–")
        admin.post("/api/connection", {"command": "connect", "port": "VIRTUAL"})
        expect(tab.clocks.nth(2)).to_have_text(re.compile(r"\ds"))
        assert seconds_of(tab.texts()[2]) < seconds_of(tab.texts()[1])
        admin.post("/api/connection", {"command": "disconnect"})
        expect(tab.clocks.nth(2)).to_have_text("–")

    def test_the_printer_appears_though_other_plugins_are_slow(self, new_server, new_tab):
        server = new_server(plugins={"octoprint_uptime": {"show_printer_uptime": True}})
        (server.basedir / "plugins").mkdir()
        (server.basedir / "plugins" / "aaa_slow.py").write_text(SLOW_PLUGIN)
        with server.running():
            admin = server.login("admin", PASSWORD)
            tab = new_tab(of=server).open().shown()
            expect(tab.clocks.nth(2)).to_have_text("–")
            admin.post("/api/connection", {"command": "connect", "port": "VIRTUAL"})
            expect(tab.clocks.nth(2)).to_have_text(re.compile(r"\ds"), timeout=30_000)

    def test_an_unknown_host_uptime_is_shown_as_unknown(self, new_tab):
        tab = new_tab()
        names = ("", "_dhm", "_dh", "_d", "_short")
        unknown = {"seconds": None, **{f"uptime{name}": None for name in names}}
        tab.answer_with(uptime_available=False, error="Not <b>known</b> here.", **unknown)
        tab.open().shown()
        assert tab.texts()[0] == "–"
        panel = tab.open_panel()
        expect(panel.locator("tr").first).to_contain_text("unknown")
        expect(panel).to_contain_text("Not <b>known</b> here.")
        assert seconds_of(next_text_of(tab.clocks.nth(1))) > 0

    @pytest.mark.matrix
    def test_the_panel_works_by_keyboard(self, new_tab):
        tab = new_tab().open().shown()
        tab.toggle.focus()
        expect(tab.toggle).to_have_attribute("aria-expanded", "false")
        tab.page.keyboard.press("Enter")
        expect(tab.panel).to_be_visible()
        expect(tab.toggle).to_have_attribute("aria-expanded", "true")
        expect(tab.panel.locator(".octoprint_uptime_picture")).to_be_visible()
        tab.page.keyboard.press("Tab")
        expect(tab.panel.locator(".octoprint_uptime_picture")).to_be_focused()
        tab.page.keyboard.press("Tab")
        expect(tab.panel.get_by_text("History")).to_be_focused()
        tab.page.keyboard.press("Tab")
        expect(tab.panel.get_by_text("Settings")).to_be_focused()
        tab.page.keyboard.press("Escape")
        expect(tab.panel).to_be_hidden()
        expect(tab.toggle).to_be_focused()
        tab.page.keyboard.press("Escape")
        expect(tab.panel).to_be_hidden()
        tab.page.keyboard.press("Space")
        expect(tab.panel).to_be_visible()
        tab.panel.get_by_text("Settings").focus()
        tab.page.keyboard.press("Tab")
        expect(tab.panel).to_be_hidden()
        tab.toggle.focus()
        tab.page.keyboard.press("Enter")
        tab.panel.get_by_text("Settings").focus()
        tab.page.keyboard.press("Enter")
        expect(tab.page.locator("#settings_plugin_octoprint_uptime")).to_be_visible()

    def test_its_name_is_what_it_shows_and_no_ticking_is_heard(self, new_tab):
        tab = new_tab().open().shown()
        for _ in range(2):
            next_text(tab)
            named = tab.toggle.evaluate(
                """el => [el.getAttribute("aria-label"),
                    [...el.querySelectorAll(".octoprint_uptime_text")]
                        .filter(text => text.checkVisibility()).map(text => text.textContent)]"""
            )
            assert named[0] == "Uptime: " + " ".join(named[1])
        tab.toggle.focus()
        before = tab.item.aria_snapshot()
        title = tab.toggle.get_attribute("title")
        next_text(tab)
        assert tab.item.aria_snapshot() == before
        assert tab.toggle.get_attribute("title") == title


# Its name sorts before the plugin's, so it hears of events first.
SLOW_PLUGIN = """
import time
import octoprint.plugin


class SlowPlugin(octoprint.plugin.EventHandlerPlugin):
    def on_event(self, event, payload):
        if event == "Connected":
            time.sleep(2)


__plugin_name__ = "A slow one"
__plugin_pythoncompat__ = ">=3.9,<4"
__plugin_implementation__ = SlowPlugin()
"""


def next_text_of(clock):
    expect(clock).not_to_have_text(clock.inner_text())
    return clock.inner_text()


class TestServerGone:
    @pytest.mark.matrix
    def test_it_says_so_and_is_right_again_after_the_restart(self, new_server, new_tab):
        server = new_server()
        with server.running():
            tab = new_tab(of=server).open().shown()
            expect(tab.clocks).to_have_count(2)
            tab.page.evaluate("window.sameOldPage = true")
            tab.toggle.hover()
            assert "since" in tab.toggle.get_attribute("title")
        expect(tab.item.locator(".fa-exclamation-triangle")).to_be_visible()
        expect(tab.item.get_by_text("offline")).to_be_visible()
        expect(tab.clocks).to_have_count(0)
        expect(tab.toggle).to_have_attribute("title", "Cannot reach OctoPrint.")
        expect(tab.toggle).to_have_attribute("aria-label", "Uptime: offline")
        with server.running():
            overlay = tab.page.locator("#offline_overlay")
            expect(overlay).to_be_hidden(timeout=60_000)
            # At once, although the next poll may be a minute away.
            expect(tab.clocks).to_have_count(2)
            octoprint = seconds_of(tab.texts()[1])
            assert octoprint <= time.time() - psutil.Process(server.pid).create_time() + 1
            expect(tab.item.locator(".fa-exclamation-triangle")).to_be_hidden()
            next_text(tab)
            assert tab.page.evaluate("window.sameOldPage"), "without a reload"

    def test_the_old_processs_number_does_not_come_back(self, new_server, new_tab):
        server = new_server()
        with server.running():
            tab = new_tab(of=server)
            tab.answer_with(octoprint_seconds=LONG)
            tab.open().shown()
            expect(tab.clocks.nth(1)).to_have_text(re.compile("^400d"))
        expect(tab.clocks).to_have_count(0)
        waiting = []

        def make_wait(route):
            waiting.append(route)

        tab.page.unroute_all()
        tab.page.route("**/api/plugin/octoprint_uptime", make_wait)
        with server.running():
            with tab.page.expect_request("**/api/plugin/octoprint_uptime", timeout=60_000):
                pass
            expect(tab.page.locator("#offline_overlay")).to_be_hidden()
            expect(tab.clocks).to_have_count(0)
            expect(tab.item.get_by_text("offline")).to_be_visible()
            waiting[-1].continue_()
            expect(tab.clocks.nth(1)).to_have_text(re.compile(r"^(\dm )?\d+s$"))

    def test_a_server_that_hangs_is_noticed_at_the_next_poll(self, new_tab):
        tab = new_tab(clock=True).open().shown()
        tab.page.route("**/api/plugin/octoprint_uptime", lambda route: None)
        with tab.page.expect_request("**/api/plugin/octoprint_uptime"):
            tab.page.clock.run_for(61_000)
        tab.page.clock.run_for(6_000)
        expect(tab.item.get_by_text("offline")).to_be_visible()

    def test_an_api_that_fails_counts_as_gone_until_it_answers(self, new_tab):
        tab = new_tab(clock=True).open().shown()
        tab.page.route("**/api/plugin/octoprint_uptime", lambda route: route.abort())
        tab.page.clock.run_for(62_000)
        expect(tab.item.get_by_text("offline")).to_be_visible()
        tab.page.unroute_all()
        with tab.page.expect_response("**/api/plugin/octoprint_uptime"):
            tab.page.clock.run_for(6_000)
        expect(tab.item.get_by_text("offline")).to_be_hidden()
        expect(tab.clocks).to_have_count(2)


WITHOUT_WIDGET = """() => {
    const item = document.querySelector("#navbar_plugin_octoprint_uptime");
    const place = item.nextSibling, list = item.parentNode;
    item.remove();
    const measured = {
        navbar: document.querySelector("#navbar .navbar-inner").offsetHeight,
        page: document.documentElement.scrollWidth,
    };
    list.insertBefore(item, place);
    return measured;
}"""

CROWD = """width => {
    const item = document.createElement("li");
    const text = document.createElement("a");
    text.style.width = `${width}px`;
    item.append(text);
    document.querySelector("#navbar ul.nav").prepend(item);
}"""


class TestRoom:
    @pytest.fixture
    def long_uptimes(self, preferences):
        preferences(show_printer_uptime=True)
        return {"seconds": LONG, "octoprint_seconds": LONG, "printer_seconds": LONG}

    @pytest.mark.matrix
    @pytest.mark.parametrize("crowd", [0, 250, 420, 540])
    def test_neither_navbar_nor_page_grows(self, new_tab, long_uptimes, crowd):
        tab = new_tab()
        tab.answer_with(**long_uptimes)
        tab.open().shown()
        tab.page.evaluate(CROWD, crowd)
        for width in WIDTHS:
            tab.page.set_viewport_size({"width": width, "height": 700})
            expect_measured(tab, tab.page.evaluate(WITHOUT_WIDGET))
            assert tab.item.bounding_box()["height"] <= 41

    def test_the_open_panel_makes_nothing_grow(self, new_tab, long_uptimes):
        tab = new_tab()
        tab.answer_with(**long_uptimes)
        tab.open().shown()
        assert tab.texts()[0].startswith("400d 23h 59m"), "there was room for the full text"
        for width in WIDTHS:
            tab.page.set_viewport_size({"width": width, "height": 700})
            wanted = tab.page.evaluate(WITHOUT_WIDGET)
            tab.toggle.evaluate("el => el.click()")
            expect(tab.panel).to_be_visible()
            expect_measured(tab, wanted)
            tab.toggle.evaluate("el => el.click()")

    def test_it_gives_way_step_by_step_and_comes_back(self, new_tab, long_uptimes):
        tab = new_tab(viewport={"width": 1024, "height": 700})
        tab.answer_with(**long_uptimes)
        tab.open().shown()
        assert len(tab.texts()[0].split()) == 4
        tab.page.evaluate(CROWD, 250)
        expect(tab.clocks.first).to_have_text(re.compile(r"^400d23h59m$"))
        crowd = tab.page.locator("#navbar ul.nav > li").first
        crowd.evaluate("el => el.firstChild.style.width = '420px'")
        expect(tab.item.locator(".octoprint_uptime_in_turn")).to_have_count(1)
        crowd.evaluate("el => el.firstChild.style.width = '540px'")
        expect(tab.item.locator(".fa-clock")).to_be_visible()
        expect(tab.clocks).to_have_count(0)
        crowd.evaluate("el => el.remove()")
        expect(tab.clocks).to_have_count(3)
        assert len(tab.texts()[0].split()) == 4

    def test_only_a_new_unit_moves_anything(self, new_tab):
        tab = new_tab(clock=True).open().shown()
        for start in (7, 57, 3597, 35_997, 86_397):
            tab.answer_with(seconds=start, octoprint_seconds=start + 0.5)
            with tab.page.expect_response("**/api/plugin/octoprint_uptime"):
                tab.set_hidden(False)
            shapes = {}
            for _ in range(6):
                tab.page.clock.run_for(1_000)
                shape = tuple(re.sub(r"\d+", "", text) for text in tab.texts())
                shapes.setdefault(shape, set()).add(tab.item.bounding_box()["width"])
            assert all(len(widths) == 1 for widths in shapes.values()), shapes

    def test_the_digits_are_of_one_width(self, new_tab):
        tab = new_tab().open().shown()
        variant = tab.clocks.first.evaluate("el => getComputedStyle(el).fontVariantNumeric")
        assert variant == "tabular-nums"


def expect_measured(tab, wanted):
    tab.page.wait_for_function(
        """wanted => document.querySelector("#navbar .navbar-inner").offsetHeight <= wanted.navbar
            && document.documentElement.scrollWidth <= wanted.page""",
        arg=wanted,
    )


class TestTheme:
    def test_the_text_has_the_navbars_colour_whatever_that_is(self, new_tab):
        tab = new_tab().open().shown()
        colour = "el => getComputedStyle(el).color"
        for theme in ("", "black", "red", "white"):
            tab.page.evaluate(
                """theme => document.querySelector("#navbar .navbar-inner")
                    .classList.add(theme || "default")""",
                theme,
            )
            neighbour = tab.page.locator("#navbar_login > a").evaluate(colour)
            assert tab.toggle.evaluate(colour) == neighbour
            assert tab.clocks.first.evaluate(colour) == neighbour

    def test_a_colour_comes_with_its_background_or_is_the_themes(self):
        """A colour alone would clash with a theme's background, and the reverse."""
        css = (PACKAGE / "static" / "css" / "octoprint_uptime.css").read_text()
        rules = re.findall(r"([^{}]+)\{([^{}]+)\}", css)
        assert len(rules) > 30
        for selector, declarations in rules:
            named = {
                name
                for name, value in re.findall(r"([\w-]+)\s*:\s*([^;]+);", declarations)
                if re.search(r"#[0-9a-f]{3,8}\b|rgb|hsl", value)
            }
            # Shapes and borders have one colour, visible on every background.
            named = {n for n in named if not re.match("fill|stroke|border|outline", n)}
            assert named in (set(), {"background", "color"}), selector

    def test_no_inline_script_or_style(self):
        for template in (PACKAGE / "templates").iterdir():
            assert not re.search(
                r"<script|<style|style=|javascript:|\bon\w+=", template.read_text()
            )


class TestLanguage:
    @pytest.mark.matrix
    def test_german(self, new_tab):
        tab = new_tab(locale="de-DE", timezone_id="Europe/Berlin").open().shown()
        expect(tab.toggle).to_have_attribute("aria-label", re.compile("^Laufzeit: "))
        panel = tab.open_panel()
        expect(panel.locator("th").first).to_have_text("Rechner")
        expect(panel).to_contain_text("nicht verbunden")
        since = panel.locator("small").first.inner_text()
        assert re.fullmatch(r"seit \d+\. \w+\.? \d{4}, \d\d:\d\d", since)
        panel.get_by_text("Einstellungen").click()
        settings = tab.page.locator("#settings_plugin_octoprint_uptime")
        expect(settings).to_contain_text("Laufzeit des Rechners")
        field = settings.locator("#settings_octoprint_uptime_poll_interval_seconds")
        field.fill("500")
        expect(settings).to_contain_text("Ganze Sekunden von 1 bis 120: 120 wird gespeichert.")


@pytest.fixture
def table():
    return json.loads((Path(__file__).parents[1] / "format_cases.json").read_text())


class TestClient:
    def test_both_ways_to_ask(self, new_tab):
        tab = new_tab().open().shown()
        for call in ("plugins.octoprint_uptime.get()", "simpleApiGet('octoprint_uptime')"):
            answer = tab.page.evaluate(f"OctoPrint.{call}")
            assert answer["uptime_available"] is True
            assert answer["seconds"] <= real_uptime() + 0.01

    def test_the_formatter_agrees_with_pythons(self, new_tab, table):
        tab = new_tab().open()
        texts = tab.page.evaluate(
            """({columns, cases}) => cases.map(([seconds]) => columns.slice(1).map(
                (format) => OctoPrint.plugins.octoprint_uptime.format(seconds, format)))""",
            table,
        )
        assert texts == [row[1:] for row in table["cases"]]

    def test_the_formatter_refuses_what_is_no_number(self, new_tab, table):
        tab = new_tab().open()
        tried = """(values) => values.map((value) => {
            try { return OctoPrint.plugins.octoprint_uptime.format(value); }
            catch (error) { return `${error.name}: ${error.message}`; }
        })"""
        for value, outcome in zip(
            table["not_numbers"], tab.page.evaluate(tried, table["not_numbers"])
        ):
            shown = json.dumps(value, separators=(",", ":"))
            assert outcome == f"TypeError: seconds must be a number, not {shown}"
        not_finite = tab.page.evaluate(f"({tried})([NaN, Infinity, -Infinity])")
        assert [outcome.split(":")[0] for outcome in not_finite] == ["RangeError"] * 3
        unknown = tab.page.evaluate(
            """() => { try { OctoPrint.plugins.octoprint_uptime.format(1, "toString"); }
            catch (error) { return error.message; } }"""
        )
        assert "toString" in unknown
