"""The clients without a hub, for tests of satellites and skills, and the bus of OVOS that they stand beside.

AsyncFakeHiveMessageBus is imported when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ovos_utils.fakebus import FakeBus as FakeBus

from hivemind_bus_client._passed_on import passed_on
from hivemind_bus_client.message import HiveMessage as HiveMessage
from hivemind_bus_client.message import HiveMessageType as HiveMessageType
from hivemind_core_client.fakebus import FakeHiveMessageBus as FakeHiveMessageBus

if TYPE_CHECKING:
    from hivemind_bus_client._async_fake import AsyncFakeHiveMessageBus as AsyncFakeHiveMessageBus

__all__ = ["FakeBus", "FakeHiveMessageBus"]


_HOMES = {"_async_fake": ("AsyncFakeHiveMessageBus",)}


def __getattr__(name: str) -> Any:
    return passed_on(__name__, name, _HOMES)
