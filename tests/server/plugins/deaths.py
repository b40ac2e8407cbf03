"""Another author's plugin that kills the process in many ways."""

import ctypes
import os
import threading
import time

import octoprint.plugin
from tornado.ioloop import IOLoop


def leak():
    """Use up memory until the process is killed."""
    taken = []
    while True:
        taken.append(bytearray(os.urandom(1000) * 1000))


class DeathsPlugin(octoprint.plugin.SimpleApiPlugin, octoprint.plugin.StartupPlugin):
    def on_startup(self, host, port):
        self.loop = IOLoop.current()

    def is_api_protected(self):
        return True

    def get_api_commands(self):
        return {"die": ["how"]}

    def on_api_command(self, command, data):
        getattr(self, data["how"])()

    def segfault(self):
        threading.Thread(target=lambda: ctypes.string_at(0), name="reader").start()

    def abort(self):
        os.abort()

    def exit(self):
        os._exit(3)

    def leak(self):
        threading.Thread(target=leak, name="leak").start()

    def block(self):
        """Block the server's loop for good."""
        self._hold_up_the_loop(3600)

    def doze(self):
        """Block the server's loop for longer than allowed."""
        self._hold_up_the_loop(36)

    def _hold_up_the_loop(self, seconds):
        # This request needs its answer first.
        self.loop.add_callback(self.loop.call_later, 1, lambda: time.sleep(seconds))

    def throw(self):
        """Raise in a thread, so that only the thread dies."""

        def fail():
            raise OSError(28, "<img src=x onerror=alert(1)>")

        thread = threading.Thread(target=fail, name="writer")
        thread.start()
        thread.join()


__plugin_name__ = "Deaths"
__plugin_version__ = "1.0"
__plugin_pythoncompat__ = ">=3.9,<4"
__plugin_implementation__ = DeathsPlugin()
