"""Messages as rows: every message comes back as it was, whatever is in it, and too much is not kept."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hivemind_client_journal.entry import LONGEST, RECEIVED, SENT, Entry, entry_of
from hivemind_client_journal.reading import Query, read
from hivemind_client_journal.replaying import again
from hivemind_client_journal.settings import Settings
from hivemind_client_journal.store import Store
from hivemind_core_client import HiveMessage

#: Texts with all that a peer can send, NUL too. Halves of characters are refused where messages arrive.
TEXTS = st.text(max_size=12)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(TEXTS, VALUES, max_size=4)
PLAIN = st.builds(
    lambda name, data, context: HiveMessage("bus", {"type": name, "data": data, "context": context}),
    TEXTS,
    OBJECTS,
    OBJECTS,
) | st.builds(lambda body: HiveMessage("3rdparty", body), OBJECTS)
MESSAGES = st.recursive(
    PLAIN,
    lambda inner: st.builds(
        lambda kind, message, metadata, site: HiveMessage(
            kind, message, metadata=metadata, target_site_id=site, route=[{"source": "a", "targets": ["b"]}]
        ),
        st.sampled_from(["escalate", "propagate", "query", "cascade", "broadcast"]),
        inner,
        OBJECTS,
        st.none() | TEXTS,
    ),
    max_leaves=3,
)


@given(st.lists(MESSAGES, min_size=1, max_size=5), TEXTS)
def test_messages_come_back_as_they_were(messages: list[HiveMessage], node: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "journal.sqlite")
        store = Store(path, Settings())
        entries = [entry_of(message, SENT, 1000.0 + n, node, "hub") for n, message in enumerate(messages)]
        store.append(entries, 0, 1000.0)
        store.close()
        found = read(path, Query())
    assert [each.message() for each in found] == messages
    assert [each.id for each in found] == list(range(1, len(messages) + 1))
    assert [each.at for each in found] == [each.at for each in entries]
    assert all(each.size == len((each.text or "").encode()) for each in found)


@pytest.mark.parametrize(
    ("message", "kinds"),
    [
        (HiveMessage("bus", {"type": "speak"}), ("bus", "speak")),
        (HiveMessage("query", {"msg_type": "bus", "payload": {"type": "what"}}), ("query", "what")),
        (
            HiveMessage("propagate", HiveMessage("escalate", HiveMessage("bus", {"type": "deep"}))),
            ("propagate", "deep"),
        ),
        (HiveMessage("3rdparty", {"type": "mine"}), ("3rdparty", "")),
        (HiveMessage("query", {"msg_type": "nonsense", "payload": 5}), ("query", "")),
    ],
)
def test_both_types_are_told(message: HiveMessage, kinds: tuple[str, str]) -> None:
    entry = entry_of(message, RECEIVED, 5.0)
    assert (entry.msg_type, entry.ovos_type) == kinds


@pytest.mark.parametrize("data", [{"text": "x" * LONGEST}, {"half": "\ud800"}, {"number": float("nan")}])
def test_what_is_too_long_or_no_json_is_noted_without_its_text(data: dict[str, Any]) -> None:
    entry = entry_of(HiveMessage("bus", {"type": "big", "data": data}), SENT, 5.0)
    assert entry.text is None and entry.message() is None
    assert (entry.ovos_type, entry.size > LONGEST) == ("big", "text" in data)


def test_a_heavy_message_is_not_even_written_as_text() -> None:
    message = HiveMessage("bus", {"type": "big"})
    message.weight = 17 * LONGEST
    assert entry_of(message, RECEIVED, 5.0).text is None


def test_contents_are_not_in_what_is_logged_of_a_row() -> None:
    assert "hush" not in repr(Entry(1.0, SENT, "bus", text='{"secret": "hush"}'))


def test_no_access_key_is_kept_where_a_hub_names_satellites_by_theirs() -> None:
    peer = "f00dfeedf00dfeed::7::kitchen::session"
    context = {"source": "hub", "destination": [peer]}
    message = HiveMessage("bus", {"type": "speak", "data": {}, "context": context}, source_peer=peer)
    kept = entry_of(message, RECEIVED, 1.0, node=peer, hub=peer)
    assert kept.text is not None and "***::7::kitchen" in kept.text and kept.node.startswith("***::7::")
    assert "f00dfeed" not in kept.text + kept.node + kept.hub


def test_a_message_that_is_said_again_is_a_new_one() -> None:
    """The session and the id of a question were those of another connection; all else is as it was said."""
    context = {"source": "kitchen", "session": {"session_id": "old"}}
    bus = HiveMessage("bus", {"type": "ask", "data": {"session": 1}, "context": context})
    asked = HiveMessage("query", bus, metadata={"query_id": "7", "originator_peer": "me", "lang": "en"})
    fresh = again(asked)
    assert fresh.metadata == {"lang": "en"}
    assert fresh.payload.raw_payload == {
        "type": "ask",
        "data": {"session": 1},
        "context": {"source": "kitchen"},
    }
    assert asked.metadata["query_id"] == "7" and "session" in asked.payload.raw_payload["context"]
    assert again(HiveMessage("3rdparty", {"context": {"session": 1}}))["context"] == {"session": 1}
