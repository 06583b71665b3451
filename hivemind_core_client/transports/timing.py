"""Waiting on an event loop with a bound."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Optional, TypeVar

T = TypeVar("T")


async def within(seconds: Optional[float], waiting: Awaitable[T]) -> T:
    """The result of `waiting`. Raises asyncio.TimeoutError when it has not come in `seconds` (None: for ever).

    Before Python 3.12 `asyncio.wait_for` may swallow a cancellation that comes together with the result.
    """
    work = asyncio.ensure_future(waiting)
    try:
        await asyncio.wait({work}, timeout=seconds)
    finally:
        if not work.done():
            work.cancel()
            await asyncio.wait({work})
        if not work.cancelled():
            work.exception()  # looked at, should nobody get to it
    if work.cancelled():
        raise asyncio.TimeoutError
    return work.result()


def wake(waiting: asyncio.Future[None]) -> None:
    """End the wait for a future, unless that is over, or its loop is."""
    if not waiting.done() and not waiting.get_loop().is_closed():
        waiting.set_result(None)
