"""OctoPrint-Uptime: how long host, OctoPrint and printer connection have been up."""

from __future__ import annotations

from typing import Any

import flask
import octoprint.plugin
from flask_babel import gettext
from octoprint.access import ADMIN_GROUP, READONLY_GROUP, USER_GROUP
from octoprint.access.permissions import Permissions
from octoprint.events import Events

from .api import refusal, uptime_answer
from .format_uptime import (
    format_uptime,
    format_uptime_d,
    format_uptime_dh,
    format_uptime_dhm,
    format_uptime_short,
)
from .reader import UptimeReader
from .settings import SETTINGS, defaults, valid_settings, without_defaults

__all__ = [
    "format_uptime",
    "format_uptime_d",
    "format_uptime_dh",
    "format_uptime_dhm",
    "format_uptime_short",
]


class OctoPrintUptimePlugin(
    octoprint.plugin.AssetPlugin,
    octoprint.plugin.EnvironmentDetectionPlugin,
    octoprint.plugin.EventHandlerPlugin,
    octoprint.plugin.SettingsPlugin,
    octoprint.plugin.SimpleApiPlugin,
    octoprint.plugin.StartupPlugin,
    octoprint.plugin.TemplatePlugin,
):
    def __init__(self) -> None:
        super().__init__()
        self._reader = UptimeReader()
        # OctoPrint's own settings merge several layers at each look, too slow to be
        # read anew for every request.
        self._values = defaults()
        self._is_server = False

    def get_uptime(self) -> dict[str, Any]:
        """What ``GET /api/plugin/octoprint_uptime`` answers, without a request."""
        answer = uptime_answer(self._reader.read(), self._values)
        if not answer["uptime_available"]:
            answer["error"] = gettext("The uptime of the host cannot be determined.")
        return answer

    ##~~ AssetPlugin

    def get_assets(self) -> dict[str, list[str]]:
        return {
            "clientjs": ["clientjs/octoprint_uptime.js"],
            "css": ["css/octoprint_uptime.css"],
            "js": ["js/uptime_widget.js", "js/uptime_settings.js"],
        }

    ##~~ EnvironmentDetectionPlugin

    def get_additional_environment(self) -> dict[str, str]:
        uptimes = self._reader.read()
        environment = {"system_uptime": uptimes.host}
        # On the command line the process is not the server, and its age says nothing.
        if self._is_server:
            environment["octoprint_uptime"] = uptimes.octoprint
        return {
            name: "unknown" if seconds is None else format_uptime(seconds)
            for name, seconds in environment.items()
        }

    ##~~ EventHandlerPlugin

    def on_event(self, event: str, payload: Any) -> None:
        if event == Events.CONNECTED:
            self._reader.printer_connected()
        elif event == Events.DISCONNECTED:
            self._reader.printer_disconnected()
        else:
            return
        self._plugin_manager.send_plugin_message(self._identifier, {})

    ##~~ SettingsPlugin

    def get_settings_defaults(self) -> dict[str, Any]:
        return defaults()

    def on_settings_cleanup(self) -> None:
        stored = self._settings.get_all_data(merged=False, incl_defaults=False)
        self._keep_settings({} if stored is None else stored)

    def on_settings_load(self) -> dict[str, Any]:
        return dict(self._values)

    def on_settings_save(self, data: Any) -> dict[str, Any]:
        return self._keep_settings(data)

    def _keep_settings(self, raw: Any) -> dict[str, Any]:
        self._values, corrections = valid_settings(raw, missing=self._values)
        for correction in corrections:
            self._logger.warning(correction)
        to_store = without_defaults(self._values)
        if to_store:
            self._settings.set([], to_store)
        else:
            self._settings.clean_all_data()
        return to_store

    ##~~ SimpleApiPlugin

    def is_api_protected(self) -> bool:
        # on_api_get refuses by itself: OctoPrint's own refusal knows nothing of the
        # view permission, and its body lacks uptime_available.
        return False

    def on_api_get(self, request: flask.Request) -> flask.Response:
        if not Permissions.PLUGIN_OCTOPRINT_UPTIME_VIEW.can():
            body = refusal(gettext("You do not have the permission to view the uptimes."))
            return flask.make_response(flask.jsonify(body), 403)
        # Not jsonify: OctoPrint has it indent, which takes Python's slow encoder.
        return flask.Response(flask.json.dumps(self.get_uptime()), mimetype="application/json")

    ##~~ StartupPlugin

    def on_startup(self, host: str, port: int) -> None:
        self._is_server = True
        if self._reader.unknown:
            reasons = (f"{clock} ({why})" for clock, why in self._reader.unknown.items())
            self._logger.warning("psutil cannot tell the start of: %s", ", ".join(reasons))

    ##~~ TemplatePlugin

    def get_template_configs(self) -> list[dict[str, Any]]:
        return [
            {
                "type": "navbar",
                "classes": ["dropdown"],
                "data_bind": "visible: visible, "
                "css: {octoprint_uptime_gone: !reachable(), octoprint_uptime_aside: aside}, "
                "event: {keydown: handleKey, focusout: closeOnLeaving}, keydownBubble: false",
            },
            {"type": "settings", "name": gettext("Uptime"), "custom_bindings": True},
        ]

    def get_template_vars(self) -> dict[str, Any]:
        return {"settings": SETTINGS}

    def is_template_autoescaped(self) -> bool:
        return True

    ##~~ octoprint.access.permissions hook

    def get_additional_permissions(self) -> list[dict[str, Any]]:
        return [
            {
                "key": "VIEW",
                "name": "view",  # OctoPrint puts the plugin's name in front
                "description": gettext(
                    "Allows to view the uptimes of the host, OctoPrint and the printer connection."
                ),
                "default_groups": [ADMIN_GROUP, USER_GROUP, READONLY_GROUP],
                "roles": ["view"],
            }
        ]


__plugin_name__ = "Uptime"
__plugin_pythoncompat__ = ">=3.9,<4"


def __plugin_load__() -> None:
    global __plugin_implementation__, __plugin_helpers__, __plugin_hooks__
    __plugin_implementation__ = plugin = OctoPrintUptimePlugin()
    __plugin_helpers__ = {"get_uptime": plugin.get_uptime}
    __plugin_hooks__ = {
        "octoprint.access.permissions": plugin.get_additional_permissions,
    }
