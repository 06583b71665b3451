"""Event loops from outside: which one runs here, and how a task of another one is cancelled."""

from __future__ import annotations

import asyncio
from typing import Any, Optional


def cancel_task(task: asyncio.Task[Any]) -> None:
    """Cancel a task, whatever loop it runs on, unless that is closed."""
    loop = task.get_loop()
    if loop is running_loop():
        task.cancel()
    elif not loop.is_closed():
        loop.call_soon_threadsafe(task.cancel)


def running_loop() -> Optional[asyncio.AbstractEventLoop]:
    """The loop that runs on this thread, if any."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
