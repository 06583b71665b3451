"""The flood ids that the two halves of a hub share."""

from __future__ import annotations

import threading

from hivemind_bus_client.hive_map import FloodIdCache, HiveMapper


def test_it_is_a_set_that_forgets_the_oldest() -> None:
    ids = FloodIdCache(max_size=2)
    ids.add("a")
    ids |= {"b", "a"}
    assert list(ids) == ["a", "b"] and "a" in ids and len(ids) == 2
    ids.add("c")
    assert list(ids) == ["b", "c"]
    ids.discard("b")
    ids.discard("nobody")
    assert ids == {"c"}
    ids.clear()
    assert not ids


def test_a_flood_is_new_once() -> None:
    ids = FloodIdCache()
    assert [ids.check("a"), ids.check("a"), ids.check("")] == [False, True, True]
    assert [ids.check("x" * 2049), ids.check(None), ids.check(["a"]), list(ids)] == [True, True, True, ["a"]]  # type: ignore[arg-type]
    assert (ids | {"b"}, ids - {"a"}, ids & {"a"}) == ({"a", "b"}, set(), {"a"})
    assert [ids.check("b", max_size=1), "a" in ids, ids.max_size] == [False, False, 1]


def test_of_many_who_ask_at_once_one_is_told() -> None:
    ids, told, gate = FloodIdCache(), [], threading.Barrier(8)

    def ask() -> None:
        gate.wait()
        told.extend(number for number in range(200) if not ids.check(str(number)))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(told) == list(range(200))


def test_a_map_answers_no_flood_that_the_other_half_has_answered() -> None:
    ids, drawn = FloodIdCache(), HiveMapper()
    drawn.share_floods(ids)
    assert ids.check("theirs") is False
    assert [drawn.start_ping("theirs"), drawn.start_ping("ours")] == [False, True]
    assert ids == {"theirs", "ours"}
