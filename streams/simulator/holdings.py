"""What the accounts hold on one symbol: positions, entry prices, leverage and margin mode."""

from bisect import bisect_left

import numpy as np
from numpy.random import Generator

from streams.simulator.settings import Contract, ExchangeSettings

#: The leverages that the exchange offers, and the share of accounts that use each.
LEVERAGES = (1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 25.0, 50.0, 75.0, 100.0, 125.0)
LEVERAGE_SHARES = (0.10, 0.10, 0.14, 0.22, 0.22, 0.10, 0.05, 0.04, 0.01, 0.015, 0.005)
#: Share of a position's value below which its margin must not fall.
MAINTENANCE = 0.004
_HOLDING_SHARE = 0.6
_MAKER_LEVERAGE = 3.0


class Holdings:
    """Positions of all accounts on one symbol, by account number.

    Parameters
    ----------
    contract
        The contract held.
    settings
        Of the exchange: how many accounts and makers.
    rng
        Draws who holds what at the start: more than half of the traders a heavy-tailed position, some of them not far
        from liquidation.
    """

    def __init__(self, contract: Contract, settings: ExchangeSettings, rng: Generator) -> None:
        count = settings.accounts
        sizes = np.exp(rng.normal(1.5, 1.2, count)) * contract.order_lots
        signs = np.where(rng.random(count) < 0.5, 1, -1)
        held = rng.random(count) < _HOLDING_SHARE
        held[: settings.makers] = False
        self.lots = np.where(held, signs * np.ceil(sizes), 0).astype(np.int64)
        self.leverage = rng.choice(LEVERAGES, count, p=LEVERAGE_SHARES)
        self.leverage[: settings.makers] = _MAKER_LEVERAGE
        self.isolated = rng.random(count) < 0.4
        # Below -1 a short would have been entered below a price of zero.
        used = np.clip(rng.normal(0, 0.4, count), -0.93, 0.93) * (1 / self.leverage - MAINTENANCE)
        self.entry = contract.price / (1 - signs * used)
        self._tradable = np.arange(count) >= settings.makers
        self._lots_per_unit = contract.lots_per_unit

    def fill(self, account: int, lots: int, price: float) -> None:
        """Book a fill of signed `lots`."""
        before = int(self.lots[account])
        after = before + lots
        if before * lots >= 0:
            entry = float(self.entry[account])
            self.entry[account] = (entry * abs(before) + price * abs(lots)) / abs(after)
        elif abs(lots) > abs(before):
            self.entry[account] = price
        self.lots[account] = after

    def position(self, account: int) -> float:
        """Return the signed position in units of the contract."""
        return int(self.lots[account]) / self._lots_per_unit

    def change_leverage(self, account: int, wanted: float, mark: float) -> tuple[float, float] | None:
        """Set the leverage as near to `wanted` as losses allow; return (before, after), or None if it stays."""
        before = float(self.leverage[account])
        loss = 0.0
        if self.lots[account]:
            move = mark / float(self.entry[account]) - 1
            loss = max(0.0, -move if self.lots[account] > 0 else move)
        # The exchange refuses what would leave less than a quarter of the room to liquidation.
        highest = 1 / (MAINTENANCE + loss / 0.75)
        if wanted > before:
            wanted = max(offered for offered in (before, *LEVERAGES) if offered <= max(before, min(wanted, highest)))
        if wanted == before:
            return None
        self.leverage[account] = wanted
        return before, wanted

    def raised(self, account: int, steps: int) -> float:
        """Return the leverage `steps` steps above the account's own."""
        at = bisect_left(LEVERAGES, float(self.leverage[account]))
        return LEVERAGES[min(at + steps, len(LEVERAGES) - 1)]

    def bankrupt(self, mark: float) -> list[int]:
        """Return the accounts whose margin is below maintenance at the mark price."""
        loss = np.sign(self.lots) * (1 - mark / self.entry)
        due = (loss >= 1 / self.leverage - MAINTENANCE) & (self.lots != 0) & self._tradable
        found: list[int] = np.flatnonzero(due).tolist()
        return found

    def open_interest(self) -> float:
        """Return the open interest in units of the contract."""
        return int(np.abs(self.lots).sum()) / 2 / self._lots_per_unit
