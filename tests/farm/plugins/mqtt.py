"""A stand-in that behaves like OctoPrint-MQTT, which is not packaged on PyPI.

- Its status and last will, on ``octoPrint/mqtt``, are ``connected`` and ``disconnected``.
- Without a connection it drops events. Messages that may wait are sent once it is connected, and
  retained if the setting *retain* says so, whatever their sender asked for.
- Changes of its broker, its client or its last will make it reconnect, and until then it believes
  that it is connected.
- Subscriptions are renewed at each connection.
"""

import json
import os
import time

import octoprint.plugin
from paho.mqtt.client import CallbackAPIVersion, Client, MQTTv31, topic_matches_sub


class MqttPlugin(
    octoprint.plugin.EventHandlerPlugin,
    octoprint.plugin.SettingsPlugin,
    octoprint.plugin.ShutdownPlugin,
    octoprint.plugin.StartupPlugin,
):
    def __init__(self):
        super().__init__()
        self.client = None
        self.is_connected = False
        self.queue = []
        self.subscriptions = []

    def get_settings_defaults(self):
        return {
            "broker": {"port": int(os.environ["MQTT_PORT"]), "retain": True, "lwRetain": True},
            "client": {"client_id": None},
            "publish": {"baseTopic": "octoPrint/", "lwTopic": "mqtt", "lwActive": True},
        }

    def on_startup(self, host, port):
        self.connect()

    def on_shutdown(self):
        self.disconnect(self.last_will())

    def on_settings_save(self, data):
        before, last_will = self.connection(), self.last_will()
        super().on_settings_save(data)
        if self.connection() != before:
            self.disconnect(last_will)
            self.connect()

    def connection(self):
        sections = [self._settings.get([name], merged=True) for name in ("broker", "client")]
        return *sections, self.last_will()

    def connect(self):
        client_id = self._settings.get(["client", "client_id"]) or ""
        self.client = Client(CallbackAPIVersion.VERSION2, client_id, protocol=MQTTv31)
        self.client.reconnect_delay_set(min_delay=1, max_delay=1)
        self.client.on_connect = self.on_connect
        self.client.on_disconnect = self.on_disconnect
        self.client.on_message = self.on_message
        if self.last_will():
            self.client.will_set(self.last_will(), "disconnected", qos=1, retain=self.lw_retain())
        self.client.connect_async("127.0.0.1", self._settings.get_int(["broker", "port"]))
        self.client.loop_start()

    def disconnect(self, last_will):
        if last_will:
            told = self.client.publish(last_will, "disconnected", qos=1, retain=self.lw_retain())
            if self.client.is_connected():
                told.wait_for_publish(1)
        self.client.on_disconnect = None
        self.client.loop_stop()
        if self.client.socket():
            self.client.socket().close()

    def last_will(self):
        publish = self._settings.get(["publish"], merged=True)
        return publish["lwActive"] and publish["baseTopic"] + publish["lwTopic"]

    def lw_retain(self):
        return self._settings.get_boolean(["broker", "lwRetain"])

    def on_connect(self, client, *_):
        if self.last_will():
            client.publish(self.last_will(), "connected", qos=1, retain=self.lw_retain())
        while self.queue:
            client.publish(
                *self.queue.pop(0), retain=self._settings.get_boolean(["broker", "retain"])
            )
        for topic in {topic for topic, _ in self.subscriptions}:
            client.subscribe(topic)
        self.is_connected = True

    def on_disconnect(self, *_):
        self.is_connected = False

    def on_message(self, _, __, message):
        for topic, callback in list(self.subscriptions):
            if topic_matches_sub(topic, message.topic):
                callback(message.topic, message.payload, retained=message.retain, qos=message.qos)

    def on_event(self, event, payload):
        topic = self._settings.get(["publish", "baseTopic"]) + f"event/{event}"
        message = {**(payload or {}), "_event": event, "_timestamp": int(time.time())}
        self.mqtt_publish(topic, message, retained=False)

    def mqtt_publish(self, topic, payload, retained=None, qos=0, allow_queueing=False):
        message = (topic, payload if isinstance(payload, str) else json.dumps(payload), qos)
        if not self.is_connected:
            if allow_queueing:
                self.queue.append(message)
            return allow_queueing
        if retained is None:
            retained = self._settings.get_boolean(["broker", "retain"])
        self.client.publish(*message, retain=retained)
        return True

    def mqtt_subscribe(self, topic, callback):
        self.subscriptions.append((topic, callback))
        if self.is_connected:
            self.client.subscribe(topic)

    def mqtt_unsubscribe(self, callback, topic=None):
        gone = [s for s in self.subscriptions if s[1] == callback and topic in (None, s[0])]
        self.subscriptions = [s for s in self.subscriptions if s not in gone]
        if self.is_connected and gone:
            self.client.unsubscribe([topic for topic, _ in gone])


__plugin_name__ = "MQTT"
__plugin_pythoncompat__ = ">=3.9,<4"
__plugin_implementation__ = plugin = MqttPlugin()
__plugin_helpers__ = {
    "mqtt_publish": plugin.mqtt_publish,
    "mqtt_subscribe": plugin.mqtt_subscribe,
    "mqtt_unsubscribe": plugin.mqtt_unsubscribe,
}
