"""Link: one connection with a hub, as a state machine that is fed frames."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import Any, Callable, Optional, cast

from attrs import field, frozen

from hivemind_core_client.kernel.crypto import Channel
from hivemind_core_client.kernel.dispatch import Dispatcher
from hivemind_core_client.kernel.events import (
    Arrived,
    Doubtful,
    Established,
    Event,
    Failed,
    Meanwhile,
    Rejected,
    Transmit,
)
from hivemind_core_client.kernel.handshake import Credentials, Handshake, Offer, Terms, choose
from hivemind_core_client.kernel.handshake.base import Doubt, Outcome, Progress
from hivemind_core_client.kernel.policy import Limits
from hivemind_core_client.kernel.states import PHASES, Signal, State, advance
from hivemind_core_client.plugins.contract import (
    Action,
    CallBack,
    CancelTimer,
    Conclude,
    Context,
    Deliver,
    Frame,
    HubFacts,
    Introduce,
    Negotiate,
    Negotiated,
    Select,
    Send,
    Serializer,
    SetTimer,
)
from hivemind_core_client.plugins.registry import Registry
from hivemind_core_client.plugins.wrapping import strip_claims
from hivemind_core_client.wire.errors import (
    CleartextRefused,
    ConnectionLost,
    FrameError,
    FrameTooLarge,
    HandshakeError,
    HiveMindError,
    HubRefused,
    InvalidMessage,
    KeyRefused,
    NotConnected,
    PluginError,
    ProtocolError,
    UsageError,
)
from hivemind_core_client.wire.message import HiveMessage, HiveMessageType
from hivemind_core_client.wire.text import printable

log = logging.getLogger(__name__)

#: The highest protocol version this kernel speaks.
MAX_PROTOCOL_VERSION = 3

_FOR_THE_SHELL = frozenset({Send, Deliver, Select, CallBack, SetTimer, CancelTimer})
#: Types that always travel as text.
_TEXT_ONLY = frozenset({HiveMessageType.HELLO, HiveMessageType.HANDSHAKE})
#: WebSocket close codes of a hub that goes away or broke, not of one that refuses (RFC 6455, 7.4.1).
_GOING_AWAY = frozenset({1001, 1006, 1011, 1012, 1013, 1014})
_REFUSED_BY_POLICY = 1008


@frozen
class LinkOptions:
    """What a connection is asked to do.

    `ciphers` and `encodings` are wire names in order of preference; empty means all, the fastest first.
    `compress` is True, False, or None for whichever is shorter. `where` names the hub in errors.
    """

    where: str
    credentials: Credentials = field(factory=Credentials)
    ciphers: tuple[str, ...] = ()
    encodings: tuple[str, ...] = ()
    binarize: bool = True
    compress: Optional[bool] = True
    max_version: int = MAX_PROTOCOL_VERSION
    limits: Limits = field(factory=Limits)


class Link:
    """One connection. The shell feeds `receive`, `opened`, `ended`; it sends what comes out of it.

    Not locked: `receive`, `opened` and `ended` belong to whoever reads the transport; `prepare` and `seal` to
    one sender at a time. `sending`, `due`, `admit`, `lapsed` and `receive` change what handlers remember and the hive
    map: the shell calls one of them at a time.
    """

    def __init__(self, registry: Registry, context: Context, options: LinkOptions) -> None:
        self.state = State.IDLE
        self.context = context
        context.hub = context.negotiated = None
        self._options = options
        self._registry = registry
        self._dispatcher = Dispatcher(registry, context)
        self._text = registry.serializers["text"]
        self._binary = registry.serializers["binary"]
        self._handshake: Optional[Handshake] = None
        self._channel: Optional[Channel] = None
        self._doubt: Optional[Doubt] = None
        self._announced = False
        self._binarize = False
        self._acts: dict[type, Callable[[Any], Iterator[Event]]] = {
            Introduce: self._introduce,
            Negotiate: self._negotiate,
            Conclude: self._conclude,
        }

    @property
    def hub(self) -> Optional[HubFacts]:
        """What the hub said of itself, once it did."""
        return self.context.hub

    @property
    def negotiated(self) -> Optional[Negotiated]:
        """What was agreed on, once it was."""
        return self.context.negotiated

    @property
    def phase(self) -> Optional[str]:
        """What is waited for, named as in Deadlines.of, or None when nothing is."""
        return PHASES.get(self.state)

    def opened(self) -> None:
        """The transport is open. Nothing is sent before the hub's offer."""
        self._advance(Signal.OPENED)

    def receive(self, frame: Frame) -> list[Event]:
        """What a frame from the hub means; never raises for anything a peer can send."""
        if self.state in (State.REFUSED, State.CLOSED):
            return []
        try:
            message = self._read(frame)
            return [*self.proven(), *(self._arrived(message) if message is not None else ())]
        except (HubRefused, ConnectionLost) as end:
            return [self._fail(end)]
        except ProtocolError as error:
            return [self._reject(error)]

    def due(self, msg_type: HiveMessageType, key: str) -> list[Event]:
        """What follows from a timer that ran out."""
        return self._collected(self._dispatcher.due(msg_type, key))

    def admit(self, message: HiveMessage, wrapped: bool = True) -> list[Event]:
        """What follows from a message that a handler had kept back, and that is now taken as arrived.

        `wrapped` says that it came inside another one.
        """
        return self._collected(self._dispatcher.receive(message, depth=1 if wrapped else 0))

    def proven(self) -> list[Event]:
        """The hub has answered a ping that came after the handshake: what follows from that, if it was in doubt."""
        if self.state is not State.ESTABLISHED or self._announced or self.context.negotiated is None:
            return []
        self._announced = True
        return [Established(self.context.negotiated)]

    def confirm(self) -> None:
        """Whoever hangs up from now on has taken the handshake: a close with 1008 is no refusal of it."""
        doubt, self._doubt = self._doubt, None
        if doubt is not None:
            doubt.taken()

    def sending(self, message: HiveMessage) -> list[Event]:
        """What handlers want done about a prepared message that is about to leave."""
        return self._collected(self._dispatcher.sending(message))

    def lapsed(self) -> list[Event]:
        """What handlers want done now that the session has ended."""
        return self._collected(self._dispatcher.ended())

    def prepare(self, message: HiveMessage) -> HiveMessage:
        """The message as it will be sent: what the protocol asks for is filled in where it is missing."""
        return self._dispatcher.prepare(message)

    def seal(self, message: HiveMessage) -> list[Frame]:
        """The frames for a prepared message, to be written in this order.

        Raises NotConnected without a session, and InvalidMessage or EncryptionFailed for a message that
        has no form on the wire.
        """
        if self.state is not State.ESTABLISHED or self._channel is None:
            raise NotConnected(
                f"no session with {self._options.where} ({self.state.value}): the message was not sent"
            )
        return self._channel.seal(self._plain(message))

    def ended(self, code: Optional[int] = None, reason: str = "") -> HiveMindError:
        """The transport is closed: with `code` by a close frame (1005: one without a code), else None.

        Returns what that means: a HubRefused when trying again is useless.
        """
        error = self._ending(code, reason)
        if isinstance(error, HubRefused) and self.state is not State.REFUSED:
            self._advance(Signal.REFUSAL)
        self._advance(Signal.ENDED)
        return error

    def _advance(self, signal: Signal) -> None:
        self.state = advance(self.state, signal)

    def _fail(self, error: HiveMindError) -> Failed:
        self._advance(Signal.REFUSAL)
        return Failed(error)

    def _reject(self, error: ProtocolError) -> Event:
        """A broken handshake is fatal for its connection; any other broken frame costs only itself."""
        if isinstance(error, HandshakeError) and self.state is State.AWAITING_ANSWER:
            return self._fail(error)
        return Rejected(error)

    def _read(self, frame: Frame) -> Optional[HiveMessage]:
        limits = self._options.limits
        if len(frame) > limits.frame:
            raise FrameTooLarge(f"a frame of {len(frame)} bytes; the limit is {limits.frame}")
        plain: Optional[Frame] = frame
        if self._channel is not None:
            plain = self._channel.open(frame)
            self.confirm()
        elif not isinstance(frame, str):
            raise CleartextRefused("a binary frame before the handshake was dropped")
        if plain is None:
            return None
        serializer = self._text if isinstance(plain, str) else self._binary
        try:
            message = serializer.decode(plain, limits.inflated)
        except ProtocolError:
            raise
        except Exception as error:  # a serializer is a plugin and may raise anything on a peer's frame
            raise FrameError(f"the {serializer.name} serializer raised {type(error).__name__}") from error
        if self._channel is None and message.msg_type not in _TEXT_ONLY:
            raise CleartextRefused(f"a {message.msg_type.name} message before the handshake was dropped")
        strip_claims(message.raw_payload)
        return message

    def _arrived(self, message: HiveMessage) -> list[Event]:
        events: list[Event] = [Arrived(message)]
        events.extend(self._interpret(self._dispatcher.receive(message)))
        return events

    def _collected(self, actions: Iterable[Action]) -> list[Event]:
        """All that follows; never raises, since whoever calls has no frame to drop."""
        events: list[Event] = []
        try:
            events.extend(self._interpret(actions))
        except HiveMindError as error:
            log.warning("dropped an action of a handler: %s", error)
        return events

    def _interpret(self, actions: Iterable[Action]) -> Iterator[Event]:
        for action in actions:
            act = self._acts.get(type(action))
            if act is not None:
                yield from act(action)
            elif type(action) in _FOR_THE_SHELL:
                yield cast(Event, action)
            else:
                log.warning("a handler returned a %s, which is no action", type(action).__name__)

    def _introduce(self, action: Introduce) -> Iterator[Event]:
        if self.state is State.AWAITING_HELLO:
            self.context.hub = action.hub
            self._advance(Signal.HELLO)
        else:
            log.debug("ignored another HELLO of the hub")
        return iter(())

    def _negotiate(self, action: Negotiate) -> Iterator[Event]:
        if self.state is not State.AWAITING_OFFER or self.context.hub is None:
            log.debug("ignored an offer in the state %r", self.state.value)
            return
        try:
            handshake = choose(Offer.read(action.offer), self._terms(self.context.hub))
            progress = handshake.begin()
        except (ProtocolError, HubRefused, UsageError) as error:
            yield self._fail(error)
            return
        self._handshake = handshake
        self._advance(Signal.OFFER)
        yield from self._progress(progress)

    def _conclude(self, action: Conclude) -> Iterator[Event]:
        if self.state is not State.AWAITING_ANSWER or self._handshake is None:
            raise HandshakeError("an envelope that nobody asked for was dropped")
        try:
            progress = self._handshake.receive(action.answer)
        except (UsageError, PluginError) as error:  # such as a cipher that takes no key of this length
            yield self._fail(error)
            return
        yield from self._progress(progress)

    def _progress(self, progress: Progress) -> Iterator[Event]:
        if progress.reply is not None:
            shake = HiveMessage(HiveMessageType.HANDSHAKE, progress.reply)
            yield Transmit([self._encoded(shake, binary=False)])
        if progress.meanwhile is not None:
            yield Meanwhile(progress.meanwhile)
        if progress.outcome is not None:
            yield from self._establish(progress.outcome)

    def _establish(self, outcome: Outcome) -> Iterator[Event]:
        self._channel = outcome.channel
        self._doubt = outcome.doubt
        self._binarize = outcome.negotiated.binarize
        self.context.negotiated = outcome.negotiated
        self._handshake = None
        self._advance(Signal.KEYED)
        try:
            frames = self.seal(self.prepare(HiveMessage(HiveMessageType.HELLO, {})))
        except (UsageError, PluginError) as error:  # such as a session state that has no form on the wire
            yield self._fail(error)
            return
        yield Transmit(frames)
        if outcome.doubt is None:
            yield from self.proven()
        else:
            yield Doubtful()

    def _plain(self, message: HiveMessage) -> Frame:
        msg_type = message.msg_type
        if msg_type is HiveMessageType.BINARY:
            return self._encoded(message, binary=True)
        if self._binarize and msg_type not in _TEXT_ONLY:
            frame = self._written(self._binary, message)
            if frame is not None:
                return frame
        return self._encoded(message, binary=False)

    def _encoded(self, message: HiveMessage, binary: bool) -> Frame:
        serializer = self._binary if binary else self._text
        frame = self._written(serializer, message)
        if frame is None:
            raise InvalidMessage(f"a {message.msg_type.name} message has no {serializer.name} form")
        return frame

    def _written(self, serializer: Serializer, message: HiveMessage) -> Optional[Frame]:
        try:
            return serializer.encode(message, self._options.compress)
        except HiveMindError:
            raise
        except Exception as error:  # a serializer is a plugin and may raise anything
            raise InvalidMessage(f"the {serializer.name} serializer raised {type(error).__name__}") from error

    def _terms(self, hub: HubFacts) -> Terms:
        options, registry = self._options, self._registry
        return Terms(
            credentials=options.credentials,
            registry=registry,
            hub=hub,
            ciphers=options.ciphers or tuple(registry.ciphers),
            encodings=options.encodings or tuple(registry.encodings),
            binarize=options.binarize,
            max_version=options.max_version,
            where=options.where,
            limit=options.limits.assembled,
        )

    def _ending(self, code: Optional[int], reason: str) -> HiveMindError:
        refused = code is not None and code not in _GOING_AWAY
        if self.state is State.AWAITING_HELLO and refused:
            return KeyRefused(self._key_refusal(reason))
        if self.state is State.AWAITING_ANSWER and refused and self._handshake is not None:
            interrupted = self._handshake.interrupted(code == _REFUSED_BY_POLICY)
            if interrupted is not None:
                return interrupted
        doubt, self._doubt = self._doubt, None
        if code == _REFUSED_BY_POLICY and self.state is State.ESTABLISHED and doubt is not None:
            return doubt.refused()
        if code == _REFUSED_BY_POLICY and self.state is State.AWAITING_OFFER:
            return HubRefused(f"the hub at {self._options.where} refused this client: {_shown(reason)}")
        return ConnectionLost(f"the connection with {self._options.where} ended ({_shown(reason, code)})")

    def _key_refusal(self, reason: str) -> str:
        said = f" ({_shown(reason)})" if reason else ""
        return (
            f"the hub at {self._options.where} refused the access key{said}: it does not know this client. Compare the "
            "key with 'hivemind-core list-clients', and set it with 'hivemind-client set-identity --key KEY'"
        )


def _shown(reason: str, code: Optional[int] = None) -> str:
    text = printable(reason)
    if code is not None:
        return f"close code {code}: {text}" if text else f"close code {code}"
    return text or "no close frame"
