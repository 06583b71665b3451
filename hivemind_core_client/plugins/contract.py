"""The objects that plugins hand in and get to see (docs/plugins.md has the long contract).

A plugin returns lists of `Cipher`, `Encoding`, `Serializer`, `MessageHandler` and `BinaryHandler` from
its hooks. A handler gets a `Context` and returns actions (`Send`, `Deliver`, …). It changes nothing
itself. So the same handler serves threads, asyncio and tests.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from math import isfinite
from typing import Any, Callable, Optional, Protocol, Union

from attrs import Factory, define, evolve, field, frozen
from attrs.validators import instance_of

from hivemind_core_client.plugins.finder_contract import FoundHub as FoundHub
from hivemind_core_client.plugins.finder_contract import Search as Search
from hivemind_core_client.plugins.transport_contract import AsyncCarrier as AsyncCarrier
from hivemind_core_client.plugins.transport_contract import BlockingCarrier as BlockingCarrier
from hivemind_core_client.plugins.transport_contract import Closed as Closed
from hivemind_core_client.plugins.transport_contract import Frame as Frame
from hivemind_core_client.plugins.transport_contract import Transport as Transport
from hivemind_core_client.plugins.transport_contract import TransportOption as TransportOption
from hivemind_core_client.plugins.transport_contract import TransportSettings as TransportSettings
from hivemind_core_client.wire.hive_drawing import display_peer
from hivemind_core_client.wire.hive_map import HiveMapper
from hivemind_core_client.wire.json_text import Json
from hivemind_core_client.wire.log_lines import LogLines
from hivemind_core_client.wire.message import (
    AnyBinaryType,
    AnyMessageType,
    HiveMessage,
    read_binary_type,
    read_message_type,
)
from hivemind_core_client.wire.message import BinaryType as BinaryType
from hivemind_core_client.wire.message import MessageType as MessageType
from hivemind_core_client.wire.trust import Trust

#: The version of this contract. A plugin names the one that it needs in HIVEMIND_API_VERSION (docs/plugins-loading.md).
API_VERSION = 2


@frozen
class Cipher:
    """An authenticated cipher under its wire name. All sizes are in bytes.

    `seal(key, nonce, plaintext)` returns the ciphertext and the tag in one. `open(key, nonce, sealed)` returns the
    plaintext. It raises ValueError when the tag does not fit. `seal_into(key, nonce, plaintext, buffer)` is optional.
    It writes what `seal` returns into a writable buffer of exactly that size. This saves a copy of large messages.

    In protocol version 3 the same functions get keys of 32 bytes and nonces of 12, whatever `nonce_size` is. They then
    serve the Noise suite that the name stands for. `suites` names further suites, such as `25519_AESGCM_SHA512`.
    """

    name: str = field(validator=instance_of(str))
    key_sizes: tuple[int, ...]
    nonce_size: int
    tag_size: int
    seal: Callable[[bytes, bytes, bytes], bytes]
    open: Callable[[bytes, bytes, bytes], bytes]
    seal_into: Optional[Callable[[bytes, bytes, bytes, memoryview], Any]] = None
    suites: tuple[str, ...] = field(default=(), converter=tuple)


@frozen
class Encoding:
    """How bytes become text inside a sealed text frame.

    `decode(encode(data)) == data` for every `data`. `decode` raises ValueError for anything else. An encoding is tried
    before it is offered. It is left out if it does not give back the same bytes. Set `plain` to True if no character
    that `encode` returns needs an escape inside a JSON string. Then nobody has to search for such characters.
    """

    name: str = field(validator=instance_of(str))
    encode: Callable[[bytes], str]
    decode: Callable[[str], bytes]
    plain: bool = False


@frozen
class Serializer:
    """A form that a message takes before it is sealed. Its name is `text` or `binary`.

    `encode(message, compress)` returns str for `text` and bytes for `binary`. It returns None for a message that has
    no such form. `compress` is True or False. It may also be None: then the shorter form is taken.
    `decode(frame, max_size)` returns the message. It raises FrameError for what is no frame. The frame may not
    inflate to more than `max_size` bytes.
    """

    name: str = field(validator=instance_of(str))
    encode: Callable[[HiveMessage, Optional[bool]], Optional[Frame]]
    decode: Callable[[Any, int], HiveMessage]


@frozen
class Send:
    """Action: send this message to the hub."""

    message: HiveMessage = field(validator=instance_of(HiveMessage))


@frozen
class Deliver:
    """Action: hand this OVOS Message, as a dict `{"type", "data", "context"}`, to the internal bus."""

    message: Json = field(validator=instance_of(dict))


@frozen
class Dispatch:
    """Action: treat this inner message as if it had arrived by itself.

    `verified_source` is a public key (PEM text), or None. Set it if your handler has verified the signature of that key
    over the message. The handler of the inner message finds it in its Context.
    """

    message: HiveMessage = field(validator=instance_of(HiveMessage))
    verified_source: Optional[str] = None


@frozen
class Select:
    """Action: let the user's `cascade_select_callback` pick one of these answers, and dispatch what is in it.

    The answers are the CASCADE messages of one cascade, in the order they came. There is at least one.
    """

    answers: tuple[HiveMessage, ...]


@frozen
class CallBack:
    """Action: call this method of the user's BinaryDataCallbacks with these arguments."""

    method: str = field(validator=instance_of(str))
    arguments: Mapping[str, Any]


@frozen
class SetTimer:
    """Action: call this handler's `on_timer` with `key` after `seconds`.

    A new timer replaces an older one with the same `key`. Raises ValueError for seconds that are not finite.
    """

    msg_type: AnyMessageType = field(converter=read_message_type)
    key: str = field(validator=instance_of(str))
    seconds: float = field(converter=float)

    @seconds.validator
    def _check_seconds(self, attribute: object, value: float) -> None:
        if not isfinite(value):
            raise ValueError(f"a timer cannot run for {value} s")


@frozen
class CancelTimer:
    """Action: forget the timer `key` of the handler of `msg_type`."""

    msg_type: AnyMessageType = field(converter=read_message_type)
    key: str = field(validator=instance_of(str))


@frozen
class Introduce:
    """Action, only for HELLO: these are the facts about the hub."""

    hub: HubFacts


@frozen
class Negotiate:
    """Action, only for HANDSHAKE: the hub offers this. Choose a kind of handshake and begin it."""

    offer: Json = field(repr=False)


@frozen
class Conclude:
    """Action, only for HANDSHAKE: the hub answered our part of the handshake with this."""

    answer: Json = field(repr=False)


Action = Union[
    Send, Deliver, Dispatch, Select, CallBack, SetTimer, CancelTimer, Introduce, Negotiate, Conclude
]
Actions = Optional[Iterable[Action]]


def _as_shown(peer: str) -> str:
    return repr(display_peer(peer))


@frozen
class HubFacts:
    """What the hub says of itself in its first HELLO. A text that the hub does not say is empty.

    `node_id` is its name in the hive. Hubs since 4.15 use their public key as that name. `public_key` is its RSA key
    (PEM text). `peer` is what the hub calls this client before it knows the session. `payload` is all that the hub
    said, as it came. `name` is what you show to people.
    """

    node_id: str = field(default="", repr=_as_shown)
    peer: str = ""
    public_key: str = field(default="", repr=_as_shown)
    payload: Json = field(factory=dict, repr=False, eq=False)

    @property
    def name(self) -> str:
        """The hub's name on one line, or an empty text. A key is shown as its fingerprint: `key:` and 16 hex digits."""
        return display_peer(self.node_id or self.public_key)


@frozen
class Negotiated:
    """What both sides agreed on. `kind` is the name of the handshake, `version` the protocol version.

    With the kind "noise", `pattern` is "XXpsk2" or "KKpsk0". `encoding` is then "binary", as no encoding is used.
    """

    version: int
    kind: str
    cipher: str
    encoding: str
    binarize: bool
    pattern: Optional[str] = None


@define
class Session:
    """This satellite's session: its id, its site, and the OVOS session state as the hub last sent it."""

    session_id: str
    site_id: str = "unknown"
    state: Json = Factory(dict)


class Identity(Protocol):
    """What handlers may know of this node (NodeIdentity fits)."""

    @property
    def name(self) -> str:
        """The node's name."""

    @property
    def public_key(self) -> Optional[str]:
        """PEM text of the node's RSA key."""

    @property
    def trusted_keys(self) -> Mapping[str, str]:
        """PEM texts of the keys this node trusts, by alias."""

    def private_key_pem(self) -> Optional[str]:
        """PEM text of the node's private RSA key, or None where it has none."""


def _no_clock() -> float:
    return 0.0


@define
class Context:
    """What a handler may know. You may change `memory` and the hive map. Treat the rest as read-only.

    `memory` has one dict for each handler, by the name of the handler. It is kept as long as the client lives. Nobody
    else shares it. Limit what you keep there. `now()` is the time in seconds since the epoch. `query_timeout` is the
    longest wait for the answer to a QUERY, in seconds. 0 means: wait for ever. `cascade_timeout` is how many seconds
    answers to a CASCADE are gathered, if the asker does not say it.
    `verified_source` is the public key that has signed this very message, or None. A handler further out has verified
    the signature. Nothing that arrives can set it. `wrapped` is True for a message that came inside another one. Such
    a message may come from any node, not only from the hub. `alone` is held while a built-in handler runs in a chain.
    Do not use it yourself. `settings` are those of the handler's own plugin, or None if that declares none.
    `plugin_settings` has the settings of each plugin, by the name of the plugin.
    """

    identity: Identity
    session: Session
    useragent: str = "HiveMindSatellite"
    hub: Optional[HubFacts] = None
    negotiated: Optional[Negotiated] = None
    memory: dict[str, dict[str, Any]] = field(factory=dict, repr=False)
    hive_map: HiveMapper = field(factory=HiveMapper)
    now: Callable[[], float] = _no_clock
    query_timeout: float = 30.0
    cascade_timeout: float = 5.0
    verified_source: Optional[str] = None
    wrapped: bool = False
    alone: AbstractContextManager[Any] = field(factory=nullcontext, repr=False)
    settings: Any = field(default=None, repr=False)
    plugin_settings: Mapping[str, Any] = field(factory=dict, repr=False)
    _lines: LogLines = field(factory=LogLines, repr=False)

    @property
    def trust(self) -> Trust:
        """Who is trusted now: the keys of the identity, the hub's key, and the hive map."""
        hub_key = self.hub.public_key if self.hub is not None else ""
        return Trust(self.identity.trusted_keys, hub_key, self.hive_map)

    @property
    def peer(self) -> str:
        """The name under which this satellite is known in the hive, `NAME::SESSION_ID`.

        The hub says NAME in its HELLO, before it knows the session. If it does not, NAME is that of the identity.
        """
        said = self.hub.peer if self.hub is not None else ""
        name = said.rpartition("::")[0] or self.identity.name
        return f"{name}::{self.session.session_id}"

    def within(self, verified_source: Optional[str]) -> Context:
        """The context for a message that came inside another one. Memory, session and hive map are the same objects."""
        return Context(
            identity=self.identity,
            session=self.session,
            useragent=self.useragent,
            hub=self.hub,
            negotiated=self.negotiated,
            memory=self.memory,
            hive_map=self.hive_map,
            now=self.now,
            query_timeout=self.query_timeout,
            cascade_timeout=self.cascade_timeout,
            verified_source=verified_source,
            wrapped=True,
            alone=self.alone,
            plugin_settings=self.plugin_settings,
            lines=self._lines,
        )

    def of_plugin(self, name: str) -> Context:
        """The same context, with the settings of this plugin."""
        return evolve(self, settings=self.plugin_settings.get(name))

    def note(self, log: Callable[..., object], text: str, *arguments: Any) -> None:
        """Log what a peer can cause any number of times: `context.note(log.warning, "dropped %s", name)`.

        A few lines of each text are written within a minute. After that, one line says how many more there were.
        """
        self._lines.write(self.now(), log, text, *arguments)

    def drop(
        self, message: HiveMessage, reason: str, log: Callable[..., object], text: str, *arguments: Any
    ) -> None:
        """Log, as `note` does, that nothing is done about a message that arrived. Also set its `dropped` to `reason`.

        Handlers of its type can then see why: `context.drop(message, "it is not signed", log.warning, "dropped …")`.
        """
        message.dropped = reason
        self.note(log, text, *arguments)

    def recall(self, name: str) -> dict[str, Any]:
        """The memory of the handler called `name`."""
        return self.memory.setdefault(name, {})


@frozen
class MessageHandler:
    """What happens with the messages of one type. Only `receive` is required; the other functions are optional.

    `receive(context, message)` returns actions for a message that arrived. `prepare(context, message)` gets a message
    that the user sends, and returns the one to send in its place. It is called for a message inside another one too.
    Three more return actions. `on_send(context, message)` is called when a prepared message of this type is about to
    leave. `on_timer(context, key)` is called when a timer of this handler is due. `on_end(context)` is called when a
    session has ended.

    With `wraps` it stands around the handler of its type, and does not replace it. Each of its functions then gets
    `next` as its last argument (docs/plugins-wrappers.md).
    """

    msg_type: AnyMessageType = field(converter=read_message_type)
    name: str
    receive: Callable[..., Actions]
    prepare: Optional[Callable[..., HiveMessage]] = None
    on_timer: Optional[Callable[..., Actions]] = None
    on_send: Optional[Callable[..., Actions]] = None
    on_end: Optional[Callable[..., Actions]] = None
    wraps: bool = field(default=False, validator=instance_of(bool))


@frozen
class BinaryHandler:
    """What happens with the payload of BINARY messages of one bin type.

    `receive(context, data, metadata)` returns actions. With `wraps` it is called as
    `receive(context, data, metadata, next)`, as in MessageHandler.
    """

    bin_type: AnyBinaryType = field(converter=read_binary_type)
    name: str
    receive: Callable[..., Actions]
    wraps: bool = field(default=False, validator=instance_of(bool))
