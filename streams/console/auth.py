"""Who may act: a login with a token, or a user that a trusted proxy names; without either nobody may."""

import hashlib
import hmac
import secrets
from collections import OrderedDict, deque
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

from aiohttp import web

from detectors.errors import ConfigError
from streams.console.console_settings import ConsoleSettings

COOKIE = "squall_session"
AUTHOR_HEADER = "X-Squall-Author"
LONGEST_USER = 128

_SHORTEST_TOKEN = 16
_MOST_SESSIONS = 1_000
_MOST_ADDRESSES = 10_000
_FAILURES, _FAILURES_WITHIN_S = 5, 60.0


class Identity(NamedTuple):
    """Who asks: a name, how it was proved, and the token that forms of this user carry."""

    user: str
    way: Literal["session", "proxy", "bearer"]
    csrf: str


@dataclass(frozen=True, slots=True)
class _Session:
    user: str
    ends_s: float


class Gate:
    """Knows who may act.

    Parameters
    ----------
    settings
        The token's file, the proxies.

    Raises
    ------
    ConfigError
        The token cannot be read, or is too short to keep anybody out.
    """

    def __init__(self, settings: ConsoleSettings) -> None:
        self._settings = settings
        self._token = _read_token(settings.token_file) if settings.token_file else b""
        self._proxies = [ip_network(network) for network in settings.trusted_proxies]
        self._secret = secrets.token_bytes(32)
        self._sessions: OrderedDict[str, _Session] = OrderedDict()
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()

    @property
    def read_only(self) -> bool:
        """Whether nobody can act."""
        return not (self._token or self._proxies)

    @property
    def has_login(self) -> bool:
        """Whether there is a form to log in with."""
        return bool(self._token)

    def identify(self, request: web.Request, now_s: float) -> Identity | None:
        """Tell who asks; None: nobody that we know.

        Parameters
        ----------
        request
            What came.
        now_s
            A monotonic clock.
        """
        user = self._proxy_user(request)
        if user is not None:
            return Identity(user, "proxy", self._csrf(f"proxy:{user}"))
        name = request.cookies.get(COOKIE, "")
        session = self._sessions.get(_digest(name)) if name else None
        if session is not None and session.ends_s > now_s:
            return Identity(session.user, "session", self._csrf(f"session:{name}"))
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        author = request.headers.get(AUTHOR_HEADER, "").strip()
        if scheme.lower() != "bearer" or not 0 < len(author) <= LONGEST_USER:
            return None
        return Identity(author, "bearer", "") if self.try_token(token, self.address(request), now_s) else None

    def try_token(self, given: str, address: str, now_s: float) -> bool:
        """Whether this is the token, from an address that need not wait; a wrong one counts against the address."""
        if self.must_wait(address, now_s):
            return False
        # Of digests, so that the time it takes tells nothing about the token, its length included.
        found, wanted = (hashlib.sha256(one).digest() for one in (given.encode("utf-8", "surrogatepass"), self._token))
        if self._token and hmac.compare_digest(found, wanted):
            return True
        self.note_failure(address, now_s)
        return False

    def open_session(self, user: str, now_s: float) -> str:
        """Begin a session; gives the value of its cookie."""
        while len(self._sessions) >= _MOST_SESSIONS:
            self._sessions.popitem(last=False)
        name = secrets.token_urlsafe(32)
        self._sessions[_digest(name)] = _Session(user, now_s + self._settings.session_hours * 3_600.0)
        return name

    def close_session(self, name: str) -> None:
        """End a session."""
        self._sessions.pop(_digest(name), None)

    def must_wait(self, address: str, now_s: float) -> bool:
        """Whether an address has failed so often that it has to wait before it tries to log in again."""
        failures = self._failures.get(address)
        while failures and failures[0] < now_s - _FAILURES_WITHIN_S:
            failures.popleft()
        return failures is not None and len(failures) >= _FAILURES

    def note_failure(self, address: str, now_s: float) -> None:
        """Count a login that failed."""
        while len(self._failures) >= _MOST_ADDRESSES:
            self._failures.popitem(last=False)
        self._failures.setdefault(address, deque(maxlen=_FAILURES)).append(now_s)

    def is_form_of(self, identity: Identity, token: str) -> bool:
        """Whether a form's token is the one that we gave this user; who shows the bearer token needs no form."""
        return identity.way == "bearer" or hmac.compare_digest(identity.csrf.encode(), token.encode("utf-8", "replace"))

    def address(self, request: web.Request) -> str:
        """Whom a request comes from: the address that a trusted proxy adds, or the connection's own."""
        forwarded = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
        return forwarded if forwarded and self._is_proxy(request.remote) else (request.remote or "")

    def is_https(self, request: web.Request) -> bool:
        """Whether the browser speaks TLS, with us or with a trusted proxy."""
        forwarded = request.headers.get("X-Forwarded-Proto", "") == "https"
        return request.secure or (forwarded and self._is_proxy(request.remote))

    def _proxy_user(self, request: web.Request) -> str | None:
        if not self._settings.user_header or not self._is_proxy(request.remote):
            return None
        named = request.headers.getall(self._settings.user_header, [])
        # Named twice, one of them may be the browser's own word.
        user = named[0].strip() if len(named) == 1 else ""
        return user if 0 < len(user) <= LONGEST_USER else None

    def _is_proxy(self, remote: str | None) -> bool:
        try:
            address = ip_address(remote or "")
        except ValueError:
            return False
        return any(address in network for network in self._proxies)

    def _csrf(self, whose: str) -> str:
        return hmac.new(self._secret, whose.encode(), hashlib.sha256).hexdigest()


def names_us(host: str, settings: ConsoleSettings) -> bool:
    """Whether a `Host` header may be ours: any other name could be an attacker's, bound to our address.

    Examples
    --------
    >>> here = ConsoleSettings(hosts=("ops.example",))
    >>> [names_us(host, here) for host in ("127.0.0.1:8066", "[::1]:8066", "OPS.example", "evil.example:8066")]
    [True, True, True, False]
    """
    try:
        name = (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return False
    if name in {"localhost", settings.host.lower(), *(one.lower() for one in settings.hosts)}:
        return True
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def is_same_origin(request: web.Request) -> bool:
    """Whether a browser sends this from a page of ours."""
    origin = request.headers.get("Origin", "")
    return bool(origin) and urlsplit(origin).netloc.lower() == request.host.lower()


def _digest(name: str) -> str:
    # A table of digests tells nobody, by the time that a look-up takes, what stands in it.
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()


def _read_token(path: str) -> bytes:
    try:
        token = Path(path).read_bytes().strip()
    except OSError as error:
        raise ConfigError(f"console.token_file: expected a token in {path}, found: {error.strerror}") from None
    if len(token) < _SHORTEST_TOKEN:
        raise ConfigError(
            f"console.token_file: expected at least {_SHORTEST_TOKEN} characters in {path}, found {len(token)}"
        )
    return token
