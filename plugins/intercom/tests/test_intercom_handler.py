from __future__ import annotations

import logging

import pytest
from attrs import define, field

from hivemind_client_intercom import plugin
from hivemind_core_client.message import HiveMessage, HiveMessageType
from hivemind_core_client.plugins.contract import Context, Session
from hivemind_core_client.plugins.manager import load_plugins

OURS = "-----BEGIN PUBLIC KEY-----\nAAAA\nBBBB\n-----END PUBLIC KEY-----\n"
OTHERS = "-----BEGIN PUBLIC KEY-----\nCCCC\nDDDD\n-----END PUBLIC KEY-----\n"
ENVELOPE = {"ciphertext": "c2VjcmV0", "signature": "c2lnbmVk"}


@define
class Node:
    public_key: str | None = OURS
    name: str = "node"
    trusted_keys: dict[str, str] = field(factory=dict)


@pytest.fixture(autouse=True)
def _all_levels(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)


def receive(target: str | None, own: str | None = OURS) -> list[object]:
    (handler,) = plugin.hivemind_message_handlers()
    context = Context(identity=Node(own), session=Session("s1"))
    message = HiveMessage(HiveMessageType.INTERCOM, ENVELOPE, target_pubkey=target)
    return list(handler.receive(context, message) or ())


def test_it_handles_intercom() -> None:
    (handler,) = plugin.hivemind_message_handlers()
    assert handler.msg_type is HiveMessageType.INTERCOM


@pytest.mark.parametrize(("target", "own"), [(OTHERS, OURS), (OURS, None), ("", OURS)])
def test_what_is_for_another_node_is_ignored(
    target: str, own: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    assert receive(target, own) == []
    (record,) = caplog.records
    assert record.levelno == logging.DEBUG
    assert "another node" in record.getMessage()


@pytest.mark.parametrize("target", [OURS, OURS.strip(), OURS.replace("\n", "\r\n"), None])
def test_what_is_for_us_is_dropped_because_nothing_proves_who_sent_it(
    target: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    assert receive(target) == []
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "being addressed to us proves nothing" in record.getMessage()


def test_no_content_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    receive(OURS)
    receive(OTHERS)
    assert not any(text in caplog.text for text in (*ENVELOPE.values(), "AAAA", "CCCC"))


def test_it_is_found_and_wins_over_the_built_in_handler() -> None:
    plugins = load_plugins(plugins=["intercom"])
    assert plugins.registry().handlers[HiveMessageType.INTERCOM].receive is plugin.receive
    (info,) = [info for info in plugins.report if info.name == "intercom"]
    assert (info.state, info.distribution) == ("loaded", "hivemind-client-intercom")
