"""The conformance kit: each function raises AssertionError, which names what a plugin's item does against the contract.

They ask for what a cipher, an encoding and a serializer prove when they are loaded, and more of the same.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any, Callable, Optional, Union, get_args

from hivemind_core_client.plugins.contract import (
    Action,
    BinaryHandler,
    Cipher,
    Context,
    Encoding,
    MessageHandler,
    Serializer,
    Session,
    SetTimer,
)
from hivemind_core_client.plugins.proving import (
    cipher_fault,
    encoding_fault,
    sample_messages,
    serializer_fault,
)
from hivemind_core_client.wire.errors import ProtocolError
from hivemind_core_client.wire.message import WRAPPER_TYPES, HiveMessage, HiveMessageType

Handler = Union[MessageHandler, BinaryHandler]

_ACTIONS = get_args(Action)
#: Objects that a peer may send where it should send something else.
_ODD_PAYLOADS: tuple[dict[str, Any], ...] = ({}, {"a": None}, {"type": 5, "data": []}, {"": {"": ["x"] * 99}})
_ODD_METADATA: tuple[dict[str, Any], ...] = ({}, {"lang": 5, "file_name": ["x"], "utterance": None})


def check_cipher(cipher: Cipher) -> None:
    """Assert that a cipher protects what it seals, with keys of each size that it names.

    Nonce, tag and result have the sizes that it promises; another nonce or key seals otherwise; it refuses, with
    ValueError, another key or nonce, each flipped bit of key, nonce, ciphertext and tag, and each cut end;
    several threads may use it; under a name that hubs know it seals as hubs do. Takes up to seconds.
    """
    _assert_none(cipher, Cipher, cipher_fault)


def check_encoding(encoding: Encoding) -> None:
    """Assert that an encoding gives back bytes of many lengths up to 64 KiB, and raises ValueError for other text.

    The text has a UTF-8 form, and needs no escape in JSON where the encoding says that it is `plain`.
    """
    _assert_none(encoding, Encoding, encoding_fault)


def check_serializer(serializer: Serializer) -> None:
    """Assert that a serializer gives back messages of every type, and raises FrameError for what is no frame.

    It has a form for each type that the other one has none for, and FrameTooLarge keeps it to the limit it is given.
    """
    _assert_none(serializer, Serializer, serializer_fault)


def check_handler(
    handler: Handler,
    messages: Iterable[HiveMessage] = (),
    context: Optional[Callable[[], Context]] = None,
) -> None:
    """Assert that a message handler, or a binary handler, keeps the contract.

    It gets `messages`, samples of its type, and payloads that make no sense, each with a new context: of `context`, or
    one without a hub. It returns actions or None, raises nothing but ProtocolError, changes no message, and answers
    the same message twice with actions of the same kinds. A wrapper gets a `next` that returns no actions. Timers and
    the end of a session are tried too.
    """
    _claim(
        isinstance(handler, (MessageHandler, BinaryHandler)),
        f"a {type(handler).__name__} is neither a MessageHandler nor a BinaryHandler",
    )
    _claim(isinstance(handler.name, str) and bool(handler.name), "a handler needs a name")
    parts = ("receive", "prepare", "on_send", "on_timer", "on_end")
    functions = {part: getattr(handler, part, None) for part in parts}
    for part, function in functions.items():
        _claim(
            callable(function) or (function is None and part != "receive"),
            f"{handler.name}: {part} is no function",
        )
        _claim(
            not inspect.iscoroutinefunction(function), f"{handler.name}: {part} is async; nobody awaits it"
        )
    new = context if context is not None else _context
    if isinstance(handler, BinaryHandler):
        _check_binary(handler, new)
    else:
        _check_message_handler(handler, [*messages, *_samples(handler.msg_type)], new)


def _claim(holds: bool, fault: str) -> None:
    """An assert that counts under `python -O` too."""
    if not holds:
        raise AssertionError(fault)


def _assert_none(item: Any, kind: type, fault: Callable[[Any, bool], str]) -> None:
    _claim(isinstance(item, kind), f"a {type(item).__name__} is no {kind.__name__}")
    found = fault(item, True)
    _claim(not found, found)


def _context() -> Context:
    return Context(
        identity=SimpleNamespace(name="kit", public_key=None, trusted_keys={}, private_key_pem=lambda: None),
        session=Session("session-1"),
    )


def _samples(msg_type: HiveMessageType) -> list[HiveMessage]:
    samples = sample_messages(msg_type)
    if msg_type in WRAPPER_TYPES:
        odd = [HiveMessage("3rdparty", payload) for payload in _ODD_PAYLOADS]
        return samples + [HiveMessage(msg_type, inner) for inner in odd]
    if msg_type in (HiveMessageType.BINARY, HiveMessageType.BUS, HiveMessageType.SHARED_BUS):
        return samples  # nothing else of these types can be made
    return samples + [HiveMessage(msg_type, payload) for payload in _ODD_PAYLOADS]


def _check_message_handler(
    handler: MessageHandler, messages: list[HiveMessage], new: Callable[[], Context]
) -> None:
    more: list[Any] = [lambda context, message: []] if getattr(handler, "wraps", False) else []
    for message in messages:
        _claim(
            message.msg_type is handler.msg_type,
            f"{handler.name} is a handler of {handler.msg_type.name}, and gets no {message.msg_type.name}",
        )
        for part in ("receive", "on_send"):
            function = getattr(handler, part)
            if function is not None:
                _check_calls(handler, part, _bound(function, message, *more), message, new)
        if handler.prepare is not None:
            _check_prepare(handler, message, new(), more)
    if handler.on_timer is not None:
        timer = handler.on_timer
        _check_calls(handler, "on_timer", lambda ctx: timer(ctx, "a key that nobody set"), None, new)
    if handler.on_end is not None:
        _check_calls(handler, "on_end", handler.on_end, None, new)


def _check_prepare(handler: MessageHandler, message: HiveMessage, context: Context, more: list[Any]) -> None:
    prepare: Any = handler.prepare
    following = [lambda context, message: message] if more else []
    try:
        prepared = prepare(context, message, *following)
    except Exception:  # what prepare raises goes to whoever sends, so it may raise anything
        return
    _claim(
        isinstance(prepared, HiveMessage),
        f"{handler.name}: prepare returns a {type(prepared).__name__} instead of the message to send",
    )


def _check_binary(handler: BinaryHandler, new: Callable[[], Context]) -> None:
    receive: Any = handler.receive
    more: list[Any] = [lambda context, data, metadata: []] if getattr(handler, "wraps", False) else []
    for data in (b"", bytes(range(256))):
        for metadata in _ODD_METADATA:
            message = HiveMessage("bin", data, bin_type=handler.bin_type, metadata=copy.deepcopy(metadata))
            _check_calls(
                handler,
                "receive",
                _bound(receive, message.raw_payload, message.metadata, *more),
                message,
                new,
            )


def _bound(function: Callable[..., Any], *arguments: Any) -> Callable[[Context], Any]:
    return lambda context: function(context, *arguments)


def _check_calls(
    handler: Handler,
    part: str,
    call: Callable[[Context], Any],
    message: Optional[HiveMessage],
    new: Callable[[], Context],
) -> None:
    before = copy.deepcopy(message)
    first = _actions(handler, part, call, new())
    _claim(message == before, f"{handler.name}: {part} changes the message that it gets")
    again = _actions(handler, part, call, new())
    kinds = [[type(action) for action in actions] for actions in (first, again)]
    _claim(kinds[0] == kinds[1], f"{handler.name}: {part} answers one message in two ways")


def _actions(handler: Handler, part: str, call: Callable[[Context], Any], context: Context) -> list[Any]:
    where = f"{handler.name}: {part}"
    try:
        returned = call(context)
        actions = [] if returned is None else list(returned)
    except ProtocolError:
        return []
    except TypeError as error:
        raise AssertionError(f"{where} raises TypeError, or returns no list: {error}") from error
    except Exception as error:
        raise AssertionError(f"{where} raises {type(error).__name__}: {error}") from error
    for action in actions:
        _claim(isinstance(action, _ACTIONS), f"{where} returns a {type(action).__name__}, which is no action")
        if isinstance(action, SetTimer) and isinstance(handler, MessageHandler):
            mine = action.msg_type is not handler.msg_type or handler.on_timer is not None
            _claim(mine, f"{where} sets a timer, and there is no on_timer")
    return actions
