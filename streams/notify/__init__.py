"""Alerts out of Kafka to people: webhooks, PagerDuty, Slack, Alertmanager, each over a durable queue of its own."""
