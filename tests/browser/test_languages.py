"""The page translates every string of the plugin, and has room for the longest.

The language here is one that nobody speaks: of each string the longest translation that
there is, or the English one made longer, with accents and in brackets. Whatever is to be
seen outside of such brackets was never marked for translation.
"""

import functools
import re
import signal
import time
from importlib.metadata import version

import pytest
from accounts import PASSWORD
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from helpers import WITH_HEALTH_CHECK, inside, recorded, scripted_board
from playwright.sync_api import expect
from shared import sample_history

import translations
from octoprint_uptime.why.words import in_general

# Esperanto: OctoPrint and Chromium know it, but the plugin has no catalogue for it.
PSEUDO = "eo"
ACCENTED = str.maketrans("aceilnorsuyACEILNORSUY", "âçêîĺñôřšûÿÂÇÊÎĹÑÔŘŠÛŸ")
PLACEHOLDER = re.compile(r"(%\(\w+\)[ds]|%%)")
WIDTHS = (1400, 1024, 768, 375)

# Not language: names, formatted uptimes, ports, metric units.
NO_LANGUAGE = re.compile(
    r"OctoPrint|Pi Support|Home Assistant|systemd|CSV|VIRTUAL|https://|/dev/\w+|"
    r"[\w /<>-]+\.gcode|(?<!\w)\d+[dhms](?!\w)|"
    r"(?<!\w)(\d+[dhms])+(?!\w)"
)

# The texts in an element that are visible or read out by screen readers.
TEXTS = """root => {
    const texts = [];
    for (const element of [root, ...root.querySelectorAll("*")]) {
        if (!element.checkVisibility({visibilityProperty: true})) continue;
        for (const name of ["title", "aria-label", "placeholder", "data-label"]) {
            if (element.getAttribute(name)) texts.push(element.getAttribute(name));
        }
        for (const node of element.childNodes) {
            if (node.nodeType === Node.TEXT_NODE && node.data.trim()) texts.push(node.data.trim());
        }
    }
    return texts;
}"""

# The elements whose text does not fit, or that stick out of the element around them.
CUT_OFF = """root => [...root.querySelectorAll("a, button, p, th, td, label, legend, span, li, h3")]
    .filter(element => element.checkVisibility({visibilityProperty: true}))
    .filter(element => getComputedStyle(element).display !== "inline")
    .filter(element => element.scrollWidth > element.clientWidth + 1
        || element.getBoundingClientRect().right > root.getBoundingClientRect().right + 1)
    .map(element => element.outerHTML.slice(0, 200))"""


# What the health check can say: the result, and the figures.
TROUBLES = {
    "disk": ("warning", {"free_bytes": 20e9, "bytes_a_day": 44e8, "hours_left": 120}),
    "memory": (
        "warning",
        {"process_bytes": 9e8, "available_bytes": 9e8, "bytes_a_day": 6e8, "hours_left": 36},
    ),
    "undervoltage": ("warning", {"times": 4}),
    "heat": ("warning", {"minutes": 75, "celsius": 84}),
    "filesystem": ("issue", {"errors": 2, "read_only": True, "days": 7}),
    "connection": ("warning", {"days": 7, "losses": 6, "times": 4}),
    "clock": ("warning", {"hours": 24}),
}


def read(path):
    with path.open("rb") as file:
        return read_po(file)


@functools.cache
def longest_translations():
    """The longest translation of each string in any catalogue, by its English text."""
    longest = {}
    for path in translations.CATALOGUES.glob("*/LC_MESSAGES/messages.po"):
        for message in read(path):
            for text, translated in zip(strings(message.id), strings(message.string)):
                longest[text] = max(longest.get(text, ""), translated, key=len)
    return longest


def strings(text):
    return text if isinstance(text, (list, tuple)) else (text,)


def pseudo(text):
    """The longest translation, accented and in brackets, with its placeholders."""
    longest = max(text + " ~" * (len(text) // 4), longest_translations().get(text, ""), key=len)
    parts = PLACEHOLDER.split(longest)
    parts[::2] = [part.translate(ACCENTED) for part in parts[::2]]
    return f"⟦{''.join(parts)}⟧"


def write_catalogue(folder, catalogue):
    folder = folder / PSEUDO / "LC_MESSAGES"
    folder.mkdir(parents=True)
    with (folder / "messages.po").open("wb") as file:
        write_po(file, catalogue)
    with (folder / "messages.mo").open("wb") as file:
        write_mo(file, catalogue)


def offer_pseudo_language(basedir, scratch):
    template = scratch / "messages.pot"
    translations.extract(template)
    catalogue = read(template)
    catalogue.locale = PSEUDO
    for message in catalogue:
        if message.pluralizable:
            message.string = tuple(pseudo(form) for form in message.id)
        elif message.id:
            message.string = pseudo(message.id)
    # Where OctoPrint looks for language packs.
    write_catalogue(basedir / "translations", catalogue)


def untranslated(locator):
    texts = locator.evaluate(TEXTS)
    assert texts, locator
    left = []
    for text in texts:
        rest = text
        while (inner := re.sub(r"⟦[^⟦⟧]*⟧", "", rest)) != rest:
            rest = inner
        if re.search(r"[^\W\d_]", NO_LANGUAGE.sub("", rest)):
            left.append(text)
    return left


@pytest.fixture(scope="module")
def pseudo_server(new_server, tmp_path_factory):
    """A server in the pseudo language with many power losses, the last not acknowledged."""
    server = new_server(
        environment=scripted_board("now", age=60),
        plugins={**WITH_HEALTH_CHECK, "octoprint_uptime": {"show_printer_uptime": True}},
    )
    offer_pseudo_language(server.basedir, tmp_path_factory.mktemp("template"))
    sample_history.write(
        server.basedir / "data" / "octoprint_uptime" / "history.db",
        until=time.time() - 120,
        days=40,
        ends_a_day=2,
        ends=("power_loss", "power_loss", "power_loss", "restart", "shutdown", "crash"),
        printing="vase.gcode",
    )
    admin = recorded(server)
    # A day with more ends than its details have lines.
    for _ in range(8):
        admin.post("/api/connection", {"command": "connect", "port": "VIRTUAL"})
        admin.post("/api/connection", {"command": "disconnect"})
    return server


@pytest.fixture
def tab(pseudo_server, new_tab):
    """A tab in the pseudo language, with dates and times in digits alone."""
    tab = new_tab(of=pseudo_server, locale=PSEUDO)
    tab.page.add_init_script(
        """Object.defineProperty(Intl.DateTimeFormat.prototype, "format",
               {get: () => () => "2026-11-23 12:00"});"""
    )
    return tab.open().shown()


@pytest.fixture
def history(tab):
    tab.open_panel().locator(".octoprint_uptime_history_link").click()
    dialog = tab.page.locator("#octoprint_uptime_history")
    expect(dialog).to_be_visible()
    return dialog


def open_power_loss(history):
    history.locator("tbody button:has(.fa-bolt)").first.click()
    history.locator("summary").click()
    expect(history.locator(".octoprint_uptime_plot canvas").first).to_be_visible()


class TestNothingIsLeftUntranslated:
    def test_the_notice(self, tab):
        notice = tab.page.locator(".octoprint_uptime_notice")
        expect(notice).to_be_visible()
        assert untranslated(notice) == []

    def test_the_widget_and_its_panel(self, tab):
        tab.toggle.hover()
        expect(tab.toggle).to_have_attribute("title", re.compile("⟦"))
        panel = tab.open_panel()
        expect(panel.locator(".octoprint_uptime_up")).to_be_visible()
        assert untranslated(tab.item) == []

    def test_the_history(self, tab, history):
        with tab.page.expect_response("**/history?days=90"):
            history.locator(".octoprint_uptime_ranges > :nth-child(4)").click()
        expect(history.locator("tbody tr").nth(20)).to_be_attached()
        open_power_loss(history)
        picture = history.locator(".octoprint_uptime_picture")
        picture.press("End")
        picture.press("+")
        assert untranslated(history) == []
        history.get_by_text(pseudo("Clear history")).click()
        confirmation = tab.page.locator(".modal", has_text=pseudo("Clear")).last
        expect(confirmation.get_by_text(pseudo("Clear"), exact=True)).to_be_visible()
        assert untranslated(confirmation.locator("p").first) == []

    def test_the_settings(self, tab):
        tab.open_panel().locator(".octoprint_uptime_settings").click()
        page = tab.page.locator("#settings_plugin_octoprint_uptime")
        expect(page).to_be_visible()
        for name in ("poll_interval_seconds", "history_days"):
            field = page.locator(f"#settings_octoprint_uptime_{name}")
            field.fill("9999")
            expect(page.locator(f"#settings_octoprint_uptime_{name}_reason")).to_have_text(
                re.compile("⟦")
            )
            assert untranslated(page) == []
        link = tab.page.locator("#settings_plugin_octoprint_uptime_link")
        assert untranslated(link) == []

    @pytest.mark.skipif(version("OctoPrint").startswith("1.10."), reason="has no health check")
    @pytest.mark.parametrize(
        ("after_undervoltage", "advice"),
        [
            (
                0,
                "No undervoltage was detected beforehand, but not every host can"
                " detect it. Check the plugs, the cable and the mains, and keep the"
                " host cool.",
            ),
            (
                3,
                "Undervoltage preceded %(count)d of them: use a better power supply,"
                " or a shorter, thicker cable.",
            ),
        ],
    )
    def test_the_health_check(self, pseudo_server, tab, after_undervoltage, advice):
        answer = pseudo_server.login("admin", PASSWORD).get("/api/plugin/health_check").json()
        check = answer["health"]["octoprint_uptime_power"]
        assert check["result"] != "ok"
        check["context"]["after_undervoltage"] = after_undervoltage
        tab.page.route("**/api/plugin/health_check*", lambda route: route.fulfill(json=answer))
        tab.page.evaluate("OctoPrint.coreui.viewmodels.healthCheckViewModel.requestData()")
        tab.page.locator("#navbar_plugin_health_check a").click()
        card = tab.page.locator(".plugin_health_check_alert", has_text="⟦")
        expect(card).to_contain_text(pseudo(advice).replace("%(count)d", "3"))
        assert untranslated(card.locator("[data-bind='text: title']")) == []
        assert untranslated(card.locator(".plugin_health_check_content")) == []

    @pytest.mark.skipif(version("OctoPrint").startswith("1.10."), reason="has no health check")
    @pytest.mark.parametrize(
        "reason", ["unplugged", "usb_reset", "overcurrent", "silent", "firmware_error", "unknown"]
    )
    def test_the_other_health_checks(self, pseudo_server, tab, reason):
        answer = pseudo_server.login("admin", PASSWORD).get("/api/plugin/health_check").json()
        text, advice = in_general("printer", "error", reason)
        told = {"reason": reason, "text": text, "advice": advice}
        for name, (result, context) in TROUBLES.items():
            check = answer["health"][f"octoprint_uptime_{name}"]
            check.update(result=result, context={**context, **told})
        tab.page.route("**/api/plugin/health_check*", lambda route: route.fulfill(json=answer))
        tab.page.evaluate("OctoPrint.coreui.viewmodels.healthCheckViewModel.requestData()")
        tab.page.locator("#navbar_plugin_health_check a").click()
        cards = tab.page.locator(".plugin_health_check_alert", has_text="⟦")
        expect(cards).to_have_count(len(TROUBLES) + 1)  # and the power losses
        for card in cards.all():
            assert untranslated(card.locator("[data-bind='text: title']")) == []
            assert untranslated(card.locator(".plugin_health_check_content")) == []

    def test_the_errors(self, tab):
        for query in ("days=0", "format=xml"):
            told = tab.page.evaluate(
                """query => fetch(`plugin/octoprint_uptime/history?${query}`)
                       .then(response => response.json())""",
                query,
            )
            assert re.fullmatch("⟦.+⟧", told["error"])

    def test_what_is_said_when_the_server_is_gone(self, pseudo_server, tab):
        tab.open_panel()
        pseudo_server.stop(signal.SIGKILL)
        try:
            expect(tab.item).to_contain_text(pseudo("offline"))
            assert untranslated(tab.item) == []
        finally:
            recorded(pseudo_server)


class TestRoom:
    @pytest.mark.parametrize("width", WIDTHS)
    def test_however_long_the_strings_are(self, tab, width):
        tab.page.set_viewport_size({"width": width, "height": 900})
        panel = tab.open_panel()
        expect(panel.locator(".octoprint_uptime_up")).to_be_visible()
        assert panel.evaluate(CUT_OFF) == []
        assert inside(panel, width)

        panel.locator(".octoprint_uptime_history_link").click()
        dialog = tab.page.locator("#octoprint_uptime_history")
        expect(dialog).to_be_visible()
        open_power_loss(dialog)
        assert dialog.evaluate(CUT_OFF) == []
        assert inside(dialog, width)
        tab.page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()

        tab.open_panel().locator(".octoprint_uptime_settings").click()
        page = tab.page.locator("#settings_plugin_octoprint_uptime")
        expect(page).to_be_visible()
        assert page.evaluate(CUT_OFF) == []


LAST_DAYS = "%(share)s in %(count)d {}"


@pytest.mark.parametrize(
    ("locale", "forms"),
    [
        ("de-DE", {1: "%(count)d Tag", 2: "%(count)d Tagen"}),
        ("fr-FR", {0: "%(count)d jour", 1: "%(count)d jour", 2: "%(count)d jours"}),
        ("pl-PL", {1: "%(count)d dnia", 2: "%(count)d dni", 5: "%(count)d dni"}),
    ],
)
def test_plural_forms(new_tab, locale, forms):
    tab = new_tab(locale=locale).open()
    for count, form in forms.items():
        text = tab.page.evaluate(
            "([singular, plural, count]) => ngettext(singular, plural, count)",
            [LAST_DAYS.format("day"), LAST_DAYS.format("days"), count],
        )
        assert form in text
