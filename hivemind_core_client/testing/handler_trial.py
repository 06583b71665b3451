"""What the conformance kit asks of a handler: each of its functions is called as a client would call it.

A wrapper gets the same `next` as in a client; it leads to a handler of the kit.
"""

from __future__ import annotations

import copy
import inspect
import json
from collections.abc import Iterable, Iterator
from typing import Any, Callable, NoReturn, Optional, Union, get_args

from attrs import define, field

from hivemind_core_client.plugins.chains import next_of
from hivemind_core_client.plugins.contract import (
    Action,
    BinaryHandler,
    Conclude,
    Context,
    Deliver,
    Introduce,
    MessageHandler,
    Negotiate,
    SetTimer,
)
from hivemind_core_client.plugins.functions import functions
from hivemind_core_client.plugins.proving import sample_messages
from hivemind_core_client.testing.action_errors import about_action
from hivemind_core_client.wire.errors import ProtocolError
from hivemind_core_client.wire.message import AnyMessageType, HiveMessage, HiveMessageType, Payload
from hivemind_core_client.wire.text import described

Handler = Union[MessageHandler, BinaryHandler]

_ACTIONS = get_args(Action)
#: Actions that the kernel takes from the handler of one type alone.
_RESERVED = {
    Introduce: HiveMessageType.HELLO,
    Negotiate: HiveMessageType.HANDSHAKE,
    Conclude: HiveMessageType.HANDSHAKE,
}
#: What a client gives to each function, behind the context.
_ARGUMENTS = {
    "receive": ("message",),
    "prepare": ("message",),
    "on_send": ("message",),
    "on_timer": ("key",),
    "on_end": (),
}
#: Objects that a peer may send where it should send something else.
_ODD_PAYLOADS: tuple[dict[str, Any], ...] = ({}, {"a": None}, {"type": 5, "data": []}, {"": {"": ["x"] * 99}})
#: OVOS messages without what nearly all of them have.
_ODD_OVOS: tuple[dict[str, Any], ...] = (
    {"type": "speak", "data": None, "context": None},
    {"type": "recognizer_loop:utterance", "data": {"utterances": None}, "context": {}},
)
_ODD_METADATA: tuple[dict[str, Any], ...] = ({}, {"lang": 5, "file_name": ["x"], "utterance": None})
_INNER = Deliver({"type": "conformance.kit", "data": {}, "context": {}})
_NOBODYS_KEY = "a key that nobody set"
#: Why a wrapper that keeps such a call to itself is at fault.
_KEPT = {
    "on_timer": "keeps a timer that is not its own: return next(key) for each key that it did not set",
    "on_end": "does not call next, so the handler inside never learns that the session has ended: return next()",
}


def try_handler(handler: Handler, messages: Iterable[HiveMessage], new: Callable[[], Context]) -> None:
    """Call every function of a handler with these messages, samples and nonsense. AssertionError for the first fault.

    `new` makes the context of each call.
    """
    if isinstance(handler, BinaryHandler):
        trial = _Trial(handler, None, new)
        trial.check_signatures()
        for data, metadata in _binary_data():
            trial.act("receive", data, metadata)
        trial.check_losses()
        return
    trial = _Trial(handler, handler.msg_type, new)
    trial.check_signatures()
    for message in [*messages, *_samples(handler.msg_type)]:
        trial.take(message)
    if handler.on_timer is not None:
        trial.end_timers()
    if handler.on_end is not None:
        trial.act("on_end")
    trial.check_losses()


def _samples(msg_type: AnyMessageType) -> list[HiveMessage]:
    samples = sample_messages(msg_type)
    if msg_type.carries is Payload.HIVE:
        odd = [HiveMessage("3rdparty", payload) for payload in _ODD_PAYLOADS]
        return samples + [HiveMessage(msg_type, inner) for inner in odd]
    if msg_type.carries is Payload.OVOS:
        return samples + [HiveMessage(msg_type, payload) for payload in _ODD_OVOS]
    if msg_type.carries is not Payload.OBJECT:
        return samples  # nothing else of these types can be made
    return samples + [HiveMessage(msg_type, payload) for payload in _ODD_PAYLOADS]


def _binary_data() -> Iterator[tuple[bytes, dict[str, Any]]]:
    for data in (b"", bytes(range(256))):
        for metadata in _ODD_METADATA:
            yield data, copy.deepcopy(metadata)


@define
class _Trial:
    """One handler under test, and the timers that it has set, each with the context in which it did."""

    handler: Handler
    msg_type: Optional[AnyMessageType]
    new: Callable[[], Context]
    timers: list[tuple[str, Context]] = field(factory=list)
    #: By function of a wrapper, of each call in which `next` returned actions: whether nothing was returned.
    lost: dict[str, list[bool]] = field(factory=dict)

    def fail(self, part: str, fault: str, cause: Optional[BaseException] = None) -> NoReturn:
        raise AssertionError(f"{self.handler.name}: {part} {fault}") from cause

    def arguments(self, part: str) -> list[str]:
        """The names of what a function gets, as the documentation has them."""
        binary = part == "receive" and isinstance(self.handler, BinaryHandler)
        names = ("data", "metadata") if binary else _ARGUMENTS[part]
        return ["context", *names, *(["next"] if self.handler.wraps else [])]

    def check_signatures(self) -> None:
        """Whether each function is one, is not async, and takes what a client gives it."""
        for part in _ARGUMENTS:
            function = getattr(self.handler, part, None)
            if function is None and part != "receive":
                continue
            if not callable(function):
                self.fail(part, f"is no function but a {type(function).__name__}")
            if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
                self.fail(part, "is async; nobody awaits it: make it a plain function")
            names = self.arguments(part)
            try:
                inspect.signature(function).bind(*names)
            except TypeError:
                self.fail(part, f"does not take what it is given: write it as {part}({', '.join(names)})")
            except ValueError:  # what is written in C may have no signature
                continue

    def take(self, message: HiveMessage) -> None:
        """Give a message to every function that gets messages."""
        if message.msg_type is not self.msg_type:
            mine = self.msg_type.name if self.msg_type is not None else ""
            raise AssertionError(
                f"{self.handler.name} is a handler of {mine}, and gets no {message.msg_type.name}:"
                " give check_handler messages of its type"
            )
        for part in ("receive", "on_send"):
            if getattr(self.handler, part) is not None:
                self.act(part, message)
        if "prepare" in functions(self.handler):
            self.prepare(message)

    def act(self, part: str, *given: Any) -> None:
        """Call a function that returns actions: twice, and a wrapper once more with a `next` that raises."""
        before, context = copy.deepcopy(given), self.new()
        first = self.actions(part, context, given)
        if given != before:
            changed = " or the ".join(self.arguments(part)[1 : len(given) + 1])
            self.fail(part, f"changes the {changed} that it gets: change a copy")
        again = self.actions(part, self.new(), given)
        if list(map(type, first)) != list(map(type, again)):
            self.fail(part, "answers one message in two ways: keep what it remembers in context.recall(name)")
        self.timers += [
            (action.key, context)
            for action in first
            if isinstance(action, SetTimer) and action.msg_type is self.msg_type
        ]
        if self.handler.wraps:
            self.actions(part, self.new(), given, ProtocolError("the conformance kit refuses it"))

    def check_losses(self) -> None:
        """Whether a wrapper keeps what `next` returned to itself each time, without the empty list that says so."""
        for part, lost in self.lost.items():
            if all(lost):
                self.fail(
                    part,
                    "never returns what next returned: is a `return` missing? To drop it, return []",
                )

    def end_timers(self) -> None:
        """End each timer that was set, in its context; and one that this handler has not set."""
        for key, context in self.timers:
            self.actions("on_timer", context, (key,))
        if self.handler.wraps or not self.timers:
            self.actions("on_timer", self.new(), (_NOBODYS_KEY,))

    def prepare(self, message: HiveMessage) -> None:
        """Call `prepare`. What it raises goes to whoever sends, so it may raise any Exception."""
        following = self.following("prepare", self.new(), lambda context, message: message)
        try:
            prepared = self.call("prepare", self.new(), (message,), following)
        except KeyboardInterrupt:
            raise
        except Exception:
            return
        except BaseException as error:
            self.fail(
                "prepare", f"raises {described(error)}: raise an Exception, such as a ValueError", error
            )
        if not isinstance(prepared, HiveMessage):
            kind = type(prepared).__name__
            self.fail("prepare", f"returns a {kind} instead of the message to send: return the message")
        if following is not None and not following.called:
            self.fail("prepare", "does not call next, so nothing is sent: return next(message)")

    def following(self, part: str, context: Context, rest: Callable[..., Any]) -> Any:
        """The `next` of a wrapper; None for a plain handler."""
        return next_of(part, self.handler, rest, context) if self.handler.wraps else None

    def call(self, part: str, context: Context, given: tuple[Any, ...], following: Any) -> Any:
        last = () if following is None else (following,)
        try:
            return getattr(self.handler, part)(context, *given, *last)
        finally:
            if following is not None:
                following.end()

    def actions(
        self, part: str, context: Context, given: tuple[Any, ...], refusal: Optional[Exception] = None
    ) -> list[Any]:
        """The actions that a function returns, each checked. With a refusal, a wrapper's `next` raises it."""

        def rest(context: Context, *arguments: Any) -> list[Any]:
            if refusal is not None:
                raise refusal
            return [_INNER]

        following = self.following(part, context, rest)
        try:
            returned = self.call(part, context, given, following)
            actions = list(returned) if isinstance(returned, Iterable) else []
        except ProtocolError:
            return []
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a plugin may even exit
            wrong = about_action(error)
            fault = (
                f"makes no action: {wrong}" if wrong else f"raises {described(error)}{self.mend_of(given)}"
            )
            self.fail(part, fault, error)
        self.check_returned(part, returned)
        if following is not None and not following.called and part in _KEPT:
            self.fail(part, _KEPT[part])
        if following is not None and following.called and refusal is None:
            self.lost.setdefault(part, []).append(returned is None)
        for action in actions:
            self.check_action(part, action)
        return actions

    def check_returned(self, part: str, returned: Any) -> None:
        """Whether this is what a function returns that returns actions, whatever is in it."""
        if inspect.iscoroutine(returned):
            returned.close()
            self.fail(part, "returns a coroutine, and nobody awaits it: make it a plain function")
        if returned is not None and not isinstance(returned, Iterable):
            self.fail(part, f"returns a {type(returned).__name__}: return a list of actions, or None")

    def mend_of(self, given: tuple[Any, ...]) -> str:
        """What to do where a function raises for these arguments."""
        if _NOBODYS_KEY in given:
            return (
                " for a key that it did not set: give check_handler messages for which it sets its timer, or return"
                " None for such a key"
            )
        return ": a peer decides what it gets, so check it, or raise ProtocolError"

    def check_action(self, part: str, action: Any) -> None:
        if not isinstance(action, _ACTIONS):
            kind = type(action).__name__
            self.fail(part, f"returns a {kind}, which is no action: return Send, Deliver and the like")
        owner = _RESERVED.get(type(action), self.msg_type)
        if owner is not self.msg_type:
            self.fail(part, f"returns {type(action).__name__}, which is for handlers of {owner} alone")
        if isinstance(action, Deliver):
            self.check_delivered(part, action.message)
        mine = isinstance(action, SetTimer) and action.msg_type is self.msg_type
        if mine and getattr(self.handler, "on_timer", None) is None:
            self.fail(part, "sets a timer, and there is no on_timer: give the handler one")

    def check_delivered(self, part: str, message: dict[str, Any]) -> None:
        kinds = {"type": str, "data": dict, "context": dict}
        if any(not isinstance(message.get(name), kind) for name, kind in kinds.items()):
            self.fail(part, "delivers no OVOS message: that has type, a text, and the dicts data and context")
        try:
            json.dumps(message)
        except (TypeError, ValueError) as error:
            self.fail(part, f"delivers what has no JSON: {described(error)}", error)
