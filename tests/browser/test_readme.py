"""The README's JavaScript runs as printed."""

import re

from examples import blocks


def test_the_javascript(new_tab):
    tab = new_tab().open()
    with tab.page.expect_console_message(lambda line: "host" in line.text) as message:
        tab.page.evaluate(f"() => {{ {blocks('README.md', 'js')[0]} }}")
    assert re.fullmatch(r"The host has been up for [\ddhms ]+s", message.value.text)
