"""The verbs that set handlers, and where handlers are kept."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any, Optional

from hivemind_core_client.kernel.collect_calls import Collecting
from hivemind_core_client.kernel.lifecycle import ClientState, Listener
from hivemind_core_client.kernel.questions import first_answer
from hivemind_core_client.plugins import asking
from hivemind_core_client.plugins.contract import CallBack, Deliver, Negotiated, Select
from hivemind_core_client.shell.callbacks import BinaryDataCallbacks
from hivemind_core_client.shell.local_bridge import LocalSide
from hivemind_core_client.shell.local_bus import Handler, Subscriptions, call_safely
from hivemind_core_client.shell.properties import SatelliteProperties
from hivemind_core_client.shell.waiters import Waiters, is_hive_type
from hivemind_core_client.wire.errors import HiveMindError
from hivemind_core_client.wire.message import HiveMessage

log = logging.getLogger(__name__)

#: What the OVOS bus client says of its own connection, as names for `on`.
_LIFECYCLE = frozenset({"open", "close", "error", "reconnecting"})


class ListenVerbs:
    """Listening, for a client that has a local side."""

    _local: LocalSide
    _hive_handlers: Subscriptions
    _lifecycle_handlers: Subscriptions
    #: How a user's handler gets called.
    _call = staticmethod(call_safely)

    def on(self, event_name: str, func: Handler) -> None:
        """Call `func` for each message of a type: a HiveMessageType gets HiveMessages, any other name OVOS Messages."""
        self._subscribe(event_name, func, once=False)

    def once(self, event_name: str, func: Handler) -> None:
        """Like `on`, for the next message only."""
        self._subscribe(event_name, func, once=True)

    def on_mycroft(self, mycroft_msg_type: str, func: Handler) -> None:
        """Call `func(Message)` for each OVOS message of a type, even one named like a hive type."""
        self._local.bus.on(mycroft_msg_type, self._for_bus(self._local.bus, func))

    def remove(self, event_name: str, func: Handler) -> None:
        """Call `func` no more for this type; one that was not registered is no error."""
        handlers = self._own_handlers(event_name)
        if handlers is None:
            self._local.bus.remove(event_name, self._for_bus(self._local.bus, func))
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
        self._local.replace(bus, self._for_bus)

    def _for_bus(self, bus: Any, func: Handler) -> Handler:
        """What is registered on the internal bus for a handler."""
        return func

    def _tell(self, event: str, *arguments: Any) -> None:
        for handler in self._lifecycle_handlers.take(event):
            self._call(handler, *arguments)

    def _own_handlers(self, name: str) -> Optional[Subscriptions]:
        if name in _LIFECYCLE:
            return self._lifecycle_handlers
        return self._hive_handlers if is_hive_type(name) else None

    def _subscribe(self, name: str, func: Handler, once: bool) -> None:
        handlers = self._own_handlers(name)
        if handlers is not None:
            handlers.add(str(name), func, once)
        elif once:
            self._local.bus.once(name, self._for_bus(self._local.bus, func))
        else:
            self._local.bus.on(name, self._for_bus(self._local.bus, func))


class Audience(SatelliteProperties, ListenVerbs):
    """What a worker tells a client, handed on to waiters, handlers, callbacks and plugins."""

    waiters: Waiters
    mailbox: Any
    share_bus: bool
    started_running: bool
    bin_callbacks: BinaryDataCallbacks
    connected_event: Any
    handshake_event: Any
    cascade_select_callback: Any
    _closed: bool
    _worker: Any

    @property
    def state(self) -> ClientState:
        """Where the client stands."""
        state: ClientState = self._worker.state
        return state

    @property
    def last_error(self) -> Optional[HiveMindError]:
        """What ended the last connection, or the last attempt at one."""
        error: Optional[HiveMindError] = self._worker.last_error
        return error

    @property
    def rejected(self) -> int:
        """How many frames of the hub were dropped because they broke the protocol."""
        return int(self._worker.rejected)

    @property
    def protocol(self) -> Any:
        """The Link of the present or last connection, or None."""
        return self._worker.link

    def _furnish(self, internal_bus: Any) -> None:
        """Make what stands around the mailbox: handlers, waiters, the local side. Nobody is connected yet."""
        self.cascade_select_callback = first_answer
        self.started_running = self._closed = False
        self.wrapped_funcs: dict[Any, Any] = {}
        self._collecting = Collecting()
        self._hive_handlers, self._lifecycle_handlers = Subscriptions(), Subscriptions()
        self.waiters = Waiters()
        self._local = LocalSide(
            self.profile.context, self.mailbox.put, self._call, lambda: self.share_bus, self._send_up
        )
        if internal_bus is not None:
            self.internal_bus = internal_bus

    def _send_up(self, packet: HiveMessage) -> None:
        """Send what the local bus has for the hub."""
        raise TypeError("a client brings its own")

    def _listener(self) -> Listener:
        return Listener(
            arrived=self._arrived,
            deliver=self._deliver,
            call_back=self._call_back,
            select=self._select,
            established=self._established,
            ended=self._ended,
            finished=self.waiters.close,
        )

    def _arrived(self, message: HiveMessage) -> None:
        self.waiters.offer(message)
        for handler in self._hive_handlers.take(message.msg_type.value):
            self.mailbox.put(partial(self._call, handler, message))

    def _deliver(self, event: Deliver) -> None:
        self.mailbox.put(partial(self._local.from_hub, event.message))

    def _call_back(self, event: CallBack) -> None:
        self.mailbox.put(lambda: getattr(self.bin_callbacks, event.method)(**event.arguments))

    def _select(self, event: Select) -> None:
        self.mailbox.put(lambda: self._pick(list(event.answers)))

    def _pick(self, answers: list[HiveMessage]) -> None:
        """Ask the user which answer to deliver. Where he fails, the bus hears as much as if there was none."""
        pick = self.cascade_select_callback
        name = getattr(pick, "__qualname__", pick)
        try:
            picked = pick(list(answers))
        except (
            Exception,
            SystemExit,
        ) as error:  # a user's callback may fail or even exit, the client may not
            self._pick_failed(answers, name, error)
        else:
            self._take_pick(answers, picked, name)

    def _take_pick(self, answers: list[HiveMessage], picked: Any, name: Any) -> None:
        if picked is None or (isinstance(picked, HiveMessage) and picked in answers):
            self._picked(picked)
            return
        log.error(
            "cascade_select_callback (%s) returned a %s: none of the answers is delivered. Return one of the "
            "messages that it was given, or None",
            name,
            type(picked).__name__,
        )
        self._deliver(asking.unanswered(asking.query_id(answers[0]), "selection_failed"))

    def _pick_failed(self, answers: list[HiveMessage], name: Any, error: BaseException) -> None:
        log.error(
            "cascade_select_callback (%s) raised: none of the answers is delivered", name, exc_info=error
        )
        self._deliver(asking.unanswered(asking.query_id(answers[0]), "selection_failed"))

    def _established(self, negotiated: Negotiated) -> None:
        self.connected_event.set()
        self.handshake_event.set()
        self.mailbox.put(lambda: self._tell("open"))
        self.mailbox.put(lambda: self.profile.plugins.observe("hivemind_connected", client=self))

    def _ended(self, error: HiveMindError, stood: bool) -> None:
        if stood:  # first of all: who asks from now on asks in the next session
            self.waiters.give_up(requests_only=True)
        self.connected_event.clear()
        self.handshake_event.clear()
        final = self._closed or self._worker.is_final(error)
        if stood:
            observe = self.profile.plugins.observe
            self.mailbox.put(lambda: self._tell("close"))
            if not final:
                self.mailbox.put(lambda: self._tell("reconnecting"))
            self.mailbox.put(lambda: observe("hivemind_disconnected", client=self, reason=error))
        elif not self._closed:
            self.mailbox.put(lambda: self._tell("error", error))

    def _picked(self, answer: Optional[HiveMessage]) -> None:
        """The answer to a CASCADE that the user picked, or None."""
        if answer is not None:
            self._worker.admit(answer.payload)
