"""What clients of every kind record, and that they go on where nothing can be recorded."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ovos_bus_client.message import Message

from hivemind_client_journal import Query, flush, read
from hivemind_client_journal.entry import Entry
from hivemind_client_journal.handlers import wrappers
from hivemind_client_journal.settings import Settings
from hivemind_core_client import (
    FakeHiveMessageBus,
    HiveMessage,
    HiveMessageBusClient,
    HiveMindHTTPClient,
    NodeIdentity,
)
from hivemind_core_client.plugins.contract import Context, MessageHandler, Session
from hivemind_core_client.plugins.hookspecs import hookimpl
from hivemind_core_client.plugins.manager import forget_plugins, load_plugins
from hivemind_core_client.testing import EmbeddedHub, HttpGateway, check_handler

PASSWORD = "7f3c9a51e08b4d26bb0c4f19d2e6a785"
ALONE = {"plugins": ["journal"]}
QUESTION = Message("recognizer_loop:utterance", {"utterances": ["good morning"]})
TALK = [("sent", "recognizer_loop:utterance"), ("received", "speak")]


def entries(path: str, direction: str) -> list[Entry]:
    """What was said or heard, but not that the utterance was dealt with: some are gone before the hub says that."""
    found = read(path, Query(direction=direction))
    return [each for each in found if each.ovos_type != "ovos.utterance.handled"]


def talk(path: str) -> list[tuple[str, str]]:
    """What was sent, and then what was received."""
    assert flush(20)
    rows = [*entries(path, "sent"), *entries(path, "received")]
    return [(each.direction, each.ovos_type) for each in rows]


def with_threads(**address: Any) -> None:
    with HiveMessageBusClient("k", PASSWORD, identity=NodeIdentity({}), **ALONE, **address) as client:
        assert client.wait_for_response(QUESTION, "speak", 20)


def with_asyncio(**address: Any) -> None:
    from hivemind_core_client.async_client import AsyncHiveMessageBusClient

    async def main() -> None:
        async with AsyncHiveMessageBusClient(
            "k", PASSWORD, identity=NodeIdentity({}), **ALONE, **address
        ) as client:
            assert await client.wait_for_response(QUESTION, "speak", 20)

    asyncio.run(main())


def over_http(**address: Any) -> None:
    with HttpGateway(address["host"]) as gateway:
        identity = NodeIdentity({})
        with HiveMindHTTPClient("k", PASSWORD, host=gateway.url, identity=identity, **ALONE) as client:
            assert client.wait_for_response(QUESTION, "speak", 20)


KINDS = [with_threads, over_http, *([with_asyncio] if sys.version_info >= (3, 10) else [])]


@pytest.mark.parametrize("converse", KINDS)
def test_what_was_said_and_heard_is_recorded(journal: str, converse: Any) -> None:
    with EmbeddedHub({"k": PASSWORD}) as hub:
        converse(host=hub.url)
    assert talk(journal) == TALK
    (said,), (heard,) = (entries(journal, each) for each in ("sent", "received"))
    assert (said.msg_type, said.node, said.hub) == ("bus", "unnamed-node", "embedded:0.0.0.0")
    assert heard.message() is not None
    data = Path(journal).read_bytes() + Path(f"{journal}-wal").read_bytes()
    assert b"good morning" in data and PASSWORD.encode() not in data and b"ciphertext" not in data


def test_nothing_is_recorded_unasked(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIVEMIND_JOURNAL_PATH", path)
    forget_plugins()
    with FakeHiveMessageBus(**ALONE) as bus:
        bus.emit(QUESTION)
        (info,) = [info for info in bus.plugins.report if info.name == "journal"]
        chains = [each.plugin for chain in bus.plugins.chains().values() for each in chain]
    assert (info.state, info.provides) == ("loaded", ()) and "journal" not in chains
    assert flush(20) and not os.path.exists(os.path.dirname(path))


def test_a_fake_records(journal: str) -> None:
    with FakeHiveMessageBus(**ALONE) as bus:
        bus.emit(QUESTION)
    assert talk(journal)[0] == TALK[0]


@pytest.mark.skipif(sys.version_info < (3, 10), reason="the asyncio client needs it")
def test_an_asyncio_fake_records(journal: str) -> None:
    from hivemind_core_client import AsyncFakeHiveMessageBus

    async def main() -> None:
        async with AsyncFakeHiveMessageBus(**ALONE) as bus:
            await bus.emit(QUESTION)

    asyncio.run(main())
    assert talk(journal)[0] == TALK[0]


def test_what_the_user_changes_later_is_recorded_as_it_came(journal: str) -> None:
    with EmbeddedHub({"k": PASSWORD}) as hub:
        identity = NodeIdentity({})
        with HiveMessageBusClient("k", PASSWORD, host=hub.url, identity=identity, **ALONE) as client:
            client.on_mycroft("speak", lambda message: message.data.clear())
            assert client.wait_for_response(QUESTION, "speak", 20)
    assert talk(journal) == TALK
    message = read(journal, Query(direction="received"))[0].message()
    assert message is not None and message.payload.data["utterance"] == "you said: good morning"


class Blocks:
    """Another plugin, whose handler of BUS does not come back before it is told to."""

    def __init__(self) -> None:
        self.entered, self.leave, self.told = threading.Event(), threading.Event(), threading.Event()

    @hookimpl
    def hivemind_message_handlers(self) -> list[MessageHandler]:
        return [MessageHandler("bus", "blocks", self.receive)]

    def receive(self, context: Context, message: HiveMessage) -> list[Any]:
        self.entered.set()
        assert self.leave.wait(30)
        return []

    @hookimpl(trylast=True)  # after the journal
    def hivemind_message_sent(self) -> None:
        self.told.set()


def test_a_handler_that_blocks_keeps_nobody_from_sending_and_no_row_out(journal: str) -> None:
    blocks = Blocks()
    with EmbeddedHub({"k": PASSWORD}) as hub:
        options: dict[str, Any] = {"host": hub.url, "identity": NodeIdentity({})}
        with HiveMessageBusClient("k", PASSWORD, plugins=["journal", blocks], **options) as client:
            try:
                hub.broadcast(HiveMessage("bus", {"type": "ring", "data": {}, "context": {}}))
                assert blocks.entered.wait(20)
                assert talk(journal) == [("received", "ring")]
                began = time.monotonic()
                client.emit(Message("meanwhile"))
                took = time.monotonic() - began
                hub.wait_for("bus")
                assert blocks.told.wait(20) and flush(20)
                rows = read(journal, Query())
            finally:
                blocks.leave.set()
    assert took < 1
    assert [(each.direction, each.ovos_type) for each in rows] == [
        ("received", "ring"),
        ("sent", "meanwhile"),
    ]


@pytest.mark.skipif(sys.version_info < (3, 10), reason="the asyncio client needs it")
def test_a_handler_that_blocks_keeps_no_task_from_sending(journal: str) -> None:
    from hivemind_core_client.async_client import AsyncHiveMessageBusClient

    blocks = Blocks()

    async def main(hub: EmbeddedHub) -> None:
        options: dict[str, Any] = {"host": hub.url, "identity": NodeIdentity({})}
        async with AsyncHiveMessageBusClient("k", PASSWORD, plugins=["journal", blocks], **options) as client:
            try:
                hub.broadcast(HiveMessage("bus", {"type": "ring", "data": {}, "context": {}}))
                assert await asyncio.to_thread(blocks.entered.wait, 20)
                began = time.monotonic()
                await client.emit(Message("meanwhile"))
                took = time.monotonic() - began
                assert await asyncio.to_thread(blocks.told.wait, 20)
                rows = await asyncio.to_thread(talk, journal)
            finally:
                blocks.leave.set()
        assert took < 1
        assert rows == [("sent", "meanwhile"), ("received", "ring")]

    with EmbeddedHub({"k": PASSWORD}) as hub:
        asyncio.run(main(hub))


def test_types_are_those_that_are_listed(journal: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIVEMIND_JOURNAL_TYPES", "escalate,3rdparty")
    forget_plugins()
    with EmbeddedHub({"k": PASSWORD}) as hub:
        identity = NodeIdentity({})
        with HiveMessageBusClient("k", PASSWORD, host=hub.url, identity=identity, **ALONE) as client:
            client.emit(QUESTION)
            client.emit(HiveMessage("escalate", HiveMessage("bus", QUESTION)))
            client.emit(HiveMessage("3rdparty", {"rings": 1}))
            client.round_trip()
    assert talk(journal) == [TALK[0], ("sent", "")]
    assert [each.msg_type for each in read(journal, Query())] == ["escalate", "3rdparty"]


def test_a_type_that_is_never_recorded_makes_the_plugin_fail(
    journal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HIVEMIND_JOURNAL_TYPES", "hello")
    forget_plugins()
    (info,) = [info for info in load_plugins(["journal"]).report if info.name == "journal"]
    assert info.state == "failed" and "messages of type hello are never recorded" in info.error


@pytest.mark.parametrize("broken", ["a folder", "no database"])
def test_a_journal_that_cannot_be_written_costs_one_warning_and_no_message(
    journal: str, caplog: pytest.LogCaptureFixture, broken: str
) -> None:
    os.makedirs(os.path.dirname(journal))
    os.mkdir(journal) if broken == "a folder" else Path(journal).write_text("nothing of the kind\n" * 99)
    with EmbeddedHub({"k": PASSWORD}) as hub, caplog.at_level(logging.INFO):
        for _ in range(2):
            with_threads(host=hub.url)
            assert flush(20)
    lines = [record for record in caplog.records if record.name.startswith("hivemind_client_journal")]
    assert [record.levelname for record in lines] == ["WARNING"]


def test_without_a_place_nothing_is_recorded_and_all_goes_on(
    journal: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("HIVEMIND_JOURNAL_PATH")
    monkeypatch.setenv("HOME", "")
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    forget_plugins()
    with FakeHiveMessageBus(**ALONE) as bus:
        for _ in range(3):
            bus.emit(QUESTION)
    assert caplog.text.count("there is no journal") == 1


def test_the_wrapper_is_one_that_the_conformance_kit_takes(journal: str) -> None:
    node = SimpleNamespace(name="hall", public_key=None, trusted_keys={}, path=None)
    for wrapper in wrappers(Settings(path=journal, types=("bus", "query", "3rdparty"))):
        check_handler(wrapper, context=lambda: Context(node, Session("s"), now=time.time))
    assert flush(20) and read(journal, Query())
