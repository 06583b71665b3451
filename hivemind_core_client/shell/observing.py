"""Where a plugin observes what is sent: the account of a connection tells of it, and what waits is bounded."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Callable, Optional

from hivemind_core_client.kernel.bounds import frame_size
from hivemind_core_client.kernel.delivery import MOST_KEPT, MOST_KEPT_BYTES, Ask, Delivery, Ledger

if TYPE_CHECKING:
    from hivemind_core_client.plugins.contract import Frame
    from hivemind_core_client.wire.message import HiveMessage


#: So many messages that were sent may wait for their observers, and so many bytes of memory that they take.
MOST_WAITING, MOST_WAITING_BYTES = MOST_KEPT, MOST_KEPT_BYTES


class Unobserved:
    """Counts what was sent and waits for its observers.

    What is sent beyond the bound is observed by nobody, and counted as dropped. Whoever sends does not wait: he may
    hold the lock under which one writes.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = self._held = 0

    def take(self, weight: int) -> bool:
        """Count one that takes `weight` bytes in memory. False where there is no room."""
        with self._lock:
            has_room = self._count < MOST_WAITING and self._held < MOST_WAITING_BYTES
            if has_room:
                self._count += 1
                self._held += weight
        return has_room

    def give_back(self, weight: int) -> None:
        """One is observed now."""
        with self._lock:
            self._count -= 1
            self._held -= weight


class TellingDelivery(Delivery):
    """Calls `tell(message, size)` for each message that was handed to its connection."""

    def __init__(self, tell: Callable[[HiveMessage, Optional[int]], None], ledger: Ledger) -> None:
        super().__init__(ledger)
        self._tell = tell

    def handed(
        self, message: HiveMessage, frames: Sequence[Frame], answered: bool = False, number: int = 0
    ) -> Optional[Ask]:
        """All frames of a message were handed to the connection; see Delivery."""
        ask = super().handed(message, frames, answered, number)
        self._tell(message, sum(map(frame_size, frames)) if frames else None)
        return ask
