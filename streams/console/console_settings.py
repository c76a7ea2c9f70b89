"""How the ops console is served, whom it obeys, and how much it remembers."""

from dataclasses import dataclass
from ipaddress import ip_network
from urllib.parse import urlsplit

from detectors.errors import ConfigError


@dataclass(frozen=True, slots=True)
class ConsoleSettings:
    """Where the console listens, who may act, and its bounds.

    Parameters
    ----------
    host, port
        The address it is served at; port 0 takes a free one.
    hosts
        Names that it is asked by, besides IP addresses, `localhost` and `host`; requests for others are refused.
    token_file
        A file that holds the token to log in with, at least 16 characters; empty: nobody can log in.
    user_header, trusted_proxies
        The header in which a proxy names the logged-in user, and the networks (`10.0.0.0/8`) that it is taken from.
    private
        Whether pages are shown to those alone who may act.
    workers, notifiers
        Addresses (`http://host:6066`) of the probes and metrics of workers and notifiers.
    runbook_url
        Where the directory `deploy/` is served; runbooks are links below it.
    venue_clock
        Whether "now" is the venue's time as stages tell it, not this machine's: for recordings that are played again.
    session_hours
        How long a login holds, > 0.
    max_clients
        Browsers that are kept up to date at once, >= 1; others ask for themselves.
    signal_minutes, max_signals
        Signals of the last minutes of event time are remembered, and at most so many of them, >= 1.
    max_open, max_resolved
        Alerts that are remembered: open ones, and resolved ones, >= 1.
    max_accounts
        Accounts whose limits are remembered, >= 10.
    max_audit
        Lines of `audit` that are remembered for stories, >= 1.
    """

    host: str = "127.0.0.1"
    port: int = 8066
    hosts: tuple[str, ...] = ()
    token_file: str = ""
    user_header: str = ""
    trusted_proxies: tuple[str, ...] = ()
    private: bool = False
    workers: tuple[str, ...] = ()
    notifiers: tuple[str, ...] = ()
    runbook_url: str = ""
    venue_clock: bool = False
    session_hours: float = 12.0
    max_clients: int = 64
    signal_minutes: int = 30
    max_signals: int = 50_000
    max_open: int = 2_000
    max_resolved: int = 500
    max_accounts: int = 20_000
    max_audit: int = 20_000

    def __post_init__(self) -> None:
        """Refuse what cannot work, and what would be passed over in silence."""
        if not 0 <= self.port < 65_536:
            raise ConfigError(f"console.port must be in [0, 65536), was {self.port!r}")
        for name in ("max_clients", "signal_minutes", "max_signals", "max_open", "max_resolved", "max_audit"):
            if getattr(self, name) < 1:
                raise ConfigError(f"console.{name} must be >= 1, was {getattr(self, name)!r}")
        if self.max_accounts < 10:
            raise ConfigError(f"console.max_accounts must be >= 10, was {self.max_accounts!r}")
        if not 0.0 < self.session_hours <= 24.0 * 30:
            raise ConfigError(f"console.session_hours must be in (0, 720], was {self.session_hours!r}")
        if bool(self.user_header) != bool(self.trusted_proxies):
            raise ConfigError("console.user_header and console.trusted_proxies need each other")
        if self.private and not (self.token_file or self.user_header):
            raise ConfigError("console.private needs console.token_file or console.user_header: nobody could see it")
        for network in self.trusted_proxies:
            _check_network(network)
        for name in ("workers", "notifiers"):
            for url in getattr(self, name):
                _check_url(f"console.{name}", url)
        if self.runbook_url:
            _check_url("console.runbook_url", self.runbook_url)


def _check_network(network: str) -> None:
    try:
        ip_network(network)
    except ValueError as error:
        raise ConfigError(f"console.trusted_proxies: expected networks like 10.0.0.0/8, found: {error}") from None


def _check_url(name: str, url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        raise ConfigError(f"{name}: expected an address like http://host:6066, found {url!r}")
