"""A mapping file: read, and refused with the place of what is wrong."""

import difflib
import re
import tomllib
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from msgspec.structs import fields

from detectors.errors import ConfigError
from detectors.events import EVENT_TYPES
from streams.mapping.field_mapping import NO_MAPPING, FieldMapping
from streams.mapping.field_specs import finder_of, reader_of
from streams.mapping.mapped_stream import Condition, FieldReader, MappedStream, required_fields
from streams.mapping.values import shown
from streams.topics import TOPICS

_KEYS = ("source", "match", "fields")
#: What Kafka takes for the name of a topic.
_topic_name = re.compile(r"[a-zA-Z0-9._-]{1,249}").fullmatch


def read_mapping(path: str) -> FieldMapping:
    """Read a mapping file; an empty path: there is none.

    Raises
    ------
    ConfigError
        It cannot be read, or says what makes no sense; the message says where.
    """
    if not path:
        return NO_MAPPING
    try:
        # Factors are meant as they are written.
        tree = tomllib.loads(Path(path).read_text(encoding="utf-8"), parse_float=Decimal)
    except OSError as error:
        raise ConfigError(f"{path}: expected a mapping file, found {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: expected TOML, found: {error}") from error
    return mapping_of(tree, path)


def mapping_of(tree: Mapping[str, Any], file: str) -> FieldMapping:
    """Make a mapping of what a file holds.

    Parameters
    ----------
    tree
        One table a topic: `source`, `match`, `fields`.
    file
        Named in messages.

    Examples
    --------
    >>> timestamp, latency_us = {"from": "T", "unit": "ms"}, {"from": "ms", "scale": 1000}
    >>> table = {"fields": {"timestamp": timestamp, "component": "c", "latency_us": latency_us}}
    >>> mapping = mapping_of({"latency": {"source": "infra.latency"} | table}, "mapping.toml")
    >>> mapping.streams["latency"].one(b'{"T": 5, "c": "gateway", "ms": 0.25}').latency_us
    250.0
    >>> mapping_of({"latency": {"fields": {"component": "c"}}}, "mapping.toml")
    Traceback (most recent call last):
    detectors.errors.ConfigError: mapping.toml: [latency.fields]: expected latency_us, timestamp too, found none
    """
    streams: dict[str, MappedStream] = {}
    sources: dict[str, str] = {}
    for topic, table in tree.items():
        if topic not in EVENT_TYPES:
            raise ConfigError(f"{file}: {_unknown(topic, list(EVENT_TYPES), 'a topic')}")
        where = f"{file}: [{topic}]"
        if not isinstance(table, Mapping):
            raise ConfigError(f"{where}: expected a table, found {shown(table)}")
        for key in table:
            if key not in _KEYS:
                raise ConfigError(f"{where}: {_unknown(key, _KEYS, 'a key')}")
        if "source" in table:
            sources[topic] = _source(table["source"], topic, sources, where)
        if "fields" in table:
            streams[topic] = _stream(topic, table, file)
        elif "match" in table or "source" not in table:
            raise ConfigError(f"{where}: expected `fields`, found none")
    return FieldMapping(file, streams, sources)


def _stream(topic: str, table: Mapping[str, Any], file: str) -> MappedStream:
    where = f"{file}: [{topic}.fields]"
    specs = table["fields"]
    if not isinstance(specs, Mapping):
        raise ConfigError(f"{where}: expected a table, found {shown(specs)}")
    known = [field.name for field in fields(EVENT_TYPES[topic])]
    readers: list[FieldReader] = []
    for name, spec in specs.items():
        if name not in known:
            raise ConfigError(f"{where}: {_unknown(name, known, 'a field')}")
        try:
            readers.append(FieldReader(name, *reader_of(name, spec)))
        except ConfigError as error:
            raise ConfigError(f"{where} {name}: {error}") from None
    missing = sorted(required_fields(topic) - set(specs))
    if missing:
        raise ConfigError(f"{where}: expected {', '.join(missing)} too, found none")
    return MappedStream(topic, readers, _conditions(table.get("match", {}), f"{file}: [{topic}] match"))


def _conditions(match: object, where: str) -> list[Condition]:
    if not isinstance(match, Mapping):
        raise ConfigError(f"{where}: expected a table of paths and values, found {shown(match)}")
    found: list[Condition] = []
    for path, wanted in match.items():
        many = wanted if isinstance(wanted, list) else [wanted]
        if not many or not all(isinstance(one, str | int) for one in many):
            raise ConfigError(
                f"{where} {path}: expected a text, number or truth, or a list of them, found {shown(wanted)}"
            )
        texts = frozenset(str(one).lower() if isinstance(one, bool) else str(one) for one in many)
        found.append(Condition(path, finder_of(path), texts))
    return found


def _source(source: object, topic: str, taken: Mapping[str, str], where: str) -> str:
    if not isinstance(source, str) or not _topic_name(source):
        raise ConfigError(f"{where} source: expected the name of a Kafka topic, found {shown(source)}")
    if source in taken.values():
        raise ConfigError(f"{where} source: expected a topic of its own, found {source!r} twice")
    if source in TOPICS and source != topic:
        raise ConfigError(f"{where} source: expected a topic of the exchange, found {source!r}, which is one of ours")
    return source


def _unknown(found: str, known: Sequence[str], what: str) -> str:
    near = difflib.get_close_matches(found, known, n=1, cutoff=0.5)
    hint = f"; did you mean `{near[0]}`?" if near else ""
    return f"expected {what} of {', '.join(known)}, found `{found}`{hint}"
