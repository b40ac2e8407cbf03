"""The history tells why something ended; its row opens to evidence and vital signs."""

import json
import re
import time

import pytest
from helpers import inside, recorded, scripted_board
from history_answers import DAY, HISTORY, NOON, RUNNING, history, open_history, run, why
from playwright.sync_api import expect
from shared import sample_history

MARKUP = "<img src=x onerror=alert(1)>"
CRASH = "Native code in cv2"

# The number of pixels on a canvas in the colour of the text around it.
DRAWN = """canvas => {
    const text = getComputedStyle(canvas.parentElement).color.match(/\\d+/g).map(Number);
    const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    let count = 0;
    for (let at = 0; at < data.length; at += 4) {
        const isText = [0, 1, 2].every(part => Math.abs(data[at + part] - text[part]) < 2);
        if (isText && data[at + 3] > 250) count++;
    }
    return count;
}"""


def vitals(*minutes, **fields):
    return [{"seconds_before": minute * 60 + 4.0, **fields} for minute in minutes]


def opened(dialog, name=re.compile("crashed|Power loss")):
    """The first row of that name, and its opened details."""
    button = dialog.locator("tbody").get_by_role("button", name=name).first
    return button, dialog.locator(f"#{button.get_attribute('aria-controls')}")


def texts(locator):
    return [" ".join(text.split()) for text in locator.all_inner_texts()]


@pytest.fixture(scope="module")
def server(new_server):
    """A server that lost power while printing, after many other kinds of ends."""
    server = new_server(environment=scripted_board("now", age=60))
    sample_history.write(
        server.basedir / "data" / "octoprint_uptime" / "history.db",
        until=time.time() - 300,
        ends=("power_loss", "restart", "shutdown", "crash"),
        printing="vase.gcode",
    )
    recorded(server)
    return server


class TestRealHistory:
    def test_the_same_sentence_everywhere(self, new_tab):
        tab = new_tab().open().shown()
        sentence = "Possible: Undervoltage reset the host."
        notice = tab.page.locator(".octoprint_uptime_notice")
        expect(notice).to_contain_text(sentence)
        expect(tab.open_panel()).to_contain_text(sentence)
        tab.panel.get_by_text("History").click()
        event = tab.page.locator("#octoprint_uptime_history .octoprint_uptime_event").first
        told = (
            rf"reset\s+{sentence}\s+Interrupted print: vase.gcode"
            r"\s+Stopped at \d+%, Z\s[\d.]+\smm"
        )
        expect(event).to_have_text(re.compile(told))

    def test_a_row_opens_to_all_that_is_known(self, new_tab):
        tab = new_tab().open().shown()
        tab.open_panel().get_by_text("History").click()
        dialog = tab.page.locator("#octoprint_uptime_history")
        with tab.page.expect_response(HISTORY):
            dialog.get_by_role("button", name="90 days").click()
        row = dialog.locator("tbody tr", has_text=CRASH).first
        button = row.get_by_role("button", name="OctoPrint crashed")
        expect(button).to_have_attribute("aria-expanded", "false")
        button.click()
        expect(button).to_have_attribute("aria-expanded", "true")
        more = dialog.locator(f"#{button.get_attribute('aria-controls')}")
        expect(more).to_contain_text("Certain The evidence states the reason.")
        evidence = more.locator("li")
        expect(evidence.first).to_contain_text("OctoPrint process")
        expect(evidence.first).to_contain_text("Segmentation fault in cv2, plugin Bed Camera")
        expect(more).to_contain_text("report the crash to its author")
        plots = more.locator(".octoprint_uptime_plots > div")
        assert [re.sub(r" [\d.].*", "", text) for text in texts(plots)] == [
            *("Memory available", "OctoPrint's memory", "Temperature", "Load")
        ]
        for canvas in plots.locator("canvas.flot-base").all():
            assert canvas.evaluate(DRAWN) > 100
        more.get_by_text("All values").click()
        temperature = more.get_by_role("row", name="Temperature")
        expect(temperature.get_by_role("cell")).to_have_count(5)
        expect(temperature).to_contain_text(re.compile(r"\d\d\s°C"))
        button.click()
        expect(more).to_have_count(0)

    def test_its_details_can_be_copied(self, new_tab):
        tab = new_tab(permissions=["clipboard-read"]).open().shown()
        with tab.page.expect_response(HISTORY):
            tab.open_panel().get_by_text("History").click()
        button, more = opened(tab.page.locator("#octoprint_uptime_history"))
        button.click()
        copy = more.get_by_role("button", name="Copy details")
        copied = more.get_by_role("status").get_by_text("Copied")
        expect(copied).to_be_hidden()
        copy.click()
        expect(copied).to_be_visible()
        expect(copy).to_be_focused()
        entry = json.loads(tab.page.evaluate("navigator.clipboard.readText()"))
        assert entry["interrupted_print"] == "vase.gcode"
        assert entry["why"]["reason"] == "undervoltage"
        assert entry["why"]["vitals"]

    def test_planned_ends_recede(self, new_tab):
        tab = new_tab().open().shown()
        tab.open_panel().get_by_text("History").click()
        dialog = tab.page.locator("#octoprint_uptime_history")
        with tab.page.expect_response(HISTORY):
            dialog.get_by_role("button", name="90 days").click()
        dialog.get_by_label("Show").select_option("restart")
        events = dialog.locator("tbody .octoprint_uptime_event")
        expect(events.nth(2)).to_be_attached()
        plain = events.filter(has_not_text="Software changed")
        assert plain.count() > 2
        expect(plain.get_by_role("button")).to_have_count(0)
        assert set(texts(plain)) == {"OctoPrint restarted"}
        updated = events.filter(
            has_text="Software changed before the next start: OctoPrint 1.11.7 to 1.11.8."
        )
        expect(updated.first.get_by_role("button")).to_be_visible()

    @pytest.mark.parametrize(
        ("options", "colour"),
        [
            ({}, "rgb(238, 238, 238)"),
            ({"forced_colors": "active", "color_scheme": "dark"}, "rgb(255, 255, 255)"),
        ],
    )
    def test_the_plot_has_the_colour_of_the_text(self, new_tab, options, colour):
        tab = new_tab(**options).open().shown()
        tab.page.add_style_tag(content=".modal-body { background: #111 !important; color: #eee }")
        tab.open_panel().get_by_text("History").click()
        button, more = opened(tab.page.locator("#octoprint_uptime_history"))
        button.click()
        expect(more.locator("canvas.flot-base")).to_have_count(4)
        for canvas in more.locator("canvas.flot-base").all():
            assert canvas.evaluate("el => getComputedStyle(el.parentElement).color") == colour
            assert canvas.evaluate(DRAWN) > 100
        for label in more.locator(".flot-tick-label").all():
            assert label.evaluate("el => getComputedStyle(el).color") == colour


class TestToldHistory:
    def test_by_keyboard_the_focus_stays(self, told):
        crash = run(end="crash", why=why(advice="Try safe mode."))
        tab = told(history([RUNNING, crash]))
        button, more = opened(open_history(tab))
        button.focus()
        tab.page.keyboard.press("Enter")
        expect(more).to_contain_text("Unknown Nothing recorded points to a reason.")
        expect(more).to_contain_text("Try safe mode.")
        expect(button).to_be_focused()
        tab.page.keyboard.press("Space")
        expect(more).to_have_count(0)
        expect(button).to_be_focused()

    def test_what_is_open_stays_open_when_something_happens(self, told):
        crash = run(end="crash", why=why(advice="Try safe mode."))
        answer = history([RUNNING, crash])
        tab = told(answer)
        dialog = open_history(tab)
        button, more = opened(dialog)
        button.focus()
        tab.page.keyboard.press("Enter")
        answer["octoprint"].insert(1, run(ended_at=NOON - 100, end="restart"))
        tab.page.evaluate(
            "OctoPrint.coreui.viewmodels.octoPrintUptimeHistoryViewModel"
            ".onDataUpdaterPluginMessage('octoprint_uptime', {history: true})"
        )
        expect(dialog.locator("tbody").get_by_text("OctoPrint restarted")).to_be_visible()
        expect(more).to_contain_text("Try safe mode.")
        expect(button).to_be_focused()

    def test_two_similar_rows_open_separately(self, told):
        crash = run(end="crash", why=why(advice="Try safe mode."))
        dialog = open_history(told(history([RUNNING, crash, dict(crash)])))
        buttons = dialog.locator("tbody .octoprint_uptime_event").get_by_role("button")
        buttons.last.click()
        expect(buttons.last).to_have_attribute("aria-expanded", "true")
        expect(buttons.first).to_have_attribute("aria-expanded", "false")
        expect(dialog.get_by_text("Try safe mode.")).to_have_count(1)

    def test_all_of_the_cell_can_be_pressed(self, told):
        crash = run(end="crash", why=why(advice="Try safe mode."))
        dialog = open_history(told(history([RUNNING, crash])))
        dialog.locator("tbody").get_by_text("Nothing shows why.").click(force=True)
        expect(dialog.get_by_text("Try safe mode.")).to_be_visible()

    def test_markup_is_text(self, told):
        told_why = why(
            "exited",
            "certain",
            f"OctoPrint exited after an exception: ValueError: {MARKUP}",
            advice=f"Ask {MARKUP}.",
            evidence=[{"source": MARKUP, "text": MARKUP}],
        )
        tab = told(history([RUNNING, run(end="crash", why=told_why)]))
        tab.answer_with(unacknowledged_end=run(end="crash", why=told_why, interrupted_print=MARKUP))
        tab.set_hidden(False)
        notice = tab.page.locator(".octoprint_uptime_notice")
        expect(notice).to_contain_text(f"ValueError: {MARKUP}")
        expect(tab.open_panel()).to_contain_text(f"ValueError: {MARKUP}")
        tab.toggle.click()
        dialog = open_history(tab)
        button, more = opened(dialog)
        button.click()
        expect(more.locator("li")).to_have_text(re.compile(rf"{re.escape(MARKUP)}\s+.*img"))
        expect(more).to_contain_text(f"Ask {MARKUP}.")
        assert (
            tab.page.locator(".octoprint_uptime_notice img, .octoprint_uptime_panel img").count()
            == 0
        )
        assert dialog.locator("img").count() == 0

    @pytest.mark.parametrize(
        ("reason", "grade", "sentence", "meaning"),
        [
            ("power_cut", "certain", "It was.", "Certain The evidence states the reason."),
            (
                "power_cut",
                "likely",
                "Likely: It was.",
                "Likely At least two independent signs point to it.",
            ),
            ("power_cut", "possible", "Possible: It was.", "Possible Only one sign points to it."),
        ],
    )
    def test_the_grade(self, told, reason, grade, sentence, meaning):
        evidence = [
            {"source": "log", "text": "octoprint.log was cut off."},
            {"source": "kernel", "text": "One."},
            {"source": "kernel", "text": "Two."},
        ]
        end = run(why=why(reason, grade, "It was.", evidence=evidence))
        dialog = open_history(told(history([RUNNING, end])))
        expect(dialog.locator("tbody p:visible")).to_have_text(sentence)
        button, more = opened(dialog)
        button.click()
        expect(more).to_contain_text(meaning)
        assert texts(more.locator("li")) == [
            *("OctoPrint log octoprint.log was cut off.", "Kernel One. Two.")
        ]

    def test_what_the_host_does_not_have_is_left_out(self, told):
        signs = vitals(0, 1, 5, load=1.25, memory_available_bytes=1.62e9)
        signs[0]["memory_available_bytes"] = 38e6
        del signs[1]["memory_available_bytes"]
        dialog = open_history(told(history([RUNNING, run(why=why(vitals=signs))])))
        button, more = opened(dialog)
        button.click()
        plots = more.locator(".octoprint_uptime_plots > div > strong")
        assert texts(plots) == ["38 MB", "1.25"]
        more.get_by_text("All values").click()
        assert [texts(row.locator("th, td")) for row in more.locator("tr").all()] == [
            ["Before the outage", "4s", "1m", "5m"],
            ["Memory available", "38 MB", "–", "1.6 GB"],
            ["Load", "1.25", "1.25", "1.25"],
        ]

    def test_one_heartbeat_makes_no_plot(self, told):
        dialog = open_history(told(history([RUNNING, run(why=why(vitals=vitals(0, load=2.5)))])))
        button, more = opened(dialog)
        button.click()
        expect(more.get_by_text("All values")).to_be_visible()
        expect(more.locator("canvas")).to_have_count(0)

    def test_an_unwitnessed_end_of_the_host(self, told):
        unseen = {
            **run(end="unknown", ended_at=NOON - DAY, downtime_seconds=None, seconds=DAY),
            "started_at": NOON - 2 * DAY,
        }
        crash = run(end="crash", ended_at=NOON - DAY, started_at=NOON - 2 * DAY)
        dialog = open_history(told(history([RUNNING, crash], system=[RUNNING, unseen])))
        dialog.locator(".octoprint_uptime_picture").focus()
        dialog.page.keyboard.press("Home")
        story = dialog.locator(".octoprint_uptime_story")
        expect(story).to_contain_text("Host went down, cause not recorded")
        expect(story).to_contain_text("downtime unknown")

    @pytest.mark.parametrize(("reason", "is_told"), [("undervoltage", False), ("power_cut", True)])
    def test_undervoltage_is_told_once(self, told, reason, is_told):
        end = run(undervoltage=True, why=why(reason, "possible", "So."))
        tab = told(history([RUNNING, end]))
        tab.answer_with(unacknowledged_end=end)
        tab.set_hidden(False)
        notice = tab.page.locator(".octoprint_uptime_notice")
        expect(notice).to_contain_text("Possible: So.")
        undervoltage = re.compile("Undervoltage (was )?detected")
        assert bool(undervoltage.search(notice.inner_text())) == is_told
        details = open_history(tab).locator("tbody .octoprint_uptime_event")
        assert bool(undervoltage.search(details.inner_text())) == is_told

    @pytest.mark.parametrize("width", [1400, 1024, 768, 375, 320])
    def test_an_open_row_fits(self, told, width):
        evidence = [{"source": "journal", "text": "x" * 200}, {"source": "process", "text": "y"}]
        signs = vitals(
            *(0, 1, 5, 15, 60),
            memory_available_bytes=987e6,
            swap_used_bytes=100e6,
            process_memory_bytes=456e6,
            process_open_files=1024,
            load=13.75,
            cpu_celsius=85.0,
            disk_free_bytes=123e9,
            loop_late_seconds=1234.5,
        )
        told_why = why(text="z" * 200, advice="Do. " * 50, evidence=evidence, vitals=signs)
        tab = told(history([RUNNING, run(why=told_why)]), viewport={"width": width, "height": 900})
        dialog = open_history(tab)
        button, more = opened(dialog)
        button.click()
        more.get_by_text("All values").click()
        assert inside(more, width)
        expect(more.get_by_role("columnheader", name="1h0m")).to_be_visible()
        body = dialog.locator(".modal-body")
        assert body.evaluate("el => el.scrollWidth <= el.clientWidth")
        for part in more.locator("div, p, th, td").all():
            assert part.evaluate("el => el.scrollWidth <= el.clientWidth + 1"), part.inner_html()
