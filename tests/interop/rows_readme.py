"""Rows that call what the reference client's README calls, by both names: ours, and the one of the reference client."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ovos_bus_client.message import Message

from . import readme_program
from .hubs import DEFAULTS, HubOptions, RealHub
from .processes import free_port, wait_until
from .rows_binary import FILES
from .rows_client import ANSWER_SECONDS, Heard, check_answer, check_comes_back, utterance
from .rows_intercom import key_of
from .rows_mesh import Received, make_known, resident
from .satellite import Satellite
from .table import README, README_COMMANDS, behaviour

PACKAGES = ("hivemind_core_client", "hivemind_bus_client")
#: The options that the README gives to a client.
OPTIONS = {
    "useragent": "my-satellite",
    "self_signed": True,
    "share_bus": False,
    "compress": True,
    "binarize": True,
    "websocket_ping_interval": 25,
    "websocket_ping_timeout": 10,
}

#: A check that is done with each package: it gets the package's name.
Check = Callable[[RealHub, Satellite, str], None]


def by_both_names(
    text: str,
    area: str = README,
    options: HubOptions = DEFAULTS,
    needs: str = "",
) -> Callable[[Check], Check]:
    """Register a check as a row for each package."""

    def register(check: Check) -> Check:
        for package in PACKAGES:

            def of_package(hub: RealHub, satellite: Satellite, package: str = package) -> None:
                check(hub, satellite, package)

            behaviour(f"`{package}`: {text}", area, options, needs)(of_package)
        return check

    return register


def _messages(package: str) -> Any:
    return importlib.import_module(f"{package}.message")


def _said(hub: RealHub, text: str) -> bool:
    spoken = hub.seen("recognizer_loop:utterance")
    return any(message["data"]["utterances"] == [text] for message in spoken)


# --- with the library


@by_both_names("made with every keyword, with the port beside the address")
def keywords(hub: RealHub, satellite: Satellite, package: str) -> None:
    client = satellite.client(package, **{**OPTIONS, "host": f"ws://{hub.host}", "port": satellite.hub_port})
    client.connect()
    check_answer(client)


@by_both_names("`wait_for_handshake` returns when the session stands")
def waits_for_the_handshake(hub: RealHub, satellite: Satellite, package: str) -> None:
    client = satellite.client(package)
    with pytest.raises(RuntimeError):
        client.wait_for_handshake(timeout=0.1, max_retries=1)
    client.connect(handshake_max_retries=3)
    client.wait_for_handshake()
    client.wait_for_handshake(timeout=5, max_retries=2)
    check_answer(client)


@by_both_names("a wrong password ends in a RuntimeError, where the number of attempts is bounded")
def wrong_password(hub: RealHub, satellite: Satellite, package: str) -> None:
    client = satellite.client(package, password="Another-Horse-Another-Staple")
    with pytest.raises(RuntimeError):
        client.connect(handshake_max_retries=1)


@by_both_names("an OVOS message is sent bare, and inside BUS")
def sends(hub: RealHub, satellite: Satellite, package: str) -> None:
    message = _messages(package)
    client = satellite.client(package)
    client.connect()
    heard = Heard(client)
    client.emit(utterance("bare"))
    assert heard.wait_for("you said: bare")
    client.emit(message.HiveMessage(message.HiveMessageType.BUS, utterance("inside")))
    assert heard.wait_for("you said: inside")


@by_both_names("the helpers that wait get what comes")
def waits(hub: RealHub, satellite: Satellite, package: str) -> None:
    client = satellite.client(package)
    client.connect()
    check_answer(client)
    later = threading.Timer(0.3, client.emit, [utterance("later")])
    later.start()
    spoken = client.wait_for_mycroft("speak", timeout=ANSWER_SECONDS)
    later.join()
    assert spoken is not None and spoken.payload.data["utterance"] == "you said: later"
    again = threading.Timer(0.3, client.emit, [utterance("again")])
    again.start()
    packet = client.wait_for_message(_messages(package).HiveMessageType.BUS, timeout=ANSWER_SECONDS)
    again.join()
    assert packet is not None and packet.payload.msg_type


@by_both_names("ESCALATE with a bare message inside is accepted; the client comes back if the hub drops it")
def escalates(hub: RealHub, satellite: Satellite, package: str) -> None:
    message = _messages(package)
    client = satellite.client(package)
    heard = Heard(client)
    client.connect()
    alarm = f"alarm.{satellite.node_id}.{free_port()}"
    client.emit(message.HiveMessage(message.HiveMessageType.ESCALATE, Message(alarm)))
    assert hub.wait_for_log("Received escalate message from")
    check_comes_back(client, heard)


@by_both_names("PROPAGATE with a bare message inside reaches the other satellites", needs="mesh")
def propagates(hub: RealHub, satellite: Satellite, package: str) -> None:
    message = _messages(package)
    resident(satellite, "attic")
    other = resident(satellite.sibling(), "kitchen", trusts=(satellite,))
    receiver = other.client(package)
    received = Received(receiver, message.HiveMessageType.PROPAGATE, "dinner.ready")
    receiver.connect()
    check_answer(receiver, "here")
    sender = satellite.client(package)
    sender.connect()
    make_known(sender, receiver)
    dinner = Message("dinner.ready", {"guests": 3})
    sender.emit(message.HiveMessage(message.HiveMessageType.PROPAGATE, dinner, target_site_id="kitchen"))
    assert received.wait_for_delivery().data == {"guests": 3}


@by_both_names("QUERY with a bare message inside, and with a BUS message, is answered", needs="query")
def queries(hub: RealHub, satellite: Satellite, package: str) -> None:
    message = _messages(package)
    client = satellite.client(package)
    heard = Heard(client)
    client.connect()
    client.emit(message.HiveMessage(message.HiveMessageType.QUERY, utterance("bare question")))
    assert heard.wait_for("you said: bare question")
    inner = message.HiveMessage(message.HiveMessageType.BUS, utterance("a question in BUS"))
    client.emit(message.HiveMessage(message.HiveMessageType.QUERY, payload=inner))
    assert heard.wait_for("you said: a question in BUS")


@by_both_names("BROADCAST of an administrator, bare and in BUS, reaches those who listen for it")
def broadcasts(hub: RealHub, satellite: Satellite, package: str) -> None:
    message = _messages(package)
    hub.make_admin(satellite.node_id)
    receiver = satellite.sibling().client(package)
    received = Received(receiver, message.HiveMessageType.BROADCAST, "system.update")
    receiver.connect()
    check_answer(receiver, "here")
    sender = satellite.client(package)
    sender.connect()
    update = Message("system.update", {"in": 5})
    inner = message.HiveMessage(message.HiveMessageType.BUS, update)
    # Hub 4.0.0 hands on the bare message, later ones what was sent.
    arrived = received.delivered if "mesh" in hub.spec.lacks else received.packets
    for number, payload in enumerate((update, inner), 1):
        sender.emit(message.HiveMessage(message.HiveMessageType.BROADCAST, payload=payload))
        assert wait_until(lambda number=number: len(arrived) == number, ANSWER_SECONDS), arrived
    for packet in received.packets:
        assert packet.payload.msg_type is message.HiveMessageType.BUS
        assert packet.payload.payload.data == {"in": 5}


@by_both_names("`emit_intercom` of a BUS message reaches who trusts the sender", needs="mesh")
def intercom(hub: RealHub, satellite: Satellite, package: str) -> None:
    message = _messages(package)
    resident(satellite, "kitchen")
    other = resident(satellite.sibling(), "attic", trusts=(satellite,)).client(package)
    received = Received(other, message.HiveMessageType.PROPAGATE, "secret.told")
    other.connect()
    check_answer(other, "here")
    sender = satellite.client(package)
    sender.connect()
    secret = message.HiveMessage(message.HiveMessageType.BUS, Message("secret.told", {"text": "private"}))
    sender.emit_intercom(secret, pubkey=key_of(other))
    assert received.wait_for_delivery().data == {"text": "private"}


@by_both_names("callbacks for binary data get speech with its facts", options=FILES)
def binary_data(hub: RealHub, satellite: Satellite, package: str) -> None:
    module = importlib.import_module(
        f"{package}.client" if satellite.client_kind == "sync" else f"{package}.async_client"
    )
    arrived = threading.Event()
    got: list[tuple[bytes, str, str, str]] = []

    class Callbacks(module.BinaryDataCallbacks):  # type: ignore[misc, name-defined]  # a class that is asked for by name
        def handle_receive_tts(self, bin_data: bytes, utterance: str, lang: str, file_name: str) -> None:
            got.append((bin_data, utterance, lang, file_name))
            arrived.set()

    hub.allow_msg("speak:synth", satellite.node_id)
    client = satellite.client(package, bin_callbacks=Callbacks())
    client.connect()
    facts = {"utterance": "good morning", "lang": "en-us", "file_name": "morning.wav"}
    client.emit(Message("speak:synth", facts))
    assert arrived.wait(ANSWER_SECONDS), "no speech came"
    sound, *told = got[0]
    assert sound and told == list(facts.values())


# --- as programs, and by the command line


def _program(satellite: Satellite, package: str, form: str, *rest: str) -> None:
    """Run a program of its own with the satellite's files; it must print the answer."""
    file = Path(readme_program.__file__)
    done = subprocess.run(
        [sys.executable, str(file), package, form, *rest],
        env=satellite.env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"you said: {readme_program.UTTERANCE}\n", done.stderr


@by_both_names("a program without an argument, with the identity of `set-identity`", README_COMMANDS)
def program(hub: RealHub, satellite: Satellite, package: str) -> None:
    satellite.set_identity(host=f"ws://{hub.host}", siteid="living-room")
    _program(satellite, package, "threads")


@by_both_names("a program with an identity of its own name reads the shared one", README_COMMANDS)
def program_with_an_identity(hub: RealHub, satellite: Satellite, package: str) -> None:
    satellite.set_identity(host=f"ws://{hub.host}", siteid="living-room")
    _program(satellite, package, "identity")


@by_both_names("a program for asyncio, with key, password and address", README_COMMANDS)
def program_on_a_loop(hub: RealHub, satellite: Satellite, package: str) -> None:
    satellite.set_identity()
    _program(satellite, package, "asyncio", satellite.key, satellite.password, f"ws://{hub.host}")


@behaviour("every line of `hivemind-client` in the README ends with 0", README_COMMANDS)
def command_lines(hub: RealHub, satellite: Satellite) -> None:
    address = ("--host", f"ws://{hub.host}", "--port", str(hub.port))
    login = ("--key", satellite.key, "--password", satellite.password)
    said = ("--msg", "recognizer_loop:utterance", "--payload", json.dumps({"utterances": ["hello world"]}))
    satellite.command("--help").expect(0)
    satellite.command("set-identity", *login, *address, "--siteid", "home").expect(0)
    assert " ms" in satellite.command("ping", *address).expect(0).stdout
    assert "you said: good morning" in satellite.command("terminal", stdin="good morning\n").expect(0).stdout
    satellite.command("send-mycroft", *said).expect(0)
    assert wait_until(lambda: _said(hub, "hello world"), ANSWER_SECONDS)
    satellite.command("test-identity").expect(0)
    satellite.command("test-identity", "--timeout", "20").expect(0)
    satellite.command("reset-pgp", "--yes").expect(0)  # it asks where it can
    if "noise" not in hub.spec.lacks:  # else nothing is pinned
        satellite.command("forget-server", "--host", hub.host, "--port", str(hub.port)).expect(0)
    satellite.command("test-identity").expect(0)


@behaviour(
    "its `escalate` and `propagate` end with 0, or 1 where the hub drops the connection", README_COMMANDS
)
def upwards(hub: RealHub, satellite: Satellite) -> None:
    satellite.set_identity()
    said = ("--msg", "recognizer_loop:utterance", "--payload", json.dumps({"utterances": ["hello"]}))
    for command in ("escalate", "propagate"):
        done = satellite.command(command, *said)
        if done.exit_code:
            assert "the hub dropped the connection" in done.expect(1).stderr, str(done)
