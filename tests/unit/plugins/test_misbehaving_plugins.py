"""A plugin can be broken, the client cannot: what others may do wrong (architecture.md, rule 5)."""

from __future__ import annotations

import asyncio
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest
from attrs import evolve
from ovos_bus_client.message import Message

from hivemind_core_client import HiveMessage, HiveMessageBusClient
from hivemind_core_client.builtins.binary_serializer import decode, encode
from hivemind_core_client.builtins.ciphers_pycryptodome import hivemind_ciphers
from hivemind_core_client.errors import InvalidMessage, UnknownCipher, UnknownMessageType
from hivemind_core_client.identity import NodeIdentity
from hivemind_core_client.message import HiveMessageType, HiveMindBinaryPayloadType
from hivemind_core_client.plugins import manager
from hivemind_core_client.plugins.contract import (
    BinaryHandler,
    CallBack,
    Cipher,
    Deliver,
    Dispatch,
    Encoding,
    MessageHandler,
    Send,
    Serializer,
    SetTimer,
)
from hivemind_core_client.plugins.hookspecs import hookimpl
from hivemind_core_client.plugins.proving import cipher_fault
from hivemind_core_client.testing import EmbeddedHub
from tests.unit.package_support import lay
from tests.unit.support import PASSWORD

AES = next(cipher for cipher in hivemind_ciphers() if cipher.name == "AES-GCM")


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
        lambda *_: [SetTimer(HiveMessageType.THIRDPRTY, "key", float("nan"))],
        lambda *_: [SetTimer(HiveMessageType.THIRDPRTY, "key", float("inf"))],
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
        "no timer",
        "endless timer",
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


BROKEN_METADATA: list[tuple[str, bytes, str]] = [
    ("undecodable", b"Metadata-Version: 2.1\nName: caf\xe9\nVersion: 1.0\n", ""),
    ("digits", b"Metadata-Version: 2.1\nName: digits\nVersion: 1." + b"9" * 5000 + b"\n", "digits"),
    ("nameless", b"Metadata-Version: 2.1\nVersion: 1.0\n", ""),
    ("empty", b"", ""),
]


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("name", "content", "shown"), BROKEN_METADATA, ids=[row[0] for row in BROKEN_METADATA]
)
def test_a_package_with_broken_metadata_harms_nobody(
    name: str, content: bytes, shown: str, packages: Path
) -> None:
    lay(packages, name)
    (packages / f"{name}-1.0.dist-info" / "METADATA").write_bytes(content)
    lay(packages, "sound")
    plugins = manager.load_plugins()
    found = {info.name: info for info in plugins.report}
    assert found[name].state == found["sound"].state == "loaded"
    assert found[name].distribution == shown
    del sys.modules[name], sys.modules["sound"]


def test_distributions_without_a_name_are_not_versions_of_one_another(packages: Path) -> None:
    for name in ("one", "two"):
        lay(packages, name)
        (packages / f"{name}-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nVersion: 1.0\n")
    states = {info.name: info.state for info in manager.load_plugins().report}
    assert states["one"] == states["two"] == "loaded"
    del sys.modules["one"], sys.modules["two"]


def test_of_two_versions_one_of_thousands_of_digits_is_the_older(
    packages: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    front = tmp_path_factory.mktemp("front")
    monkeypatch.syspath_prepend(str(front))
    for place in (front, packages):
        lay(place, "digits")
    endless = f"Metadata-Version: 2.1\nName: digits\nVersion: 1.{'9' * 5000}\n"
    (front / "digits-1.0.dist-info" / "METADATA").write_text(endless)
    (info,) = [info for info in manager.load_plugins().report if info.name == "digits"]
    assert (info.state, info.version) == ("loaded", "1.0")
    del sys.modules["digits"]


def test_a_package_with_nothing_readable_is_told(packages: Path, caplog: pytest.LogCaptureFixture) -> None:
    lay(packages, "odd")
    for name in ("METADATA", "entry_points.txt"):
        (packages / "odd-1.0.dist-info" / name).write_bytes(b"[hivemind_core_client]\n\xff\n")
    assert manager.load_plugins().require()
    assert "the entry points of a distribution without a name cannot be read" in caplog.text


# what a stranger's exception does


class Unspeakable(BaseException):
    """Its text cannot be had, and it is no Exception."""

    def __str__(self) -> str:
        raise SystemExit("not even this")


def unspeakable(*_: Any, **__: Any) -> Any:
    raise Unspeakable


class Unhashable:
    """A function that cannot be compared or hashed."""

    def __call__(self, *arguments: Any) -> Any:
        return AES.seal(*arguments)

    def __eq__(self, other: object) -> bool:
        raise Unspeakable

    def __hash__(self) -> int:
        raise Unspeakable


def named_plugin(**hooks: Callable[..., Any]) -> Any:
    return type("Named", (), {name: staticmethod(hookimpl(function)) for name, function in hooks.items()})()


def slow_to_break(key: bytes, nonce: bytes, plaintext: bytes) -> bytes:
    """Seals small samples only."""
    if len(plaintext) > 4096:
        unspeakable()
    return AES.seal(key, nonce, plaintext)


def encodes_little(data: bytes) -> str:
    if len(data) > 1000:
        unspeakable()
    return data.hex()


MADE_TO_BREAK: list[tuple[Any, str]] = [
    (
        named_plugin(hivemind_ciphers=lambda: [evolve(AES, seal=unspeakable)]),
        "failed its self-test: Unspeakable",
    ),
    (named_plugin(hivemind_ciphers=unspeakable), "hivemind_ciphers raised Unspeakable"),
    (
        named_plugin(hivemind_ciphers=lambda: [evolve(AES, seal=slow_to_break)]),
        "cipher AES-GCM failed when its speed was measured: Unspeakable",
    ),
    (
        named_plugin(hivemind_encodings=lambda: [Encoding("JSON-HEX", encodes_little, bytes.fromhex)]),
        "encoding JSON-HEX failed when its speed was measured: Unspeakable",
    ),
    (
        named_plugin(hivemind_encodings=lambda: [Encoding("JSON-HEX", unspeakable, bytes.fromhex)]),
        "failed its self-test: Unspeakable",
    ),
    (
        named_plugin(hivemind_serializers=lambda: [Serializer("text", unspeakable, unspeakable)]),
        "failed its self-test: Unspeakable",
    ),
]


@pytest.mark.parametrize(("odd", "reason"), MADE_TO_BREAK, ids=[reason for _, reason in MADE_TO_BREAK])
def test_whatever_a_proof_meets_the_client_is_made_and_the_built_in_serves(odd: Any, reason: str) -> None:
    client = HiveMessageBusClient(
        "k", PASSWORD, host="ws://127.0.0.1", identity=NodeIdentity({}), plugins=[odd]
    )
    (info,) = [info for info in client.plugin_report() if info.source == "given"]
    assert info.state == "failed" and reason in info.error
    tables = client.plugins.require()
    assert "AES-GCM" in tables.ciphers and tables.ciphers["AES-GCM"].seal is not slow_to_break
    assert "JSON-HEX" in tables.encodings and info.provides == ()


def test_a_cipher_whose_functions_cannot_be_hashed_is_proved_all_the_same() -> None:
    function: Any = Unhashable()
    assert cipher_fault(evolve(AES, seal=function)) == ""


def test_a_proof_that_failed_is_made_anew() -> None:
    broken: list[int] = [1]

    def seal(key: bytes, nonce: bytes, plaintext: bytes) -> bytes:
        return plaintext if broken else AES.seal(key, nonce, plaintext)

    cipher = evolve(AES, seal=seal)
    plugin = named_plugin(hivemind_ciphers=lambda: [cipher])
    first = manager.load_plugins([plugin])
    assert first.registry().ciphers["AES-GCM"] is not cipher
    broken.clear()  # what it lacked is there now
    assert manager.load_plugins([plugin]) is first
    manager.forget_plugins()
    assert manager.load_plugins([plugin]).registry().ciphers["AES-GCM"] is cipher


def test_a_listed_cipher_that_failed_its_proof_is_refused_with_the_reason() -> None:
    def seal(key: bytes, nonce: bytes, plaintext: bytes) -> bytes:
        return plaintext + bytes(16)

    plain = Cipher("PLAIN", (32,), 12, 16, seal, lambda key, nonce, sealed: sealed[:-16])
    plugin = named_plugin(hivemind_ciphers=lambda: [plain])
    address: Any = {"host": "ws://127.0.0.1", "identity": NodeIdentity({}), "plugins": [plugin]}
    reason = "no plugin offers the cipher PLAIN .that of plugin Named is not used: cipher PLAIN does not hide what it"
    with pytest.raises(UnknownCipher, match=reason):
        HiveMessageBusClient("k", PASSWORD, ciphers=["PLAIN"], **address)
    with pytest.raises(UnknownCipher, match=r"no plugin offers the cipher NOWHERE; there are"):
        HiveMessageBusClient("k", PASSWORD, ciphers=["NOWHERE"], **address)
