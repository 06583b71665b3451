"""What a client is in a child that was forked: nothing, since its connection and its keys are the parent's.

Two processes that seal with one key would use each nonce twice, and one that closes ends the session of the other.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol
from weakref import WeakSet

from hivemind_core_client.wire.errors import ClientClosed, Mend

if TYPE_CHECKING:
    from hivemind_core_client.config.profile import ClientProfile
    from hivemind_core_client.shell.waiters import Waiters
    from hivemind_core_client.shell.worker import SharedWorker


class Forked(Protocol):
    """What is taken from a client in a child."""

    profile: ClientProfile
    waiters: Waiters
    _worker: SharedWorker

    def _make_parts(self) -> None:
        """Make what stands around the worker, and the worker, anew."""


_clients: WeakSet[Forked] = WeakSet()


def watch(client: Forked) -> None:
    """Let a child have no part in this client."""
    _clients.add(client)


def _disown_all() -> None:
    """Runs in the child, alone: a lock that another thread of the parent held is held there for ever.

    So everything is made anew, and what there was is left as it is. What the parent has opened is not shut.
    """
    for client in list(_clients):
        error = ClientClosed(
            "this client was made before the process was forked: its session is that of the parent process",
            Mend("make a client of its own in each process"),
        )
        client.profile.history.forbid(error)
        client._worker.disown()
        client._make_parts()
        client.waiters.forbid(error)


if hasattr(os, "register_at_fork"):  # not on Windows, where nothing is forked
    os.register_at_fork(after_in_child=_disown_all)
