"""The outbox of a client, with the store that its options ask for."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from hivemind_core_client.kernel.outbox import OutboxQueue
from hivemind_core_client.kernel.outbox_store import MemoryStore

if TYPE_CHECKING:
    from hivemind_core_client.config.profile import ClientProfile
    from hivemind_core_client.kernel.policy import Outbox


def new_queue(options: Outbox, profile: ClientProfile, lock: AbstractContextManager[Any]) -> OutboxQueue:
    """The outbox of the client with this profile. It is opened before the client connects."""
    return OutboxQueue(options, MemoryStore(), lock)
