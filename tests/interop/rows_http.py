"""Rows about the client over HTTP: what the other clients are promised over a WebSocket, with a hub that is polled."""

from __future__ import annotations

import json
import time
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest

from hivemind_core_client import HiveMessage, HiveMessageType, HiveMindHTTPClient
from hivemind_core_client.errors import HubConnectionError, InvalidMessage
from hivemind_core_client.message import HiveMindBinaryPayloadType

from . import (
    rows_binary,
    rows_buses,
    rows_client,
    rows_denied,
    rows_forms,
    rows_intercom,
    rows_mesh,
    rows_names,
    rows_noise,
    rows_query,
    rows_talking,
    rows_waiting,
)
from .hubs import HubOptions, RealHub
from .rows_client import ANSWER_SECONDS, check_answer, utterance
from .satellite import Satellite
from .table import ASYNC_HTTP, HTTP, ROWS, Behaviour, Check

#: What a WebSocket alone can do: silence after an upgrade, and binary frames to a hub below version 3.
_NOT_OVER_HTTP = (
    rows_client.binarize_on,
    rows_client.binary,
    rows_client.silent_after_upgrade,
    rows_binary.large_file,
    rows_binary.too_large,
)
_MODULES = {
    module.__name__
    for module in (
        rows_client,
        rows_denied,
        rows_names,
        rows_mesh,
        rows_query,
        rows_intercom,
        rows_binary,
        rows_noise,
        rows_forms,
        rows_buses,
        rows_talking,
        rows_waiting,
    )
}


def _by_http(check: Check, kind: str = "http") -> Check:
    @wraps(check)
    def run(hub: RealHub, satellite: Satellite) -> None:
        satellite.client_kind = kind
        check(hub, satellite)

    return run


def _over_http(row: Behaviour, kind: str = "http", area: str = HTTP, mark: str = "HTTP") -> Behaviour:
    return replace(
        row,
        text=f"{row.text} ({mark})",
        area=area,
        check=_by_http(row.check, kind),
        options=replace(row.options, http=True),
        needs=", ".join(filter(None, ("http", row.needs))),
        uses_client=False,
    )


def _row_of(check: Check) -> Behaviour:
    return next(row for row in ROWS if row.check is check)


ROWS.extend(
    [_over_http(row) for row in ROWS if row.check.__module__ in _MODULES and row.check not in _NOT_OVER_HTTP]
)


def _row(text: str, needs: str = "http") -> Callable[[Check], Check]:
    def register(check: Check) -> Check:
        options = HubOptions(http=True)
        ROWS.append(Behaviour(text, HTTP, _by_http(check), options, needs, uses_client=False))
        return check

    return register


@_row("a client that was idle for a while finds its answer as fast as a busy one")
def after_idling(hub: RealHub, satellite: Satellite) -> None:
    client = satellite.connected()
    check_answer(client)
    time.sleep(3.0)  # it is asked for messages ever more seldom
    began = time.monotonic()
    check_answer(client, "still there")
    assert time.monotonic() - began < 1.0


@_row("a session that a dead client left over makes room for its next one")
def left_over(hub: RealHub, satellite: Satellite) -> None:
    login = urlencode({"authorization": b64encode(f"dead:{satellite.key}".encode()).decode()})
    for _ in range(2):
        request = Request(f"http://{hub.host}:{hub.http_port}/connect?{login}", method="POST")
        with urlopen(request, timeout=ANSWER_SECONDS) as answer:
            assert json.load(answer) == {"status": "Connected"}
    check_answer(satellite.connected())


@_row("get_messages, disconnect and connect again, as programs for the reference client call them")
def reference_names(hub: RealHub, satellite: Satellite) -> None:
    client = satellite.connected()
    assert isinstance(client, HiveMindHTTPClient)
    assert client.base_url == f"http://{hub.host}:{hub.http_port}"
    polled = [*client.get_messages(), *client.get_binary_messages()]
    assert all(isinstance(frame, (str, bytes)) for frame in polled)
    assert client.get_messages() == client.get_binary_messages() == []
    check_answer(client)
    assert client.disconnect() == {"status": "Disconnected"}
    assert client.disconnect() == {"error": "Already Disconnected"}
    client.connect()
    check_answer(client, "again")


ROWS.append(replace(_over_http(_row_of(rows_binary.large_file)), needs="http, pieces"))


@_row("BINARY to the hub, in a session of protocol version 3")
def binary_up_noise(hub: RealHub, satellite: Satellite) -> None:
    client = satellite.connected()
    size = 1000 + satellite.node_id
    facts = {"sample_rate": 16000, "sample_width": 2, "lang": "en-us"}
    kind = HiveMindBinaryPayloadType.RAW_AUDIO
    client.emit(HiveMessage(HiveMessageType.BINARY, bytes(size), bin_type=kind, metadata=facts))
    assert hub.wait_for_log(f"{size} bytes at sample_rate: 16000")
    check_answer(client, "still there")


@_row(
    "BINARY cannot be sent below version 3: InvalidMessage, and the session goes on", "http, older versions"
)
def binary_up(hub: RealHub, satellite: Satellite) -> None:
    client = satellite.connected(max_protocol_version=2)
    kind = HiveMindBinaryPayloadType.RAW_AUDIO
    with pytest.raises(InvalidMessage, match="text only"):
        client.emit(HiveMessage(HiveMessageType.BINARY, b"sound", bin_type=kind))
    check_answer(client)


@_row(
    "a message larger than the hub takes over HTTP: the error tells the limit, and the session goes on",
    "http, older versions",
)
def too_large(hub: RealHub, satellite: Satellite) -> None:
    client = satellite.connected(max_protocol_version=2)
    with pytest.raises(HubConnectionError, match="a hub takes 1 MiB over HTTP"):
        client.emit(utterance("x" * 2**21))
    check_answer(client)
    assert client.state == "connected"


#: What the client for asyncio, whose polling runs on threads, is promised too.
_WITH_ASYNCIO = (
    rows_client.connects,
    rows_client.speaks,
    rows_client.once_each,
    rows_client.comes_back,
    rows_client.wrong_key,
    rows_client.wrong_password,
    rows_binary.speech,
)
ROWS.extend(
    _over_http(_row_of(check), "async-http", ASYNC_HTTP, "asyncio over HTTP") for check in _WITH_ASYNCIO
)
