"""A plugin that makes the uptime plugin record ten heartbeats a second."""

import threading
import time

import octoprint.plugin


class BusyHeartPlugin(octoprint.plugin.StartupPlugin):
    def on_after_startup(self):
        threading.Thread(target=self._beat, daemon=True).start()

    def _beat(self):
        uptime = self._plugin_manager.get_plugin_info("octoprint_uptime").implementation
        while True:
            uptime._recorder.beat()
            time.sleep(0.1)


__plugin_name__ = "Busy heart"
__plugin_pythoncompat__ = ">=3.9,<4"
__plugin_implementation__ = BusyHeartPlugin()
