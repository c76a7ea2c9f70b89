"""The manifests: valid by the schemas of Kubernetes and its operators, and whole in their references."""

import json
from pathlib import Path

import jsonschema
import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml

from detectors.events import EVENT_TYPES
from streams.doctor.right_checks import NEEDED
from streams.settings import Settings
from streams.topics import TOPICS
from tests.deploy.manifests import (
    KUBERNETES,
    Document,
    kustomization,
    of_kind,
    pods,
    selects,
    written,
)

CRDS: dict[str, Document] = json.loads((Path(__file__).parent / "schemas" / "crds.json").read_bytes())
#: The oldest that we say we run on.
VERSION = "1.30"
SOURCES = [KUBERNETES / name for name in ("base", "topics", "monitoring", "autoscaling")]
SETTINGS_FILES = sorted(KUBERNETES.rglob("squall.toml"))


def check(documents: list[Document]) -> None:
    """Validate each by its schema."""
    for document in documents:
        schema = CRDS.get(document["kind"])
        if schema is None:
            kubernetes_validate.validate(document, VERSION, strict=True)
        else:
            jsonschema.Draft202012Validator(schema).validate(document)


@pytest.mark.parametrize("folder", SOURCES, ids=lambda path: path.name)
def test_what_lies_there_is_valid(folder: Path) -> None:
    check(written(folder))


def test_what_an_overlay_renders_is_valid_and_in_one_namespace(overlay: list[Document]) -> None:
    check(overlay)
    namespaces = {document["metadata"].get("namespace") for document in overlay if document["kind"] != "Namespace"}
    assert namespaces == {"squall"}


def test_a_document_that_is_not_valid_is_refused() -> None:
    workers = next(of_kind(written(KUBERNETES / "base"), "StatefulSet"))
    workers["spec"]["replica"] = 2
    with pytest.raises(kubernetes_validate.ValidationError):
        check([workers])
    scaled = written(KUBERNETES / "autoscaling")[0]
    scaled["spec"]["triggers"][0]["metadata"]["lagThreshold"] = 120_000
    with pytest.raises(jsonschema.ValidationError):
        check([scaled])


def test_every_file_is_part_of_a_kustomization() -> None:
    for folder in {path.parent for path in KUBERNETES.rglob("kustomization.yaml")}:
        made = kustomization(folder)
        generated = [file for one in made.get("configMapGenerator", ()) for file in one["files"]]
        named = {*made["resources"], *generated, "kustomization.yaml"}
        assert {path.name for path in folder.iterdir() if path.is_file()} <= named, folder


def test_selectors_find_their_pods_and_ports_have_names_that_pods_know(overlay: list[Document]) -> None:
    templates = dict(pods(overlay))
    for document in of_kind(overlay, "StatefulSet", "Deployment"):
        name = document["metadata"]["name"]
        own = document["spec"]["selector"]["matchLabels"]
        assert [other for other in templates if selects(own, templates[other])] == [name]
    for service in of_kind(overlay, "Service"):
        (found,) = [template for template in templates.values() if selects(service["spec"]["selector"], template)]
        ports = {port["name"]: port["containerPort"] for port in found["spec"]["containers"][0]["ports"]}
        for port in service["spec"]["ports"]:
            assert ports[port["targetPort"]] == port["port"]
    for document in of_kind(overlay, "PodDisruptionBudget"):
        assert any(selects(document["spec"]["selector"]["matchLabels"], found) for found in templates.values())
    for document in of_kind(overlay, "NetworkPolicy"):
        wanted = document["spec"]["podSelector"]["matchLabels"]
        assert any(selects(wanted, found) for found in templates.values())
    for name, template in templates.items():
        for container in template["spec"]["containers"]:
            named = {port["name"] for port in container["ports"]}
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                assert container[probe]["httpGet"]["port"] in named, name


def test_what_is_scraped_has_services_with_that_port(production: list[Document]) -> None:
    services = list(of_kind(production, "Service"))
    jobs = set()
    for monitor in of_kind(production, "ServiceMonitor"):
        (service,) = [one for one in services if selects(monitor["spec"]["selector"]["matchLabels"], one)]
        (endpoint,) = monitor["spec"]["endpoints"]
        assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
        jobs |= {relabeling["replacement"] for relabeling in endpoint["relabelings"]}
    assert jobs == {"squall", "squall-notify", "squall-console"}


@pytest.mark.parametrize("path", SETTINGS_FILES, ids=lambda path: path.parent.name)
def test_settings_are_accepted(path: Path) -> None:
    settings = Settings(config=str(path))
    assert settings.worker.web_host == settings.notify.web_host == settings.console.host == "0.0.0.0"  # noqa: S104
    assert settings.worker.idempotent_producer
    for address in (*settings.console.workers, *settings.console.notifiers):
        assert address.endswith((f":{settings.worker.web_port}", f":{settings.notify.web_port}"))


def test_topics_workers_and_settings_agree_on_partitions(production: list[Document]) -> None:
    base, used = (Settings(config=str(KUBERNETES / place / "squall.toml")) for place in ("base", "overlays/production"))
    assert (used.partitions, used.replication) == (base.partitions, base.replication)
    resources = of_kind(written(KUBERNETES / "topics"), "KafkaTopic")
    topics = {document["spec"]["topicName"]: document["spec"] for document in resources}
    assert set(topics) == set(TOPICS)
    for name, topic in TOPICS.items():
        assert topics[name]["partitions"] == topic.partitions(used.partitions)
        assert topics[name]["replicas"] == used.replication
        assert {key: str(value) for key, value in topics[name]["config"].items()} == topic.configuration
    (scaled,) = of_kind(production, "ScaledObject")
    assert scaled["spec"]["minReplicaCount"] <= used.partitions
    assert scaled["spec"]["maxReplicaCount"] <= used.partitions
    (workers,) = of_kind(production, "StatefulSet")
    assert scaled["spec"]["scaleTargetRef"]["name"] == workers["metadata"]["name"]
    assert "replicas" not in workers["spec"], "two would set their number"


def test_the_autoscaler_looks_at_our_group_on_our_broker(production: list[Document]) -> None:
    settings = Settings(config=str(KUBERNETES / "overlays" / "production" / "squall.toml"))
    (scaled,) = of_kind(production, "ScaledObject")
    (trigger,) = scaled["spec"]["triggers"]
    assert trigger["metadata"]["consumerGroup"] == settings.app_id
    assert f"kafka://{trigger['metadata']['bootstrapServers']}" == settings.broker
    assert settings.security.uses_tls is (trigger["metadata"]["tls"] == "enable")
    assert trigger["metadata"]["sasl"] == settings.security.sasl_mechanism.lower().replace("-", "_").replace(
        "sha_", "sha"
    )
    (authentication,) = of_kind(production, "TriggerAuthentication")
    assert trigger["authenticationRef"]["name"] == authentication["metadata"]["name"]


def test_rules_are_those_of_grafana() -> None:
    ours = [
        group
        for document in of_kind(written(KUBERNETES / "monitoring"), "PrometheusRule")
        for group in document["spec"]["groups"]
    ]
    paths = sorted((KUBERNETES.parents[1] / "grafana" / "rules").glob("*.yaml"))
    theirs = [group for path in paths for group in yaml.safe_load(path.read_text())["groups"]]
    assert ours == theirs


def test_every_dashboard_is_a_config_map_that_grafana_takes_up(production: list[Document]) -> None:
    folder = KUBERNETES.parents[1] / "grafana" / "json"
    assert list(folder.iterdir())
    found = [one for one in of_kind(production, "ConfigMap") if "squall.toml" not in one["data"]]
    assert {name: text for one in found for name, text in one["data"].items()} == {
        path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()
    }
    for one in found:
        assert one["metadata"]["labels"]["grafana_dashboard"] == "1"
        assert sum(map(len, one["data"].values())) < 1_000_000, "the API server takes no more of one"


def test_the_kafka_user_may_do_what_is_needed_and_touch_no_more(production: list[Document]) -> None:
    (user,) = of_kind(written(KUBERNETES / "topics"), "KafkaUser")
    acls = {acl["resource"]["name"]: acl["operations"] for acl in user["spec"]["authorization"]["acls"]}
    settings = Settings(config=str(KUBERNETES / "overlays" / "production" / "squall.toml"))
    assert acls.pop(settings.app_id) == ["Read", "Describe"], "the groups of workers and notifier begin with it"
    assert user["metadata"]["name"] == settings.security.username
    assert set(acls) == set(TOPICS)
    for name, needed in NEEDED.items():
        assert {right.capitalize() for right in needed} <= set(acls[name])
    inputs = [name for name in EVENT_TYPES if "Write" in acls[name]]
    assert inputs == [], "events are the exchange's"
