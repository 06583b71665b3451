"""FakeHiveMessageBus: the client without a hub, for tests of satellites and skills.

AsyncFakeHiveMessageBus is found here too, once it is used: it needs what the extra `[async]` brings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hivemind_core_client.testing.fake_client import FakeHiveMessageBus

if TYPE_CHECKING:
    from hivemind_core_client.testing.async_fake_client import AsyncFakeHiveMessageBus

__all__ = ["AsyncFakeHiveMessageBus", "FakeHiveMessageBus"]


def __getattr__(name: str) -> Any:
    """Import the fake for asyncio when it is first used."""
    if name != "AsyncFakeHiveMessageBus":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from hivemind_core_client.testing.async_fake_client import AsyncFakeHiveMessageBus

    return AsyncFakeHiveMessageBus
