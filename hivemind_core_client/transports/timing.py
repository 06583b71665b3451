"""Waiting on an event loop with a bound."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Optional, TypeVar

from hivemind_core_client.wire.errors import HubTimeout

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


async def deadline(address: object, phase: str, seconds: float, waiting: Awaitable[T]) -> T:
    """The result of `waiting`. Raises HubTimeout, which names address and phase, when it has not come in `seconds`."""
    try:
        return await within(seconds, waiting)
    except asyncio.TimeoutError as error:
        raise HubTimeout(str(address), phase, seconds) from error


def wake(waiting: asyncio.Future[None]) -> None:
    """End the wait for a future, unless that is over, or its loop is."""
    if not waiting.done() and not waiting.get_loop().is_closed():
        waiting.set_result(None)
