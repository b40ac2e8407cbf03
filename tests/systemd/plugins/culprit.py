"""Another author's plugin: it brings OctoPrint down in the way that it is asked to."""

import ctypes
import os
import threading

import octoprint.plugin


def leave() -> None:
    os._exit(3)


def crash() -> None:
    ctypes.string_at(0)


def hoard() -> None:
    hoarded = []
    while True:
        hoarded.append(b"x" * 10_000_000)


class CulpritPlugin(octoprint.plugin.SimpleApiPlugin):
    def is_api_protected(self):
        return True

    def get_api_commands(self):
        return {"leave": [], "crash": [], "hoard": []}

    def on_api_command(self, command, data):
        deed = {"leave": leave, "crash": crash, "hoard": hoard}[command]
        threading.Thread(target=deed, name=f"culprit-{command}").start()


__plugin_name__ = "Culprit"
__plugin_pythoncompat__ = ">=3.9,<4"
__plugin_implementation__ = CulpritPlugin()
