"""Everything that leaves the plugin: web answers, metrics, health checks, MQTT and pings."""
