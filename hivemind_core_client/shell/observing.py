"""The account of a connection that tells what was handed to it, where a plugin observes what is sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Callable, Optional

from hivemind_core_client.kernel.bounds import frame_size
from hivemind_core_client.kernel.delivery import Ask, Delivery, Ledger

if TYPE_CHECKING:
    from hivemind_core_client.plugins.contract import Frame
    from hivemind_core_client.wire.message import HiveMessage


class TellingDelivery(Delivery):
    """Calls `tell(message, size)` for each message that was handed to its connection."""

    def __init__(self, tell: Callable[[HiveMessage, Optional[int]], None], ledger: Ledger) -> None:
        super().__init__(ledger)
        self._tell = tell

    def handed(self, message: HiveMessage, frames: Sequence[Frame], answered: bool = False) -> Optional[Ask]:
        """All frames of a message were handed to the connection; see Delivery."""
        ask = super().handed(message, frames, answered)
        self._tell(message, sum(map(frame_size, frames)) if frames else None)
        return ask
