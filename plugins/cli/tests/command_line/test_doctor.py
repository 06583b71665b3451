"""`hivemind-client doctor`: each step that can fail, found by a server that fails in it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Callable

import pytest

from hivemind_client_cli.connection import Connection
from hivemind_client_cli.examination import CHECKS as EXAMINED
from hivemind_client_cli.output import Output
from hivemind_core_client import HiveMessageBusClient
from hivemind_core_client.errors import (
    BrokerRefused,
    BrokerUnreachable,
    ConnectionLost,
    HandshakeError,
    HiveMindError,
    HubKeyChanged,
    HubOffline,
    HubRefused,
    HubTimeout,
    IdentityFileError,
    KeyRefused,
    Mend,
    NegotiationRefused,
    NotAHub,
    PasswordRefused,
    VersionRefused,
)
from hivemind_core_client.identity import NodeIdentity
from hivemind_core_client.kernel.policy import Deadlines
from hivemind_core_client.message import HiveMessage
from hivemind_core_client.plugins.contract import HubFacts
from hivemind_core_client.testing import Account, EmbeddedHub

from .doctor_tools import CHECKS, OF_NOISE, at, failing, states
from .fakes import message
from .tools import KEY, LOGIN, PASSWORD

pytestmark = pytest.mark.usefixtures("cheap_keys")


@pytest.fixture(scope="module")
def hub() -> Iterator[EmbeddedHub]:
    silent = [
        Account("silent-key", PASSWORD),
        Account(KEY, PASSWORD),
        Account("psk-key", None, "0123456789abcdef"),
    ]
    with EmbeddedHub(
        clients=silent, agent=lambda text: None if text == "hush" else f"you said: {text}"
    ) as hub:
        yield hub


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every phase of connecting takes half a second at most."""
    make = Connection.client

    def client(connection: Connection, *given: Any) -> HiveMessageBusClient:
        made = make(connection, *given)
        made.deadlines = Deadlines(tcp=0.5, tls=0.5, upgrade=0.5, first_frame=0.5, handshake=0.5)
        return made

    monkeypatch.setattr(Connection, "client", client)


@contextmanager
def server(serve: Callable[[socket.socket], object]) -> Iterator[int]:
    """A server on loopback that runs `serve` for each connection; yields the port."""
    listener = socket.create_server(("127.0.0.1", 0))
    taken: list[socket.socket] = []

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
                taken.append(connection)
                serve(connection)
            except OSError:
                return

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for connection in taken:
            connection.close()
        thread.join(5)


def test_all_is_well(run: Any, hub: EmbeddedHub) -> None:
    done = run(*at(hub.port)).expect(0)
    lines = done.out.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["name", "ok"],
        ["tcp", "ok"],
        ["tls", "skipped"],
        ["websocket", "ok"],
        ["key", "ok"],
        ["version", "ok"],
        ["password", "ok"],
        ["cipher", "ok"],
        ["permission", "skipped"],
    ]
    assert "--say" in lines[-1]
    assert done.err == ""
    data = run(*at(hub.port, "--json")).expect(0).json
    assert (data["failed"], data["error"], data["mend"], data["exit_code"]) == (None, None, None, 0)
    assert KEY not in done.out
    sent = [each.raw_payload["type"] for each in hub.received if each.msg_type == "bus"]
    assert {*sent} == {"hivemind.client.may_send"}, "nobody acts on that"


def test_a_permission_is_tried_by_speaking(run: Any, hub: EmbeddedHub) -> None:
    data = run(*at(hub.port, "--say", "hello", "--json")).expect(0).json
    assert states(data)["permission"] == "ok"
    data = run(*at(hub.port, "--say", "hush", "--json")).expect(0).json
    assert data["checks"][-1]["remark"] == "the hub dealt with it in silence"


def test_a_permission_that_an_old_hub_does_not_give(run: Any) -> None:
    with EmbeddedHub([Account(KEY, PASSWORD, allowed=())], like="4.0.0") as hub:
        data = run(*at(hub.port, "--say", "hello", "--timeout", "0.2", "--json")).expect(4).json
        failing(data, "permission")
        assert "allow-msg recognizer_loop:utterance" in data["mend"]
        done = run(*at(hub.port)).expect(0)
    assert "skipped  not tried" in done.out and "--say" in done.out


UTTERANCE = "recognizer_loop:utterance"


@pytest.mark.parametrize(
    ("allowed", "state", "code", "said"),
    [
        ((UTTERANCE, "my.alarm"), "ok", 0, f"this key may send {UTTERANCE}, my.alarm"),
        (("ovos.utterance.handle",), "ok", 0, "this key may send ovos.utterance.handle"),
        (
            ("my\x1b[2J",),
            "warn",
            0,
            f"my?[2J, and no utterances; to talk: run 'hivemind-core allow-msg {UTTERANCE}",
        ),
        ((), "failed", 3, "allows this key no type at all"),
    ],
    ids=["utterances", "their newer name", "others", "nothing"],
)
def test_what_this_key_may_send(run: Any, allowed: tuple[str, ...], state: str, code: int, said: str) -> None:
    with EmbeddedHub([Account(KEY, PASSWORD, allowed=allowed)], like="4.15") as hub:
        data = run(*at(hub.port, "--json")).expect(code).json
        done = run(*at(hub.port)).expect(code)
        assert not [
            each for each in hub.received if each.msg_type == "bus" and UTTERANCE in str(each.raw_payload)
        ]
    assert (states(data)["permission"], data["allowed"]) == (state, [*allowed])
    assert said in done.out
    if code:
        failing(data, "permission")
        assert f"hivemind-core allow-msg {UTTERANCE} NODE_ID" in data["mend"]
    assert "denied" not in done.err, "it is told once"


def test_a_denial_says_what_may_be_sent(run: Any) -> None:
    with EmbeddedHub([Account(KEY, PASSWORD, allowed=["my.alarm"])], like="4.15") as hub:
        for args in (("--say", "hello"), ("--msg", "my.bell")):
            data = run(*at(hub.port, *args, "--json")).expect(3).json
            failing(data, "permission")
            assert (data["type"], data["allowed"]) == ("MessageDenied", ["my.alarm"])


def test_a_message_that_is_not_denied_proves_little(run: Any, hub: EmbeddedHub) -> None:
    args = at(hub.port, "--msg", "my.alarm", "--payload", '{"door": 1}', "--json")
    data = run(*args).expect(0).json
    assert states(data)["permission"] == "skipped"
    assert "allow-msg my.alarm" in data["checks"][-1]["remark"]
    assert hub.wait_for("my.alarm")[0].raw_payload["data"] == {"door": 1}


@pytest.mark.parametrize("args", [("--say", "hello"), ("--msg", "my.alarm")], ids=lambda args: args[0])
def test_a_denial(run: Any, hub: EmbeddedHub, monkeypatch: pytest.MonkeyPatch, args: tuple[str, ...]) -> None:
    def emit(client: HiveMessageBusClient, packet: HiveMessage) -> None:
        denied = message(
            "hive.policy.denied",
            denied_type="my\x1b.type",
            code="acl_disallowed_type",
            reason="not \x9b allowed",
        )
        hub.broadcast(HiveMessage("bus", denied))

    monkeypatch.setattr(HiveMessageBusClient, "emit", emit)
    args = (*args, "--timeout", "0.5")
    data = run(*at(hub.port, *args, "--json")).expect(3).json
    failing(data, "permission")
    assert "allow-msg TYPE NODE_ID" in data["mend"]
    assert "(not ? allowed)" in data["error"]
    done = run(*at(hub.port, *args)).expect(3)
    assert done.err == "error: permission failed\n"
    assert "\x1b" not in done.out


def test_the_name(run: Any) -> None:
    done = run(*at(5678, host="no-such-host.invalid")).expect(4)
    assert done.out.startswith("name        failed   the name 'no-such-host.invalid' does not resolve")
    assert "mend: give the right name" in done.out
    failing(run(*at(5678, "--json", host="no-such-host.invalid")).expect(4).json, "name")
    assert "no name of a host" in run(*at(5678, host="a" * 70)).expect(2).err


def test_a_value_of_the_environment_is_named(
    run: Any, monkeypatch: pytest.MonkeyPatch, hub: EmbeddedHub
) -> None:
    monkeypatch.setenv("HIVEMIND_HOST", "no-such-host.invalid")
    assert "HIVEMIND_HOST" in run("doctor", *LOGIN).expect(4).out
    monkeypatch.setenv("HIVEMIND_KEY", "another key")
    data = run("doctor", "--host", "127.0.0.1", "--port", str(hub.port), "--json").expect(3).json
    failing(data, "key")
    assert "HIVEMIND_KEY" in data["error"]


def test_a_resolver_that_hangs(run: Any, monkeypatch: pytest.MonkeyPatch, impatient: None) -> None:
    released = threading.Event()
    monkeypatch.setattr("socket.getaddrinfo", lambda *args, **kwargs: released.wait(20) and [])
    failing(run(*at(5678, "--json")).expect(4).json, "name")
    released.set()


def test_nobody_listens(run: Any) -> None:
    with server(lambda connection: None) as port:
        pass
    failing(run(*at(port, "--json")).expect(4).json, "tcp")


def test_tls(run: Any, impatient: None) -> None:
    with EmbeddedHub(clients={KEY: PASSWORD}, tls=True) as hub:
        data = run(*at(hub.port, "--json", host="wss://127.0.0.1")).expect(0).json
        (pin,) = NodeIdentity().pinned_certificates.values()
        remark = f"the certificate is the pinned one: {pin}"
        assert data["checks"][2] == {"check": "tls", "state": "ok", "remark": remark}
        trusted = (
            run(*at(hub.port, "--json", "--ca-file", str(hub.ca_file), host="wss://127.0.0.1")).expect(0).json
        )
        assert trusted["checks"][2]["remark"] == "the certificate is verified"
        run("profile", "add", "kitchen", "--ca-file", str(hub.ca_file)).expect(0)
        kept = run(*at(hub.port, "--json", "--profile", "kitchen", host="wss://127.0.0.1")).expect(0).json
        assert kept["checks"][2]["remark"] == "the certificate is verified"
        refused = run(*at(hub.port, "--json", "--verify", host="wss://127.0.0.1")).expect(4).json
        failing(refused, "tls")
        missing = run(*at(hub.port, "--json", "--ca-file", "/no/such", host="wss://127.0.0.1")).expect(2).json
        failing(missing, "tls")
        assert states(missing)["tcp"] == "skipped" and "--ca-file FILE" in missing["mend"]
        failing(run(*at(hub.port, "--json")).expect(4).json, "websocket")


def test_a_certificate_that_is_not_the_pinned_one(run: Any, impatient: None) -> None:
    with EmbeddedHub(clients={KEY: PASSWORD}, tls=True) as hub:
        NodeIdentity().pin_certificate(f"127.0.0.1:{hub.port}", "0" * 64)
        data = run(*at(hub.port, "--json", host="wss://127.0.0.1")).expect(3).json
    failing(data, "tls")
    assert f"hivemind-client forget-server 127.0.0.1:{hub.port} --certificate" in data["mend"]


def test_another_service(run: Any, impatient: None) -> None:
    with server(lambda connection: connection.sendall(b"SSH-2.0-OpenSSH_9.0\r\n\r\n")) as port:
        failing(run(*at(port, "--json")).expect(4).json, "websocket")
        failing(run(*at(port, "--json", host="wss://127.0.0.1")).expect(4).json, "tls")
    with server(lambda connection: None) as port:
        began = time.monotonic()
        failing(run(*at(port, "--json")).expect(4).json, "websocket")
        assert time.monotonic() - began < 5


def test_key_and_password(run: Any, hub: EmbeddedHub) -> None:
    failing(run(*at(hub.port, "--json", "--key", "nobodys")).expect(3).json, "key")
    done = run(*at(hub.port, "--password", "not-the-password")).expect(3)
    assert "not-the-password" not in done.out + done.err
    failing(run(*at(hub.port, "--json", "--password", "wrong-one")).expect(3).json, "password")


def test_no_password_at_all(run: Any, hub: EmbeddedHub) -> None:
    args = ("doctor", "--host", "127.0.0.1", "--port", str(hub.port), "--json")
    done = run(*args, "--key", "psk-key")
    data = done.json
    assert (data["failed"], data["exit_code"]) == ("password", done.code)
    assert "--ask-password" in data["mend"]


def test_a_pre_shared_key(run: Any, hub: EmbeddedHub, home: Any) -> None:
    (home / "psk").write_text("0123456789abcdef\n")
    args = ("doctor", "--host", "127.0.0.1", "--port", str(hub.port), "--key", "psk-key", "--json")
    data = run(*args, "--crypto-key-file", str(home / "psk")).expect(0).json
    assert states(data)["password"] == "skipped"
    assert states(data)["cipher"] == "ok"


def test_no_common_cipher(run: Any) -> None:
    with EmbeddedHub(clients={KEY: PASSWORD}, ciphers=["ROT13"]) as hub:
        data = run(*at(hub.port, "--json")).expect(3).json
    failing(data, "cipher")
    assert states(data)["password"] == "skipped"


PLACES: list[tuple[HiveMindError, bool, str]] = [
    (HubTimeout("hub", "tcp", 1), False, "tcp"),
    (HubTimeout("hub", "tls", 1), False, "tls"),
    (HubTimeout("hub", "upgrade", 1), False, "websocket"),
    (HubTimeout("hub", "first frame", 1), False, "key"),
    (HubTimeout("hub", "handshake", 1), True, "password"),
    (VersionRefused("no"), True, "version"),
    (HubKeyChanged("ws://hub:1", "hub:1", "old", "new"), True, "hub key"),
    (HubRefused("it has pinned another key", about=("noise_key",)), True, "own Noise key"),
    (IdentityFileError("cannot write the Noise key file"), True, "own Noise key"),
    (IdentityFileError("that is no static key", about=("pinned_noise_keys",)), True, "hub key"),
    (NegotiationRefused("no"), True, "cipher"),
    (PasswordRefused("no"), True, "password"),
    (ConnectionLost("no"), False, "key"),
    (ConnectionLost("no"), True, "password"),
    (HandshakeError("no"), True, "password"),
    (HubRefused("no"), True, "password"),
]


@pytest.mark.parametrize(("error", "greeted", "check"), PLACES, ids=lambda value: str(value)[:20])
def test_where_an_error_belongs(
    run: Any,
    hub: EmbeddedHub,
    monkeypatch: pytest.MonkeyPatch,
    error: HiveMindError,
    greeted: bool,
    check: str,
) -> None:
    def connect(client: HiveMessageBusClient, site_id: str | None = None) -> None:
        client.profile.context.hub = HubFacts("node", "peer") if greeted else None
        raise error

    monkeypatch.setattr(HiveMessageBusClient, "connect", connect)
    assert run(*at(hub.port, "--json")).json["failed"] == check


MENDED = Mend("set the options broker_username and broker_password")
OF_BROKERS: list[tuple[HiveMindError, str, str]] = [
    (BrokerRefused("a login is wanted", MENDED), "transport", "broker_username"),
    (HubOffline("nobody reads the topic", MENDED), "transport", "broker_username"),
    (BrokerUnreachable("no broker answers", MENDED), "tcp", "broker_username"),
    (NotAHub("that is something else"), "transport", "that is something else"),
    (KeyRefused("no such key"), "key", "set-identity --key"),
]


@pytest.mark.parametrize(("error", "check", "mend"), OF_BROKERS, ids=lambda value: str(value)[:20])
def test_where_an_error_over_the_transport_of_a_plugin_belongs(
    run: Any, monkeypatch: pytest.MonkeyPatch, error: HiveMindError, check: str, mend: str
) -> None:
    def connect(client: HiveMessageBusClient, site_id: str | None = None) -> None:
        raise error

    monkeypatch.setattr(HiveMessageBusClient, "connect", connect)
    data = run("doctor", *LOGIN, "--host", "memory:nowhere", "--json").json
    assert (data["failed"], data["attempts"]) == (check, [])
    assert mend in data["mend"]
    shown = [each["check"] for each in data["checks"]]
    assert "transport" in shown and "websocket" not in shown


def test_all_is_well_over_the_transport_of_a_plugin(run: Any) -> None:
    with EmbeddedHub({KEY: PASSWORD}, memory="doctors", like="5.3") as hub:
        data = run("doctor", *LOGIN, "--host", hub.url, "--json").expect(3).json
    found = {each["check"]: (each["state"], each["remark"]) for each in data["checks"]}
    assert found["transport"] == ("ok", "") and found["name"][0] == "skipped"
    assert found["hub key"][1].startswith("pinned is ")
    assert data["failed"] == "permission", "hub 5.3 allows a new key nothing"


def test_a_hub_that_hangs_up_on_our_envelope(
    run: Any, hub: EmbeddedHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def connect(client: HiveMessageBusClient, site_id: str | None = None) -> None:
        client.profile.context.hub = HubFacts("node", "peer")
        raise PasswordRefused("the hub hung up on our handshake")

    monkeypatch.setattr(HiveMessageBusClient, "connect", connect)
    data = run(*at(hub.port, "--json")).expect(3).json
    failing(data, "password")
    assert "--ask-password" in data["mend"]


@pytest.mark.parametrize("flags", [[], ["--json"]], ids=str)
def test_a_hub_that_says_our_secrets(
    run: Any, hub: EmbeddedHub, monkeypatch: pytest.MonkeyPatch, flags: list[str]
) -> None:
    def emit(client: HiveMessageBusClient, packet: HiveMessage) -> None:
        reason = f"{KEY} and {client.password} and pin9"
        hub.broadcast(HiveMessage("bus", message("hive.policy.denied", denied_type="x", reason=reason)))

    monkeypatch.setattr(HiveMessageBusClient, "emit", emit)
    monkeypatch.setattr(Output, "_secrets_in_results", lambda output: [])
    hide = Output.hide
    monkeypatch.setattr(Output, "hide", lambda output, *secrets: hide(output, *secrets, "pin9"))
    done = run(*at(hub.port, "--say", "hello", "--timeout", "0.5", *flags)).expect(3)
    assert "*** and *** and ***" in done.out
    for secret in (KEY, PASSWORD, "pin9"):
        assert secret not in done.out + done.err


def test_nothing_configured(run: Any) -> None:
    data = run("doctor", "--json").expect(2).json
    assert data["type"] == "IdentityNotSet"
    assert "set-identity" in data["error"]


def test_say_or_msg(run: Any, hub: EmbeddedHub) -> None:
    run(*at(hub.port, "--say", "x", "--msg", "y")).expect(2)


def test_the_hubs_name_is_cleaned(run: Any, monkeypatch: pytest.MonkeyPatch, hub: EmbeddedHub) -> None:
    monkeypatch.setattr(HiveMessageBusClient, "hub", HubFacts("\x1b[2Jmy\nnode", "peer"))
    out = run(*at(hub.port)).expect(0).out
    assert "the hub is ?[2Jmy?node\n" in out


def test_the_checks_are_all_of_these() -> None:
    assert [check for check in EXAMINED if check not in (*OF_NOISE, "transport")] == CHECKS


def test_what_fails_at_the_password_and_is_no_matter_of_it_says_its_own_mend(
    run: Any, hub: EmbeddedHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def connect(client: HiveMessageBusClient, site_id: str | None = None) -> None:
        client.profile.context.hub = HubFacts("node", "peer")
        raise HubRefused("the hub hung up on our Noise handshake", Mend("its log says why"))

    monkeypatch.setattr(HiveMessageBusClient, "connect", connect)
    data = run(*at(hub.port, "--json")).expect(3).json
    failing(data, "password")
    assert data["mend"] == "its log says why"
