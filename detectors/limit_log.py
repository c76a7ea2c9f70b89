"""What the rate-limit controller has decided and not handed on yet: limits with rising versions, and their audit."""

from detectors.decisions import AuditRecord, NextLimit, Override, RateLimit
from detectors.limit_records import US, audit_of_limit, limit_record
from detectors.limit_settings import Baselines, Limits
from detectors.limit_targets import Target
from detectors.results import Contribution


class LimitLog:
    """Numbers limits, and keeps what was decided until it is taken.

    A version is the event time of the decision, or one more than the version before where that is not above it: so
    versions rise even when all state was lost, as event time does.

    Parameters
    ----------
    settings
        The controller's settings.
    baselines
        What accounts may do without any limit.

    Examples
    --------
    >>> log = LimitLog(Limits(), Baselines(Limits()))
    >>> [log.publish("a", 0.5, now_us, NextLimit(0.6, 90)).version for now_us in (10, 10, 40)]
    [10, 11, 40]
    >>> [limit.expires_at for limit in log.take()[0]], log.take()
    ([30000010, 30000010, 30000040], ((), ()))
    """

    def __init__(self, settings: Limits, baselines: Baselines) -> None:
        self._settings = settings
        self._baselines = baselines
        #: The highest so far.
        self.version = 0
        self._limits: list[RateLimit] = []
        self._audit: list[AuditRecord] = []

    def publish(
        self,
        account: str,
        multiplier: float,
        now_us: int,
        following: NextLimit,
        *,
        target: Target | None = None,
        order: Override | None = None,
        alert_ids: tuple[str, ...] = (),
        reason: str = "",
    ) -> RateLimit:
        """Make the next limit of an account; see `limit_record`."""
        self.version = max(now_us, self.version + (1 if self.version >= now_us else 0))
        limit = limit_record(
            account,
            self.version,
            multiplier,
            self._baselines.tier(account),
            self._settings,
            now_us,
            target=target,
            following=following,
            alert_ids=alert_ids,
            order=order,
            reason=reason or (order.reason if order is not None else ""),
        )
        self._limits.append(limit)
        return limit

    def write_down(
        self, limit: RateLimit, before: float, contributions: tuple[Contribution, ...] = (), author: str = US
    ) -> None:
        """Note in the audit that a limit has changed, from which multiplier, and what led to it."""
        self._audit.append(audit_of_limit(limit, before, contributions, author))

    def note(self, record: AuditRecord) -> None:
        """Note anything else in the audit."""
        self._audit.append(record)

    def take(self) -> tuple[tuple[RateLimit, ...], tuple[AuditRecord, ...]]:
        """What was decided since the last call."""
        limits, self._limits = tuple(self._limits), []
        audit, self._audit = tuple(self._audit), []
        return limits, audit
