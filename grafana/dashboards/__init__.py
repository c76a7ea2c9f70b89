"""The dashboards, as code: `python -m grafana.dashboards` writes them to `grafana/json/`, where they are committed."""

from grafana.dashboards.integrity import INTEGRITY
from grafana.dashboards.limits import LIMITS
from grafana.dashboards.models import MODELS
from grafana.dashboards.pipeline import PIPELINE

BOARDS = (INTEGRITY, LIMITS, PIPELINE, MODELS)
