"""From a message to the actions of its handler, whatever the handler does."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Callable, Optional, Union

from hivemind_core_client.kernel.events import Rejected
from hivemind_core_client.plugins.contract import Dispatch
from hivemind_core_client.wire.errors import HiveMindError, InvalidMessage, PluginError, ProtocolError
from hivemind_core_client.wire.message import WRAPPER_TYPES, HiveMessage, HiveMessageType

if TYPE_CHECKING:
    from hivemind_core_client.plugins.contract import (
        Action,
        Actions,
        BinaryHandler,
        Context,
        MessageHandler,
    )
    from hivemind_core_client.plugins.registry import Registry

log = logging.getLogger(__name__)

#: How deep messages may be wrapped in messages.
MAX_DEPTH = 8

_BINARY = HiveMessageType.BINARY
#: What follows from a message: what its handler wants done, or that it was dropped.
Outcome = Union["Action", Rejected]

_UNHANDLED = "dropped %s: no plugin handles %s"


class Dispatcher:
    """Looks a message's handler up and runs it. One that raises is logged by name, and costs its message only."""

    def __init__(self, registry: Registry, context: Context) -> None:
        self.context = context
        self._handlers = registry.handlers
        self._binary_handlers = registry.binary_handlers

    def receive(
        self, message: HiveMessage, depth: int = 0, verified_source: Optional[str] = None
    ) -> Sequence[Outcome]:
        """The actions for a message that arrived, those of messages inside it included."""
        context = self.context if depth == 0 else self.context.within(verified_source)
        handler: Union[MessageHandler, BinaryHandler, None]
        arguments: tuple[Any, ...]
        if message.msg_type is _BINARY:
            handler = self._binary_handlers.get(message.bin_type)
            arguments = (context, message.raw_payload, message.metadata)
        else:
            handler, arguments = self._handlers.get(message.msg_type), (context, message)
        if handler is None:
            self.context.note(log.info, _UNHANDLED, *_shown(message))
            return ()
        return self._run(handler.name, handler.receive, arguments, depth)

    def prepare(self, message: HiveMessage, depth: int = 0) -> HiveMessage:
        """The message to send in place of one that the user sends; messages inside it are prepared first.

        Raises what the handler raised, so that the sender knows that nothing was sent; an error that is not
        one of ours comes as a PluginError that names the handler. InvalidMessage for what is no message.
        """
        if message.msg_type in WRAPPER_TYPES:
            message = self._with_prepared_payload(message, depth)
        handler = self._handlers.get(message.msg_type)
        if handler is None or handler.prepare is None:
            return message
        try:
            return handler.prepare(self.context, message)
        except HiveMindError:
            raise
        except Exception as error:  # a handler is a plugin and may raise anything
            raise PluginError(
                f"handler {handler.name} raised {type(error).__name__}: the message was not sent"
            ) from error

    def sending(self, message: HiveMessage) -> Sequence[Outcome]:
        """The actions for a prepared message that is about to leave."""
        handler = self._handlers.get(message.msg_type)
        if handler is None or handler.on_send is None:
            return ()
        return self._run(handler.name, handler.on_send, (self.context, message))

    def ended(self) -> Iterator[Outcome]:
        """The actions for a session that has ended."""
        for handler in self._handlers.values():
            if handler.on_end is not None:
                yield from self._run(handler.name, handler.on_end, (self.context,))

    def due(self, msg_type: HiveMessageType, key: str) -> Sequence[Outcome]:
        """The actions of a handler whose timer `key` ran out."""
        handler = self._handlers.get(msg_type)
        if handler is None or handler.on_timer is None:
            return ()
        return self._run(handler.name, handler.on_timer, (self.context, key))

    def _with_prepared_payload(self, message: HiveMessage, depth: int) -> HiveMessage:
        if depth >= MAX_DEPTH:
            raise InvalidMessage(f"messages are nested deeper than {MAX_DEPTH}: the message was not sent")
        try:
            inner = HiveMessage.deserialize(message.raw_payload)
        except ProtocolError as error:
            raise InvalidMessage(
                f"the payload of {message.msg_type.name} is no HiveMessage: {error}"
            ) from error
        return message.copy(payload=self.prepare(inner, depth + 1))

    def _run(
        self, name: str, function: Callable[..., Actions], arguments: tuple[Any, ...], depth: int = 0
    ) -> list[Outcome]:
        """The actions of a handler, with those of a message inside in place of its Dispatch."""
        try:
            actions: list[Outcome] = list(function(*arguments) or ())
        except KeyboardInterrupt:
            raise
        except ProtocolError as error:  # what the message holds makes no sense: one inside it, above all
            return [Rejected(error)]
        except BaseException:  # a handler is a plugin: it may fail or even exit, the connection may not
            self.context.note(log.exception, "handler %s raised; its message was dropped", name)
            return []
        for action in actions:
            if type(action) is Dispatch:
                return self._expanded(actions, depth + 1)
        return actions

    def _expanded(self, actions: list[Outcome], depth: int) -> list[Outcome]:
        expanded: list[Outcome] = []
        for action in actions:
            if type(action) is not Dispatch:
                expanded.append(action)
            elif depth > MAX_DEPTH:
                self.context.note(
                    log.warning,
                    "dropped a %s message: messages are nested deeper than %d",
                    action.message.msg_type,
                    MAX_DEPTH,
                )
            else:
                expanded += self.receive(action.message, depth, action.verified_source)
        return expanded


def _shown(message: HiveMessage) -> tuple[str, str]:
    if message.msg_type is _BINARY:
        return "binary data", message.bin_type.name
    return f"a {message.msg_type} message", "that type"
