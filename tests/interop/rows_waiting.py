"""Rows about waiting as programs for the reference client do it: for the session, and by waiters made before."""

from __future__ import annotations

from typing import Any

import pytest
from ovos_bus_client.message import Message

from hivemind_core_client import HiveMessageBusClient
from hivemind_core_client.client import HiveMessageWaiter, HivePayloadWaiter
from hivemind_core_client.errors import ClientClosed, HubRefused, KeyRefused

from .hubs import RealHub
from .on_loop import OnLoop
from .rows_client import ANSWER_SECONDS, check_answer, utterance
from .satellite import Satellite
from .table import behaviour

WAITING = "waiting for a session, and for what is about to come"
_SECONDS = 30.0


def waiter(client: HiveMessageBusClient, kind: type, name: str) -> Any:
    """A waiter of this kind, or its form for asyncio, where the client is one of that."""
    if isinstance(client, OnLoop):
        from hivemind_core_client import async_client

        return client.made(getattr(async_client, f"Async{kind.__name__}"), name)
    return kind(client, name)


@behaviour("wait_for_handshake returns with the session, and with the next one", WAITING)
def session(hub: RealHub, satellite: Satellite) -> None:
    client = satellite.client()
    client.run_in_thread()
    client.wait_for_handshake(timeout=_SECONDS)
    check_answer(client)
    first = client.protocol
    client.close_connection()
    client.wait_for_handshake(timeout=_SECONDS)
    check_answer(client)
    assert client.protocol is not first and not client.stopping


@behaviour("wait_for_handshake with a wrong password: a RuntimeError, at once", WAITING)
def wrong_password(hub: RealHub, satellite: Satellite) -> None:
    client = satellite.client(password="Another-Horse-Another-Staple")
    client.run_in_thread()
    with pytest.raises(RuntimeError) as caught:
        client.wait_for_handshake(timeout=_SECONDS)
    assert isinstance(caught.value, HubRefused) and client.stopping


@behaviour("wait_for_handshake with a wrong key: KeyRefused, at once", WAITING, needs="strangers")
def wrong_key(hub: RealHub, satellite: Satellite) -> None:
    stranger = satellite.client(key="key-of-nobody")
    stranger.run_in_thread()
    with pytest.raises(KeyRefused):
        stranger.wait_for_handshake(timeout=_SECONDS)
    assert stranger.stopping


@behaviour("wait_for_handshake of a closed client: ClientClosed, at once", WAITING)
def closed(hub: RealHub, satellite: Satellite) -> None:
    client = satellite.connected()
    ended = waiter(client, HiveMessageWaiter, "never.said")
    if isinstance(client, OnLoop):
        client.end_client()
    else:
        client.close(timeout=1)
    with pytest.raises(ClientClosed):
        client.wait_for_handshake(timeout=_SECONDS)
    assert ended.wait(_SECONDS) is None


@behaviour("a waiter that was made before sending has the answer", WAITING)
def waiters(hub: RealHub, satellite: Satellite) -> None:
    client = satellite.connected()
    whole, inner = waiter(client, HiveMessageWaiter, "speak"), waiter(client, HivePayloadWaiter, "speak")
    client.emit(utterance("already here"))
    answer = inner.wait(ANSWER_SECONDS)
    assert answer is not None and answer.payload.data["utterance"] == "you said: already here"
    spoken = whole.wait(ANSWER_SECONDS)
    assert isinstance(spoken, Message) and spoken.data == answer.payload.data
