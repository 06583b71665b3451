"""The handlers of one client: of hive messages, of OVOS messages, and of what becomes of the connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Optional

from hivemind_core_client.shell.subscriptions import Subscriptions, check_callable
from hivemind_core_client.shell.waiters import is_hive_type
from hivemind_core_client.wire.errors import InvalidOption
from hivemind_core_client.wire.message import HiveMessage

if TYPE_CHECKING:
    from hivemind_core_client.shell.local_bridge import LocalBusBridge
    from hivemind_core_client.shell.protocols import Handler, MailboxProtocol
    from hivemind_core_client.shell.waiters import TypeNames, Waiters

#: What the OVOS bus client says of its own connection, as names for `on`, and what a client of ours says beside that.
CONNECTION_EVENTS = frozenset({"open", "close", "error", "reconnecting", "doubt", "denied", "dropped"})


class Handlers:
    """Where handlers are kept: those of OVOS messages on the internal bus, the others here.

    `more_types` are the message types that plugins bring.
    """

    def __init__(self, bridge: LocalBusBridge, more_types: TypeNames = ()) -> None:
        self.hive, self.connection = Subscriptions(), Subscriptions()
        #: What is called in place of a handler that answers collect-calls, by message type and handler.
        self.collectors: dict[tuple[str, Handler], Handler] = {}
        self._bridge = bridge
        self._more_types = more_types

    def add(self, name: str, func: Handler, once: bool = False) -> None:
        """Call `func` for what goes by `name`. Raises InvalidOption for what cannot be called."""
        own = self.own(name)
        if own is not None:
            own.add(str(name), func, once)
        else:
            self.add_ovos(name, func, once)

    def add_ovos(self, name: str, func: Handler, once: bool = False) -> None:
        """Call `func` for an OVOS message, even one named like a hive type."""
        bus = self._bridge.bus
        (bus.once if once else bus.on)(name, self._bridge.adapted(func))

    def add_collector(self, name: str, func: Handler, answering: Callable[[], Handler]) -> None:
        """Call what `answering()` makes for `func`, in place of what was made for it before.

        Raises InvalidOption for what cannot be called, and for the name of a hive type.
        """
        check_callable(name, func)
        if is_hive_type(name, self._more_types):
            raise InvalidOption(f"{name!r} is the name of a hive type: a collect-call is an OVOS message")
        self._remove_collector(name, func)
        self.collectors[name, func] = made = answering()
        self.add(name, made)

    def remove(self, name: str, func: Handler) -> None:
        """Call `func` no more; one that was not registered is no error."""
        if self._remove_collector(name, func):
            return
        own = self.own(name)
        if own is None:
            self.remove_ovos(name, func)
        else:
            own.remove(name, func)

    def remove_ovos(self, name: str, func: Handler) -> None:
        """Call `func` no more for an OVOS message, even one named like a hive type."""
        self._bridge.bus.remove(name, self._bridge.adapted(func))

    def clear(self, name: str) -> None:
        """Forget every handler of `name`."""
        for key in [key for key in self.collectors if key[0] == name]:
            del self.collectors[key]
        own = self.own(name)
        if own is None:
            self._bridge.bus.remove_all_listeners(name)
        else:
            own.clear(name)

    def _remove_collector(self, name: str, func: Handler) -> bool:
        made = self.collectors.pop((name, func), None)
        if made is not None:
            self.remove(name, made)
        return made is not None

    def own(self, name: str) -> Optional[Subscriptions]:
        """Where handlers of this name are kept; None for those on the internal bus."""
        if name in CONNECTION_EVENTS:
            return self.connection
        return self.hive if is_hive_type(name, self._more_types) else None


class Emitter:
    """The handlers of one client by the verbs of pyee's EventEmitter, as the bus client of OVOS has them."""

    def __init__(self, handlers: Handlers, mailbox: MailboxProtocol, waiters: Waiters) -> None:
        self._handlers = handlers
        self._mailbox = mailbox
        self._waiters = waiters

    def on(self, event: str, f: Handler) -> Handler:
        """As `client.on`."""
        self._handlers.add(event, f)
        return f

    def once(self, event: str, f: Handler) -> Handler:
        """As `client.once`."""
        self._handlers.add(event, f, once=True)
        return f

    def remove_listener(self, event: str, f: Handler) -> None:
        """As `client.remove`."""
        self._handlers.remove(event, f)

    def remove_all_listeners(self, event: str) -> None:
        """As `client.remove_all_listeners`."""
        self._handlers.clear(event)

    def emit(self, event: str, *arguments: Any) -> bool:
        """Call the handlers of a hive type or of the connection, now, and end the waits for a HiveMessage given here.

        Nothing is sent. Returns whether there were handlers; never for an OVOS type, which is said on the internal bus.
        """
        for argument in arguments:
            if isinstance(argument, HiveMessage):
                self._waiters.offer(argument)
        own = self._handlers.own(event)
        handlers = [] if own is None else own.take(str(event))
        for handler in handlers:
            self._mailbox.call(handler, *arguments)
        return bool(handlers)
