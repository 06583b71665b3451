"""The outbox of a client, with the store that its options ask for."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from hivemind_core_client.kernel.outbox import OutboxQueue
from hivemind_core_client.kernel.outbox_store import MemoryStore

if TYPE_CHECKING:
    from hivemind_core_client.config.profile import ClientProfile
    from hivemind_core_client.kernel.policy import Outbox


def new_queue(options: Outbox, profile: ClientProfile, lock: AbstractContextManager[Any]) -> OutboxQueue:
    """The outbox of the client with this profile. It is opened before the client connects."""
    if options.path is None:
        return OutboxQueue(options, MemoryStore(), lock)
    # SQLite is imported where it is needed.
    from hivemind_core_client.config.outbox_clock import Clock
    from hivemind_core_client.config.outbox_file import OutboxFile, Owner

    clock = Clock()

    def owner() -> Owner:
        return Owner(str(profile.settings.address), profile.settings.key)

    queue = OutboxQueue(options, OutboxFile(os.fspath(options.path), owner, clock), lock)
    queue.clock = clock.steady
    return queue
