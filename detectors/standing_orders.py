"""The operators' orders in force: who is pinned or released, what is silenced, whether the controller rests."""

from collections.abc import Iterator
from typing import Any

import msgspec

from detectors.base import State
from detectors.decisions import Override


class StandingOrders:
    """Orders by scope, the newest of each; an order ends when its time is over, or when another takes its place.

    Of one scope one order is in force at a time: a release ends a pin, a resume ends a freeze or a kill. Orders are
    taken in the order in which they stand in their topic.

    Examples
    --------
    >>> orders = StandingOrders()
    >>> orders.take(Override("1", "controller", "kill", "ann", "bad model", timestamp=0, expires_at=60), now_us=10)
    True
    >>> orders.is_killed, orders.ended(now_us=59), [order.action for order in orders.ended(now_us=60)], orders.is_killed
    (True, [], ['kill'], False)
    """

    def __init__(self) -> None:
        self._by_scope: dict[str, Override] = {}

    def __iter__(self) -> Iterator[Override]:
        return iter(self._by_scope.values())

    def take(self, order: Override, now_us: int) -> bool:
        """Let an order be in force; False when its time is already over."""
        if order.expires_at <= now_us:
            return False
        self._by_scope[order.scope] = order
        return True

    def ended(self, now_us: int) -> list[Override]:
        """Let go of the orders whose time is over, in the order of their ends."""
        over = sorted(
            (order for order in self._by_scope.values() if order.expires_at <= now_us),
            key=lambda order: (order.expires_at, order.scope),
        )
        for order in over:
            del self._by_scope[order.scope]
        return over

    @property
    def next_end_us(self) -> int | None:
        """When the next of them ends; None: there are none."""
        return min((order.expires_at for order in self._by_scope.values()), default=None)

    def of_account(self, account: str) -> Override | None:
        """The pin or release in force for an account."""
        return self._by_scope.get(f"account:{account}")

    @property
    def pins(self) -> list[Override]:
        """All pins in force, by account."""
        return sorted((one for one in self._by_scope.values() if one.action == "pin"), key=lambda one: one.scope)

    @property
    def controller(self) -> Override | None:
        """The freeze or kill in force."""
        order = self._by_scope.get("controller")
        return None if order is None or order.action == "resume" else order

    @property
    def is_killed(self) -> bool:
        """Whether no limit may be made but by operators."""
        order = self.controller
        return order is not None and order.action == "kill"

    @property
    def is_frozen(self) -> bool:
        """Whether limits stay as they are."""
        order = self.controller
        return order is not None and order.action == "freeze"

    @property
    def silenced(self) -> frozenset[str]:
        """Patterns that count for nothing."""
        return frozenset(
            scope.removeprefix("pattern:") for scope, order in self._by_scope.items() if order.action == "silence"
        )

    def state(self) -> State:
        """All orders in force."""
        return {"orders": list(self._by_scope.values())}

    def restore(self, state: State) -> None:
        """Take up where `state()` was made."""
        orders: Any = msgspec.convert(state["orders"], list[Override])
        self._by_scope = {order.scope: order for order in orders}
