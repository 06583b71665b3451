"""All clients: connecting, refusals, deadlines, reconnecting, closing (defects.md, first section)."""

from __future__ import annotations

import logging
import socket
import ssl
import threading
import time
from typing import Any

import pytest
from ovos_bus_client.message import Message

from hivemind_core_client import (
    Backoff,
    Deadlines,
    HiveMessage,
    HiveMessageBusClient,
    HiveMessageType,
    Limits,
)
from hivemind_core_client import errors as err
from hivemind_core_client.identity import NodeIdentity
from hivemind_core_client.testing import Account, EmbeddedHub
from tests.unit import servers
from tests.unit.client_support import Make, NewThreads, ask, until
from tests.unit.support import PASSWORD, UTTERANCE

GETADDRINFO = "hivemind_core_client.transports.addresses.socket.getaddrinfo"


@pytest.mark.parametrize(
    ("hub_options", "client_options", "kind"),
    [
        ({}, {}, "password"),
        ({"binarize": True}, {}, "password"),
        ({"binarize": True}, {"binarize": False}, "password"),
        ({"ciphers": ["CHACHA20-POLY1305"]}, {}, "password"),
        ({"encodings": ["JSON-B32"]}, {}, "password"),
        (
            {"clients": [Account("k", crypto_key="sixteen chars ok")]},
            {"crypto_key": "sixteen chars ok"},
            "preshared",
        ),
        ({"clients": [Account("k")]}, {"password": None}, "rsa"),
        ({"tls": True}, {}, "password"),
    ],
    ids=["defaults", "binarize", "binarize-off-here", "chacha", "base32", "preshared", "rsa", "tls"],
)
@pytest.mark.otherwise("http", why="it has other phases, and its TLS is that of the gateway")
def test_every_kind_of_session_answers_an_utterance(
    hub_options: dict[str, Any], client_options: dict[str, Any], kind: str, make: Make
) -> None:
    with (
        EmbeddedHub(**{"clients": {"k": PASSWORD}, **hub_options}) as hub,
        make(hub, **client_options) as client,
    ):
        assert ask(client) == "you said: hello"
        assert client.negotiated is not None
        assert client.negotiated.kind == kind
        assert client.negotiated.binarize == (hub_options == {"binarize": True} and not client_options)
        assert client.rejected == 0
        assert 0 < client.round_trip() < 5


@pytest.mark.parametrize(
    "encoding", ["JSON-B91", "JSON-Z85B", "JSON-Z85P", "JSON-B64", "JSON-URLSAFE-B64", "JSON-B32", "JSON-HEX"]
)
def test_the_first_encoding_that_both_allow_is_used(encoding: str, make: Make) -> None:
    with EmbeddedHub({"k": PASSWORD}) as hub, make(hub, encodings=[encoding]) as client:
        assert client.json_encoding == encoding
        assert ask(client) == "you said: hello"


@pytest.mark.parametrize(
    ("script", "error", "text"),
    [
        (servers.silent, err.HubTimeout, "'upgrade'"),
        (servers.dripping, err.HubTimeout, "'upgrade'"),
        (servers.upgraded_then_silent, err.HubTimeout, "'first frame'"),
        (servers.upgraded_then_drips, err.HubTimeout, "'first frame'"),
        (servers.ssh, err.NotAHub, "wss://"),
        (servers.not_found, err.NotAHub, "404"),
        (servers.odd_status, err.NotAHub, "302.*a redirect to ws://127.0.0.1:9/"),
        (servers.forbidden, err.KeyRefused, "401"),
    ],
)
@pytest.mark.otherwise("http", why="it has other phases, and its TLS is that of the gateway")
def test_connect_cannot_hang_and_says_which_phase(
    script: Any, error: type[Exception], text: str, new_threads: NewThreads, client_class: Any
) -> None:
    quick = Deadlines(tcp=1, tls=0.3, upgrade=0.3, first_frame=0.3, handshake=0.3)
    with servers.server(script) as port:
        client = client_class(
            "k", PASSWORD, host="127.0.0.1", port=port, identity=NodeIdentity({}), deadlines=quick
        )
        began = time.monotonic()
        with pytest.raises(error, match=text) as caught:
            client.connect()
        assert time.monotonic() - began < 5
        if error is err.HubTimeout:
            assert "timed out waiting for handshake" in str(caught.value)
        client.close()
    assert until(lambda: not new_threads())


@pytest.mark.otherwise("http", why="it has other phases, and its TLS is that of the gateway")
def test_a_tls_port_that_stays_silent_runs_into_the_tls_deadline(client_class: Any) -> None:
    with servers.server(servers.silent) as port:
        client = client_class(
            "k",
            PASSWORD,
            host=f"wss://127.0.0.1:{port}",
            identity=NodeIdentity({}),
            deadlines=Deadlines(tls=0.2),
        )
        with pytest.raises(err.HubTimeout, match="'tls'"):
            client.connect()


def test_nobody_listens(client_class: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    client = client_class("k", PASSWORD, host="127.0.0.1", port=port, identity=NodeIdentity({}))
    with pytest.raises(err.HubUnreachable, match="other clients say: timed out waiting for handshake"):
        client.connect()
    assert client.state == "closed"
    assert client.last_error is not None
    assert client.last_error.exit_code == 4


def test_a_name_that_does_not_resolve_is_unreachable(client_class: Any) -> None:
    client = client_class("k", PASSWORD, host="no-such-host.invalid", identity=NodeIdentity({}))
    with pytest.raises(err.HubUnreachable, match="does not resolve"):
        client.connect()


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"key": "unknown"}, err.KeyRefused),
        ({"password": "another password altogether"}, err.PasswordRefused),
        ({"ciphers": ["AES-GCM"]}, err.NegotiationRefused),
        ({"password": None}, err.HubRefused),
        ({"max_protocol_version": 0}, err.VersionRefused),
    ],
    ids=["key", "password", "cipher", "no-credentials", "version"],
)
def test_a_refusal_is_typed_final_and_never_tried_again(
    options: dict[str, Any], error: type[Exception], make: Make
) -> None:
    with EmbeddedHub({"k": PASSWORD}, ciphers=["CHACHA20-POLY1305"]) as hub:
        client = make(hub, **options)
        with pytest.raises((error, err.HandshakeError)) as caught:
            client.connect(handshake_max_retries=5)
        assert PASSWORD not in str(caught.value)
        assert client.state in ("refused", "closed")
        if isinstance(caught.value, err.HubRefused):
            assert caught.value.exit_code == 3
            with pytest.raises(error):
                client.emit(Message("x"))
        client.close()


def test_run_forever_raises_the_refusal(make: Make) -> None:
    with EmbeddedHub({}) as hub:
        client = make(hub)
        with pytest.raises(err.KeyRefused):
            client.run_forever()
        client.close()


@pytest.mark.parametrize("code", [None, 1000, 1001, 1008, 1011], ids=str)
def test_every_end_of_a_session_leads_to_a_new_one(code: int | None, make: Make) -> None:
    heard: list[str] = []
    again = threading.Event()
    with EmbeddedHub({"k": PASSWORD}) as hub, make(hub) as client:
        client.on_mycroft("speak", lambda message: heard.append(message.data["utterance"]))
        first = client.protocol
        client.on("open", again.set)
        again.clear()
        hub.drop(code)
        hub.wait_for(HiveMessageType.HELLO, count=2)
        hub.wait_for_sessions(1)
        assert again.wait(5)
        assert client.protocol is not first
        assert ask(client, "back") == "you said: back"
    assert heard == ["you said: back"]


def test_the_client_comes_back_after_the_hub_was_away(make: Make) -> None:
    with EmbeddedHub({"k": PASSWORD}) as hub:
        client = make(hub)
        client.connect()
        lost = threading.Event()
        client.on("error", lambda error: lost.set())
        hub.stop()
        assert lost.wait(5)
        assert client.state == "reconnecting"
        hub.start()
        hub.wait_for_sessions(1)
        assert ask(client) == "you said: hello"
        client.close()


def test_waits_for_answers_end_with_the_connection_and_other_waits_go_on(make: Make) -> None:
    with EmbeddedHub({"k": PASSWORD}, agent=lambda utterance: None) as hub, make(hub) as client:
        passive: list[HiveMessage | None] = []
        waiting = threading.Thread(target=lambda: passive.append(client.wait_for_mycroft("later", 10)))
        waiting.start()
        began, sent = time.monotonic(), threading.Event()
        client.on(UTTERANCE, lambda message: sent.set())  # over HTTP the hub has it before the sender knows
        dropper = threading.Thread(target=lambda: (hub.wait_for(UTTERANCE), sent.wait(5), hub.drop()))
        dropper.start()
        assert client.wait_for_response(Message(UTTERANCE, {"utterances": ["x"]}), "speak", 30) is None
        assert time.monotonic() - began < 10
        hub.wait_for(HiveMessageType.HELLO, count=2)
        hub.wait_for_sessions(1)
        hub.broadcast(Message("later"))
        waiting.join(5)
        dropper.join(5)
        assert passive[0] is not None


def test_emit_without_a_hub_raises_within_a_short_grace(make: Make) -> None:
    with EmbeddedHub({"k": PASSWORD}) as hub:
        client = make(hub, deadlines=Deadlines(send=0.1))
        with pytest.raises(err.NotConnected):
            client.emit(Message("x"))
        lost = threading.Event()
        client.on("close", lost.set)
        client.connect()
        hub.stop()
        assert lost.wait(5)
        with pytest.raises((err.NotConnected, err.ConnectionLost)):
            client.emit(Message("x"))
        client.close()
        with pytest.raises(err.ClientClosed):
            client.emit(Message("x"))


def test_close_leaves_no_thread_behind_and_may_be_called_twice(
    new_threads: NewThreads,
    make: Make,
) -> None:
    with EmbeddedHub({"k": PASSWORD}) as hub:
        client = make(hub)
        client.connect()
        client.close()
        client.close()
        assert until(lambda: not new_threads())  # the thread of a handshake may be at its end
        assert client.state == "closed"
        hub.wait_for_sessions(0)


def test_close_may_be_called_from_a_handler(make: Make) -> None:
    closed = threading.Event()
    with EmbeddedHub({"k": PASSWORD}) as hub:
        client = make(hub)
        client.connect()
        client.on_mycroft("speak", lambda message: (client.close(), closed.set()))
        hub.broadcast(Message("speak"))
        assert closed.wait(5)
        hub.wait_for_sessions(0)


def test_close_wakes_a_client_that_waits_to_connect_again(
    new_threads: NewThreads,
    make: Make,
) -> None:
    with EmbeddedHub({"k": PASSWORD}) as hub:
        client = make(hub, backoff=Backoff(first=60))
        client.connect()
        lost = threading.Event()
        client.on("close", lost.set)
        hub.stop()
        assert lost.wait(5)
        began = time.monotonic()
        client.close()
        assert time.monotonic() - began < 2
        assert until(lambda: not new_threads())


def test_a_closed_client_can_connect_again(make: Make) -> None:
    with EmbeddedHub({"k": PASSWORD}) as hub:
        client = make(hub)
        for _ in range(2):
            with client:
                assert ask(client) == "you said: hello"


def test_a_client_that_was_closed_before_it_ever_connected_can_connect(make: Make) -> None:
    with EmbeddedHub({"k": PASSWORD}) as hub:
        client = make(hub)
        client.close()
        with client:
            assert ask(client) == "you said: hello"


def test_connect_retries_until_the_hub_is_there(make: Make) -> None:
    hub = EmbeddedHub({"k": PASSWORD})
    with hub:
        pass
    client = make(hub)
    failed = threading.Event()
    client.on("error", lambda error: failed.set())
    starter = threading.Thread(target=lambda: (failed.wait(5), hub.start()))
    starter.start()
    try:
        client.connect(handshake_max_retries=200)
        assert ask(client) == "you said: hello"
    finally:
        client.close()
        starter.join(5)
        hub.stop()


def test_run_forever_after_connect_blocks_until_close(make: Make) -> None:
    with EmbeddedHub({"k": PASSWORD}) as hub:
        client = make(hub)
        client.connect()
        running = threading.Thread(target=client.run_forever)
        running.start()
        assert ask(client) == "you said: hello"
        assert running.is_alive()
        client.close()
        running.join(5)
        assert not running.is_alive()


@pytest.mark.otherwise("asyncio", why="it has no thread")
def test_run_in_thread_connects_in_the_background(make: Make) -> None:
    with EmbeddedHub({"k": PASSWORD}) as hub:
        client = make(hub)
        thread = client.run_in_thread()
        assert client.connected_event.wait(5)
        assert client.started_running
        assert thread.is_alive()
        client.close()


def test_a_flood_is_refused_before_it_is_read(make: Make) -> None:
    with EmbeddedHub({"k": PASSWORD}) as hub, make(hub, limits=Limits(frame=20_000)) as client:
        lost = threading.Event()
        client.on("close", lost.set)
        hub.send_raw(b"\0" * 20_001)
        assert lost.wait(5)
        assert isinstance(client.last_error, err.FrameTooLarge)
        hub.wait_for(HiveMessageType.HELLO, count=2)


@pytest.mark.otherwise("http", why="it has no pings, but polls")
def test_a_hub_that_stops_answering_pings_is_given_up(make: Make) -> None:
    flow = threading.Event()
    flow.set()
    with EmbeddedHub({"k": PASSWORD}) as hub, servers.server(servers.stalling_proxy(hub.port, flow)) as port:
        client = make(
            hub, host=f"ws://127.0.0.1:{port}", websocket_ping_interval=0.1, websocket_ping_timeout=0.1
        )
        lost = threading.Event()
        client.on("close", lost.set)
        client.connect()
        flow.clear()
        assert lost.wait(5)
        flow.set()
        client.close()


BIG = HiveMessage("bin", b"x" * 30_000_000)


@pytest.mark.otherwise("http", why="it sends no BINARY, and tells no progress")
def test_a_message_that_the_hub_does_not_take_is_given_up_with_its_connection(
    stuck: tuple[HiveMessageBusClient, EmbeddedHub, threading.Event],
) -> None:
    """Half a frame may have left: what is sent after it would be lost in silence."""
    client, hub, flow = stuck
    with pytest.raises(err.ConnectionLost):
        client.emit(BIG)
    flow.set()
    hub.wait_for(HiveMessageType.HELLO, count=2)
    client.emit(Message("after"))
    hub.wait_for("after")


@pytest.mark.otherwise("http", why="it sends no BINARY, and tells no progress")
def test_close_does_not_wait_for_a_writer_that_is_stuck(
    stuck: tuple[HiveMessageBusClient, EmbeddedHub, threading.Event],
) -> None:
    client = stuck[0]
    outcome: list[BaseException] = []
    began = threading.Event()

    def send() -> None:
        began.set()
        try:
            client.emit(BIG)
        except err.HiveMindError as error:
            outcome.append(error)

    sender = threading.Thread(target=send)
    sender.start()
    began.wait(5)
    start = time.monotonic()
    client.close()
    assert time.monotonic() - start < 5
    sender.join(5)
    assert outcome


@pytest.mark.parametrize(
    ("options", "works"),
    [
        ({}, True),
        ({"self_signed": False}, False),
        ({"ca_file": True}, True),
    ],
    ids=["self-signed", "verified-by-system", "ca-file"],
)
@pytest.mark.otherwise("http", why="it has other phases, and its TLS is that of the gateway")
def test_tls_options(
    options: dict[str, Any], works: bool, caplog: pytest.LogCaptureFixture, make: Make
) -> None:
    with EmbeddedHub({"k": PASSWORD}, tls=True) as hub:
        if options.get("ca_file") is True:
            options = {"ca_file": hub.ca_file}
        client = make(hub, **options)
        with caplog.at_level(logging.WARNING):
            if works:
                client.connect()
                assert ask(client) == "you said: hello"
            else:
                with pytest.raises(err.SecureConnectionFailed):
                    client.connect()
        client.close()
        warned = [record for record in caplog.records if "does not verify" in record.getMessage()]
        assert len(warned) == (0 if options else 1)


def test_a_ca_file_that_cannot_be_read_is_not_tried_again(client_class: Any) -> None:
    """A mistake here, whatever the hub does; `run_in_thread` went on for ever."""
    client = client_class(
        "k", PASSWORD, host="wss://127.0.0.1", identity=NodeIdentity({}), ca_file="/nonexistent/ca.pem"
    )
    expected = r"^the CA file '/nonexistent/ca.pem' cannot be read: \[Errno 2\] No such file or directory$"
    with pytest.raises(err.InvalidOption, match=expected):
        client.connect(handshake_max_retries=10**6)
    client.run_in_thread()
    with pytest.raises(err.InvalidOption, match=expected):
        client.run_forever()
    assert client.state == "closed"


@pytest.mark.otherwise("http", why="it has other phases, and its TLS is that of the gateway")
def test_why_tls_failed_is_told_where_the_hub_has_none(make: Make) -> None:
    """The exception of asyncio has no text."""
    with EmbeddedHub({"k": PASSWORD}) as hub:
        client = make(hub, host=hub.url.replace("ws://", "wss://"))
        with pytest.raises(err.SecureConnectionFailed, match=r"failed: \S+.*\. For a hub .* use ws://"):
            client.connect()


@pytest.mark.otherwise("http", why="nothing of it is in the way to the hub")
def test_a_lookup_that_hangs_has_a_deadline(monkeypatch: pytest.MonkeyPatch, client_class: Any) -> None:
    release = threading.Event()
    monkeypatch.setattr(GETADDRINFO, lambda *_, **__: release.wait(30))
    client = client_class(
        "k", PASSWORD, host="slow.invalid", identity=NodeIdentity({}), deadlines=Deadlines(tcp=0.1)
    )
    with pytest.raises(err.HubTimeout, match="'tcp'"):
        client.connect()
    release.set()


@pytest.mark.otherwise("asyncio", why="it has no thread")
def test_an_old_worker_that_ends_late_does_not_touch_the_new_session(
    monkeypatch: pytest.MonkeyPatch, make: Make
) -> None:
    """A lookup that hangs longer than close() waits; then the client connects again."""
    asked, release, real = threading.Event(), threading.Event(), socket.getaddrinfo

    def slow_once(*arguments: Any, **options: Any) -> Any:
        monkeypatch.setattr(GETADDRINFO, real)
        asked.set()
        release.wait(30)
        return real(*arguments, **options)

    with EmbeddedHub({"k": PASSWORD}) as hub:
        client = make(hub, deadlines=Deadlines(close=0.1))
        monkeypatch.setattr(GETADDRINFO, slow_once)
        old = client.run_in_thread()
        assert asked.wait(5)
        client.close()
        assert old.is_alive()
        client.connect()
        release.set()
        old.join(5)
        assert client.connected_event.is_set()
        assert ask(client) == "you said: hello"
        assert hub.sessions == 1
        client.close()


def test_connect_leaves_a_client_alone_that_runs_already(make: Make) -> None:
    """It waits no longer than an attempt can take, and then goes without the client."""
    quick = Deadlines(tcp=0.1, tls=0.1, upgrade=0.2, first_frame=0.3, handshake=0.3)
    with EmbeddedHub({"k": PASSWORD}) as hub:
        client = make(hub, deadlines=quick)
        lost = threading.Event()
        client.on("close", lost.set)
        client.run_in_thread()
        client.connect(handshake_max_retries=20)
        hub.stop()
        assert lost.wait(5)
        with pytest.raises(err.HubConnectionError):
            client.connect()
        assert client.state in ("reconnecting", "connecting")
        hub.start()
        hub.wait_for_sessions(1)
        client.close()


def test_an_answer_that_is_asked_for_while_reconnecting_arrives(make: Make) -> None:
    hub = EmbeddedHub({"k": PASSWORD})
    with hub:
        client = make(hub, deadlines=Deadlines(send=5))
        failed = threading.Event()
        client.connect()
        lost = threading.Event()
        client.on("error", lambda error: failed.set())
        client.on("close", lost.set)
        hub.stop()
        assert lost.wait(5)
        starter = threading.Thread(target=lambda: (failed.wait(5), hub.start()))
        starter.start()
        assert ask(client, "again") == "you said: again"
        starter.join(5)
        client.close()


@pytest.mark.otherwise("http", why="it has no pings, but polls")
def test_a_round_trip_ends_with_its_connection(
    stuck: tuple[HiveMessageBusClient, EmbeddedHub, threading.Event],
) -> None:
    client = stuck[0]
    with pytest.raises(err.HubTimeout, match="'pong'"):
        client.round_trip(0.05)
    closing = threading.Timer(0.05, client.close)
    closing.start()
    began = time.monotonic()
    with pytest.raises((err.ConnectionLost, err.NotConnected)):
        client.round_trip(30)
    assert time.monotonic() - began < 10
    closing.join()


def test_waiting_on_a_client_that_has_ended_ends_at_once(make: Make) -> None:
    with EmbeddedHub({"k": PASSWORD}) as hub:
        client = make(hub)
        client.connect()
        client.close()
        assert client.wait_for_message("speak", timeout=None) is None
        refused = make(hub, key="unknown")
        with pytest.raises(err.KeyRefused):
            refused.connect()
        assert refused.wait_for_message("speak", timeout=None) is None
        refused.close()


@pytest.mark.otherwise("http", why="it has other phases, and its TLS is that of the gateway")
def test_tls_by_a_context_of_the_callers(make: Make) -> None:

    with EmbeddedHub({"k": PASSWORD}, tls=True) as hub:
        context = ssl.create_default_context(cafile=hub.ca_file)
        with make(hub, ssl_context=context) as client:
            assert ask(client) == "you said: hello"


@pytest.mark.otherwise("http", why="it has other phases, and its TLS is that of the gateway")
def test_a_plain_client_at_a_tls_port_is_told_so(make: Make) -> None:
    with EmbeddedHub({"k": PASSWORD}, tls=True) as hub:
        client = make(hub, host=f"ws://127.0.0.1:{hub.port}", deadlines=Deadlines(upgrade=2))
        with pytest.raises((err.NotAHub, err.HubTimeout), match="port"):
            client.connect()


@pytest.mark.parametrize(
    ("option", "values", "allowed"),
    [
        ("query_timeout", [-1, "x", None, True, float("nan"), float("inf")], "seconds, 0 or more"),
        ("compress", ["yes", 1, 0.5], "True, False or None"),
        ("self_signed", ["false", 0, None], "True or False"),
        ("share_bus", ["no", 1, None], "True or False"),
        ("binarize", ["no", 1, None], "True or False"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused_at_once(
    option: str, values: list[Any], allowed: str, client_class: Any
) -> None:
    """They were taken, `self_signed="false"` for any certificate, and others failed with the message that met them."""
    for value in values:
        with pytest.raises(err.InvalidOption) as raised:
            client_class("k", PASSWORD, host="127.0.0.1", identity=NodeIdentity({}), **{option: value})
        assert str(raised.value) == f"{option} is {value!r}; it must be {allowed}"


def test_what_the_log_holds(caplog: pytest.LogCaptureFixture, make: Make) -> None:
    """No password, access key, session key or envelope, at any level."""
    with caplog.at_level(logging.DEBUG), EmbeddedHub({"very-secret-key": PASSWORD}) as hub:
        with make(hub, key="very-secret-key") as client:
            ask(client)
            hub.drop()
            hub.wait_for(HiveMessageType.HELLO, count=2)
    ours = [
        record.getMessage() for record in caplog.records if record.name.startswith("hivemind_core_client")
    ]
    for secret in (PASSWORD, "very-secret-key", "envelope"):
        assert not any(secret in text for text in ours)
    assert PASSWORD not in repr(client)
