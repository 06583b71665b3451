"""The address of a hub: a URL of any installed transport, or a bare name."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Optional
from urllib.parse import SplitResult, parse_qs, parse_qsl, quote, unquote, urlencode, urlsplit

from attrs import field, frozen

from hivemind_core_client.wire.errors import InvalidOption, Mend
from hivemind_core_client.wire.finding_errors import KNOWN_FINDERS
from hivemind_core_client.wire.keys import pin_name
from hivemind_core_client.wire.mends import SHOW_PLUGINS

if TYPE_CHECKING:
    from hivemind_core_client.plugins.contract import Transport

DEFAULT_PORT = 5678
DEFAULT_HTTP_PORT = 5679

#: Blanks, quotes and the like, which no name and no address of a host holds.
_NO_HOST = re.compile(r"""[\s'"`<>\\^|{}\x00-\x1f\x7f]""")
#: What may hold as it stands (RFC 3986): a path (3.3), a query (3.4). A `%` may begin a character that is encoded.
_PATH_SAFE = "/%:@!$&'()*+,;=~"
_QUERY_SAFE = _PATH_SAFE + "?"
#: What begins an address that names its transport.
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(//)?")


@frozen
class Address:
    """Where a hub listens. `tls` is True for `wss://`. `path` is empty, or what a proxy tells the hub by: `/hive/`.

    `query` is what goes before the login, without the `?`. It may hold a secret, and is in no text.
    """

    #: Without and with TLS.
    schemes: ClassVar[tuple[str, str]] = ("ws", "wss")
    default_port: ClassVar[int] = DEFAULT_PORT

    host: str
    port: int
    tls: bool = False
    path: str = ""
    query: str = field(default="", repr=False)

    @property
    def scheme(self) -> str:
        """What the address begins with, without the colon."""
        return self.schemes[self.tls]

    @property
    def pin_name(self) -> str:
        """Under which the hub's key is pinned: `host:port` and path, and the scheme of a transport of a plugin."""
        return pin_name(str(self))

    @property
    def endpoint(self) -> str:
        """`host:port`, under which the hub's certificate is pinned; the whole address if it has no port."""
        return f"{_bracketed(self.host)}:{self.port}" if self.port else str(self)

    def __str__(self) -> str:
        """`ws://host:port`, and the path if there is one, which never holds a credential. The query is left out."""
        return f"{self.scheme}://{_bracketed(self.host)}:{self.port}{self.path}"

    def with_login(self, useragent: str, key: str) -> str:
        """The address with a login that hubs of every version read (docs/protocol.md, "Connection").

        Hub 4.0.0 takes what follows `/?authorization=` as it stands, later ones decode the query, which makes a blank
        of `+`. Blanks before the user agent give another base64; where each has a `+`, and where there is a query of
        its own, the login goes in both forms.
        """
        logins = _logins(useragent, key)
        login = next((login for login in logins if "+" not in login), logins[0])
        if "+" not in login and not self.query:
            return f"{self}?authorization={login}"
        own = f"{self.query}&" if self.query else ""
        return f"{self}?{own}authorization={quote(login, safe='')}&raw=/?authorization={login}"

    @classmethod
    def read(cls, host: str, port: Any = None, fallback: Any = None) -> Address:
        """From `h`, `h:port`, `ws://h` or `wss://h:port/path?query`; `port` wins over one in `host`, over `fallback`.

        Raises InvalidOption for anything else.
        """
        parts, inner_port = _split(host, cls.schemes[0])
        found = parts.hostname
        if parts.scheme not in cls.schemes or not found or "@" in parts.netloc:
            plain, secure = cls.schemes
            raise InvalidOption(
                f"the hub's address {_shown(host)!r} is not HOST, {plain}://HOST or {secure}://HOST"
            )
        _check_host(found)
        chosen = _first_port(port, inner_port, fallback, cls.default_port)
        return cls(found, chosen, parts.scheme == cls.schemes[1], _path(host, parts), _query(parts))


@frozen
class HttpAddress(Address):
    """Where a hub listens for HTTP. `tls` is True for `https://`."""

    schemes: ClassVar[tuple[str, str]] = ("http", "https")
    default_port: ClassVar[int] = DEFAULT_HTTP_PORT

    def with_login(self, useragent: str, key: str) -> str:
        """The address with a login, percent-encoded: every hub decodes the query of HTTP."""
        return _encoded(self, useragent, key)

    @classmethod
    def read(cls, host: str, port: Any = None, fallback: Any = None) -> HttpAddress:
        """From `h`, `h:port`, `http://h`, `https://h:port/path`; of `ws://h:port/path` name and TLS alone.

        A `fallback` of 5678 does not count: what is stored for the WebSocket names the same machine, but not the port.
        Raises InvalidOption for anything else.
        """
        if host.strip().startswith(tuple(f"{scheme}://" for scheme in Address.schemes)):
            same = Address.read(host)
            return cls(same.host, _first_port(port, cls.default_port), same.tls)
        found = super().read(host, port, _not_of_websocket(fallback))
        return cls(found.host, found.port, found.tls, found.path, found.query)


@frozen
class PluginAddress(Address):
    """Where a hub is for a transport of a plugin: `mqtt://broker:1883/prefix`; `memory:NAME` where it has no ports."""

    called: str = ""

    @property
    def scheme(self) -> str:
        """What the address begins with, without the colon."""
        return self.called

    def __str__(self) -> str:
        """`scheme://host:port/path`, or `scheme:host/path`. The query is left out."""
        return super().__str__() if self.port else f"{self.called}:{self.host}{self.path}"

    def with_login(self, useragent: str, key: str) -> str:
        """The address with a login, percent-encoded."""
        return _encoded(self, useragent, key)

    @classmethod
    def of(cls, transport: Transport, scheme: str, host: str, port: Any, fallback: Any) -> PluginAddress:
        """The address `host`, which begins with `scheme`. Raises InvalidOption for what cannot be read."""
        tls = scheme in transport.secure
        if transport.default_port is None:
            parts, _ = _split(re.sub(r"^(\s*[^:]+:)(//)?", r"\1//", host, count=1), scheme)
            if not (parts.netloc or parts.path):
                raise InvalidOption(f"the hub's address {_shown(host)!r} ends after {scheme}:")
            return cls(parts.netloc, 0, tls, _path(host, parts), _query(parts), called=scheme)
        parts, inner_port = _split(host, scheme)
        if not parts.hostname or "@" in parts.netloc:
            raise InvalidOption(f"the hub's address {_shown(host)!r} is not {scheme}://HOST")
        _check_host(parts.hostname)
        chosen = _first_port(port, inner_port, _not_of_websocket(fallback), transport.default_port)
        return cls(parts.hostname, chosen, tls, _path(host, parts), _query(parts), called=scheme)


@frozen
class SearchAddress(Address):
    """A hub that must be found: `discover:kitchen`, or `discover:?site=home`; `host` is its name, in lower case.

    `announced` is what else the hub must announce. Nothing of this is secret, and all of it is shown and pinned under.
    """

    called: str = ""
    announced: tuple[tuple[str, str], ...] = ()

    @property
    def scheme(self) -> str:
        """What the address begins with, without the colon."""
        return self.called

    def __str__(self) -> str:
        """`discover:kitchen?site=home`."""
        filters = f"?{urlencode(self.announced, quote_via=quote)}" if self.announced else ""
        return f"{self.called}:{quote(self.host)}{filters}"

    @classmethod
    def of(cls, scheme: str, text: str) -> SearchAddress:
        """The address that `text` is. Raises InvalidOption for what cannot be read."""
        rest = text.strip().partition(":")[2]
        name, _, query = rest.partition("?")
        wanted = unquote(name.strip("/")).casefold()
        try:
            pairs = parse_qsl(query, strict_parsing=True, max_num_fields=10) if query else []
        except ValueError:
            pairs = [("", "")]
        texts = [wanted, *(part for pair in pairs for part in pair)]
        if "#" in rest or not all(each.isprintable() for each in texts) or ("", "") in pairs:
            raise InvalidOption(
                f"the hub's address {_shown(text)!r} is not {scheme}:, {scheme}:NAME or {scheme}:?site=SITE"
            )
        announced = tuple(sorted((key, value.casefold()) for key, value in pairs))
        return cls(wanted, 0, called=scheme, announced=announced)


def read_address(
    host: str,
    port: Any = None,
    fallback: Any = None,
    *,
    scheme: str = "ws",
    transports: Optional[Mapping[str, Transport]] = None,
) -> Address:
    """The address of a hub, of a transport among `transports` (None: of the built-in ones), else of `scheme`.

    `port` wins over one in `host`, that over `fallback`. For a client whose `scheme` is `http`, `ws://h` is `http://h`.
    Raises InvalidOption for an address that cannot be read, or whose transport is not installed.
    """
    named = _scheme_in(host, transports or {})
    found = scheme if named is None else named
    if scheme in HttpAddress.schemes and found in Address.schemes:
        found = scheme
    builtin = next((kind for kind in (Address, HttpAddress) if found in kind.schemes), None)
    known = (*Address.schemes, *HttpAddress.schemes) if transports is None else tuple(transports)
    if found not in known:
        extra = KNOWN_FINDERS.get(found)
        raise InvalidOption(
            f"the hub's address {_shown(host)!r} needs a transport for {found}, and there are those for: "
            f"{', '.join(sorted(known)) or 'none'}",
            Mend("install it: ", extra)
            if extra
            else Mend("install a plugin that brings it, and see ", SHOW_PLUGINS),
        )
    if builtin is not None or transports is None:
        return (builtin or Address).read(host, port, fallback)
    transport = transports[found]
    if transport.find is not None:
        return SearchAddress.of(found, host)
    address = PluginAddress.of(transport, found, host, port, fallback)
    if transport.options:
        query_options(transport, address.query)
    return address


def query_options(transport: Transport, query: str) -> dict[str, str]:
    """The options in the query of an address. Raises InvalidOption for one that the transport does not know."""
    found = dict(parse_qsl(query, keep_blank_values=True))
    known = [option.name for option in transport.options]
    unknown = next((name for name in found if name not in known), None)
    if unknown is not None:
        raise InvalidOption(
            f"the address has the option {unknown!r}, which its transport does not know",
            Mend(f"it knows {', '.join(known)}", joint="; "),
        )
    return found


def _scheme_in(host: str, transports: Mapping[str, Transport]) -> Optional[str]:
    """The scheme that an address begins with, if it has one. `NAME:9` is a host and its port."""
    match = _SCHEME.match(host.strip())
    if match is None:
        return None
    name, slashes = match[1].lower(), match[2]
    transport = transports.get(name)
    without_ports = name in KNOWN_FINDERS if transport is None else transport.default_port is None
    is_port = host.strip()[match.end() :].isdigit()
    return name if slashes or (without_ports and not is_port) else None


def _split(host: str, scheme: str) -> tuple[SplitResult, Optional[int]]:
    """The parts of an address, and its port. Raises InvalidOption for what is none."""
    text = host.strip()
    if text.count(":") > 1 and "://" not in text and not text.startswith("["):
        text = f"[{text}]"
    try:
        parts = urlsplit(text if "://" in text else f"{scheme}://{text}")
        return parts, parts.port
    except ValueError as error:
        raise InvalidOption(f"the hub's address {_shown(host)!r} cannot be read: {error}") from error


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _shown(host: str) -> str:
    """An address for a text: without a login and what follows the path, which may hold secrets."""
    login, at, rest = host.rpartition("@")
    scheme = _SCHEME.match(login.strip())
    before = f"{scheme[0] if scheme and scheme[2] else ''}…@" if at else ""
    return before + rest.partition("?")[0].partition("#")[0]


def _encoded(address: Address, useragent: str, key: str) -> str:
    own = f"{address.query}&" if address.query else ""
    return f"{address}?{own}authorization={quote(_logins(useragent, key)[0], safe='')}"


def _logins(useragent: str, key: str) -> list[str]:
    """The login as base64, with none, one and two blanks before it: of each byte three forms."""
    return [b64encode(f"{' ' * blanks}{useragent}:{key}".encode()).decode("ascii") for blanks in range(3)]


def login_texts(useragent: str, key: str) -> list[str]:
    """What the login may look like in an address, for whoever hides it."""
    logins = _logins(useragent, key)
    return [*logins, *(quote(login, safe="") for login in logins)]


def _path(host: str, parts: SplitResult) -> str:
    """The path of an address, empty for `/` alone. Raises InvalidOption for a fragment, which is never sent."""
    if parts.fragment:
        raise InvalidOption(
            f"the hub's address {_shown(host)!r} goes on with a fragment (#…), which is "
            "not supported: no hub gets to see it",
            Mend("leave out what begins with #", joint="; "),
        )
    return quote(parts.path, safe=_PATH_SAFE) if parts.path.strip("/") else ""


def _query(parts: SplitResult) -> str:
    """The query of an address. Raises InvalidOption for one that has what the login is sent in."""
    if {"authorization", "raw"} & parse_qs(parts.query, keep_blank_values=True).keys():
        raise InvalidOption(
            "the query of the hub's address has `authorization` or `raw`, in which the login is sent",
            Mend("pass the key as `key`", joint=": "),
        )
    return quote(parts.query, safe=_QUERY_SAFE)


def _check_host(host: str) -> None:
    """Raises InvalidOption for what no resolver could look up."""
    try:
        usable = _NO_HOST.search(host) is None and bool(host.encode("idna"))
    except UnicodeError:  # an empty part between two dots, or one of more than 63 letters
        usable = False
    if not usable:
        raise InvalidOption(f"the hub's address {_shown(host)!r} is no name of a host, and no IP address")


def _not_of_websocket(port: Any) -> Any:
    """A stored port, but for that of the WebSocket."""
    return None if str(port) == str(DEFAULT_PORT) else port


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
