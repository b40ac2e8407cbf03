"""A plugin that makes OctoPrint believe that the uptime plugin is bundled with it."""

import octoprint.plugin


class AdopterPlugin(octoprint.plugin.SimpleApiPlugin):
    def is_api_protected(self):
        return True

    def get_api_commands(self):
        return {"adopt": []}

    def on_api_command(self, command, data):
        self._plugin_manager.get_plugin_info("octoprint_uptime").bundled = True


__plugin_name__ = "Adopter"
__plugin_pythoncompat__ = ">=3.9,<4"
__plugin_implementation__ = AdopterPlugin()
