"""The client over HTTP: the same worker and Link, polled through a gateway in front of the embedded hub."""

from __future__ import annotations

import itertools
import json
import logging
import math
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from typing import Any, Optional

import pytest

from hivemind_core_client import (
    BinaryDataCallbacks,
    Deadlines,
    HiveMessage,
    HiveMessageType,
    HiveMindHTTPClient,
    Limits,
    Polling,
)
from hivemind_core_client import errors as err
from hivemind_core_client.config.settings import HttpAddress
from hivemind_core_client.config.tls import Tls
from hivemind_core_client.testing import Account, EmbeddedHub
from hivemind_core_client.transports import tcp
from hivemind_core_client.transports.failures import Closed
from hivemind_core_client.transports.http import HttpHistory, HttpTransport
from hivemind_core_client.transports.http_connection import Answer
from tests.unit import servers
from tests.unit.client_support import NewThreads, ask, until, utterance
from tests.unit.http_support import (
    Gateway,
    back,
    check_restart_in_handshake,
    check_second_refusal,
    make,
    restart,
)
from tests.unit.support import PASSWORD

URL = "http://hub?authorization=abc"


@pytest.fixture
def gateway(hub: EmbeddedHub) -> Iterator[Gateway]:
    with Gateway(hub.url) as running:
        yield running


@pytest.fixture
def client(gateway: Gateway) -> Iterator[HiveMindHTTPClient]:
    with make(gateway.url) as connected:
        yield connected  # type: ignore[misc]  # `__enter__` returns the base's type


@pytest.mark.parametrize(
    ("hub_options", "client_options", "kind"),
    [
        ({}, {}, "password"),
        ({"binarize": True}, {}, "password"),
        ({"encodings": ["JSON-B91"]}, {}, "password"),
        (
            {"clients": [Account("k", crypto_key="sixteen chars ok")]},
            {"crypto_key": "sixteen chars ok"},
            "preshared",
        ),
        ({"clients": [Account("k")]}, {"password": None}, "rsa"),
    ],
    ids=["defaults", "binarize", "base91", "preshared", "rsa"],
)
def test_every_kind_of_session_answers_an_utterance(
    hub_options: dict[str, Any], client_options: dict[str, Any], kind: str
) -> None:
    with EmbeddedHub(**{"clients": {"k": PASSWORD}, **hub_options}) as hub, Gateway(hub.url) as gateway:
        with make(gateway.url, **client_options) as client:
            assert client.negotiated is not None
            assert (client.negotiated.kind, client.negotiated.binarize) == (kind, False)
            assert ask(client, "a & b = ü+%41 😀") == "you said: a & b = ü+%41 😀"
    assert gateway.requests[:3] == ["disconnect", "connect", "get_messages"]
    assert gateway.requests.count("disconnect") == 2


@pytest.mark.parametrize("verify", [True, False])
def test_tls(hub: EmbeddedHub, verify: bool) -> None:
    with Gateway(hub.url, tls=True) as gateway:
        assert gateway.url.startswith("https://")
        with make(gateway.url, ca_file=gateway.ca_file if verify else None) as client:
            assert ask(client) == "you said: hello"
        with pytest.raises(err.SecureConnectionFailed, match="http://"):
            make(gateway.url, self_signed=False).connect()


def test_a_client_that_does_not_take_the_certificate_is_no_fault_of_the_gateway(
    hub: EmbeddedHub, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """It printed a traceback for each."""
    caplog.set_level(logging.DEBUG, "hivemind_core_client.testing.http_gateway")
    with Gateway(hub.url, tls=True) as gateway:
        with pytest.raises(err.SecureConnectionFailed):
            make(gateway.url, self_signed=False).connect()
        assert until(lambda: "broke off" in caplog.text)
    assert capsys.readouterr().err == ""


def test_a_fault_of_the_gateway_is_shown(
    hub: EmbeddedHub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with Gateway(hub.url) as gateway:
        monkeypatch.setattr(gateway, "answer", None)
        with pytest.raises(err.NotAHub):
            make(gateway.url).connect()
        assert "not callable" in capsys.readouterr().err


def test_why_tls_failed_is_told_where_the_gateway_has_none(hub: EmbeddedHub) -> None:
    with Gateway(hub.url) as gateway:
        with pytest.raises(err.SecureConnectionFailed, match=r"failed: \S+.*\. For a hub .* use http://"):
            make(gateway.url.replace("http://", "https://")).connect()


def test_speech_comes_as_bytes(client: HiveMindHTTPClient, hub: EmbeddedHub) -> None:
    heard: list[tuple[bytes, str]] = []
    came = threading.Event()

    class Ears(BinaryDataCallbacks):
        def handle_receive_tts(self, bin_data: bytes, utterance: str, lang: str, file_name: str) -> None:
            heard.append((bin_data, utterance))
            came.set()

    client.bin_callbacks = Ears()
    assert hub.send_tts(bytes(range(256)) * 100, utterance="hi") == 1
    assert came.wait(5)
    assert heard == [(bytes(range(256)) * 100, "hi")]


def test_questions_to_the_hive(client: HiveMindHTTPClient) -> None:
    assert client.query(utterance("what")).first.message.data["utterance"] == "you said: what"
    assert len(client.cascade(utterance("what"), timeout=0.5)) == 1
    assert client.peer in str(client.ping(timeout=0.5, settle=0.05).to_dict())


def test_binary_messages_cannot_be_sent(client: HiveMindHTTPClient) -> None:
    with pytest.raises(err.InvalidMessage, match="text only"):
        client.emit(HiveMessage(HiveMessageType.BINARY, b"sound"))
    assert ask(client) == "you said: hello"


def test_progress_is_told_once_a_frame_is_sent(client: HiveMindHTTPClient) -> None:
    told: list[tuple[int, int]] = []
    client.emit(utterance("hello"), progress=lambda written, total: told.append((written, total)))
    assert len(told) == 1 and told[0][0] == told[0][1] > 100


def test_the_environment_names_no_proxy(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with make(gateway.url) as client:
        assert ask(client) == "you said: hello"


def test_a_hub_that_closes_after_every_answer(hub: EmbeddedHub) -> None:
    with Gateway(hub.url, keep_alive=False) as gateway, make(gateway.url) as client:
        assert ask(client) == "you said: hello"
        assert client.state == "connected"


# polling


@pytest.mark.parametrize(
    ("quiet", "seconds"),
    [
        (0.0, 0.005),
        (0.02, 0.02),
        (0.1, 0.05),
        (0.5, 0.05),
        (1.0, 0.1),
        (10.0, 1.0),
        (20.0, 2.0),
        (9999.0, 2.0),
    ],
)
def test_the_pause_grows_with_the_silence(quiet: float, seconds: float) -> None:
    assert Polling().interval(quiet) == pytest.approx(seconds)


def test_slow_bounds_every_pause() -> None:
    assert Polling(fast=1.0, slow=0.5).interval(60.0) == 0.5


@pytest.mark.parametrize("seconds", [0, -1, "x", math.nan, math.inf])
def test_a_poll_is_bounded(hub: EmbeddedHub, seconds: Any) -> None:
    with pytest.raises(err.InvalidOption, match="websocket_ping_timeout is "):
        make(hub.url, websocket_ping_timeout=seconds)


def test_polling_is_a_polling(hub: EmbeddedHub) -> None:
    with pytest.raises(err.InvalidOption, match=r"pass a Polling\(…\)"):
        make(hub.url, polling=0.5)


def test_a_quiet_client_asks_seldom(gateway: Gateway) -> None:
    with make(gateway.url, polling=Polling(fast=0.2, slow=0.2)):
        began = len(gateway.requests)
        assert not until(lambda: len(gateway.requests) - began > 30, 1.0)


@pytest.mark.parametrize("act", ["send", "ping", "close"])
def test_whoever_acts_wakes_the_poller(gateway: Gateway, act: str, new_threads: NewThreads) -> None:
    resting, rests = threading.Event(), itertools.count()

    class Once(Polling):
        """Once the session stands, nobody asks within this test by himself."""

        def interval(self, quiet: float) -> float:
            if not client.connected_event.is_set():
                return super().interval(quiet)
            if next(rests):  # the end of the handshake has woken it once more
                resting.set()
            return 60.0

    client = make(gateway.url, polling=Once())
    client.connect()
    assert resting.wait(5)
    asked = gateway.requests.count("get_messages")
    began = time.monotonic()
    if act == "send":
        client.emit(utterance("hello"))
        assert until(lambda: gateway.requests.count("get_messages") > asked)
    elif act == "ping":
        assert client.round_trip(20.0) > 0
    client.close()
    assert time.monotonic() - began < 20
    assert new_threads() == []


def test_a_round_trip_that_does_not_end(gateway: Gateway, client: HiveMindHTTPClient) -> None:
    asked, stuck = threading.Event(), threading.Event()

    def hold() -> None:
        asked.set()
        stuck.wait(5)

    gateway.instead["get_messages"] = hold
    assert asked.wait(5)
    with pytest.raises(err.HubTimeout, match="pong"):
        client.round_trip(0.2)
    stuck.set()


# refusals, and coming back


def test_a_wrong_key(gateway: Gateway) -> None:
    client = make(gateway.url, key="nobody")
    with pytest.raises(err.KeyRefused, match="403: Invalid authorization"):
        client.connect()
    assert client.state == "refused"


def test_a_wrong_password(gateway: Gateway) -> None:
    with pytest.raises(err.PasswordRefused):
        make(gateway.url, password="another " + PASSWORD).connect()


def test_a_hub_that_ends_the_session_over_our_handshake(gateway: Gateway) -> None:
    def end() -> tuple[int, dict[str, Any]]:
        gateway.forget()
        del gateway.instead["send_message"]
        return 200, {"status": "message sent"}

    gateway.instead["send_message"] = end
    with pytest.raises(err.NegotiationRefused):
        make(gateway.url).connect()


def test_a_client_that_is_overtaken_in_its_handshake_is_not_refused(gateway: Gateway) -> None:
    def overtake() -> Optional[tuple[int, dict[str, Any]]]:
        if "send_message" not in gateway.requests:
            return None
        del gateway.instead["get_messages"]
        return 200, {"error": "Client is not connected"}  # to a poll; when it looks again, there is a session

    gateway.instead["get_messages"] = overtake
    client = make(gateway.url)
    client.connect(handshake_max_retries=1)
    assert gateway.requests.count("connect") == 2
    client.close()


def test_a_session_that_was_lost_before_our_handshake_came_is_no_refusal(gateway: Gateway) -> None:
    restart(gateway, answered=False)
    client = make(gateway.url)
    client.connect(handshake_max_retries=1)
    assert gateway.requests.count("connect") == 2
    client.close()


@pytest.mark.parametrize("versions", [(0, 1), (0, 2)])
def test_a_hub_that_restarts_in_the_handshake_of_a_client_it_knows(versions: tuple[int, int]) -> None:
    check_restart_in_handshake(versions, 0)


def test_restarts_in_two_handshakes_between_which_the_hub_was_away(
    gateway: Gateway, client: HiveMindHTTPClient
) -> None:
    def away() -> Optional[tuple[int, dict[str, Any]]]:
        if gateway.requests.count("connect") == 2:  # those before this one
            gateway.requests.append("connect")
            restart(gateway)
            return 500, {"error": "Connection failed"}
        return None

    assert ask(client) == "you said: hello"
    restart(gateway)
    gateway.instead["connect"] = away
    gateway.forget()
    assert back(gateway, client, 5)


@pytest.mark.parametrize("versions", [(0, 1), (0, 2)])
def test_a_hub_that_refuses_a_client_it_knew_is_found_out_by_its_second_refusal(
    versions: tuple[int, int],
) -> None:
    check_second_refusal(versions)


@pytest.mark.parametrize("anew", [True, False])
def test_a_refusal_is_told_at_once_to_who_connects_anew_or_with_other_settings(
    gateway: Gateway, client: HiveMindHTTPClient, anew: bool
) -> None:
    client.password = "another " + PASSWORD
    if anew:
        client.close()
        with pytest.raises(err.PasswordRefused):
            client.connect()
    gateway.forget()
    assert until(lambda: client.state == "refused")
    assert gateway.requests.count("connect") == 2


def test_a_hub_that_was_changed_while_the_client_was_closed(gateway: Gateway) -> None:
    with make(gateway.url) as client:
        assert ask(client) == "you said: hello"
    with EmbeddedHub({"k": "another " + PASSWORD}) as changed:
        gateway.hub_url = changed.url
        with pytest.raises(err.PasswordRefused):
            client.connect()


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(err.HubUnreachable, match="nothing listens at http://"):
        make("127.0.0.1", port=port).connect()


def test_a_hub_that_forgot_us_is_told_of_again(gateway: Gateway, client: HiveMindHTTPClient) -> None:
    heard: list[str] = []
    client.on_mycroft("speak", lambda message: heard.append(message.data["utterance"]))
    reasons: list[Any] = []
    client.on("close", lambda *_: reasons.append(client.last_error))
    gateway.forget()
    assert until(lambda: gateway.requests.count("connect") == 2 and client.connected_event.is_set())
    assert ask(client, "again") == "you said: again"
    assert until(lambda: heard == ["you said: again"])
    assert "no session for this key any more" in str(reasons[0])


def test_a_message_to_a_hub_that_forgot_us_is_not_lost_in_silence(gateway: Gateway) -> None:
    asked, told = threading.Event(), threading.Event()

    def hold() -> None:
        asked.set()
        told.wait(5)

    with make(gateway.url) as client:
        gateway.instead["get_messages"] = hold  # so the sender finds out first
        assert asked.wait(5)
        gateway.forget()
        with pytest.raises(err.ConnectionLost, match="nothing was sent"):
            client.emit(utterance("hello"))
        told.set()
        assert until(lambda: gateway.requests.count("connect") == 2 and client.connected_event.is_set())
        assert ask(client, "again") == "you said: again"


def test_a_gateway_that_was_away_for_a_while(hub: EmbeddedHub) -> None:
    gateway = Gateway(hub.url)
    with gateway, make(gateway.url) as client:
        gateway.stop()
        assert until(lambda: client.state == "reconnecting")
        gateway.start()
        assert until(client.connected_event.is_set)
        assert ask(client) == "you said: hello"


def test_a_hub_that_went_between_two_polls(hub: EmbeddedHub) -> None:
    with Gateway(hub.url, keep_alive=False) as gateway:
        client = make(gateway.url, deadlines=Deadlines(send=0.2))
        client.connect()
    assert until(lambda: client.state == "reconnecting" and isinstance(client.last_error, err.HubUnreachable))
    with pytest.raises(err.NotConnected, match="nothing listens at"):
        client.emit(utterance("hello"))
    client.close()


def test_a_connection_that_breaks_under_a_message(gateway: Gateway, client: HiveMindHTTPClient) -> None:
    gateway.instead["send_message"] = lambda: b""
    with pytest.raises(err.ConnectionLost, match="broke"):
        client.emit(utterance("hello"))
    del gateway.instead["send_message"]
    assert until(lambda: gateway.requests.count("connect") == 2 and client.connected_event.is_set())
    assert ask(client) == "you said: hello"


def test_a_session_that_was_left_over_makes_room(gateway: Gateway, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "hivemind_core_client")
    login = b64encode(b"HiveMindSatellite:k").decode()
    assert gateway.answer("POST", "connect", login, {}) == (200, {"status": "Connected"})
    with make(gateway.url) as client:
        assert "has ended" in caplog.text
        assert ask(client) == "you said: hello"


def new_transport(port: int, limit: int = 1000) -> HttpTransport:
    address = HttpAddress("127.0.0.1", port)
    return HttpTransport(address, Tls(), Deadlines(), limit, Polling(), 0.4, HttpHistory())


def test_a_transport_that_is_ended_while_it_opens() -> None:
    with servers.server(servers.silent) as port:
        transport = new_transport(port)
        transport.abort()
        began = time.monotonic()
        with pytest.raises(err.HubConnectionError, match="is closed"):
            transport.open(URL)
        transport.release()
        assert time.monotonic() - began < 1.0


@pytest.mark.parametrize(
    ("reply", "error", "text"),
    [
        ((500, {"error": "Message sending failed"}), err.HubConnectionError, "500: Message sending failed"),
        ((400, {}), err.HubConnectionError, "did not take a message: HTTP status 400$"),
        ((302, {}), err.HubConnectionError, "302"),
        ((409, {"error": "Client is not connected"}), err.ConnectionLost, "nothing was sent"),
        ((200, {"error": "Client is not connected"}), err.ConnectionLost, "nothing was sent"),
        ((500, {"error": "\x1b[31m" + "long " * 100}), err.HubConnectionError, "long"),
        ((200, {}), err.HubConnectionError, "something else than a hub"),
        ((200, {"hello": "please log in"}), err.HubConnectionError, "something else than a hub"),
        ((200, {"status": ["message sent"]}), err.HubConnectionError, "something else than a hub"),
        ((202, {"status": "message sent"}), err.HubConnectionError, "HTTP status 202"),
    ],
)
def test_a_message_that_the_hub_does_not_take(
    gateway: Gateway,
    client: HiveMindHTTPClient,
    reply: tuple[int, dict[str, Any]],
    error: type[Exception],
    text: str,
) -> None:
    gateway.instead["send_message"] = lambda: reply
    with pytest.raises(error, match=text) as caught:
        client.emit(utterance("hello"))
    assert type(caught.value) is error
    assert "\x1b" not in str(caught.value) and len(str(caught.value)) < 400
    del gateway.instead["send_message"]
    assert ask(client) == "you said: hello"


@pytest.mark.parametrize("content", [b"", b"{}", b"<html>log in</html>", b"[]", b'{"status": "Connected"}'])
def test_what_is_no_hubs_answer_says_not_that_a_message_was_taken(content: bytes) -> None:
    assert not Answer.read(200, content).taken


@pytest.mark.parametrize(
    ("answer", "error", "text"),
    [
        (b"Transfer-Encoding: chunked\r\n\r\n-5\r\nabc\r\n", err.ConnectionLost, "makes no sense|broke"),
        (
            b"Transfer-Encoding: chunked\r\n\r\n-1" + b"0" * 40 + b"\r\nabc\r\n",
            err.ConnectionLost,
            "makes no sense|broke",
        ),
        (b"Transfer-Encoding: chunked\r\n\r\n1" + b"0" * 40 + b"\r\nabc\r\n", err.ConnectionLost, "broke"),
        (b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", err.ConnectionLost, "broke"),
        (b"Content-Length: 5, 6\r\n\r\nabcde", err.ConnectionLost, "broke"),
        (b"Content-Length: 70000\r\n\r\n" + bytes(70_000), err.FrameTooLarge, "the limit is 65536"),
    ],
    ids=["negative chunk", "very negative chunk", "chunk beyond all", "no chunk", "two lengths", "flood"],
)
def test_a_malformed_answer_to_a_message(
    gateway: Gateway, answer: bytes, error: type[Exception], text: str
) -> None:
    with make(gateway.url, limits=Limits(frame=65536)) as client:
        gateway.instead["send_message"] = lambda: b"HTTP/1.1 200 OK\r\n" + answer
        with pytest.raises(error, match=text):
            client.emit(utterance("hello"))
        del gateway.instead["send_message"]
        assert back(gateway, client, 2)
        assert ask(client) == "you said: hello"


def test_a_message_beyond_what_hubs_take_over_http(client: HiveMindHTTPClient) -> None:
    with pytest.raises(err.HubConnectionError, match="a hub takes 1 MiB over HTTP"):
        client.emit(utterance("x" * 2**21))
    assert ask(client) == "you said: hello"


def test_closing_from_a_handler(gateway: Gateway, new_threads: NewThreads) -> None:
    client = make(gateway.url)
    client.on_mycroft("speak", lambda _: client.close())
    client.connect()
    client.emit(utterance("hello"))
    assert until(lambda: client.state == "closed" and not new_threads())
    assert until(lambda: gateway.requests.count("disconnect") == 2)
    with pytest.raises(err.ClientClosed):
        client.emit(utterance("hello"))


def test_a_farewell_that_nobody_answers_holds_nobody(gateway: Gateway) -> None:
    client = make(gateway.url, deadlines=Deadlines(close=0.2))
    client.connect()
    stuck = threading.Event()

    def hold() -> None:
        stuck.wait(5)

    gateway.instead["disconnect"] = hold
    began = time.monotonic()
    client.close()
    assert time.monotonic() - began < 1.5
    stuck.set()


# peers that misbehave


def http_answer(body: bytes, status: str = "200 OK", headers: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body


def endless(connection: socket.socket, stop: threading.Event) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while not stop.is_set():
        connection.sendall(b"1000\r\n" + bytes(0x1000) + b"\r\n")


def dripping_body(connection: socket.socket, stop: threading.Event) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    while not stop.wait(0.02):
        connection.sendall(b" ")


def dripping_headers(connection: socket.socket, stop: threading.Event) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Endless: ")
    while not stop.wait(0.02):
        connection.sendall(b"a")


def silence(connection: socket.socket, stop: threading.Event) -> None:
    stop.wait(30)


def many_messages(count: int, name: str = "messages") -> bytes:
    return http_answer(json.dumps({name: [""] * count}).encode())


def reset(connection: socket.socket, stop: threading.Event) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    os.close(connection.detach())  # `close` would wait for the reader


WELCOME = {"disconnect": http_answer(b"{}"), "connect": http_answer(b'{"status": "Connected"}')}
NOTHING = {
    "get_messages": http_answer(b'{"messages": []}'),
    "get_binary_messages": http_answer(b'{"b64_messages": []}'),
}
GONE = http_answer(b'{"error": "Client is not connected"}')
NO_CHUNK = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nabc\r\n"
TWO_LENGTHS = b"HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\nabcde"


def scripted(answers: dict[str, Any]) -> servers.Script:
    """Answer each request by its endpoint: with bytes, or by a script of its own."""

    def serve(connection: socket.socket, stop: threading.Event) -> None:
        reader = connection.makefile("rb")
        while not stop.is_set():
            request = reader.readline().decode()
            if not request:
                return
            length = 0
            while (line := reader.readline().strip().lower()) != b"":
                if line.startswith(b"content-length:"):
                    length = int(line.partition(b":")[2])
            reader.read(length)
            answer = answers[request.split()[1].partition("?")[0].strip("/")]
            answer(connection, stop) if callable(answer) else connection.sendall(answer)

    return serve


@pytest.mark.parametrize(
    ("answers", "error", "text"),
    [
        ({"connect": http_answer(b"", "401 Unauthorized")}, err.KeyRefused, "401"),
        ({"connect": http_answer(b"", "403 Forbidden")}, err.KeyRefused, "403"),
        ({"connect": http_answer(b"no such page", "404 Not Found")}, err.NotAHub, "404"),
        (
            {"connect": http_answer(b'{"error": "Connection failed"}', "500 X")},
            err.NotAHub,
            "500: Connection failed",
        ),
        ({"connect": http_answer(b"<html>")}, err.NotAHub, "something else"),
        ({"connect": http_answer(b"[1]")}, err.NotAHub, "something else"),
        ({"connect": http_answer(b'{"error": "no"}')}, err.NotAHub, "no"),
        ({"connect": b"SSH-2.0-OpenSSH_9.0\r\n\r\n"}, err.NotAHub, "is this|Is this"),
        ({"disconnect": reset}, err.NotAHub, "Is this the port"),
        ({"connect": reset}, err.NotAHub, "Is this the port"),
        ({"connect": endless}, err.FrameTooLarge, "the limit is 100000"),
        ({"connect": dripping_body}, err.HubTimeout, "upgrade"),
        ({"connect": dripping_headers}, err.HubTimeout, "upgrade"),
        ({"disconnect": silence}, err.HubTimeout, "upgrade"),
        ({"get_messages": http_answer(b"", "500 X")}, err.ConnectionLost, "HTTP status 500"),
        ({"get_messages": http_answer(b"<html>")}, err.ConnectionLost, "something else"),
        ({"get_messages": http_answer(b'{"messages": 5}')}, err.ConnectionLost, "something else"),
        ({"get_messages": http_answer(b'{"messages": "\\ud800"}')}, err.ConnectionLost, "something else"),
        ({"get_messages": GONE}, err.ConnectionLost, "no session"),
        ({"get_binary_messages": GONE}, err.ConnectionLost, "no session"),
        ({"get_messages": endless}, err.FrameTooLarge, "the limit is 100000"),
        ({"get_messages": many_messages(101)}, err.FrameTooLarge, "101 messages; the limit is 100"),
        ({"get_binary_messages": many_messages(101, "b64_messages")}, err.FrameTooLarge, "101 messages"),
        ({"get_messages": reset}, err.ConnectionLost, "broke"),
        ({"get_messages": NO_CHUNK}, err.ConnectionLost, "makes no sense|broke|did not answer"),
        ({"get_messages": TWO_LENGTHS}, err.ConnectionLost, "broke"),
        ({"get_messages": dripping_body}, err.ConnectionLost, "did not answer within 0.4 s"),
        ({"get_messages": dripping_headers}, err.ConnectionLost, "did not answer within 0.4 s"),
        ({"get_messages": silence}, err.ConnectionLost, "did not answer within 0.4 s"),
        ({}, err.HubTimeout, "first frame"),
    ],
)
def test_peers_that_misbehave(
    answers: dict[str, Any],
    error: type[Exception],
    text: str,
    new_threads: NewThreads,
) -> None:
    deadlines = Deadlines(upgrade=0.5, first_frame=3.0)
    with servers.server(scripted({**WELCOME, **NOTHING, **answers})) as port:
        client = make(
            "127.0.0.1",
            port=port,
            deadlines=deadlines,
            limits=Limits(frame=100_000),
            websocket_ping_timeout=0.4,
        )
        with pytest.raises(error, match=text):
            client.connect()
    client.close()
    assert new_threads() == []


def test_what_was_fetched_before_a_message_failed_is_delivered() -> None:
    script = scripted(
        {
            **WELCOME,
            **NOTHING,
            "get_messages": http_answer(b'{"messages": ["one", "two", "three"]}'),
            "send_message": reset,
        }
    )
    with servers.server(script) as port:
        transport = new_transport(port)
        transport.open(URL)
        transport.stand()
        assert transport.receive() == "one"
        with pytest.raises(err.ConnectionLost):
            transport.send(["up"])
        assert transport.receive() == "two"
        transport.abort()  # whoever closes it waits for no more
        with pytest.raises(err.ConnectionLost, match="closed"):
            transport.receive()
        transport.release()


@pytest.mark.parametrize(
    ("second", "end"),
    [
        (http_answer(b"", "500 X"), "HTTP status 500"),
        (http_answer(b"<html>"), "something else"),
        (reset, "broke"),
        (silence, "did not answer within 0.4 s"),
        (endless, "the limit is 1000"),
        (GONE, ""),
    ],
    ids=["status", "no hub", "reset", "silence", "flood", "no session"],
)
def test_texts_are_delivered_before_it_is_told_that_the_bytes_did_not_come(second: Any, end: str) -> None:
    texts = iter([b'{"messages": ["one", "two"]}'])

    def give(connection: socket.socket, stop: threading.Event) -> None:
        connection.sendall(http_answer(next(texts, b'{"error": "Client is not connected"}')))

    script = scripted({**WELCOME, "get_messages": give, "get_binary_messages": second})
    with servers.server(script) as port:
        transport = new_transport(port)
        transport.open(URL)
        assert [transport.receive() for _ in range(2)] == ["one", "two"]
        if end:
            with pytest.raises((err.ConnectionLost, err.FrameTooLarge), match=end):
                transport.receive()
        else:
            assert isinstance(transport.receive(), Closed)
        assert transport.ping(b"", 0.0) is None  # no poll has ended
        transport.release()


@pytest.mark.parametrize("answer", [NO_CHUNK, TWO_LENGTHS], ids=["no chunk", "two lengths"])
def test_the_socket_of_a_malformed_answer_is_closed(answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    dial, dialled = tcp.dial, []
    monkeypatch.setattr(tcp, "dial", lambda *arguments: dialled.append(dial(*arguments)) or dialled[-1])
    with servers.server(scripted({**WELCOME, "get_messages": answer})) as port:
        transport = new_transport(port)
        transport.open(URL)
        with pytest.raises(err.ConnectionLost) as failure:
            transport.receive()
        transport.release()
    assert dialled and all(connected.fileno() == -1 for connected in dialled)
    assert failure.value.__cause__ is not None  # whose traceback holds what was not closed


def test_a_farewell_to_a_hub_that_is_gone_is_quiet() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    new_transport(port).farewell()


def test_a_redirect_is_not_followed() -> None:
    followed: list[str] = []

    def elsewhere(connection: socket.socket, stop: threading.Event) -> None:
        followed.append(connection.recv(100).decode())

    with servers.server(elsewhere) as other:
        location = f"Location: http://127.0.0.1:{other}/connect\r\n"
        answers = {**WELCOME, "connect": http_answer(b"", "307 Temporary Redirect", location)}
        with servers.server(scripted(answers)) as port, pytest.raises(err.NotAHub, match="307"):
            make("127.0.0.1", port=port).connect()
    assert followed == []


def test_junk_among_the_messages_is_dropped_and_counted() -> None:
    junk = {
        "get_messages": http_answer(b'{"messages": [5, "garbage", null]}'),
        "get_binary_messages": http_answer(b'{"b64_messages": ["%%%", 5, "AAAA"]}'),
    }
    with servers.server(scripted({**WELCOME, **junk})) as port:
        client = make("127.0.0.1", port=port, deadlines=Deadlines(first_frame=0.3))
        with pytest.raises(err.HubTimeout, match="first frame"):
            client.connect()
    assert client.rejected >= 6


# where it is, and with what


@pytest.mark.parametrize(
    ("host", "port", "fallback", "shown"),
    [
        ("hub", None, None, "http://hub:5679"),
        ("http://hub", None, None, "http://hub:5679"),
        ("https://hub:443", None, None, "https://hub:443"),
        ("hub:80", None, 8080, "http://hub:80"),
        ("hub", 81, 8080, "http://hub:81"),
        ("hub", None, "8080", "http://hub:8080"),
        ("hub", None, 5678, "http://hub:5679"),
        ("hub", None, "5678", "http://hub:5679"),
        ("hub", 5678, None, "http://hub:5678"),
        ("ws://hub:5678", None, 5678, "http://hub:5679"),
        ("wss://hub", None, 9999, "https://hub:5679"),
        ("wss://hub:1", 2, None, "https://hub:2"),
        ("::1", None, None, "http://[::1]:5679"),
    ],
)
def test_addresses(host: str, port: Any, fallback: Any, shown: str) -> None:
    address = HttpAddress.read(host, port, fallback)
    assert str(address) == shown
    assert address.tls is shown.startswith("https")


@pytest.mark.parametrize(
    "host", ["ftp://hub", "http://user@hub", "http://hub/path?raw=1", "http://", "ws://"]
)
def test_addresses_that_are_none(host: str) -> None:
    with pytest.raises(err.InvalidOption, match="the hub's address"):
        HttpAddress.read(host)


def test_the_key_is_in_no_text(gateway: Gateway) -> None:
    with make(gateway.url) as client:
        assert repr(client) == f"<HiveMindHTTPClient {gateway.url}, connected>"


def test_without_the_library_the_error_names_the_extra() -> None:
    code = (
        "import sys; sys.modules['urllib3'] = None\n"
        "import hivemind_core_client\n"
        "try:\n    hivemind_core_client.HiveMindHTTPClient\n"
        "except ImportError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert str(err.Install("http")) in done.stdout


@pytest.mark.parametrize("text", ['""', "{}", '"{}"'])
def test_an_answer_with_a_million_messages_is_refused_at_once(text: str) -> None:
    answer = http_answer(('{"messages": [' + ",".join([text] * 1_000_000) + "]}").encode())
    with servers.server(scripted({**WELCOME, **NOTHING, "get_messages": answer})) as port:
        client = make("127.0.0.1", port=port)
        with pytest.raises(err.FrameTooLarge, match="the limit is"):
            client.connect()
        client.close()


def test_a_deadline_holds_whatever_came_with_one_answer() -> None:
    messages = json.dumps({"messages": ["x"] * 50}).encode()
    with servers.server(scripted({**WELCOME, **NOTHING, "get_messages": http_answer(messages)})) as port:
        transport = new_transport(port)
        transport.open(URL)
        assert transport.receive() == "x"
        transport.abort()  # what a deadline does
        with pytest.raises(err.ConnectionLost):
            transport.receive()
        transport.release()


def test_a_session_takes_more_with_one_answer_than_a_handshake() -> None:
    answers = iter([many_messages(101), many_messages(10_000), many_messages(10_001)])

    def next_answer(connection: socket.socket, stop: threading.Event) -> None:
        connection.sendall(next(answers))

    with servers.server(scripted({**WELCOME, **NOTHING, "get_messages": next_answer})) as port:
        transport = new_transport(port, 2**20)
        transport.open(URL)
        with pytest.raises(err.FrameTooLarge, match="the limit is 100"):
            transport.receive()
        transport.watch()
        assert [transport.receive() for _ in range(10_000)] == [""] * 10_000
        with pytest.raises(err.FrameTooLarge, match="the limit is 10000"):
            transport.receive()
        transport.release()


def test_an_answer_before_the_key_that_is_too_long_names_the_limit_of_that() -> None:
    with servers.server(scripted({**WELCOME, **NOTHING, "get_messages": endless})) as port:
        address = HttpAddress("127.0.0.1", port)
        transport = HttpTransport(
            address, Tls(), Deadlines(), 10_000, Polling(), 5.0, HttpHistory(), max_early=2000
        )
        transport.open(URL)
        with pytest.raises(err.FrameTooLarge, match=r"the limit is 2000\b.*raise Limits\.unauthenticated"):
            transport.receive()
        transport.watch()
        with pytest.raises(err.FrameTooLarge, match=r"the limit is 10000\b.*raise Limits\.frame"):
            transport.receive()
        transport.release()
