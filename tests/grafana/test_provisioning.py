"""What a Grafana, a Prometheus and an Alertmanager are started with: valid, and about the files that there are."""

import re
from pathlib import Path
from typing import Any

import yaml

from tests.grafana.tools import ROOT, dashboards, run

DEPLOY = ROOT / "deploy"
PROMETHEUS = DEPLOY / "prometheus" / "prometheus.yml"
ALERTMANAGER = DEPLOY / "prometheus" / "alertmanager.yml"


def loaded(*parts: str) -> Any:  # noqa: ANN401 - YAML
    return yaml.safe_load(DEPLOY.joinpath(*parts).read_text())


def test_prometheus_takes_its_configuration_with_our_rules(tmp_path: Path) -> None:
    text = PROMETHEUS.read_text()
    assert text.count("/etc/prometheus/rules/") == 1
    here = tmp_path / "prometheus.yml"
    here.write_text(text.replace("/etc/prometheus/rules/", f"{ROOT}/grafana/rules/"))
    said = run("promtool", "check", "config", str(here))
    assert "3 rule files found" in said or "4 rule files found" in said


def test_the_rule_files_are_found_where_they_are_mounted_and_their_tests_are_not() -> None:
    (pattern,) = loaded("prometheus", "prometheus.yml")["rule_files"]
    found = {path.name for path in (ROOT / "grafana" / "rules").glob(Path(pattern).name)}
    assert found == {path.name for path in (ROOT / "grafana" / "rules").glob("*.yaml")}


def test_scrape_jobs_are_named_as_rules_and_dashboards_name_them() -> None:
    scraped = loaded("prometheus", "prometheus.yml")["scrape_configs"]
    jobs = {job["job_name"]: job["static_configs"][0]["targets"] for job in scraped}
    assert jobs == {
        "squall": ["worker-1:6066", "worker-2:6066"],
        "squall-notify": ["notify:6068"],
        "squall-console": ["console:8066"],
    }
    rules = "".join(path.read_text() for path in (ROOT / "grafana" / "rules").glob("*.yaml"))
    named = set(re.findall(r'job=~?"([^"]+)"', rules))
    assert {job for names in named for job in names.split("|")} <= set(jobs)


def test_alertmanager_takes_its_configuration() -> None:
    assert "SUCCESS" in run("amtool", "check-config", str(ALERTMANAGER))


def test_the_watchdog_goes_its_own_way_and_all_else_to_people() -> None:
    def receiver(*labels: str) -> str:
        return run("amtool", "config", "routes", "test", f"--config.file={ALERTMANAGER}", *labels).strip()

    assert receiver("alertname=SquallWatchdog", "severity=none") == "watchdog"
    assert receiver("alertname=SquallNoEvents", "severity=critical") == "nobody"


def test_grafana_finds_its_source_and_its_dashboards_without_a_click() -> None:
    (source,) = loaded("grafana", "provisioning", "datasources", "prometheus.yaml")["datasources"]
    assert (source["type"], source["isDefault"], source["uid"]) == ("prometheus", True, "prometheus")
    interval = loaded("prometheus", "prometheus.yml")["global"]["scrape_interval"]
    assert source["jsonData"]["timeInterval"] == interval
    (provider,) = loaded("grafana", "provisioning", "dashboards", "squall.yaml")["providers"]
    assert provider["options"]["path"] == "/var/lib/grafana/dashboards"


def test_the_home_dashboard_is_there() -> None:
    text = (DEPLOY / "grafana" / "provisioning" / "dashboards" / "squall.yaml").read_text()
    (home,) = re.findall(r"GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH=/var/lib/grafana/dashboards/(\S+\.json)", text)
    assert dashboards()[home]["uid"] == "squall-integrity"


def test_compose_mounts_what_grafana_and_prometheus_look_for() -> None:
    services = loaded("compose.yaml")["services"]
    grafana, prometheus = services["grafana"], services["prometheus"]
    mounts = {mount.split(":")[1]: mount.split(":")[0] for mount in (*grafana["volumes"], *prometheus["volumes"])}
    wanted = {
        "/etc/grafana/provisioning": DEPLOY / "grafana" / "provisioning",
        "/var/lib/grafana/dashboards": ROOT / "grafana" / "json",
        "/etc/prometheus/rules": ROOT / "grafana" / "rules",
        "/etc/prometheus/prometheus.yml": PROMETHEUS,
    }
    assert {place: (DEPLOY / mounts[place]).resolve() for place in wanted} == wanted
    home = grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert Path(home).parent.as_posix() == "/var/lib/grafana/dashboards"
    assert dashboards()[Path(home).name]["uid"] == "squall-integrity"
    (source,) = loaded("grafana", "provisioning", "datasources", "prometheus.yaml")["datasources"]
    assert source["url"] == "http://prometheus:9090"


def test_compose_has_every_target_that_prometheus_scrapes() -> None:
    services = loaded("compose.yaml")["services"]
    config = loaded("prometheus", "prometheus.yml")
    targets = [target for job in config["scrape_configs"] for one in job["static_configs"] for target in one["targets"]]
    targets += [
        target
        for manager in config["alerting"]["alertmanagers"]
        for one in manager["static_configs"]
        for target in one["targets"]
    ]
    assert {target.split(":")[0] for target in targets} <= set(services)
