"""The ledger: an offset is committable only when everything sent up to it is acknowledged, and never goes back."""

from concurrent.futures import Future

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from streams.ledger import Ledger

Sent = Future[None]


class Steps(RuleBasedStateMachine):
    """Steps are noted in order; the broker acknowledges in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger()
        self.steps: list[tuple[list[Sent], int]] = []
        self.offset = 0
        self.highest = 0

    @rule(sends=st.integers(0, 3), grown=st.integers(0, 5))
    def step(self, sends: int, grown: int) -> None:
        self.offset += grown
        sent: list[Sent] = [Future() for _ in range(sends)]
        self.steps.append((sent, self.offset))
        self.ledger.note(sent, {"trades": self.offset})

    @precondition(lambda self: any(not future.done() for sent, _ in self.steps for future in sent))
    @rule(data=st.data())
    def acknowledge(self, data: st.DataObject) -> None:
        waiting = [future for sent, _ in self.steps for future in sent if not future.done()]
        data.draw(st.sampled_from(waiting)).set_result(None)

    @invariant()
    def committable_is_what_the_acknowledged_steps_allow(self) -> None:
        allowed = 0
        for sent, offset in self.steps:
            if not all(future.done() for future in sent):
                break
            allowed = offset
        found = self.ledger.committable().get("trades", 0)
        assert found == allowed
        assert found >= self.highest
        self.highest = found


TestSteps = Steps.TestCase
TestSteps.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


def test_what_could_not_be_sent_is_raised_and_holds_the_offset() -> None:
    ledger, sent = Ledger(), Future[None]()
    ledger.note([], {"trades": 5})
    ledger.note([sent], {"trades": 9})
    assert ledger.committable() == {"trades": 5}
    sent.set_exception(TimeoutError("the broker does not answer"))
    with pytest.raises(TimeoutError, match="does not answer"):
        ledger.committable()


@given(st.lists(st.integers(0, 50), min_size=1))
def test_offsets_never_go_back(offsets: list[int]) -> None:
    ledger = Ledger()
    for offset in offsets:
        ledger.note([], {"trades": offset})
    assert ledger.committable() == {"trades": max(offsets)}
