"""The ledger: a mark is reached only when everything sent before it is acknowledged, and in order."""

from concurrent.futures import Future

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from streams.ledger import Ledger

Sent = Future[None]


class Steps(RuleBasedStateMachine):
    """Steps are noted in order; the broker acknowledges in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger: Ledger[int] = Ledger()
        self.steps: list[tuple[list[Sent], int]] = []
        self.offset = 0
        self.reached: list[int] = []

    @rule(sends=st.integers(0, 3), grown=st.integers(0, 5))
    def step(self, sends: int, grown: int) -> None:
        self.offset += grown
        sent: list[Sent] = [Future() for _ in range(sends)]
        self.steps.append((sent, self.offset))
        self.ledger.note(sent, self.offset)

    @precondition(lambda self: any(not future.done() for sent, _ in self.steps for future in sent))
    @rule(data=st.data())
    def acknowledge(self, data: st.DataObject) -> None:
        waiting = [future for sent, _ in self.steps for future in sent if not future.done()]
        data.draw(st.sampled_from(waiting)).set_result(None)

    @invariant()
    def reached_are_the_marks_of_the_acknowledged_steps(self) -> None:
        allowed: list[int] = []
        for sent, offset in self.steps:
            if not all(future.done() for future in sent):
                break
            allowed.append(offset)
        self.reached += self.ledger.take()
        assert self.reached == allowed


TestSteps = Steps.TestCase
TestSteps.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


def test_what_could_not_be_sent_is_raised_and_holds_the_mark() -> None:
    ledger, sent = Ledger[int](), Future[None]()
    ledger.note([], 5)
    ledger.note([sent], 9)
    assert ledger.take() == [5]
    sent.set_exception(TimeoutError("the broker does not answer"))
    with pytest.raises(TimeoutError, match="does not answer"):
        ledger.take()


def test_steps_without_a_mark_hold_the_marks_behind_them() -> None:
    ledger, sent = Ledger[int](), Future[None]()
    ledger.note([sent])
    ledger.note([], 9)
    assert (ledger.take(), ledger.pending) == ([], 2)
    sent.set_result(None)
    assert (ledger.take(), ledger.pending) == ([9], 0)
