"""What operators do from the console: what they say of alerts, and their orders."""

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from detectors.decisions import AuditRecord, Feedback, Override
from detectors.errors import ConfigError
from detectors.orders import ACCOUNT_SCOPE, CONTROLLER, PATTERN_SCOPE
from streams.codecs import encode_decision
from streams.order_making import make_order
from streams.settings import Settings
from streams.topic_sending import send_records
from streams.topics import AUDIT, FEEDBACK

#: What is typed to confirm the kill switch; a block is confirmed with the account's name.
KILL_WORD = "KILL"
VERDICTS = ("true", "false", "noise")
ORDERS = ("pin", "release", "silence", "freeze", "resume", "kill")

_encode = msgspec.json.encode
_feedback_decoder = msgspec.json.Decoder(Feedback)


def acknowledgement(alert_id: str, author: str, note: str, now_us: int, before: Feedback | None) -> Feedback:
    """Say that somebody looks after an alert; a verdict that was given before stays.

    Raises
    ------
    ConfigError
        A field is too long.
    """
    verdict = before.verdict if before is not None else ""
    kept = note.strip() or (before.note if before is not None else "")
    return _checked(Feedback(alert_id, author, now_us, acknowledged=True, verdict=verdict, note=kept))


def verdict_on(alert_id: str, author: str, verdict: str, note: str, now_us: int) -> Feedback:
    """Judge an alert: it was true, false, or noise; who judges it has seen it.

    Raises
    ------
    ConfigError
        It is none of these, or a field is too long.

    Examples
    --------
    >>> verdict_on("3f9a", "ann", "maybe", "", 0)
    Traceback (most recent call last):
    detectors.errors.ConfigError: verdict: expected one of true, false, noise, found 'maybe'
    """
    if verdict not in VERDICTS:
        raise ConfigError(f"verdict: expected one of {', '.join(VERDICTS)}, found {verdict!r}")
    feedback = Feedback(alert_id, author, now_us, acknowledged=True, verdict=verdict, note=note.strip())  # type: ignore[arg-type]
    return _checked(feedback)


def audited(feedback: Feedback) -> AuditRecord:
    """Make the line of `audit` for what was said of an alert; said again in the same words it has the same id."""
    reason = feedback.note or feedback.verdict or "acknowledged"
    audit_id = hashlib.blake2b(_encode(feedback), digest_size=16).hexdigest()
    return AuditRecord(
        audit_id, "feedback", feedback.timestamp, feedback.alert_id, feedback.author, reason, feedback=feedback
    )


def order_of(form: Mapping[str, Any], author: str, now_us: int) -> Override:
    """Make the order that a form asks for.

    Parameters
    ----------
    form
        `action`, `name` (account or pattern), `limit`, `multiplier`, `for`, `reason`, `confirm`.
    author
        Who orders it.
    now_us
        What time it is.

    Raises
    ------
    ConfigError
        Something is missing, or workers would refuse it, or what stops an account or everything is not confirmed.
    """
    action, name = _text(form, "action"), _text(form, "name")
    if action not in ORDERS:
        raise ConfigError(f"action: expected one of {', '.join(ORDERS)}, found {action!r}")
    limit = _text(form, "limit") or "throttle"
    if action == "kill" and _text(form, "confirm") != KILL_WORD:
        raise ConfigError(f"confirm: expected {KILL_WORD}, found something else; nothing was ordered")
    if action == "pin" and limit == "block" and _text(form, "confirm") != name:
        raise ConfigError("confirm: expected the account's name, found something else; nothing was ordered")
    scopes = {"pin": ACCOUNT_SCOPE + name, "release": ACCOUNT_SCOPE + name, "silence": PATTERN_SCOPE + name}
    return make_order(
        scopes.get(action, CONTROLLER),
        action,  # type: ignore[arg-type]
        reason=_text(form, "reason"),
        lasting=_text(form, "for"),
        author=author,
        now_us=now_us,
        limit=limit if action == "pin" else "throttle",  # type: ignore[arg-type]
        multiplier=_multiplier(form, limit) if action == "pin" else 1.0,
    )


async def send_feedback(feedback: Feedback, settings: Settings) -> None:
    """Send what was said of an alert, and its line of audit before: nothing is said without one.

    Raises
    ------
    BrokerError
        The broker does not answer, or does not take it.
    """
    key = feedback.alert_id.encode()
    records = [(AUDIT, key, encode_decision(audited(feedback))), (FEEDBACK, key, _encode(feedback))]
    await send_records(records, settings, sender="console", what="what was said")


def _checked(feedback: Feedback) -> Feedback:
    try:
        return _feedback_decoder.decode(_encode(feedback))
    except (msgspec.DecodeError, UnicodeError) as error:
        raise ConfigError(f"this would be refused: {error}") from error


def _text(form: Mapping[str, Any], name: str) -> str:
    value = form.get(name, "")
    return value.strip() if isinstance(value, str) else ""


def _multiplier(form: Mapping[str, Any], limit: str) -> float:
    given = _text(form, "multiplier")
    if limit != "throttle" and not given:
        return 1.0
    try:
        return float(given) if limit != "none" else 1.0
    except ValueError:
        raise ConfigError(f"multiplier: expected a share of the baseline in (0, 1], found {given!r}") from None
