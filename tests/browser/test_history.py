"""The history in the panel, in its dialog, and the notice of an unplanned outage."""

import csv
import io
import re
import signal
import time
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import sample_history
from accounts import PASSWORD, add_user
from babel.messages.pofile import read_po
from helpers import inside, recorded
from history_answers import DAY, HISTORY, NOON, RUNNING, history, open_history, run, why
from playwright.sync_api import expect

import translations
from octoprint_uptime.settings import defaults

SERVER_TESTS = Path(__file__).parents[1] / "server"
MARKUP = "<img src=x onerror=alert(1)>.gcode"

# How often there were more rows when the last of them had been scrolled to.
SCROLL_TO_THE_END = """async rows => {
    let times = 0;
    for (; rows.children.length < 2000; times++) {
        const more = new Promise(resolve => new MutationObserver(resolve)
            .observe(rows, {childList: true}));
        rows.lastElementChild.scrollIntoView();
        await more;
    }
    return times;
}"""


def kinds(strip):
    """What kind of day each bar shows."""
    return [
        bar.get_attribute("class").replace("octoprint_uptime_day_", "")
        for bar in strip.locator(".octoprint_uptime_bars > i").all()
    ]


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
        recent = panel.locator(".octoprint_uptime_strip")
        expect(recent).to_contain_text("99.99% in 30 days")
        assert kinds(recent)[-7:] == [
            *("unknown", "up", "up", "planned", "planned", "planned", "unplanned")
        ]
        assert kinds(recent)[:-7] == ["unknown"] * 23
        # Noon is 14:33 there, on a Monday.
        expect(panel).to_contain_text("Power loss or reset, Monday 15:58, back after 14m 0s")
        expect(panel).to_contain_text("Nobody knows why.")

    def test_a_day_of_twenty_five_hours(self, told):
        begin = datetime(2026, 10, 25, 0, 0, tzinfo=ZoneInfo("Europe/Berlin")).timestamp()
        now = begin + 30 * 3600
        always = {**RUNNING, "started_at": begin - DAY, "seconds": now - begin + DAY}
        answer = {**history([always]), "to": now}
        panel = told(answer, at=now).open_panel()
        bars = panel.locator(".octoprint_uptime_bars > i")
        expect(bars.nth(28)).to_have_attribute("title", "Sun, 25 Oct 2026\nup for 1d 1h 0m")

    def test_when_nothing_went_down(self, told):
        panel = told(history([RUNNING], availability=1)).open_panel()
        expect(panel).to_contain_text("100% in 30 days")
        expect(panel).to_contain_text("No unplanned outage.")

    def test_a_restored_backup_is_no_outage(self, told):
        restored = run(end="restored", downtime_seconds=None)
        panel = told(history([RUNNING, restored])).open_panel()
        expect(panel).to_contain_text("No unplanned outage.")
        today = panel.locator(".octoprint_uptime_bars > i").last
        expect(today).to_have_class("octoprint_uptime_day_planned")
        expect(today).to_have_attribute("title", re.compile("15:58 Restored from a backup$"))

    def test_a_day_is_told_by_keyboard_too(self, told):
        tab = told(history([RUNNING, run(interrupted_print="x.gcode")]))
        panel = tab.open_panel()
        tab.page.keyboard.press("Tab")
        bars = panel.locator(".octoprint_uptime_bars")
        expect(bars).to_be_focused()
        expect(bars).to_have_attribute(
            "aria-label", re.compile("1 up all day.*1 with an unplanned outage")
        )
        tab.page.keyboard.press("ArrowLeft")
        story = panel.locator(".octoprint_uptime_story")
        expect(story).to_contain_text("Power loss or reset")
        tab.page.keyboard.press("ArrowLeft")
        tab.page.keyboard.press("ArrowLeft")
        expect(story).to_contain_text("not known")
        tab.page.keyboard.press("ArrowRight")
        expect(story).to_contain_text("up for 7h 46m")

    def test_a_history_that_is_not_there_is_said(self, new_tab):
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
                why=why("update", "certain", "Restarted for an update."),
            ),
        ]
        connections = [
            {**RUNNING, "port": "VIRTUAL"},
            run(end="octoprint_down", port="/dev/ttyUSB0"),
            run(ended_at=NOON - 3 * DAY, end="error", port="/dev/ttyUSB0", end_exact=None),
            run(ended_at=NOON - 5 * DAY, end="disconnected", port="/dev/ttyUSB0", end_exact=None),
        ]
        for connection in connections:
            del connection["downtime_seconds"], connection["why"]
        tab = told(history(runs, printer=connections))
        dialog = open_history(tab)
        rows = dialog.locator("tbody tr")
        expect(rows).to_have_count(8)
        cells = [
            [" ".join(cell.split()) for cell in row.locator("td").all_inner_texts()]
            for row in rows.all()
        ]
        assert cells == [
            [
                *("Power loss or reset Nobody knows why.", "21 Sept 2026, 15:58 ± 60 s"),
                *("23h 45m", "14m 0s"),
                f"Interrupted: {MARKUP} · Undervoltage was seen",
            ],
            ["OctoPrint crashed Nobody knows why.", "unknown ± 60 s", "59s", "–", ""],
            ["OctoPrint was restarted", "19 Sept 2026, 16:13", "23h 45m", "20s", ""],
            [
                *("Connection to the printer lost", "18 Sept 2026, 16:13", "23h 45m", "–"),
                "/dev/ttyUSB0",
            ],
            ["Host shut down in order", "17 Sept 2026, 16:13", "23h 45m", "2h 0m", ""],
            ["Printer disconnected", "16 Sept 2026, 16:13", "23h 45m", "–", "/dev/ttyUSB0"],
            ["Restored from a backup", "15 Sept 2026, 16:13 ± 60 s", "23h 45m", "–", ""],
            [
                *("OctoPrint was restarted Restarted for an update.", "14 Sept 2026, 16:13"),
                *("23h 45m", "20s", ""),
            ],
        ]
        assert rows.get_by_role("button").count() == 0  # nothing is known beside the sentences
        assert dialog.locator("img").count() == 0

    def test_filtered_by_cause(self, told):
        tab = told(history([RUNNING, run(), run(end="crash"), run(end="crash")]))
        dialog = open_history(tab)
        causes = dialog.get_by_label("Show")
        assert causes.locator("option").all_inner_texts() == [
            *("everything (3)", "OctoPrint crashed (2)", "Power loss or reset (1)")
        ]
        causes.select_option(label="OctoPrint crashed (2)")
        expect(dialog.locator("tbody tr")).to_have_count(2)
        causes.select_option(label="everything (3)")
        expect(dialog.locator("tbody tr")).to_have_count(3)

    @pytest.mark.parametrize("width", [1400, 375])
    def test_two_thousand_rows_come_as_one_scrolls(self, told, width):
        runs = [run(ended_at=NOON - 3600 * number, seconds=number) for number in range(2000)]
        tab = told(history([RUNNING, *runs]), viewport={"width": width, "height": 900})
        rows = open_history(tab).locator("tbody")
        assert rows.locator("tr").count() <= 200
        assert rows.evaluate(SCROLL_TO_THE_END) >= 10
        assert rows.locator("tr").count() == 2000

    def test_on_the_first_day(self, told):
        dialog = open_history(told(history([RUNNING])))
        expect(dialog).to_contain_text("Nothing has gone down yet.")
        expect(dialog.locator("table")).to_be_hidden()

    def test_fewer_days_are_kept(self, told, preferences):
        preferences(history_days=7)
        tab = told(history([RUNNING]))
        expect(tab.open_panel()).to_contain_text("in 7 days")
        tab.panel.get_by_text("History").click()
        dialog = tab.page.locator("#octoprint_uptime_history")
        expect(dialog.locator(".octoprint_uptime_bars").first.locator("i")).to_have_count(7)

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
        dialog.locator(".octoprint_uptime_bars").nth(1).focus()
        tab.page.keyboard.press("ArrowLeft")
        expect(dialog.locator(".octoprint_uptime_story").nth(1)).to_contain_text("Power loss")
        tab.page.keyboard.press("Escape")
        tab.page.clock.run_for(1000)
        expect(dialog).to_be_hidden()


@pytest.fixture
def crashed(new_server):
    """Makes servers that have lost power while printing a file with a name of markup."""

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
    def test_until_someone_acknowledges_it_it_is_told_to_all(self, crashed, new_tab):
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
        expect(notice).not_to_contain_text("Undervoltage was seen")  # the reason says so
        assert notice.locator("img").count() == 0

        viewer = new_tab(of=server).open("viewer")
        expect(notice_of(viewer)).to_be_visible()
        stranger = new_tab(of=server).open("stranger")
        expect(notice_of(stranger)).to_have_count(0)

        notice_of(viewer).get_by_role("button", name="Got it").click()
        expect(notice_of(viewer)).to_have_count(0)
        expect(notice).to_have_count(0)
        expect(notice_of(new_tab(of=server).open().shown())).to_have_count(0)

    def test_it_leads_to_the_history_and_clearing_asks_first(self, crashed, new_tab):
        server = crashed(show_system_uptime=False, show_octoprint_uptime=False)
        tab = new_tab(of=server).open()
        notice_of(tab).get_by_role("button", name="History").click()
        dialog = tab.page.locator("#octoprint_uptime_history")
        expect(dialog).to_be_visible()
        expect(notice_of(tab)).to_have_count(0)
        ends = dialog.locator("tbody tr").count()
        assert ends > 10

        with tab.page.expect_download() as download:
            dialog.get_by_text("Download as CSV").click()
        text = Path(download.value.path()).read_text(encoding="utf-8-sig")
        rows = list(csv.DictReader(io.StringIO(text)))
        assert rows[1]["interrupted_print"] == MARKUP
        assert download.value.suggested_filename == "uptime-history.csv"

        dialog.get_by_text("Clear history").click()
        confirmation = tab.page.locator(".modal", has_text="for everyone and for good")
        confirmation.get_by_text("Cancel").click()
        expect(confirmation).to_be_hidden()
        assert dialog.locator("tbody tr").count() == ends
        dialog.get_by_text("Clear history").click()
        confirmation.get_by_text("Clear", exact=True).click()
        expect(dialog).to_contain_text("Nothing has gone down yet.")
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
    rows = dialog.locator("tbody tr")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("OctoPrint crashed")
    admin.post("/api/connection", {"command": "connect", "port": "VIRTUAL"})
    expect(dialog.locator(".octoprint_uptime_bars").nth(2).locator("i").last).to_have_class(
        "octoprint_uptime_day_up"
    )
    admin.post("/api/connection", {"command": "disconnect"})
    expect(rows.first).to_contain_text("Printer disconnected")


def longest_language():
    """As a browser calls it."""

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
        expect(panel.locator(".octoprint_uptime_strip")).to_be_visible()
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
    page.get_by_label("Heartbeat interval").fill("5")
    expect(page.locator("#settings_octoprint_uptime_heartbeat_seconds_reason")).to_have_text(
        "Whole seconds from 10 to 600: 10 will be saved."
    )
    page.get_by_label("Keep for").fill("5000")
    expect(page.locator("#settings_octoprint_uptime_history_days_reason")).to_have_text(
        "Whole days from 7 to 3650: 3650 will be saved."
    )
    page.get_by_label("Notify everyone").uncheck()
    witness = page.get_by_label("Let a witness watch for crashes")
    expect(witness).to_be_checked()
    expect(witness).to_have_accessible_description(re.compile("less than 2 MB"))
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
