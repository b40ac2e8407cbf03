"""The panel, the dialog and the notice show the history as it was recorded."""

import csv
import io
import re
import signal
import time
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from accounts import PASSWORD, add_user
from babel.messages.pofile import read_po
from helpers import inside, recorded, wait_for
from history_answers import DAY, HISTORY, NOON, RUNNING, history, open_history, run, why
from playwright.sync_api import expect
from shared import sample_history

import translations
from octoprint_uptime.settings import defaults

API = "/api/plugin/octoprint_uptime"
SERVER_TESTS = Path(__file__).parents[1] / "server"
MARKUP = "<img src=x onerror=alert(1)>.gcode"

# Scroll to the last row until there are no more; how often more came.
SCROLL_TO_THE_END = """async table => {
    let times = 0;
    const rows = table.getElementsByClassName("octoprint_uptime_when");
    for (; rows.length < 2000; times++) {
        const more = new Promise(resolve => new MutationObserver(resolve)
            .observe(table, {childList: true, subtree: true}));
        rows[rows.length - 1].scrollIntoView();
        await more;
    }
    return times;
}"""


# The boxes of a colour, by lane: their left and right ends as shares of the picture's width.
BOXES = """(picture, name) => {
    const {width} = picture.getBoundingClientRect();
    const texts = [...picture.querySelectorAll("text")];
    const begin = texts.length && width > 560 ? 110 : 0;
    return [...picture.querySelectorAll(`.octoprint_uptime_${name}`)].flatMap(path =>
        [...path.getAttribute("d").matchAll(/M([\\d.-]+) ([\\d.]+)H([\\d.]+)V/g)].map(
            ([, from, top, to]) => ({
                lane: Math.floor(top / 30),
                from: (from - begin) / (width - begin),
                to: (to - begin) / (width - begin),
            })));
}"""
FLAGS = """picture => [...picture.querySelectorAll(".octoprint_uptime_unplanned")]
    .map(path => path.getAttribute("d").match(/h10l/g) || []).flat().length"""
LANES = ("Host", "OctoPrint", "Printer", "Prints")


def boxes(picture, name, lane=0):
    """The boxes of a lane: their ends as shares of the picture's width."""
    found = picture.evaluate(BOXES, name)
    return [(box["from"], box["to"]) for box in found if box["lane"] == lane]


def texts(locator):
    return [" ".join(text.split()) for text in locator.all_inner_texts()]


def dates_on(picture):
    return picture.locator(".octoprint_uptime_date")


def near(share):
    return pytest.approx(share, abs=0.01)


class TestPanel:
    def test_the_last_thirty_days(self, told):
        long_ago = run(
            started_at=NOON - 5 * DAY,
            ended_at=NOON - 3 * DAY,
            end="restart",
            end_exact=True,
            downtime_seconds=2 * DAY,
        )
        panel = told(history([RUNNING, run(), long_ago], availability=0.99999)).open_panel()
        expect(panel).to_contain_text("99.99% in 5 days")
        expect(panel.locator(".octoprint_uptime_begin_and_end")).to_have_text(
            re.compile(r"^\s*30 days ago\s+today\s*$")
        )
        picture = panel.locator(".octoprint_uptime_picture")
        first, second, _ = boxes(picture, "up")
        assert first == (near(25 / 30), near(27 / 30))
        assert second == (near(29 / 30), near(1))
        assert picture.evaluate(FLAGS) == 1
        # Noon is 16:13 there, on a Monday.
        expect(panel).to_contain_text("Power loss or reset, Monday 15:58, back after 14m 0s")
        expect(panel).to_contain_text("Nothing shows why.")

    @pytest.mark.parametrize("end", ["restart", "crash"])
    def test_seven_seconds_do_not_look_like_a_day(self, told, end):
        """A planned interruption is a gap, an unplanned one a mark, of a few pixels."""
        before = run(
            started_at=NOON - 20 * DAY,
            ended_at=NOON - 10 * DAY,
            end=end,
            downtime_seconds=7,
        )
        since = {**RUNNING, "started_at": NOON - 10 * DAY + 7, "seconds": 10 * DAY - 7}
        panel = told(history([since, before])).open_panel()
        picture = panel.locator(".octoprint_uptime_picture")
        pixel = 1 / picture.bounding_box()["width"]
        first, second = boxes(picture, "up")
        assert second[0] - first[1] == pytest.approx(1.5 * pixel, rel=0.02)
        assert first[1] == near(2 / 3)
        marks = boxes(picture, "unplanned")
        assert len(marks) == (end == "crash")
        for begin, finish in marks:
            assert finish - begin == pytest.approx(3 * pixel, rel=0.02)

    def test_when_nothing_went_down(self, told):
        always = {**RUNNING, "started_at": NOON - 90 * DAY, "seconds": 90 * DAY}
        panel = told(history([always], availability=1)).open_panel()
        expect(panel).to_contain_text("100% in 30 days")
        expect(panel).to_contain_text("No unplanned outages.")
        assert boxes(panel.locator(".octoprint_uptime_picture"), "unknown") == []

    @pytest.mark.parametrize(
        ("seconds", "period"),
        [
            (8, "100% in 1 minute"),
            (330, "100% in 5 minutes"),
            (3 * 3600 + 5, "100% in 3 hours"),
            (2.9 * DAY, "100% in 2 days"),
        ],
    )
    def test_what_is_not_recorded_is_not_counted(self, told, seconds, period):
        first = {**RUNNING, "started_at": NOON - seconds, "seconds": seconds}
        panel = told(history([first], availability=1)).open_panel()
        expect(panel.locator(".octoprint_uptime_strip_head")).to_contain_text(
            re.compile(rf"{period}\s*$")
        )
        expect(panel).to_contain_text("30 days ago")
        picture = panel.locator(".octoprint_uptime_picture")
        assert boxes(picture, "unknown") == [(0, near(1 - seconds / DAY / 30))]
        assert [begin for begin, _ in boxes(picture, "up")] == [near(1 - seconds / DAY / 30)]
        picture.hover(position={"x": 20, "y": 20})
        expect(panel).to_contain_text("OctoPrint: not recorded")

    def test_an_outage_at_the_begin_was_recorded(self, told):
        """The answer lacks what ended before the days asked for."""
        first = {**RUNNING, "started_at": NOON - 20 * DAY, "seconds": 20 * DAY}
        answer = {**history([first]), "recorded_since": NOON - 60 * DAY}
        panel = told(answer).open_panel()
        expect(panel).to_contain_text("90% in 30 days")
        picture = panel.locator(".octoprint_uptime_picture")
        assert boxes(picture, "unknown") == []
        assert boxes(picture, "track") == [(0, near(1))]

    def test_the_last_unplanned_outage_has_a_name(self, told):
        panel = told(history([RUNNING, run()])).open_panel()
        expect(panel).to_contain_text(re.compile("Last unplanned outage\\s*Power loss or reset"))

    def test_a_restored_backup_is_no_outage(self, told):
        restored = run(end="restored", downtime_seconds=None)
        tab = told(history([RUNNING, restored]))
        panel = tab.open_panel()
        expect(panel).to_contain_text("No unplanned outages.")
        picture = panel.locator(".octoprint_uptime_picture")
        assert picture.evaluate(FLAGS) == 0
        picture.focus()
        tab.page.keyboard.press("ArrowLeft")
        expect(panel).to_contain_text("Mon 21 Sept, 15:58: Restored from a backup")
        expect(panel).to_contain_text("downtime unknown")

    def test_an_end_is_described_by_keyboard_too(self, told):
        before = run(started_at=NOON - 3 * DAY, ended_at=NOON - 2 * DAY, end="shutdown")
        tab = told(history([RUNNING, run(interrupted_print="x.gcode"), before]))
        panel = tab.open_panel()
        picture = panel.locator(".octoprint_uptime_picture")
        expect(picture).to_be_visible()
        tab.page.keyboard.press("Tab")
        expect(picture).to_be_focused()
        expect(picture).to_have_attribute(
            "aria-label", re.compile("OctoPrint: 90% in 3 days, 1 unplanned outage.*arrow keys")
        )
        tab.page.keyboard.press("ArrowLeft")
        story = panel.locator(".octoprint_uptime_story")
        expect(story).to_contain_text("Mon 21 Sept, 15:58: Power loss or reset")
        expect(story).to_contain_text("OctoPrint: down for 14m 0s")
        expect(story).to_contain_text("Interrupted print: x.gcode")
        tab.page.keyboard.press("ArrowLeft")
        expect(story).to_contain_text("Sat 19 Sept, 16:13: Clean shutdown of the host")
        tab.page.keyboard.press("End")
        expect(story).to_contain_text("Power loss or reset")

    def test_the_panel_says_when_there_is_no_history(self, new_tab):
        tab = new_tab()
        refusal = {"error": "The <b>disk</b> is full.", "uptime_available": False}
        tab.page.route(HISTORY, lambda route: route.fulfill(status=503, json=refusal))
        panel = tab.open().shown().open_panel()
        expect(panel).to_contain_text("The <b>disk</b> is full.")
        expect(panel.locator("tr")).to_have_count(3)


class TestDialog:
    def test_every_end_in_words(self, told):
        runs = [
            RUNNING,
            run(interrupted_print=MARKUP, undervoltage=True),
            run(started_at=None, ended_at=None, downtime_seconds=None, end="crash", seconds=59),
            run(
                ended_at=NOON - 2 * DAY,
                end="restart",
                end_exact=True,
                downtime_seconds=20,
                why=why("requested", "certain", "OctoPrint was asked to stop or restart."),
            ),
            run(ended_at=NOON - 4 * DAY, end="shutdown", end_exact=True, downtime_seconds=7200),
            run(ended_at=NOON - 6 * DAY, end="restored", downtime_seconds=None),
            run(
                ended_at=NOON - 7 * DAY,
                end="restart",
                end_exact=True,
                downtime_seconds=20,
                why=why("update", "certain", "Software changed."),
            ),
        ]
        connections = [
            {**RUNNING, "port": "VIRTUAL"},
            run(end="octoprint_down", port="/dev/ttyUSB0"),
            run(
                ended_at=NOON - 3 * DAY,
                end="error",
                port="/dev/ttyUSB0",
                end_exact=None,
                why=why("silent", "certain", "The printer stopped responding."),
            ),
            run(
                ended_at=NOON - 5 * DAY,
                end="disconnected",
                port="/dev/ttyUSB0",
                end_exact=None,
                why=why("requested", "certain", "The printer was disconnected on request."),
            ),
        ]
        for connection in connections:
            del connection["downtime_seconds"]
            if connection["why"]:
                del connection["why"]["vitals"]
        details = f"Interrupted print: {MARKUP} · Undervoltage detected"
        tab = told(history(runs, printer=connections))
        dialog = open_history(tab)
        rows = dialog.locator("tbody tr")
        expect(rows).to_have_count(8 + 8)
        assert [texts(row.locator("th, td")) for row in rows.all()] == [
            ["Monday 21 September"],
            [
                *(
                    "15:58 or up to 60 s later",
                    "Power loss or reset Nothing shows why. " + details,
                    "23h 45m",
                ),
                "14m 0s",
            ],
            ["Time unknown"],
            ["– or up to 60 s later", "OctoPrint crashed Nothing shows why.", "59s", "–"],
            ["Saturday 19 September"],
            ["16:13", "OctoPrint restarted", "23h 45m", "20s"],
            ["Friday 18 September"],
            [
                "16:13",
                "Lost connection to the printer The printer stopped responding. /dev/ttyUSB0",
                "23h 45m",
                "–",
            ],
            ["Thursday 17 September"],
            ["16:13", "Clean shutdown of the host", "23h 45m", "2h 0m"],
            ["Wednesday 16 September"],
            ["16:13", "Printer disconnected", "23h 45m", "–"],
            ["Tuesday 15 September"],
            ["16:13 or up to 60 s later", "Restored from a backup", "23h 45m", "–"],
            ["Monday 14 September"],
            ["16:13", "OctoPrint restarted Software changed.", "23h 45m", "20s"],
        ]
        assert rows.get_by_role("button").count() == 0  # there is nothing but the sentences
        assert dialog.locator("img").count() == 0

    def test_planned_ends_of_a_day_are_one_line(self, told):
        tab = told(
            history(
                [
                    RUNNING,
                    planned(100, "restart", 10),
                    run(ended_at=NOON - 200, end="crash", downtime_seconds=30),
                    planned(300, "restart", 20),
                    planned(400, "shutdown", 3000),
                ]
            )
        )
        dialog = open_history(tab)
        rows = dialog.locator("tbody tr")
        expect(rows).to_have_count(3)
        assert texts(rows.nth(1).locator("td")) == [
            "16:06 – 16:11",
            "3 planned: OctoPrint restarted (2) · Clean shutdown of the host",
            *("", "50m 30s"),
        ]
        expect(rows.nth(2)).to_contain_text("OctoPrint crashed")
        fold = rows.get_by_role("button", name="3 planned")
        expect(fold).to_have_attribute("aria-expanded", "false")
        fold.focus()
        tab.page.keyboard.press("Enter")
        expect(fold).to_have_attribute("aria-expanded", "true")
        expect(rows).to_have_count(6)
        assert texts(rows.locator("td:first-child"))[1:4] == ["16:11", "16:08", "16:06"]
        dialog.get_by_label("Show").select_option(label="OctoPrint restarted (2)")
        expect(rows).to_have_count(3)  # whoever chose them wants to see them

    def test_filtered_by_cause(self, told):
        tab = told(history([RUNNING, run(), run(end="crash"), run(end="crash")]))
        dialog = open_history(tab)
        causes = dialog.get_by_label("Show")
        assert causes.locator("option").all_inner_texts() == [
            *("all events (3)", "OctoPrint crashed (2)", "Power loss or reset (1)")
        ]
        causes.select_option(label="OctoPrint crashed (2)")
        expect(dialog.locator("tbody tr")).to_have_count(3)
        causes.select_option(label="all events (3)")
        expect(dialog.locator("tbody tr")).to_have_count(4)

    def test_prints_are_a_list_of_their_own(self, told):
        prints = [
            printed("running", "now.gcode", ended_at=None),
            printed("failed", MARKUP),
            printed("cancelled", "b.gcode", ended_at=NOON - DAY),
            printed("done", "c.gcode", ended_at=NOON - DAY),
        ]
        dialog = open_history(told(history([RUNNING], prints=prints)))
        expect(dialog.locator("tbody")).to_have_count(0)
        dialog.get_by_label("Show").select_option(label="Prints (3)")
        rows = dialog.locator("tbody tr")
        assert [texts(row.locator("th, td")) for row in rows.all()] == [
            ["Monday 21 September"],
            ["15:58", f"Print failed {MARKUP}", "1h 0m", "–"],
            ["Sunday 20 September"],
            ["16:13", "Print cancelled b.gcode", "1h 0m", "–"],
            ["16:13", "Print finished c.gcode", "1h 0m", "–"],
        ]
        assert dialog.locator("img").count() == 0

    @pytest.mark.parametrize("width", [1400, 375])
    def test_two_thousand_rows_load_while_scrolling(self, told, width):
        runs = [run(ended_at=NOON - 3600 * number, seconds=number) for number in range(2000)]
        tab = told(history([RUNNING, *runs]), viewport={"width": width, "height": 900})
        table = open_history(tab).locator("table")
        rows = table.locator(".octoprint_uptime_when")
        assert rows.count() <= 200
        assert table.evaluate(SCROLL_TO_THE_END) >= 10
        assert rows.count() == 2000

    def test_on_the_first_day(self, told):
        dialog = open_history(told(history([RUNNING])))
        expect(dialog).to_contain_text("Nothing went down in this time range.")
        expect(dialog.locator("table")).to_be_hidden()

    def test_clearing_says_when_it_fails(self, told):
        tab = told(history([RUNNING, run()]))
        refusal = {"error": "The disk is full.", "uptime_available": False}
        tab.page.route(
            "**/api/plugin/octoprint_uptime",
            lambda route: (
                route.fulfill(status=503, json=refusal)
                if route.request.method == "POST"
                else route.continue_()
            ),
        )
        dialog = open_history(tab)
        dialog.get_by_text("Clear history").click()
        confirmation = tab.page.locator(".modal", has_text="permanently deletes")
        confirmation.get_by_text("Clear", exact=True).click()
        expect(dialog.locator(".octoprint_uptime_problem")).to_have_text("The disk is full.")

    def test_fewer_days_are_kept(self, told, preferences):
        preferences(history_days=7)
        tab = told(history([{**RUNNING, "started_at": NOON - 9 * DAY, "seconds": 9 * DAY}]))
        expect(tab.open_panel()).to_contain_text("in 7 days")
        expect(tab.panel).to_contain_text("7 days ago")
        tab.panel.get_by_text("History").click()
        ranges = tab.page.locator("#octoprint_uptime_history .octoprint_uptime_ranges button")
        assert texts(ranges) == ["24 hours", "7 days", "All"]
        expect(ranges.last).to_have_attribute("aria-pressed", "true")

    def test_by_keyboard(self, told):
        tab = told(history([RUNNING, run()]))
        tab.open_panel()
        link = tab.panel.get_by_text("History")
        link.focus()
        tab.page.keyboard.press("Enter")
        dialog = tab.page.locator("#octoprint_uptime_history")
        tab.page.clock.run_for(1000)
        expect(dialog).to_be_visible()
        expect(tab.panel).to_be_hidden()
        dialog.locator(".octoprint_uptime_picture").focus()
        tab.page.keyboard.press("ArrowLeft")
        expect(dialog.locator(".octoprint_uptime_story")).to_contain_text("Power loss")
        tab.page.keyboard.press("Escape")
        tab.page.clock.run_for(1000)
        expect(dialog).to_be_hidden()

    def test_the_focus_stays_on_the_lanes_when_something_happens(self, told):
        answer = history([RUNNING, run()])
        tab = told(answer)
        dialog = open_history(tab)
        picture = dialog.locator(".octoprint_uptime_picture")
        picture.focus()
        tab.page.keyboard.press("ArrowLeft")
        answer["printer"].append(run(end="error", ended_at=NOON - 50))
        tab.page.evaluate(
            "OctoPrint.coreui.viewmodels.octoPrintUptimeHistoryViewModel"
            ".onDataUpdaterPluginMessage('octoprint_uptime', {history: true})"
        )
        expect(dialog.locator("tbody")).to_contain_text("Lost connection to the printer")
        expect(picture).to_be_focused()
        expect(dialog.locator(".octoprint_uptime_story")).to_contain_text("Power loss")

    def test_what_is_not_about_the_history_asks_for_nothing(self, told):
        tab = told(history([RUNNING, run()]))
        open_history(tab)
        days = asked_for(tab)
        tell(tab, "{}")
        with tab.page.expect_request(HISTORY):
            tell(tab, "{history: true}")
        assert days == [30]

    def test_what_was_chosen_stays_when_the_history_changes(self, told):
        ends = [run(ended_at=NOON - 900 - 60 * number, seconds=number) for number in range(60)]
        known = why("out_of_memory", "likely", evidence=[evidence()])
        answer = history([RUNNING, *ends])
        answer["octoprint"][21] = run(**{**ends[20], "why": known})
        tab = told(answer)
        dialog = open_history(tab)
        dialog.get_by_label("Show").select_option("power_loss")
        picture = dialog.locator(".octoprint_uptime_picture")
        picture.focus()
        tab.page.keyboard.press("End")
        tab.page.keyboard.press("+")
        dialog.locator("tbody button").click()
        body = dialog.locator(".modal-body")
        scrolled = body.evaluate("body => { body.scrollTop = 700; return body.scrollTop; }")
        assert scrolled == 700
        answer["octoprint"][21]["why"] = {**known, "text": "Now it is known."}
        tell(tab, "{history: true}")
        expect(dialog.locator("table").first).to_contain_text("Now it is known.")
        row = dialog.locator("tbody .octoprint_uptime_event button")
        expect(row).to_have_attribute("aria-expanded", "true")
        assert body.evaluate("body => body.scrollTop") == scrolled
        expect(dialog.get_by_label("Show")).to_have_value("power_loss")
        expect(dialog.get_by_role("button", name="Zoom out")).to_have_count(1)

    def test_at_a_glance(self, told):
        lost = run(end="error", ended_at=NOON - 2 * DAY, port="A")
        crash = run(end="crash", why=why("killed", "likely", "Likely: it was killed."))
        dialog = open_history(told(history([RUNNING, crash], printer=[lost])))
        now = dialog.locator(".octoprint_uptime_now")
        expect(now).to_contain_text(re.compile("OctoPrint\\s*up\\s*since .*20"))
        expect(now).to_contain_text("OctoPrint crashed, Monday 15:58, back after 14m 0s")
        expect(now).to_contain_text("Likely: it was killed.")
        now.page.evaluate(
            "OctoPrint.coreui.viewmodels.octoPrintUptimeViewModel.onServerDisconnect()"
        )
        expect(now).to_contain_text("Cannot reach OctoPrint.")


def evidence():
    return {"source": "kernel", "text": "Out of memory"}


def tell(tab, message):
    """Answer as the server would, with this history."""
    tab.page.evaluate(
        "OctoPrint.coreui.viewmodels.octoPrintUptimeHistoryViewModel"
        f".onDataUpdaterPluginMessage('octoprint_uptime', {message})"
    )


def planned(seconds_ago, end, downtime):
    return run(ended_at=NOON - seconds_ago, end=end, end_exact=True, downtime_seconds=downtime)


def printed(result, file, ended_at=NOON - 900):
    return {
        "started_at": (ended_at or NOON) - 3600,
        "ended_at": ended_at,
        "seconds": 3600.0,
        "result": result,
        "file": file,
    }


def asked_for(tab):
    """The days of history that the page asks for from here on."""
    days = []

    def note(request):
        found = re.search(r"/history\?days=(\d+)$", request.url)
        if found:
            days.append(int(found.group(1)))

    tab.page.on("request", note)
    return days


class TestRanges:
    def test_the_server_is_asked_for_no_more_than_is_shown(self, told, preferences):
        preferences(history_days=3650)
        tab = told(history([RUNNING]))
        days = asked_for(tab)
        dialog = open_history(tab)
        ranges = dialog.locator(".octoprint_uptime_ranges")
        assert texts(ranges.get_by_role("button")) == [
            *("24 hours", "7 days", "30 days", "90 days", "All")
        ]
        pressed = ranges.locator("[aria-pressed=true]")
        expect(pressed).to_have_text("30 days")
        for name in ("24 hours", "7 days", "90 days", "All"):
            with tab.page.expect_response(HISTORY):
                ranges.get_by_role("button", name=name).click()
            expect(pressed).to_have_text(name)
        assert days == [30, 30, 1, 7, 90, 3650]

    def test_all_begins_with_the_first_record(self, told):
        first = run(started_at=NOON - 4 * DAY, ended_at=NOON - 2 * DAY, downtime_seconds=DAY)
        dialog = open_history(told(history([RUNNING, run(), first])))
        picture = dialog.locator(".octoprint_uptime_picture")
        assert boxes(picture, "up", lane=1)[0] == (near(26 / 30), near(28 / 30))
        dialog.get_by_role("button", name="All").click()
        expect(dialog.locator("[aria-pressed=true]")).to_have_text("All")
        expect(dates_on(picture).first).to_have_text("18 Sept")
        assert boxes(picture, "up", lane=1)[0] == (near(0), near(0.5))

    @pytest.mark.parametrize(
        ("name", "first", "last"),
        [
            ("24 hours", "18:00", "15:00"),
            ("7 days", "15 Sept", "21 Sept"),
            ("30 days", "24 Aug", "21 Sept"),
            ("90 days", "29 Jun", "21 Sept"),
        ],
    )
    def test_dates_on_the_axis(self, told, name, first, last):
        dialog = open_history(told(history([RUNNING])))
        dialog.get_by_role("button", name=name).click()
        dates = dates_on(dialog)
        expect(dates.first).to_have_text(first)
        expect(dates.last).to_have_text(last)
        places = [label.bounding_box() for label in dates.all()]
        for one, other in zip(places, places[1:]):
            assert one["x"] + one["width"] < other["x"]

    @pytest.mark.parametrize(
        ("midnight", "hours"), [((2026, 10, 25), 25), ((2026, 3, 29), 23), ((2026, 9, 20), 24)]
    )
    def test_days_that_are_longer_or_shorter(self, told, midnight, hours):
        """Ticks are at midnight, however long the day before was."""
        begin = datetime(*midnight, tzinfo=ZoneInfo("Europe/Berlin")).timestamp()
        now = begin + (hours + 12) * 3600
        always = {**RUNNING, "started_at": begin - 9 * DAY, "seconds": now - begin + 9 * DAY}
        tab = told({**history([always]), "to": now, "from": now - 30 * DAY}, at=now)
        dialog = open_history(tab)
        dialog.get_by_role("button", name="7 days").click()
        expect(dialog.locator("[aria-pressed=true]")).to_have_text("7 days")
        ticks = dialog.locator(".octoprint_uptime_picture").evaluate(
            """picture => [...picture.querySelectorAll(".octoprint_uptime_tick")].map(path =>
                Number(path.getAttribute("d").match(/M([\\d.]+)/)[1]))"""
        )
        expect(dates_on(dialog)).to_have_count(len(ticks))
        lengths = [later - earlier for earlier, later in zip(ticks, ticks[1:])]
        assert lengths[-1] / lengths[-3] == pytest.approx(hours / 24, abs=0.004)

    def test_a_board_that_does_not_know_the_time(self, told):
        running = {**RUNNING, "started_at": None, "seconds": 5 * DAY}
        lost = run(started_at=None, ended_at=None, downtime_seconds=None, end="crash")
        before = run(started_at=NOON - 20 * DAY, ended_at=NOON - 15 * DAY, downtime_seconds=None)
        answer = {**history([running, lost, before]), "from": None, "to": None}
        tab = told(answer)
        dialog = open_history(tab)
        picture = dialog.locator(".octoprint_uptime_picture")
        # The browser knows how long what is up has been up.
        assert boxes(picture, "up", lane=1) == [
            (near(1 / 3), near(0.5)),
            (near(25 / 30), near(1)),
        ]
        expect(dialog).to_contain_text("Not shown: 1 entry without a time.")
        expect(dialog.locator("tbody").first).to_contain_text("Time unknown")

    def test_unrecorded_time_is_a_line(self, told):
        restored = run(
            ended_at=NOON - 10 * DAY,
            started_at=NOON - 20 * DAY,
            end="restored",
            downtime_seconds=None,
        )
        since = {**RUNNING, "started_at": NOON - 4 * DAY, "seconds": 4 * DAY}
        dialog = open_history(told(history([since, restored])))
        picture = dialog.locator(".octoprint_uptime_picture")
        before_the_first, unseen = boxes(picture, "unknown", lane=1)
        assert before_the_first == (0, near(10 / 30))
        assert unseen == (near(20 / 30), near(26 / 30))


class TestLanes:
    @pytest.fixture
    def dialog(self, told):
        """A power loss, a crash, a restart, a lost connection and three prints."""
        crash = run(
            started_at=NOON - 10 * DAY,
            ended_at=NOON - 6 * DAY,
            end="crash",
            downtime_seconds=DAY,
            interrupted_print="vase.gcode",
        )
        restart = planned(12 * DAY, "restart", 2 * DAY)
        restart["started_at"] = NOON - 20 * DAY
        power_loss = run(started_at=NOON - 5 * DAY, ended_at=NOON - 2 * DAY, downtime_seconds=7)
        since = {**RUNNING, "started_at": NOON - 2 * DAY + 7, "seconds": 2 * DAY - 7}
        up = {**power_loss, "started_at": NOON - 25 * DAY}
        lost = run(started_at=NOON - 10 * DAY, ended_at=NOON - 9 * DAY, end="error", port="A")
        del lost["downtime_seconds"], lost["why"]
        prints = [
            printed("interrupted", "vase.gcode", NOON - 6 * DAY),
            printed("failed", "b.gcode", NOON - 8 * DAY),
            printed("done", "c.gcode", NOON - 9 * DAY),
        ]
        answer = history(
            [since, power_loss, crash, restart], system=[since, up], printer=[lost], prints=prints
        )
        answer["summary"]["octoprint"] = {
            **answer["summary"]["octoprint"],
            "availability": 0.9999999,
            "longest_seconds": 8 * DAY,
        }
        return open_history(told(answer))

    @pytest.fixture
    def picture(self, dialog):
        return dialog.locator(".octoprint_uptime_picture")

    def test_one_axis(self, picture):
        names = picture.locator("text:not(.octoprint_uptime_date)")
        expect(names).to_have_text(list(LANES))
        assert boxes(picture, "up", lane=0)[0] == (near(5 / 30), near(28 / 30))
        assert boxes(picture, "up", lane=1)[:2] == [
            (near(10 / 30), near(18 / 30)),
            (near(20 / 30), near(24 / 30)),
        ]
        assert boxes(picture, "up", lane=2) == [(near(20 / 30), near(21 / 30))]
        assert [begin for begin, _ in boxes(picture, "print", lane=3)] == [
            *(near(21 / 30), near(22 / 30), near(24 / 30))
        ]

    def test_unplanned_ends_stand_out(self, picture):
        """A power loss has its flag at the host, on OctoPrint's lane a mark."""
        assert picture.evaluate(FLAGS) == 3
        assert boxes(picture, "unplanned", lane=1)[0] == (near(24 / 30), near(25 / 30))
        (power_loss,) = boxes(picture, "unplanned", lane=0)
        assert power_loss[1] - power_loss[0] < 0.005

    def test_figures(self, dialog):
        figures = dialog.locator(".octoprint_uptime_figures > div")
        assert texts(figures.locator("dd")) == ["99.99%", "8d 0h 0m", "3", "2d 0h 0m"]
        assert texts(figures.locator("dt")) == [
            *("OctoPrint availability", "longest run", "unplanned outages"),
            "since the last unplanned outage",
        ]
        expect(figures.nth(2)).to_have_class(re.compile("octoprint_uptime_bad"))

    @pytest.mark.parametrize(
        ("day", "lane", "story"),
        [
            (15, 1, "OctoPrint: up for 8d 0h 0m Tue 1 Sept, 16:13 to Wed 9 Sept, 16:13"),
            (19, 1, "Wed 9 Sept, 16:13: OctoPrint restarted OctoPrint: down for 2d 0h 0m"),
            (
                *(24.5, 1),
                "Tue 15 Sept, 16:13: OctoPrint crashed Nothing shows why."
                " OctoPrint: down for 1d 0h 0m Interrupted print: vase.gcode",
            ),
            (
                28.1,
                0,
                "Sat 19 Sept, 16:13: Power loss or reset Nothing shows why. Host: down for 7s",
            ),
            (21, 2, "Sat 12 Sept, 16:13: Lost connection to the printer"),
            (20.98, 3, "c.gcode Print finished: 1h 0m Sat 12 Sept, 15:13 to 16:13"),
        ],
    )
    def test_hovering_tells_the_story(self, dialog, picture, day, lane, story):
        width = picture.bounding_box()["width"] - 110
        picture.hover(position={"x": 110 + width * day / 30, "y": 18 + 30 * lane})
        told_story = " ".join(dialog.get_by_role("status").last.inner_text().split())
        assert told_story.startswith(story)
        dialog.get_by_label("Show").hover()
        expect(dialog).to_contain_text("Hover over a lane, or tap it, to see what happened.")

    def test_dragging_looks_closer(self, dialog, picture):
        page = picture.page
        place = picture.bounding_box()
        at = [place["x"] + 110 + (place["width"] - 110) * day / 30 for day in (20, 26)]
        rows = dialog.locator("tbody .octoprint_uptime_event")
        expect(rows).to_have_count(4)
        page.mouse.move(at[0], place["y"] + 50)
        page.mouse.down()
        page.mouse.move(at[1], place["y"] + 50, steps=3)
        expect(dialog).to_contain_text("Fri 11 Sept")
        page.mouse.up()
        assert boxes(picture, "unplanned", lane=1)[0] == (near(4 / 6), near(5 / 6))
        assert texts(rows) == [
            "OctoPrint crashed Nothing shows why. Interrupted print: vase.gcode",
            "Lost connection to the printer A",
        ]
        dialog.get_by_role("button", name="Zoom out").click()
        assert boxes(picture, "unplanned", lane=1)[0] == (near(24 / 30), near(25 / 30))
        expect(rows).to_have_count(4)
        expect(dialog.get_by_role("button", name="Zoom out")).to_have_count(0)

    def test_zoom_by_keyboard(self, dialog, picture):
        picture.focus()
        for _ in range(2):
            picture.page.keyboard.press("ArrowLeft")
        expect(dialog.get_by_role("status").last).to_contain_text("OctoPrint crashed")
        picture.page.keyboard.press("+")
        assert boxes(picture, "unplanned", lane=1)[0][0] == near(1 / 2 + 1.5 / 15)
        picture.page.keyboard.press("-")
        expect(dialog.get_by_role("button", name="Zoom out")).to_have_count(0)

    def test_zooming_out_goes_back_step_by_step(self, dialog, picture):
        crash = (near(24 / 30), near(25 / 30))
        picture.focus()
        for _ in range(2):
            picture.page.keyboard.press("ArrowLeft")
        seen = [boxes(picture, "unplanned", lane=1)[0]]
        for _ in range(2):
            picture.page.keyboard.press("+")
            seen.append(boxes(picture, "unplanned", lane=1)[0])
        assert seen[0] == crash
        assert len(set(seen)) == 3
        out = dialog.get_by_role("button", name="Zoom out")
        out.click()
        assert boxes(picture, "unplanned", lane=1)[0] == seen[1]
        out.click()
        assert boxes(picture, "unplanned", lane=1)[0] == crash
        expect(out).to_have_count(0)

    def test_the_range_chosen_again_shows_all_of_it(self, dialog, picture):
        picture.focus()
        for _ in range(2):
            picture.page.keyboard.press("+")
        dialog.get_by_role("button", name="30 days").click()
        assert boxes(picture, "unplanned", lane=1)[0] == (near(24 / 30), near(25 / 30))
        out = dialog.get_by_role("button", name="Zoom out")
        expect(out).to_have_count(0)
        picture.focus()
        picture.page.keyboard.press("+")
        out.click()
        expect(out).to_have_count(0)

    def test_what_is_outside_is_not_drawn(self, picture):
        picture.focus()
        picture.page.keyboard.press("End")
        for _ in range(2):
            picture.page.keyboard.press("+")
        assert boxes(picture, "up", lane=2) == []

    def test_a_second_finger_does_not_break_the_firsts_drag(self, dialog, picture):
        fingers(picture, "touchstart", {1: 20})
        fingers(picture, "touchmove", {1: 22})
        fingers(picture, "touchstart", {1: 22, 2: 5}, changed=[2])
        fingers(picture, "touchmove", {1: 22, 2: 9}, changed=[2])
        fingers(picture, "touchend", {1: 22}, changed=[2], lifted={2: 9})
        assert fingers(picture, "touchmove", {1: 26}) == "prevented"
        fingers(picture, "touchend", {}, changed=[1], lifted={1: 26})
        assert boxes(picture, "unplanned", lane=1)[0] == (near(4 / 6), near(5 / 6))

    def test_two_fingers_zoom_the_page(self, dialog, picture):
        """The lanes leave the fingers to the browser and stay as they are."""
        done = [
            fingers(picture, "touchstart", {1: 20}),
            fingers(picture, "touchstart", {1: 20, 2: 22}, changed=[2]),
            fingers(picture, "touchmove", {1: 10, 2: 28}),
            fingers(picture, "touchend", {2: 28}, changed=[1], lifted={1: 10}),
            fingers(picture, "touchmove", {2: 25}),
            fingers(picture, "touchend", {}, changed=[2], lifted={2: 25}),
        ]
        assert done == ["left alone"] * 6
        expect(dialog.get_by_role("button", name="Zoom out")).to_have_count(0)

    def test_another_range_shows_all_of_it(self, dialog, picture):
        picture.focus()
        picture.page.keyboard.press("+")
        expect(dialog.get_by_role("button", name="Zoom out")).to_be_visible()
        dialog.get_by_role("button", name="90 days").click()
        expect(dialog.get_by_role("button", name="Zoom out")).to_have_count(0)

    def test_a_narrow_page_has_the_names_above(self, dialog, picture):
        picture.page.set_viewport_size({"width": 375, "height": 900})
        expect(picture.locator("svg")).to_have_attribute("width", re.compile("^3"))
        names = [picture.get_by_text(name, exact=True).bounding_box() for name in LANES]
        assert len({name["x"] for name in names}) == 1
        assert boxes(picture, "track")[0][0] < 0.2


# The browser's touch events, each finger at a day; and whether its default was prevented.
FINGERS = """(picture, {type, down, lifted, changed}) => {
    const {left, top, width} = picture.getBoundingClientRect();
    const touches = days => Object.entries(days).map(([identifier, day]) => new Touch({
        identifier: Number(identifier),
        target: picture,
        clientX: left + 110 + (width - 110) * day / 30,
        clientY: top + 50,
    }));
    const event = new TouchEvent(type, {
        touches: touches(down),
        changedTouches: touches({...down, ...lifted})
            .filter(({identifier}) => changed.includes(identifier)),
        bubbles: true,
        cancelable: true,
    });
    return picture.dispatchEvent(event) ? "left alone" : "prevented";
}"""


def fingers(picture, type_, down, changed=None, lifted=None):
    return picture.evaluate(
        FINGERS,
        {
            "type": type_,
            "down": {str(finger): day for finger, day in down.items()},
            "lifted": {str(finger): day for finger, day in (lifted or {}).items()},
            "changed": changed or list(down),
        },
    )


@pytest.fixture
def crashed(new_server):
    """A factory of servers that lost power while printing a file whose name is markup."""

    def make(**preferences):
        server = new_server(
            environment={
                "PYTHONPATH": str(SERVER_TESTS / "scripted_board"),
                "BOOT_ID": "this one",
                "BOOTED_AT": str(time.clock_gettime(time.CLOCK_BOOTTIME) - 25),
            },
            plugins={"octoprint_uptime": preferences},
        )
        sample_history.write(
            server.basedir / "data" / "octoprint_uptime" / "history.db",
            until=time.time() - 885,
            ends=("power_loss",),
            printing=MARKUP,
        )
        server.start()
        return server

    return make


def notice_of(tab):
    return tab.page.locator(".octoprint_uptime_notice")


class TestNotice:
    @pytest.mark.matrix
    def test_everyone_sees_it_until_someone_acknowledges_it(self, crashed, new_tab):
        server = crashed()
        admin = server.login("admin", PASSWORD)
        add_user(admin, "viewer", groups=["readonly"])
        add_user(admin, "stranger", groups=[], permissions=["STATUS", "SETTINGS_READ"])
        tab = new_tab(of=server).open()
        notice = notice_of(tab)
        expect(notice).to_contain_text("Power loss or reset")
        expect(notice).to_contain_text(re.compile(r"day \d\d:\d\d, back after 14m \d+s\."))
        expect(notice).to_contain_text(f"The print of {MARKUP} was interrupted.")
        expect(notice).to_contain_text("Possible: Undervoltage reset the host.")
        expect(notice).not_to_contain_text("Undervoltage was")  # the reason says it
        assert notice.locator("img").count() == 0

        viewer = new_tab(of=server).open("viewer")
        expect(notice_of(viewer)).to_be_visible()
        stranger = new_tab(of=server).open("stranger")
        expect(notice_of(stranger)).to_have_count(0)

        notice_of(viewer).get_by_role("button", name="Got it").click()
        expect(notice_of(viewer)).to_have_count(0)
        expect(notice).to_have_count(0)
        expect(notice_of(new_tab(of=server).open().shown())).to_have_count(0)

    def test_it_says_when_it_cannot_be_acknowledged(self, crashed, new_tab):
        tab = new_tab(of=crashed()).open()
        refusal = "The history is not available: database or disk is full."

        def refuse(route):
            if route.request.method != "POST":
                return route.fallback()
            return route.fulfill(status=503, json={"error": refusal})

        got_it = notice_of(tab).get_by_role("button", name="Got it")
        tab.page.route(f"**{API}", refuse)
        got_it.click()
        expect(notice_of(tab)).to_contain_text(refusal)
        tab.page.unroute(f"**{API}", refuse)
        got_it.click()
        expect(notice_of(tab)).to_have_count(0)

    def test_it_leads_to_the_history_and_clearing_asks_first(self, crashed, new_tab):
        server = crashed(show_system_uptime=False, show_octoprint_uptime=False)
        tab = new_tab(of=server).open()
        notice_of(tab).get_by_role("button", name="History").click()
        dialog = tab.page.locator("#octoprint_uptime_history")
        expect(dialog).to_be_visible()
        expect(notice_of(tab)).to_have_count(0)
        rows = dialog.locator("tbody tr")
        expect(rows.nth(10)).to_be_attached()
        ends = rows.count()

        with tab.page.expect_download() as download:
            dialog.get_by_text("Download as CSV").click()
        text = Path(download.value.path()).read_text(encoding="utf-8-sig")
        rows = list(csv.DictReader(io.StringIO(text)))
        assert rows[1]["interrupted_print"] == MARKUP
        assert download.value.suggested_filename == "uptime-history.csv"

        dialog.get_by_text("Clear history").click()
        confirmation = tab.page.locator(".modal", has_text="permanently deletes")
        confirmation.get_by_text("Cancel").click()
        expect(confirmation).to_be_hidden()
        assert dialog.locator("tbody tr").count() == ends
        dialog.get_by_text("Clear history").click()
        confirmation.get_by_text("Clear", exact=True).click()
        expect(dialog).to_contain_text("Nothing went down in this time range.")
        dialog.get_by_role("button", name="Close").last.click()
        expect(dialog).to_be_hidden()
        expect(notice_of(tab)).to_have_count(0)

    def test_only_those_who_may_change_settings_can_clear(self, new_tab):
        dialog = open_history_of_real_server(new_tab().open("readonly").shown())
        expect(dialog.get_by_text("Download as CSV")).to_be_visible()
        expect(dialog.get_by_text("Clear history")).to_be_hidden()


def open_history_of_real_server(tab):
    tab.open_panel().get_by_text("History").click()
    dialog = tab.page.locator("#octoprint_uptime_history")
    expect(dialog).to_be_visible()
    return dialog


def test_what_happens_while_the_dialog_is_open_appears(new_server, new_tab):
    server = new_server()
    recorded(server)
    server.stop(signal.SIGKILL)
    admin = recorded(server)
    dialog = open_history_of_real_server(new_tab(of=server).open().shown())
    rows = dialog.locator("tbody .octoprint_uptime_event")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("OctoPrint crashed")
    picture = dialog.locator(".octoprint_uptime_picture")
    assert boxes(picture, "up", lane=2) == []
    admin.post("/api/connection", {"command": "connect", "port": "VIRTUAL"})
    wait_for(lambda: boxes(picture, "up", lane=2))
    admin.post("/api/connection", {"command": "disconnect"})
    expect(rows.first).to_contain_text("Printer disconnected")


def longest_language():
    """Its code, as a browser writes it."""

    def length(folder):
        with (folder / "LC_MESSAGES" / "messages.po").open("rb") as file:
            return sum(len(str(message.string)) for message in read_po(file) if message.id)

    return max(translations.CATALOGUES.iterdir(), key=length).name.replace("_", "-")


@pytest.mark.parametrize("locale", ["en-GB", longest_language()])
def test_nothing_is_cut_off_at_any_width(told, locale):
    print_and_undervoltage = {"interrupted_print": "x" * 200 + ".gcode", "undervoltage": True}
    runs = [RUNNING, run(**print_and_undervoltage), run(end="shutdown"), run(end="crash")]
    tab = told(history(runs), locale=locale)
    dialog = tab.page.locator("#octoprint_uptime_history")
    for width in (1400, 1024, 768, 375):
        tab.page.set_viewport_size({"width": width, "height": 900})
        panel = tab.open_panel()
        expect(panel.locator(".octoprint_uptime_picture path").first).to_be_attached()
        assert inside(panel, width)
        for text in panel.locator(":is(p, td, .octoprint_uptime_strip_head):visible").all():
            assert text.evaluate("el => el.scrollWidth <= el.clientWidth")
        panel.locator(".octoprint_uptime_history_link").click()
        tab.page.clock.run_for(1000)
        expect(dialog).to_be_visible()
        assert inside(dialog, width)
        assert dialog.locator(".modal-body").evaluate("el => el.scrollWidth <= el.clientWidth")
        tab.page.keyboard.press("Escape")
        tab.page.clock.run_for(1000)
        expect(dialog).to_be_hidden()


def test_the_settings_are_kept(new_tab, preferences, admin):
    tab = new_tab().open().shown()
    tab.open_panel().get_by_text("Settings").click()
    page = tab.page.locator("#settings_plugin_octoprint_uptime")
    page.get_by_label("Record a heartbeat every").fill("5")
    expect(page.locator("#settings_octoprint_uptime_heartbeat_seconds_reason")).to_have_text(
        "Enter a whole number of seconds from 10 to 600. 10 will be saved."
    )
    page.get_by_label("Keep history for").fill("5000")
    expect(page.locator("#settings_octoprint_uptime_history_days_reason")).to_have_text(
        "Enter a whole number of days from 7 to 3650. 3650 will be saved."
    )
    page.get_by_label("Notify everyone").uncheck()
    witness = page.get_by_label("Record when and why OctoPrint crashes")
    expect(witness).to_be_checked()
    expect(witness).to_have_accessible_description(re.compile("under 2 MB"))
    witness.uncheck()
    tab.page.click("#settings_dialog [data-test-id=settings-save]")
    expect(tab.page.locator("#settings_dialog")).to_be_hidden()
    stored = admin.get("/api/settings").json()["plugins"]["octoprint_uptime"]
    assert stored == {
        **defaults(),
        "notify_unplanned": False,
        "heartbeat_seconds": 10,
        "history_days": 3650,
        "witness": False,
    }
