"""From a message to the actions of its handler, whatever the handler does."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, Optional, Union

from hivemind_core_client.kernel.events import ArrivedInside, Denied, Event, Rejected, RunInTurn
from hivemind_core_client.kernel.leaving import Follow, Later
from hivemind_core_client.plugins.contract import Dispatch
from hivemind_core_client.plugins.functions import FUNCTIONS
from hivemind_core_client.wire.denials import DENIED, denial_of
from hivemind_core_client.wire.errors import HiveMindError, InvalidMessage, PluginError, ProtocolError
from hivemind_core_client.wire.message import (
    WRAPPER_TYPES,
    AnyMessageType,
    HiveMessage,
    HiveMessageType,
    MessageType,
    Payload,
)
from hivemind_core_client.wire.message_types import check_is_among
from hivemind_core_client.wire.weighing import weight_of

if TYPE_CHECKING:
    from hivemind_core_client.plugins.contract import (
        Action,
        Actions,
        BinaryHandler,
        Context,
        MessageHandler,
    )
    from hivemind_core_client.plugins.registry import Lanes, Registry

log = logging.getLogger(__name__)

#: How deep messages may be wrapped in messages.
MAX_DEPTH = 8

_BINARY, _BUS = HiveMessageType.BINARY, HiveMessageType.BUS
#: What follows from a message: what its handler wants done, that it was dropped, that it denies what we sent, or that a
#: handler is yet to be called.
Outcome = Union["Action", ArrivedInside, Denied, Rejected, RunInTurn]

_NO_LANES: Lanes = {function: {} for function in FUNCTIONS}
_UNHANDLED = "dropped %s: no plugin handles %s"


class Dispatcher:
    """Looks a message's handler up and runs it. One that raises is logged by name, and costs its message only.

    From `use_lanes` on, what is called in a lane is not run: it comes as a RunInTurn. `follow` makes events of what is
    to be done then.
    """

    def __init__(
        self,
        registry: Registry,
        context: Context,
        follow: Callable[[Iterable[Outcome]], list[Event]] = lambda outcomes: [],
    ) -> None:
        self.context = context
        self._handlers = registry.handlers
        self._binary_handlers = registry.binary_handlers
        self._types, self._binary_types = registry.message_types, registry.binary_types
        self._follow = follow
        self._lanes: Lanes = _NO_LANES
        self._receiving = _NO_LANES["receive"]

    def use_lanes(self, lanes: Lanes) -> frozenset[AnyMessageType]:
        """Call handlers in these lanes from now on. Returns the types of messages that are to be sent by `leaving`."""
        self._lanes = {**_NO_LANES, **lanes}
        self._receiving = self._lanes["receive"]
        own = frozenset({*self._lanes["prepare"], *self._lanes["on_send"]})
        wrappers = [kind for kind in self._types.values() if kind.carries is Payload.HIVE]
        return own.union(WRAPPER_TYPES, wrappers) if own else own  # what is inside may be of such a type

    def receive(
        self, message: HiveMessage, depth: int = 0, verified_source: Optional[str] = None
    ) -> Sequence[Outcome]:
        """The actions for a message that arrived, those of messages inside it included."""
        context = self.context if depth == 0 else self.context.within(verified_source)
        handler: Union[MessageHandler, BinaryHandler, None]
        arguments: tuple[Any, ...]
        told: list[Outcome] = []
        served: Any = message.msg_type
        if served is _BINARY:
            served = message.bin_type
            handler = self._binary_handlers.get(served)
            arguments = (context, message.raw_payload, message.metadata)
        else:
            handler, arguments = self._handlers.get(served), (context, message)
            # One that came inside another message is not the hub's word.
            if served is _BUS and message.raw_payload["type"] == DENIED and depth == 0:
                told = [Denied(denial_of(message.raw_payload.get("data")))]
        if handler is None:
            return [*told, *self._unhandled(message)]
        lane = self._receiving.get(served)
        if lane is not None:
            later = self._later(lane, handler.name, handler.receive, arguments, depth, weight_of(message))
            return [*told, later]
        return told + self._run(handler.name, handler.receive, arguments, depth)

    def handled_by(
        self, handler: MessageHandler, context: Context, message: HiveMessage
    ) -> Sequence[Outcome]:
        """The actions of this handler for a message, whichever handler its type has here."""
        return self._run(handler.name, handler.receive, (context, message))

    def prepare(self, message: HiveMessage, depth: int = 0, inner_too: bool = True) -> HiveMessage:
        """The message to send in place of one that the user sends; messages inside it are prepared first.

        Raises what the handler raised, so that the sender knows that nothing was sent; an error that is not
        one of ours comes as a PluginError that names the handler. InvalidMessage for what is no message,
        UnknownMessageType for a type that no plugin of this client brings.
        """
        if inner_too and message.msg_type.carries is Payload.HIVE:
            message = message.copy(payload=self.prepare(_inner(message, depth), depth + 1))
        handler = self._handlers.get(message.msg_type)
        if handler is None:
            # BINARY, what nobody handles, and what no plugin of this client knows.
            check_is_among(message.msg_type, message.bin_type, self._types, self._binary_types)
            return message
        if handler.prepare is None:
            return message
        try:
            prepared = handler.prepare(self.context, message)
        except (HiveMindError, KeyboardInterrupt):
            raise
        except BaseException as error:  # a handler is a plugin: it may even exit
            raise PluginError(
                f"handler {handler.name} raised {type(error).__name__}: the message was not sent"
            ) from error
        if not isinstance(prepared, HiveMessage):
            raise PluginError(
                f"handler {handler.name} prepared a {type(prepared).__name__}, not a HiveMessage: "
                "the message was not sent"
            )
        return prepared

    def sending(self, message: HiveMessage) -> Sequence[Outcome]:
        """The actions for a prepared message that is about to leave."""
        handler = self._handlers.get(message.msg_type)
        if handler is None or handler.on_send is None:
            return ()
        return self._run(handler.name, handler.on_send, (self.context, message))

    def ended(self) -> Iterator[Outcome]:
        """The actions for a session that has ended."""
        for handler in self._handlers.values():
            if handler.on_end is None:
                continue
            lane = self._lanes["on_end"].get(handler.msg_type)
            if lane is not None:
                yield self._later(lane, handler.name, handler.on_end, (self.context,))
            else:
                yield from self._run(handler.name, handler.on_end, (self.context,))

    def due(self, msg_type: AnyMessageType, key: str) -> Sequence[Outcome]:
        """The actions of a handler whose timer `key` ran out."""
        handler = self._handlers.get(msg_type)
        if handler is None or handler.on_timer is None:
            return ()
        lane = self._lanes["on_timer"].get(msg_type)
        if lane is not None:
            return [self._later(lane, handler.name, handler.on_timer, (self.context, key))]
        return self._run(handler.name, handler.on_timer, (self.context, key))

    def leaving(
        self, message: HiveMessage
    ) -> Generator[RunInTurn, Follow, tuple[HiveMessage, Optional[Follow]]]:
        """What `prepare` and `sending` do, for the types that `use_lanes` named.

        Yields what is to be run, one after the other; whoever runs it sends in what that returned. Returns the prepared
        message, and what is called for the events once it leaves: None where that is `sending`. Raises like `prepare`.
        """
        prepared = yield from self._preparing(message, 0)
        handler, lane = self._handlers.get(prepared.msg_type), self._lanes["on_send"].get(prepared.msg_type)
        if handler is None or handler.on_send is None or lane is None:
            return prepared, None
        return prepared, (yield self._later(lane, handler.name, handler.on_send, (self.context, prepared)))

    def _preparing(self, message: HiveMessage, depth: int) -> Generator[RunInTurn, Follow, HiveMessage]:
        if message.msg_type.carries is Payload.HIVE:
            inner = yield from self._preparing(_inner(message, depth), depth + 1)
            message = message.copy(payload=inner)
        lane = self._lanes["prepare"].get(message.msg_type)
        prepare = partial(self.prepare, message, depth, inner_too=False)
        if lane is None:
            return prepare()
        later = Later(prepare)
        yield RunInTurn(lane, later.run)
        return later.result()

    def _unhandled(self, message: HiveMessage) -> Sequence[Outcome]:
        """What follows from a message without a handler: a type of a plugin that this client lacks is no message."""
        try:
            check_is_among(message.msg_type, message.bin_type, self._types, self._binary_types)
        except ProtocolError as error:
            message.dropped = str(error)
            return [Rejected(error)]
        self.context.drop(message, "no plugin handles it", log.info, _UNHANDLED, *_shown(message))
        return ()

    def _later(
        self,
        lane: str,
        name: str,
        function: Callable[..., Actions],
        arguments: tuple[Any, ...],
        depth: int = 0,
        weight: int = 0,
    ) -> RunInTurn:
        def run() -> Follow:
            actions = self._run(name, function, arguments, depth, inner_too=False)
            return lambda: self._follow(self._expanded(actions, depth + 1))

        return RunInTurn(lane, run, weight)

    def _run(
        self,
        name: str,
        function: Callable[..., Actions],
        arguments: tuple[Any, ...],
        depth: int = 0,
        inner_too: bool = True,
    ) -> list[Outcome]:
        """The actions of a handler, with those of a message inside in place of its Dispatch."""
        try:
            actions: list[Outcome] = list(function(*arguments) or ())
        except KeyboardInterrupt:
            raise
        except ProtocolError as error:  # what the message holds makes no sense: one inside it, above all
            _note_dropped(arguments, str(error))
            return [Rejected(error)]
        except BaseException:  # a handler is a plugin: it may fail or even exit, the connection may not
            _note_dropped(arguments, f"handler {name} failed")
            self.context.note(log.exception, "handler %s raised; its message was dropped", name)
            return []
        for action in actions:
            if type(action) is Dispatch and inner_too:
                return self._expanded(actions, depth + 1)
        return actions

    def _expanded(self, actions: list[Outcome], depth: int) -> list[Outcome]:
        expanded: list[Outcome] = []
        for action in actions:
            if type(action) is not Dispatch:
                expanded.append(action)
            elif depth > MAX_DEPTH:
                reason = f"messages are nested deeper than {MAX_DEPTH}"
                text = "dropped a %s message: %s"
                self.context.drop(action.message, reason, log.warning, text, action.message.msg_type, reason)
            else:
                inner = action.message
                if type(inner.msg_type) is MessageType and inner.msg_type in self._types:
                    # Those who listen to a plugin's type would else hear only of what comes by itself.
                    expanded.append(ArrivedInside(inner))
                expanded += self.receive(inner, depth, action.verified_source)
        return expanded


def _inner(message: HiveMessage, depth: int) -> HiveMessage:
    """The message inside one that is to be sent. Raises InvalidMessage where there is none, or too deep a one."""
    if depth >= MAX_DEPTH:
        raise InvalidMessage(f"messages are nested deeper than {MAX_DEPTH}: the message was not sent")
    try:
        return HiveMessage.from_wire(message.raw_payload)
    except ProtocolError as error:
        raise InvalidMessage(f"the payload of {message.msg_type.name} is no HiveMessage: {error}") from error


def _note_dropped(arguments: tuple[Any, ...], reason: str) -> None:
    """Say so in the message that a handler was called for, where it got one."""
    for argument in arguments:
        if isinstance(argument, HiveMessage):
            argument.dropped = reason


def _shown(message: HiveMessage) -> tuple[str, str]:
    if message.msg_type is _BINARY:
        return "binary data", message.bin_type.name
    return f"a {message.msg_type} message", "that type"
