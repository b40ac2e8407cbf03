"""Each style of monitor gets its own pings, and the right answers count as success."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoprint_uptime.telling.monitors import (
    GOODBYE,
    HEARTBEAT,
    START,
    UNPLANNED,
    Monitor,
    Ping,
    Trouble,
    guessed_style,
    has_word_for,
    is_final,
    ping,
    refusal,
)

UUID = "3f1c1f0e-8d52-4a4b-9c3e-6a5d7c8b9a01"
CHECK = Monitor(f"https://hc-ping.com/{UUID}", "healthchecks")
PUSH = Monitor("https://kuma.example.org/api/push/Zk3pVbYxQ1?status=up&msg=OK&ping=", "uptime_kuma")
PLAIN = Monitor("https://example.org/hello?from=garage", "plain")


@pytest.mark.parametrize(
    ("url", "style"),
    [
        (f"https://hc-ping.com/{UUID}", "healthchecks"),
        ("https://hc-ping.com/fqOOd6-F4MMNuCEnzTU01w/garage?create=1", "healthchecks"),
        (f"https://checks.example.org/ping/{UUID}/", "healthchecks"),
        (f"http://10.0.0.5:8000/anything/{UUID.upper()}", "healthchecks"),
        ("https://checks.example.org/ping/fqOOd6-F4MMNuCEnzTU01w/garage", "healthchecks"),
        ("http://10.0.0.5:3001/api/push/Zk3pVbYxQ1?status=up&msg=OK&ping=", "uptime_kuma"),
        ("https://example.org/kuma/api/push/Zk3pVbYxQ1", "uptime_kuma"),
        ("https://example.org/ping", "plain"),
        ("https://example.org/", "plain"),
        (f"https://example.org/{UUID}/status", "plain"),
    ],
)
def test_the_style_is_guessed_from_the_address(url, style):
    assert guessed_style(url) == style
    assert Monitor.chosen(url, "auto").style == style
    assert Monitor.chosen(url, "plain").style == "plain"


@pytest.mark.parametrize(
    ("moment", "path"),
    [(START, "/start"), (HEARTBEAT, ""), (UNPLANNED, "/fail"), (GOODBYE, "/log")],
)
def test_healthchecks_is_told_by_a_path(moment, path):
    assert has_word_for("healthchecks", moment)
    assert ping(CHECK, moment, "Hello") == Ping("POST", CHECK.url + path, b"Hello")


def test_a_query_and_a_slash_at_the_end_stay_out_of_the_way():
    check = Monitor("https://hc-ping.com/key/garage/?create=1", "healthchecks")
    assert ping(check, START, "").url == "https://hc-ping.com/key/garage/start?create=1"


@pytest.mark.parametrize(
    ("limit", "body"), [(0, b""), (4, b"L\xc3\xbcf"), (3, b"L\xc3\xbc"), (2, b"L")]
)
def test_a_body_has_no_more_bytes_than_the_monitor_keeps(limit, body):
    assert ping(CHECK, UNPLANNED, "Lüfter", body_limit=limit).body == body


@pytest.mark.parametrize(
    ("moment", "note", "query"),
    [
        (HEARTBEAT, "", "status=up&msg=OK&ping=12"),
        (
            HEARTBEAT,
            "Printing ä.gcode, 4 %",
            "status=up&msg=Printing%20%C3%A4.gcode%2C%204%20%25&ping=12",
        ),
        (
            UNPLANNED,
            "Out of memory.\nDowntime: 5s",
            "status=down&msg=Out%20of%20memory.%20Downtime%3A%205s&ping=12",
        ),
    ],
)
def test_uptime_kuma_is_told_in_the_query(moment, note, query):
    assert has_word_for("uptime_kuma", moment)
    expected = Ping("GET", f"https://kuma.example.org/api/push/Zk3pVbYxQ1?{query}")
    assert ping(PUSH, moment, note, answer_seconds=0.0123) == expected


def test_uptime_kuma_takes_no_zero_for_a_time():
    assert ping(PUSH, HEARTBEAT, "", answer_seconds=0.0).url.endswith("&ping=1")


def test_a_plain_address_is_got_as_it_is():
    assert ping(PLAIN, HEARTBEAT, "Printing") == Ping("GET", PLAIN.url)


def test_which_kinds_a_style_cannot_send():
    assert [m for m in (START, UNPLANNED, GOODBYE) if has_word_for("uptime_kuma", m)] == [UNPLANNED]
    assert not [m for m in (START, UNPLANNED, GOODBYE) if has_word_for("plain", m)]
    assert all(has_word_for(style, HEARTBEAT) for style in ("healthchecks", "uptime_kuma", "plain"))


@given(note=st.text(st.characters()), limit=st.integers(-5, 60))
def test_whatever_a_file_is_called_it_can_be_sent(note, limit):
    body = ping(CHECK, UNPLANNED, note, body_limit=limit).body
    assert len(body) <= max(0, limit)
    body.decode()
    url = ping(PUSH, UNPLANNED, note).url
    assert url.isascii()
    assert len(url) < 8000
    assert not set(url) & set(" \r\n")


@pytest.mark.parametrize(
    ("style", "status", "body", "trouble"),
    [
        ("healthchecks", 200, b"OK", None),
        ("healthchecks", 201, b"Created", None),
        ("healthchecks", 200, b"OK (not found)", "not a monitor"),
        ("healthchecks", 200, b"OK (rate limited)", "too many"),
        ("healthchecks", 200, b"<html>Sign in to the hotel's network", "not a monitor"),
        ("healthchecks", 404, b"not found", "unknown"),
        ("healthchecks", 409, b"ambiguous slug", "ambiguous"),
        ("healthchecks", 429, b"", "too many"),
        ("healthchecks", 500, b"", "status"),
        ("uptime_kuma", 200, b'{"ok":true}', None),
        ("uptime_kuma", 200, b'{"ok":true,"more":', "not a monitor"),
        ("uptime_kuma", 200, b"[]", "not a monitor"),
        ("uptime_kuma", 200, b"\xff", "not a monitor"),
        ("uptime_kuma", 200, b"<html>Uptime Kuma", "not a monitor"),
        ("uptime_kuma", 404, b'{"ok":false,"msg":"Monitor not found"}', "unknown or paused"),
        ("plain", 200, b"whatever", None),
        ("plain", 204, b"", None),
        ("plain", 404, b"", "unknown"),
        ("plain", 409, b"", "status"),
        ("plain", 503, b"", "status"),
    ],
)
def test_which_answers_are_a_success(style, status, body, trouble):
    found = refusal(style, status, body)
    assert (found and found.kind) == trouble


@pytest.mark.parametrize(
    ("trouble", "final"),
    [
        (Trouble("unknown"), True),
        (Trouble("ambiguous"), True),
        (Trouble("status", {"status": 403}), True),
        (Trouble("status", {"status": 500}), False),
        (Trouble("too many"), False),
        (Trouble("no answer"), False),
        (Trouble("not a monitor"), False),
    ],
)
def test_which_troubles_pass(trouble, final):
    assert is_final(trouble) is final


def test_an_address_is_in_no_repr():
    assert UUID not in repr(CHECK)
    assert UUID not in repr(ping(CHECK, START, ""))
