"""Who is told: web answers, metrics, health check, MQTT."""
