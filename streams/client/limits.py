"""What stands on `rate-limits` and `limit-acks`, and which records an engine refuses whenever they come."""

from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

#: The meaning of the fields that this client knows.
SCHEMA = 1
#: Of a refused record whose version cannot be read.
NO_VERSION = -1
#: Also the length of `LimitAck.account`: a longer one cannot be answered.
LONGEST_ACCOUNT = 128
_LATEST_US = 4_102_444_800_000_000
_LONGEST_REASON = 500

Mode = Literal["shadow", "enforce"]
LimitAction = Literal["none", "throttle", "post_only", "reduce_only", "block"]
Indicator = Literal["pressure", "collective_pressure", "p_value", "alert", "stress", "override", "recovery"]
#: Why a record is refused.
Fault = Literal["malformed", "schema", "account", "version", "multiplier", "rate", "lease", "block", "future"]


class NextLimit(msgspec.Struct, frozen=True):
    """What follows on a limit when nothing new happens: its multiplier from a time on."""

    multiplier: float
    at: int


class RateLimit(msgspec.Struct, frozen=True):
    """A record of `rate-limits`; its fields are described in `contract.md`."""

    account: str
    version: int
    mode: Mode
    action: LimitAction
    orders_per_second: float
    burst: float
    multiplier: float
    issued_at: int
    expires_at: int
    exempt: tuple[str, ...]
    indicator: Indicator
    value: float
    trigger: float
    reason: str
    alert_ids: tuple[str, ...]
    next: NextLimit
    override_id: str = ""
    schema: int = SCHEMA


class LimitAck(msgspec.Struct, frozen=True):
    """An engine's answer, as it goes to `limit-acks`.

    `applied`: it is the newest there, and in force if its mode is `enforce`; `stale`: older than another, or its lease
    was over when it came; `rejected`: refused, and `reason` says why.
    """

    account: Annotated[str, Meta(min_length=1, max_length=128)]
    version: int
    status: Literal["applied", "stale", "rejected"]
    engine: Annotated[str, Meta(min_length=1, max_length=128)]
    timestamp: Annotated[int, Meta(ge=0, le=_LATEST_US)]
    reason: Annotated[str, Meta(max_length=_LONGEST_REASON)] = ""
    schema: int = SCHEMA


class Refused(msgspec.Struct, frozen=True):
    """A record that no engine may act on, and why; `message` is for people."""

    version: int
    fault: Fault
    message: str

    @property
    def reason(self) -> str:
        """As it stands in the answer, cut where the answer would be refused."""
        return f"{self.fault}: {self.message}"[:_LONGEST_REASON]


class _Version(msgspec.Struct):
    version: int


_records = msgspec.json.Decoder(RateLimit)
_versions = msgspec.json.Decoder(_Version)


def read_account(key: bytes | None) -> str | None:
    r"""Read the key of a record; None: it names no account that could be limited or answered.

    Examples
    --------
    >>> read_account(b"account-17"), read_account(b""), read_account(b"\xff")
    ('account-17', None, None)
    """
    try:
        account = (key or b"").decode()
    except UnicodeDecodeError:
        return None
    return account if 0 < len(account) <= LONGEST_ACCOUNT else None


def read_limit(account: str, value: bytes) -> RateLimit | Refused:
    """Decode the value of a record, and refuse what is never acted on, whatever the time.

    Parameters
    ----------
    account
        The key of the record.
    value
        JSON, UTF-8.

    Examples
    --------
    >>> read_limit("account-17", b'{"version": 7}').reason
    'malformed: Object missing required field `account`'
    >>> read_limit("account-17", b"").version
    -1
    """
    try:
        record = _records.decode(value)
    # Text that is no UTF-8 is told by the first, a deep nesting by the last.
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Refused(_version_of(value), "malformed", str(error))
    return _fault_of(account, record) or record


def _version_of(value: bytes) -> int:
    try:
        version = _versions.decode(value).version
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return NO_VERSION
    return version if _is_version(version) else NO_VERSION


def _is_version(version: int) -> bool:
    return 0 <= version < 2**63


def _fault_of(account: str, record: RateLimit) -> Refused | None:
    if not _is_version(record.version):
        return Refused(NO_VERSION, "version", f"expected 0 to 2^63 - 1, found {record.version}")
    for fault, fine, message in _rules(account, record):
        if not fine:
            return Refused(record.version, fault, message)
    return None


def _rules(account: str, record: RateLimit) -> Iterator[tuple[Fault, bool, str]]:
    yield "schema", record.schema == SCHEMA, f"expected {SCHEMA}, found {record.schema}"
    yield "account", record.account == account, f"expected that of the key, {account!r}, found {record.account!r}"
    yield "multiplier", 0.0 < record.multiplier <= 1.0, f"expected one in (0, 1], found {record.multiplier}"
    for name, rate in (("orders_per_second", record.orders_per_second), ("burst", record.burst)):
        yield "rate", 0.0 <= rate < float("inf"), f"expected {name} >= 0, found {rate}"
    # A rate of nothing would be a block that nobody ordered.
    passes = record.orders_per_second > 0.0 or record.action not in ("throttle", "post_only")
    yield "rate", passes, f"expected orders_per_second > 0 with {record.action}, found 0"
    found = f"{record.issued_at} and {record.expires_at}"
    fine = 0 <= record.issued_at < record.expires_at <= _LATEST_US
    yield "lease", fine, f"expected issued_at before expires_at, in microseconds, found {found}"
    ordered = record.action != "block" or record.override_id != ""
    yield "block", ordered, "expected the override_id of an operator's order, found none"
