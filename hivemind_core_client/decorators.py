"""Decorators that make a function a handler of the bus, by the names of the reference client.

With `on_hive_message` and `on_third_party` your function gets the HiveMessage. With every other decorator it gets the
payload: an OVOS Message, a HiveMessage, or a dict, as `HiveMessage.payload` has it.

The decorated function stays what it was. It gets a `shutdown()`, which ends all that it was registered for. You may
decorate a function several times. For each hive type it is called only once for a message. What it raises is logged,
and the other handlers are still called.

You can decorate functions, and methods of an object that exists: `on_broadcast("bus", bus)(self.heard)`. You cannot
decorate a method in the body of its class: there is no object yet to call the method on.
"""

from __future__ import annotations

import functools
import logging
from contextlib import suppress
from typing import Any, Callable, Optional, Protocol, TypeVar

from hivemind_core_client.shell.base import BaseClient
from hivemind_core_client.shell.protocols import Handler
from hivemind_core_client.shell.subscriptions import call_safely, check_callable
from hivemind_core_client.shell.waiters import Names, names_of, payload_named
from hivemind_core_client.wire.errors import FrameError, InvalidOption, Mend
from hivemind_core_client.wire.message import HiveMessage, HiveMessageType, read_message_type

__all__ = [
    "HiveMessageListener",
    "HivePayloadListener",
    "on_broadcast",
    "on_cascade",
    "on_escalate",
    "on_handshake",
    "on_hello",
    "on_hive_message",
    "on_mycroft_message",
    "on_payload",
    "on_ping",
    "on_propagate",
    "on_query",
    "on_rendezvous",
    "on_shared_bus",
    "on_third_party",
]

log = logging.getLogger(__name__)

F = TypeVar("F", bound=Callable[..., Any])
#: Where a function keeps what it is registered for.
_LISTENERS = "__hivemind_listeners__"
#: Where the stand-in of a function has that function.
_ORIGINAL = "__hivemind_original__"


class Bus(Protocol):
    """What a decorator needs from a bus."""

    def on(self, event_name: str, func: Handler) -> None:
        """Call `func` for each message of a type."""

    def remove(self, event_name: str, func: Handler) -> None:
        """Stop calling `func` for messages of this type."""


class HiveMessageListener:
    """Calls handlers with each message of one type, from `listen()` to `shutdown()`.

    `message_type` is a HiveMessageType or its wire name. Any other name is an OVOS type: its handlers get Messages.
    Raises InvalidOption if `bus` is not a bus.
    """

    def __init__(self, bus: Optional[Bus], message_type: str) -> None:
        if bus is None or not (callable(getattr(bus, "on", None)) and callable(getattr(bus, "remove", None))):
            raise InvalidOption(
                f"a {type(bus).__name__} was passed as the bus",
                Mend(
                    "pass a connected client, as in on_broadcast('bus', bus) or on_broadcast(bus=bus)",
                    joint=": ",
                ),
            )
        self.bus = bus
        self.message_type = message_type
        self._handlers: list[Handler] = []

    def listen(self) -> HiveMessageListener:
        """Begin, and return this listener. A second call changes nothing."""
        self.bus.on(self.message_type, self._handler)
        return self

    def add_handler(self, handler: Handler) -> None:
        """Call `handler` too. Raises InvalidOption if it cannot be called."""
        check_callable(self.message_type, handler)
        self._handlers.append(handler)

    def clear_handlers(self) -> None:
        """Remove all handlers: none is called any more."""
        self._handlers = []

    def shutdown(self) -> None:
        """Stop listening. A second call changes nothing."""
        self.bus.remove(self.message_type, self._handler)

    def calls(self, handler: Handler) -> bool:
        """True if this handler was added."""
        return handler in self._handlers

    def _handler(self, message: Any) -> None:
        self._call(message)

    def _call(self, argument: Any) -> None:
        call = self.bus.mailbox.call if isinstance(self.bus, BaseClient) else call_safely
        for handler in list(self._handlers):
            call(handler, argument)


class HivePayloadListener(HiveMessageListener):
    """Calls handlers with the payload of each hive message of one type, if the payload has the wanted type.

    `payload_type` is one name, several names, or None for all payloads. In BUS and SHARED_BUS it is the OVOS type. In a
    message that wraps another one it is the hive type. In any other message it is the payload's `msg_type`.
    Raises UnknownMessageType if `message_type` is not a hive type. Raises InvalidOption if `bus` is not a bus, or if
    `payload_type` is none of these.
    """

    def __init__(self, payload_type: Optional[Names], bus: Optional[Bus], message_type: str) -> None:
        super().__init__(bus, read_message_type(message_type))
        self.payload_type = payload_type
        self._wanted = _wanted(payload_type)

    def add_payload_type(self, payload_type: Optional[Names]) -> None:
        """Call the handlers for payloads of this type too. None means: for all payloads."""
        more = _wanted(payload_type)
        self._wanted = None if self._wanted is None or more is None else self._wanted | more

    def _handler(self, message: HiveMessage) -> None:
        if self._wanted is not None and not payload_named(self._wanted, self.message_type)(message):
            return
        try:
            payload = message.payload
        except FrameError as error:
            log.info("handlers of %s get no payload that cannot be read: %s", self.message_type, error)
            return
        self._call(payload)


def on_hive_message(message_type: str, bus: Optional[Bus]) -> Callable[[F], F]:
    """Call the function with each HiveMessage of one type. Raises InvalidOption if `bus` is not a bus."""

    def decorate(func: F) -> F:
        return _registered(func, HiveMessageListener(bus, message_type))

    return decorate


def on_third_party(bus: Optional[Bus]) -> Callable[[F], F]:
    """Call the function with each THIRDPRTY HiveMessage. Raises InvalidOption if `bus` is not a bus."""
    return on_hive_message(HiveMessageType.THIRDPRTY, bus)


def on_payload(
    message_type: str, payload_type: Optional[Names] = None, bus: Optional[Bus] = None
) -> Callable[[F], F]:
    """Call the function with the payload of each hive message of one type. Arguments as for HivePayloadListener."""

    def decorate(func: F) -> F:
        return _registered(func, HivePayloadListener(payload_type, bus, message_type))

    return decorate


class OnPayload(Protocol):
    """A decorator for one hive type."""

    def __call__(self, payload_type: Optional[Names] = None, bus: Optional[Bus] = None) -> Callable[[F], F]:
        """Call the function with the payload, if it has this type. None, the default, means: with every payload."""


def _on(name: str, message_type: HiveMessageType) -> OnPayload:
    def on_type(payload_type: Optional[Names] = None, bus: Optional[Bus] = None) -> Callable[[F], F]:
        return on_payload(message_type, payload_type, bus)

    on_type.__name__ = on_type.__qualname__ = name
    on_type.__doc__ = (
        f"Call the function with the payload of each {message_type.name} message, if it is of `payload_type` "
        "(default: all). Raises InvalidOption if `bus` is not a bus."
    )
    return on_type


on_mycroft_message = _on("on_mycroft_message", HiveMessageType.BUS)
on_shared_bus = _on("on_shared_bus", HiveMessageType.SHARED_BUS)
on_broadcast = _on("on_broadcast", HiveMessageType.BROADCAST)
on_propagate = _on("on_propagate", HiveMessageType.PROPAGATE)
on_escalate = _on("on_escalate", HiveMessageType.ESCALATE)
on_query = _on("on_query", HiveMessageType.QUERY)
on_cascade = _on("on_cascade", HiveMessageType.CASCADE)
on_ping = _on("on_ping", HiveMessageType.PING)
on_hello = _on("on_hello", HiveMessageType.HELLO)
on_handshake = _on("on_handshake", HiveMessageType.HANDSHAKE)
on_rendezvous = _on("on_rendezvous", HiveMessageType.RENDEZVOUS)


def _wanted(payload_type: Optional[Names]) -> Optional[frozenset[str]]:
    if payload_type is None:
        return None
    try:
        names = names_of(payload_type)
    except TypeError:
        names = frozenset()
    if not names or not all(isinstance(name, str) for name in names):
        raise InvalidOption(
            f"payload_type is a {type(payload_type).__name__}",
            Mend("pass a name, several, or None for all", joint="; "),
        )
    return names


def _registered(func: F, listener: HiveMessageListener) -> F:
    """The function, or what stands for one that takes no attributes, with a `shutdown`."""
    known = _listeners_of(func)
    target = getattr(func, _ORIGINAL, func)
    listener.add_handler(target)
    same = next((other for other in known if other.calls(target) and _same_messages(other, listener)), None)
    if same is None:
        known.append(listener.listen())
    elif isinstance(same, HivePayloadListener) and isinstance(listener, HivePayloadListener):
        same.add_payload_type(listener.payload_type)  # with two listeners it would be called twice

    def shutdown() -> None:
        ended = [other for other in known if other.calls(target)]
        known[:] = [other for other in known if other not in ended]
        for other in ended:
            other.shutdown()

    try:
        func.shutdown = shutdown  # type: ignore[attr-defined]  # what users of the reference client call
    except AttributeError:  # a bound method, or one that is written in C
        func = _stand_in(func, known)
        func.shutdown = shutdown  # type: ignore[attr-defined]
    return func


def _same_messages(one: HiveMessageListener, other: HiveMessageListener) -> bool:
    """Whether both listen to the same hive type on the same bus, for messages or for payloads."""
    return type(one) is type(other) and one.bus is other.bus and one.message_type == other.message_type


def _stand_in(func: F, known: list[HiveMessageListener]) -> F:
    @functools.wraps(func, updated=())
    def stand_in(*arguments: Any, **named: Any) -> Any:
        return func(*arguments, **named)

    setattr(stand_in, _LISTENERS, known)
    setattr(stand_in, _ORIGINAL, func)
    return stand_in  # type: ignore[return-value]  # it is called like the function


def _listeners_of(func: Any) -> list[HiveMessageListener]:
    """What this function listens to; that of a method is kept on its function, for all objects."""
    keeper = getattr(func, "__func__", func)
    known: Optional[list[HiveMessageListener]] = getattr(keeper, _LISTENERS, None)
    if known is None:
        known = []
        with suppress(AttributeError):  # what takes no attributes gets a stand-in, which does
            setattr(keeper, _LISTENERS, known)
    return known
