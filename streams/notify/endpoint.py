"""A sink made ready to be sent to: its settings, its secrets, and what messages say of us."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from detectors.errors import ConfigError
from streams.notify.sink_settings import SinkSettings, check_url
from streams.settings import Settings

#: Standard Webhooks asks for 24 to 64 bytes; shorter ones can be guessed.
_LEAST_SECRET_BYTES = 16
_JSON = {"Content-Type": "application/json", "User-Agent": "squall"}


class Request(NamedTuple):
    """What is posted. `url` and `headers` may hold secrets: they are shown to nobody."""

    url: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a sink's requests go.

    Parameters
    ----------
    name, sink
        The sink.
    secrets
        Its secrets, the newest first; none where it needs none.
    service
        Who we are to receivers: the name of this Squall.
    console_url
        What messages link to; may be empty.
    """

    name: str
    sink: SinkSettings
    secrets: tuple[str, ...] = field(repr=False)
    service: str = "squall"
    console_url: str = ""

    def post(self, body: bytes, url: str | None = None, **headers: str) -> Request:
        """Make a request with JSON in it."""
        return Request(self.sink.address if url is None else url, _JSON | headers, body)


def endpoints_of(settings: Settings) -> dict[str, Endpoint]:
    """Make all sinks ready, their secrets read.

    Raises
    ------
    ConfigError
        A secret cannot be read, or is none; the message names the sink, and holds nothing of the secret.
    """
    return {name: endpoint_of(name, settings) for name in settings.notify.sinks}


def endpoint_of(name: str, settings: Settings) -> Endpoint:
    """Make one sink ready; fails as `endpoints_of`."""
    sink = settings.notify.sinks[name]
    where = f"notify.sinks.{name}"
    secrets = _read(sink, where)
    if sink.kind == "webhook":
        for secret in secrets:
            _check_signing(secret, where)
    elif len(secrets) > 1:
        raise ConfigError(f"{where}: expected one secret with kind {sink.kind!r}, found white space in it")
    if sink.kind == "slack":
        check_url(secrets[0], f"{where}: the secret")
    return Endpoint(name, sink, secrets, settings.app_id, settings.notify.console_url)


def _read(sink: SinkSettings, where: str) -> tuple[str, ...]:
    if not sink.secret_file:
        secrets = tuple(sink.secret.get_secret_value().split())
    else:
        try:
            secrets = tuple(Path(sink.secret_file).read_text(encoding="utf-8").split())
        except (OSError, UnicodeDecodeError) as error:
            # A decoding error quotes the bytes that it met.
            found = error.strerror if isinstance(error, OSError) else "no UTF-8"
            raise ConfigError(f"{where}.secret_file: expected a secret in {sink.secret_file}, found: {found}") from None
    if not secrets and (sink.kind != "alertmanager" or sink.secret_file):
        raise ConfigError(f"{where}: expected a secret, found white space alone")
    if not all(secret.isascii() and secret.isprintable() for secret in secrets):
        raise ConfigError(f"{where}: expected a secret of printable ASCII, found something else")
    return secrets


def _check_signing(secret: str, where: str) -> None:
    try:
        key = base64.b64decode(secret.removeprefix("whsec_") + "==", validate=False)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) < _LEAST_SECRET_BYTES:
        raise ConfigError(
            f"{where}: expected a secret like whsec_ and base64 of at least {_LEAST_SECRET_BYTES} bytes, found "
            "another; make one: echo whsec_$(openssl rand -base64 24)"
        )
