"""The kinds of inputs that a long run is made of: each makes a case from its seed, and checks it."""

from collections.abc import Callable
from random import Random
from typing import NamedTuple

from detectors.events import EVENT_TYPES
from tests.fuzz.checks import Tally, check_file, check_neighbours, check_own, check_own_in_stages, check_records
from tests.fuzz.corpus import corpus, rendered
from tests.fuzz.flows import check_flow, spoiled_flow
from tests.fuzz.mutations import HOSTILE_VALUES, broken_element, broken_record, mutated_bytes, odd_document, odd_element
from tests.fuzz.works import MAX_RECORD_BYTES

_TOPICS = tuple(EVENT_TYPES)


class Kind(NamedTuple):
    """A kind of input: its share of all inputs, and how a case of it is made and checked."""

    name: str
    share: float
    run: Callable[[int], Tally]


def mutated_records(seed: int) -> Tally:
    """Valid records with their bytes cut, flipped and spliced; a few very long or very deep."""
    chance = Random(seed)
    topic = chance.choice(_TOPICS)
    known = corpus().elements[topic]
    values: list[bytes | None] = []
    for _ in range(60):
        raw = rendered(chance.choice(known))
        if chance.random() < 0.3:
            raw = b"[" + b",".join((raw, rendered(chance.choice(known)), raw)) + b"]"
        values.append(mutated_bytes(chance, raw))
    values += [broken_record(chance, topic, chance.choice(known)), chance.randbytes(chance.randrange(100))]
    if seed % 200 == 0:
        values.append(huge(chance, rendered(known[0])))
    return _counted(check_records(topic, values))


def _counted(tally: Tally) -> Tally:
    """Every element is an input, and so is a record that was refused as a whole."""
    tally["inputs"] = sum(tally.values())
    return tally


def huge(chance: Random, good: bytes) -> bytes:
    """A record at the limit of its size, or ten times above it."""
    many = chance.choice((1, 1, 10)) * MAX_RECORD_BYTES
    unit = chance.choice((b"[", b'{"a":', b"[]", b"9", b'"', b"\\", b"0,", b" ", good + b","))
    return chance.choice((b"[", b"", b'{"x":')) + unit * (many // len(unit) - 2)


def frames(seed: int) -> Tally:
    """Frames of good elements, broken ones, and odd ones of which only the decoder can tell."""
    chance = Random(seed)
    topic = chance.choice(_TOPICS)
    known = corpus().elements[topic]
    elements: list[tuple[bytes, bool | None]] = []
    for _ in range(40):
        fields, kind = chance.choice(known), chance.randrange(10)
        if kind < 3:
            elements.append((rendered(fields), True))
        elif kind < 6:
            elements.append((broken_element(chance, topic, fields), False))
        else:
            elements.append((odd_element(chance, fields), None))
    tally = check_neighbours(topic, elements)
    tally["inputs"] = len(elements)
    return tally


def own_records(seed: int) -> Tally:
    """Records of the topics between stages, and alerts, mutated."""
    chance = Random(seed)
    topic = chance.choice(tuple(corpus().frames))
    tally = Tally()
    for _ in range(20):
        raw = chance.choice(corpus().frames[topic])
        tally.update(check_own(topic, (odd_document if chance.random() < 0.7 else mutated_bytes)(chance, raw)))
    tally["inputs"] = 20
    return tally


def own_records_in_stages(seed: int) -> Tally:
    """The same into the stage that reads them, between the good ones."""
    chance = Random(seed)
    topic = chance.choice(("account-activity", "signals"))
    values = []
    for raw in corpus().frames[topic]:
        if chance.random() < 0.5:
            values.append((odd_document if chance.random() < 0.9 else mutated_bytes)(chance, raw))
        values.append(raw)
    tally = check_own_in_stages(topic, values)
    tally["inputs"] = len(values)
    return tally


def files(seed: int) -> Tally:
    """Lines of a recording, mutated, through `squall replay`."""
    chance = Random(seed)
    lines = []
    for _ in range(1_000):
        topic = chance.choice(_TOPICS)
        fields, kind = chance.choice(corpus().elements[topic]), chance.randrange(10)
        if kind < 4:
            lines.append(rendered(fields))
        elif kind < 6:
            lines.append(odd_element(chance, fields))
        elif kind < 7:
            lines.append(chance.choice((broken_element(chance, topic, fields), chance.choice(HOSTILE_VALUES))))
        else:
            lines.append(mutated_bytes(chance, rendered(fields)))
    return _counted(check_file(lines, chance))


def flows(seed: int) -> Tally:
    """A flow through all stages, with and without what must be refused."""
    chance = Random(seed)
    sent = spoiled_flow(seed, rate=chance.choice((0.05, 0.2, 0.6)))
    works = check_flow(sent)
    tally = Tally({f"refused {reason}": many for reason, many in works.refused.items()})
    tally["accepted"] = works.events
    tally["inputs"] = sum(record.elements for record in sent)
    tally["alerts"], tally["signals"] = len(works.alerts), len(works.signals)
    return tally


KINDS: tuple[Kind, ...] = (
    Kind("mutated records", 0.30, mutated_records),
    Kind("frames", 0.30, frames),
    Kind("own records", 0.06, own_records),
    Kind("own records in stages", 0.04, own_records_in_stages),
    Kind("files", 0.10, files),
    Kind("flows", 0.20, flows),
)
