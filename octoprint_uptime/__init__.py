"""OctoPrint-Uptime: how long host, OctoPrint and printer connection have been up."""

from __future__ import annotations

import functools
import platform
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

import flask
import octoprint.plugin
import octoprint.util.version
from flask_babel import gettext
from octoprint.access import ADMIN_GROUP, READONLY_GROUP, USER_GROUP
from octoprint.access.permissions import Permissions
from octoprint.events import Events
from tornado.ioloop import IOLoop

from .format_uptime import (
    format_uptime,
    format_uptime_d,
    format_uptime_dh,
    format_uptime_dhm,
    format_uptime_short,
)
from .history.ends import UNPLANNED_ENDS
from .history.listener import Listener
from .history.original import TOKEN_FILE
from .history.record import Version
from .history.recorder import HistoryUnavailableError, Recorder
from .history.report import NO_PREVIOUS_END, Timeline, history_answer
from .reader import UptimeReader
from .settings import SETTINGS, defaults, valid_settings, without_defaults
from .telling.answers import (
    BadQueryError,
    HistoryQuery,
    history_csv,
    history_json,
    refusal,
    uptime_answer,
)
from .telling.mqtt import LastEnd
from .why.goodbye import host_goes_down
from .why.watch import FOLDER as LAST_WORDS_FOLDER
from .why.watch import Watch

if TYPE_CHECKING:
    from .history.record import Reasons, Totals
    from .history.report import PowerLosses
    from .telling.metrics import Metrics

__all__ = [
    "format_uptime",
    "format_uptime_d",
    "format_uptime_dh",
    "format_uptime_dhm",
    "format_uptime_short",
]


OWN_EVENTS = ("plugin_octoprint_uptime_started", "plugin_octoprint_uptime_unplanned")


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

    def get_uptime(self) -> dict[str, Any]:
        """What ``GET /api/plugin/octoprint_uptime`` answers, without a request.

        As for someone who may view uptimes and no more.
        """
        return self._uptime(with_logs=False)

    def _uptime(self, *, with_logs: bool) -> dict[str, Any]:
        answer = uptime_answer(
            self._reader.read(), self._values, self._unacknowledged_end, with_logs=with_logs
        )
        if not answer["uptime_available"]:
            answer["error"] = gettext("The uptime of the host cannot be determined.")
        return answer

    def initialize(self) -> None:
        # Not get_plugin_data_folder(), which makes it: on a disk that is full that would
        # cost the whole plugin.
        folder = Path(self._data_folder)
        log = Path(self._settings.getBaseFolder("logs"), "octoprint.log")
        # The printer may connect before OctoPrint calls on_startup.
        self._recorder = Recorder(
            folder / "history.db",
            self._logger,
            heartbeat_seconds=lambda: self._values["heartbeat_seconds"],
            history_days=lambda: self._values["history_days"],
            on_change=self._on_history_changed,
        )
        self._watch = Watch(folder, log, self._recorder.undervoltage, self._logger)
        self._listener = Listener(self._reader, self._recorder, self._tell_browsers, self._logger)
        if self._watch.hears_undervoltage:
            self._listener.ignore_throttle_states()
        self._last_end = LastEnd(
            self._mqtt_publish,
            lambda: self._settings.global_get(["plugins", "mqtt", "publish", "baseTopic"]),
            self._logger,
        )

    ##~~ AssetPlugin

    def get_assets(self) -> dict[str, list[str]]:
        return {
            "clientjs": ["clientjs/octoprint_uptime.js"],
            "css": ["css/octoprint_uptime.css"],
            "js": [
                "js/uptime_widget.js",
                "js/uptime_ends.js",
                "js/uptime_days.js",
                "js/uptime_why.js",
                "js/uptime_history.js",
                "js/uptime_notice.js",
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
        try:
            query = HistoryQuery.parsed(flask.request.args, self._values["history_days"])
        except BadQueryError as error:
            return self._refuse(400, str(error))
        try:
            records = self._recorder.records()
        except HistoryUnavailableError as error:
            return self._no_history(error)
        answer = history_answer(records, self._recorder.now(), query.days)
        if query.format == "csv":
            return self._csv(answer)
        return self._json(history_json(answer, with_logs=self._may_read_logs()))

    @octoprint.plugin.BlueprintPlugin.route("/metrics", methods=["GET"])
    def get_metrics(self) -> flask.Response:
        if not Permissions.PLUGIN_OCTOPRINT_UPTIME_VIEW.can():
            return self._may_not_view()
        body, content_type = self._metrics.exposition(flask.request.headers.get("Accept", ""))
        return flask.Response(body, content_type=content_type)

    @functools.cached_property
    def _metrics(self) -> Metrics:
        # Not at the top: only those who are scraped need prometheus_client in memory.
        from .telling.metrics import Metrics, UptimeCollector  # noqa: PLC0415

        build = {
            "version": self._plugin_version,
            "octoprint_version": octoprint.util.version.get_octoprint_version_string(),
            "python_version": platform.python_version(),
        }
        return Metrics(UptimeCollector(self._reader.read, self._totals, build))

    def _totals(self) -> tuple[Totals, Reasons] | None:
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
        self._listener.hear(event, payload)
        if event == Events.SETTINGS_UPDATED:
            self._recorder.soon(self._last_end.follow_base_topic)

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
        self._watch.keep_witness(self._values["witness"])
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
        return self._json(flask.json.dumps(self._uptime(with_logs=self._may_read_logs())))

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

    def _may_read_logs(self) -> bool:
        return bool(Permissions.ADMIN.can())

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
        self._watch.start(IOLoop.current(), with_witness=self._values["witness"])
        versions, folders = self._plugins()
        self._recorder.start(
            self._reader.read().octoprint,
            octoprint.util.version.get_octoprint_version_string(),
            watch=self._watch,
            versions=versions,
            plugins=folders,
        )
        if self._reader.unknown:
            reasons = (f"{clock} ({why})" for clock, why in self._reader.unknown.items())
            self._logger.warning("psutil cannot tell the start of: %s", ", ".join(reasons))

    def _plugins(self) -> tuple[dict[str, Version], dict[str, str]]:
        """The versions of OctoPrint and other authors' plugins, and the folders of the latter."""
        manager = self._plugin_manager
        infos = [*manager.enabled_plugins.values(), *manager.disabled_plugins.values()]
        others = [info for info in infos if not info.bundled]
        versions = {i.key: Version(i.name, str(i.version)) for i in others if i.version}
        octoprint_version = octoprint.util.version.get_octoprint_version_string()
        versions[""] = Version("OctoPrint", octoprint_version)
        return versions, {info.location: info.name for info in others if info.location}

    def on_after_startup(self) -> None:
        self._recorder.soon(self._tell_how_the_last_run_ended)

    def _tell_how_the_last_run_ended(self) -> None:
        timeline = self._timeline()
        payload = timeline.previous_end() if timeline else NO_PREVIOUS_END
        self._event_bus.fire(Events.PLUGIN_OCTOPRINT_UPTIME_STARTED, payload)
        if payload["previous_end"] in UNPLANNED_ENDS:
            self._event_bus.fire(Events.PLUGIN_OCTOPRINT_UPTIME_UNPLANNED, payload)
        self._last_end.publish(payload)

    def _mqtt_publish(self) -> Callable[..., Any] | None:
        helpers = self._plugin_manager.get_helpers("mqtt", "mqtt_publish")
        return helpers["mqtt_publish"] if helpers else None

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
        try:
            self._recorder.stop(host_goes_down)
        finally:
            self._watch.stop()

    ##~~ TemplatePlugin

    def get_template_configs(self) -> list[dict[str, Any]]:
        return [
            {
                "type": "navbar",
                "classes": ["dropdown"],
                "data_bind": "visible: visible, "
                "css: {octoprint_uptime_aside: aside}, "
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

    ##~~ octoprint.plugin.backup.additional_excludes hook

    def get_backup_excludes(self, excluded: list[str], *args: Any, **kwargs: Any) -> list[str]:
        return [TOKEN_FILE, LAST_WORDS_FOLDER]

    ##~~ octoprint.plugin.health_check.get_additional_checks hook

    def get_additional_health_checks(self) -> list[type]:
        # Not at the top: only who calls this has what it imports.
        from .telling.health import power_check  # noqa: PLC0415

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
        "octoprint.plugin.backup.additional_excludes": plugin.get_backup_excludes,
        "octoprint.plugin.health_check.get_additional_checks": plugin.get_additional_health_checks,
        "octoprint.server.sockjs.emit": plugin.may_emit,
    }
