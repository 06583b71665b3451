"""The kit for a whole plugin, and the fixture that loads one."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from hivemind_core_client.builtins import ciphers_openssl
from hivemind_core_client.message import HiveMessage, HiveMessageType
from hivemind_core_client.plugins import hookspecs
from hivemind_core_client.plugins.builtin_plugins import BUILTIN_PLUGINS
from hivemind_core_client.plugins.contract import (
    BinaryType,
    Cipher,
    Deliver,
    Encoding,
    MessageHandler,
    MessageType,
)
from hivemind_core_client.testing import check_plugin
from hivemind_core_client.testing.fixtures import LoadedPlugin
from hivemind_core_client.testing.plugin_checks import TRIALS, checks_of
from tests.unit.support import explode, plugin

Load = Callable[..., LoadedPlugin]


def ring(context: Any, message: HiveMessage) -> list[Any]:
    return [Deliver({"type": "door.bell", "data": message.payload, "context": {}})]


def bells() -> list[MessageHandler]:
    return [MessageHandler(HiveMessageType.THIRDPRTY, "bell", ring)]


BELL = plugin("bell", hivemind_message_handlers=bells)
HEX = Encoding("JSON-MYHEX", bytes.hex, bytes.fromhex)
AES = ciphers_openssl.hivemind_ciphers()[0]
MINE = Cipher("MINE", AES.key_sizes, AES.nonce_size, AES.tag_size, AES.seal, AES.open)


def test_every_hook_can_be_tried() -> None:
    known = {name for name in vars(hookspecs) if name.startswith("hivemind_")}
    assert known - set(TRIALS) == set()


def test_a_plugin_that_keeps_the_contract_passes() -> None:
    checks = list(checks_of(BELL))
    assert [check.name for check in checks] == [
        "loads",
        "hook hivemind_message_handlers",
        "handler bell of 3rdparty",
    ]
    assert all(check.passed for check in checks)
    check_plugin(BELL)


def test_types_and_their_handlers_are_checked() -> None:
    kinds: list[Any] = [MessageType("checks.note", "text"), BinaryType(7, "CHECKS_GRAPH")]
    bringing = plugin(
        "types",
        hivemind_message_types=lambda: kinds,
        hivemind_message_handlers=lambda: [
            MessageHandler("checks.note", "note", lambda context, message: None)
        ],
    )
    assert [check.name for check in checks_of(bringing) if check.passed] == [
        "loads",
        "hook hivemind_message_handlers",
        "handler note of checks.note",
        "hook hivemind_message_types",
        "message type checks.note",
        "bin type CHECKS_GRAPH",
    ]


@pytest.mark.parametrize("name", BUILTIN_PLUGINS)
def test_a_built_in_plugin_offers_what_passes(name: str) -> None:
    __import__(BUILTIN_PLUGINS[name])
    checks = list(checks_of(sys.modules[BUILTIN_PLUGINS[name]]))[1:]
    assert checks
    assert [check for check in checks if not check.passed] == []


def test_observers_are_called_with_every_type() -> None:
    seen: list[Any] = []
    check_plugin(
        plugin(
            "observer",
            hivemind_message_sent=lambda client, message, size: seen.append(message.msg_type),
            hivemind_message_arrived=lambda message: seen.append(message.msg_type),
            hivemind_connected=lambda client: seen.append(client.state),
            hivemind_disconnected=lambda reason: seen.append(reason),
            hivemind_addhooks=lambda pluginmanager: seen.append(pluginmanager),
        )
    )
    assert seen.count(HiveMessageType.BINARY) == 2
    assert len(seen) == 2 * len(HiveMessageType) + 4  # hivemind_addhooks was called at load, too


async def too_late(client: Any) -> None:
    raise AssertionError("never awaited")


def test_a_hook_that_wraps_others_is_not_tried() -> None:
    @hookspecs.hookimpl(wrapper=True)
    def hook(client: Any) -> Any:
        return (yield)

    checks = list(checks_of(SimpleNamespace(__name__="wrapping", hivemind_connected=hook), fault=""))
    assert [(check.name, check.tried) for check in checks][1:] == [("hook hivemind_connected", False)]


def bad_name() -> list[Any]:
    return [MessageHandler(HiveMessageType.BUS, "", ring)]


FAULTS: list[tuple[Any, str]] = [
    (plugin("bad", hivemind_ciphers=explode), "hook hivemind_ciphers: raises RuntimeError: broken"),
    (plugin("bad", hivemind_ciphers=lambda: sys.exit(4)), "hook hivemind_ciphers: raises SystemExit: 4"),
    (
        plugin("bad", hivemind_message_handlers=lambda: bells()[0]),
        "hook hivemind_message_handlers: returned a MessageHandler: return a list$",
    ),
    (plugin("bad", hivemind_ciphers=lambda: [5]), "item of hivemind_ciphers: a int is no Cipher"),
    (plugin("bad", hivemind_message_handlers=bad_name), "handler  of bus: a handler needs a name"),
    (
        plugin("bad", hivemind_connected=lambda client: client.nonsense),
        "hook hivemind_connected: raises AttributeError",
    ),
    (plugin("bad", hivemind_connected=too_late), "hook hivemind_connected: is async; nobody awaits it"),
    (plugin("bad", hivemind_chiper=bells), "loads: incompatible: "),
    (plugin("bad"), "loads: failed: it implements no hook"),
    (
        plugin("bad", hivemind_message_types=lambda: ["tide"]),
        "a str is returned, not a MessageType or a BinaryType",
    ),
    (
        plugin(
            "bad",
            hivemind_message_types=lambda: [MessageType("checks.tide"), MessageType("checks.tide", "text")],
        ),
        r"message type checks\.tide: MessageType\('checks.tide', 'text'\) is not used",
    ),
]


@pytest.mark.parametrize(("bad", "fault"), FAULTS)
def test_a_plugin_that_does_not_is_told(bad: Any, fault: str) -> None:
    with pytest.raises(AssertionError, match=fault):
        check_plugin(bad)


def test_a_hook_that_the_kit_does_not_know_is_not_tried() -> None:
    checks = {check.name: check for check in checks_of(plugin("cli", hivemind_cli_commands=lambda cli: None))}
    unknown = checks["hook hivemind_cli_commands"]
    assert not unknown.tried and not unknown.passed and not unknown.fault


# --- the fixture


def test_a_plugin_in_a_fake_client(hivemind_plugin: Load) -> None:
    bell = hivemind_plugin(BELL)
    heard: list[Any] = []
    bell.fake.on_mycroft("door.bell", heard.append)
    bell.fake.receive(HiveMessage("3rdparty", {"rings": 2}))
    assert heard[0].data == {"rings": 2}
    assert bell.info.provides == ("handler 3rdparty",)


def test_a_plugin_in_client_and_hub(hivemind_plugin: Load) -> None:
    both = plugin("both", hivemind_ciphers=lambda: [MINE], hivemind_encodings=lambda: [HEX])
    loaded = hivemind_plugin(both, ciphers=["MINE"], encodings=["JSON-MYHEX"])
    facts = loaded.client.negotiated
    assert facts is not None
    assert (facts.cipher, facts.encoding) == ("MINE", "JSON-MYHEX")
    loaded.client.emit(HiveMessage("3rdparty", {"rings": 2}))
    assert loaded.hub.wait_for("3rdparty")[0]["rings"] == 2


def test_options_go_to_the_clients(hivemind_plugin: Load) -> None:
    assert hivemind_plugin(BELL, useragent="Hall").fake.useragent == "Hall"


def test_what_was_made_is_closed_at_the_end() -> None:
    bell = LoadedPlugin(BELL)
    client = bell.fake
    bell.close()
    assert not client.connected_event.is_set()


def test_a_plugin_that_is_not_loaded_fails_the_test(hivemind_plugin: Load) -> None:
    with pytest.raises(
        AssertionError, match="the plugin bad is failed: hivemind_ciphers raised RuntimeError"
    ):
        hivemind_plugin(plugin("bad", hivemind_ciphers=explode))
