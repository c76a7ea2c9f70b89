"""What is worth an alert: one signal, or several together."""

import msgspec

from detectors.correlation import Joint
from detectors.ledger import merge_evidence
from detectors.results import Contribution, Evidence, Pattern, Severity, Signal
from detectors.titles import joint_title, signal_title

MARKET = "*"


class Finding(msgspec.Struct, frozen=True):
    """Something worth an alert, at the end of one tick."""

    timestamp: int
    pattern: Pattern
    symbol: str
    severity: Severity
    per_day: float
    p_value: float
    window_start: int
    title: str
    contributions: tuple[Contribution, ...]
    accounts: tuple[str, ...]
    notional: float
    evidence: tuple[Evidence, ...]
    families: int


def of_signal(signal: Signal, severity: Severity, tick_us: int) -> Finding:
    """A signal that is rare enough by itself."""
    return Finding(
        timestamp=signal.timestamp,
        pattern=signal.pattern,
        symbol=signal.symbol,
        severity=severity,
        per_day=signal.per_day,
        p_value=signal.p_value,
        window_start=signal.timestamp - tick_us,
        title=signal_title(signal),
        contributions=signal.contributions,
        accounts=signal.accounts,
        notional=signal.notional,
        evidence=signal.evidence,
        families=1,
    )


def of_joint(joint: Joint, severity: Severity, now_us: int, tick_us: int) -> Finding:
    """Signals that are rare enough together, at the end of a tick."""
    by_rarity = sorted(joint.signals, key=lambda signal: (signal.per_day, signal.entity))
    symbol = MARKET if joint.scope == "market" else by_rarity[0].symbol
    return Finding(
        timestamp=now_us,
        pattern="correlated_stress",
        symbol=symbol,
        severity=severity,
        per_day=joint.per_day,
        p_value=joint.p_value,
        window_start=min(signal.timestamp for signal in joint.signals) - tick_us,
        title=joint_title(joint, symbol),
        contributions=joint.contributions,
        accounts=tuple(dict.fromkeys(account for signal in by_rarity for account in signal.accounts)),
        notional=sum(signal.notional for signal in joint.signals),
        evidence=merge_evidence(part for signal in joint.signals for part in signal.evidence),
        families=len(joint.family_p_values),
    )
