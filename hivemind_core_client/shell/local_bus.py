"""The internal bus of a satellite that has no OVOS of its own: the FakeBus of the installed ovos-utils.

Which names a message goes by is the FakeBus's own affair: newer ones say a `speak` to the handlers of
`ovos.utterance.speak` too, and the reverse. It is asked by way of its emitter, and by nothing that is private to it.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from functools import partial
from threading import Event, RLock
from typing import TYPE_CHECKING, Any, Callable, Optional

from ovos_utils.fakebus import FakeBus

from hivemind_core_client.plugins.contract import Session
from hivemind_core_client.shell.subscriptions import Subscriptions, call_safely, check_callable, log, name_of
from hivemind_core_client.wire.ovos import to_message

if TYPE_CHECKING:
    from hivemind_core_client.shell.protocols import Handler
    from hivemind_core_client.wire.json_text import Json

#: What every message is said as, in JSON, before it is said by its type.
_EVERY = "message"
_NEW_DEFAULT = "ovos.session.update_default"
#: So many message types are remembered to go by their own name alone. A hub may send any number of types.
_MOST_PLAIN = 4096
#: The attribute in which a function that FakeBus put around a handler keeps that handler.
_HANDLER = "hivemind_handler"


class Listeners:
    """What a FakeBus asks of its emitter, over Subscriptions; `call(handler, argument)` calls one."""

    def __init__(self, subscriptions: Subscriptions, call: Callable[[Handler, Any], None]) -> None:
        self._subscriptions = subscriptions
        self._call = call
        #: What was registered last: a handler, or what the FakeBus has put around it.
        self.latest: Any = None

    def on(self, event: str, f: Handler) -> Handler:
        """Call `f` for each event of this name."""
        return self._add(event, f, False)

    def once(self, event: str, f: Handler) -> Handler:
        """Call `f` for the next event of this name only."""
        return self._add(event, f, True)

    def emit(self, event: str, *arguments: Any) -> bool:
        """Call who listens. Returns whether anybody does."""
        handlers = self._subscriptions.take(event)
        for handler in handlers:
            self._call(handler, *arguments)
        return bool(handlers)

    def listeners(self, event: str) -> list[Handler]:
        """Who listens to events of this name."""
        return self._subscriptions.of(event)

    def remove_listener(self, event: str, f: Handler) -> None:
        """Call `f` no more. Raises KeyError for one that was not registered."""
        if not self._subscriptions.remove(event, f):
            raise KeyError(event)

    def remove_all_listeners(self, event: str) -> None:
        """Forget everybody who listens to events of this name."""
        self._subscriptions.clear(event)

    def _add(self, event: str, f: Handler, once: bool) -> Handler:
        self._subscriptions.add(event, f, once)
        self.latest = f
        return f


class Sayings(FakeBus):  # type: ignore[misc]  # ovos-utils has no types
    """Tells what a FakeBus says when a Message is emitted on it, and under which names; nobody hears it."""

    def __init__(self) -> None:
        self._said: list[tuple[str, Any]] = []
        self._lock = RLock()
        super().__init__(emitter=self._Notes(self._said))

    def of(self, message: Any) -> list[tuple[str, Any]]:
        """Each name with what is said under it: the JSON text, the Message, then those it goes by under other names."""
        with self._lock:
            self._said.clear()
            self.emit(message)
            return list(self._said)

    def on_message(self, *arguments: Any) -> bool:
        """Keep no account of sessions: a peer may name any number of them."""
        return True

    class _Notes(Listeners):
        def __init__(self, said: list[tuple[str, Any]]) -> None:
            super().__init__(Subscriptions(), call_safely)
            self._said = said

        def emit(self, event: str, *arguments: Any) -> bool:
            self._said.append((event, arguments[0]))
            return True


class LocalBus(FakeBus):  # type: ignore[misc]  # ovos-utils has no types
    """A FakeBus of one client, with the session of that client, whose handlers run as those of the client do.

    `run` is when callbacks get called (at once by default) and `call(handler, message)` how; `tap` sees the fields of
    each message that is emitted here; `blocking()` is around each wait. A handler that was registered twice under one
    name is called once, and one that raises costs nobody else anything.
    """

    def __init__(
        self,
        session: Optional[Session] = None,
        run: Callable[[Callable[[], None]], None] = lambda job: job(),
        tap: Callable[[Json], None] = lambda fields: None,
        call: Callable[..., None] = call_safely,
        blocking: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self.subscriptions = Subscriptions()
        self._is_made = False
        self._session = session or Session("default")
        self._run, self._tap, self._call, self._blocking = run, tap, call, blocking
        self._lock = RLock()
        self._sayings = Sayings()
        #: Message types that go by their own name alone.
        self._plain: set[str] = set()
        super().__init__(emitter=Listeners(self.subscriptions, self._later))
        # It would write what a hub says under the name "error" to the log.
        self.subscriptions.clear("error")
        self._is_made = True

    @property
    def session_id(self) -> str:
        """The id of the client's OVOS session."""
        return self._session.session_id

    @session_id.setter
    def session_id(self, value: str) -> None:
        if self._is_made:  # FakeBus sets one of its own before
            self._session.session_id = value

    def on(self, msg_type: str, handler: Handler) -> None:
        """Call `handler(message)` for each message of this type; `message` is every one, as JSON text."""
        self._register(super().on, msg_type, handler)

    def once(self, msg_type: str, handler: Handler) -> None:
        """Call `handler(message)` for the next message of this type only."""
        self._register(super().once, msg_type, handler)

    def remove(self, msg_type: str, handler: Handler) -> None:
        """Call `handler` no more. One that was not registered is no error, but is logged."""
        with self._lock:
            is_known = any(map(partial(_stands_for, handler), self.subscriptions.of(msg_type)))
            super().remove(msg_type, handler)
            # FakeBus forgets to where the handler has another name that goes by two, and where it was registered
            # again between a call and the end of it.
            for registered in self.subscriptions.of(msg_type):
                if _stands_for(handler, registered):
                    self.subscriptions.remove(msg_type, registered)
        if not is_known:
            log.debug("no such handler of %s", msg_type)

    def registered(self) -> list[tuple[str, Handler, bool]]:
        """Every registration by others: name, handler, and whether it is for one call only."""
        return [
            (name, getattr(handler, _HANDLER, handler), once)
            for name, handler, once in self.subscriptions.all()
            if (name, handler) != (_NEW_DEFAULT, self.on_default_session_update)
        ]

    def emit(self, message: Any) -> None:
        """Say an OVOS Message on this bus: to the hub if it is for the hub, and to its handlers.

        The handlers find the session of this client in a Message that has none.
        """
        self._tap({"type": message.msg_type, "data": message.data, "context": dict(message.context)})
        self._with_session(message)
        super().emit(message)

    def deliver_fields(self, fields: Json) -> None:
        """Hand the fields of a Message, which is made where somebody wants it, to its handlers and to nobody else."""
        for handler, argument in self._calls(fields):
            self._run(partial(self._call, handler, argument))

    def deliver_now(self, fields: Json) -> None:
        """Like `deliver_fields`, on the thread that calls."""
        name, subscriptions = fields["type"], self.subscriptions
        if (
            name not in self._plain
            or "session" not in (fields.get("context") or ())
            or subscriptions.has(_EVERY)
        ):
            for handler, argument in self._calls(fields):
                self._call(handler, argument)
            return
        handlers = subscriptions.take(name)
        if handlers:
            message = to_message(fields)
            for handler in handlers:
                self._call(handler, message)

    def wait_for_message(self, message_type: str, timeout: float = 3.0) -> Any:
        """The next Message of this type; None after `timeout` seconds. Not for the thread of an event loop."""
        return self._next(message_type, timeout, lambda: None)

    def wait_for_response(self, message: Any, reply_type: Optional[str] = None, timeout: float = 3.0) -> Any:
        """Emit, and return the answer (default: TYPE.response); None after `timeout` seconds. See wait_for_message."""
        reply_type = reply_type or f"{message.msg_type}.response"
        return self._next(reply_type, timeout, partial(self.emit, message))

    def on_default_session_update(self, message: Any) -> None:
        """Take what OVOS says of the session `default`, and of no other: a peer may name any number of them."""
        session = message.data.get("session_data")
        if isinstance(session, dict) and session.get("session_id") == "default":
            super().on_default_session_update(message)

    def _next(self, name: str, timeout: float, ask: Callable[[], None]) -> Any:
        """What is said under this name next, within `timeout` seconds of `ask()`. FakeBus never forgets who waits."""
        arrived = Event()
        came: list[Any] = []

        def take(message: Any) -> None:
            came.append(message)
            arrived.set()

        self.ee.once(name, take)
        try:
            with self._blocking():
                ask()
                arrived.wait(timeout)
        finally:
            self.subscriptions.remove(name, take)
        return came[0] if came else None

    def _register(self, register: Callable[[str, Handler], None], name: str, handler: Handler) -> None:
        check_callable(name, handler)
        with self._lock:
            register(name, handler)
            registered = self.ee.latest
        if registered is not handler:
            setattr(registered, _HANDLER, handler)
            registered.__qualname__ = name_of(handler)

    def _later(self, handler: Handler, argument: Any) -> None:
        self._run(partial(self._call, handler, _its_own(argument, handler)))

    def _calls(self, fields: Json) -> list[tuple[Handler, Any]]:
        """Who is to be called with what. The Message is made where somebody wants it."""
        name, take = fields["type"], self.subscriptions.take
        if name not in self._plain or "session" not in (fields.get("context") or ()):
            return self._calls_by_all_names(to_message(fields))
        watchers, handlers = take(_EVERY), take(name)
        if not handlers and not watchers:
            return []
        message = to_message(fields)
        text = message.serialize() if watchers else ""
        return [(watcher, text) for watcher in watchers] + [(handler, message) for handler in handlers]

    def _calls_by_all_names(self, message: Any) -> list[tuple[Handler, Any]]:
        """The same, of a message that goes by several names, or may."""
        self._with_session(message)
        try:
            said = self._sayings.of(message)
        except Exception:  # such as for contents that JSON has no form for, which a message of ours may hold
            log.exception("the FakeBus of ovos-utils did not take a message: it goes by its own name alone")
            return [(handler, message) for handler in self.subscriptions.take(message.msg_type)]
        if len(said) == 2 and len(self._sayings.of(to_message(_nothing(message.msg_type)))) == 2:
            if len(self._plain) >= _MOST_PLAIN:
                self._plain.clear()
            self._plain.add(message.msg_type)
        return [
            (handler, _its_own(argument, handler))
            for name, argument in said
            for handler in self.subscriptions.take(name)
        ]

    def _with_session(self, message: Any) -> None:
        """Give a Message without a session that of the client, as the hub last sent it."""
        own = self._session
        if "session" not in message.context:
            known = own.state if own.state.get("session_id") == own.session_id else {}
            message.context["session"] = {
                **deepcopy(known),
                "session_id": own.session_id,
                "site_id": own.site_id,
            }


def _nothing(msg_type: str) -> Json:
    """A Message of this type whose contents say nothing: the names of a type do not hang on them."""
    return {"type": msg_type, "data": {}, "context": {"session": {"session_id": "default"}}}


def _stands_for(handler: Handler, registered: Any) -> bool:
    """Whether this is a handler, or what FakeBus put around it."""
    return bool(getattr(registered, _HANDLER, registered) == handler)


def _its_own(argument: Any, handler: Any) -> Any:
    """What a handler is called with.

    What FakeBus has put around one compares what it gets under two names, so that no handler before it may have changed
    either.
    """
    if not hasattr(handler, _HANDLER):
        return argument
    try:
        return deepcopy(argument)
    except Exception:  # contents that have no copy, which a message of ours may hold
        return argument
