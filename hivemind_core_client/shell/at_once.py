"""Messages that are sent in the session that stands or not at all, though the client has an outbox."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Optional

if TYPE_CHECKING:
    from hivemind_core_client.wire.message import HiveMessage

_at_once: ContextVar[Optional[HiveMessage]] = ContextVar("_at_once", default=None)


@contextmanager
def at_once(message: HiveMessage) -> Iterator[HiveMessage]:
    """Around the sending of a message for whose answer somebody waits: a later session would be too late."""
    token = _at_once.set(message)
    try:
        yield message
    finally:
        _at_once.reset(token)


def is_at_once(message: HiveMessage) -> bool:
    """Whether this very message is not to be kept. Handlers that are called meanwhile send others."""
    return _at_once.get() is message
