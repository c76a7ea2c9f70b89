"""The ops console: what is wrong, why, what is done about it, and actions; plain HTML, which needs no Grafana."""
