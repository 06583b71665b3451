"""Rows about the internal bus: whose session it has, and by which names a message of the hub goes on it."""

from __future__ import annotations

from functools import partial

from ovos_bus_client.message import Message
from ovos_utils.fakebus import FakeBus

from .hubs import RealHub
from .processes import free_port, wait_until
from .rows_client import ANSWER_SECONDS, arrived_as, check_answer, utterance
from .satellite import Satellite
from .table import behaviour

BUSES = "the internal bus"
_NAMES = ("speak", "ovos.utterance.speak")


@behaviour("the session of a bus that is given is the client's", BUSES)
def session_of_the_bus(hub: RealHub, satellite: Satellite) -> None:
    """As Home Assistant does it, which gives its bus a session that is to last."""
    bus = FakeBus()
    bus.session_id = session = f"home-of-{satellite.node_id}-{free_port()}"
    client = satellite.connected(internal_bus=bus)
    assert client.session_id == session
    check_answer(client, "at home")
    assert wait_until(partial(arrived_as, hub, "at home", session), ANSWER_SECONDS)


@behaviour("speak reaches who listens by each name that OVOS says it under, once", BUSES)
def by_each_name(hub: RealHub, satellite: Satellite) -> None:
    """The FakeBus of the installed ovos-utils says which names those are."""
    client = satellite.client()
    judge, expected, heard, both = FakeBus(), [], [], []
    for name in _NAMES:
        judge.on(name, lambda message, name=name: expected.append(name))
        client.on_mycroft(name, lambda message, name=name: heard.append(name))
        client.on_mycroft(name, both.append)
    judge.emit(Message("speak", {"utterance": "hello"}))
    client.connect()
    client.emit(utterance("by each name"))
    assert wait_until(lambda: both, ANSWER_SECONDS)
    check_answer(client, "the end")
    assert wait_until(lambda: len(heard) == 2 * len(expected), ANSWER_SECONDS)
    answers = [message.data["utterance"] for message in both]
    assert answers == ["you said: by each name", "you said: the end"]
    assert heard == expected * 2
