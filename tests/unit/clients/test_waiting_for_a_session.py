"""Waiting for the session, and ending a connection: what programs for the reference client call."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from hivemind_core_client import Deadlines, HiveMessageBusClient, HiveMindHTTPClient
from hivemind_core_client import errors as err
from hivemind_core_client.identity import NodeIdentity
from hivemind_core_client.testing import EmbeddedHub
from tests.unit.client_support import PATIENCE, Log, Make, ask, until
from tests.unit.support import PASSWORD

#: Seconds of a wait that is to end by itself.
BRIEF = 0.05


def beside(work: Any) -> tuple[threading.Thread, list[Any]]:
    """Call this on a thread. Returns that, and where the error it raised, or None, will be."""
    outcome: list[Any] = []

    def run() -> None:
        try:
            work()
        except Exception as error:
            outcome.append(error)
        else:
            outcome.append(None)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, outcome


def test_it_returns_at_once_where_a_session_stands(client: HiveMessageBusClient) -> None:
    assert client.wait_for_handshake() is None  # type: ignore[func-returns-value]  # no more than that
    assert client.wait_for_handshake(0, 0) is None  # type: ignore[func-returns-value]
    assert not client.stopping


def test_it_waits_for_who_connects_in_the_background(hub: EmbeddedHub, make: Make) -> None:
    client = make(hub)
    client.run_in_thread()
    client.wait_for_handshake(timeout=PATIENCE)
    assert client.handshake_event.is_set()
    assert ask(client) == "you said: hello"
    client.close()


def test_it_waits_for_who_is_about_to_connect(hub: EmbeddedHub, make: Make) -> None:
    client = make(hub)
    thread, outcome = beside(lambda: client.wait_for_handshake(PATIENCE))
    client.connect()
    thread.join(PATIENCE)
    assert outcome == [None]
    client.close()


@pytest.mark.parametrize("retries", [None, 0, 2])
def test_where_nobody_connects_it_says_so(hub: EmbeddedHub, make: Make, retries: int | None) -> None:
    client = make(hub)
    with pytest.raises(RuntimeError, match=r"the client was never connected: call connect\(\) first"):
        client.wait_for_handshake(BRIEF, retries)
    assert client.state == "idle"


def test_a_refusal_is_raised_at_once_and_is_what_the_reference_raises(make: Make) -> None:
    with EmbeddedHub({"k": PASSWORD}) as hub:
        client = make(hub, password="another password altogether")
        client.run_in_thread()
        with pytest.raises(RuntimeError) as caught:
            client.wait_for_handshake(timeout=PATIENCE)
        assert isinstance(caught.value, (err.PasswordRefused, err.NotConnected))
        assert client.stopping
        with pytest.raises(type(caught.value)):
            client.wait_for_handshake(timeout=PATIENCE)
        client.close()
        stranger = make(hub, key="unknown")
        stranger.run_in_thread()
        with pytest.raises(ConnectionRefusedError) as refused:
            stranger.wait_for_handshake(timeout=PATIENCE)
        assert isinstance(refused.value, err.KeyRefused)
        assert refused.value.instructions
        stranger.close()


def test_attempts_that_are_counted_end_the_wait(make: Make) -> None:
    hub = EmbeddedHub({"k": PASSWORD}).start()
    client = make(hub)
    client.run_in_thread()
    client.wait_for_handshake(PATIENCE)
    lost = threading.Event()
    client.on("error", lambda _: lost.set())
    hub.stop()
    assert lost.wait(PATIENCE)
    with pytest.raises(
        RuntimeError, match=r"timed out waiting for handshake: no session with .+ within 0.1 s"
    ):
        client.wait_for_handshake(BRIEF, 1)
    assert client.state == "reconnecting" and not client.stopping
    client.close()


def test_without_a_count_it_waits_through_reconnections(hub: EmbeddedHub, make: Make) -> None:
    with make(hub) as client:
        gone, back = threading.Event(), Log()
        client.on("close", gone.set)
        client.on("open", back)
        hub.stop()
        assert gone.wait(PATIENCE)
        thread, outcome = beside(lambda: client.wait_for_handshake(BRIEF))
        hub.start()
        thread.join(PATIENCE)
        assert outcome == [None]
        assert ask(client) == "you said: hello"


def test_closing_ends_the_wait(hub: EmbeddedHub, make: Make) -> None:
    client = make(hub, host="ws://127.0.0.1:9")
    client.run_in_thread()
    thread, outcome = beside(lambda: client.wait_for_handshake(PATIENCE))
    assert until(lambda: client.last_error is not None)
    client.close()
    thread.join(PATIENCE)
    (error,) = outcome
    assert isinstance(error, err.ClientClosed) and isinstance(error, RuntimeError)
    assert client.stopping
    with pytest.raises(err.ClientClosed, match=r"call connect\(\) again"):
        client.wait_for_handshake(PATIENCE)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("x",), "timeout is 'x'"),
        ((-1,), "timeout is -1"),
        ((1, -1), "max_retries is -1"),
        ((1, True), "max_retries is True"),
        ((1, 1.5), "max_retries is 1.5"),
    ],
)
def test_what_makes_no_sense_is_refused(client: HiveMessageBusClient, arguments: Any, told: str) -> None:
    with pytest.raises(err.InvalidOption, match=told):
        client.wait_for_handshake(*arguments)


def test_ending_a_connection_leads_to_another_one(hub: EmbeddedHub, client: HiveMessageBusClient) -> None:
    first, back = client.protocol, threading.Event()
    client.on("open", back.set)
    client.close_connection()
    assert back.wait(PATIENCE)
    client.wait_for_handshake(PATIENCE)
    assert client.protocol is not first
    assert ask(client, "again") == "you said: again"


def test_ending_no_connection_is_no_error(hub: EmbeddedHub, make: Make) -> None:
    client = make(hub)
    client.close_connection()
    client.connect()
    client.close()
    client.close_connection()
    assert client.state == "closed"


def test_a_connection_whose_hub_has_stopped_to_read_can_be_ended(stuck: Any) -> None:
    client, _, flow = stuck
    lost = threading.Event()
    client.on("close", lost.set)
    client.close_connection()
    assert lost.wait(PATIENCE)
    flow.set()


def test_an_attempt_that_goes_nowhere_can_be_ended(make: Make, hub: EmbeddedHub) -> None:
    client = make(hub, host="ws://127.0.0.1:9")
    client.run_in_thread()
    assert until(lambda: client.last_error is not None)
    client.close_connection()
    assert client.state in ("connecting", "reconnecting")
    client.close()


def test_each_wait_of_close_takes_as_long_as_is_said(hub: EmbeddedHub, make: Make) -> None:
    client = make(hub, deadlines=Deadlines(close=PATIENCE))
    client.connect()
    client.close(timeout=BRIEF)
    assert until(lambda: client.state == "closed")
    with pytest.raises(err.InvalidOption, match="timeout is"):
        client.close(timeout="soon")  # type: ignore[arg-type]
    client.close()


def options(**more: Any) -> dict[str, Any]:
    return {"key": "k", "password": PASSWORD, "host": "h", "identity": NodeIdentity({}), **more}


def test_what_the_constructor_was_told_can_be_read(client_class: Any) -> None:
    plain = client_class(**options())
    assert (plain.websocket_ping_interval, plain.websocket_ping_timeout) == (30, 20)
    assert (plain.websocket_connect_timeout, plain.allow_self_signed) == (None, True)
    assert (plain.compress, plain.max_protocol_version) == (True, 3)
    other = client_class(
        **options(
            websocket_ping_interval=7,
            websocket_ping_timeout=8,
            websocket_connect_timeout=4,
            self_signed=False,
            compress=None,
            binarize=False,
            max_protocol_version=2,
        )
    )
    assert (other.websocket_ping_interval, other.websocket_ping_timeout) == (7, 8)
    assert (other.websocket_connect_timeout, other.allow_self_signed) == (4, False)
    assert (other.compress, other.binarize, other.max_protocol_version) == (None, False, 2)
    assert (other.deadlines.tcp, other.deadlines.first_frame, other.deadlines.handshake) == (4, 4, 20)


@pytest.mark.otherwise("http", why="its fourteenth argument bounds requests, as that of the reference does")
def test_arguments_may_be_given_by_the_places_that_the_reference_has(client_class: Any) -> None:
    places = ("k", PASSWORD, None, "h", 1, "", True, False, True, True, NodeIdentity({}), None, None)
    client = client_class(*places, 7, 8, 2, 4)
    assert (client.websocket_ping_interval, client.websocket_ping_timeout) == (7, 8)
    assert (client.max_protocol_version, client.websocket_connect_timeout) == (2, 4)


def test_connect_takes_bus_protocol_and_site_by_place(hub: EmbeddedHub, make: Make) -> None:
    from ovos_utils.fakebus import FakeBus

    bus, client = FakeBus(), make(hub)
    client.connect(bus, None, "attic", 1)
    assert client.internal_bus is bus
    assert client.site_id == "attic"
    client.close()


@pytest.mark.parametrize("seconds", ["soon", 0, -1, True, float("nan"), float("inf")])
def test_seconds_to_open_must_be_seconds(client_class: Any, seconds: Any) -> None:
    with pytest.raises(err.InvalidOption, match="websocket_connect_timeout is "):
        client_class(**options(websocket_connect_timeout=seconds))


def test_pings_are_set_by_the_variables_of_the_reference(
    client_class: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("HIVEMIND_WEBSOCKET_PING_INTERVAL", "11")
    monkeypatch.setenv("HIVEMIND_WEBSOCKET_PING_TIMEOUT", "12")
    shared = client_class(**options())
    assert (shared.websocket_ping_interval, shared.websocket_ping_timeout) == (11, 12)
    monkeypatch.setenv("HIVEMIND_WEBSOCKET_CLIENT_PING_INTERVAL", "0")
    monkeypatch.setenv("HIVEMIND_WEBSOCKET_CLIENT_PING_TIMEOUT", "5.5")
    own = client_class(**options())
    assert (own.websocket_ping_interval, own.websocket_ping_timeout) == (0, 5.5)
    given = client_class(**options(websocket_ping_interval=1, websocket_ping_timeout=2))
    assert (given.websocket_ping_interval, given.websocket_ping_timeout) == (1, 2)
    for text in ("often", "-3", "nan"):
        monkeypatch.setenv("HIVEMIND_WEBSOCKET_CLIENT_PING_INTERVAL", text)
        assert client_class(**options()).websocket_ping_interval == 30
    assert "HIVEMIND_WEBSOCKET_CLIENT_PING_INTERVAL is ignored" in caplog.text


def test_what_was_not_given_is_looked_up_again(client_class: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    identity = NodeIdentity({"access_key": "old", "password": PASSWORD, "default_master": "h"})
    client = client_class(identity=identity, useragent="lamp")
    client.password = "another password altogether"
    identity.access_key, identity.site_id = "new", "cellar"
    assert client.key == "old"
    client.init_identity()
    assert (client.key, client.site_id, client.useragent) == ("new", "cellar", "lamp")
    assert client.password == "another password altogether"
    client.init_identity("attic")
    assert client.site_id == "attic"
    monkeypatch.setenv("HIVEMIND_KEY", "newer")
    client.init_identity()
    assert (client.key, client.site_id) == ("newer", "attic")
    identity.default_master = "wss://h"
    assert client.host == "h"
    identity.default_master = "memory:elsewhere"
    with pytest.raises(err.InvalidOption, match="transport"):
        client.init_identity()


def test_an_address_with_its_login_is_made_without_a_client(client_class: Any) -> None:
    build = getattr(client_class, "build_url", None) or client_class(**options()).build_url
    scheme = (
        "http" if isinstance(client_class, type) and issubclass(client_class, HiveMindHTTPClient) else "ws"
    )
    assert build("key", "h", 1, "lamp", False) == f"{scheme}://h:1?authorization=bGFtcDprZXk" + (
        "%3D" if scheme == "http" else "="
    )
    assert build("key").startswith(f"{scheme}s://127.0.0.1:5678?authorization=")
    with pytest.raises(err.InvalidCredential, match="colon"):
        build("a:b")


def test_a_handler_of_an_ovos_type_that_is_called_like_a_hive_type_can_be_removed(
    hub: EmbeddedHub, client: HiveMessageBusClient
) -> None:
    from ovos_bus_client.message import Message

    from tests.unit.client_support import settled

    stays, goes, hive = Log(), Log(), Log()
    client.on_mycroft("query", stays)
    client.on_mycroft("query", goes)
    client.on("query", hive)
    client.remove_mycroft("query", goes)
    client.remove_mycroft("query", goes)
    hub.broadcast(Message("query"))
    settled(hub, client)
    assert (len(stays.calls), len(goes.calls), len(hive.calls)) == (1, 0, 0)
