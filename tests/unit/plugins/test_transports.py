"""Transports: offered by URL scheme, chosen by the address, replaced like everything else."""

from __future__ import annotations

import logging
import subprocess
import sys
from typing import Any, Optional

import pytest

from hivemind_core_client import HiveMessageBusClient, NodeIdentity
from hivemind_core_client import errors as err
from hivemind_core_client.config.settings import HttpAddress, read_address
from hivemind_core_client.plugins.contract import Transport, TransportSettings
from hivemind_core_client.testing import check_transport
from hivemind_core_client.transports import forms
from hivemind_core_client.transports.builtin import http, websocket
from tests.unit.support import explode, plugin, plugins_of
from tests.unit.transport_support import settings

MQTT = Transport(("mqtt", "mqtts"), explode, default_port=1883, secure="mqtts")
PIPE = Transport("pipe", explode)
TRANSPORTS = {"ws": MQTT, "mqtt": MQTT, "mqtts": MQTT, "pipe": PIPE}


def offering(name: str, *transports: Any) -> Any:
    return plugin(name, hivemind_transports=lambda: list(transports))


def test_the_built_in_transports_come_through_the_hook() -> None:
    plugins = plugins_of()
    assert set(plugins.registry().transports) == {"ws", "wss", "http", "https", "memory"}
    provided = {info.name: info.provides for info in plugins.report}
    assert provided["websocket"] == ("transport ws", "transport wss")
    assert provided["http"] == ("transport http", "transport https")


def test_a_third_party_replaces_a_built_in_one() -> None:
    own = Transport("ws", explode, default_port=1)
    plugins = plugins_of(offering("mine", own))
    assert plugins.registry().transports["ws"] is own
    assert plugins.registry().transports["wss"] is not own
    (conflict,) = (each for each in plugins.conflicts() if each.kind == "transport")
    assert (conflict.name, conflict.winner, conflict.losers) == ("ws", "mine", ("websocket",))
    assert {info.state for info in plugins.report} == {"loaded"}


def test_of_two_third_parties_one_is_used_and_both_are_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    plugins = plugins_of(offering("loser", PIPE), offering("winner", PIPE))
    assert plugins.registry().transports["pipe"] is PIPE
    states = {info.name: (info.state, info.error) for info in plugins.report}
    assert states["winner"] == ("conflict", "its transport of pipe is used, and that of loser is not")
    assert states["loser"] == ("conflict", "its transport of pipe is not used: that of winner is")
    assert sum("its transport of pipe" in line for line in caplog.messages) == 1


def test_what_is_no_transport_fails_the_plugin() -> None:
    plugins = plugins_of(offering("odd", "ws"))
    (info,) = (info for info in plugins.report if info.name == "odd")
    assert info.state == "failed" and "not a Transport" in info.error


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ((), "needs a scheme"),
        (("Pipe",), "no URL scheme"),
        (("pipe:",), "no URL scheme"),
        ((5,), "no URL scheme"),
    ],
)
def test_schemes_that_are_none(arguments: Any, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        Transport(arguments, explode)


def test_a_transport_has_a_form_and_its_secure_schemes_are_its_own() -> None:
    with pytest.raises(ValueError, match="neither a blocking nor an asyncio form"):
        Transport("pipe")
    with pytest.raises(ValueError, match="must be among the schemes"):
        Transport("pipe", explode, secure="pipes")


@pytest.mark.parametrize(
    ("host", "port", "fallback", "shown", "pin"),
    [
        ("mqtt://broker/home", None, None, "mqtt://broker:1883/home", "mqtt://broker:1883/home"),
        ("mqtts://broker:8883/", None, 1, "mqtts://broker:8883", "mqtts://broker:8883"),
        ("MQTT://broker", None, 99, "mqtt://broker:99", "mqtt://broker:99"),
        ("mqtt://broker", None, "5678", "mqtt://broker:1883", "mqtt://broker:1883"),
        ("mqtt://[::1]", 9, 5, "mqtt://[::1]:9", "mqtt://[::1]:9"),
        ("pipe:kitchen", 5678, 5678, "pipe:kitchen", "pipe:kitchen"),
        ("pipe://kitchen", None, None, "pipe:kitchen", "pipe:kitchen"),
        ("pipe:/run/hive", None, None, "pipe:/run/hive", "pipe:/run/hive"),
        ("pipe:9", None, None, "ws://pipe:9", "pipe:9"),
        ("kitchen:9", None, None, "ws://kitchen:9", "kitchen:9"),
        ("::1", None, None, "ws://[::1]:5678", "[::1]:5678"),
    ],
)
def test_addresses(host: str, port: Any, fallback: Any, shown: str, pin: str) -> None:
    address = read_address(host, port, fallback, transports=TRANSPORTS)
    assert (str(address), address.pin_name) == (shown, pin)
    assert address.scheme == shown.partition(":")[0]
    assert read_address(shown, transports=TRANSPORTS) == address
    assert address.tls is (address.scheme == "mqtts")


@pytest.mark.parametrize(
    "host", ["mqtt://", "mqtt://user@h", "mqtt://h#top", "pipe:", "pipe:x?raw=1", "mqtt://a b"]
)
def test_addresses_of_plugins_that_are_none(host: str) -> None:
    with pytest.raises(err.InvalidOption, match="the hub's address"):
        read_address(host, transports=TRANSPORTS)


def test_an_unknown_scheme_names_the_installed_ones() -> None:
    with pytest.raises(
        err.InvalidOption, match=r"a transport for gopher, .* those for: mqtt, mqtts, pipe, ws\b"
    ) as told:
        read_address("gopher://h?token=sekret", transports=TRANSPORTS)
    assert "sekret" not in str(told.value)
    with pytest.raises(err.InvalidOption, match="http, https, ws, wss"):
        read_address("gopher://h")
    with pytest.raises(err.InvalidOption, match="a transport for ws, "):
        read_address("h", transports={"pipe": PIPE})


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("mqtt://u:sekret@h", "mqtt://…@h"),
        ("mqtt://:sekret@h", "mqtt://…@h"),
        ("ws://:sekret@h/x", "ws://…@h/x"),
        ("u:sekret@h", "…@h"),
        ("ws://h:port?token=sekret", "ws://h:port"),
        ("ws://a b#sekret", "a b"),
        ("gopher://u:sekret@h/x", "gopher://…@h/x"),
    ],
)
def test_no_text_about_an_address_has_its_secrets(host: str, shown: str) -> None:
    with pytest.raises(err.InvalidOption) as told:
        read_address(host, transports=TRANSPORTS)
    assert "sekret" not in str(told.value)
    assert repr(shown) in str(told.value)


def test_the_login_goes_behind_path_and_query() -> None:
    address = read_address("mqtt://broker/home?room=1", transports=TRANSPORTS)
    assert address.with_login("ü", "k") == "mqtt://broker:1883/home?room=1&authorization=w7w6aw%3D%3D"
    assert "room" not in str(address) + repr(address)


def test_a_client_of_http_takes_a_websocket_for_its_name_alone() -> None:
    found = read_address("wss://hub:1/hive", scheme="http", transports=plugins_of().registry().transports)
    assert found == HttpAddress("hub", 5679, tls=True)


def test_options_that_a_transport_cannot_take() -> None:
    (transport,) = http.hivemind_transports()
    with pytest.raises(err.InvalidOption, match="polling is a int"):
        forms.new_transport(transport, settings("ws://127.0.0.1:9", options={"polling": 5}))
    with pytest.raises(err.InvalidOption, match="websocket_ping_timeout is None"):
        forms.new_transport(transport, settings("ws://127.0.0.1:9", ping_timeout=None))


def lacks_an_extra(settings: TransportSettings) -> Any:
    raise ImportError("pip install 'mqtt'")


@pytest.mark.parametrize(
    ("form", "fault"), [(lacks_an_extra, "cannot be loaded: pip install"), (explode, "RuntimeError: broken")]
)
def test_a_transport_that_cannot_be_made_ends_the_client(form: Any, fault: str) -> None:
    own = offering("own", Transport("pipe", form))
    client = HiveMessageBusClient("k", "p", host="pipe:x", identity=NodeIdentity({}), plugins=[own])
    with pytest.raises(err.InvalidOption, match=fault):
        client.connect()
    client.close()


def test_the_options_of_a_client_are_a_dict() -> None:
    options: Any = "polling"
    with pytest.raises(err.InvalidOption, match="transport_options is a str"):
        HiveMessageBusClient("k", "p", host="h", identity=NodeIdentity({}), transport_options=options)


def test_what_a_transport_cannot_carry_is_not_asked_of_it() -> None:
    def client_over(asked: Optional[int] = None, **fields: Any) -> Any:
        own = offering("own", Transport("pipe", explode, **fields))
        where = {"host": "pipe:x", "identity": NodeIdentity({})}
        made = HiveMessageBusClient("k", "p", **where, plugins=[own], max_protocol_version=asked)
        return made.profile.options

    assert (client_over().binarize, client_over().max_version) == (True, 3)
    assert (client_over(prefers_text=True).binarize, client_over(prefers_text=True).max_version) == (False, 3)
    for limit, why in (
        ("carries_bytes", "carries text only"),
        ("keeps_order", "keeps no order"),
        ("tells_loss", "loses frames without a word"),
    ):
        options = client_over(**{limit: False})
        assert (options.max_version, options.insists) == (2, False)
        assert options.hindrance == f"the transport for pipe {why}"
        assert client_over(asked=3, **{limit: False}).insists
        asked_for_less = client_over(asked=2, **{limit: False})
        assert (asked_for_less.hindrance, asked_for_less.insists) == ("", False)
    both = client_over(carries_bytes=False, keeps_order=False)
    assert both.hindrance == "the transport for pipe carries text only and keeps no order"
    assert (client_over(asked=3).hindrance, client_over(asked=3).insists) == ("", False)
    assert not client_over(carries_bytes=False).binarize


def test_nothing_of_sockets_is_imported_before_a_connection() -> None:
    code = (
        "import sys\n"
        "from hivemind_core_client.plugins.manager import load_plugins\n"
        "load_plugins(plugins=()).registry().transports['ws']\n"
        "print([name for name in ('websocket', 'websockets', 'urllib3', 'asyncio') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_built_in_websocket_has_both_forms() -> None:
    (transport,) = websocket.hivemind_transports()
    assert transport.blocking and transport.asyncio and transport.pings


def test_a_transport_that_finds_hubs_has_no_form() -> None:
    finder = Transport("discover", find=explode)
    assert (finder.blocking, finder.asyncio, finder.default_port) == (None, None, None)
    for wrong in (
        {"blocking": explode, "find": explode},
        {"asyncio": explode, "find": explode},
        {"find": "x"},
    ):
        with pytest.raises(ValueError, match="discover has `find`"):
            Transport("discover", **wrong)  # type: ignore[arg-type]  # that is what is tried
    with pytest.raises(ValueError, match="no form to check"):
        check_transport(finder, "discover:kitchen")
