"""The settings of one sink: where alerts go, which of them, and how often."""

from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

from pydantic import SecretStr

from detectors.errors import ConfigError
from detectors.results import Pattern, Severity

Kind = Literal["webhook", "pagerduty", "slack", "alertmanager"]
GroupField = Literal["pattern", "symbol"]

PAGERDUTY_URL = "https://events.pagerduty.com/v2/enqueue"
#: Alertmanager takes an alert that it does not hear of for a few minutes to be over.
_LEAST_RESEND_S, _MOST_RESEND_S = 30.0, 180.0


@dataclass(frozen=True, slots=True)
class SinkSettings:
    """One receiver of alerts, a table `[notify.sinks.NAME]`.

    Parameters
    ----------
    kind
        `webhook` (Standard Webhooks, signed), `pagerduty` (Events v2), `slack` (an incoming webhook), `alertmanager`
        (API v2).
    url
        Where requests go: needed by `webhook` and `alertmanager` (its base, without `/api/v2/alerts`); with `pagerduty`
        the address of its European service or of a proxy; `slack` has none, since its address is the secret. It is
        shown by `squall config`, and must hold no password.
    secret, secret_file
        One of them: the secret, or a file that holds nothing else. `webhook`: `whsec_...`, several of them between
        white space while they rotate, the newest first; `pagerduty`: the routing key; `slack`: the webhook's URL;
        `alertmanager`: a bearer token, if it asks for one.
    min_severity
        Milder alerts are not sent; one that becomes worse is sent from then on.
    patterns, symbols
        Only these, all when empty; symbols may hold `*` and `?`.
    group_by
        Alerts that have these in common share messages.
    group_wait_s
        How long a group waits for more before it speaks, in seconds, >= 0. Alertmanager groups by itself: there it,
        `group_interval_s`, `update_s` and `repeat_s` have no effect.
    group_interval_s
        Least seconds between two messages that something is open in a group, >= 0; critical alerts do not wait for it.
    update_s
        Least seconds between two messages on one alert while its severity stays, >= 0.
    repeat_s
        An alert that is open, and that nobody looks after, is sent again after so many seconds; 0: never.
    send_resolved
        Whether it is told that an alert is over.
    resend_s
        How often an Alertmanager hears of what is open, in seconds, in [30, 180].
    timeout_s
        How long a request may take, in seconds, > 0.
    give_up_s
        What cannot be delivered for so many seconds after the first attempt goes to the dead letters, > 0.
    queue_size
        Alerts that wait to be told for the first time; more are told of in one summary, >= 1.
    breaker_failures, breaker_s
        After so many failures in a row (>= 1) nothing is sent for so many seconds (> 0), then one message as a probe.

    Raises
    ------
    ConfigError
        What cannot work.

    Examples
    --------
    >>> SinkSettings("slack", url="https://hooks.slack.com/x")
    Traceback (most recent call last):
    detectors.errors.ConfigError: url has no effect with kind 'slack': its address is the secret
    """

    kind: Kind
    url: str = ""
    secret: SecretStr = field(default_factory=lambda: SecretStr(""))
    secret_file: str = ""
    min_severity: Severity = "warning"
    patterns: tuple[Pattern, ...] = ()
    symbols: tuple[str, ...] = ()
    group_by: tuple[GroupField, ...] = ("pattern", "symbol")
    group_wait_s: float = 5.0
    group_interval_s: float = 30.0
    update_s: float = 60.0
    repeat_s: float = 3_600.0
    send_resolved: bool = True
    resend_s: float = 60.0
    timeout_s: float = 10.0
    give_up_s: float = 3_600.0
    queue_size: int = 200
    breaker_failures: int = 5
    breaker_s: float = 30.0

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        for name in ("group_wait_s", "group_interval_s", "update_s", "repeat_s"):
            _require(0.0 <= getattr(self, name) < float("inf"), f"{name} must be >= 0", getattr(self, name))
        for name in ("timeout_s", "give_up_s", "breaker_s"):
            _require(0.0 < getattr(self, name) < float("inf"), f"{name} must be > 0", getattr(self, name))
        for name in ("queue_size", "breaker_failures"):
            _require(getattr(self, name) >= 1, f"{name} must be >= 1", getattr(self, name))
        in_time = _LEAST_RESEND_S <= self.resend_s <= _MOST_RESEND_S
        _require(in_time, "resend_s must be in [30, 180]", self.resend_s)
        self._check_address()
        self._check_secret()

    def _check_address(self) -> None:
        if self.kind == "slack":
            if self.url:
                raise ConfigError("url has no effect with kind 'slack': its address is the secret")
        elif self.url:
            check_url(self.url, "url")
        elif self.kind != "pagerduty":
            raise ConfigError(f"url is needed with kind {self.kind!r}")

    def _check_secret(self) -> None:
        given = bool(self.secret), bool(self.secret_file)
        if all(given):
            raise ConfigError("expected one of secret and secret_file, found both")
        if not any(given) and self.kind != "alertmanager":
            raise ConfigError(f"expected secret or secret_file with kind {self.kind!r}, found neither")

    @property
    def address(self) -> str:
        """Where requests go; empty: the secret says it."""
        if self.kind == "alertmanager":
            return f"{self.url.rstrip('/')}/api/v2/alerts"
        return self.url or (PAGERDUTY_URL if self.kind == "pagerduty" else "")


def check_url(url: str, name: str) -> None:
    """Refuse what is no address of a web server, or holds a password; what was found is not told, it may be secret.

    Raises
    ------
    ConfigError
        It is none.
    """
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
        has_password = "@" in parts.netloc
    except ValueError:
        good, has_password = False, False
    if has_password:
        raise ConfigError(f"{name} must hold no user and password; a secret stands in `secret` or `secret_file`")
    if not good or any(letter.isspace() for letter in url):
        raise ConfigError(f"{name}: expected http://HOST... or https://HOST..., found something else")


def _require(ok: bool, what: str, found: object) -> None:
    if not ok:
        raise ConfigError(f"{what}, was {found!r}")
