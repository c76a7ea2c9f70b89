"""Breaks on the notional of all positions of an account."""

from collections import Counter
from decimal import Decimal
from itertools import chain
from typing import Any

from detectors.breaker import Breaker
from detectors.config import CoreSettings
from detectors.decisions import Trip
from detectors.entities import Entities
from detectors.events import LeverageChange
from detectors.exact import money, notional_cents
from detectors.guardrail_rules import ACCOUNT_EXPOSURE, Bounds, bounds_of
from detectors.guardrail_settings import Guardrails


class _Positions:
    """Notional of an account's positions by symbol, in hundredths, and its sum."""

    __slots__ = ("by_symbol", "cents", "turn")

    def __init__(self, turn: int) -> None:
        self.by_symbol: dict[str, int] = {}
        self.cents = 0
        self.turn = turn

    def put(self, symbol: str, cents: int) -> None:
        self.cents += cents - self.by_symbol.pop(symbol, 0)
        if cents:
            self.by_symbol[symbol] = cents

    def state(self) -> list[Any]:
        # As text: sums may have more digits than a packed number holds.
        return [list(chain.from_iterable((symbol, str(cents)) for symbol, cents in self.by_symbol.items())), self.turn]

    @classmethod
    def of(cls, _account: str, state: list[Any], _notes: list[str]) -> "_Positions":
        flat, turn = state
        positions = cls(turn)
        for symbol, cents in zip(flat[::2], flat[1::2], strict=True):
            positions.put(symbol, int(cents))
        return positions


class ExposureBreaker(Breaker):
    """Rule `account_exposure`, on `leverage`: the sum of `|position| * entry_price` over the account's symbols.

    Each position counts in whole hundredths of the quote currency, at its entry price: what the market did since is not
    in it. A position without a price (which an event may leave out) keeps the notional it had. Of an account's
    positions beyond `memory.max_symbols` the one changed longest ago is forgotten, and counted.

    Parameters
    ----------
    settings, counters
        The settings of the core (limits by account may stand in `guardrails.symbols`); the stage's counters.

    Examples
    --------
    >>> breaker = ExposureBreaker(CoreSettings(), Counter())
    >>> for symbol, position in (("BTC-PERP", -600.0), ("ETH-PERP", 10_000.0)):
    ...     price = {"BTC-PERP": 60_000.0, "ETH-PERP": 3_000.0}[symbol]
    ...     change = LeverageChange(0, "desk-7", symbol, 5.0, position=position, entry_price=price)
    ...     print([(trip.level, trip.value) for trip in breaker.on_change(change, breaker.notional_cents(change))])
    []
    [('soft', Decimal('66000000.00'))]
    """

    def __init__(self, settings: CoreSettings, counters: Counter[str]) -> None:
        super().__init__(ACCOUNT_EXPOSURE, settings, settings.guardrails.max_entities, counters)
        self._most_symbols = settings.memory.max_symbols
        self._accounts: Entities[_Positions] = Entities(
            None, save=_Positions.state, load=_Positions.of, turn=lambda positions: positions.turn
        )

    def notional_cents(self, change: LeverageChange) -> int:
        """Notional of the changed position, in hundredths; that of before when the change has no price for it."""
        if change.entry_price is not None or not change.position:
            return notional_cents(change.position, change.entry_price or 0.0)
        self.counters["unpriced_positions"] += 1
        positions = self._accounts.get(change.account)
        return 0 if positions is None else positions.by_symbol.get(change.symbol, 0)

    def on_change(self, change: LeverageChange, notional_cents: int) -> list[Trip]:
        """Judge an account by a change of one of its positions; changes come in the order of their offsets."""
        account = change.account
        trips = self.advance(change.timestamp, account)
        positions = self._take_up(account)
        positions.put(change.symbol, notional_cents)
        if len(positions.by_symbol) > self._most_symbols:
            positions.put(next(iter(positions.by_symbol)), 0)
            self.counters["evicted_exposures"] += 1
        trips += self.weigh(account, positions.cents / 100)
        if not positions.by_symbol:
            self._accounts.remove(account)
        return trips

    def limits_of(self, limits: Guardrails) -> Bounds:
        """The bounds of an account."""
        return bounds_of(limits.account_exposure, limits)

    def value_of(self, name: str, seen: object) -> Decimal:
        """The sum over the account's positions."""
        positions = self._accounts.get(name)
        return money(0 if positions is None else positions.cents)

    def kept(self) -> dict[str, Entities[Any]]:
        """Tripped accounts, and the positions of all."""
        return super().kept() | {"account_exposure_positions": self._accounts}

    def _take_up(self, account: str) -> _Positions:
        positions = self._accounts.touch(account)
        if positions is None:
            self.states.make_room(self._accounts, self.most)
            positions = self._accounts.add(account, _Positions(0))
        positions.turn = self.next_turn()
        return positions
