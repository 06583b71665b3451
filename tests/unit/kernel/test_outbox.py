"""What waits for a hub that is away: the store, and what is decided about it."""

from __future__ import annotations

from hivemind_core_client.kernel.outbox_store import MemoryStore, OutboxStore, StoredMessage


def test_a_store_in_memory_gives_up_its_messages_from_the_oldest_on() -> None:
    store: OutboxStore = MemoryStore()
    store.open()
    assert (store.count, store.size, store.after(0, 5)) == (0, 0, ())

    assert [store.append(data, since) for data, since in ((b"a", 5.0), (b"bc", 6.0), (b"d", 4.0))] == [
        1,
        2,
        3,
    ]
    assert (store.count, store.size) == (3, 4)
    assert store.after(0, 2) == (StoredMessage(1, 5.0, b"a"), StoredMessage(2, 6.0, b"bc"))
    assert [each.number for each in store.after(2, 5)] == [3]

    store.remove_up_to(2)
    store.close()
    store.open()
    assert (store.count, store.size) == (1, 1)
    assert [each.number for each in store.after(0, 5)] == [3]
    assert store.append(b"e", 7.0) == 4
    store.remove_up_to(9)
    assert (store.count, store.size, store.after(3, 5)) == (0, 0, ())
    assert store.append(b"f", 8.0) == 5
