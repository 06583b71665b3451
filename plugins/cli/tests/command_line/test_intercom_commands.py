"""`intercom send` and `intercom listen`, with functions in the place of the hive."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import click
import pytest

from hivemind_client_cli.connection import Connection
from hivemind_client_cli.main import build_cli
from hivemind_client_cli.peer_text import fingerprint
from hivemind_core_client.config.rsa_keys import generate_rsa_key
from hivemind_core_client.errors import ConnectionLost, Install, KeyRefused
from hivemind_core_client.identity import NodeIdentity
from hivemind_core_client.message import HiveMessage
from hivemind_core_client.plugins.contract import HubFacts, MessageHandler
from hivemind_core_client.plugins.hookspecs import hookimpl
from hivemind_core_client.plugins.manager import PluginInfo
from hivemind_core_client.wire.json_text import Json

from .fakes import message
from .mesh_fakes import EVIL, MeshClient
from .tools import Done, plugins_of

ATTIC = "-----BEGIN PUBLIC KEY-----\nMIIBatticAAA\n-----END PUBLIC KEY-----"
OTHER = ATTIC.replace("attic", "other")
SEND = ("send", "--to", "attic", "--msg", "my.alarm")


class Sealing:
    """A plugin that says it seals INTERCOM messages; `prepare` False: one that only reads them."""

    def __init__(self, prepare: bool = True) -> None:
        self._prepare = (lambda context, message: message) if prepare else None

    @hookimpl
    def hivemind_message_handlers(self) -> list[MessageHandler]:
        return [MessageHandler("intercom", "sealing", lambda context, message: None, self._prepare)]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[MeshClient]:
    identity = NodeIdentity()
    identity.add_trusted_key("attic", ATTIC)
    identity.save()
    client = MeshClient()
    client.hub = HubFacts("hub-1", "peer-1", OTHER)
    monkeypatch.setattr(Connection, "client", lambda connection: client)
    yield client
    assert not (client.sent or client.asked)


@pytest.fixture
def intercom(run: Any) -> Callable[..., Done]:
    def call(*args: str) -> Done:
        done: Done = run("intercom", *args, plugins=plugins_of(intercom=Sealing()))
        return done

    return call


def signed(msg_type: str = "my.alarm", key: str = ATTIC, **data: Any) -> Json:
    """A message as it reaches the internal bus when its signature has been verified."""
    return {**message(msg_type, **data), "context": {"hivemind_verified_source_peer": key}}


class TestSend:
    def test_to_an_alias(self, intercom: Any, fake: MeshClient) -> None:
        done = intercom(*SEND, "--payload", '{"door": "open"}').expect(0)
        assert done.out == "sent my.alarm to attic\n"
        ((packet, key),) = fake.whispered
        assert packet == HiveMessage("bus", {"type": "my.alarm", "data": {"door": "open"}, "context": {}})
        assert key == ATTIC
        assert fake.closed

    def test_manners(self, intercom: Any, fake: MeshClient) -> None:
        assert intercom(*SEND, "--quiet").expect(0).out == ""
        data = intercom(*SEND, "--json").expect(0).json
        assert data == {
            "sent": {"type": "my.alarm", "data": {}},
            "to": "attic",
            "fingerprint": fingerprint(ATTIC),
        }
        assert "delivered" not in json.dumps(data), "there is no acknowledgement"

    def test_to_a_key_file(self, intercom: Any, fake: MeshClient, tmp_path: Path) -> None:
        file = tmp_path / "other.pem"
        _, public = generate_rsa_key()
        file.write_text(public + "\n")
        intercom("send", "--to", str(file), "--msg", "my.alarm").expect(0)
        assert fingerprint(fake.whispered[0][1]) == fingerprint(public)

    def test_an_alias_wins_over_a_file(
        self, intercom: Any, fake: MeshClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "attic").write_text(OTHER)
        monkeypatch.chdir(tmp_path)
        intercom(*SEND).expect(0)
        assert fake.whispered[0][1] == ATTIC

    @pytest.mark.parametrize(
        ("content", "text"),
        [
            (b"-----BEGIN PRIVATE KEY-----\n", "private key"),
            (b"-----BEGIN RSA PRIVATE KEY-----\n", "private key"),
            (b"hello", "no public key"),
            (b"\xff\xfe", "no public key"),
            (ATTIC.encode(), "no RSA public key"),
            (None, "attic"),
        ],
    )
    def test_what_is_no_target(
        self, intercom: Any, fake: MeshClient, tmp_path: Path, content: bytes | None, text: str
    ) -> None:
        file = tmp_path / "key.pem"
        if content is not None:
            file.write_bytes(content)
        done = intercom("send", "--to", str(file), "--msg", "x").expect(2)
        assert text in done.err
        assert "BEGIN PRIVATE" not in done.err
        assert not fake.connected_event.is_set(), "nobody was asked for that"

    def test_aliases_of_another_identity_file(self, intercom: Any, fake: MeshClient, tmp_path: Path) -> None:
        (tmp_path / "id.json").write_text("{}")
        done = intercom(*SEND, "--identity-file", str(tmp_path / "id.json")).expect(2)
        assert "there are: none" in done.err

    def test_a_hub_that_drops_the_connection(self, intercom: Any, fake: MeshClient) -> None:
        def drop(sent: HiveMessage) -> list[Any]:
            fake.drop(ConnectionLost("gone"))
            fake.trips = [ConnectionLost("gone")]
            return []

        fake.answer = drop
        done = intercom(*SEND).expect(1)
        assert done.out == ""
        assert "hub 4.0.0 passes none on" in done.err
        assert "hivemind-core allow-propagate NODE_ID" in done.err

    def test_a_denial(self, intercom: Any, fake: MeshClient) -> None:
        fake.answer = lambda sent: [message("hive.policy.denied")]
        intercom(*SEND).expect(3)


class TestListen:
    def test_it_says_what_came_and_who_signed_it(self, intercom: Any, fake: MeshClient) -> None:
        def tell(client: MeshClient) -> None:
            client.whisper(signed(door="open"))
            client.whisper(signed("speak", OTHER, utterance="hello"))
            client.whisper(signed("speak", ATTIC + "\r\n", utterance="again"))

        fake.on_listening = tell
        done = intercom("listen", "--count", "3").expect(0)
        assert done.out == 'attic: my.alarm {"door": "open"}\nhub: hello\nattic: again\n'
        assert fake.closed

    def test_nothing_that_was_not_verified(self, intercom: Any, fake: MeshClient) -> None:
        def tell(client: MeshClient) -> None:
            client.whisper(message("speak", utterance="forged"))
            client.whisper({**signed("forged"), "context": {"hivemind_verified_source_peer": None}})
            client.whisper({**signed("forged"), "context": None})
            client.whisper(signed("genuine"))

        fake.on_listening = tell
        assert intercom("listen", "--count", "1").expect(0).out == "attic: genuine {}\n"

    def test_json_is_an_object_a_line(self, intercom: Any, fake: MeshClient) -> None:
        unknown = ATTIC.replace("attic", "nobody")
        fake.on_listening = lambda client: [
            client.whisper(signed()),
            client.whisper(signed(key=unknown)),
        ].clear()
        first, second = map(
            json.loads, intercom("listen", "--count", "2", "--json").expect(0).out.splitlines()
        )
        assert first == {"from": "attic", "fingerprint": fingerprint(ATTIC), "message": signed()}
        assert (second["from"], second["fingerprint"]) == (None, fingerprint(unknown))

    def test_timeout(self, intercom: Any, fake: MeshClient) -> None:
        fake.on_listening = lambda client: client.whisper(signed())
        assert intercom("listen", "--timeout", "0.1").expect(0).out == "attic: my.alarm {}\n"
        done = intercom("listen", "--timeout", "0.1", "--count", "2").expect(4)
        assert "1 of 2" in done.err

    def test_it_introduces_itself(self, intercom: Any, fake: MeshClient) -> None:
        done = intercom("listen", "--timeout", "0.01").expect(0)
        own = NodeIdentity()
        assert own.public_key is not None, "a key was made where there was none"
        assert str(fingerprint(own.public_key)) in done.err
        assert "hivemind-client trust show" in done.err
        assert "No key is trusted" not in done.err
        assert done.out == ""
        own.remove_trusted_key("attic")
        own.save()
        fake.identity.reload()
        again = intercom("listen", "--timeout", "0.01").expect(0)
        assert str(fingerprint(own.public_key)) in again.err, "the key stays"
        assert "No key is trusted" in again.err
        assert intercom("listen", "--timeout", "0.01", "--quiet").expect(0).err == ""

    def test_a_public_key_that_is_missing_is_made_of_the_private_one(
        self, intercom: Any, fake: MeshClient
    ) -> None:
        own = NodeIdentity()
        own.create_keys()
        public, private = own.public_key, own.private_key_pem()
        own.public_key = None
        own.save()
        fake.identity.reload()
        intercom("listen", "--timeout", "0.01").expect(0)
        assert fingerprint(NodeIdentity().public_key) == fingerprint(public)
        assert NodeIdentity().private_key_pem() == private

    @pytest.mark.parametrize("state", ["refused", "closed"])
    def test_a_client_that_gave_up(self, intercom: Any, fake: MeshClient, state: str) -> None:
        fake.state, fake.last_error = state, KeyRefused("the key is no longer known")
        assert "no longer known" in intercom("listen").expect(3).err

    def test_a_connection_that_is_lost_for_a_while(self, intercom: Any, fake: MeshClient) -> None:
        fake.state, fake.last_error = "reconnecting", ConnectionLost("gone")
        intercom("listen", "--timeout", "0.6").expect(0)

    def test_ctrl_c(self, intercom: Any, fake: MeshClient) -> None:
        def interrupt(client: MeshClient) -> None:
            client.whisper(signed())
            threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()

        fake.on_listening = interrupt
        done = intercom("listen").expect(0)
        assert done.out == "attic: my.alarm {}\n"
        assert "Traceback" not in done.err
        assert fake.closed

    def test_a_reader_that_is_too_slow_costs_no_memory(self, intercom: Any, fake: MeshClient) -> None:
        fake.on_listening = lambda client: [client.whisper(signed()) for _ in range(1001)].clear()
        done = intercom("listen", "--timeout", "0.2", "--count", "2000").expect(4)
        assert len(done.out.splitlines()) == 1000
        assert done.err.count("1 message is not shown") == 1

    def test_nothing_of_the_wire_steers_the_terminal(self, intercom: Any, fake: MeshClient) -> None:
        fake.on_listening = lambda client: client.whisper(signed(EVIL, **{EVIL: EVIL}))
        out = intercom("listen", "--count", "1").expect(0).out
        assert out.rstrip("\n").isprintable()


@pytest.mark.parametrize("args", [SEND, ("listen",)], ids=lambda args: args[0])
@pytest.mark.parametrize("plugins", [{}, {"reader": Sealing(prepare=False)}], ids=["none", "reading"])
def test_without_the_plugin(
    run: Any, fake: MeshClient, args: tuple[str, ...], plugins: dict[str, Any]
) -> None:
    done = run("intercom", *args, plugins=plugins_of(**plugins)).expect(1)
    assert str(Install("intercom")) in done.err
    assert not fake.connected_event.is_set()


STATES = [
    ("blocked", "HIVEMIND_CLIENT_PLUGINS_BLOCK"),
    ("not selected", "HIVEMIND_CLIENT_PLUGINS"),
    ("failed", "hivemind-client plugins"),
]


@pytest.mark.parametrize(("state", "mend"), STATES)
def test_a_plugin_that_is_there_and_not_loaded(run: Any, fake: MeshClient, state: str, mend: str) -> None:
    plugins = plugins_of()
    plugins.infos.append(PluginInfo("intercom", state=state))
    done = run("intercom", *SEND, plugins=plugins).expect(1)
    assert mend in done.err
    assert "pip install" not in done.err


def test_listening_without_credentials_writes_nothing(run: Any, home: Path) -> None:
    done = run("intercom", "listen", plugins=plugins_of(intercom=Sealing())).expect(2)
    assert "NodeIdentity not set" in done.err
    assert not (home / "config" / "hivemind").exists()


def test_the_group_alone_is_wrong_usage(run: Any) -> None:
    assert "Missing command" in run("intercom").expect(2).err


@pytest.mark.parametrize("args", [(), ("send",), ("nonsense",), ("listen", "--count", "0")], ids=" ".join)
def test_wrong_usage(intercom: Any, args: tuple[str, ...]) -> None:
    done = intercom(*args).expect(2)
    assert done.out == ""
    assert intercom(*args, "--json").expect(2).json["exit_code"] == 2


def test_each_subcommand_has_help_with_an_example() -> None:
    group = build_cli(plugins_of()).commands["intercom"]
    assert isinstance(group, click.Group)
    assert {*group.commands} == {"send", "listen"}
    for name, each in group.commands.items():
        text = each.get_help(click.Context(each, info_name=f"hivemind-client intercom {name}"))
        for part in ("Example: ", "--json", "--quiet", "--verbose"):
            assert part in text, name
        assert all(parameter.help for parameter in each.params if isinstance(parameter, click.Option))
