"""What other teams read: made from the code, in step with it, and valid by the standards that it names."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from typer.testing import CliRunner

from streams.cli import app
from streams.topics import TOPICS
from tests.deploy.generated import DEPLOY, generated_files

HERE = Path(__file__).parent
ASYNCAPI_DOCUMENT = DEPLOY / "contracts" / "asyncapi.json"
GENERATED = generated_files()


@pytest.mark.parametrize("path", GENERATED, ids=lambda path: str(path.relative_to(DEPLOY)))
def test_a_generated_file_is_what_the_code_makes(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == GENERATED[path], "run `python -m tests.deploy.generated`"


def test_no_schema_is_left_of_a_topic_that_is_gone() -> None:
    folder = DEPLOY / "contracts" / "schemas"
    assert {path for path in GENERATED if path.parent == folder} == set(folder.iterdir())


def test_the_document_is_valid_by_the_schema_of_asyncapi_itself() -> None:
    # From the npm package @asyncapi/specs 6.11.1 (Apache-2.0), schemas/3.0.0-without-$id.json.
    official = json.loads((HERE / "schemas" / "asyncapi-3.0.0.json").read_bytes())
    validator = jsonschema.Draft7Validator(official)
    document = json.loads(ASYNCAPI_DOCUMENT.read_bytes())
    assert [error.json_path for error in validator.iter_errors(document)] == []
    document["channels"]["trades"]["bindings"]["kafka"]["partitions"] = 0
    document["operations"]["read-trades"]["action"] = "read"
    assert not validator.is_valid(document)


def test_every_reference_in_the_document_leads_somewhere() -> None:
    document = json.loads(ASYNCAPI_DOCUMENT.read_bytes())
    found = list(references(document))
    assert len(found) > len(TOPICS)
    for reference in found:
        target = document
        for step in reference.removeprefix("#/").split("/"):
            target = target[step]


def test_every_channel_tells_key_content_and_configuration() -> None:
    document = json.loads(ASYNCAPI_DOCUMENT.read_bytes())
    for name, topic in TOPICS.items():
        kafka = document["channels"][name]["bindings"]["kafka"]
        assert kafka["topic"] == name
        assert kafka["partitions"] == topic.partitions(4)
        assert set(topic.configuration) == set(kafka["topicConfiguration"])
        message = document["components"]["messages"][name]
        assert message["bindings"]["kafka"]["key"]["description"] == topic.key
        assert topic.payload is not None or message["contentType"] != "application/json"


@pytest.mark.parametrize("path", sorted((DEPLOY / "contracts" / "schemas").iterdir()), ids=lambda path: path.name)
def test_a_schema_is_a_schema(path: Path) -> None:
    jsonschema.Draft202012Validator.check_schema(json.loads(path.read_bytes()))


def test_the_command_writes_the_same_schemas(tmp_path: Path) -> None:
    said = CliRunner().invoke(app, ["topics", "--schemas", str(tmp_path / "new")])
    assert said.exit_code == 0, said.output
    for path in (tmp_path / "new").iterdir():
        assert path.read_text() == GENERATED[DEPLOY / "contracts" / "schemas" / path.name]


def test_the_command_prints_resources_for_strimzi() -> None:
    said = CliRunner().invoke(app, ["topics", "--strimzi", "exchange", "--partitions", "12", "--replication", "2"])
    assert said.exit_code == 0, said.output
    made = {one["spec"]["topicName"]: one for one in yaml.safe_load_all(said.stdout)}
    assert set(made) == set(TOPICS)
    assert made["trades"]["spec"]["partitions"] == 12
    assert made["trades"]["spec"]["replicas"] == 2
    assert made["trades"]["metadata"]["labels"] == {"strimzi.io/cluster": "exchange"}


def test_a_folder_that_cannot_be_written_is_wrong_use(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said = CliRunner().invoke(app, ["topics", "--schemas", str(tmp_path / "file")])
    assert said.exit_code == 2
    assert "--schemas: expected a folder to write to" in said.stderr


def references(value: Any) -> list[str]:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [found for part in value.values() for found in references(part)]
    return [found for part in value for found in references(part)] if isinstance(value, list) else []
