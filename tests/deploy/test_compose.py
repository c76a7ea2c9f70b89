"""The compose file: every reference in it leads somewhere, its commands parse, its settings are accepted."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from streams.settings import Settings, setting_names
from streams.topics import bootstrap_servers
from tests.deploy.commands import parsed_command

DEPLOY = Path(__file__).parents[2] / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("squall:")}
THEIRS = {name: service for name, service in SERVICES.items() if name not in OURS}
#: What compose knows of a service, as far as we use it: a misspelt key would be refused, or passed over.
KNOWN = {
    *("image", "build", "restart", "environment", "volumes", "read_only", "tmpfs", "cap_drop", "security_opt"),
    *("networks", "depends_on", "command", "entrypoint", "stop_grace_period", "hostname", "ports", "healthcheck"),
    "secrets",
}
SETTINGS = Settings(config=str(DEPLOY / "squall.toml"))


def mounts() -> Iterator[tuple[str, str, str]]:
    """Service, source and place of all that is mounted."""
    for name, service in SERVICES.items():
        for volume in service.get("volumes", ()):
            source, place, *_ = volume.split(":")
            yield name, source, place


def test_all_services_that_are_promised_are_there() -> None:
    assert set(SERVICES) == {
        *("kafka", "topics", "worker-1", "worker-2", "notify", "console", "exchange"),
        *("prometheus", "alertmanager", "grafana"),
    }


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_says_nothing_that_compose_does_not_know(name: str) -> None:
    assert set(SERVICES[name]) <= KNOWN
    assert set(SERVICES[name].get("networks", ())) <= set(COMPOSE["networks"])
    assert set(SERVICES[name].get("secrets", ())) <= set(COMPOSE.get("secrets", ()))


@pytest.mark.parametrize("name", SERVICES)
def test_images_have_exact_versions(name: str) -> None:
    assert re.fullmatch(r"[a-z0-9/]+:v?\d+\.\d+\.\d+", SERVICES[name]["image"])


def test_kafka_has_the_version_that_we_test_with() -> None:
    version = re.findall(r"<kafka.version>(.+)</kafka.version>", (DEPLOY / "kafka" / "pom.xml").read_text())[0]
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{version}"


@pytest.mark.parametrize(("service", "source", "place"), list(mounts()))
def test_what_is_mounted_is_there(service: str, source: str, place: str) -> None:
    assert place.startswith("/"), service
    if source.startswith("."):
        assert (DEPLOY / source).exists()
    else:
        assert source in COMPOSE["volumes"]


def test_services_wait_for_services_that_say_when_they_are_ready() -> None:
    for name, service in SERVICES.items():
        for other, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_completed_successfully":
                assert SERVICES[other]["restart"] == "no", name
            else:
                assert how["condition"] == "service_healthy"
                assert other in OURS or "test" in SERVICES[other]["healthcheck"], name
    assert SERVICES["topics"]["depends_on"] == {"kafka": {"condition": "service_healthy"}}
    assert all("topics" in SERVICES[name]["depends_on"] for name in OURS if name not in ("topics", "exchange"))


@pytest.mark.parametrize("name", sorted(set(OURS) - {"exchange"}))
def test_our_commands_parse(name: str) -> None:
    assert parsed_command(OURS[name]["command"])


@pytest.mark.parametrize("name", OURS)
def test_variables_of_ours_are_settings(name: str) -> None:
    ours = [one for one in OURS[name]["environment"] if one.startswith("SQUALL_")]
    assert {one.removeprefix("SQUALL_").lower().replace("__", ".") for one in ours} <= set(setting_names())
    assert OURS[name]["environment"]["SQUALL_CONFIG"] in {place for of, _, place in mounts() if of == name}


def test_addresses_in_the_settings_are_services_at_ports_that_they_listen_on() -> None:
    listening = {
        *(f"{name}:{SETTINGS.worker.web_port}" for name in ("worker-1", "worker-2")),
        f"notify:{SETTINGS.notify.web_port}",
        "alertmanager:9093",
        "kafka:9092",
    }
    asked = [
        *SETTINGS.console.workers,
        *SETTINGS.console.notifiers,
        *(sink.url for sink in SETTINGS.notify.sinks.values()),
        *bootstrap_servers(SETTINGS.broker),
    ]
    assert {address.removeprefix("http://") for address in asked} == listening
    assert SETTINGS.worker.web_host == SETTINGS.notify.web_host == SETTINGS.console.host == "0.0.0.0"  # noqa: S104
    assert SERVICES["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"].startswith(f"INSIDE://{asked[-1]}")


def test_probes_ask_the_ports_of_their_services() -> None:
    ports = {"notify": SETTINGS.notify.web_port, "console": SETTINGS.console.port}
    for name, port in ports.items():
        assert OURS[name]["environment"]["PROBE_URL"] == f"http://127.0.0.1:{port}/livez"


def test_files_that_the_settings_name_are_mounted() -> None:
    places = [place for name, _, place in mounts() if name == "notify"]
    assert any(SETTINGS.notify.state_dir.startswith(f"{place}/") for place in places)


def test_it_comes_up_without_a_secret_and_the_console_takes_one_from_the_folder_of_secrets() -> None:
    assert not SETTINGS.console.token_file
    assert "secrets" not in COMPOSE
    told = OURS["console"]["environment"]["SQUALL_CONSOLE__TOKEN_FILE"]
    assert told == "${CONSOLE_TOKEN_FILE:-}"
    assert ("console", "./secrets", "/run/secrets") in set(mounts())


def test_ports_are_open_on_this_machine_alone() -> None:
    for service in SERVICES.values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))


@pytest.mark.parametrize("name", OURS)
def test_our_containers_can_change_nothing_but_their_state(name: str) -> None:
    service = OURS[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_workers_have_longer_to_end_than_they_take_and_names_of_their_own() -> None:
    names = set()
    for name in ("worker-1", "worker-2"):
        assert float(OURS[name]["stop_grace_period"].removesuffix("s")) >= SETTINGS.worker.stop_timeout_s + 10
        names.add(OURS[name]["environment"]["SQUALL_WORKER__GROUP_INSTANCE_ID"])
    assert len(names) == 2


def test_prometheus_scrapes_our_services_and_reads_the_rules() -> None:
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
    jobs = {
        job["job_name"]: {target for group in job["static_configs"] for target in group["targets"]}
        for job in config["scrape_configs"]
    }
    port = SETTINGS.worker.web_port
    assert jobs["squall"] == {f"worker-1:{port}", f"worker-2:{port}"}
    assert jobs["squall-notify"] == {f"notify:{SETTINGS.notify.web_port}"}
    assert jobs["squall-console"] == {f"console:{SETTINGS.console.port}"}
    assert "console" in SETTINGS.console.hosts, "it refuses to be asked by other names"
    assert all(pattern.startswith("/etc/prometheus/rules/") for pattern in config["rule_files"])
    (manager,) = config["alerting"]["alertmanagers"]
    assert manager["static_configs"][0]["targets"] == ["alertmanager:9093"]


def test_secrets_cannot_get_into_the_repository() -> None:
    assert (DEPLOY / "secrets" / ".gitignore").read_text().splitlines()[-2:] == ["*", "!.gitignore"]


def test_grafana_shows_a_dashboard_of_ours_first() -> None:
    environment = SERVICES["grafana"]["environment"]
    home = Path(environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    places = {place: source for of, source, place in mounts() if of == "grafana"}
    assert (DEPLOY / places[str(home.parent)] / home.name).exists()
    assert environment["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"
