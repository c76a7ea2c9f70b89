"""What the pods of each overlay are given, and what they may do."""

import tomllib

from streams.settings import Settings, setting_names
from tests.deploy.commands import parsed_command
from tests.deploy.manifests import Document, of_kind, pods

#: They are made by hand, as the comments of the kustomizations say.
SECRETS = {"squall-console": {"token"}, "squall-kafka": {"username", "password", "ca.crt"}}


def test_pods_run_as_nobody_and_can_change_nothing_but_their_state(overlay: list[Document]) -> None:
    for name, template in pods(overlay):
        spec = template["spec"]
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] == 10_001
        assert spec["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
        assert spec["automountServiceAccountToken"] is False
        for container in spec["containers"]:
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False
            assert context["readOnlyRootFilesystem"] is True
            assert context["capabilities"]["drop"] == ["ALL"]
            assert {"cpu", "memory"} <= set(container["resources"]["requests"])
            assert "memory" in container["resources"]["limits"]
            assert container["image"].partition(":")[2] not in ("", "latest"), name


def test_variables_of_services_are_not_taken_for_settings(overlay: list[Document]) -> None:
    for _, template in pods(overlay):
        assert template["spec"]["enableServiceLinks"] is False
        for container in template["spec"]["containers"]:
            names = [one["name"].removeprefix("SQUALL_").lower().replace("__", ".") for one in container["env"]]
            assert set(names) <= set(setting_names())


def test_pods_have_longer_to_end_than_they_take(overlay: list[Document]) -> None:
    settings = Settings()
    graces = {name: template["spec"]["terminationGracePeriodSeconds"] for name, template in pods(overlay)}
    assert graces["squall-worker"] >= settings.worker.stop_timeout_s + 10
    assert graces["squall-notify"] >= settings.notify.stop_timeout_s + 10


def test_there_is_one_notifier_and_never_two(overlay: list[Document]) -> None:
    (notify,) = [
        document for document in of_kind(overlay, "Deployment") if document["metadata"]["name"] == "squall-notify"
    ]
    (settings,) = [one["data"]["squall.toml"] for one in of_kind(overlay, "ConfigMap") if "squall.toml" in one["data"]]
    has_sinks = bool(tomllib.loads(settings)["notify"].get("sinks"))
    assert notify["spec"]["replicas"] == int(has_sinks), "it refuses to run without a sink"
    assert notify["spec"]["strategy"] == {"type": "Recreate"}


def test_containers_are_started_with_commands_that_exist(overlay: list[Document]) -> None:
    for _, template in pods(overlay):
        for container in template["spec"]["containers"]:
            assert parsed_command(container["args"])


def test_config_maps_secrets_and_claims_that_pods_name_are_there(overlay: list[Document]) -> None:
    config_maps = {document["metadata"]["name"] for document in of_kind(overlay, "ConfigMap")}
    claims = {document["metadata"]["name"] for document in of_kind(overlay, "PersistentVolumeClaim")}
    assert not list(of_kind(overlay, "Secret"))
    for name, template in pods(overlay):
        volumes = {volume["name"]: volume for volume in template["spec"]["volumes"]}
        for volume in volumes.values():
            if "configMap" in volume:
                assert volume["configMap"]["name"] in config_maps
            if "persistentVolumeClaim" in volume:
                assert volume["persistentVolumeClaim"]["claimName"] in claims
            if "secret" in volume:
                keys = {item["key"] for item in volume["secret"].get("items", ())}
                assert keys <= SECRETS[volume["secret"]["secretName"]]
        for container in template["spec"]["containers"]:
            assert {mount["name"] for mount in container["volumeMounts"]} == set(volumes), name
    for document in of_kind(overlay, "TriggerAuthentication"):
        for part in document["spec"]["secretTargetRef"]:
            assert part["key"] in SECRETS[part["name"]]


def test_files_that_the_settings_name_are_mounted(overlay: list[Document]) -> None:
    (config_map,) = [one for one in of_kind(overlay, "ConfigMap") if "squall.toml" in one["data"]]
    read = tomllib.loads(config_map["data"]["squall.toml"])
    mounted = {
        f"{mount['mountPath']}/"
        for _, template in pods(overlay)
        for mount in template["spec"]["containers"][0]["volumeMounts"]
    }
    named = [
        value
        for group in read.values()
        if isinstance(group, dict)
        for name, value in group.items()
        if name.endswith(("_file", "_dir"))
    ]
    assert len(named) >= 2
    for path in named:
        assert any(path.startswith(place) for place in mounted), path
