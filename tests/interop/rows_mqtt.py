"""Rows about a broker between client and hub: who of the two is amiss, and what the hub does not say."""

from __future__ import annotations

import time

import pytest

from hivemind_core_client.errors import BrokerUnreachable, HubOffline
from hivemind_core_client.kernel.policy import Deadlines

from .hubs import HubOptions, RealHub
from .rows_client import check_answer
from .satellite import Satellite
from .silent import silent_port
from .table import MQTT, behaviour

#: A hub that a row stops is nobody else's.
STOPPED = HubOptions(name="stopped")

_PATIENCE = 2.0


@behaviour("a key that the hub does not know: HubOffline says that it may be the key", MQTT)
def wrong_key(hub: RealHub, satellite: Satellite) -> None:
    stranger = satellite.client(key="key-of-nobody", deadlines=Deadlines(first_frame=_PATIENCE))
    with pytest.raises(HubOffline, match="does not know the access key"):
        stranger.connect()
    check_answer(satellite.connected(), "I am known")


@behaviour(
    "the hub is stopped, the broker is not: HubOffline at once, and the hub is found again", MQTT, STOPPED
)
def stopped(hub: RealHub, satellite: Satellite) -> None:
    hub.kill()
    began = time.monotonic()
    with pytest.raises(HubOffline, match=r"the broker at .* is there, but the hub is not"):
        satellite.client().connect()
    assert time.monotonic() - began < Deadlines().first_frame
    hub.start_again()
    check_answer(satellite.connected(), "here again")


@behaviour("a port that accepts and stays silent: BrokerUnreachable within its deadline", MQTT)
def silent(hub: RealHub, satellite: Satellite) -> None:
    deadlines = Deadlines(tcp=0.5, tls=0.5, upgrade=1.0)
    with silent_port() as port:
        began = time.monotonic()
        with pytest.raises(BrokerUnreachable, match="does not answer as an MQTT broker does"):
            satellite.client(port=port, deadlines=deadlines).connect()
        assert time.monotonic() - began < deadlines.upgrade + 5.0
