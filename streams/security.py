"""How clients prove who they are to Kafka, and Kafka to them: TLS and SASL, the same for every client of ours."""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from aiokafka.conn import create_conn
from aiokafka.errors import KafkaError
from faust.auth import SASLCredentials, SSLCredentials
from pydantic import SecretStr

from detectors.errors import ConfigError

_SASL_ONLY = ("username", "password", "password_file")
_CONNECT_TIMEOUT_MS = 5_000
_TLS_ONLY = ("ca_file", "cert_file", "key_file")


@dataclass(frozen=True, slots=True)
class SecuritySettings:
    """What the broker asks for; nothing, unless it is said.

    Parameters
    ----------
    protocol
        With `SSL` in it what is sent is encrypted and the broker's certificate is checked, its host name included; with
        `SASL` in it we log in.
    sasl_mechanism
        How we log in. PLAIN shows the password to the broker: only over TLS.
    username
        Who we are.
    password, password_file
        One of them: the password, or a file that holds nothing else (line ends around it are no part of it).
    ca_file
        Certificates (PEM) that the broker's must be signed by; empty: those that the system trusts.
    cert_file, key_file
        Our own certificate and its key (PEM), where the broker asks for one; the key may stand in `cert_file`.
    """

    protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"] = "SCRAM-SHA-512"
    username: str = ""
    password: SecretStr = field(default_factory=lambda: SecretStr(""))
    password_file: str = ""
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""

    def __post_init__(self) -> None:
        """Refuse what cannot work, and what would be passed over in silence."""
        for part, names in (("SASL", _SASL_ONLY), ("SSL", _TLS_ONLY)):
            given = [name for name in names if getattr(self, name)]
            if given and part not in self.protocol:
                raise ConfigError(
                    f"security.{given[0]} has no effect without {part} in security.protocol, which is {self.protocol!r}"
                )
        if self.uses_sasl and not self.username:
            raise ConfigError(f"security.username is needed with security.protocol {self.protocol!r}")
        if self.uses_sasl and bool(self.password) == bool(self.password_file):
            raise ConfigError("expected one of security.password and security.password_file")
        if self.key_file and not self.cert_file:
            raise ConfigError("security.key_file needs security.cert_file")

    @property
    def uses_sasl(self) -> bool:
        """Whether we log in."""
        return self.protocol.startswith("SASL")

    @property
    def uses_tls(self) -> bool:
        """Whether what is sent is encrypted."""
        return self.protocol.endswith("SSL")


#: A broker that takes everybody's word.
NO_SECURITY = SecuritySettings()


def client_security(security: SecuritySettings) -> dict[str, Any]:
    """Make the keyword arguments that every client of aiokafka's takes.

    Raises
    ------
    ConfigError
        A file cannot be read, or does not hold what it should.

    Examples
    --------
    >>> client_security(NO_SECURITY)
    {'security_protocol': 'PLAINTEXT'}
    """
    options: dict[str, Any] = {"security_protocol": security.protocol}
    if security.uses_tls:
        options["ssl_context"] = _tls_context(security)
    if security.uses_sasl:
        options["sasl_mechanism"] = security.sasl_mechanism
        options["sasl_plain_username"] = security.username
        options["sasl_plain_password"] = _password(security)
    return options


def faust_credentials(security: SecuritySettings) -> SASLCredentials | SSLCredentials | None:
    """Make Faust's `broker_credentials`.

    Raises
    ------
    ConfigError
        As `client_security`.
    """
    context = _tls_context(security) if security.uses_tls else None
    if security.uses_sasl:
        return SASLCredentials(
            username=security.username,
            password=_password(security),
            ssl_context=context,
            mechanism=security.sasl_mechanism,
        )
    return SSLCredentials(context) if context is not None else None


async def connection_fault(servers: Sequence[str], security: SecuritySettings) -> str:
    """Tell why no connection comes about, as the first server says it; empty when one does.

    aiokafka's clients only log it, and raise an error that names the addresses.

    Parameters
    ----------
    servers
        As `host:port`.
    security
        How to connect.
    """
    options = client_security(security)
    faults = []
    for server in servers:
        host, _, port = server.rpartition(":")
        try:
            connection = await create_conn(host, int(port), request_timeout_ms=_CONNECT_TIMEOUT_MS, **options)
        except (KafkaError, OSError, TimeoutError) as error:
            faults.append(f"{server}: {str(error) or type(error).__name__}")
        else:
            connection.close()
            return ""
    return faults[0] if faults else ""


def _password(security: SecuritySettings) -> str:
    if not security.password_file:
        return security.password.get_secret_value()
    try:
        password = Path(security.password_file).read_text(encoding="utf-8").strip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        # A decoding error quotes the bytes that it met.
        found = error.strerror if isinstance(error, OSError) else "no UTF-8"
        raise ConfigError(f"security.password_file: expected a password in {security.password_file}: {found}") from None
    if not password:
        raise ConfigError(f"security.password_file: expected a password in {security.password_file}, found nothing")
    return password


def _tls_context(security: SecuritySettings) -> ssl.SSLContext:
    name = "ca_file"
    try:
        context = ssl.create_default_context(cafile=security.ca_file or None)
        if security.cert_file:
            name = "cert_file"
            # Without a password of its own, so that OpenSSL does not ask the terminal for one.
            context.load_cert_chain(security.cert_file, security.key_file or None, password="")
    except OSError as error:
        file = getattr(security, name)
        why = error.strerror or type(error).__name__
        raise ConfigError(f"security.{name}: expected PEM in {file}, found: {why}") from error
    return context
