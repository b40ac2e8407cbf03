"""Another author's plugin that collects the uptime events and fires events on request."""

import flask
import octoprint.plugin


class EventBusPlugin(octoprint.plugin.EventHandlerPlugin, octoprint.plugin.SimpleApiPlugin):
    def __init__(self):
        super().__init__()
        self.events = []

    def on_event(self, event, payload):
        if event.startswith("plugin_octoprint_uptime_"):
            self.events.append([event, payload])

    def is_api_protected(self):
        return True

    def on_api_get(self, request):
        return flask.jsonify(events=self.events)

    def get_api_commands(self):
        return {"fire": ["event", "payload"]}

    def on_api_command(self, command, data):
        self._event_bus.fire(data["event"], data["payload"])


__plugin_name__ = "Event bus"
__plugin_pythoncompat__ = ">=3.9,<4"
__plugin_implementation__ = EventBusPlugin()
