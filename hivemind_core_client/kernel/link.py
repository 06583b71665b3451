"""Link: one connection with a hub, as a state machine that is fed frames."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterable, Iterator
from functools import partial
from typing import Any, Callable, Optional, TypeVar, cast

from hivemind_core_client.kernel.bounds import FRAME_COST_BYTES, too_large, too_much
from hivemind_core_client.kernel.closing import PROOF_WINDOW_S, meaning_of_close
from hivemind_core_client.kernel.decoding import (
    FAULTS,
    LONG_BINARY,
    LONG_FRAME,
    LONG_TEXT,
    Decoder,
    apart_from_the_rest,
    without_frames,
)
from hivemind_core_client.kernel.dispatch import Dispatcher
from hivemind_core_client.kernel.dispatch import Outcome as Followed
from hivemind_core_client.kernel.echoes import ECHO_TYPE, Answered, Echoes
from hivemind_core_client.kernel.encoding import Encoder
from hivemind_core_client.kernel.events import (
    Arrived,
    ArrivedInside,
    AwaitProof,
    Denied,
    Echoed,
    Established,
    Event,
    Failed,
    Rejected,
    RunApart,
    RunDuringWait,
    RunInTurn,
    Transmit,
)
from hivemind_core_client.kernel.handshake.base import terms_of
from hivemind_core_client.kernel.handshake.guarding import GuardedHandshake, choose
from hivemind_core_client.kernel.leaving import Follow
from hivemind_core_client.kernel.options import LinkOptions
from hivemind_core_client.kernel.states import PHASES, Signal, State, advance
from hivemind_core_client.plugins.contract import (
    CallBack,
    CancelTimer,
    Conclude,
    Context,
    Deliver,
    Frame,
    HubFacts,
    Introduce,
    MessageHandler,
    Negotiate,
    Negotiated,
    Select,
    Send,
    SetTimer,
)
from hivemind_core_client.plugins.handshake_contract import Channel, Doubt, Offer, Outcome, Progress
from hivemind_core_client.plugins.registry import Lanes, Registry
from hivemind_core_client.wire.errors import (
    CleartextRefused,
    HandshakeError,
    HiveMindError,
    HubRefused,
    InvalidMessage,
    NotConnected,
    PluginError,
    ProtocolError,
    UsageError,
)
from hivemind_core_client.wire.message import HANDSHAKE_TYPES, AnyMessageType, HiveMessage, HiveMessageType
from hivemind_core_client.wire.message_types import types_without_code

log = logging.getLogger(__name__)
T = TypeVar("T")

_FOR_THE_SHELL = frozenset(
    {Rejected, ArrivedInside, Denied, RunInTurn, Send, Deliver, Select, CallBack, SetTimer, CancelTimer}
)


class Link:
    """One connection. The shell feeds `receive`, `opened`, `ended`; it sends what comes out of it.

    Not locked: `receive`, `opened` and `ended` belong to whoever reads the transport, `seal` to whoever holds the
    writing lock; any sender may call `prepare`. `receive`, `sending`, `due`, `admit` and `session_ended` change what
    handlers remember and the hive map: the shell calls one of them at a time.
    With `in_turn`, handlers of plugins that are not built in come as RunInTurn once there is a key; a message of a type
    in `sent_in_turn` is prepared by `leaving` then.
    """

    def __init__(
        self, registry: Registry, context: Context, options: LinkOptions, in_turn: bool = False
    ) -> None:
        self.state = State.IDLE
        self.context = context
        context.hub = context.negotiated = None
        self._options = options
        self._registry = registry
        self._dispatcher = Dispatcher(registry, context, self._collected)
        self._lanes: Lanes = registry.lanes if in_turn else {}
        #: The types of messages that are sent by `leaving`, instead of `prepare` and `sending`.
        self.sent_in_turn: frozenset[AnyMessageType] = frozenset()
        self._handshake: Optional[GuardedHandshake] = None
        #: What seals and opens, from the end of the handshake to the end of the connection.
        self._channel: Optional[Channel] = None
        self._doubt: Optional[Doubt] = None
        self._decoder = Decoder(registry, options.limits)
        self._encoder = Encoder(registry, options.compress)
        self._proof_window_closes = 0.0
        self._echoes = Echoes()
        #: How many more bytes are read before there is a key.
        self._left = options.limits.unauthenticated
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

    def receive(self, frame: Frame, apart: bool = False) -> list[Event]:
        """What a frame from the hub means; never raises for anything a peer can send.

        Where that takes long, and `apart` is set, the last event is a RunApart.
        """
        proof: list[Event] = []
        try:
            channel = self._channel
            if channel is None:
                return self._receive_clear(frame)
            if len(frame) > self._options.limits.frame:
                raise too_large(frame, self._options.limits.frame)
            if apart and self._doubt is None and len(frame) > LONG_FRAME:
                return [self._apart(partial(channel.open, frame), self._opened_apart)]
            plain = channel.open(frame)
            if self._doubt is not None:
                proof = self._prove(self._doubt)
            if plain is None:
                return proof
            if apart and len(plain) > (LONG_TEXT if isinstance(plain, str) else LONG_BINARY):
                return [*proof, self._apart(partial(self._decoder.decode, plain), self._arrived)]
            return proof + self._arrived(self._decoder.decode(plain))
        except FAULTS as error:
            return proof + self._broken(error)

    def due(self, msg_type: AnyMessageType, key: str) -> list[Event]:
        """What follows from a timer that ran out."""
        return self._collected(self._dispatcher.due(msg_type, key))

    def admit(self, message: HiveMessage, wrapped: bool = True) -> list[Event]:
        """What follows from a message that a handler had kept back, and that is now taken as arrived.

        `wrapped` says that it came inside another one.
        """
        return self._collected(self._dispatcher.receive(message, depth=1 if wrapped else 0))

    def handled_by(self, handler: MessageHandler, context: Context, message: HiveMessage) -> list[Event]:
        """What follows from a message by this handler, whichever handler its type has here."""
        return self._collected(self._dispatcher.handled_by(handler, context, message))

    def hub_answered(self, now: float) -> list[Event]:
        """The hub has answered a ping that came after the handshake, or took too long for it: what follows.

        For `PROOF_WINDOW_S` seconds after `now` a close with 1008 is still a refusal.
        """
        if self.state is not State.IN_DOUBT:
            return []
        self._proof_window_closes = now + PROOF_WINDOW_S
        self._advance(Signal.PONG)
        return self._announced()

    def sending(self, message: HiveMessage) -> list[Event]:
        """What handlers want done about a prepared message that is about to leave."""
        return self._collected(self._dispatcher.sending(message))

    def session_ended(self) -> list[Event]:
        """What handlers want done now that the session has ended."""
        return self._collected(self._dispatcher.ended())

    def prepare(self, message: HiveMessage) -> HiveMessage:
        """The message as it will be sent: what the protocol asks for is filled in where it is missing."""
        return self._dispatcher.prepare(message)

    def leaving(
        self, message: HiveMessage
    ) -> Generator[RunInTurn, Follow, tuple[HiveMessage, Optional[Follow]]]:
        """Prepare a message with handlers that are run in turn; see `Dispatcher.leaving`."""
        return self._dispatcher.leaving(message)

    def seal(self, message: HiveMessage, answered: Optional[Answered] = None) -> list[Frame]:
        """The frames for a prepared message, to be written in this order.

        `answered` is for a RENDEZVOUS whose answer no handler is to have: it comes in an Echoed. Raises NotConnected
        without a session, and InvalidMessage or EncryptionFailed for a message that has no form on the wire.
        """
        channel = self._channel
        if channel is None:
            raise NotConnected(
                f"no session with {self._options.where} ({self.state.value}): the message was not sent"
            )
        frames = channel.seal(self._encoder.encode(message))
        if message.msg_type is ECHO_TYPE:
            self._echoes.asked(answered)
        return frames

    def ended(self, code: Optional[int] = None, reason: str = "", *, now: float) -> HiveMindError:
        """The transport is closed: with `code` by a close frame (1005: one without a code), else None.

        Returns what that means: a HubRefused when trying again is useless. `now` is on the clock of `hub_answered`.
        """
        if self._doubt is not None and self.state is State.PROOF_WINDOW and now >= self._proof_window_closes:
            self._take_as_proven(self._doubt)
        error = meaning_of_close(self.state, code, reason, self._options.where, self._handshake, self._doubt)
        if isinstance(error, HubRefused) and self.state is not State.REFUSED:
            self._advance(Signal.REFUSAL)
        self._advance(Signal.ENDED)
        return error

    def _advance(self, signal: Signal) -> None:
        self.state = advance(self.state, signal)
        if signal is Signal.REFUSAL or signal is Signal.ENDED:
            self._channel = None  # nothing is sealed or opened any more

    def _fail(self, error: HiveMindError) -> Failed:
        self._advance(Signal.REFUSAL)
        return Failed(error)

    def _broken(self, error: HiveMindError) -> list[Event]:
        """A broken handshake is fatal for its connection; any other broken frame costs only itself."""
        without_frames(error)
        if isinstance(error, ProtocolError) and not (
            isinstance(error, HandshakeError) and self.state is State.AWAITING_ANSWER
        ):
            return [Rejected(error)]
        return [self._fail(error)]

    def _apart(self, work: Callable[[], T], then: Callable[[T], list[Event]]) -> RunApart:
        return apart_from_the_rest(work, then, self._broken)

    def _opened_apart(self, plain: Optional[Frame]) -> list[Event]:
        return [] if plain is None else [self._apart(partial(self._decoder.decode, plain), self._arrived)]

    def _receive_clear(self, frame: Frame) -> list[Event]:
        """What a frame before the handshake's end means; only those of the handshake are legal."""
        if self.state in (State.REFUSED, State.CLOSED):
            return []
        limits = self._options.limits
        self._left -= len(frame) + FRAME_COST_BYTES
        if self._left < 0:
            return [self._fail(too_much(self._options.where, limits.unauthenticated))]
        if len(frame) > limits.frame:
            raise too_large(frame, limits.frame)
        if not isinstance(frame, str):
            raise CleartextRefused("a binary frame before the handshake was dropped")
        message = self._decoder.decode(frame, min(limits.inflated, limits.unauthenticated))
        if message.msg_type not in HANDSHAKE_TYPES:
            raise CleartextRefused(f"a {message.msg_type.name} message before the handshake was dropped")
        return self._arrived(message)

    def _prove(self, doubt: Doubt) -> list[Event]:
        """A sealed frame of the hub has opened: it took the handshake."""
        told = self.state is State.PROOF_WINDOW
        self._take_as_proven(doubt)
        return [] if told else self._announced()

    def _take_as_proven(self, doubt: Doubt) -> None:
        self._doubt = None
        doubt.taken()
        self._advance(Signal.PROVEN)

    def _announced(self) -> list[Event]:
        negotiated = self.context.negotiated
        return [] if negotiated is None else [Established(negotiated)]

    def _arrived(self, message: HiveMessage) -> list[Event]:
        if self._echoes.waiting and message.msg_type is ECHO_TYPE:
            answered = self._echoes.answer()
            if answered is not None:
                return [Echoed(answered)]
        events: list[Event] = [Arrived(message)]
        self._interpret(self._dispatcher.receive(message), events)
        return events

    def _collected(self, actions: Iterable[Followed]) -> list[Event]:
        """All that follows; never raises, since whoever calls has no frame to drop."""
        events: list[Event] = []
        try:
            self._interpret(actions, events)
        except HiveMindError as error:
            self.context.note(log.warning, "dropped an action of a handler: %s", error)
        return events

    def _interpret(self, actions: Iterable[Followed], events: list[Event]) -> None:
        """Add what follows from these actions."""
        for action in actions:
            kind = type(action)
            if kind in _FOR_THE_SHELL:
                events.append(cast("Event", action))
            elif kind in self._acts:
                events.extend(self._acts[kind](action))
            else:
                self.context.note(log.warning, "a handler returned a %s, which is no action", kind.__name__)

    def _introduce(self, action: Introduce) -> Iterator[Event]:
        if self.state is State.AWAITING_HELLO:
            self.context.hub = action.hub
            self._advance(Signal.HELLO)
        else:
            self.context.note(log.debug, "ignored another HELLO of the hub")
        return iter(())

    def _negotiate(self, action: Negotiate) -> Iterator[Event]:
        if self._handshake is not None and self._handshake.is_answer(action.offer):
            yield from self._conclude(Conclude(action.offer))
            return
        if self.state is not State.AWAITING_OFFER or self.context.hub is None:
            self.context.note(log.debug, "ignored an offer in the state %r", self.state.value)
            return
        try:
            terms = terms_of(self._options, self._registry, self.context.hub)
            handshake = choose(self._registry.handshakes, Offer.read(action.offer), terms)
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
            yield Transmit([self._encoder.encode(shake)])
        if progress.during_wait is not None:
            yield RunDuringWait(progress.during_wait)
        if progress.outcome is not None:
            yield from self._establish(progress.outcome)

    def _establish(self, outcome: Outcome) -> Iterator[Event]:
        self._channel = outcome.channel
        self._doubt = outcome.doubt
        self.context.negotiated = outcome.negotiated
        self._decoder.without_code = types_without_code(outcome.negotiated.version)
        self._encoder.binarize = outcome.negotiated.binarize
        self._encoder.text_only |= self._decoder.without_code
        self.sent_in_turn = self._dispatcher.use_lanes(self._lanes)
        self._handshake = None
        self._advance(Signal.KEYED if outcome.doubt is None else Signal.KEYED_IN_DOUBT)
        try:
            frames = self._hello()
        except (UsageError, PluginError) as error:  # such as a session state that has no form on the wire
            yield self._fail(error)
            return
        yield Transmit(frames)
        yield Established(outcome.negotiated) if outcome.doubt is None else AwaitProof()

    def _hello(self) -> list[Frame]:
        """Our HELLO, sealed; without the session state where that is what has no form on the wire."""
        hello, session = HiveMessage(HiveMessageType.HELLO, {}), self.context.session
        try:
            return self.seal(self.prepare(hello))
        except InvalidMessage as error:
            if not session.state:
                raise
            self.context.note(log.warning, "forgot the state of the session, which cannot be sent: %s", error)
            session.state = {}
        return self.seal(self.prepare(hello))
