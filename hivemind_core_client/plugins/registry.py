"""The tables that run: built once from what the plugins offer, then only looked up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Callable, Generic, TypeVar

from attrs import field, frozen

from hivemind_core_client.plugins.contract import (
    BinaryHandler,
    Cipher,
    Encoding,
    MessageHandler,
    Serializer,
    Transport,
)
from hivemind_core_client.plugins.noise_suites import STANDARD_SUITES
from hivemind_core_client.wire.message import (
    AnyBinaryType,
    AnyMessageType,
    BinaryType,
    HiveMessage,
    HiveMindBinaryPayloadType,
    MessageType,
)
from hivemind_core_client.wire.message_types import check_is_among

if TYPE_CHECKING:
    from hivemind_core_client.plugins.handshake_contract import HandshakeKind

T = TypeVar("T")

#: By the name of a handler's function, and by what it serves: the lane in which it is called (`plugins/lanes.py`).
Lanes = Mapping[str, Mapping[Any, str]]
#: The ciphers that hubs know: the only ones that are offered to a hub where the user lists none.
STANDARD_CIPHERS = frozenset(STANDARD_SUITES)


@frozen
class Offered(Generic[T]):
    """One thing that a plugin offers: `item`, from the plugin called `plugin`."""

    plugin: str
    item: T


@frozen
class Conflict:
    """Two or more plugins that claim one name: the first one that was called won."""

    kind: str
    name: str
    winner: str
    losers: tuple[str, ...]


@frozen
class Table(Generic[T]):
    """Items by wire name, message type or bin type, whose they are, and who won where several claimed one."""

    winners: Mapping[Any, Offered[T]]
    conflicts: tuple[Conflict, ...] = ()

    @property
    def items(self) -> dict[Any, T]:
        """The items alone."""
        return {name: offered.item for name, offered in self.winners.items()}


@frozen
class Registry:
    """What a Link looks things up in.

    `ciphers` and `encodings` are in order of measured speed, the fastest first. `handlers` and `binary_handlers` are
    what runs, wrappers included; `wrapped` has the plain handlers of the message types that are wrapped. `lanes` has
    what is called in a lane, since it may take any time. The keys of `transports` are URL schemes.
    `left_out` has why what a plugin offers is not used, by its kind, such as `cipher`, and its name. `message_types`
    and `binary_types` are those that plugins bring, `settings` the classes that declare their settings, by plugin.
    `handshakes` are in the order in which they are tried.
    """

    ciphers: Mapping[str, Cipher] = field(factory=dict)
    encodings: Mapping[str, Encoding] = field(factory=dict)
    serializers: Mapping[str, Serializer] = field(factory=dict)
    handlers: Mapping[AnyMessageType, MessageHandler] = field(factory=dict)
    binary_handlers: Mapping[AnyBinaryType, BinaryHandler] = field(factory=dict)
    wrapped: Mapping[AnyMessageType, MessageHandler] = field(factory=dict)
    message_types: Mapping[str, MessageType] = field(factory=dict)
    binary_types: Mapping[int, BinaryType] = field(factory=dict)
    handshakes: tuple[Offered[HandshakeKind], ...] = ()
    lanes: Lanes = field(factory=dict)
    transports: Mapping[str, Transport] = field(factory=dict)
    left_out: Mapping[tuple[str, str], str] = field(factory=dict)
    settings: Mapping[str, type] = field(factory=dict)

    def plain(self, msg_type: AnyMessageType) -> MessageHandler | None:
        """The handler of a type without what is wrapped around it, None where nobody handles the type."""
        return self.wrapped.get(msg_type) or self.handlers.get(msg_type)

    def recognised(self, message: HiveMessage) -> HiveMessage:
        """A message that arrived, with our own name for its bin type.

        Raises UnknownMessageType, or FrameError for a bin type, where its type is a plugin's, and not one of ours.
        """
        check_is_among(message.msg_type, message.bin_type, self.message_types, self.binary_types)
        if not isinstance(message.bin_type, BinaryType):
            return message
        named = message.copy(bin_type=self.binary_types[message.bin_type])
        named.weight = message.weight
        return named

    def unasked_ciphers(self) -> tuple[str, ...]:
        """The ciphers to offer where the user lists none: those that are registered under names that hubs know."""
        return tuple(name for name in self.ciphers if name in STANDARD_CIPHERS)


def build_table(kind: str, offers: Iterable[Offered[T]], key: Callable[[T], Any]) -> Table[T]:
    """Keep the first offer for each key, in the order they come, and note the others."""
    winners: dict[Any, Offered[T]] = {}
    losers: dict[Any, list[str]] = {}
    for offered in offers:
        name = key(offered.item)
        if winners.setdefault(name, offered) is not offered:
            losers.setdefault(name, []).append(offered.plugin)
    conflicts = tuple(
        Conflict(kind, wire_name(name), winners[name].plugin, tuple(beaten))
        for name, beaten in losers.items()
    )
    return Table(winners, conflicts)


def wire_name(key: Any) -> str:
    """The text under which a table key is shown: its wire name, or the name of a bin type."""
    return key.name if isinstance(key, (HiveMindBinaryPayloadType, BinaryType)) else str(key)
