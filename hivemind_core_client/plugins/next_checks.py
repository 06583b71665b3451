"""What a wrapper may give to `next`: TypeError for what the plain handler must not get, and the wrapper is at fault."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable

from hivemind_core_client.wire.message import AnyMessageType, HiveMessage

#: Takes the arguments of `next`.
Check = Callable[..., None]


def check_of(name: str, plain: Any) -> Check:
    """What raises TypeError for arguments of `next` that the plain handler must not get: the wrapper is at fault."""
    if name == "on_timer":
        return _check_key
    if name == "on_end":
        return _check_nothing
    msg_type = getattr(plain, "msg_type", None)  # what a handler of bytes has not
    return _check_data if msg_type is None else _check_message_of(msg_type)


def _check_message_of(msg_type: AnyMessageType) -> Check:
    def check(message: HiveMessage) -> None:
        if not isinstance(message, HiveMessage) or message.msg_type != msg_type:
            raise TypeError(f"next takes a {msg_type} message: for another type there is Dispatch")

    return check


def _check_data(data: bytes, metadata: Mapping[str, Any]) -> None:
    if not isinstance(data, (bytes, bytearray, memoryview)) or not isinstance(metadata, dict):
        raise TypeError("next takes the data, as bytes, and the metadata, a dict")


def _check_key(key: str) -> None:
    if not isinstance(key, str):
        raise TypeError("next takes the key of the timer, a text")


def _check_nothing() -> None:
    """`on_end` has no argument beside its context."""
