"""`python -m tests.deploy.generated`: writes the files under `deploy/` that are made from the code and the rules.

Whoever changes a topic, a record's type or an alert rule runs it; `test_generated.py` says when it was forgotten.
"""

import json
import textwrap
import tomllib
from pathlib import Path

from streams.asyncapi import asyncapi_document, record_schemas
from streams.strimzi import strimzi_topics

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
RULES = ROOT / "grafana" / "rules"
#: The name of the `Kafka` resource in `deploy/kubernetes`; overlays may change it.
CLUSTER = "kafka"
_MADE = "# Made by `python -m tests.deploy.generated`; change {what} instead.\n"
_PROMETHEUS_RULE = """\
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: {name}
  labels:
    app.kubernetes.io/name: squall
spec:
"""


def generated_files() -> dict[Path, str]:
    """Make every generated file: its path and its text."""
    settings = tomllib.loads((DEPLOY / "kubernetes" / "base" / "squall.toml").read_text(encoding="utf-8"))
    topics = strimzi_topics(CLUSTER, settings["partitions"], settings["replication"])
    contracts = DEPLOY / "contracts"
    return {
        contracts / "asyncapi.json": _json(asyncapi_document("localhost:9092", partitions=4)),
        **{contracts / "schemas" / f"{name}.schema.json": _json(made) for name, made in record_schemas().items()},
        DEPLOY / "kubernetes" / "topics" / "topics.yaml": _MADE.format(what="streams/topics.py") + topics,
        DEPLOY / "kubernetes" / "monitoring" / "rules.yaml": _MADE.format(what="grafana/rules") + _prometheus_rules(),
    }


def _prometheus_rules() -> str:
    return "".join(
        "---\n"
        + _PROMETHEUS_RULE.format(name=f"squall-{path.name.partition('.')[0]}".replace("squall-squall", "squall"))
        + textwrap.indent(path.read_text(encoding="utf-8"), "  ")
        for path in sorted(RULES.glob("*.yaml"))
    )


def _json(value: object) -> str:
    return json.dumps(value, indent=2) + "\n"


if __name__ == "__main__":
    for place, text in generated_files().items():
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
