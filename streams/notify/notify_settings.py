"""How alerts are delivered."""

import re
from dataclasses import dataclass, field

from detectors.errors import ConfigError
from streams.notify.sink_settings import SinkSettings, check_url

#: Lower case, and without what parts groups in the environment: a secret comes as SQUALL_NOTIFY__SINKS__NAME__SECRET.
_NAME = re.compile(r"[a-z0-9]+(?:_[a-z0-9]+)*")
_LONGEST_NAME = 40


@dataclass(frozen=True, slots=True)
class NotifySettings:
    """What delivers alerts, and where to.

    Parameters
    ----------
    state_dir
        Where what is still to be delivered is kept over restarts.
    web_host, web_port
        Where `/metrics`, `/livez` and `/readyz` are served; port 0 takes a free one.
    proxy
        A proxy that all requests go through, `http://HOST:PORT`; empty: none.
    ca_file
        Certificates (PEM) that those of receivers must be signed by; empty: those that the system trusts.
    console_url
        Where people find the ops console; messages link to it. Empty: they link to nothing but runbooks.
    first_start_s
        On the very first start alerts are sent that are open and were heard of within so many seconds, >= 0.
    stop_timeout_s
        How long a request in hand may take to end after the process was asked to stop, in seconds, > 0.
    sinks
        The receivers, by name (lower case letters and digits, with single `_` between).
    """

    state_dir: str = "notify-state"
    web_host: str = "127.0.0.1"
    web_port: int = 6068
    proxy: str = ""
    ca_file: str = ""
    console_url: str = ""
    first_start_s: float = 86_400.0
    stop_timeout_s: float = 5.0
    sinks: dict[str, SinkSettings] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        if not self.state_dir:
            raise ConfigError("notify.state_dir must name a directory, was empty")
        if not 0 <= self.web_port < 65_536:
            raise ConfigError(f"notify.web_port must be in 0..65535, was {self.web_port!r}")
        if not 0.0 <= self.first_start_s < float("inf"):
            raise ConfigError(f"notify.first_start_s must be >= 0, was {self.first_start_s!r}")
        if not 0.0 < self.stop_timeout_s < float("inf"):
            raise ConfigError(f"notify.stop_timeout_s must be > 0, was {self.stop_timeout_s!r}")
        for name in ("proxy", "console_url"):
            if getattr(self, name):
                check_url(getattr(self, name), f"notify.{name}")
        for name in self.sinks:
            if not _NAME.fullmatch(name) or len(name) > _LONGEST_NAME:
                raise ConfigError(
                    f"notify.sinks: expected names of lower case letters and digits, with single _ between, of at "
                    f"most {_LONGEST_NAME} characters, found {name!r}"
                )
