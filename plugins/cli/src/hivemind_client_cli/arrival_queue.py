"""What has arrived from the hub and is not printed yet."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Generic, TypeVar

from hivemind_client_cli.output import Output

if TYPE_CHECKING:
    from hivemind_core_client import HiveMessageBusClient

#: How many messages may wait for a slow reader of stdout.
BACKLOG_MESSAGES = 1000
#: How often a wait looks whether the client still tries to connect.
_POLL_S = 0.25

T = TypeVar("T")


class ArrivalQueue(Generic[T]):
    """Items from the threads of `client` to the thread that prints them.

    If stdout is read too slowly, items that do not fit are dropped, and `output` warns of it.
    """

    def __init__(self, output: Output, client: HiveMessageBusClient) -> None:
        self._output = output
        self._client = client
        self._items: queue.Queue[T] = queue.Queue(BACKLOG_MESSAGES)
        self._dropped = 0
        self._lock = threading.Lock()

    def put(self, item: T) -> None:
        """Add an item, or drop it if too many wait."""
        try:
            self._items.put_nowait(item)
        except queue.Full:
            self._drop()

    def items(self, timeout: float | None) -> Iterator[T]:
        """What arrives within `timeout` seconds; None means without end.

        Raises the error of a client that has stopped trying to connect.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            left = _POLL_S if deadline is None else deadline - time.monotonic()
            try:
                yield self._items.get(timeout=max(0.0, min(_POLL_S, left)))
            except queue.Empty:
                if left <= 0:
                    return
                if self._client.state in ("refused", "closed") and self._client.last_error is not None:
                    raise self._client.last_error from None

    def _drop(self) -> None:
        with self._lock:
            self._dropped += 1
            count = self._dropped
        if count & (count - 1) == 0:  # at 1, 2, 4, 8 …
            subject = "1 message is" if count == 1 else f"{count} messages are"
            self._output.warn(f"{subject} not shown: stdout is read more slowly than they come")
