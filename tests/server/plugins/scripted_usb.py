"""A plugin that points Uptime to a scripted ``/sys``, for want of a printer on USB.

The environment variable ``USB_ROOT`` says where it is.
"""

import os
from pathlib import Path

import octoprint.plugin


class ScriptedUsbPlugin(octoprint.plugin.StartupPlugin):
    def on_after_startup(self):
        if "USB_ROOT" in os.environ:
            uptime = self._plugin_manager.get_plugin_info("octoprint_uptime").implementation
            uptime._connection_watch._root = Path(os.environ["USB_ROOT"])
            self._logger.info("The host is scripted")


__plugin_name__ = "Scripted USB"
__plugin_pythoncompat__ = ">=3.9,<4"
__plugin_implementation__ = ScriptedUsbPlugin()
