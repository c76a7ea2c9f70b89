"""Hypothesis: elements with some fields replaced by whatever JSON can say, and bytes around them."""

import json
from typing import Any

from hypothesis import strategies as st

from tests.fuzz.corpus import Fields, corpus, rendered
from tests.fuzz.mutations import HOSTILE_VALUES

_NUMBERS = st.one_of(
    st.integers(),
    st.integers(-(10**400), 10**400),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([2**53 + 1, 2**63, -(2**63) - 1, 2**64]),
)
_SCALARS = st.one_of(st.none(), st.booleans(), _NUMBERS, st.text(max_size=20))
_DOCUMENTS: st.SearchStrategy[Any] = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)),
    max_leaves=12,
)

#: Values of fields: hostile tokens, or any JSON, with lone surrogates escaped as `json` does.
tokens = st.one_of(st.sampled_from(HOSTILE_VALUES), _DOCUMENTS.map(lambda found: json.dumps(found).encode()))
_NAMES = st.text(max_size=6).map(lambda name: json.dumps(name).encode())


@st.composite
def elements(draw: st.DrawFn, topic: str) -> bytes:
    """An element of a topic in which some fields have other values, and others are new."""
    fields: Fields = draw(st.sampled_from(corpus().elements[topic][:40]))
    places = draw(st.sets(st.integers(0, len(fields) - 1), max_size=3))
    changed = [(name, draw(tokens) if place in places else value) for place, (name, value) in enumerate(fields)]
    changed += draw(st.lists(st.tuples(_NAMES, tokens), max_size=2))
    return rendered(tuple(draw(st.permutations(changed))))
