"""Settings of the guardrails: plain limits on raw values; defaults here, others by symbol or component."""

from dataclasses import dataclass, field, fields, replace
from decimal import Decimal, InvalidOperation

from detectors.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Guardrails:
    """The limits that no model has a say in.

    A pair is (soft, hard). Ratios are shares: 0.02 is 2 %. Money is in the quote currency, and given as text or whole
    numbers, so that it stays exact.

    Parameters
    ----------
    leverage_caps
        Notional from which a cap holds, and the cap: the higher the notional, the lower the cap.
    account_exposure
        Notional of all positions of an account.
    open_interest_share
        Share of a symbol's open interest that one account may hold.
    price_move
        Move of the last price against the lowest and highest of the window before it.
    price_window_s
        That window, in seconds.
    mark_index
        Distance of mark and index, as a share of index.
    stale_s
        Age of mark or index, in seconds of the time of the partition's other inputs.
    depth_floor
        Notional within 50 basis points of the mid price below which a side of the book counts as empty; hard is less.
    latency_us
        Latency of a component.
    liquidations
        Notional liquidated on a symbol within `liquidation_window_s`.
    liquidation_window_s
        That window, in seconds.
    clear_share
        A rule clears when its value is back within this share of its limit, in (0, 1].
    min_hold_s
        No rule clears sooner after it tripped, >= 0.
    max_entities
        Accounts remembered by a partition for exposure; those silent longest are forgotten first.
    symbols
        Other limits by symbol (or component): names of the fields above to their values.
    """

    leverage_caps: tuple[tuple[Decimal, Decimal], ...] = (
        (Decimal(0), Decimal(125)),
        (Decimal(250_000), Decimal(50)),
        (Decimal(2_500_000), Decimal(20)),
        (Decimal(25_000_000), Decimal(10)),
    )
    account_exposure: tuple[Decimal, Decimal] = (Decimal(50_000_000), Decimal(100_000_000))
    open_interest_share: tuple[Decimal, Decimal] = (Decimal("0.15"), Decimal("0.3"))
    price_move: tuple[Decimal, Decimal] = (Decimal("0.05"), Decimal("0.1"))
    price_window_s: int = 300
    mark_index: tuple[Decimal, Decimal] = (Decimal("0.02"), Decimal("0.05"))
    stale_s: tuple[Decimal, Decimal] = (Decimal(5), Decimal(30))
    depth_floor: tuple[Decimal, Decimal] = (Decimal(10_000), Decimal(1_000))
    latency_us: tuple[Decimal, Decimal] = (Decimal(250_000), Decimal(1_000_000))
    liquidations: tuple[Decimal, Decimal] = (Decimal(5_000_000), Decimal(25_000_000))
    liquidation_window_s: int = 60
    clear_share: Decimal = Decimal("0.8")
    min_hold_s: int = 60
    max_entities: int = 200_000
    symbols: dict[str, dict[str, object]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rising = (
            "account_exposure",
            "open_interest_share",
            "price_move",
            "mark_index",
            "stale_s",
            "latency_us",
            "liquidations",
        )
        for name in rising:
            soft, hard = getattr(self, name)
            if not 0 < soft <= hard:
                raise ConfigError(f"guardrails.{name}: 0 < soft <= hard must hold, was {soft}, {hard}")
        soft, hard = self.depth_floor
        if not 0 <= hard <= soft:
            raise ConfigError(f"guardrails.depth_floor: 0 <= hard <= soft must hold, was {soft}, {hard}")
        caps = self.leverage_caps
        if not caps or list(caps) != sorted(caps) or any(cap <= 0 for _, cap in caps):
            raise ConfigError(f"guardrails.leverage_caps must have rising notionals and caps > 0, was {caps}")
        if not 0 < self.clear_share <= 1:
            raise ConfigError(f"guardrails.clear_share must be in (0, 1], was {self.clear_share}")
        for name, least in (("price_window_s", 1), ("liquidation_window_s", 1), ("min_hold_s", 0), ("max_entities", 1)):
            if getattr(self, name) < least:
                raise ConfigError(f"guardrails.{name} must be >= {least}, was {getattr(self, name)}")
        for entity in self.symbols:
            limits_of(self, entity)


def limits_of(guardrails: Guardrails, entity: str) -> Guardrails:
    """The limits of one entity that has a table of its own.

    Raises
    ------
    ConfigError
        Its table names what is no limit, or gives what is no number.

    Examples
    --------
    >>> guardrails = Guardrails(symbols={"DOGE-PERP": {"mark_index": ["0.03", "0.08"]}})
    >>> limits_of(guardrails, "DOGE-PERP").mark_index
    (Decimal('0.03'), Decimal('0.08'))
    """
    known = {one.name for one in fields(Guardrails)} - {"symbols", "max_entities"}
    given: dict[str, object] = {}
    for name, value in guardrails.symbols[entity].items():
        if name not in known:
            raise ConfigError(f"guardrails.symbols.{entity}: unknown limit `{name}`, known: {', '.join(sorted(known))}")
        try:
            given[name] = _exact(value) if not name.endswith(("window_s", "hold_s")) else int(str(value))
        except (InvalidOperation, ValueError) as error:
            raise ConfigError(f"guardrails.symbols.{entity}.{name}: expected numbers, found {value!r}") from error
    return replace(guardrails, symbols={}, **given)  # type: ignore[arg-type]


def _exact(value: object) -> object:
    if isinstance(value, list | tuple):
        return tuple(_exact(one) for one in value)
    return Decimal(str(value))
