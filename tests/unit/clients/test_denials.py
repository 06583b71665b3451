"""A message that the hub's policy does not take ends the wait for its answer, and is heard where nobody waits."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from typing import Any, Callable

import pytest
from ovos_bus_client.message import Message

from hivemind_core_client import HiveMessage, HiveMessageBusClient, HiveMessageType
from hivemind_core_client.errors import MessageDenied
from hivemind_core_client.message import HiveMindBinaryPayloadType
from hivemind_core_client.testing import Account, EmbeddedHub
from tests.unit.client_support import NEWEST, PATIENCE, Log, Make, settled, until, utterance
from tests.unit.noise_support import needs_noise
from tests.unit.support import PASSWORD, UTTERANCE

ALLOW = f"hivemind-core allow-msg {UTTERANCE} NODE_ID"
DENIAL = "hive.policy.denied"


@pytest.fixture
def hub() -> Iterator[EmbeddedHub]:
    """A new hub that lets this client send one type alone."""
    accounts = [Account("k", PASSWORD, allowed=("may.be.sent",))]
    with EmbeddedHub(accounts, like=NEWEST) as running:
        yield running


Wait = Callable[[HiveMessageBusClient], Any]
WAITS: dict[str, Wait] = {
    "wait_for_response": lambda client: client.wait_for_response(utterance("hi"), "speak", PATIENCE),
    "wait_for_payload_response": lambda client: client.wait_for_payload_response(
        utterance("hi"), "speak", timeout=PATIENCE
    ),
    "query": lambda client: client.query(utterance("hi"), PATIENCE),
    "cascade": lambda client: client.cascade(utterance("hi"), PATIENCE),
    "collect_responses": lambda client: client.collect_responses(
        utterance("hi"), min_timeout=PATIENCE, max_timeout=PATIENCE
    ),
}


@pytest.mark.parametrize("wait", WAITS.values(), ids=WAITS)
def test_a_denial_ends_the_wait_it_belongs_to_at_once(
    wait: Wait, client: HiveMessageBusClient, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(MessageDenied, match=ALLOW) as caught:
        wait(client)
    assert (caught.value.msg_type, caught.value.code) == (UTTERANCE, "acl_disallowed_type")
    assert caught.value.allowed == ("may.be.sent",)
    assert client.state == "connected" and not len(client.waiters)
    assert DENIAL not in caplog.text


def test_a_denial_that_nobody_waits_for_is_a_warning_with_the_mend(
    client: HiveMessageBusClient, caplog: pytest.LogCaptureFixture
) -> None:
    client.emit(utterance("hi"))
    assert until(lambda: DENIAL in caplog.text)
    (record,) = [record for record in caplog.records if DENIAL in record.getMessage()]
    assert record.levelno == logging.WARNING and ALLOW in record.getMessage()


def test_handlers_of_denied_are_told_of_each_and_then_there_is_no_warning(
    hub: EmbeddedHub, client: HiveMessageBusClient, caplog: pytest.LogCaptureFixture
) -> None:
    told, said = Log(), Log()
    client.on("denied", told)
    client.on_mycroft(DENIAL, said)
    client.emit(utterance("nobody waits"))
    with pytest.raises(MessageDenied):
        client.wait_for_response(utterance("hi"), "speak", PATIENCE)
    assert [error.msg_type for error in told.wait(2)] == [UTTERANCE, UTTERANCE]
    assert [message.data["denied_type"] for message in said.wait(2)] == [UTTERANCE, UTTERANCE]
    client.remove("denied", told)
    assert DENIAL not in caplog.text


def test_a_wait_for_another_type_goes_on(hub: EmbeddedHub, client: HiveMessageBusClient) -> None:
    answers: list[Any] = []
    allowed = Message("may.be.sent")
    asking = threading.Thread(
        target=lambda: answers.append(client.wait_for_response(allowed, "its.answer", PATIENCE))
    )
    asking.start()
    hub.wait_for("may.be.sent")
    with pytest.raises(MessageDenied):
        client.wait_for_response(utterance("hi"), "speak", PATIENCE)
    hub.broadcast(Message("its.answer"))
    asking.join(PATIENCE)
    assert answers[0].payload.msg_type == "its.answer"


def test_each_denial_ends_one_of_several_waits(
    hub: EmbeddedHub, client: HiveMessageBusClient, caplog: pytest.LogCaptureFixture
) -> None:
    errors = Log()

    def ask() -> None:
        with pytest.raises(MessageDenied) as caught:
            client.wait_for_response(utterance("hi"), "speak", PATIENCE)
        errors(caught.value)

    asking = [threading.Thread(target=ask) for _ in range(4)]
    for thread in asking:
        thread.start()
    assert len(errors.wait(4)) == 4
    for thread in asking:
        thread.join(PATIENCE)
    settled(hub, client)
    assert DENIAL not in caplog.text


def test_only_the_hub_itself_denies(client: HiveMessageBusClient, hub: EmbeddedHub) -> None:
    """Any node of the hive may put one into a message of its own."""
    told = Log()
    client.on("denied", told)
    forged = HiveMessage("bus", Message(DENIAL, {"denied_type": "may.be.sent"}))
    hub.broadcast(HiveMessage(HiveMessageType.BROADCAST, forged))
    hub.broadcast(HiveMessage(HiveMessageType.PROPAGATE, forged))
    settled(hub, client)
    assert told.calls == []


def test_a_hub_that_denies_without_end_fills_no_memory(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    with EmbeddedHub([Account("k", PASSWORD)]) as hub, make(hub) as client:
        for _ in range(100):
            hub.broadcast(Message(DENIAL, {"denied_type": "x"}))
        settled(hub, client)
        assert caplog.text.count(DENIAL) < 10


@needs_noise
def test_who_may_send_nothing_may_send_no_binary_data(make: Make) -> None:
    file = HiveMessage("bin", b"x" * 30, bin_type=HiveMindBinaryPayloadType.FILE)
    with EmbeddedHub([Account("k", PASSWORD)], like=NEWEST) as hub, make(hub) as client:
        told = Log()
        client.on("denied", told)
        client.emit(file)
        (error,) = told.wait(1)
        assert (error.msg_type, error.allowed) == ("binary", ())
        assert "Run 'hivemind-core allow-msg TYPE NODE_ID'" in str(error)
