"""The verbs that set handlers, and where handlers are kept."""

from __future__ import annotations

from typing import Any, Optional

from hivemind_core_client.localbus import Handler, Subscriptions, call_safely
from hivemind_core_client.localside import LocalSide
from hivemind_core_client.waiters import is_hive_type

#: What the OVOS bus client says of its own connection, as names for `on`.
_LIFECYCLE = frozenset({"open", "close", "error", "reconnecting"})


class ListenVerbs:
    """Listening, for a client that has a local side."""

    wrapped_funcs: dict[Any, Any]
    _local: LocalSide
    _hive_handlers: Subscriptions
    _lifecycle_handlers: Subscriptions

    def on(self, event_name: str, func: Handler) -> None:
        """Call `func` for each message of a type: a HiveMessageType gets HiveMessages, any other name OVOS Messages."""
        self._subscribe(event_name, func, once=False)

    def once(self, event_name: str, func: Handler) -> None:
        """Like `on`, for the next message only."""
        self._subscribe(event_name, func, once=True)

    def on_mycroft(self, mycroft_msg_type: str, func: Handler) -> None:
        """Call `func(Message)` for each OVOS message of a type, even one named like a hive type."""
        self._local.bus.on(mycroft_msg_type, func)

    def remove(self, event_name: str, func: Handler) -> None:
        """Call `func` no more for this type; one that was not registered is no error."""
        func = self.wrapped_funcs.pop(func, func)
        handlers = self._own_handlers(event_name)
        if handlers is None:
            self._local.bus.remove(event_name, func)
        else:
            handlers.remove(event_name, func)

    def remove_all_listeners(self, event_name: str) -> None:
        """Forget every handler of this type."""
        handlers = self._own_handlers(event_name)
        if handlers is None:
            self._local.bus.remove_all_listeners(event_name)
        else:
            handlers.clear(event_name)

    @property
    def internal_bus(self) -> Any:
        """The bus that OVOS messages from the hub go to: the one that was given, else one in this process."""
        return self._local.bus

    @internal_bus.setter
    def internal_bus(self, bus: Any) -> None:
        self._local.replace(bus)

    def _tell(self, event: str, *arguments: Any) -> None:
        for handler in self._lifecycle_handlers.take(event):
            call_safely(handler, *arguments)

    def _own_handlers(self, name: str) -> Optional[Subscriptions]:
        if name in _LIFECYCLE:
            return self._lifecycle_handlers
        return self._hive_handlers if is_hive_type(name) else None

    def _subscribe(self, name: str, func: Handler, once: bool) -> None:
        handlers = self._own_handlers(name)
        if handlers is not None:
            handlers.add(str(name), func, once)
        elif once:
            self._local.bus.once(name, func)
        else:
            self._local.bus.on(name, func)
