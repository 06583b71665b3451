"""Rows about the library: what a client and a hub do together."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from ovos_bus_client.message import Message

from hivemind_core_client import HiveMessage, HiveMessageBusClient, HiveMessageType
from hivemind_core_client.errors import (
    ConnectionLost,
    HubTimeout,
    HubUnreachable,
    KeyRefused,
    NegotiationRefused,
    NotConnected,
    PasswordRefused,
)
from hivemind_core_client.kernel.policy import Deadlines
from hivemind_core_client.message import HiveMindBinaryPayloadType

from .answerer import COLLECT
from .hubs import HubOptions, RealHub
from .processes import free_port, wait_until
from .satellite import Satellite
from .silent import silent_port
from .table import behaviour

CIPHERS = ("AES-GCM", "CHACHA20-POLY1305")
ENCODINGS = (
    "JSON-B91",
    "JSON-Z85B",
    "JSON-Z85P",
    "JSON-B64",
    "JSON-URLSAFE-B64",
    "JSON-B32",
    "JSON-HEX",
)
BINARIZE = HubOptions(binarize=True)
LENIENT = HubOptions(min_protocol_version=0)
STRICT = HubOptions(allowed_ciphers=("AES-GCM",), allowed_encodings=("JSON-B32",))
CONNECTING = "connecting"
REFUSALS = "refusals and silence"
MESSAGES = "messages"

ANSWER_SECONDS = 10.0
_END = "the end"
_COMEBACK_SECONDS = 45.0
#: The deadlines of a client that meets silence: the defaults are no different, but for the waiting.
_SHORT = {"tcp": 0.5, "tls": 0.5, "upgrade": 1.0, "first_frame": 1.5}


class Heard:
    """What a client was told to speak, in order of arrival."""

    def __init__(self, client: HiveMessageBusClient) -> None:
        self.texts: list[str] = []
        client.on_mycroft("speak", self._hear)

    def _hear(self, message: Message) -> None:
        self.texts.append(message.data["utterance"])

    def wait_for(self, text: str, seconds: float = ANSWER_SECONDS) -> bool:
        """True once `text` was spoken."""
        return wait_until(lambda: text in self.texts, seconds)

    def before_end(self) -> list[str]:
        """Everything but the answer to `_END`, which the hub gives last: what comes twice is here by then."""
        return [text for text in self.texts if text != f"you said: {_END}"]


def roomy(hub: RealHub) -> dict[str, Any]:
    """Options of a client whose messages may be of any size, with this hub."""
    return {"max_protocol_version": 2} if "pieces" in hub.spec.lacks else {}


def utterance(text: str, **context: Any) -> Message:
    """The OVOS message for something that was said."""
    return Message("recognizer_loop:utterance", {"utterances": [text]}, context)


def own_name(peer: str) -> str:
    """What is shown of a satellite's name at the hub: `NUMBER::NAME`, as over MQTT its key stands before that."""
    return peer.partition("::")[2].rpartition("::")[0]


def check_answer(client: HiveMessageBusClient, text: str = "what time is it") -> Message:
    """Say something and check the spoken answer. Returns the `speak` message."""
    answer = client.wait_for_response(utterance(text), reply_type="speak", timeout=ANSWER_SECONDS)
    assert answer is not None, "no answer to the utterance"
    spoken: Message = answer.payload
    assert spoken.data["utterance"] == f"you said: {text}"
    return spoken


@behaviour("connects and negotiates", CONNECTING)
def connects(hub: RealHub, satellite: Satellite) -> None:
    client = satellite.connected()
    assert client.negotiated is not None and client.hub is not None
    assert client.negotiated.version in hub.spec.versions
    assert client.negotiated.cipher in CIPHERS
    assert client.negotiated.encoding in (*ENCODINGS, "binary")
    assert client.hub.node_id


def _register_cipher(name: str) -> None:
    @behaviour(f"cipher {name}, with a password", CONNECTING, needs="older versions")
    def check(hub: RealHub, satellite: Satellite) -> None:
        client = satellite.connected(ciphers=[name], max_protocol_version=2)
        assert client.negotiated is not None
        assert client.negotiated.cipher == name
        check_answer(client)


def _register_encoding(name: str) -> None:
    @behaviour(f"encoding {name}", CONNECTING, needs="older versions")
    def check(hub: RealHub, satellite: Satellite) -> None:
        client = satellite.connected(encodings=[name], max_protocol_version=2)
        assert client.negotiated is not None
        assert client.negotiated.encoding == name
        for text in ("a", "ab", "abc", "abcd", "äöü 時 🕑"):
            check_answer(client, text)


for _name in CIPHERS:
    _register_cipher(_name)
for _name in ENCODINGS:
    _register_encoding(_name)


@behaviour("hub allows one cipher and one encoding: these are taken", CONNECTING, STRICT, "older versions")
def hub_restricts(hub: RealHub, satellite: Satellite) -> None:
    client = satellite.connected(max_protocol_version=2)
    assert client.negotiated is not None
    assert (client.negotiated.cipher, client.negotiated.encoding) == ("AES-GCM", "JSON-B32")
    check_answer(client)


@behaviour("binary frames, where hub and client both want them", CONNECTING, BINARIZE, needs="binary frames")
def binarize_on(hub: RealHub, satellite: Satellite) -> None:
    client = satellite.connected()
    assert client.negotiated is not None and client.negotiated.binarize
    check_answer(client)
    check_answer(client, "a longer text, which is worth compressing. " * 50)


@behaviour("text frames, where the client wants no binary ones", CONNECTING, BINARIZE)
def binarize_off_at_client(hub: RealHub, satellite: Satellite) -> None:
    client = satellite.connected(binarize=False)
    assert client.negotiated is not None and not client.negotiated.binarize
    check_answer(client)


@behaviour("text frames, where the hub wants no binary ones", CONNECTING)
def binarize_off_at_hub(hub: RealHub, satellite: Satellite) -> None:
    client = satellite.connected(binarize=True)
    assert client.negotiated is not None and not client.negotiated.binarize
    check_answer(client)


@behaviour("RSA handshake, without a password", CONNECTING, LENIENT, "older versions")
def rsa(hub: RealHub, satellite: Satellite) -> None:
    client = satellite.connected(password=None)
    assert client.negotiated is not None and client.negotiated.kind == "rsa"
    check_answer(client)


@behaviour("pre-shared key, without a handshake", CONNECTING, LENIENT, "older versions")
def preshared(hub: RealHub, satellite: Satellite) -> None:
    client = satellite.connected(password=None, crypto_key=satellite.crypto_key)
    assert client.negotiated is not None and client.negotiated.version == 0
    check_answer(client)


@behaviour("hub killed and started again: the client comes back by itself, handlers and all", CONNECTING)
def comes_back(hub: RealHub, satellite: Satellite) -> None:
    client = satellite.client()
    heard = Heard(client)
    client.connect()
    check_answer(client, "before")
    hub.kill()
    # The client finds a dead hub first: coming back must not depend on luck with the first attempt.
    time.sleep(1.0)
    hub.start_again()
    check_comes_back(client, heard)
    logins = [
        message for message in hub.seen("hive.client.connect") if message["data"]["key"] == satellite.key
    ]
    assert len(logins) == 2


def check_comes_back(client: HiveMessageBusClient, heard: Heard) -> None:
    def answered() -> bool:
        try:
            client.emit(utterance("after"))
        except (NotConnected, ConnectionLost):
            return False
        return heard.wait_for("you said: after", seconds=1.0)

    assert wait_until(answered, _COMEBACK_SECONDS), "the client did not come back"


@behaviour("wrong key: KeyRefused", REFUSALS, needs="strangers")
def wrong_key(hub: RealHub, satellite: Satellite) -> None:
    with pytest.raises(KeyRefused):
        satellite.client(key="key-of-nobody").connect()


@behaviour("wrong password: PasswordRefused", REFUSALS)
def wrong_password(hub: RealHub, satellite: Satellite) -> None:
    with pytest.raises(PasswordRefused):
        satellite.client(password="Another-Horse-Another-Staple").connect()


@behaviour("no cipher that both allow: NegotiationRefused", REFUSALS, STRICT, "older versions")
def no_common_cipher(hub: RealHub, satellite: Satellite) -> None:
    with pytest.raises(NegotiationRefused):
        satellite.client(ciphers=["CHACHA20-POLY1305"], max_protocol_version=2).connect()


@behaviour("wrong port: HubUnreachable", REFUSALS)
def wrong_port(hub: RealHub, satellite: Satellite) -> None:
    with pytest.raises(HubUnreachable):
        satellite.client(port=free_port()).connect()


@behaviour("a port that accepts and stays silent: HubTimeout within its deadline", REFUSALS, needs="port")
def silent_from_the_start(hub: RealHub, satellite: Satellite) -> None:
    with silent_port() as port:
        _check_timeout(satellite, port)


@behaviour("a port that upgrades and stays silent: HubTimeout within its deadline", REFUSALS, needs="port")
def silent_after_upgrade(hub: RealHub, satellite: Satellite) -> None:
    with silent_port(upgrades=True) as port:
        _check_timeout(satellite, port)


def _check_timeout(satellite: Satellite, port: int) -> None:
    client = satellite.client(port=port, deadlines=Deadlines(**_SHORT))
    began = time.monotonic()
    with pytest.raises(HubTimeout) as caught:
        client.connect()
    taken = time.monotonic() - began
    assert caught.value.seconds in _SHORT.values()
    assert taken < caught.value.seconds + 5.0


@behaviour("utterance answered by speak", MESSAGES)
def speaks(hub: RealHub, satellite: Satellite) -> None:
    spoken = check_answer(satellite.connected())
    assert spoken.context["source"]


@behaviour("each message reaches each handler exactly once", MESSAGES)
def once_each(hub: RealHub, satellite: Satellite) -> None:
    client = satellite.client()
    first, second = Heard(client), Heard(client)
    client.connect()
    for number in range(5):
        client.emit(utterance(f"number {number}"))
    expected = [f"you said: number {number}" for number in range(5)]
    assert wait_until(lambda: set(expected) <= set(first.texts) & set(second.texts), ANSWER_SECONDS)
    check_answer(client, _END)
    assert first.before_end() == second.before_end()
    # The assistant answers from several threads, and may overtake itself.
    assert sorted(first.before_end()) == expected


@behaviour("the session that the caller set is kept", MESSAGES)
def caller_session(hub: RealHub, satellite: Satellite) -> None:
    client = satellite.connected()
    foreign = f"caller-of-{satellite.node_id}-{free_port()}"
    client.emit(utterance("mine", session={"session_id": foreign, "lang": "pt-pt"}))
    assert wait_until(partial(arrived_as, hub, "mine", foreign), ANSWER_SECONDS)
    own = {"session_id": client.session_id, "lang": "pt-pt"}
    client.emit(utterance("and mine", session=own))
    assert wait_until(lambda: str(_session_of(hub, "and mine").get("lang")).startswith("pt"), ANSWER_SECONDS)


def arrived_as(hub: RealHub, text: str, session_id: str) -> bool:
    # 4.0.0 puts the connection's own session in the place of a foreign one before it reaches the OVOS bus, but
    # its log shows the message as it came. Later hubs put a name of the client before the id.
    on_bus = str(_session_of(hub, text).get("session_id")).endswith(f":{session_id}")
    return on_bus or f'"session_id": "{session_id}"' in hub.log()


def _session_of(hub: RealHub, text: str) -> dict[str, Any]:
    for message in reversed(hub.seen("recognizer_loop:utterance")):
        if message["data"]["utterances"] == [text]:
            return dict(message["context"]["session"])
    return {}


@behaviour("a collect-call of OVOS brings the responses of all who answer", MESSAGES)
def collects(hub: RealHub, satellite: Satellite) -> None:
    hub.allow_msg(COLLECT, satellite.node_id)
    client = satellite.connected()
    asked = f"by {satellite.node_id}"
    responses = client.collect_responses(Message(COLLECT, {"asked": asked}), 2.0, ANSWER_SECONDS)
    assert sorted((one.data["number"], one.data["asked"]) for one in responses) == [(1, asked), (2, asked)]


@behaviour("BINARY accepted by the hub", MESSAGES)
def binary(hub: RealHub, satellite: Satellite) -> None:
    client = satellite.connected()
    size = 1000 + satellite.node_id
    facts = {"sample_rate": 16000, "sample_width": 2, "lang": "en-us"}
    sound = HiveMessage(
        HiveMessageType.BINARY, bytes(size), bin_type=HiveMindBinaryPayloadType.RAW_AUDIO, metadata=facts
    )
    client.emit(sound)
    assert hub.wait_for_log(f"{size} bytes at sample_rate: 16000")
    check_answer(client, "still there")


@behaviour("300 kB in one message, there and back", MESSAGES)
def large(hub: RealHub, satellite: Satellite) -> None:
    check_answer(satellite.connected(**roomy(hub)), "lorem ipsum " * 25_000)


@behaviour("50 messages from 4 threads: all answered, none lost, none twice", MESSAGES)
def many_threads(hub: RealHub, satellite: Satellite) -> None:
    client = satellite.client()
    heard = Heard(client)
    client.connect()
    texts = [f"message {number} of {satellite.node_id}" for number in range(50)]

    def send(own: list[str]) -> None:
        for text in own:
            client.emit(utterance(text))

    _in_threads([partial(send, texts[start::4]) for start in range(4)])
    assert wait_until(lambda: len(heard.texts) >= len(texts), 30.0)
    check_answer(client, _END)
    assert sorted(heard.before_end()) == sorted(f"you said: {text}" for text in texts)


def _in_threads(jobs: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=job) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert not any(thread.is_alive() for thread in threads)
