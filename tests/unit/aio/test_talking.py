"""On a loop: a question that is cancelled is forgotten."""

from __future__ import annotations

import asyncio

import pytest
from ovos_bus_client.message import Message

from hivemind_core_client.async_client import AsyncHiveMessageBusClient
from hivemind_core_client.testing import EmbeddedHub
from tests.unit.client_support import login


def test_a_question_that_is_cancelled_is_forgotten(hub: EmbeddedHub) -> None:
    async def main() -> None:
        async with AsyncHiveMessageBusClient(**login(hub.url)) as client:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(client.ask(Message("my.question")), 0.05)
            assert len(client.waiters) == 0
            assert (await client.ask("hello")).text == "you said: hello"

    asyncio.run(main())
