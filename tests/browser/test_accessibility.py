"""Everyone can read, reach and distinguish what the plugin adds; axe-core agrees."""

import time
from pathlib import Path

import pytest
from helpers import inside, recorded
from playwright.sync_api import expect
from shared import sample_history

ROOT = Path(__file__).parents[2]
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
# An uptime's longest text, within the panel's thirty days.
UP_SECONDS = 28 * 86400 + 23 * 3600 + 48 * 60

# What dark themes change; they leave the notice's colours alone.
DARK = """
body, .modal, .modal-body, .modal-header, .modal-footer, .dropdown-menu, .table td, .table th,
.tab-content, .accordion-inner, legend { background: #1e1e1e !important; color: #ddd; }
h1, h2, h3, h4, label, .help-block { color: inherit; }
a { color: #6bb1ff; }
.muted { color: #555; }
.close { color: #fff; text-shadow: none; }
.btn, select, input, .add-on
    { background: #3a3a3a !important; color: #eee !important; text-shadow: none !important; }
"""

# These plugins' styles for menus in the navigation bar, as found in their pages.
UICUSTOMIZER = "#navbar, #navbar .nav { white-space: nowrap; }"
TOUCHUI = """
#touch body { background: black; color: white; }
#touch body a { color: #00b0ff; }
#touch body .dropdown-menu { background: #00b0ff; color: white; }
#touch body .dropdown.open .dropdown-menu { background-color: #00b0ff !important; }
#touch body .dropdown-menu { padding: 0; }
#touch body .dropdown-menu .table :is(th, td) { padding: 0; }
"""

VIOLATIONS = """async root => {
    const rules = {"label-content-name-mismatch": {enabled: true}, "target-size": {enabled: true}};
    const {violations, passes} = await axe.run(root, {rules});
    return {
        passed: passes.map(rule => rule.id),
        violations: violations.flatMap(rule => rule.nodes.map(
            node => `${rule.id}: ${node.html.slice(0, 200)} ${node.failureSummary}`)),
    };
}"""

# Text that is still fading in has too little contrast.
FADED_IN = """() => Promise.allSettled(document.getAnimations()
    .filter(animation => animation instanceof CSSTransition)
    .map(transition => transition.finished))"""

# The focused element, and whether an outline in the colour of its text shows the focus.
FOCUSED = """() => {
    const {activeElement: element} = document;
    const {outlineStyle, outlineWidth, outlineColor, color} = getComputedStyle(element);
    return {
        name: element.getAttribute("aria-label") || element.innerText?.trim()
            || element.id || element.className || element.tagName,
        seen: outlineStyle === "solid" && parseFloat(outlineWidth) >= 2 && outlineColor === color,
    };
}"""

# Where the targets are: of a checkbox or a radio button its label, which is as good to press.
TOO_SMALL = """root => [...root.querySelectorAll(
    "a, button, input, select, summary, [tabindex='0']")]
    .filter(element => element.checkVisibility({visibilityProperty: true}))
    .map(element => element.closest("label.checkbox, label.radio") || element)
    .filter(element => {
        const {width, height} = element.getBoundingClientRect();
        return width < 24 || height < 24;
    })
    .map(element => element.outerHTML.slice(0, 200))"""

SWIPE = """(element, [right, down]) => {
    const {left, top} = element.getBoundingClientRect();
    for (const [type, share] of
            [["touchstart", 0], ["touchmove", 0.5], ["touchmove", 1], ["touchend", 1]]) {
        const touch = new Touch({
            identifier: 1,
            target: element,
            clientX: left + 60 + right * share,
            clientY: top + 30 + down * share,
        });
        const touches = type === "touchend" ? [] : [touch];
        element.dispatchEvent(new TouchEvent(type,
            {touches, changedTouches: [touch], bubbles: true, cancelable: true}));
    }
}"""

CUT_OFF = """root => [...root.querySelectorAll("a, button, p, th, td, label, span, li, h3, small")]
    .filter(element => element.checkVisibility({visibilityProperty: true}))
    .filter(element => getComputedStyle(element).display !== "inline")
    .filter(element => element.scrollWidth > element.clientWidth + 1
        || element.getBoundingClientRect().right > root.getBoundingClientRect().right + 1)
    .map(element => element.outerHTML.slice(0, 200))"""


@pytest.fixture(scope="module")
def server(new_server):
    """A server that lost power while printing, with undervoltage, a long time ago.

    Nobody has dismissed the notice.
    """
    environment = {
        "PYTHONPATH": str(ROOT / "tools" / "shared" / "long_running"),
        "HOST_SECONDS": str(UP_SECONDS),
        "OCTOPRINT_SECONDS": str(UP_SECONDS - 30),
        "PRINTER_SECONDS": "0",
        "JUMP_FILE": "/nowhere",
    }
    server = new_server(
        environment=environment, plugins={"octoprint_uptime": {"show_printer_uptime": True}}
    )
    sample_history.write(
        server.basedir / "data" / "octoprint_uptime" / "history.db",
        until=time.time() - UP_SECONDS - 60,
        ends=("power_loss", "restart", "shutdown", "crash"),
        printing="vase.gcode",
    )
    recorded(server)
    return server


def notice(tab):
    element = tab.page.locator(".octoprint_uptime_notice")
    expect(element).to_be_visible()
    tab.page.wait_for_function(
        "element => getComputedStyle(element).opacity === '1'", arg=element.element_handle()
    )
    return element


def navbar_item(tab):
    notice(tab)
    return tab.item


def panel(tab):
    tab.open_panel()
    expect(tab.panel.locator(".octoprint_uptime_up")).to_be_visible()
    # The focused bar's details are shown, with buttons for its neighbours.
    tab.panel.locator(".octoprint_uptime_picture").click()
    expect(tab.panel.get_by_role("button", name="Previous event")).to_be_visible()
    return tab.panel


def dialog(tab):
    tab.open_panel().get_by_text("History").click()
    dialog = tab.page.locator("#octoprint_uptime_history")
    expect(dialog).to_be_visible()
    # Zoom in, so that *Zoom out* is there, and open the list.
    dialog.locator(".octoprint_uptime_picture").focus()
    tab.page.keyboard.press("ArrowLeft")
    with tab.page.expect_response("**/history?days=90"):
        dialog.get_by_role("button", name="90 days").click()
    dialog.locator(".octoprint_uptime_picture").press("+")
    expect(dialog.get_by_role("button", name="Zoom out")).to_be_visible()
    return dialog


def opened_row(tab):
    """The dialog, with all the details of the last end open."""
    history = dialog(tab)
    history.get_by_role("button", name="Zoom out").click()
    history.locator("tbody").get_by_role("button", name="Power loss or reset").first.click()
    history.get_by_text("All values").click()
    expect(history.get_by_role("rowheader", name="Memory available")).to_be_visible()
    return history


def settings(tab):
    tab.open_panel().get_by_text("Settings").click()
    page = tab.page.locator("#settings_plugin_octoprint_uptime")
    expect(page).to_be_visible()
    page.get_by_label("Refresh from OctoPrint every").fill("500")
    expect(page.get_by_text("120 will be saved")).to_be_visible()
    return page


PARTS = [navbar_item, panel, dialog, opened_row, settings, notice]


def darken(tab):
    tab.page.add_style_tag(content=DARK)
    tab.page.evaluate("document.querySelector('#navbar .navbar-inner').classList.add('black')")


def looked_at(element):
    element.page.add_script_tag(path=AXE)
    element.page.evaluate(FADED_IN)
    result = element.evaluate(VIOLATIONS)
    assert result["passed"], "nothing was looked at"
    return result["violations"]


class TestAxe:
    @pytest.mark.parametrize("theme", [lambda tab: None, darken], ids=["light", "dark"])
    @pytest.mark.parametrize("part", PARTS)
    def test_it_finds_nothing(self, new_tab, part, theme):
        tab = new_tab().open().shown()
        theme(tab)
        assert looked_at(part(tab)) == []

    def test_nor_in_a_toggle_without_a_server(self, new_tab):
        tab = new_tab().open().shown()
        tab.page.route("**/api/plugin/octoprint_uptime", lambda route: route.abort())
        tab.set_hidden(False)
        expect(tab.item.get_by_text("offline")).to_be_visible()
        assert looked_at(tab.item) == []
        tab.open_panel()
        assert looked_at(tab.panel) == []


class TestBesideOtherPlugins:
    @pytest.mark.parametrize("width", [1400, 768, 360])
    def test_uicustomizer(self, new_tab, width):
        tab = new_tab(viewport={"width": width, "height": 900}).open().shown()
        tab.page.add_style_tag(content=UICUSTOMIZER)
        assert panel(tab).evaluate(CUT_OFF) == []
        assert inside(tab.panel, width)

    def test_touchui(self, new_tab):
        tab = new_tab(viewport={"width": 800, "height": 480}).open().shown()
        tab.page.evaluate("document.documentElement.id = 'touch'")
        tab.page.add_style_tag(content=TOUCHUI)
        element = panel(tab)
        assert looked_at(element) == []
        assert element.evaluate(CUT_OFF) == []
        left = element.bounding_box()["x"]
        for text in element.locator(":is(caption, th, td, p, a):visible").all():
            assert text.bounding_box()["x"] >= left + 8


class TestKeyboard:
    @pytest.mark.parametrize("part", PARTS)
    def test_the_focus_can_be_seen_wherever_it_goes(self, new_tab, part):
        tab = new_tab().open().shown()
        element = part(tab)
        tab.page.keyboard.press("Shift")  # only the keyboard from here on
        targets = element.locator("a[href], button, input, select, summary, [tabindex='0']")
        seen = {}
        for target in targets.all():
            if target.is_visible() and target.is_enabled():
                target.focus()
                focused = tab.page.evaluate(FOCUSED)
                seen[focused["name"]] = focused["seen"]
        assert seen
        assert all(seen.values()), seen

    def test_it_goes_back_to_the_widget_from_the_history(self, new_tab):
        tab = new_tab().open().shown()
        history = dialog(tab)
        tab.page.keyboard.press("Escape")
        expect(history).to_be_hidden()
        expect(tab.toggle).to_be_focused()

    def test_it_goes_back_to_the_notice_from_the_history(self, new_tab):
        tab = new_tab().open().shown()
        button = notice(tab).get_by_role("button", name="History")
        button.click()
        history = tab.page.locator("#octoprint_uptime_history")
        expect(history).to_be_visible()
        tab.page.keyboard.press("Escape")
        expect(history).to_be_hidden()
        expect(button).to_have_count(1)  # the previous one has faded out
        expect(button).to_be_focused()

    def test_it_goes_back_to_the_widget_from_the_settings(self, new_tab):
        tab = new_tab().open().shown()
        settings(tab)
        tab.page.keyboard.press("Escape")
        expect(tab.page.locator("#settings_dialog")).to_be_hidden()
        expect(tab.toggle).to_be_focused()

    def test_it_goes_back_to_the_button_from_the_question(self, new_tab):
        tab = new_tab().open().shown()
        button = dialog(tab).get_by_role("button", name="Clear history")
        button.click()
        question = tab.page.locator(".modal", has_text="permanently deletes")
        question.get_by_text("Cancel").click()
        expect(question).to_be_hidden()
        expect(button).to_be_focused()


class TestEyes:
    @pytest.mark.parametrize("colours", ["dark", "light"])
    def test_states_are_told_apart_in_forced_colours(self, new_tab, colours):
        """There are five shapes, none of them in the background's colour."""
        tab = new_tab(forced_colors="active", color_scheme=colours).open().shown()
        legend = dialog(tab).locator(".octoprint_uptime_legend svg")
        shots = {shape.screenshot() for shape in legend.all()}
        assert len(shots) == legend.count() == 5
        background = tab.page.evaluate(
            """() => { document.body.append(Object.assign(document.createElement("u"),
                   {id: "canvas", style: "color: Canvas; background: CanvasText"}));
               const {color, backgroundColor} =
                   getComputedStyle(document.getElementById("canvas"));
               return {color, backgroundColor}; }"""
        )
        for shape in legend.locator("path").all():
            drawn = shape.evaluate("el => getComputedStyle(el).fill")
            assert drawn != background["color"], drawn

    @pytest.mark.parametrize("size", [(1400, 900), (1280, 1024), (800, 600)])
    def test_nothing_is_cut_off_at_200_percent(self, new_tab, size):
        half = {"width": size[0] // 2, "height": size[1] // 2}
        for part in (panel, dialog, opened_row, settings, notice):
            tab = new_tab(viewport=half, device_scale_factor=2).open().shown()
            element = part(tab)
            assert element.evaluate(CUT_OFF) == [], part
            assert inside(element, half["width"]), part
            element.locator("a:visible, button:visible, input:visible").last.click(trial=True)

    def test_the_notice_covers_nothing_that_is_open(self, new_tab):
        tab = new_tab(viewport={"width": 375, "height": 800}).open().shown()
        notice_shown = notice(tab)
        settings(tab)
        expect(notice_shown).to_have_count(0)
        tab.page.locator("[data-test-id=settings-close-x]").click()
        notice(tab)
        dialog(tab)
        expect(notice_shown).to_have_count(0)


class TestFingers:
    @pytest.mark.parametrize("part", PARTS)
    def test_no_target_is_smaller_than_24_px(self, new_tab, part):
        tab = new_tab(viewport={"width": 375, "height": 800}).open().shown()
        assert part(tab).evaluate(TOO_SMALL) == []

    def test_an_end_is_found_under_a_finger_and_beside_it(self, new_tab):
        tab = new_tab(viewport={"width": 375, "height": 800}, has_touch=True).open().shown()
        element = dialog(tab)
        element.get_by_role("button", name="Zoom out").click()
        picture = element.locator(".octoprint_uptime_picture")
        story = element.locator(".octoprint_uptime_story").get_by_role("status")
        previous = element.get_by_role("button", name="Previous event")
        following = element.get_by_role("button", name="Next event")
        picture.press("End")
        last = story.inner_text()
        expect(following).to_be_disabled()
        previous.tap()
        expect(story).not_to_have_text(last)
        following.tap()
        expect(story).to_have_text(last)
        mark = picture.locator(".octoprint_uptime_unplanned").first.evaluate(
            "path => Number(path.getAttribute('d').match(/M([\\d.]+)/)[1])"
        )
        picture.tap(position={"x": mark + 5, "y": 30})
        expect(story).to_contain_text("Power loss or reset")

    def test_a_finger_drags_across_the_lanes_to_look_closer(self, new_tab):
        tab = new_tab(viewport={"width": 375, "height": 800}, has_touch=True).open().shown()
        element = dialog(tab)
        out = element.get_by_role("button", name="Zoom out")
        out.click()
        picture = element.locator(".octoprint_uptime_picture")
        picture.evaluate(SWIPE, [100, 0])
        expect(out).to_be_visible()
        out.click()
        picture.evaluate(SWIPE, [0, 100])  # scrolls
        expect(out).to_have_count(0)
