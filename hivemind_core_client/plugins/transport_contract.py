"""What a plugin offers to move frames: a transport by URL scheme, in a blocking form, an asyncio form or both.

A transport knows nothing of the HiveMind protocol. What it makes for one connection is a carrier: it carries frames,
text or bytes, each whole and in order (docs/plugins-transports.md).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Callable, Optional, Protocol, Union

from attrs import field, frozen
from attrs.validators import deep_iterable, ge, gt, instance_of, matches_re, optional

from hivemind_core_client.plugins.finder_contract import Finder

if TYPE_CHECKING:
    import ssl

    from hivemind_core_client.kernel.policy import Deadlines

#: One WebSocket message, or what another transport has in its place: text, or bytes.
Frame = Union[str, bytes, bytearray]

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*\Z")


@frozen
class Closed:
    """The hub ended the connection. `code` is that of its close frame: 1005 for one without, None for no frame."""

    code: Optional[int]
    reason: str = ""


class HubAddress(Protocol):
    """The address of a hub: `scheme://host:port/path?query`. Its text has no query, which may hold a secret."""

    @property
    def scheme(self) -> str:
        """Lower case, without the colon."""

    @property
    def host(self) -> str:
        """A name or an IP address. For a transport without ports it is whatever stands there, or empty."""

    @property
    def port(self) -> int:
        """From 1 to 65535. It is 0 if the transport has no ports."""

    @property
    def tls(self) -> bool:
        """True if the scheme is one of those that are `secure`."""

    @property
    def path(self) -> str:
        """The path from its `/` on, percent-encoded. It is empty for `/` alone."""

    @property
    def query(self) -> str:
        """What comes after the `?`, percent-encoded, without a login."""


class TlsOptions(Protocol):
    """How to verify a hub with TLS, as the user of the client wants it."""

    def make_context(self) -> ssl.SSLContext:
        """A new context for the connection that you open. It refuses a certificate that is not the pinned one.

        Raises InvalidOption for a CA file that cannot be read, and IdentityFileError for a pin that cannot be read.
        """

    def keep(self) -> None:
        """Pin the certificate that was shown, at first use. The library calls this once a carrier is open."""


@frozen
class TransportSettings:
    """What a connection is opened with.

    `url` is the address with the login as WebSocket hubs read it. The login is made of `useragent` and `key`.
    `deadlines` are those of the client, in seconds. The hub may send frames of at most `largest_frame` bytes. Before
    both sides have a key, it may send at most `largest_early` bytes in all. After `ping_interval` seconds of silence
    the hub is pinged (None or 0: never). If it does not answer within `ping_timeout` seconds, the connection is given
    up. `options` are the `transport_options` of the client. `memory` is kept from one connection to the next. It ends
    when somebody connects the client anew, or changes its settings.
    """

    address: HubAddress
    url: str = field(repr=False)
    useragent: str
    key: str = field(repr=False)
    tls: TlsOptions
    deadlines: Deadlines
    largest_frame: int
    largest_early: int
    ping_interval: Optional[float] = 30.0
    ping_timeout: float = 20.0
    options: Mapping[str, Any] = field(factory=dict, repr=False)
    memory: dict[str, Any] = field(factory=dict, repr=False)


class BlockingCarrier(Protocol):
    """One connection, blocking. `open` and `receive` are called by one thread, the rest by any.

    Whatever it raises ends the connection. To say why, raise OSError or an error of hivemind_core_client.errors.
    It may have further methods. `ping()` returns when the hub has answered. It is called if the transport says that it
    `pings`. `farewell()` tells the hub that the client goes. `release()` frees what `abort` has left.
    """

    def open(self) -> None:
        """Connect. The library calls `abort` if this takes too long."""

    def send(self, frame: Frame) -> None:
        """Hand on one whole frame, behind those before it. One thread at a time calls it."""

    def receive(self) -> Union[Frame, Closed]:
        """The next frame as it was sent, str or bytes. Closed if the hub has ended the connection."""

    def abort(self) -> None:
        """End the connection at once, and wake who opens, sends or receives. May come at any time, and twice."""


class AsyncCarrier(Protocol):
    """One connection, for the event loop that opens it. Otherwise like BlockingCarrier.

    The further methods `ping`, `farewell` and `release` are coroutine functions too.
    """

    async def open(self) -> None:
        """Connect. This is cancelled if it takes too long."""

    async def send(self, frame: Frame) -> None:
        """Hand on one whole frame, behind those before it. One task at a time calls it."""

    async def receive(self) -> Union[Frame, Closed]:
        """The next frame as it was sent, str or bytes. Closed if the hub has ended the connection."""

    def abort(self) -> None:
        """End the connection at once, and wake who opens, sends or receives. May come at any time, and twice."""


def _schemes(names: Union[str, Iterable[str]]) -> tuple[str, ...]:
    found = (names,) if isinstance(names, str) else tuple(names)
    for name in found:
        if not isinstance(name, str) or not _SCHEME.match(name):
            raise ValueError(f"{name!r} is no URL scheme: lower case, without the colon")
    return found


@frozen
class TransportOption:
    """An option of a transport: its `name` in `transport_options`, and in the query of an address.

    The environment variable `variable` gives it too; empty for none. A `secret` one is masked wherever commands print.
    Raises ValueError for a name that is not made of lower-case letters, digits and `_`.
    """

    name: str = field(validator=[instance_of(str), matches_re(r"[a-z][a-z0-9_]*")])
    variable: str = field(default="", validator=instance_of(str))
    secret: bool = field(default=False, validator=instance_of(bool))


def _options(found: Iterable[TransportOption]) -> tuple[TransportOption, ...]:
    return tuple(found)


@frozen
class Transport:
    """A way to move frames between a client and its hub, for the URLs of its `schemes`.

    `blocking` and `asyncio` each get TransportSettings and make the carrier of one connection. One of them is enough:
    every client can use it. `secure` names the schemes that stand for TLS. Addresses without a port get `default_port`.
    Set that to None for a transport that has no ports.

    Say what it can do. `carries_bytes`: its frames may be bytes. `largest_frame`: the most bytes of a frame (None: any
    number). `keeps_order`: frames arrive in order. `tells_loss`: a frame that got lost ends the connection. `pings`:
    its carriers have a `ping`. With `prefers_text` frames are text wherever the protocol leaves the choice. `options`
    are those that it knows; with them, its addresses and the environment may have options too.

    With `find` and no form, the schemes stand for hubs that must be found first. Frames then go over the transport of
    the address that was found. Raises ValueError if there is no scheme, if there is neither a form nor `find`, or both,
    and for a scheme that is none; TypeError for options that are none.
    """

    schemes: tuple[str, ...] = field(converter=_schemes)
    blocking: Optional[Callable[[TransportSettings], Any]] = None
    asyncio: Optional[Callable[[TransportSettings], Any]] = None
    default_port: Optional[int] = field(default=None, validator=optional([instance_of(int), gt(0)]))
    secure: tuple[str, ...] = field(default=(), converter=_schemes)
    carries_bytes: bool = True
    largest_frame: Optional[int] = field(default=None, validator=optional([instance_of(int), ge(1024)]))
    keeps_order: bool = True
    tells_loss: bool = True
    pings: bool = False
    prefers_text: bool = False
    options: tuple[TransportOption, ...] = field(
        default=(), converter=_options, validator=deep_iterable(instance_of(TransportOption))
    )
    find: Optional[Finder] = None

    def __attrs_post_init__(self) -> None:
        """Check what only all fields together tell."""
        if not self.schemes:
            raise ValueError("a transport needs a scheme")
        has_form = callable(self.blocking) or callable(self.asyncio)
        if self.find is not None and (has_form or not callable(self.find)):
            raise ValueError(f"the transport for {self.schemes[0]} has `find`: a function, and no other form")
        if self.find is None and not has_form:
            raise ValueError(
                f"the transport for {self.schemes[0]} has neither a blocking nor an asyncio form"
            )
        if not set(self.secure) <= set(self.schemes):
            raise ValueError(f"{', '.join(self.secure)}: what is secure must be among the schemes")
