"""What a peer makes a client keep, or write into its log, is bounded, whatever the client."""

from __future__ import annotations

from typing import Any

import pytest

from hivemind_core_client import HiveMessageBusClient
from hivemind_core_client.message import HiveMessage
from hivemind_core_client.testing import EmbeddedHub
from tests.unit.client_support import until

#: What a hub may send without end, and whether each of it counts as rejected.
NONSENSE: dict[str, tuple[str, bool]] = {
    "no JSON": ("x", True),
    "an unknown type": ('{"msg_type": "unheard-of", "payload": {}}', True),
    "an unknown type inside": ('{"msg_type": "broadcast", "payload": {"msg_type": "unheard-of"}}', True),
    "no message inside": (
        '{"msg_type": "propagate", "payload": {"msg_type": "bus", "payload": {"a": 1}}}',
        True,
    ),
    "a ping without an id": (HiveMessage("propagate", HiveMessage("ping", {})).serialize(), False),
    "what only satellites send": (
        HiveMessage("escalate", HiveMessage("bus", {"type": "x"})).serialize(),
        False,
    ),
    "an answer that nobody waits for": (
        HiveMessage(
            "query", HiveMessage("bus", {"type": "x"}), metadata={"query_id": "q", "is_response": True}
        ).serialize(),
        False,
    ),
}
COUNT = 200


@pytest.mark.parametrize("name", NONSENSE)
def test_what_a_peer_sends_in_any_number_is_counted_and_logged_a_few_times(
    hub: EmbeddedHub, client: HiveMessageBusClient, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    text, counts = NONSENSE[name]
    caplog.set_level("DEBUG", "hivemind_core_client")
    for _ in range(COUNT):
        hub.send_raw(text, seal=True)
    seen: list[Any] = []
    client.on("the.end", seen.append)
    hub.broadcast(HiveMessage("bus", {"type": "the.end"}))
    assert until(lambda: seen)
    assert client.rejected == (COUNT if counts else 0)
    about = [record for record in caplog.records if "hivemind_core_client.testing" not in record.name]
    assert 0 < len(about) < 20, "\n".join(record.getMessage() for record in about)
    assert not any(record.exc_info for record in about)


def test_a_handler_that_raises_at_each_message_writes_few_tracebacks(
    hub: EmbeddedHub, client: HiveMessageBusClient, caplog: pytest.LogCaptureFixture
) -> None:
    def explode(message: Any) -> None:
        raise RuntimeError("broken")

    client.on("some", explode)
    seen: list[Any] = []
    client.on("the.end", seen.append)
    for name in ["some"] * COUNT + ["the.end"]:
        hub.broadcast(HiveMessage("bus", {"type": name}))
    assert until(lambda: seen)
    assert 0 < caplog.text.count("Traceback") < 10


def test_a_large_message_holds_up_none_that_follows(hub: EmbeddedHub, client: HiveMessageBusClient) -> None:
    """It weighs more than all that may wait, and is let go of as soon as it is handled."""
    seen: list[str] = []
    client.on("some", lambda message: seen.append("large"))
    client.on("the.end", lambda message: seen.append("end"))
    for _ in range(3):
        hub.broadcast(HiveMessage("bus", {"type": "some", "data": {"texts": ["twelve chars"] * 700_000}}))
        hub.broadcast(HiveMessage("bus", {"type": "the.end"}))
    assert until(lambda: len(seen) == 6)
    assert seen == ["large", "end"] * 3
    assert client.mailbox.dropped == 0  # type: ignore[attr-defined]  # every mailbox has it
