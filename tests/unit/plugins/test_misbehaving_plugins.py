"""A plugin can be broken, the client cannot: what others may do wrong (architecture.md, rule 5)."""

from __future__ import annotations

import asyncio
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest
from ovos_bus_client.message import Message

from hivemind_core_client import HiveMessage, HiveMessageBusClient
from hivemind_core_client.builtins.binary_serializer import decode, encode
from hivemind_core_client.errors import InvalidMessage, UnknownMessageType
from hivemind_core_client.identity import NodeIdentity
from hivemind_core_client.message import HiveMessageType, HiveMindBinaryPayloadType
from hivemind_core_client.plugins import manager
from hivemind_core_client.plugins.contract import (
    BinaryHandler,
    CallBack,
    Cipher,
    Deliver,
    Dispatch,
    MessageHandler,
    Send,
    Serializer,
    SetTimer,
)
from hivemind_core_client.plugins.hookspecs import hookimpl
from hivemind_core_client.plugins.proving import cipher_fault
from hivemind_core_client.testing import EmbeddedHub
from tests.unit.support import PASSWORD


@pytest.fixture(autouse=True)
def plugins_are_looked_for_anew() -> Iterator[None]:
    manager.forget_plugins()
    yield
    manager.forget_plugins()


def connected(hub: EmbeddedHub, plugin: object) -> HiveMessageBusClient:
    """A client with `plugin` beside the installed ones; the hub has tables of its own already."""
    manager.forget_plugins()
    manager.load_plugins().pm.register(plugin)
    return HiveMessageBusClient("k", PASSWORD, host=hub.url, identity=NodeIdentity({}))


def exit_at_once(*_: Any) -> None:
    sys.exit(1)


def be_cancelled(*_: Any) -> None:
    raise asyncio.CancelledError


@pytest.mark.parametrize(
    "receive",
    [
        exit_at_once,
        be_cancelled,
        lambda *_: 7,
        lambda *_: [None, "nonsense", 7],
        lambda *_: [Dispatch(None)],  # type: ignore[arg-type]
        lambda *_: [Send(None)],  # type: ignore[arg-type]
        lambda *_: [Deliver(None)],  # type: ignore[arg-type]
        lambda *_: [SetTimer("3rdparty", "key", "soon")],  # type: ignore[arg-type]
        lambda *_: [CallBack("no_such_method", {})],
        lambda *_: [Send(HiveMessage("bin", b"", metadata={"a": secrets.token_hex(999)}))],
    ],
    ids=[
        "exits",
        "cancelled",
        "int",
        "garbage",
        "dispatch",
        "send",
        "deliver",
        "timer",
        "callback",
        "unsendable",
    ],
)
def test_a_handler_that_misbehaves_costs_its_message_only(receive: Callable[..., Any]) -> None:
    class Plugin:
        @hookimpl
        def hivemind_message_handlers(self) -> list[MessageHandler]:
            return [MessageHandler(HiveMessageType.THIRDPRTY, "bad", receive)]

    with EmbeddedHub({"k": PASSWORD}) as hub, connected(hub, Plugin()) as client:
        hub.broadcast(HiveMessage("3rdparty", {}))
        utterance = Message("recognizer_loop:utterance", {"utterances": ["x"]})
        assert client.wait_for_response(utterance, "speak", 5) is not None
        assert client.state == "connected"
        assert len(hub.received) == 2


def test_a_timer_of_a_handler_is_told_when_it_is_due() -> None:
    class Plugin:
        @hookimpl
        def hivemind_message_handlers(self) -> list[MessageHandler]:
            def receive(context: Any, message: HiveMessage) -> Any:
                return [SetTimer(HiveMessageType.THIRDPRTY, "soon", 0.01)]

            def on_timer(context: Any, key: str) -> Any:
                return [Send(HiveMessage("3rdparty", {"due": key}))]

            return [MessageHandler(HiveMessageType.THIRDPRTY, "timed", receive, on_timer=on_timer)]

    with EmbeddedHub({"k": PASSWORD}) as hub, connected(hub, Plugin()):
        hub.broadcast(HiveMessage("3rdparty", {}))
        assert hub.wait_for("3rdparty")[0].payload == {"due": "soon"}


@pytest.mark.parametrize(
    "hook", ["hivemind_ciphers", "hivemind_message_handlers", "hivemind_binary_handlers"]
)
@pytest.mark.parametrize(
    "function", [exit_at_once, be_cancelled, lambda: 1 / 0, lambda: 7, lambda: [object()]]
)
def test_a_hook_that_misbehaves_is_reported_and_nothing_more(hook: str, function: Callable[[], Any]) -> None:
    plugin = type("Plugin", (), {hook: staticmethod(hookimpl(lambda: function()))})()
    with EmbeddedHub({"k": PASSWORD}) as hub, connected(hub, plugin) as client:
        assert client.state == "connected"


@pytest.mark.parametrize("function", [exit_at_once, be_cancelled])
def test_an_observer_may_even_exit(function: Callable[..., Any]) -> None:
    class Plugin:
        @hookimpl
        def hivemind_connected(self, client: Any) -> None:
            function()

    with EmbeddedHub({"k": PASSWORD}) as hub, connected(hub, Plugin()) as client:
        utterance = Message("recognizer_loop:utterance", {"utterances": ["x"]})
        assert client.wait_for_response(utterance, "speak", 5) is not None


def test_a_serializer_that_raises_costs_a_frame_and_names_itself() -> None:
    sound: list[bool] = [True]  # it passes the proof at load, and fails later

    def broken(function: Any) -> Any:
        def call(*arguments: Any) -> Any:
            if not sound:
                raise KeyError("mine")
            return function(*arguments)

        return call

    class Plugin:
        @hookimpl
        def hivemind_serializers(self) -> list[Serializer]:
            return [Serializer("binary", broken(encode), broken(decode))]

    with EmbeddedHub({"k": PASSWORD}) as hub:
        with connected(hub, Plugin()) as client:
            hub.wait_for_sessions(1)
            sound.clear()
            hub.send_raw(b"\x82\x00{}", seal=True)
            with pytest.raises(InvalidMessage, match="KeyError"):
                client.emit(HiveMessage("bin", b""))
            utterance = Message("recognizer_loop:utterance", {"utterances": ["x"]})
            assert client.wait_for_response(utterance, "speak", 5) is not None
            assert client.rejected == 1


def test_a_cipher_must_return_bytes() -> None:
    class Views:
        def seal(self, key: bytes, nonce: bytes, plaintext: bytes) -> Any:
            return bytearray(plaintext + b"t")

        def open(self, key: bytes, nonce: bytes, sealed: bytes) -> Any:
            return memoryview(sealed[:-1])

    assert "bytes" in cipher_fault(Cipher("VIEWS", (16,), 12, 1, Views().seal, Views().open))


def test_the_contract_refuses_what_has_no_place_in_a_table() -> None:
    with pytest.raises(UnknownMessageType):
        MessageHandler([], "x", print)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="99"):
        BinaryHandler(99, "x", print)
    assert MessageHandler("bus", "x", print).msg_type is HiveMessageType.BUS
    assert BinaryHandler(3, "x", print).bin_type is HiveMindBinaryPayloadType.FILE


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xfe[hivemind_core_client]",
        b"[hivemind_core_client]\nno equals sign\n",
        b"[hivemind_core_client]\nx = no_such\n",
    ],
    ids=["latin-1", "no-equals", "missing-module"],
)
def test_a_package_with_broken_entry_points_harms_nobody(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "stranger-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 1.0\n")
    (info / "entry_points.txt").write_bytes(content)
    monkeypatch.syspath_prepend(str(tmp_path))
    plugins = manager.load_plugins()
    assert plugins.require().ciphers
    assert all(info.state == "loaded" for info in plugins.report if info.builtin)
