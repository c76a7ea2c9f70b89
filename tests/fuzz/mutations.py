"""Seeded mutations of valid records: some that cannot be valid any more, some of which only the reader can tell."""

import re
from collections.abc import Callable
from random import Random

from tests.fuzz.corpus import Fields, rendered

# Whole JSON values, right or wrong, with balanced brackets and closed strings: an element that holds one can be told
# from its neighbours.
_NUMBERS = (
    b"0",
    b"-0",
    b"-0.0",
    b"1",
    b"-1",
    b"-5.5",
    b"5e-324",
    b"1e-400",
    b"1e15",
    b"1.0000001e15",
    b"1e308",
    b"-1e308",
    b"1e400",
    b"-1e400",
    b"9007199254740993",
    b"9223372036854775807",
    b"9223372036854775808",
    b"-9223372036854775808",
    b"18446744073709551616",
    b"4102444800000000",
    b"4102444800000001",
    b"9" * 400,
    b"9" * 4_300,
    b"9" * 5_000,
    b"-" + b"9" * 5_000,
    b"0." + b"0" * 5_000 + b"1",
)
_LITERALS = (
    b"NaN",
    b"Infinity",
    b"-Infinity",
    b"nan",
    b"null",
    b"true",
    b"false",
    b"undefined",
    b"01",
    b"+1",
    b".5",
    b"1.",
)
_STRINGS = (
    b'""',
    b'"x"',
    b'"nan"',
    b'"inf"',
    b'"-Infinity"',
    b'"1e400"',
    b'"-1"',
    b'"0"',
    b'"1"',
    b'" 1"',
    b'"1_0"',
    b'"0x1"',
    b'"' + b"9" * 5_000 + b'"',
    b'"' + b"n" * 128 + b'"',
    b'"' + b"n" * 129 + b'"',
    b'"' + b"n" * 70_000 + b'"',
    b'"\\ud800"',
    b'"\\udc00\\ud800"',
    b'"\\ud83d\\ude00"',
    b'"\xed\xa0\x80"',
    b'"\xff\xfe"',
    b'"\xc0\x80"',
    b'"\xf4\x90\x80\x80"',
    b'"\\u0000"',
    b'"\x00"',
    b'"\n"',
    b'"\\x"',
    b'"\\u12"',
    b'"\xe2\x80\xae\xef\xbb\xbf"',
    b'"],[{\\"},"',
    b'"trade"',
    b'"cancel"',
)
_NESTS = (
    b"[]",
    b"{}",
    b"[[]]",
    b"[null]",
    b"[[1,1],[2,2]]",
    b"[[0,1]]",
    b"[[1,-1]]",
    b"[[1]]",
    b"[[1,1,1]]",
    b'[["1","1"]]',
    b"[[5e-324,1e15]]",
    b"[[1e15,1e15]]",
    b"[[1e15,1],[5e-324,1]]",
    b"[[NaN,1]]",
    b'[{"type":"trade"}]',
    b'{"a":{"b":[{}]}}',
    b"[" * 40 + b"]" * 40,
    b"[" * 3_000 + b"]" * 3_000,
    b'{"a":' * 3_000 + b"1" + b"}" * 3_000,
)
HOSTILE_VALUES: tuple[bytes, ...] = (*_NUMBERS, *_LITERALS, *_STRINGS, *_NESTS)

_NOT_A_PRICE = (
    b"0",
    b"-0.0",
    b"-1",
    b"1e400",
    b"1e16",
    b"NaN",
    b"Infinity",
    b'"nan"',
    b'"inf"',
    b"true",
    b"[]",
    b"{}",
    b'"x"',
    b"9" * 5_000,
)
_NOT_A_TIME = (
    b"-1",
    b"9223372036854775808",
    b"4102444800000001",
    b"1.5",
    b"null",
    b"true",
    b'"x"',
    b"[]",
    b"9" * 5_000,
)
_NOT_A_NAME = (b'""', b"5", b"null", b"[]", b"{}", b'"\\ud800"', b'"\xff"', b'"' + b"n" * 129 + b'"')
_NOT_A_SIDE = (b'"hold"', b"null", b"1", b'""', b"[]")
_NOT_LEVELS = (
    b"[[0,1]]",
    b"[[1,-1]]",
    b"[[1]]",
    b"[[1,1,1]]",
    b"[1]",
    b"null",
    b'"x"',
    b"{}",
    b"[[1e400,1]]",
    b"[[NaN,1]]",
)
_NOT_AN_AMOUNT = tuple(value for value in _NOT_A_PRICE if value not in (b"0", b"-0.0"))
#: Required fields, with values that none of them may have.
WRONG: dict[bytes, tuple[bytes, ...]] = {
    b'"timestamp"': _NOT_A_TIME,
    b'"symbol"': _NOT_A_NAME,
    b'"account"': _NOT_A_NAME,
    b'"component"': _NOT_A_NAME,
    b'"price"': _NOT_A_PRICE,
    b'"amount"': _NOT_AN_AMOUNT,
    b'"latency_us"': _NOT_AN_AMOUNT,
    b'"leverage"': _NOT_A_PRICE,
    b'"side"': _NOT_A_SIDE,
    b'"bids"': _NOT_LEVELS,
    b'"asks"': _NOT_LEVELS,
}
#: Not required, yet never taken when wrong.
_OPTIONAL = {("liquidations", b'"account"')}
_CROSSED = ((b'"bids"', b"[[101,1]]"), (b'"asks"', b"[[101,1],[102,1]]"))
_RUBBISH = (b"null", b"1", b'"x"', b"[]", b"{}", b"nul", b"{:}", b'{"a" 1}', b"[" * 2_000 + b"]" * 2_000, b'"\xff"')


def broken_element(chance: Random, topic: str, fields: Fields) -> bytes:
    """An element that must be refused, and whose end can be found: brackets are balanced, strings closed."""
    kind = chance.randrange(10)
    if kind == 0:
        return chance.choice(_RUBBISH)
    if kind == 1:
        return rendered(((b'"type"', b'"quote"'), *fields[1:]))
    if kind == 2 and topic == "books":
        return rendered((*fields[:3], *_CROSSED))
    places = [place for place, (name, _) in enumerate(fields) if name in WRONG and (topic, name) not in _OPTIONAL]
    place = chance.choice(places)
    name = fields[place][0]
    if kind <= 4:
        return rendered(fields[:place] + fields[place + 1 :])
    if kind == 5:
        raw = rendered(fields)
        # Blanks, but none of JSON's.
        return chance.choice((raw.replace(b":", b" ", 1), b"\x0b" + raw, raw + b"\x0c", b"\xc2\xa0" + raw))
    return rendered((*fields[:place], (name, chance.choice(WRONG[name])), *fields[place + 1 :]))


def broken_record(chance: Random, topic: str, fields: Fields) -> bytes | None:
    """A record that must be refused as a whole."""
    kind = chance.randrange(6)
    raw = rendered(fields)
    if kind == 0:
        return chance.choice((None, b""))
    if kind == 1:
        return raw[: chance.randrange(1, len(raw))]
    if kind == 2:
        return b"\xef\xbb\xbf" + raw
    if kind == 3:
        return b"[" + raw + b"," + raw[: chance.randrange(len(raw))]
    if kind == 4:
        return b"\xff" + chance.randbytes(chance.randrange(40))
    found = broken_element(chance, topic, fields)
    return raw + b"}" if found.startswith(b"[") else found


def odd_element(chance: Random, fields: Fields) -> bytes:
    """An element with one or two fields replaced, doubled, dropped or renamed; brackets balanced, strings closed."""
    changed = list(fields)
    for _ in range(chance.randrange(1, 3)):
        place = chance.randrange(len(changed))
        name, value = changed[place]
        kind = chance.randrange(6)
        if kind <= 2:
            changed[place] = (name, chance.choice(HOSTILE_VALUES))
        elif kind == 3:
            changed.insert(chance.randrange(len(changed) + 1), (name, chance.choice((value, *HOSTILE_VALUES))))
        elif kind == 4 and len(changed) > 1:
            del changed[place]
        else:
            names = [other for other, _ in fields] + [b'"unknown"', b'"\xff"', b'"\\ud800"', b'""']
            changed[place] = (chance.choice(names), value)
    return rendered(tuple(changed))


_TOKENS = (*b'[]{},:"\\', *b"0-.eEntf", 0, 0xFF, 0xC0, 0xED)


def _truncated(chance: Random, raw: bytes, at: int) -> bytes:
    return raw[:at]


def _without(chance: Random, raw: bytes, at: int) -> bytes:
    return raw[:at] + raw[at + chance.randrange(1, 8) :]


def _flipped(chance: Random, raw: bytes, at: int) -> bytes:
    return raw[:at] + bytes([raw[at] ^ (1 << chance.randrange(8))]) + raw[at + 1 :]


def _with_token(chance: Random, raw: bytes, at: int) -> bytes:
    return raw[:at] + bytes([chance.choice(_TOKENS)]) * chance.choice((1, 1, 2, 40)) + raw[at:]


def _with_value(chance: Random, raw: bytes, at: int) -> bytes:
    return raw[:at] + chance.choice(HOSTILE_VALUES) + raw[at + chance.randrange(6) :]


def _with_noise(chance: Random, raw: bytes, at: int) -> bytes:
    return raw[:at] + chance.randbytes(chance.randrange(1, 6)) + raw[at:]


def _spliced(chance: Random, raw: bytes, at: int) -> bytes:
    other = chance.randrange(len(raw))
    return raw[:at] + raw[other : other + chance.randrange(1, 200)] + raw[at:]


def _wrapped(chance: Random, raw: bytes, at: int) -> bytes:
    before, after = chance.choice(
        (
            (b"[", b"]"),
            (b"[[", b"]]"),
            (b"\xef\xbb\xbf", b""),
            (b" \n", b"\t\r"),
            (b"\x0b", b"\x0c"),
            (b"[", b""),
            (b"", b"]"),
        )
    )
    return before + raw + after


_BYTE_MUTATIONS: tuple[Callable[[Random, bytes, int], bytes], ...] = (
    _truncated,
    _without,
    _flipped,
    _flipped,
    _with_token,
    _with_value,
    _with_noise,
    _spliced,
    _wrapped,
)


def mutated_bytes(chance: Random, raw: bytes) -> bytes:
    """The bytes cut, flipped, spliced or wrapped, once to three times; they may still be valid."""
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        raw = chance.choice(_BYTE_MUTATIONS)(chance, raw, chance.randrange(len(raw))) if raw else chance.randbytes(3)
    return raw


#: Numbers that JSON can hold and arithmetic perhaps not.
_EXTREME_NUMBERS = (b"0", b"-1", b"5e-324", b"1e308", b"-1e308", b"9223372036854775808", b"9" * 400, b"-" + b"9" * 400)
#: Some of them are names that mean something to the stages.
_TEXTS = (b'""', b'"x"', b'"group"', b'"account"', b'"symbol"', b'"leverage_spike"', b'"market/0"')
# Numbers, strings, literals, and arrays that hold nothing deeper.
_PART = re.compile(rb'"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|true|false|null|\[[^\[\]{}]*\]')


def odd_document(chance: Random, raw: bytes) -> bytes:
    """The document with some numbers, strings, literals or flat arrays replaced, often by others of their type."""
    for _ in range(chance.choice((1, 1, 2, 4))):
        # From a place chosen at random on: long documents need not be read whole.
        found = _PART.search(raw, chance.randrange(max(len(raw), 1))) or _PART.search(raw)
        if found is None:
            return raw
        value = chance.choice(HOSTILE_VALUES)
        if chance.random() < 0.8:
            first = found.group()[:1]
            numbers_or_texts = _TEXTS if first == b'"' else _EXTREME_NUMBERS
            value = b"[]" if first == b"[" else chance.choice(numbers_or_texts)
        raw = raw[: found.start()] + value + raw[found.end() :]
    return raw
