"""A simulated exchange that obeys the limits which the pipeline makes of its own events: the loop, closed."""

from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import replace

from detectors.config import CoreSettings
from detectors.decisions import RateLimit
from detectors.events import Event
from detectors.limit_settings import Limits, Tier
from detectors.pipeline import Pipeline
from streams.client import Baseline, LimitView, TokenBuckets, read_account, read_limit
from streams.codecs import encode_decision
from streams.simulator import Exchange, ExchangeSettings, Incident

SECOND_US = 1_000_000
#: How often the pipeline is asked what it has to say: a worker does so with every batch.
_TURN_US = 100_000
#: A venue knows its makers.
_MAKERS = {"maker-*": "maker"}


def loop_settings(mode: str = "enforce", **limits: object) -> CoreSettings:
    """The default settings of the core, with the makers in their tier."""
    settings = CoreSettings()
    return replace(settings, limits=Limits(mode=mode, accounts=_MAKERS, **limits))  # type: ignore[arg-type]


def _baseline(tier: Tier) -> Baseline:
    return Baseline(tier.orders_per_second, tier.burst)


class Engine:
    """The exchange's side: what Squall says, some time later, and a bucket for each account.

    Parameters
    ----------
    limits
        The controller's settings: the baselines are those of its tiers.
    transport_us
        From a record's making until the engine sees it.
    """

    def __init__(self, limits: Limits, transport_us: int) -> None:
        makers = _baseline(limits.tiers["maker"])
        self.view = LimitView(
            "engine-1",
            _baseline(limits.tiers["default"]),
            lambda account: makers if account.startswith("maker-") else None,
        )
        self.buckets = TokenBuckets(self.view)
        self._transport_us = transport_us
        self._coming: deque[tuple[int, bytes, bytes]] = deque()
        #: (account, second of event time) -> orders that were sent, and of them those let in.
        self.sent: Counter[tuple[str, int]] = Counter()
        self.admitted: Counter[tuple[str, int]] = Counter()
        #: Account -> when a limit below its baseline was first taken up.
        self.first_applied_us: dict[str, int] = {}

    def send(self, limit: RateLimit, now_us: int) -> None:
        """Put a record on its way."""
        self._coming.append((now_us + self._transport_us, limit.account.encode(), encode_decision(limit)))

    def hear(self, now_us: int) -> None:
        """Take up what has come; the feed itself is alive all the time."""
        while self._coming and self._coming[0][0] <= now_us:
            arrived_us, key, value = self._coming.popleft()
            account = read_account(key)
            assert account is not None
            self.view.apply(account, read_limit(account, value), arrived_us)
            if self.view.limit_of(account, arrived_us) is not None:
                self.first_applied_us.setdefault(account, arrived_us)
        self.view.feed_seen(now_us)

    def admit(self, account: str, _symbol: str, now_us: int) -> bool:
        """Say whether an order may enter."""
        self.hear(now_us)
        place = account, now_us // SECOND_US
        self.sent[place] += 1
        if not self.buckets.allow(account, "new", now_us):
            return False
        self.admitted[place] += 1
        return True

    def limited(self, accounts: Sequence[str], now_us: int) -> list[str]:
        """Those of the accounts that have less than their baseline."""
        return [account for account in accounts if self.view.limit_of(account, now_us) is not None]


class ClosedLoop:
    """Exchange, pipeline and engine in one process, by event time.

    Parameters
    ----------
    exchange
        Size, rate and length.
    incidents
        What goes wrong.
    settings
        Of the core.
    transport_us
        From a record's making until the engine sees it.
    killed_us
        From when on no record is made any more; None: never.
    """

    def __init__(
        self,
        exchange: ExchangeSettings,
        incidents: Sequence[Incident],
        settings: CoreSettings,
        transport_us: int = 100_000,
        killed_us: int | None = None,
    ) -> None:
        self.engine = Engine(settings.limits, transport_us)
        self.limits: list[RateLimit] = []
        self._exchange = Exchange(exchange, incidents, self.engine.admit)
        self._pipeline = Pipeline(settings, 2, lambda key: sum(key.encode()) % 2)
        self._killed_us = killed_us
        self._offsets: defaultdict[str, int] = defaultdict(int)

    def events(self) -> Iterator[tuple[str, Event]]:
        """Run; what happens on the exchange is handed out as it happens."""
        turn_us = 0
        for topic, event in self._exchange.events():
            now_us = event.timestamp
            if self._killed_us is None or now_us < self._killed_us:
                if now_us // _TURN_US != turn_us:
                    turn_us = now_us // _TURN_US
                    self._pipeline.turn()
                    self._send(now_us)
                self._pipeline.push(topic, self._offsets[topic], event)
                self._offsets[topic] += 1
            self.engine.hear(now_us)
            yield topic, event

    def run(self) -> None:
        """Run to the end."""
        for _ in self.events():
            pass

    def _send(self, now_us: int) -> None:
        for limit in self._pipeline.results().limits:
            self.limits.append(limit)
            self.engine.send(limit, now_us)

    @property
    def tightened(self) -> set[str]:
        """Accounts that the controller has ever wanted below their baseline."""
        return {limit.account for limit in self.limits if limit.multiplier < 1.0}
