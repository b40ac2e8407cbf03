"""OctoPrint-Uptime: how long the host, OctoPrint and the printer connection have been up."""

from __future__ import annotations

import contextlib
import functools
import os
import platform
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from .history.aftermath import Aftermath, Running
from .history.ends import UNPLANNED_ENDS
from .history.listener import Listener
from .history.original import TOKEN_FILE
from .history.outlook import Outlook
from .history.position import PositionReader
from .history.record import Version
from .history.recorder import HistoryUnavailableError, Recorder
from .history.report import NO_PREVIOUS_END, Timeline
from .reader import UptimeReader
from .settings import (
    SETTINGS,
    defaults,
    invalid_addresses,
    restricted_paths,
    valid_settings,
    without_defaults,
)
from .telling.answers import (
    BadQueryError,
    HistoryQuery,
    history_csv,
    history_json,
    refusal,
    uptime_answer,
)
from .telling.home_assistant import Device, HomeAssistant, Told, address
from .telling.identity import IDENTITY_FILE, Identity, board_model
from .telling.language import default_language
from .telling.monitors import Monitor
from .telling.mqtt import LAST_END, OctoPrintMqtt, Retained
from .telling.notes import Notes, tested
from .telling.pings import Pings, Plan, TooManyTestsError
from .why.connection import ConnectionWatch
from .why.goodbye import host_goes_down
from .why.watch import FOLDER as LAST_WORDS_FOLDER
from .why.watch import Watch

if TYPE_CHECKING:
    from .history.record import Reasons, Totals
    from .telling.health import Look
    from .telling.metrics import Metrics

__all__ = [
    "format_uptime",
    "format_uptime_d",
    "format_uptime_dh",
    "format_uptime_dhm",
    "format_uptime_short",
]


REPORT_FILE = "plugin_octoprint_uptime_report.log"
EVENTS = ("started", "unplanned")
OWN_EVENTS = tuple(f"plugin_octoprint_uptime_{event}" for event in EVENTS)

# Whether the plugin stays after the next restart, by Plugin Manager event.
STAYS_AFTER = {
    "plugin_pluginmanager_disable_plugin": False,
    "plugin_pluginmanager_uninstall_plugin": False,
    "plugin_pluginmanager_enable_plugin": True,
    "plugin_pluginmanager_install_plugin": True,
}


def _installed(manager: Any) -> tuple[dict[str, Version], dict[str, str]]:
    """Return the versions of OctoPrint and third-party plugins, and those plugins' folders."""
    infos = [*manager.enabled_plugins.values(), *manager.disabled_plugins.values()]
    others = [info for info in infos if not info.bundled]
    versions = {i.key: Version(i.name, str(i.version)) for i in others if i.version}
    octoprint_version = octoprint.util.version.get_octoprint_version_string()
    versions[""] = Version("OctoPrint", octoprint_version)
    return versions, {info.location: info.name for info in others if info.location}


def _known(seconds: float | None) -> str:
    return "unknown" if seconds is None else format_uptime(seconds)


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
        # OctoPrint merges several layers on every settings read, which is too slow for each
        # request.
        self._values = defaults()
        self._is_server = False
        self._recorder: Recorder | None = None
        self._pings: Pings | None = None
        self._unacknowledged_end: dict[str, Any] | None = None
        self._asking_for_the_end = threading.Lock()
        self._told = Told(NO_PREVIOUS_END, None, undervoltage=False)
        self._is_up = False
        self._stays = True
        self._listens_on = ("", 0)

    def get_uptime(self) -> dict[str, Any]:
        """Return the answer of ``GET /api/plugin/octoprint_uptime`` without a request.

        It holds only what the view permission allows.
        """
        return self._uptime(with_logs=False)

    def _uptime(self, *, with_logs: bool) -> dict[str, Any]:
        answer = uptime_answer(
            self._reader.read(), self._values, self._unacknowledged_end, with_logs=with_logs
        )
        answer["pings"] = self._pings.status() if self._pings else None
        if not answer["uptime_available"]:
            answer["error"] = gettext("The host's uptime is not available.")
        return answer

    def initialize(self) -> None:
        # get_plugin_data_folder() creates the folder. On a full disk that fails, and the whole
        # plugin with it.
        folder = Path(self._data_folder)
        log = Path(self._settings.getBaseFolder("logs"), "octoprint.log")
        # The printer may connect before OctoPrint calls on_startup.
        recorder = Recorder(
            folder / "history.db",
            self._logger,
            heartbeat_seconds=lambda: self._values["heartbeat_seconds"],
            history_days=lambda: self._values["history_days"],
            on_change=self._on_history_changed,
        )
        self._watch = Watch(folder, log, recorder.undervoltage, self._logger)
        self._recorder = recorder
        self._connection_watch = ConnectionWatch(self._shown_error)
        self._listener = Listener(
            self._reader,
            self._recorder,
            self._connection_watch,
            self._on_connection,
            self._logger,
        )
        if self._watch.hears_undervoltage:
            self._listener.ignore_throttle_states()
        self._mqtt = OctoPrintMqtt(
            lambda: self._plugin_manager.get_helpers("mqtt"),
            lambda path: self._settings.global_get(["plugins", "mqtt", *path]),
            self._logger,
        )
        self._retained = Retained(self._mqtt)
        self._home_assistant = HomeAssistant(
            self._mqtt,
            Identity(folder, self._logger),
            self._device,
            self._reader.read,
            self._logger,
        )
        self._notes = Notes(lambda: self._settings.global_get(["appearance", "defaultLanguage"]))
        self._pings = Pings(
            lambda: self._notes.printing(self._printer.get_current_data()),
            self._tell_browsers,
            f"OctoPrint-Uptime/{self._plugin_version}",
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
                "js/uptime_axis.js",
                "js/uptime_why.js",
                "js/uptime_print.js",
                "js/uptime_lanes.js",
                "js/uptime_picture.js",
                "js/uptime_list.js",
                "js/uptime_history.js",
                "js/uptime_notice.js",
                "js/uptime_pings.js",
                "js/uptime_settings.js",
                "js/uptime_health.js",
            ],
        }

    ##~~ BlueprintPlugin

    def is_blueprint_protected(self) -> bool:
        return False  # for the same reason as is_api_protected

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
            answer = self._recorder.answer(query.days)
        except HistoryUnavailableError as error:
            return self._no_history(error)
        if query.format == "csv":
            return self._csv(answer)
        return self._json(history_json(answer, with_logs=self._may_read_logs()))

    @octoprint.plugin.BlueprintPlugin.route("/metrics", methods=["GET"])
    def get_metrics(self) -> flask.Response:
        if not Permissions.PLUGIN_OCTOPRINT_UPTIME_VIEW.can():
            return self._may_not_view()
        body, content_type = self._metrics.exposition(flask.request.headers.get("Accept", ""))
        return flask.Response(body, content_type=content_type)

    @octoprint.plugin.BlueprintPlugin.route("/report", methods=["GET"])
    def get_report(self) -> flask.Response:
        # As for OctoPrint's System Information.
        if not Permissions.SYSTEM.can():
            return self._refuse(403, gettext("You need the system permission to get the report."))
        response = flask.Response(self._report(), mimetype="text/plain")
        response.headers["Content-Disposition"] = f"attachment; filename={REPORT_FILE}"
        return response

    def _report(self) -> str:
        # Imported here because it is rarely needed.
        from .telling.helper_report import helper_report  # noqa: PLC0415

        with default_language("en"):
            try:
                return helper_report(self._aftermath(), self._values, with_names=False)
            except HistoryUnavailableError as error:
                return f"{self._unavailable(error)}\n"

    def _aftermath(self) -> Aftermath:
        records, (_, reasons), now = (
            self._recorder.records(),
            self._recorder.totals(),
            self._recorder.now(),
        )
        running = Running(os.getpid(), now.since_boot - records.runs[-1].seen, hung=None)
        octoprint_version = octoprint.util.version.get_octoprint_version_string()
        return Aftermath(records, now, running, False, reasons, octoprint_version)

    @functools.cached_property
    def _metrics(self) -> Metrics:
        # Imported here so that prometheus_client takes memory only once something scrapes.
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
        # Without the byte order mark, spreadsheets guess another encoding.
        response = flask.Response(history_csv(answer).encode("utf-8-sig"), mimetype="text/csv")
        response.headers["Content-Disposition"] = "attachment; filename=uptime-history.csv"
        return response

    ##~~ EnvironmentDetectionPlugin

    def get_additional_environment(self) -> dict[str, Any]:
        uptimes = self._reader.read()
        environment: dict[str, Any] = {"system_uptime": _known(uptimes.host)}
        # On the command line this process is not the server, so its age is not OctoPrint's uptime.
        if self._is_server:
            environment["octoprint_uptime"] = _known(uptimes.octoprint)
            with contextlib.suppress(HistoryUnavailableError):
                environment["last_ends"] = self._last_ends()
        return environment

    def _last_ends(self) -> dict[str, str]:
        # Imported here because it is rarely needed.
        from .telling.helper_report import last_ends  # noqa: PLC0415

        with default_language("en"):
            return last_ends(self._aftermath(), self._values["heartbeat_seconds"])

    ##~~ EventHandlerPlugin

    def on_event(self, event: str, payload: Any) -> None:
        self._listener.hear(event, payload)
        if event == Events.SETTINGS_UPDATED:
            self._tell_mqtt_soon()
        # Any plugin can fire any event with any payload.
        if (
            event in STAYS_AFTER
            and isinstance(payload, dict)
            and payload.get("id") == self._identifier
        ):
            self._stays = STAYS_AFTER[event]
            self._tell_mqtt_soon()

    def _on_connection(self) -> None:
        self._tell_browsers()
        self._tell_mqtt_soon()

    def _shown_error(self) -> str:
        return self._printer.get_current_data()["state"]["error"] or ""

    def _tell_browsers(self, **changed: bool) -> None:
        self._plugin_manager.send_plugin_message(self._identifier, changed)

    ##~~ SettingsPlugin

    def get_settings_defaults(self) -> dict[str, Any]:
        return defaults()

    def on_settings_cleanup(self) -> None:
        stored = self._settings.get_all_data(merged=False, incl_defaults=False)
        self._keep_settings({} if stored is None else stored)
        # Only their owner can tell what was meant.
        for name, invalid in invalid_addresses(stored).items():
            self._settings.set([name], invalid)

    def get_settings_restricted_paths(self) -> dict[str, list[list[Any]]]:
        return {"admin": restricted_paths()}  # everyone with the settings permission

    def on_settings_save(self, data: Any) -> dict[str, Any]:
        stored = self._keep_settings(data)
        self._watch.keep_witness(self._values["witness"])
        self._pings.follow(self._ping_plan())
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
        # on_api_get checks the view permission. OctoPrint's own refusal ignores it and lacks
        # uptime_available.
        return False

    def on_api_get(self, request: flask.Request) -> flask.Response:
        if not Permissions.PLUGIN_OCTOPRINT_UPTIME_VIEW.can():
            return self._may_not_view()
        # OctoPrint makes jsonify indent, which uses Python's slow encoder.
        return self._json(flask.json.dumps(self._uptime(with_logs=self._may_read_logs())))

    def get_api_commands(self) -> dict[str, list[str]]:
        return {"acknowledge": [], "clear_history": [], "test_ping": ["ping_url", "ping_style"]}

    def on_api_command(self, command: str, data: Any) -> flask.Response | None:
        if command == "test_ping":
            return self._test_ping(data["ping_url"], data["ping_style"])
        if command == "clear_history":
            if not Permissions.SETTINGS.can():
                return self._refuse(
                    403, gettext("You need the settings permission to clear the history.")
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

    def _test_ping(self, url: Any, style: Any) -> flask.Response:
        if not Permissions.SETTINGS.can():
            return self._refuse(
                403, gettext("You need the settings permission to send a test ping.")
            )
        url, complaint = SETTINGS["ping_url"].valid(url)
        if complaint or not url:
            return self._refuse(
                400,
                gettext("The address must start with http:// or https:// and contain a host name."),
            )
        style, complaint = SETTINGS["ping_style"].valid(style)
        if complaint:
            return self._refuse(400, gettext("This type of monitor is unknown."))
        monitor = Monitor.chosen(url, style)
        try:
            answer, seconds = self._pings.test(monitor, self._notes.test())
        except TooManyTestsError:
            return self._refuse(429, gettext("Too many pings. Try again in a minute."))
        return self._json(flask.json.dumps(tested(monitor.style, answer, seconds)))

    def _may_read_logs(self) -> bool:
        return bool(Permissions.ADMIN.can())

    def _json(self, body: str) -> flask.Response:
        return flask.Response(body, mimetype="application/json")

    def _refuse(self, status: int, sentence: str) -> flask.Response:
        return flask.make_response(flask.jsonify(refusal(sentence)), status)

    def _may_not_view(self) -> flask.Response:
        return self._refuse(403, gettext("You do not have permission to view uptimes."))

    def _no_history(self, error: HistoryUnavailableError) -> flask.Response:
        return self._refuse(503, self._unavailable(error))

    def _unavailable(self, error: HistoryUnavailableError) -> str:
        reason = gettext(str(error))  # SQLite's own stay in English
        return str(gettext("The history is not available: %(reason)s.", reason=reason))

    ##~~ StartupPlugin

    def on_startup(self, host: str, port: int) -> None:
        self._is_server = True
        self._listens_on = (host, port)
        self._watch.start(IOLoop.current(), with_witness=self._values["witness"])
        versions, folders = _installed(self._plugin_manager)
        self._recorder.start(
            self._reader.read().octoprint,
            octoprint.util.version.get_octoprint_version_string(),
            watch=self._watch,
            position=PositionReader(self._printer, self._logger).read,
            versions=versions,
            plugins=folders,
        )
        if self._reader.unknown:
            reasons = (f"{clock} ({why})" for clock, why in self._reader.unknown.items())
            self._logger.warning("psutil could not determine the start of: %s", ", ".join(reasons))
        self._pings.start(IOLoop.current(), self._ping_plan())

    def _ping_plan(self) -> Plan | None:
        url = self._values["ping_url"]
        if not url:
            return None
        monitor = Monitor.chosen(url, self._values["ping_style"])
        return Plan(monitor, self._values["ping_interval_seconds"])

    def on_after_startup(self) -> None:
        self._recorder.soon(self._tell_how_the_last_run_ended)

    def _tell_how_the_last_run_ended(self) -> None:
        timeline = self._timeline()
        payload = timeline.previous_end() if timeline else NO_PREVIOUS_END
        self._event_bus.fire(Events.PLUGIN_OCTOPRINT_UPTIME_STARTED, payload)
        note = None
        if timeline and payload["previous_end"] in UNPLANNED_ENDS:
            self._event_bus.fire(Events.PLUGIN_OCTOPRINT_UPTIME_UNPLANNED, payload)
            note = functools.partial(self._notes.unplanned, payload, timeline.previous_why())
        self._pings.end_is_known(note)
        self._is_up = True
        if self._mqtt.is_there():
            self._tell_mqtt()

    def _tell_mqtt_soon(self) -> None:
        # Until then, OctoPrint-MQTT may still be starting.
        if self._is_up and self._mqtt.is_there():
            self._recorder.soon(self._tell_mqtt)

    def _tell_mqtt(self) -> None:
        self._mqtt.listen(
            on_connection=lambda: self._recorder.soon(self._retained.broker_reached),
            on_reconnect=self._retained.expect_losses,
        )
        self._retained.keep(self._mqtt_messages() if self._stays else {})

    def _mqtt_messages(self) -> dict[str, Any]:
        return {
            self._mqtt.topic(LAST_END): self._told.last_end,
            **self._home_assistant.messages(
                self._told,
                wanted=self._values["home_assistant"],
                prefix=self._values["home_assistant_prefix"],
            ),
        }

    def _device(self) -> Device:
        public = {
            name: self._settings.global_get(["plugins", "discovery", name])
            for name in ("publicHost", "publicPort", "pathPrefix")
        }
        return Device(
            name=self._settings.global_get(["appearance", "name"]),
            octoprint_version=octoprint.util.version.get_octoprint_version_string(),
            plugin_version=self._plugin_version,
            board=board_model(),
            address=address(*self._listens_on, socket.gethostname(), public),
        )

    def _on_history_changed(self) -> None:
        with self._asking_for_the_end:
            timeline = self._timeline()
            if timeline:
                self._unacknowledged_end = timeline.unacknowledged()
                self._told = Told.by(timeline)
        self._tell_browsers(history=True)
        self._tell_mqtt_soon()

    def _timeline(self) -> Timeline | None:
        try:
            return Timeline(self._recorder.records(), self._recorder.now())
        except HistoryUnavailableError:
            return None

    ##~~ ShutdownPlugin

    def on_shutdown(self) -> None:
        # ExitStack runs these in reverse order, and runs each even if another fails.
        with contextlib.ExitStack() as last:
            last.callback(self._pings.wait_for_goodbye)
            last.callback(self._watch.stop)
            last.callback(self._recorder.stop, host_goes_down)
            last.callback(self._connection_watch.stop)
            self._pings.say_goodbye(self._notes.goodbye)

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
                "name": "view",  # OctoPrint prefixes it with the plugin's name
                "description": gettext(
                    "Allows viewing the uptimes of the host, OctoPrint and the"
                    " printer connection, and their history."
                ),
                "default_groups": [ADMIN_GROUP, USER_GROUP, READONLY_GROUP],
                "roles": ["view"],
            }
        ]

    ##~~ octoprint.cli.commands hook

    def get_cli_commands(self, cli_group: Any, *args: Any, **kwargs: Any) -> list[Any]:
        # Imported here because the server does not need it.
        from .telling.shell import Source, commands  # noqa: PLC0415

        # OctoPrint's command line does not initialize plugins.
        settings = cli_group.settings
        versions, folders = _installed(cli_group.plugin_manager)
        source = Source.in_base_folder(
            Path(settings.getBaseFolder("base")),
            {name: settings.get([name]) for name in ("folder", "plugins")},
            versions=versions,
            plugins=folders,
        )
        return commands(lambda: source)

    ##~~ octoprint.events.register_custom_events hook

    def register_custom_events(self) -> list[str]:
        return list(EVENTS)

    ##~~ octoprint.plugin.backup.additional_excludes hook

    def get_backup_excludes(self, excluded: list[str], *args: Any, **kwargs: Any) -> list[str]:
        return [TOKEN_FILE, IDENTITY_FILE, LAST_WORDS_FOLDER]

    ##~~ octoprint.plugin.health_check.get_additional_checks hook

    def get_additional_health_checks(self) -> list[type]:
        # Imported here because only callers of this hook need these imports.
        from .telling.health import checks  # noqa: PLC0415

        return checks(self._look)

    def _look(self) -> Look | None:
        from .telling.health import Look  # noqa: PLC0415

        if self._recorder is None:  # a health check can run before initialize()
            return None
        host = self._watch.host()
        try:
            kept = self._recorder.kept()
            past = Outlook(*kept, self._recorder.now(), host.clock_set)
        except HistoryUnavailableError:
            past = None
        return Look(self._watch.peek(), host, lambda: bool(self._connectivity_checker.online), past)

    ##~~ octoprint.systeminfo.additional_bundle_files hook

    def get_bundle_files(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        # Up to 2.0.0rc7, OctoPrint leaves out the files of plugins that are not bundled with it.
        return {REPORT_FILE: self._report}

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
        "octoprint.cli.commands": plugin.get_cli_commands,
        "octoprint.events.register_custom_events": plugin.register_custom_events,
        "octoprint.plugin.backup.additional_excludes": plugin.get_backup_excludes,
        "octoprint.plugin.health_check.get_additional_checks": plugin.get_additional_health_checks,
        "octoprint.server.sockjs.emit": plugin.may_emit,
        "octoprint.systeminfo.additional_bundle_files": plugin.get_bundle_files,
    }
