"""A side of a book against a plain list of orders."""

from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from streams.simulator.book import EMPTY, BookSide, Order
from streams.simulator.settings import contract_of


class SideMachine(RuleBasedStateMachine):
    """A side of a book beside a plain list of its orders."""

    @initialize(is_buy=st.booleans())
    def start(self, is_buy: bool) -> None:
        self.is_buy = is_buy
        self.contract = contract_of("BTC-PERP")
        self.side = BookSide(self.contract, is_buy)
        self.orders: list[Order] = []
        self.count = 0

    @rule(ticks=st.integers(11_990, 12_010), lots=st.integers(1, 50))
    def add(self, ticks: int, lots: int) -> None:
        self.count += 1
        order = Order(self.count, 0, self.is_buy, -ticks if self.is_buy else ticks, lots, lots, 0)
        self.side.add(order)
        self.orders.append(order)
        assert order.price == ticks * self.contract.tick_size

    @precondition(lambda self: self.orders)
    @rule(data=st.data())
    def reduce(self, data: st.DataObject) -> None:
        order = data.draw(st.sampled_from(self.orders))
        self.side.reduce(order, data.draw(st.integers(1, order.lots)))
        self.orders = [order for order in self.orders if order.lots]

    @precondition(lambda self: self.orders)
    @rule()
    def meet_the_first(self) -> None:
        assert self.side.first() is min(self.orders, key=lambda order: (order.key, order.number))

    @invariant()
    def shows_the_same_depth(self) -> None:
        if not hasattr(self, "orders"):
            return
        depth: Counter[int] = Counter()
        for order in self.orders:
            depth[order.key] += order.lots
        expected = [(abs(key) * self.contract.tick_size, depth[key] / 1_000) for key in sorted(depth)]
        assert self.side.top(5) == expected[:5]
        assert self.side.best == min(depth, default=EMPTY)
        assert [level[0].key for level in self.side.by_level()] == sorted(depth)

    @precondition(lambda self: self.orders)
    @rule(ticks=st.integers(11_990, 12_010))
    def finds_the_better_ones(self, ticks: int) -> None:
        key = -ticks if self.is_buy else ticks
        found = {order.number for order in self.side.better_than(key)}
        assert found == {order.number for order in self.orders if order.key < key}


TestBookSide = SideMachine.TestCase
TestBookSide.settings = settings(deadline=None, max_examples=60, stateful_step_count=40)
