"""Whatever is sent or stored, the plugin stores and serves only valid settings."""

import pytest
from accounts import PASSWORD
from helpers import wait_for

from octoprint_uptime.settings import defaults

URL = "/api/plugin/octoprint_uptime"


def save(session, settings):
    return session.post("/api/settings", {"plugins": {"octoprint_uptime": settings}})


def served(session):
    return session.get("/api/settings").json()["plugins"]["octoprint_uptime"]


def stored(server):
    return server.stored_config()["plugins"].get("octoprint_uptime", {})


@pytest.fixture(autouse=True)
def as_it_was(admin):
    yield
    save(admin, defaults()).raise_for_status()


def test_defaults_are_served_and_not_stored(server, admin):
    assert served(admin) == defaults()
    assert stored(server) == {}


def test_a_save_is_stored_served_and_used(server, admin):
    changes = {"display_format": "short", "poll_interval_seconds": 20, "compact_display": True}
    save(admin, changes).raise_for_status()
    assert served(admin) == {**defaults(), **changes}
    assert stored(server) == changes
    body = admin.get(URL).json()
    assert (body["display_format"], body["poll_interval_seconds"]) == ("short", 20)


def test_a_save_of_one_setting_leaves_the_others(admin):
    save(admin, {"display_format": "dh"}).raise_for_status()
    save(admin, {"poll_interval_seconds": 10}).raise_for_status()
    assert served(admin)["display_format"] == "dh"


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ({"poll_interval_seconds": 9999}, {"poll_interval_seconds": 120}),
        ({"poll_interval_seconds": -1}, {"poll_interval_seconds": 1}),
        ({"poll_interval_seconds": "inf"}, {}),
        ({"poll_interval_seconds": None}, {}),
        ({"poll_interval_seconds": [30]}, {}),
        ({"poll_interval_seconds": "<script>alert(1)</script>"}, {}),
        ({"compact_toggle_interval_seconds": 0.5}, {}),
        ({"compact_toggle_interval_seconds": 1e300}, {"compact_toggle_interval_seconds": 60}),
        ({"display_format": "<script>alert(1)</script>"}, {}),
        ({"display_format": {"full": 1}}, {}),
        ({"show_system_uptime": "perhaps"}, {}),
        ({"show_system_uptime": []}, {}),
        ("text", {}),
        (None, {}),
        ([1, 2], {}),
    ],
    ids=str,
)
def test_abuse_by_post(server, admin, sent, kept):
    lines_before = len(server.log().splitlines())
    response = save(admin, sent)
    assert response.status_code == 200
    assert response.json()["plugins"]["octoprint_uptime"] == {**defaults(), **kept}
    assert served(admin) == {**defaults(), **kept}
    assert stored(server) == kept
    assert admin.get(URL).status_code == 200
    logged = []

    def warnings():
        logged[:] = server.log().splitlines()[lines_before:]
        return [line for line in logged if "octoprint_uptime - WARNING" in line]

    wait_for(warnings)  # OctoPrint 2 writes its log on another thread
    (warning,) = warnings()
    if isinstance(sent, dict):
        assert next(iter(sent)) in warning
    assert not [line for line in logged if " ERROR " in line or "Traceback" in line]


@pytest.mark.parametrize("sent", ["text", None, [1, 2], 5], ids=str)
def test_anything_but_a_mapping_changes_nothing(server, admin, sent):
    save(admin, {"display_format": "dh"}).raise_for_status()
    assert save(admin, sent).status_code == 200
    assert served(admin) == {**defaults(), "display_format": "dh"}
    assert stored(server) == {"display_format": "dh"}


def test_unknown_names_are_not_stored(server, admin):
    save(admin, {"unknown": 1, "display_format": "dhm"}).raise_for_status()
    assert stored(server) == {"display_format": "dhm"}
    assert "unknown" not in served(admin)


def test_only_those_with_the_settings_permission_may_change(server):
    response = save(server.login("users", PASSWORD), {"display_format": "d"})
    assert response.status_code == 403
    assert stored(server) == {}


HAND_EDITED = [
    (
        {
            "show_system_uptime": "no",
            "show_printer_uptime": float("nan"),
            "display_format": ["full"],
            "compact_toggle_interval_seconds": "12.7",
            "poll_interval_seconds": 10**12,
            "unknown": {"a": 1},
        },
        {
            "show_system_uptime": False,
            "compact_toggle_interval_seconds": 12,
            "poll_interval_seconds": 120,
        },
        ["show_printer_uptime", "display_format", "poll_interval_seconds"],
    ),
    (float("inf"), {}, ["mapping"]),
    ("<script>alert(1)</script>", {}, ["mapping"]),
    (None, {}, []),
]


@pytest.mark.parametrize(
    ("edited", "kept", "warned"), HAND_EDITED, ids=lambda value: str(value)[:30]
)
def test_a_hand_edited_config(new_server, edited, kept, warned):
    server = new_server(plugins={"octoprint_uptime": edited})
    with server.running():
        admin = server.login("admin", PASSWORD)
        assert served(admin) == {**defaults(), **kept}
        assert stored(server) == kept
        assert admin.get(URL).status_code == 200
        save(admin, {"display_format": "d"}).raise_for_status()
        assert stored(server) == {**kept, "display_format": "d"}
    warnings = [line for line in server.log().splitlines() if "octoprint_uptime - WARNING" in line]
    assert len(warnings) == len(warned)
    assert all(word in warning for word, warning in zip(warned, warnings))


def test_an_address_with_a_typing_error_is_not_lost(new_server):
    """The owner finds it in ``config.yaml`` and in the settings, and can correct it."""
    edited = {"ping_url": "hc-ping.com/secret"}
    server = new_server(plugins={"octoprint_uptime": edited})
    with server.running():
        admin = server.login("admin", PASSWORD)
        assert stored(server) == edited
        assert served(admin)["ping_url"] == edited["ping_url"]
        assert admin.get(URL).json()["pings"] is None
    (warning,) = (line for line in server.log().splitlines() if "Setting ping_url must" in line)
    assert warning.endswith("; ignoring it")


def test_a_start_with_valid_settings_writes_nothing(new_server):
    server = new_server(plugins={"octoprint_uptime": {"display_format": "d"}})
    with server.running():
        pass
    config = server.config_file.read_bytes()
    written = server.config_file.stat().st_mtime_ns
    with server.running():
        pass
    assert server.config_file.read_bytes() == config
    assert server.config_file.stat().st_mtime_ns == written
