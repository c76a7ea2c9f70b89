"""A flow of the simulated exchange as records, with what must be refused put in, and the same without it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any, NamedTuple

import msgspec

from streams.codecs import WHOLE_RECORD, encode_event
from streams.dead_letters import LONGEST_VALUE_BYTES
from tests.fuzz.corpus import Fields, encoded, exchange, fields_of, rendered
from tests.fuzz.mutations import broken_element, broken_record
from tests.fuzz.works import MAX_RECORD_BYTES, Violation, Works

_encode = msgspec.json.Encoder().encode
#: What stands for a bad record in the flow without it: a record that holds nothing, so that offsets stay the same.
_EMPTY = b"[]"
_FUTURE_US = 7_200_000_000
_KEYS = (None, b"", b"\xff\xfe", b"BTC-PERP", b"\x00" * 300, "\ud800".encode("utf-8", "surrogatepass"))
#: Valid, yet as far out as the types allow.
_EXTREMES: dict[bytes, tuple[bytes, ...]] = {
    b'"price"': (b"5e-324", b"1e-300", b"1e15", b'"1e-7"'),
    b'"entry_price"': (b"5e-324", b"1e15", b"null"),
    b'"amount"': (b"0", b"5e-324", b"1e15", b'"0.5"'),
    b'"position"': (b"1e15", b"-1e15", b"5e-324", b"-0.0"),
    b'"collateral"': (b"1e15", b"-1e15"),
    b'"leverage"': (b"0.001", b"1e6"),
    b'"prev_leverage"': (b"0.001", b"1e6", b"null"),
    b'"order_timestamp"': (b"0", b"1", b"4102444800000000"),
    b'"account"': (b'"\\u0000"', b'"' + b"n" * 128 + b'"', b'"*"', b'"\xe2\x80\xae"'),
    b'"trade_id"': (b"9" * 4_000, b'""', b'"\\u0000"'),
    b'"bids"': (b"[]", b"[[5e-324,1e15]]", b"[[1,0],[5e-324,1e15],[5e-324,5e-324]]", b"[[5e-324,1]]"),
    b'"asks"': (b"[]", b"[[1e15,1e15]]", b"[[999999999999999,0],[1e15,1e15]]", b"[[1e15,5e-324]]"),
}


class Sent(NamedTuple):
    """A record with what is known of it: its elements in order, and which of them must be refused, and why."""

    topic: str
    value: bytes | None
    without: bytes
    elements: int
    #: (element, bytes) of each that must be refused.
    bad: tuple[tuple[int, bytes], ...]


def spoiled_flow(seed: int, rate: float = 0.2, duration_s: float = 100.0) -> list[Sent]:
    """Records of a flow; a share of them with bad elements put in, and bad records between them."""
    chance = Random(seed)
    sent: list[Sent] = []
    begun: set[str] = set()
    for topic, events in _runs(seed, duration_s, chance):
        good = [_good(chance, event, rate) for event in events]
        if topic not in begun:
            # The first of a topic says what time it is, and is no part of the trial.
            sent.append(Sent(topic, good[0], good[0], 1, ()))
            begun.add(topic)
            continue
        sent.append(_frame(chance, topic, good, events, rate))
        if chance.random() < rate:
            sent.append(_whole(chance, topic, events[0]))
    return sent


def check_flow(sent: Sequence[Sent]) -> Works:
    """Run a flow with and without what must be refused; all that is said about the market must come out alike.

    Refused records are a fault of the feed: what rests on it may be held back, and then is counted.

    Raises
    ------
    Violation
        A bad element was taken or not told of exactly once, a good one was refused, or what came out differs.
    """
    works, clean = _run(sent, spoiled=True), _run(sent, spoiled=False)
    expected = _expected(sent)
    found = sorted((letter.topic, letter.offset, letter.element, letter.value) for letter in works.letters)
    if found != sorted(expected):
        odd = next(iter(set(found) ^ set(expected)), None) or (found or expected)[0]
        raise Violation(f"expected {len(expected)} dead letters, found {len(found)}; one differs: {odd[:3]}", odd[3])
    good = sum(record.elements - len(record.bad) for record in sent)
    if clean.letters or not works.events == clean.events == good:
        raise Violation(f"expected {good} elements taken, found {works.events}, and {clean.events} without the bad")
    _check_alike(works, clean)
    return works


def _check_alike(works: Works, clean: Works) -> None:
    """Signals about the market are the same, but for those held back; so are alerts, when none was held back."""
    with_bad, without = (Counter(map(_encode, _of_the_market(one.signals))) for one in (works, clean))
    new, gone = (with_bad - without).total(), (without - with_bad).total()
    if new > clean.held_back or gone > works.held_back:
        held = f"{clean.held_back} and {works.held_back} held back"
        raise Violation(f"expected the same signals with the bad records, found {new} more and {gone} less, {held}")
    alerts = [[msgspec.structs.replace(one, rank=0) for one in _of_the_market(run.alerts)] for run in (works, clean)]
    if not (works.held_back or clean.held_back) and alerts[0] != alerts[1]:
        raise Violation(f"expected the same alerts with the bad records, found {len(alerts[0])}, {len(alerts[1])}")


def _of_the_market(said: Sequence[Any]) -> list[Any]:
    """Alerts, or signals and moves with their ticks, that are of no feed fault: that is what bad records are."""
    return [
        one
        for one in said
        if "feed_fault" not in (getattr(part, "pattern", "") for part in (one if isinstance(one, tuple) else (one,)))
    ]


def _expected(sent: Sequence[Sent]) -> list[tuple[str, int, int, bytes]]:
    """Topic, offset, element and bytes of every dead letter."""
    offsets: Counter[str] = Counter()
    letters = []
    for record in sent:
        letters += [(record.topic, offsets[record.topic], at, raw[:LONGEST_VALUE_BYTES]) for at, raw in record.bad]
        offsets[record.topic] += 1
    return letters


def _run(sent: Sequence[Sent], *, spoiled: bool) -> Works:
    works = Works()
    start = 0
    # The same batches in both runs: consecutive records of one topic.
    for end in range(1, len(sent) + 1):
        if end == len(sent) or sent[end].topic != sent[start].topic or end - start == 20:
            works.take(sent[start].topic, [r.value if spoiled else r.without for r in sent[start:end]], _KEYS)
            start = end
    works.finish()
    return works


def _runs(seed: int, duration_s: float, chance: Random) -> Iterator[tuple[str, list[Fields]]]:
    """Up to a dozen consecutive events of one topic."""
    waiting: dict[str, list[Fields]] = {}
    for topic, event in exchange(seed, duration_s):
        run = waiting.setdefault(topic, [])
        run.append(fields_of(encode_event(event)))
        # No topic may fall far behind the others in time.
        if len(run) >= (1 if topic == "leverage" else chance.randrange(1, 13)):
            yield topic, waiting.pop(topic)
    yield from waiting.items()


def _good(chance: Random, fields: Fields, rate: float) -> bytes:
    """An event as it is, or with a field that is as far out as may be."""
    if chance.random() < rate / 10:
        places = [place for place, (name, _) in enumerate(fields) if name in _EXTREMES]
        if places:
            place = chance.choice(places)
            name = fields[place][0]
            fields = (*fields[:place], (name, chance.choice(_EXTREMES[name])), *fields[place + 1 :])
    return rendered(fields)


def _frame(chance: Random, topic: str, good: list[bytes], events: list[Fields], rate: float) -> Sent:
    elements = [(raw, False) for raw in good]
    if chance.random() < rate:
        for _ in range(chance.choice((1, 1, 2, 5))):
            raw = broken_element(chance, topic, chance.choice(events))
            elements.insert(chance.randrange(len(elements) + 1), (raw, True))
    if chance.random() < rate / 4:
        # One far ahead of its topic, between two that are not: its neighbours tell that the clock was wrong.
        ahead = tuple((name, _later(value) if name == b'"timestamp"' else value) for name, value in events[0])
        elements = [(good[0], False), (rendered(ahead), True), (good[0], False), *elements]
    without = b"[" + b",".join(raw for raw, bad in elements if not bad) + b"]"
    if len(elements) == 1:
        return Sent(topic, elements[0][0], without, 1, ())
    blank = chance.choice((b"", b" ", b"\n\t"))
    value = blank + b"[" + (blank + b"," + blank).join(raw for raw, _ in elements) + b"]" + blank
    bad = tuple((place, raw) for place, (raw, is_bad) in enumerate(elements) if is_bad)
    return Sent(topic, value, without, len(elements), bad)


def _later(timestamp: bytes) -> bytes:
    return encoded(int(timestamp) + _FUTURE_US)


def _whole(chance: Random, topic: str, fields: Fields) -> Sent:
    value = broken_record(chance, topic, fields)
    if chance.random() < 0.01:
        value = b'{"x":"' + b"x" * (MAX_RECORD_BYTES * chance.choice((1, 3, 10))) + b'"}'
    return Sent(topic, value, _EMPTY, 1, ((WHOLE_RECORD, value or b""),))
