"""What operators see: dashboards and rules, and the table of all metrics."""
