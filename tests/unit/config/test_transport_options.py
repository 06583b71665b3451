"""The options of a transport: of the client, of the address, of the environment and of the profile."""

from __future__ import annotations

from typing import Any

import pytest

from hivemind_core_client import HiveMessageBusClient, NodeIdentity
from hivemind_core_client import errors as err
from hivemind_core_client.config.profiles import Profiles
from hivemind_core_client.config.settings import read_address
from hivemind_core_client.config.transport_options import secrets_in
from hivemind_core_client.plugins.contract import Transport, TransportOption
from tests.unit.support import explode, plugin

USER = TransportOption("broker_username", "HIVEMIND_OWN_USER")
SECRET = TransportOption("broker_password", "HIVEMIND_OWN_PASSWORD", secret=True)
NAME = TransportOption("hub_name")
OWN = Transport("own", explode, default_port=9, options=(USER, SECRET, NAME))
PIPE = Transport("pipe", explode, options=[NAME])


@pytest.fixture(autouse=True)
def own_home(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """No profile of another test."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


def options_of(host: str = "own://h", given: Any = None, **kept: Any) -> dict[str, Any]:
    """What the transport of a client is told that is given these options, and keeps those in its profile."""
    Profiles().put("here", {"transport_options": kept})
    client = HiveMessageBusClient(
        "k",
        "p",
        host=host,
        identity=NodeIdentity({}),
        profile="here",
        plugins=[plugin("own", hivemind_transports=lambda: [OWN, PIPE])],
        transport_options=given,
    )
    try:
        return client.profile.transport_options()
    finally:
        client.close()


def test_the_first_that_has_an_option_gives_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert options_of() == {}
    assert options_of(broker_username="profile", more=1) == {"broker_username": "profile", "more": 1}
    monkeypatch.setenv("HIVEMIND_OWN_USER", "variable")
    assert options_of(broker_username="profile") == {"broker_username": "variable"}
    query = "own://h?broker_username=query%2B&hub_name="
    assert options_of(query, broker_username="profile") == {"broker_username": "query+", "hub_name": ""}
    found = options_of(query, {"broker_username": "given", "unknown": []}, broker_username="profile")
    assert found == {"broker_username": "given", "hub_name": "", "unknown": []}


def test_a_variable_counts_as_it_is_when_a_connection_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    plugins = [plugin("own", hivemind_transports=lambda: [OWN])]
    client = HiveMessageBusClient("k", "p", host="own://h", identity=NodeIdentity({}), plugins=plugins)
    monkeypatch.setenv("HIVEMIND_OWN_PASSWORD", '"later"')
    assert client.profile.transport_options() == {"broker_password": "later"}
    client.close()


def test_a_transport_that_declares_none_gets_neither_address_nor_environment() -> None:
    found = options_of("ws://h?broker_username=proxy", {"polling": 1}, qos=1)
    assert found == {"polling": 1, "qos": 1}


@pytest.mark.parametrize("host", ["own://h?user=sekret", "pipe:x?broker_username=sekret"])
def test_an_address_with_an_option_that_nobody_knows(host: str) -> None:
    with pytest.raises(
        err.InvalidOption, match=r"the option '\w+', which its transport does not know"
    ) as told:
        read_address(host, transports={"own": OWN, "pipe": PIPE})
    assert "hub_name" in str(told.value) and "sekret" not in str(told.value)


def test_what_nobody_else_may_see() -> None:
    options = {"broker_username": "u", "broker_password": "sekret", "broker_password_file": "/f"}
    assert secrets_in(OWN, options) == ["sekret"]
    assert secrets_in(OWN, {"broker_password": ""}) == []


@pytest.mark.parametrize("name", ["", "Broker", "broker-password", "1st", "über"])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(ValueError, match="must match regex"):
        TransportOption(name)


def test_options_that_are_none() -> None:
    nothing: Any = ("broker_username",)
    with pytest.raises(TypeError):
        Transport("own", explode, options=nothing)
