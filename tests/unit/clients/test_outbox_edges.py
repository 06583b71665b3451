"""Where an outbox could lose, double or hold up something: other hubs, files in use, cancellations, fakes that wait."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from ovos_bus_client.message import Message

from hivemind_core_client import FakeHiveMessageBus, HiveMessageBusClient, Outbox
from hivemind_core_client.errors import InvalidMessage, OutboxFileError
from hivemind_core_client.message import HiveMessage
from hivemind_core_client.testing import EmbeddedHub
from tests.unit.client_support import Log, Make, until
from tests.unit.support import PASSWORD


def count(number: int) -> Message:
    return Message("count", {"number": number})


def test_what_waits_for_one_hub_never_goes_to_another(make: Make) -> None:
    dropped = Log()
    first, second = EmbeddedHub({"k": PASSWORD}).start(), EmbeddedHub({"k": PASSWORD}).start()
    client = make(first, outbox=Outbox(dropped=lambda message, reason: dropped(reason)))
    client.connect()
    first.stop()
    assert until(lambda: client.state == "reconnecting")
    client.emit(count(0))
    client.close()
    client.profile.change(address=make(second).profile.settings.address)
    client.connect()
    assert dropped.wait(1) == ["it was for another hub or access key"]
    client.emit(count(1))
    client.close()
    assert [each["data"]["number"] for each in second.wait_for("count")] == [1]
    assert client.metrics.outbox_dropped == 1
    second.stop()


def test_a_client_that_could_not_have_its_file_may_try_again(make: Make, tmp_path: Path) -> None:
    outbox = Outbox(path=tmp_path / "outbox")
    with EmbeddedHub({"k": PASSWORD}) as hub:
        other: HiveMessageBusClient = make(hub, outbox=outbox)
        with make(hub, outbox=outbox), pytest.raises(OutboxFileError):
            other.connect()
        assert not other.started_running
        with other:
            other.emit(count(0))
            assert until(lambda: other.metrics.confirmed == 1)


def test_a_message_in_another_that_makes_no_sense_is_refused(make: Make) -> None:
    bus = FakeHiveMessageBus(outbox=Outbox())
    bus.connect()
    with pytest.raises(InvalidMessage):
        bus.emit(HiveMessage("propagate", {"msg_type": "bus", "payload": "no message"}))
    bus.emit(HiveMessage("propagate", {"msg_type": "bus", "payload": {"type": "count"}}))
    assert (bus.metrics.raised, bus.metrics.confirmed) == (1, 1)


if sys.version_info >= (3, 10):
    from hivemind_core_client import AsyncFakeHiveMessageBus
    from hivemind_core_client.config.outbox_file import OutboxFile

    def test_a_fake_whose_hub_confirms_nothing_waits_without_work() -> None:
        async def run() -> None:
            bus = AsyncFakeHiveMessageBus(outbox=Outbox())
            await bus.connect()
            bus.confirms = False
            for number in range(66):
                await bus.emit(count(number))
            await bus.settle()
            assert (bus.metrics.unconfirmed, bus.metrics.waiting) == (64, 2)
            assert len(asyncio.all_tasks()) == 1
            await bus.close()

        asyncio.run(run())

    def test_what_is_cancelled_while_the_disk_has_it_is_not_kept(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        writes, may_write = threading.Event(), threading.Event()
        append = OutboxFile.append

        def slow(self: OutboxFile, *given: Any) -> int:
            writes.set()
            assert may_write.wait(20)
            return append(self, *given)

        monkeypatch.setattr(OutboxFile, "append", slow)

        async def run() -> None:
            bus = AsyncFakeHiveMessageBus(outbox=Outbox(path=tmp_path / "outbox"))
            await bus.connect()
            await bus.drop()
            emitting = asyncio.ensure_future(bus.emit(count(0)))
            while not writes.is_set():
                await asyncio.sleep(0)
            emitting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await emitting
            may_write.set()
            await bus.emit(count(1))
            end = time.monotonic() + 20
            while (bus.metrics.raised, bus.metrics.waiting) != (1, 1):
                assert time.monotonic() < end, bus.metrics
                await asyncio.sleep(0)
            await bus.restore()
            await bus.settle()
            assert (bus.metrics.raised, bus.metrics.confirmed) == (1, 1)
            await bus.close()

        asyncio.run(run())
