"""What a worker learns, handed on to waiters, handlers, callbacks and plugins of one client."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, Optional

from hivemind_core_client.kernel.delivery import QUESTION_TYPES
from hivemind_core_client.kernel.events import Arrived, ArrivedInside, Denied, Measured
from hivemind_core_client.kernel.lifecycle import Step
from hivemind_core_client.plugins import asking
from hivemind_core_client.plugins.answers import is_answer_to, query_id
from hivemind_core_client.plugins.contract import CallBack, CancelTimer, Deliver, Select, Send, SetTimer
from hivemind_core_client.shell.observing import TellingDelivery, Unobserved
from hivemind_core_client.shell.subscriptions import name_of
from hivemind_core_client.wire.message import HANDSHAKE_TYPES, HiveMessage
from hivemind_core_client.wire.weighing import weight_of

if TYPE_CHECKING:
    from hivemind_core_client.kernel.delivery import UnconfirmedMessages
    from hivemind_core_client.plugins.contract import Context, MessageHandler
    from hivemind_core_client.plugins.manager import Plugins
    from hivemind_core_client.shell.base import BaseClient
    from hivemind_core_client.shell.handlers import Handlers
    from hivemind_core_client.shell.local_bridge import LocalBusBridge
    from hivemind_core_client.shell.worker import SharedWorker
    from hivemind_core_client.wire.errors import HiveMindError

log = logging.getLogger(__name__)

#: What arrives is weighed in batches of so many bytes, or by the message where one is heavier.
_BATCH_BYTES = 2**20
_ARRIVED, _SENT = "hivemind_message_arrived", "hivemind_message_sent"
_HANDSHAKE_NAMES = frozenset(kind.value for kind in HANDSHAKE_TYPES)
#: The methods of the client that a subclass may override, by the event of the connection.
_METHODS = {"open": "on_open", "close": "on_close", "error": "on_error"}

#: Picks one of several answers, CASCADE messages in the order they came; None delivers none.
Pick = Callable[[list[HiveMessage]], Optional[HiveMessage]]


class EventRouter:
    """Routes events to the parts of `client`, on whatever thread they happen. All of it is short.

    Users' code runs in the client's mailbox. `admit(message)` treats a message that was kept back as arrived.
    """

    def __init__(
        self,
        client: BaseClient,
        handlers: Handlers,
        bridge: LocalBusBridge,
        admit: Callable[[HiveMessage], None],
    ) -> None:
        self._client = client
        self._connection_handlers_of = handlers.connection.take
        self._has_handler = handlers.connection.has
        self._admit = admit
        self._put = client.mailbox.put
        #: What the messages hold that arrived since the mailbox was told; whether it has no room for more.
        self._weight, self._full = 0, False
        self._call = client.mailbox.call
        self._waiters = client.waiters
        self._handlers_of: Callable[[str], list[Any]] = handlers.hive.take
        self._from_hub = bridge.from_hub
        self._now: dict[type, Callable[[Any], None]] = {Deliver: lambda event: bridge.from_hub(event.message)}
        self._steps: dict[Step, Callable[[HiveMindError], None]] = {
            Step.END_REQUESTS: lambda _: client.waiters.end_requests(),
            Step.CLEAR_EVENTS: lambda _: self._clear_events(),
            Step.TELL_CLOSE: lambda _: self._tell("close"),
            Step.TELL_RECONNECTING: lambda _: self._tell("reconnecting"),
            Step.TELL_ERROR: lambda error: self._tell("error", error),
            Step.OBSERVE_END: lambda error: self._observe("hivemind_disconnected", reason=error),
        }

    def routes(self, worker: SharedWorker) -> dict[type, Callable[[Any], None]]:
        """What to call for each kind of event that a worker does not deal with by itself."""
        put, later, cancel = self._put, self._client.mailbox.later, self._client.mailbox.cancel
        return {
            Arrived: partial(self.arrived, worker),
            Measured: partial(self.arrived, worker),
            ArrivedInside: self.arrived_inside,
            Denied: self.denied,
            Deliver: self.deliver,
            CallBack: self.call_back,
            Select: self.select,
            Send: lambda event: put(partial(worker.send_quietly, event.message)),
            SetTimer: lambda event: later(
                event.seconds, (event.msg_type, event.key), partial(worker.due, event.msg_type, event.key)
            ),
            CancelTimer: lambda event: cancel((event.msg_type, event.key)),
        }

    def news(self) -> dict[type, Callable[[Any], None]]:
        """What to call, in the place of `routes`, for what comes with no frame: it is little, and never dropped."""
        return {Deliver: self._say, CallBack: self._have_called_back}

    def arrived(self, worker: SharedWorker, event: Arrived) -> None:
        """A message: for those who wait for it, and the handlers of its type."""
        message = event.message
        kind = message.msg_type
        if kind not in HANDSHAKE_TYPES:
            worker.ledger.received += 1
        if kind in QUESTION_TYPES:
            worker.delivery.answered(partial(is_answer_to, message))
        if self._full or self._weight >= _BATCH_BYTES:
            self._weigh()
        if self._waiters.waiting:
            self._waiters.offer(message)
        if self._full:
            self._client.mailbox.drop()
            return
        self._weight += message.weight
        for handler in self._handlers_of(kind.value):
            self._put(partial(self._call, handler, message))

    def do_now(
        self, worker: SharedWorker, handler: MessageHandler, context: Context, message: HiveMessage
    ) -> bool:
        """Do what follows from a message by this handler, on the thread that calls. Whether anything followed."""
        return worker.handle(self._now, handler, context, message)

    def is_full(self) -> bool:
        """Whether what arrived last counts as dropped: callbacks hold too much."""
        return self._full

    def arrived_inside(self, event: ArrivedInside) -> None:
        """A message of a plugin's type that came inside another one, which was counted and weighed with it."""
        if self._waiters.waiting:
            self._waiters.offer(event.message)
        for handler in () if self._full else self._handlers_of(event.message.msg_type.value):
            self._put(partial(self._call, handler, event.message))

    def denied(self, event: Denied) -> None:
        """The hub did not take a message: for the wait that it belongs to, and the handlers of "denied"."""
        is_awaited = self._waiters.deny(event.error)
        if self._has_handler("denied"):
            if not self._full:
                self._tell("denied", event.error, always=False)
        elif not is_awaited:
            self._client.profile.context.note(log.warning, "%s", event.error)

    def deliver(self, event: Deliver) -> None:
        """An OVOS Message for the internal bus."""
        if not self._full:
            self._put(partial(self._from_hub, event.message))

    def call_back(self, event: CallBack) -> None:
        """Binary data for the user's callbacks: those that are set when their turn comes."""
        if not self._full:
            self._put(partial(self._call_back, event))

    def select(self, event: Select) -> None:
        """Answers to a CASCADE, of which the user picks one."""
        self._put(partial(self._pick, event))

    def established(self) -> None:
        """A session stands."""
        self._client.connected_event.set()
        self._client.handshake_event.set()
        self._tell("open")
        self._observe("hivemind_connected")

    def step(self, step: Step, error: HiveMindError) -> None:
        """Do one step of what follows from the end of a connection by `error`."""
        self._steps[step](error)

    def in_doubt(self, messages: UnconfirmedMessages) -> None:
        """These were sent before the connection ended, and the hub is not known to have read them."""
        self._tell("doubt", messages)

    def dropped(self, message: Optional[HiveMessage], reason: str) -> None:
        """The outbox has dropped a message, None for one that cannot be read."""
        self._tell("dropped", message, reason)

    def _say(self, event: Deliver) -> None:
        self._put(partial(self._from_hub, event.message), True)

    def _have_called_back(self, event: CallBack) -> None:
        self._put(partial(self._call_back, event), True)

    def _weigh(self) -> None:
        """Tell the mailbox what it holds. As long as that is too much, only those who wait get what arrives."""
        weight, self._weight = self._weight, 0
        self._full = not self._client.mailbox.hold(weight)

    def _call_back(self, event: CallBack) -> None:
        method = getattr(self._client.bin_callbacks, event.method)
        self._call(partial(method, **event.arguments))

    def _clear_events(self) -> None:
        self._client.connected_event.clear()
        self._client.handshake_event.clear()

    def _tell(self, event: str, *arguments: Any, always: bool = True) -> None:
        """Call the method of the client, and the handlers that are there when their turn comes."""

        def call_all() -> None:
            handlers = self._connection_handlers_of(event)
            if event in _METHODS:
                method = getattr(self._client, _METHODS[event])
                if method not in handlers:
                    self._call(method, *arguments)
            for handler in handlers:
                self._call(handler, *arguments)

        self._put(call_all, always)

    def _observe(self, hook: str, **facts: Any) -> None:
        self._put(partial(self._client.plugins.observe, hook, client=self._client, **facts), True)

    def _pick(self, event: Select) -> None:
        """Ask the user which answer to deliver. Where he fails, the bus hears as much as if there was none."""
        pick = self._client.cascade_select_callback
        answers = list(event.answers)
        try:
            picked = pick(list(answers))
        except (Exception, SystemExit) as error:  # a user's callback may fail or exit, the client may not
            self._pick_failed(answers, error)
        else:
            self._client.mailbox.finish(
                picked, partial(self._take_pick, answers), partial(self._pick_failed, answers)
            )

    def _take_pick(self, answers: list[HiveMessage], picked: Any) -> None:
        if picked is None:
            return
        if isinstance(picked, HiveMessage) and picked in answers:
            self._admit(picked.payload)
            return
        log.error(
            "cascade_select_callback (%s) returned a %s: none of the answers is delivered. Return one of the "
            "messages that it was given, or None",
            name_of(self._client.cascade_select_callback),
            type(picked).__name__,
        )
        self._say_unanswered(answers)

    def _pick_failed(self, answers: list[HiveMessage], error: BaseException) -> None:
        log.error(
            "cascade_select_callback (%s) raised: none of the answers is delivered",
            name_of(self._client.cascade_select_callback),
            exc_info=error,
        )
        self._say_unanswered(answers)

    def _say_unanswered(self, answers: list[HiveMessage]) -> None:
        self._say(asking.unanswered(query_id(answers[0]), "selection_failed"))


class ObservedRouter(EventRouter):
    """A router that tells plugins of messages too, in the mailbox.

    It takes the place of the plain one, as MeasuringLink and TellingDelivery do, where a plugin observes. That is
    decided when a client is made, so the way of a message has not one call more where none does.
    """

    def __init__(self, client: Any, *parts: Any) -> None:
        super().__init__(client, *parts)
        self._of_sent = client.plugins.observes(_SENT)
        self._listeners_of, self._unobserved = self._handlers_of, Unobserved()
        #: The size of what arrives: one message at a time does.
        self._size: Optional[int] = None
        if client.plugins.observes(_ARRIVED):
            self._handlers_of = self._observers_and_handlers_of

    def routes(self, worker: SharedWorker) -> dict[type, Callable[[Any], None]]:
        """What to call for each kind of event that a worker does not deal with by itself."""
        if self._of_sent:
            # What waits for another worker when its client is closed is never told.
            self._unobserved = Unobserved()
            worker.ledger.new_delivery = partial(TellingDelivery, self.sent)
        return super().routes(worker)

    def arrived(self, worker: SharedWorker, event: Arrived) -> None:
        """A message: for those who wait for it, for plugins, and the handlers of its type."""
        self._size = getattr(event, "size", None)
        super().arrived(worker, event)

    def sent(self, message: HiveMessage, size: Optional[int]) -> None:
        """A message was handed to the connection. Whoever calls may hold the lock under which one writes."""
        unobserved = self._unobserved
        weight = weight_of(message)  # compressed or not: it waits as an object
        if unobserved.take(weight):
            self._put(partial(self._tell_sent, unobserved, weight, message, size), True)
        else:
            self._client.mailbox.drop()

    def _observers_and_handlers_of(self, kind: str) -> list[Any]:
        """Handlers for one message, once it is admitted: observers get what handlers get, in the job of the first."""
        handlers = list(self._listeners_of(kind))
        if kind in _HANDSHAKE_NAMES:
            return handlers
        return [partial(self._observe_arrived, self._size, handlers[:1]), *handlers[1:]]

    def _observe_arrived(self, size: Optional[int], first: list[Any], message: HiveMessage) -> None:
        try:
            self._client.plugins.observe(_ARRIVED, client=self._client, message=message, size=size)
        finally:  # whatever a plugin raises, such as what Ctrl-C does: the message is not its own to lose
            for handler in first:
                self._call(handler, message)

    def _tell_sent(
        self, unobserved: Unobserved, weight: int, message: HiveMessage, size: Optional[int]
    ) -> None:
        unobserved.give_back(weight)
        self._client.plugins.observe(_SENT, client=self._client, message=message, size=size)


def router_kind(plugins: Plugins) -> type[EventRouter]:
    """The class of the router of a client with these plugins."""
    return ObservedRouter if plugins.observes(_ARRIVED) or plugins.observes(_SENT) else EventRouter
