"""A plugin that fakes a host's state from the environment, for example a full disk."""

import json
import os

import octoprint.plugin

from octoprint_uptime.why.host import HostState
from octoprint_uptime.why.watch import Watch

SEEMS = json.loads(os.environ["HOST_SEEMS"])
really = Watch.peek

Watch.peek = lambda self: {**really(self), **SEEMS["vitals"]}
Watch.host = lambda self: HostState(**SEEMS["host"])

__plugin_name__ = "Host seems"
__plugin_version__ = "1.0"
__plugin_pythoncompat__ = ">=3.9,<4"
__plugin_implementation__ = octoprint.plugin.OctoPrintPlugin()
