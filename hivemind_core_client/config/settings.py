"""Who we are and where the hub is: argument, then environment, then identity file."""

from __future__ import annotations

import contextlib
import logging
import re
from base64 import b64encode
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Optional, TypeVar, Union
from urllib.parse import SplitResult, quote, urlsplit

from attrs import field, frozen

from hivemind_core_client.config.given_texts import checked_text, cut, site_of, variable
from hivemind_core_client.config.key_files import UNNAMED
from hivemind_core_client.wire.errors import IdentityNotSet, InvalidCredential, InvalidOption, Mend, Setting

if TYPE_CHECKING:
    from hivemind_core_client.config.identity import NodeIdentity

log = logging.getLogger(__name__)

T = TypeVar("T")

DEFAULT_PORT = 5678
DEFAULT_HTTP_PORT = 5679
DEFAULT_USERAGENT = "HiveMindSatellite"

#: Blanks, quotes and the like, which no name and no address of a host holds.
_NO_HOST = re.compile(r"""[\s'"`<>\\^|{}\x00-\x1f\x7f]""")
#: What a path may hold as it stands (RFC 3986, 3.3); a `%` may begin a character that is encoded already.
_PATH_SAFE = "/%:@!$&'()*+,;=~"
#: What Kubernetes and Docker put into `HIVEMIND_PORT` for a service, or a linked container, called hivemind.
_SERVICE_LINK = re.compile(r"\s*(tcp|udp|sctp)://", re.IGNORECASE)
#: Environment variables, by the field they fill.
ENVIRONMENT = {
    "key": "HIVEMIND_KEY",
    "password": "HIVEMIND_PASSWORD",
    "host": "HIVEMIND_HOST",
    "port": "HIVEMIND_PORT",
    "site_id": "HIVEMIND_SITE_ID",
}


@frozen
class Address:
    """Where a hub listens. `tls` is True for `wss://`. `path` is empty, or what a proxy tells the hub by: `/hive/`."""

    #: Without and with TLS.
    schemes: ClassVar[tuple[str, str]] = ("ws", "wss")
    default_port: ClassVar[int] = DEFAULT_PORT

    host: str
    port: int
    tls: bool = False
    path: str = ""

    def __str__(self) -> str:
        """`ws://host:port`, and the path if there is one, which never holds a credential."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.schemes[self.tls]}://{host}:{self.port}{self.path}"

    def with_login(self, useragent: str, key: str) -> str:
        """The address with a login that hubs of every version read (docs/protocol.md, "Connection").

        Hub 4.0.0 takes what follows `/?authorization=` as it stands, later ones decode the query, which makes a blank
        of `+`. Blanks before the user agent give another base64; where each has a `+`, the login goes in both forms.
        """
        logins = _logins(useragent, key)
        login = next((login for login in logins if "+" not in login), None)
        if login is not None:
            return f"{self}?authorization={login}"
        return f"{self}?authorization={quote(logins[0], safe='')}&raw=/?authorization={logins[0]}"

    @classmethod
    def read(cls, host: str, port: Any = None, fallback: Any = None) -> Address:
        """From `h`, `h:port`, `ws://h` or `wss://h:port/path`; `port` wins over one in `host`, that over `fallback`.

        Raises InvalidOption for anything else.
        """
        text = host.strip()
        if text.count(":") > 1 and "://" not in text and not text.startswith("["):
            text = f"[{text}]"
        try:
            parts = urlsplit(text if "://" in text else f"{cls.schemes[0]}://{text}")
            found, inner_port = parts.hostname, parts.port
        except ValueError as error:
            raise InvalidOption(f"the hub's address {host!r} cannot be read: {error}") from error
        if parts.scheme not in cls.schemes or not found or parts.username:
            plain, secure = cls.schemes
            what = f"the hub's address {host!r} is not HOST, {plain}://HOST or {secure}://HOST"
            if parts.scheme in HttpAddress.schemes and cls is Address:
                raise InvalidOption(what, Mend("HiveMindHTTPClient takes it", joint=": "))
            raise InvalidOption(what)
        _check_host(found)
        path = _path(host, parts)
        chosen = _first_port(port, inner_port, fallback, cls.default_port)
        return cls(found, chosen, parts.scheme == cls.schemes[1], path)


@frozen
class HttpAddress(Address):
    """Where a hub listens for HTTP. `tls` is True for `https://`."""

    schemes: ClassVar[tuple[str, str]] = ("http", "https")
    default_port: ClassVar[int] = DEFAULT_HTTP_PORT

    def with_login(self, useragent: str, key: str) -> str:
        """The address with a login, percent-encoded: every hub decodes the query of HTTP."""
        return f"{self}?authorization={quote(_logins(useragent, key)[0], safe='')}"

    @classmethod
    def read(cls, host: str, port: Any = None, fallback: Any = None) -> HttpAddress:
        """From `h`, `h:port`, `http://h`, `https://h:port/path`; of `ws://h:port/path` port and path are left out.

        So is a `fallback` of 5678: what is stored for the WebSocket names the same machine, but not the port.
        Raises InvalidOption for anything else.
        """
        if host.strip().startswith(tuple(f"{scheme}://" for scheme in Address.schemes)):
            same = Address.read(host)
            return cls(same.host, _first_port(port, cls.default_port), same.tls)
        found = super().read(host, port, None if str(fallback) == str(DEFAULT_PORT) else fallback)
        return cls(found.host, found.port, found.tls, found.path)


@frozen
class Settings:
    """What a client connects with. Secrets are left out of its text."""

    key: str = field(repr=False)
    address: Address
    useragent: str
    site_id: str
    password: Optional[str] = field(default=None, repr=False)
    crypto_key: Optional[bytes] = field(default=None, repr=False)

    def url(self) -> str:
        """The address with our name and key, as the hub reads them (docs/protocol.md, "Connection")."""
        return self.address.with_login(self.useragent, self.key)


def _logins(useragent: str, key: str) -> list[str]:
    """The login as base64, with none, one and two blanks before it: of each byte three forms."""
    return [b64encode(f"{' ' * blanks}{useragent}:{key}".encode()).decode("ascii") for blanks in range(3)]


def login_texts(useragent: str, key: str) -> list[str]:
    """What the login may look like in an address, for whoever hides it."""
    logins = _logins(useragent, key)
    return [*logins, *(quote(login, safe="") for login in logins)]


def _path(host: str, parts: SplitResult) -> str:
    """The path of an address, empty for `/` alone. Raises InvalidOption for what may not follow it."""
    for mark, name, rest in (("?", "query", parts.query), ("#", "fragment", parts.fragment)):
        if rest:
            raise InvalidOption(
                f"the hub's address {host.partition(mark)[0]!r} goes on with a {name} ({mark}…), which is not "
                "supported: the login is all that is sent there",
                Mend(f"leave out what begins with {mark}", joint="; "),
            )
    return quote(parts.path, safe=_PATH_SAFE) if parts.path.strip("/") else ""


def _check_host(host: str) -> None:
    """Raises InvalidOption for what no resolver could look up."""
    try:
        usable = _NO_HOST.search(host) is None and bool(host.encode("idna"))
    except UnicodeError:  # an empty part between two dots, or one of more than 63 letters
        usable = False
    if not usable:
        raise InvalidOption(f"the hub's address {host!r} is no name of a host, and no IP address")


def _first_port(*candidates: Any) -> int:
    given_one = next(candidate for candidate in candidates if candidate is not None and candidate != "")
    return read_port(given_one)


def read_port(value: Any) -> int:
    """A port number, of which a text may have blanks around it. Raises InvalidOption for anything that is none."""
    port = port_of(value.strip() if isinstance(value, str) else value)
    if port is None:
        raise InvalidOption(f"the port {value!r} is not a number from 1 to 65535")
    return port


def port_of(value: object) -> Optional[int]:
    """A port number of a number or of digits as text; None for anything else, such as True, 5678.9 and `5_678`."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 5:
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 65536:
        return value
    return None


def one_of(kind: type[T], name: str, value: Optional[T]) -> T:
    """`value`, or the defaults of its kind for None. Raises InvalidOption for anything else."""
    if value is None:
        return kind()
    if not isinstance(value, kind):
        raise InvalidOption(
            f"{name} is a {type(value).__name__}", Mend(f"pass a {kind.__name__}(…)", joint="; ")
        )
    return value


def given(name: str, argument: Any, stored: Any = None) -> Any:
    """The argument, else the environment variable, else what the identity has; empty text counts as none.

    Of the last two, what surrounds the text is cut.
    """
    if argument not in (None, ""):
        return argument
    return _in_environment(name) or (cut(stored) if isinstance(stored, str) else stored)


def _in_environment(name: str) -> Optional[str]:
    """What the variable of a field holds; None where there is none, or where others than a user have set it."""
    value = variable(ENVIRONMENT[name]) if name in ENVIRONMENT else None
    if value is not None and name in ("host", "port") and _SERVICE_LINK.match(value):
        _warn_of_link(ENVIRONMENT[name], value)
        return None
    return value


def variable_of(name: str, argument: Any) -> Optional[str]:
    """The environment variable that `given` takes a value from; None where it does not."""
    return ENVIRONMENT[name] if argument in (None, "") and _in_environment(name) else None


@cache
def _warn_of_link(name: str, value: str) -> None:
    log.warning(
        "the environment variable %s is ignored: %s was set by Kubernetes or Docker for a service of that name, and is "
        "no setting of this client. Pass host and port, or rename the service",
        name,
        value,
    )


@contextlib.contextmanager
def _naming(name: str, argument: Any) -> Iterator[None]:
    """Within the block, an error about a value that came from the environment names the variable."""
    try:
        yield
    except (InvalidOption, InvalidCredential) as error:
        source = variable_of(name, argument)
        if source is not None:
            error.mends += (Mend("(from the environment variable ", Setting(source), ")", joint=" "),)
        raise


def resolve(
    identity: NodeIdentity,
    *,
    key: Optional[str] = None,
    password: Optional[str] = None,
    crypto_key: Union[str, bytes, None] = None,
    host: Optional[str] = None,
    port: Any = None,
    useragent: str = "",
    site_id: Optional[str] = None,
    kind: type[Address] = Address,
) -> Settings:
    """What to connect with; `kind` reads the address.

    Raises IdentityNotSet without a key or a hub, InvalidCredential or InvalidOption for unusable values.
    """
    access_key = given("key", key, identity.access_key)
    if not access_key:
        raise IdentityNotSet("access key")
    hub = given("host", host, identity.default_master)
    if not hub:
        raise IdentityNotSet("host of a hub")
    name = useragent or _stored_name(identity) or DEFAULT_USERAGENT
    with _naming("key", key):
        access_key = without_colon("access key", access_key)
    with _naming("host", host):
        kind.read(hub, DEFAULT_PORT)
    with _naming("port", port):
        address = kind.read(hub, port, given("port", None, identity.default_port))
    with _naming("password", password):
        secret = checked_text("password", given("password", password, identity.password))
    with _naming("site_id", site_id):
        site = site_of(given("site_id", site_id, identity.site_id))
    return Settings(
        key=access_key,
        address=address,
        useragent=without_colon("user agent", name),
        site_id=site,
        password=secret,
        crypto_key=read_crypto_key(crypto_key),
    )


def _stored_name(identity: NodeIdentity) -> str:
    return "" if identity.name == UNNAMED else identity.name


def without_colon(what: str, value: Any) -> str:
    """Text that the hub can split at a colon. Raises InvalidCredential."""
    text = checked_text(what, value) or ""
    if ":" in text:
        raise InvalidCredential(
            f"the {what} holds a colon, which the hub takes for a separator",
            Mend("choose another", joint=": "),
        )
    return text


def read_crypto_key(crypto_key: Union[str, bytes, None]) -> Optional[bytes]:
    """A pre-shared key in bytes, or None for an empty one. Raises InvalidCredential for a wrong length."""
    if not crypto_key:
        return None
    if isinstance(crypto_key, str):
        key = (checked_text("pre-shared crypto_key", crypto_key) or "").encode()
    else:
        key = bytes(crypto_key)
    if len(key) not in (16, 24, 32):
        raise InvalidCredential(f"the pre-shared crypto_key is {len(key)} bytes; AES takes 16, 24 or 32")
    return key
