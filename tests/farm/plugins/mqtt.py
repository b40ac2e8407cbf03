"""In the place of OctoPrint-MQTT, as its README describes it: events and one helper."""

import json
import os
import time

import octoprint.plugin
from paho.mqtt.client import CallbackAPIVersion, Client


class MqttPlugin(
    octoprint.plugin.EventHandlerPlugin,
    octoprint.plugin.SettingsPlugin,
    octoprint.plugin.StartupPlugin,
):
    def __init__(self):
        super().__init__()
        self.queue = []
        self.client = Client(CallbackAPIVersion.VERSION2)
        self.client.on_connect = self.publish_the_queue
        self.client.reconnect_delay_set(min_delay=1, max_delay=1)

    def get_settings_defaults(self):
        return {"publish": {"baseTopic": "octoPrint/"}}

    def on_startup(self, host, port):
        self.client.connect_async("127.0.0.1", int(os.environ["MQTT_PORT"]))
        self.client.loop_start()

    def publish_the_queue(self, *_):
        # What waits is retained as OctoPrint-MQTT's own setting says, by default true.
        while self.queue:
            self.client.publish(*self.queue.pop(0), retain=True)

    def on_event(self, event, payload):
        message = {**(payload or {}), "_event": event, "_timestamp": int(time.time())}
        self.mqtt_publish(f"octoPrint/event/{event}", message)

    def mqtt_publish(self, topic, payload, retained=False, qos=0, allow_queueing=False):
        message = (topic, payload if isinstance(payload, str) else json.dumps(payload), qos)
        if self.client.is_connected():
            self.client.publish(*message, retain=retained)
        elif allow_queueing:
            self.queue.append(message)
        else:
            return False
        return True


__plugin_name__ = "MQTT"
__plugin_pythoncompat__ = ">=3.9,<4"
__plugin_implementation__ = plugin = MqttPlugin()
__plugin_helpers__ = {"mqtt_publish": plugin.mqtt_publish}
