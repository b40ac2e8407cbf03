"""Another author's plugin that calls OctoPrint-Uptime's helper and formatter."""

import flask
import octoprint.plugin

from octoprint_uptime import format_uptime


class ReaderPlugin(octoprint.plugin.SimpleApiPlugin):
    def is_api_protected(self):
        return True

    def on_api_get(self, request):
        helpers = self._plugin_manager.get_helpers("octoprint_uptime", "get_uptime")
        answer = helpers["get_uptime"]()
        return flask.jsonify(answer=answer, formatted=format_uptime(answer["seconds"]))


__plugin_name__ = "Uptime reader"
__plugin_pythoncompat__ = ">=3.9,<4"
__plugin_implementation__ = ReaderPlugin()
