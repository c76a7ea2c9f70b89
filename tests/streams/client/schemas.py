"""`python -m tests.streams.client.schemas`: writes the JSON Schemas of the records for who writes a client.

They are made from the types that Squall itself encodes and decodes, and lie beside the contract.
"""

import json
from pathlib import Path

import msgspec

from detectors.decisions import LimitAck, RateLimit
from streams import client

HERE = Path(client.__file__).parent
FILES: dict[str, type[msgspec.Struct]] = {"rate-limit.schema.json": RateLimit, "limit-ack.schema.json": LimitAck}


def schema_text(type_: type[msgspec.Struct]) -> str:
    """Make the JSON Schema (2020-12) of a record, as it stands in its file."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **msgspec.json.schema(type_)}
    return json.dumps(schema, indent=2) + "\n"


if __name__ == "__main__":
    for name, type_ in FILES.items():
        (HERE / name).write_text(schema_text(type_), encoding="utf-8")
