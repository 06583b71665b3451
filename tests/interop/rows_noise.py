"""Rows about protocol version 3: Noise, pins, and what happens to whoever meddles."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from Crypto.Cipher import AES
from ovos_bus_client.message import Message

from hivemind_core_client import HiveMessage, HiveMessageBusClient, NodeIdentity
from hivemind_core_client.client import BinaryDataCallbacks
from hivemind_core_client.errors import (
    ConnectionLost,
    HubKeyChanged,
    HubRefused,
    NotConnected,
    PasswordRefused,
    VersionRefused,
)
from hivemind_core_client.message import HiveMessageType, HiveMindBinaryPayloadType
from hivemind_core_client.plugins.contract import Cipher
from hivemind_core_client.plugins.hookspecs import hookimpl
from tests.packages.building import SOURCES, Environment, lay_project
from tests.packages.checking import check_noise_by_own_aes

from .answerer import COUNT, COUNTED
from .hubs import HubOptions, RealHub
from .meddler import Change, Frame
from .processes import wait_until
from .rows_binary import FILES
from .rows_client import ANSWER_SECONDS, CIPHERS, Heard, check_answer, check_comes_back
from .satellite import Satellite
from .table import behaviour

NOISE = "protocol version 3"
#: Hubs that a row stops, or whose files it changes, are nobody else's.
REKEYED = HubOptions(name="rekeyed")
MEBIBYTE = 1024 * 1024

_THREADS = 8
_MESSAGES = 10_000
_MANY_SECONDS = 120.0


def met(client: HiveMessageBusClient) -> str:
    """The pattern by which a connected client met its hub."""
    agreed = client.negotiated
    assert agreed is not None and (agreed.version, agreed.kind) == (3, "noise")
    return str(agreed.pattern)


@behaviour("first contact by XXpsk2, later ones by KKpsk0", NOISE, needs="noise")
def contacts(hub: RealHub, satellite: Satellite) -> None:
    patterns = []
    for number in range(3):
        began = time.perf_counter()
        client = satellite.connected()
        taken = time.perf_counter() - began
        patterns.append(met(client))
        satellite.figures.append(f"{patterns[-1]} in {taken * 1000:.0f} ms")
        check_answer(client, f"contact {number}")
        client.close()
    assert patterns == ["XXpsk2", "KKpsk0", "KKpsk0"]


def _register_cipher(name: str) -> None:
    @behaviour(f"cipher {name}, with Noise", NOISE, needs="noise")
    def check(hub: RealHub, satellite: Satellite) -> None:
        for pattern in ("XXpsk2", "KKpsk0"):
            client = satellite.connected(ciphers=[name])
            assert client.negotiated is not None and client.negotiated.cipher == name
            assert met(client) == pattern
            check_answer(client, "a longer text " * 1000)
            client.close()


for _name in CIPHERS:
    _register_cipher(_name)


class OwnCipher:
    """AES-GCM of a plugin, over pycryptodome, that notes the nonces it was called with."""

    def __init__(self) -> None:
        self.sealed: list[bytes] = []
        self.opened: list[bytes] = []

    def _seal(self, key: bytes, nonce: bytes, plaintext: bytes) -> bytes:
        self.sealed.append(nonce)
        ciphertext, tag = AES.new(key, AES.MODE_GCM, nonce=nonce).encrypt_and_digest(plaintext)
        return bytes(ciphertext + tag)

    def _open(self, key: bytes, nonce: bytes, sealed: bytes) -> bytes:
        self.opened.append(nonce)
        return bytes(AES.new(key, AES.MODE_GCM, nonce=nonce).decrypt_and_verify(sealed[:-16], sealed[-16:]))

    @hookimpl
    def hivemind_ciphers(self) -> list[Cipher]:
        return [Cipher("AES-GCM", (16, 24, 32), 16, 16, self._seal, self._open)]


@behaviour("a plugin's own AES-GCM seals and opens each frame of a Noise session", NOISE, needs="noise")
def own_cipher(hub: RealHub, satellite: Satellite) -> None:
    own = OwnCipher()
    client = satellite.client(ciphers=["AES-GCM"], plugins=[own])
    own.sealed.clear()  # what it was called with to prove itself
    own.opened.clear()
    client.connect()
    assert met(client) == "XXpsk2"
    for number in range(3):
        check_answer(client, f"sealed by a plugin, {number}")
    client.close()
    for nonces in (own.sealed, own.opened):
        assert len(nonces) >= 3
        assert nonces == [number.to_bytes(12, "big") for number in range(len(nonces))]


@behaviour("a plugin that pip has built and installed does so", NOISE, needs="noise")
def installed_cipher(hub: RealHub, satellite: Satellite) -> None:
    environment = Environment(satellite.folder("environment"))
    environment.make()
    (source,) = (each for each in SOURCES if each.stem == "own_aes")
    environment.install(lay_project(satellite.folder("project"), source))
    shell = "asyncio" if satellite.client_kind == "async" else "threads"
    check_noise_by_own_aes(environment, shell, hub.host, hub.port, satellite.key, satellite.password)


@behaviour("5 MiB in one BUS message, there and back", NOISE, needs="noise, pieces")
def large_bus_message(hub: RealHub, satellite: Satellite) -> None:
    check_answer(satellite.connected(), "lorem ipsum " * (5 * MEBIBYTE // 12))


@behaviour(
    f"{_MESSAGES} messages each way from {_THREADS} threads: none lost, none twice, in one session",
    NOISE,
    needs="noise, bursts",
)
def many(hub: RealHub, satellite: Satellite) -> None:
    hub.allow_msg(COUNT, satellite.node_id)
    client = satellite.client()
    came: list[tuple[int, int]] = []
    ended: list[str] = []
    client.on("close", lambda: ended.append("the session"))
    client.on_mycroft(COUNTED, lambda message: came.append((message.data["thread"], message.data["number"])))
    client.connect()

    def send(thread: int) -> None:
        for number in range(_MESSAGES // _THREADS):
            client.emit(Message(COUNT, {"thread": thread, "number": number}))

    began = time.monotonic()
    _in_threads(send)
    assert wait_until(lambda: len(came) >= _MESSAGES, _MANY_SECONDS), f"{len(came)} came back"
    satellite.figures.append(f"{2 * _MESSAGES} messages in {time.monotonic() - began:.1f} s")
    check_answer(client, "the end")
    expected = [(thread, number) for thread in range(_THREADS) for number in range(_MESSAGES // _THREADS)]
    # The hub and its assistant hand messages to several threads each, so the order in which they come back is not the
    # wire's: see the next row for that.
    assert sorted(came) == expected and not ended


@behaviour(
    f"{_MESSAGES} BINARY messages each way from {_THREADS} threads: complete, and each thread's in order",
    NOISE,
    FILES,
    "noise",
)
def many_in_order(hub: RealHub, satellite: Satellite) -> None:
    """The hub sends each back as it reads it, on one thread, so here the order of both ways shows."""
    client = satellite.client(bin_callbacks=(callbacks := Numbered()))
    client.connect()

    def send(thread: int) -> None:
        for number in range(_MESSAGES // _THREADS):
            name = {"file_name": f"{thread}-{number}"}
            kind = HiveMindBinaryPayloadType.FILE
            client.emit(
                HiveMessage(HiveMessageType.BINARY, name["file_name"].encode(), bin_type=kind, metadata=name)
            )

    began = time.monotonic()
    _in_threads(send)
    assert wait_until(lambda: len(callbacks.came) >= _MESSAGES, _MANY_SECONDS), f"{len(callbacks.came)} came"
    satellite.figures.append(f"{2 * _MESSAGES} messages in {time.monotonic() - began:.1f} s")
    check_answer(client, "the end")
    assert len(callbacks.came) == _MESSAGES
    for thread in range(_THREADS):
        numbers = [number for sender, number in callbacks.came if sender == thread]
        assert numbers == list(range(_MESSAGES // _THREADS))


class Numbered(BinaryDataCallbacks):
    """Files whose content is the thread that sent them, and their number there."""

    def __init__(self) -> None:
        self.came: list[tuple[int, int]] = []

    def handle_receive_file(self, bin_data: bytes, file_name: str) -> None:
        thread, _, number = bin_data.decode().partition("-")
        self.came.append((int(thread), int(number)))


def _in_threads(send: Callable[[int], None]) -> None:
    threads = [threading.Thread(target=send, args=(number,)) for number in range(_THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(_MANY_SECONDS)


@behaviour("a hub with another static key: HubKeyChanged, until `forget-server`", NOISE, REKEYED, "noise")
def changed_hub_key(hub: RealHub, satellite: Satellite) -> None:
    client = satellite.connected()
    check_answer(client)
    client.close()
    hub.kill()
    hub.forget_noise_key()
    hub.start_again()
    with pytest.raises(HubKeyChanged, match=f"forget-server {satellite.pin}"):
        satellite.client().connect()
    assert satellite.identity.forget_noise_key(satellite.pin)
    again = satellite.connected()
    assert met(again) == "XXpsk2"
    hub.wait_until_ready()
    check_answer(again)


@behaviour("a hub that lost our pin: XXpsk2 once more", NOISE, needs="noise")
def lost_pin(hub: RealHub, satellite: Satellite) -> None:
    for expected in ("XXpsk2", "KKpsk0"):
        client = satellite.connected()
        assert met(client) == expected
        client.close()
    hub.command("reset-noise-pin", str(satellite.node_id))
    client = satellite.connected()
    check_answer(client)
    client.close()
    assert met(satellite.connected()) == "KKpsk0"


@behaviour(
    "a satellite that lost its static key: HubRefused names `reset-noise-pin`", NOISE, needs="noise, reasons"
)
def lost_own_key(hub: RealHub, satellite: Satellite) -> None:
    client = satellite.connected()
    check_answer(client)
    client.close()
    with pytest.raises(HubRefused, match="reset-noise-pin"):
        satellite.client(identity=NodeIdentity({})).connect()


@behaviour(
    "password changed at the hub: PasswordRefused; with the new one the next connect succeeds",
    NOISE,
    REKEYED,
    "noise",
)
def changed_password(hub: RealHub, satellite: Satellite) -> None:
    client = satellite.connected()
    check_answer(client)
    client.close()
    hub.command("delete-client", str(satellite.node_id), "--yes")
    new = f"{satellite.password}-renewed"
    hub.add_client(satellite.name, satellite.key, new)
    with pytest.raises(PasswordRefused, match="set-identity"):
        satellite.client().connect()
    check_answer(satellite.connected(password=new))


def _in_offer(old: str, new: str) -> Change:
    def change(number: int, frame: Frame) -> list[Frame]:
        if not isinstance(frame, str) or number >= 2:
            return [frame]
        # With or without a blank after a colon: hubs differ.
        return [
            frame.replace('": "', '":"').replace(old.replace('": "', '":"'), new.replace('": "', '":"'), 1)
        ]

    return change


def _without_noise(number: int, frame: Frame) -> list[Frame]:
    if not isinstance(frame, str) or number != 1:
        return [frame]
    message = json.loads(frame)
    message["payload"] = {"max_protocol_version": 2, "password": True, **_but_noise(message["payload"])}
    return [json.dumps(message)]


def _but_noise(payload: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in payload.items() if name not in ("noise", "max_protocol_version")}


def _register_tampering(what: str, old: str, new: str) -> None:
    @behaviour(f"an offer that was changed on the way ({what}): refused, no session", NOISE, needs="noise")
    def check(hub: RealHub, satellite: Satellite) -> None:
        with satellite.meddler() as meddler:
            meddler.down = _in_offer(old, new)
            with pytest.raises((HubRefused, PasswordRefused)):
                satellite.client(port=meddler.port).connect()
        check_answer(satellite.connected())


for _what, _old, _new in (
    ("name of the hub", '"node_id": "', '"node_id": "x'),
    ("our own name", '"peer": "', '"peer": "x'),
    ("suites", '"25519_ChaChaPoly_SHA256"', '"25519_ChaChaPoly_SHA257"'),
):
    _register_tampering(_what, _old, _new)


@behaviour(
    "an offer without Noise by a hub that we have pinned: VersionRefused, no downgrade", NOISE, needs="noise"
)
def downgrade(hub: RealHub, satellite: Satellite) -> None:
    with satellite.meddler() as meddler:
        client = satellite.connected(port=meddler.port)
        check_answer(client)
        client.close()
        meddler.down = _without_noise
        with pytest.raises(VersionRefused, match="forget-server"):
            satellite.client(port=meddler.port).connect()


def _sealed(change: Callable[[int], Change]) -> Change:
    """A change of sealed frames only; they are counted from 0, and only the first connection has it."""
    sealed = change(0)
    seen: list[int] = []

    def run(number: int, frame: Frame) -> list[Frame]:
        if isinstance(frame, str):
            return [frame]
        seen.append(number)
        return sealed(len(seen) - 1, frame)

    return run


def _repeated(_: int) -> Change:
    return lambda number, frame: [frame, frame] if number == 1 else [frame]


def _dropped(_: int) -> Change:
    return lambda number, frame: [] if number == 1 else [frame]


def _reordered(_: int) -> Change:
    kept: list[Frame] = []

    def change(number: int, frame: Frame) -> list[Frame]:
        if number == 1:
            kept.append(frame)
            return []
        return [frame, kept.pop()] if kept else [frame]

    return change


def _changed(_: int) -> Change:
    def change(number: int, frame: Frame) -> list[Frame]:
        if number != 1 or isinstance(frame, str):
            return [frame]
        return [frame[:-1] + bytes([frame[-1] ^ 1])]

    return change


def _register_meddling(what: str, direction: str, change: Callable[[int], Change]) -> None:
    @behaviour(
        f"a sealed frame {what} on the way {direction}: the connection ends and comes back",
        NOISE,
        needs="noise",
    )
    def check(hub: RealHub, satellite: Satellite) -> None:
        with satellite.meddler() as meddler:
            setattr(meddler, direction, _sealed(change))
            client = satellite.client(port=meddler.port)
            heard = Heard(client)
            client.connect()
            setattr(meddler, direction, partial(_pass))
            for number in range(4):
                _try_to_say(client, f"number {number}")
            assert wait_until(lambda: meddler.connections >= 2, 2 * ANSWER_SECONDS), (
                "the connection did not end"
            )
            check_comes_back(client, heard)
            assert client.state == "connected" and met(client)
            client.close()


def _pass(number: int, frame: Frame) -> list[Frame]:
    return [frame]


def _try_to_say(client: HiveMessageBusClient, text: str) -> None:
    try:
        client.emit(
            HiveMessage(HiveMessageType.BUS, Message("recognizer_loop:utterance", {"utterances": [text]}))
        )
    except (ConnectionLost, NotConnected):
        return


for _direction in ("down", "up"):
    for _what_happened, _change in (
        ("repeated", _repeated),
        ("dropped", _dropped),
        ("moved behind the next", _reordered),
        ("changed", _changed),
    ):
        _register_meddling(_what_happened, _direction, _change)
