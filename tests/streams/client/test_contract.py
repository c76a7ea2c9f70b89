"""The client stands alone, agrees with what Squall sends, and its files are the ones that others are promised."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from detectors import decisions
from streams import client
from tests.streams.client.schemas import FILES, HERE, schema_text

ROOT = Path(__file__).parents[3]
_ALONE = """
import sys
from importlib.abc import MetaPathFinder

class Nothing(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        ours = top in ("detectors", "tests") or (top == "streams" and not (name + ".").startswith("streams.client."))
        if ours and name != "streams" or top in ("faust", "mode", "river", "numpy", "pydantic", "structlog", "typer"):
            raise ImportError(f"the client asked for {name}")
        return None

sys.meta_path.insert(0, Nothing())
from streams.client import Baseline, LimitView, TokenBuckets, read_limit
view = LimitView("engine-1", Baseline(10.0, 20.0))
assert TokenBuckets(view).allow("A", "new", 0)
for fault in ("import detectors", "import streams.topics", "import numpy"):
    try:
        exec(fault)
    except ImportError:
        continue
    raise SystemExit(f"{fault} was not refused")
print("alone")
"""


def test_the_client_works_without_the_rest_of_the_project() -> None:
    command = [sys.executable, "-W", "error", "-c", _ALONE]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert said.stdout == "alone\n", said.stderr


def bare(schema: Any) -> Any:  # noqa: ANN401 - JSON
    """A JSON Schema without what is said for people."""
    if isinstance(schema, dict):
        return {key: bare(value) for key, value in schema.items() if key != "description"}
    return [bare(value) for value in schema] if isinstance(schema, list) else schema


@pytest.mark.parametrize("name", ["RateLimit", "LimitAck"])
def test_the_clients_own_types_have_the_fields_types_and_defaults_of_what_squall_sends(name: str) -> None:
    ours, theirs = (msgspec.json.schema(getattr(module, name)) for module in (client, decisions))
    assert bare(ours) == bare(theirs)


def test_the_comparison_sees_another_default_and_another_type() -> None:
    class One(msgspec.Struct):
        version: int
        schema: int = 1

    class Other(msgspec.Struct):
        version: float
        schema: int = 2

    found, other = bare(msgspec.json.schema(One)), bare(msgspec.json.schema(Other))
    properties, others = (schema["$defs"][name]["properties"] for schema, name in ((found, "One"), (other, "Other")))
    assert all(properties[field] != others[field] for field in ("version", "schema"))


@pytest.mark.parametrize("name", FILES)
def test_the_schemas_are_those_of_what_squall_sends(name: str) -> None:
    assert (HERE / name).read_text() == schema_text(FILES[name]), "run: python -m tests.streams.client.schemas"


def test_what_squall_encodes_the_client_reads_and_back() -> None:
    limit = decisions.RateLimit(
        "account-17", 3, "enforce", "throttle", 5.0, 10.0, 0.5, 10, 20, decisions.EXEMPT, "alert", 1.0, 0.5, "why",
        ("a1",), decisions.NextLimit(1.0, 20), "o-1",
    )  # fmt: skip
    read = client.read_limit("account-17", msgspec.json.encode(limit))
    assert msgspec.to_builtins(read) == msgspec.to_builtins(limit)
    ack = client.LimitAck("account-17", 3, "rejected", "engine-1", 20, "why")
    assert msgspec.to_builtins(msgspec.json.decode(msgspec.json.encode(ack), type=decisions.LimitAck)) == (
        msgspec.to_builtins(ack)
    )


def test_the_contract_names_every_field_fault_and_vector() -> None:
    contract = (HERE / "contract.md").read_text()
    fields = {
        field.name for name in ("RateLimit", "LimitAck") for field in msgspec.structs.fields(getattr(client, name))
    }
    faults = set(msgspec.json.schema(client.Refused)["$defs"]["Refused"]["properties"]["fault"]["enum"])
    vectors = {path.stem for path in (HERE / "vectors").glob("*.json")}
    assert {name for name in fields | faults | vectors if f"`{name}`" not in contract} == set()


def test_the_files_for_other_languages_are_part_of_the_package() -> None:
    # Hatch puts every file of a package into the wheel that git does not ignore.
    files = [path.relative_to(ROOT).as_posix() for path in HERE.rglob("*") if path.suffix in (".json", ".md")]
    assert len(files) > len(FILES) + 1
    said = subprocess.run(["git", "check-ignore", *files], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S607 - as developers do
    assert said.stdout == ""


def test_every_vector_is_one_json_document_that_says_what_it_is_about() -> None:
    for path in (HERE / "vectors").glob("*.json"):
        assert json.loads(path.read_text())["about"].endswith("."), path.name
