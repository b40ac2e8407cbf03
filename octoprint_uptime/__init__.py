"""OctoPrint-Uptime: how long host, OctoPrint and printer connection have been up."""

from __future__ import annotations

import functools
import platform
import re
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import flask
import octoprint.plugin
import octoprint.util.version
from flask_babel import gettext
from octoprint.access import ADMIN_GROUP, READONLY_GROUP, USER_GROUP
from octoprint.access.permissions import Permissions
from octoprint.events import Events

from .api import history_json, refusal, uptime_answer
from .format_uptime import (
    format_uptime,
    format_uptime_d,
    format_uptime_dh,
    format_uptime_dhm,
    format_uptime_short,
)
from .reader import UptimeReader
from .recorder import HistoryUnavailableError, Recorder
from .report import NO_PREVIOUS_END, UNPLANNED_ENDS, Timeline, history_answer, history_csv
from .settings import SETTINGS, defaults, valid_settings, without_defaults

if TYPE_CHECKING:
    from .history import Totals
    from .metrics import Metrics
    from .report import PowerLosses

__all__ = [
    "format_uptime",
    "format_uptime_d",
    "format_uptime_dh",
    "format_uptime_dhm",
    "format_uptime_short",
]


DEFAULT_DAYS = 30
PRINT_ENDS = (Events.PRINT_DONE, Events.PRINT_FAILED, Events.PRINT_CANCELLED)
OWN_EVENTS = ("plugin_octoprint_uptime_started", "plugin_octoprint_uptime_unplanned")
# OctoPrint-MQTT's default, and the topic below it.
MQTT_BASE_TOPIC = "octoPrint/"
MQTT_TOPIC = "plugin/octoprint_uptime/last_end"
# Pi Support's; that plugin need not be there.
THROTTLE_STATE = "plugin_pi_support_throttle_state"


class OctoPrintUptimePlugin(
    octoprint.plugin.AssetPlugin,
    octoprint.plugin.BlueprintPlugin,
    octoprint.plugin.EnvironmentDetectionPlugin,
    octoprint.plugin.EventHandlerPlugin,
    octoprint.plugin.SettingsPlugin,
    octoprint.plugin.ShutdownPlugin,
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
        self._recorder: Recorder | None = None
        self._unacknowledged_end: dict[str, Any] | None = None
        self._asking_for_the_end = threading.Lock()
        self._is_disconnecting = False
        self._past_undervoltage: bool | None = None

    def get_uptime(self) -> dict[str, Any]:
        """What ``GET /api/plugin/octoprint_uptime`` answers, without a request."""
        answer = uptime_answer(self._reader.read(), self._values, self._unacknowledged_end)
        if not answer["uptime_available"]:
            answer["error"] = gettext("The uptime of the host cannot be determined.")
        return answer

    def initialize(self) -> None:
        # The printer may connect before OctoPrint calls on_startup.
        self._recorder = Recorder(
            # Not get_plugin_data_folder(), which makes it: on a disk that is full that
            # would cost the whole plugin.
            Path(self._data_folder) / "history.db",
            self._logger,
            heartbeat_seconds=lambda: self._values["heartbeat_seconds"],
            history_days=lambda: self._values["history_days"],
            on_change=self._on_history_changed,
        )

    ##~~ AssetPlugin

    def get_assets(self) -> dict[str, list[str]]:
        return {
            "clientjs": ["clientjs/octoprint_uptime.js"],
            "css": ["css/octoprint_uptime.css"],
            "js": [
                "js/uptime_widget.js",
                "js/uptime_history.js",
                "js/uptime_settings.js",
                "js/uptime_health.js",
            ],
        }

    ##~~ BlueprintPlugin

    def is_blueprint_protected(self) -> bool:
        return False  # for the same reason as the API

    def is_blueprint_csrf_protected(self) -> bool:
        return True

    @octoprint.plugin.BlueprintPlugin.route("/history", methods=["GET"])
    def get_history(self) -> flask.Response:
        if not Permissions.PLUGIN_OCTOPRINT_UPTIME_VIEW.can():
            return self._may_not_view()
        most = self._values["history_days"]
        days = flask.request.args.get("days", str(min(DEFAULT_DAYS, most)))
        form = flask.request.args.get("format", "json")
        if not re.fullmatch("[0-9]{1,4}", days) or not 1 <= int(days) <= most:
            return self._refuse(
                400, gettext("days must be a whole number from 1 to %(most)d.", most=most)
            )
        if form not in ("csv", "json"):
            return self._refuse(400, gettext("format must be csv or json."))
        try:
            records = self._recorder.records()
        except HistoryUnavailableError as error:
            return self._no_history(error)
        answer = history_answer(records, self._recorder.now(), int(days))
        return self._csv(answer) if form == "csv" else self._json(history_json(answer))

    @octoprint.plugin.BlueprintPlugin.route("/metrics", methods=["GET"])
    def get_metrics(self) -> flask.Response:
        if not Permissions.PLUGIN_OCTOPRINT_UPTIME_VIEW.can():
            return self._may_not_view()
        body, content_type = self._metrics.exposition(flask.request.headers.get("Accept", ""))
        return flask.Response(body, content_type=content_type)

    @functools.cached_property
    def _metrics(self) -> Metrics:
        # Not at the top: only those who are scraped need prometheus_client in memory.
        from .metrics import Metrics, UptimeCollector  # noqa: PLC0415

        build = {
            "version": self._plugin_version,
            "octoprint_version": octoprint.util.version.get_octoprint_version_string(),
            "python_version": platform.python_version(),
        }
        return Metrics(UptimeCollector(self._reader.read, self._totals, build))

    def _totals(self) -> Totals | None:
        try:
            return self._recorder.totals()
        except HistoryUnavailableError:
            return None

    def _csv(self, answer: dict[str, Any]) -> flask.Response:
        # Spreadsheets take what does not begin with this mark for some other encoding.
        response = flask.Response(history_csv(answer).encode("utf-8-sig"), mimetype="text/csv")
        response.headers["Content-Disposition"] = "attachment; filename=uptime-history.csv"
        return response

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
            # OctoPrint 2 connects to more than serial ports.
            self._recorder.connected(payload.get("port") or payload.get("connector"))
            self._tell_browsers()
        elif event == Events.DISCONNECTING:
            self._is_disconnecting = True
        elif event == Events.DISCONNECTED:
            self._reader.printer_disconnected()
            # Only who asks for it makes OctoPrint announce it first.
            self._recorder.disconnected(failed=not self._is_disconnecting)
            self._is_disconnecting = False
            self._tell_browsers()
        elif event == Events.PRINT_STARTED:
            self._recorder.printing(payload["path"])
        elif event == Events.PRINT_FAILED and payload.get("reason") == "cancelled":
            pass  # PrintCancelled has told it, and the next print may have begun meanwhile
        elif event in PRINT_ENDS:
            self._recorder.printing(None)
        elif event == THROTTLE_STATE:
            self._note_undervoltage(payload)

    def _note_undervoltage(self, state: Mapping[str, bool]) -> None:
        """Note what was seen now or since the last look; not what was before this run."""
        new_in_past = state["past_undervoltage"] and self._past_undervoltage is False
        if state["current_undervoltage"] or new_in_past:
            self._recorder.undervoltage()
        self._past_undervoltage = state["past_undervoltage"]

    def _tell_browsers(self) -> None:
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
        stored = self._keep_settings(data)
        self._recorder.beat()
        return stored

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
            return self._may_not_view()
        # Not jsonify: OctoPrint has it indent, which takes Python's slow encoder.
        return self._json(flask.json.dumps(self.get_uptime()))

    def get_api_commands(self) -> dict[str, list[str]]:
        return {"acknowledge": [], "clear_history": []}

    def on_api_command(self, command: str, data: Any) -> flask.Response | None:
        if command == "clear_history":
            if not Permissions.SETTINGS.can():
                return self._refuse(
                    403, gettext("Clearing the history takes the settings permission.")
                )
            action = self._recorder.clear
        else:
            if not Permissions.PLUGIN_OCTOPRINT_UPTIME_VIEW.can():
                return self._may_not_view()
            action = self._recorder.acknowledge
        try:
            action()
        except HistoryUnavailableError as error:
            return self._no_history(error)
        return None

    def _json(self, body: str) -> flask.Response:
        return flask.Response(body, mimetype="application/json")

    def _refuse(self, status: int, sentence: str) -> flask.Response:
        return flask.make_response(flask.jsonify(refusal(sentence)), status)

    def _may_not_view(self) -> flask.Response:
        return self._refuse(403, gettext("You do not have the permission to view the uptimes."))

    def _no_history(self, error: HistoryUnavailableError) -> flask.Response:
        return self._refuse(503, gettext("The history is not available: %(reason)s.", reason=error))

    ##~~ StartupPlugin

    def on_startup(self, host: str, port: int) -> None:
        self._is_server = True
        self._recorder.start(
            self._reader.read().octoprint, octoprint.util.version.get_octoprint_version_string()
        )
        if self._reader.unknown:
            reasons = (f"{clock} ({why})" for clock, why in self._reader.unknown.items())
            self._logger.warning("psutil cannot tell the start of: %s", ", ".join(reasons))

    def on_after_startup(self) -> None:
        self._recorder.after_start(self._tell_how_the_last_run_ended)

    def _tell_how_the_last_run_ended(self) -> None:
        timeline = self._timeline()
        payload = timeline.previous_end() if timeline else NO_PREVIOUS_END
        self._event_bus.fire(Events.PLUGIN_OCTOPRINT_UPTIME_STARTED, payload)
        if payload["previous_end"] in UNPLANNED_ENDS:
            self._event_bus.fire(Events.PLUGIN_OCTOPRINT_UPTIME_UNPLANNED, payload)
        self._leave_at_the_broker(payload)

    def _leave_at_the_broker(self, payload: dict[str, Any]) -> None:
        """Have OctoPrint-MQTT, where it is, publish the payload as soon as it can.

        It drops the events of a start at which it has not reached its broker yet.
        """
        helpers = self._plugin_manager.get_helpers("mqtt", "mqtt_publish")
        if not helpers:
            return
        base = self._settings.global_get(["plugins", "mqtt", "publish", "baseTopic"])
        try:
            helpers["mqtt_publish"](
                f"{base or MQTT_BASE_TOPIC}{MQTT_TOPIC}",
                payload,
                retained=True,
                allow_queueing=True,
            )
        except Exception:  # whatever another plugin raises must not cost the history
            self._logger.exception("OctoPrint-MQTT did not take the last end")

    def _on_history_changed(self) -> None:
        with self._asking_for_the_end:
            timeline = self._timeline()
            if timeline:
                self._unacknowledged_end = timeline.unacknowledged()
        self._tell_browsers()

    def _timeline(self) -> Timeline | None:
        if self._recorder is None:  # the health check may ask before initialize()
            return None
        try:
            return Timeline(self._recorder.records(), self._recorder.now())
        except HistoryUnavailableError:
            return None

    ##~~ ShutdownPlugin

    def on_shutdown(self) -> None:
        self._recorder.stop()

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
            {"type": "generic", "template": "octoprint_uptime_history.jinja2"},
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
                    "Allows to view the uptimes of the host, OctoPrint and the printer connection,"
                    " and their history."
                ),
                "default_groups": [ADMIN_GROUP, USER_GROUP, READONLY_GROUP],
                "roles": ["view"],
            }
        ]

    ##~~ octoprint.events.register_custom_events hook

    def register_custom_events(self) -> list[str]:
        return ["started", "unplanned"]

    ##~~ octoprint.plugin.health_check.get_additional_checks hook

    def get_additional_health_checks(self) -> list[type]:
        # Not at the top: only who calls this has what it imports.
        from .health import power_check  # noqa: PLC0415

        return [power_check(self._power_losses)]

    def _power_losses(self, days: int) -> PowerLosses | None:
        timeline = self._timeline()
        return timeline.power_losses(days) if timeline else None

    ##~~ octoprint.server.sockjs.emit hook

    def may_emit(self, socket: Any, user: Any, message: str, payload: Any) -> bool:
        if message != "event" or payload["type"] not in OWN_EVENTS:
            return True
        return bool(user and user.has_permission(Permissions.PLUGIN_OCTOPRINT_UPTIME_VIEW))


__plugin_name__ = "Uptime"
__plugin_pythoncompat__ = ">=3.9,<4"


def __plugin_load__() -> None:
    global __plugin_implementation__, __plugin_helpers__, __plugin_hooks__
    __plugin_implementation__ = plugin = OctoPrintUptimePlugin()
    __plugin_helpers__ = {"get_uptime": plugin.get_uptime}
    __plugin_hooks__ = {
        "octoprint.access.permissions": plugin.get_additional_permissions,
        "octoprint.events.register_custom_events": plugin.register_custom_events,
        "octoprint.plugin.health_check.get_additional_checks": plugin.get_additional_health_checks,
        "octoprint.server.sockjs.emit": plugin.may_emit,
    }
