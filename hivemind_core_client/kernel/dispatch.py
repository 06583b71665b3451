"""From a message to the actions of its handler, whatever the handler does."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import Any, Callable, Optional

from attrs import evolve

from hivemind_core_client.plugins.contract import Action, Actions, Context, Dispatch
from hivemind_core_client.plugins.registry import Registry
from hivemind_core_client.wire.errors import HiveMindError, InvalidMessage, PluginError, ProtocolError
from hivemind_core_client.wire.message import WRAPPER_TYPES, HiveMessage, HiveMessageType

log = logging.getLogger(__name__)

#: How deep messages may be wrapped in messages.
MAX_DEPTH = 8


class Dispatcher:
    """Looks a message's handler up and runs it. One that raises is logged by name, and costs its message only."""

    def __init__(self, registry: Registry, context: Context) -> None:
        self.context = context
        self._handlers = registry.handlers
        self._binary_handlers = registry.binary_handlers

    def receive(
        self, message: HiveMessage, depth: int = 0, verified_source: Optional[str] = None
    ) -> Iterator[Action]:
        """The actions for a message that arrived, those of messages inside it included."""
        if depth > MAX_DEPTH:
            log.warning(
                "dropped a %s message: messages are nested deeper than %d", message.msg_type, MAX_DEPTH
            )
            return
        context = self.context
        if depth:
            context = evolve(context, verified_source=verified_source, wrapped=True)
        yield from self._expanded(self._actions_for(context, message), depth)

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

    def sending(self, message: HiveMessage) -> Iterator[Action]:
        """The actions for a prepared message that is about to leave."""
        handler = self._handlers.get(message.msg_type)
        if handler is not None and handler.on_send is not None:
            yield from self._expanded(self._run(handler.name, handler.on_send, self.context, message), 0)

    def ended(self) -> Iterator[Action]:
        """The actions for a session that has ended."""
        for handler in self._handlers.values():
            if handler.on_end is not None:
                yield from self._expanded(self._run(handler.name, handler.on_end, self.context), 0)

    def due(self, msg_type: HiveMessageType, key: str) -> Iterator[Action]:
        """The actions of a handler whose timer `key` ran out."""
        handler = self._handlers.get(msg_type)
        if handler is not None and handler.on_timer is not None:
            yield from self._expanded(self._run(handler.name, handler.on_timer, self.context, key), 0)

    def _expanded(self, actions: Iterable[Action], depth: int) -> Iterator[Action]:
        for action in actions:
            if type(action) is Dispatch:
                yield from self.receive(action.message, depth + 1, action.verified_source)
            else:
                yield action

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

    def _actions_for(self, context: Context, message: HiveMessage) -> Iterator[Action]:
        if message.msg_type is HiveMessageType.BINARY:
            yield from self._binary_actions(context, message)
            return
        handler = self._handlers.get(message.msg_type)
        if handler is None:
            log.info("dropped a %s message: no plugin handles that type", message.msg_type)
            return
        yield from self._run(handler.name, handler.receive, context, message)

    def _binary_actions(self, context: Context, message: HiveMessage) -> Iterator[Action]:
        handler = self._binary_handlers.get(message.bin_type)
        if handler is None:
            log.info("dropped binary data: no plugin handles %s", message.bin_type.name)
            return
        arguments = (context, message.raw_payload, message.metadata)
        yield from self._run(handler.name, handler.receive, *arguments)

    def _run(self, name: str, function: Callable[..., Actions], *arguments: Any) -> list[Action]:
        try:
            return list(function(*arguments) or ())
        except KeyboardInterrupt:
            raise
        except BaseException:  # a handler is a plugin: it may fail or even exit, the connection may not
            log.exception("handler %s raised; its message was dropped", name)
            return []
