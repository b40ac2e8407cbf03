"""What OctoPrint-MQTT is handed, and when again."""

import logging

import pytest
from helpers import wait_for

from octoprint_uptime.telling import mqtt as module
from octoprint_uptime.telling.mqtt import GONE, OctoPrintMqtt, Retained

MESSAGES = {"octoPrint/last_end": {"previous_end": "crash"}, "config": {"name": "Ender"}}


class Broker:
    """OctoPrint-MQTT and its broker, for one :class:`Retained`.

    Attributes:
        settings: OctoPrint-MQTT's settings, by section.
        published: What has been handed to OctoPrint-MQTT since the last look.
        is_connected: Whether it is connected, as far as it knows.
    """

    def __init__(self):
        self.settings = {"broker": {}, "publish": {}, "client": {}}
        self.is_connected = True
        self.published = {}
        self._listeners = {}
        helpers = {
            "mqtt_publish": self._publish,
            "mqtt_subscribe": self._listeners.__setitem__,
            "mqtt_unsubscribe": lambda callback: self._listeners.clear(),
        }
        self._mqtt = OctoPrintMqtt(lambda: helpers, self._setting, logging.getLogger("mqtt"))
        self._retained = Retained(self._mqtt)

    def change(self, section, **settings):
        self.settings[section] = {**self.settings[section], **settings}

    def keep(self, messages):
        """What the plugin does whenever anything may have changed."""
        self._mqtt.listen(self._retained.broker_reached, self._retained.expect_losses)
        self._retained.keep(messages)

    def say(self, payload="connected", topic="octoPrint/mqtt"):
        self._listeners[topic](topic, payload.encode(), retained=True, qos=0)

    def hears(self):
        """What has been published since the last call."""
        heard, self.published = self.published, {}
        return heard

    @property
    def is_listened_to(self):
        return bool(self._listeners)

    def _publish(self, topic, payload, *, retained, allow_queueing=False):
        assert retained
        if self.is_connected or allow_queueing:
            self.published[topic] = payload
        return self.is_connected or allow_queueing

    def _setting(self, path):
        value = self.settings
        for name in path:
            value = (value or {}).get(name)
        return value


@pytest.fixture
def broker(monkeypatch):
    monkeypatch.setattr(module, "RECONNECT_SECONDS", 0.01)
    return Broker()


@pytest.fixture
def without_last_will(broker):
    broker.change("publish", lwActive=False)
    return broker


def test_only_changes_are_published(broker):
    broker.keep(MESSAGES)
    assert broker.hears() == MESSAGES
    broker.keep(MESSAGES)
    assert broker.hears() == {}
    broker.keep({**MESSAGES, "config": {"name": "Prusa"}})
    assert broker.hears() == {"config": {"name": "Prusa"}}
    broker.keep({"config": {"name": "Prusa"}})
    assert broker.hears() == {"octoPrint/last_end": ""}


def test_every_connection_but_the_first_gets_everything_again(broker):
    broker.keep(MESSAGES)
    broker.hears()
    broker.say()
    assert broker.hears() == {}
    broker.say("disconnected")
    assert broker.hears() == {}
    broker.say()
    assert broker.hears() == MESSAGES


def test_the_first_connection_gets_again_what_would_not_be_retained(broker):
    broker.is_connected = False
    broker.change("broker", retain=False)
    broker.keep(MESSAGES)
    broker.hears()
    broker.is_connected = True
    broker.say()
    assert broker.hears() == MESSAGES


def test_a_last_will_that_is_turned_on(without_last_will):
    """What is published while OctoPrint-MQTT reconnects is lost."""
    broker = without_last_will
    broker.keep(MESSAGES)
    broker.change("publish", lwActive=True)
    with_availability = {**MESSAGES, "config": {"name": "Ender", "availability": []}}
    broker.keep(with_availability)
    broker.hears()
    broker.say()
    assert broker.hears() == with_availability


@pytest.mark.parametrize(
    ("section", "settings"),
    [
        ("broker", {"url": "other.example.org"}),
        ("client", {"client_id": "left"}),
        ("publish", {"lwTopic": "will"}),
    ],
)
def test_other_settings_without_a_last_will(without_last_will, section, settings):
    broker = without_last_will
    broker.keep(MESSAGES)
    broker.hears()
    broker.change(section, **settings)
    broker.keep(MESSAGES)
    wait_for(lambda: broker.published == MESSAGES)


def test_a_last_will_that_is_turned_off(broker):
    broker.keep(MESSAGES)
    broker.hears()
    broker.change("broker", lwRetain=False)
    broker.keep(MESSAGES)
    assert not broker.is_listened_to
    wait_for(lambda: broker.published == MESSAGES)


def test_with_a_last_will_nothing_is_published_before_the_connection(broker, monkeypatch):
    monkeypatch.setattr(module.threading, "Timer", None)
    broker.keep(MESSAGES)
    broker.hears()
    broker.change("broker", url="other.example.org")
    broker.keep(MESSAGES)
    assert broker.hears() == {}
    broker.say()
    assert broker.hears() == MESSAGES


def test_what_was_removed_is_removed_again(without_last_will):
    """From a broker that had missed it."""
    broker = without_last_will
    broker.keep(MESSAGES)
    broker.keep({**MESSAGES, "config": GONE})
    broker.hears()
    broker.change("broker", url="other.example.org")
    broker.keep({**MESSAGES, "config": GONE})
    wait_for(lambda: broker.published == {**MESSAGES, "config": ""})
