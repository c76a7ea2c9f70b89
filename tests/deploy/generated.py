"""`python -m tests.deploy.generated`: writes the files under `deploy/` that are made from the code and the rules.

Whoever changes a topic, a record's type or an alert rule runs it; `test_generated.py` says when it was forgotten.
"""

import json
import textwrap
import tomllib
from pathlib import Path

from streams.asyncapi import asyncapi_document, record_schemas
from streams.console.console_metrics import FOLLOWED
from streams.doctor.right_checks import NEEDED
from streams.strimzi import strimzi_topics
from streams.topics import ALERTS, AUDIT, FEEDBACK, OVERRIDES, TOPICS

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
_USER = """\
apiVersion: kafka.strimzi.io/v1
kind: KafkaUser
metadata:
  name: squall
  labels:
    strimzi.io/cluster: {cluster}
spec:
  authentication:
    type: scram-sha-512
  authorization:
    type: simple
    acls:
      - resource: {{type: group, name: squall, patternType: prefix}}
        operations: [Read, Describe]
{topics}"""
_RIGHT = """\
      - resource: {{type: topic, name: {name}, patternType: literal}}
        operations: [{operations}]
"""
#: The notifier reads these; the console reads `FOLLOWED`, and writes the others.
_NOTIFIER_READS = (ALERTS, FEEDBACK)
_CONSOLE_WRITES = (OVERRIDES, FEEDBACK, AUDIT)


def rights() -> dict[str, tuple[str, ...]]:
    """What workers, notifier and console do to each topic, together."""
    wanted = {name: set(needed) for name, needed in NEEDED.items()}
    for names, right in ((_NOTIFIER_READS, "read"), (FOLLOWED, "read"), (_CONSOLE_WRITES, "write")):
        for name in names:
            wanted.setdefault(name, {"describe"}).add(right)
    return {name: tuple(one for one in ("read", "write", "describe") if one in wanted[name]) for name in TOPICS}


def _user() -> str:
    topics = (
        _RIGHT.format(name=name, operations=", ".join(map(str.capitalize, all_))) for name, all_ in rights().items()
    )
    return _USER.format(cluster=CLUSTER, topics="".join(topics))


def generated_files() -> dict[Path, str]:
    """Make every generated file: its path and its text."""
    settings = tomllib.loads((DEPLOY / "kubernetes" / "base" / "squall.toml").read_text(encoding="utf-8"))
    topics = strimzi_topics(CLUSTER, settings["partitions"], settings["replication"])
    contracts = DEPLOY / "contracts"
    return {
        contracts / "asyncapi.json": _json(asyncapi_document("localhost:9092", partitions=4)),
        **{contracts / "schemas" / f"{name}.schema.json": _json(made) for name, made in record_schemas().items()},
        DEPLOY / "kubernetes" / "topics" / "topics.yaml": _MADE.format(what="streams/topics.py") + topics,
        DEPLOY / "kubernetes" / "topics" / "user.yaml": _MADE.format(what="streams/doctor/right_checks.py") + _user(),
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
