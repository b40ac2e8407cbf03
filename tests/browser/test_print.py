"""The notice and the history show where a print stopped and what may still be hot."""

import re

import pytest
from history_answers import RUNNING, history, run, stopped_at
from playwright.sync_api import expect

FILE = "vase.gcode"
MARKUP = "<img src=x onerror=alert(1)>.gcode"
CHECK = "Check the printer: its heaters may still be on."
CHECK_IF_ON = "Check the printer: if it kept power, its heaters may still be on."
STOPPED = "Stopped at 63%, Z 41.2 mm, 3h 12m into the print (within a minute)."
NOZZLE = "The nozzle was set to 210 °C."


def interrupted(end="crash", file=FILE, **fields):
    return run(end=end, interrupted_print=file, stopped_at=stopped_at(file, **fields))


@pytest.fixture
def notice_of(told):
    """The notice about an end."""

    def make(end, **options):
        tab = told(history([RUNNING]), **options)
        tab.answer_with(unacknowledged_end=end)
        tab.set_hidden(False)
        notice = tab.page.locator(".octoprint_uptime_notice")
        expect(notice).to_be_visible()
        return notice

    return make


def words(text):
    """A pattern for these words, with anything between them."""
    return " ".join(text.split())


def lines(notice):
    """The lines of its text."""
    return [words(text) for text in notice.locator(".ui-pnotify-text > *").all_inner_texts()]


@pytest.fixture
def row_of(told):
    """The texts of an end's row, what happened and where the print stopped; and its details."""

    def make(end, **options):
        tab = told(history([RUNNING, end]), **options)
        tab.open_panel().locator(".octoprint_uptime_history_link").click()
        tab.page.clock.run_for(1000)
        event = tab.page.locator("#octoprint_uptime_history tbody .octoprint_uptime_event")
        expect(event).to_be_visible()
        reason, details, position = (words(part.inner_text()) for part in event.locator("p").all())
        cause = words(event.locator("span").inner_text())
        return " ".join(filter(None, (cause, reason, position))), details

    return make


class TestNotice:
    def test_what_may_be_hot_comes_first(self, notice_of):
        notice = notice_of(interrupted())
        told = lines(notice)
        assert told[:2] == [CHECK, "OctoPrint crashed"]
        assert told[-2:] == [f"The print of {FILE} was interrupted.", f"{STOPPED} {NOZZLE}"]

    def test_after_a_power_loss_the_printer_may_be_off(self, notice_of):
        assert lines(notice_of(interrupted("power_loss")))[0] == CHECK_IF_ON

    def test_nothing_is_hot(self, notice_of):
        told = lines(notice_of(interrupted(targets={})))
        assert (told[0], told[-1]) == ("OctoPrint crashed", STOPPED)

    @pytest.mark.parametrize("targets", [None, {}])
    def test_a_print_that_has_just_begun_heats(self, notice_of, targets):
        assert lines(notice_of(interrupted(targets=targets, printed_seconds=59)))[0] == CHECK

    def test_no_print_nothing_to_check(self, notice_of):
        told = lines(notice_of(run(end="crash")))
        assert told[0] == "OctoPrint crashed"
        assert "print" not in " ".join(told)

    def test_an_unknown_position(self, notice_of):
        told = lines(notice_of(run(end="crash", interrupted_print=FILE)))
        assert (told[0], told[1], told[-1]) == (
            CHECK,
            "OctoPrint crashed",
            f"The print of {FILE} was interrupted.",
        )

    def test_from_the_printers_own_card(self, notice_of):
        told = lines(notice_of(interrupted(origin="printer", z_mm=None)))
        assert told[0] == CHECK
        assert told[-2:] == [
            f"The print of {FILE} may have continued:"
            " the printer was reading it from its own SD card.",
            f"Last seen at 63%, 3h 12m into the print. {NOZZLE}",
        ]

    @pytest.mark.parametrize(
        ("seconds", "span"), [(10, "10 seconds"), (90, "90 seconds"), (600, "10 minutes")]
    )
    def test_how_exact_that_is(self, notice_of, preferences, seconds, span):
        preferences(heartbeat_seconds=seconds)
        expect(notice_of(interrupted())).to_contain_text(f"(within {span}).")

    def test_markup_is_text(self, notice_of):
        notice = notice_of(interrupted(file=MARKUP, targets={"<b>x</b>": 50.0}))
        expect(notice).to_contain_text(f"The print of {MARKUP} was interrupted.")
        expect(notice).to_contain_text("<b>x</b> was set to 50 °C.")
        assert notice.locator("img, b").count() == 0


class TestHistory:
    def test_where_it_stopped(self, row_of):
        happened = f"OctoPrint crashed Nothing shows why. {STOPPED} {NOZZLE}"
        assert row_of(interrupted()) == (happened, f"Interrupted print: {FILE}")

    def test_after_a_goodbye_that_is_exact(self, row_of):
        happened, _ = row_of(interrupted("restart", end_exact=True))
        assert happened.endswith(f"Stopped at 63%, Z 41.2 mm, 3h 12m into the print. {NOZZLE}")

    def test_from_the_printers_own_card(self, row_of):
        happened, details = row_of(interrupted(origin="printer"))
        assert happened.endswith(f"Last seen at 63%, Z 41.2 mm, 3h 12m into the print. {NOZZLE}")
        assert details == f"May have continued from the printer's SD card: {FILE}"

    @pytest.mark.parametrize(
        ("targets", "sentences"),
        [
            (
                {"tool0": 210.0, "bed": 60.0, "chamber": 41.5},
                "The nozzle was set to 210 °C. The bed was set to 60 °C."
                " The chamber was set to 41.5 °C.",
            ),
            (
                {"tool0": 210.0, "tool1": 195.0},
                "Nozzle 1 was set to 210 °C. Nozzle 2 was set to 195 °C.",
            ),
            ({"tool1": 195.0}, "Nozzle 2 was set to 195 °C."),
            ({"dryer": 45.0}, "dryer was set to 45 °C."),
            (None, ""),
        ],
    )
    def test_every_heater(self, row_of, targets, sentences):
        happened, _ = row_of(interrupted(targets=targets))
        assert happened.endswith(f"{STOPPED} {sentences}".rstrip())

    @pytest.mark.parametrize(
        ("fields", "where"),
        [
            ({"percent": None, "z_mm": None}, "3h 12m into the print"),
            ({"percent": 99.99, "printed_seconds": None, "z_mm": 0.25}, "99%, Z 0.25 mm"),
            ({"percent": 0, "printed_seconds": 0, "z_mm": 0}, "0%, Z 0 mm, 0s into the print"),
        ],
    )
    def test_what_is_not_known_is_left_out(self, row_of, fields, where):
        happened, _ = row_of(interrupted(targets={}, **fields))
        assert happened.endswith(f"Stopped at {where} (within a minute).")

    def test_nothing_is_known(self, row_of):
        nothing = dict.fromkeys(("percent", "z_mm", "printed_seconds", "targets"))
        happened = "OctoPrint crashed Nothing shows why."
        assert row_of(interrupted(**nothing)) == (happened, f"Interrupted print: {FILE}")

    def test_markup_is_text(self, row_of):
        happened, details = row_of(interrupted(file=MARKUP, targets={"<img>": 50.0}))
        assert "<img> was set to 50 °C." in happened
        assert details == f"Interrupted print: {MARKUP}"

    def test_numbers_in_the_readers_language(self, row_of):
        happened, _ = row_of(interrupted(z_mm=1041.25), locale="de-DE")
        assert re.search(r"63 %.*1\.041,25", happened)


@pytest.mark.matrix
def test_a_notice_on_a_phone(notice_of):
    notice = notice_of(
        interrupted(file="x" * 200 + ".gcode"), viewport={"width": 375, "height": 700}
    )
    text = notice.locator(".ui-pnotify-text")
    assert text.evaluate("el => el.scrollWidth <= el.clientWidth")
