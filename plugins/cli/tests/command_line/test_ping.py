"""`ping`: the figures, and the map of the hive."""

from __future__ import annotations

from typing import Any

import pytest

from hivemind_client_cli.connection import Connection
from hivemind_core_client.errors import ConnectionLost, HubTimeout, QueryTimeout

from .mesh_fakes import EVIL, MeshClient, mapped, node

ONE = ("ping", "--count", "1")


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> MeshClient:
    client = MeshClient()
    client.mapper = mapped(node("attic::1", site_id="attic"), node("hub"))
    monkeypatch.setattr(Connection, "client", lambda connection: client)
    return client


def test_figures(run: Any, fake: MeshClient) -> None:
    fake.trips = [0.001, HubTimeout("hub", "pong", 5), 0.003]
    data = run("ping", "--count", "3", "--json").expect(0).json
    assert data["seconds"] == {"min": 0.001, "avg": 0.002, "max": 0.003}
    assert (data["sent"], data["received"]) == (3, 2)
    assert "1.00 ms" in run(*ONE).expect(0).out


def test_without_a_pong(run: Any, fake: MeshClient) -> None:
    fake.trips = [HubTimeout("hub", "pong", 5), HubTimeout("hub", "pong", 5)]
    run("ping", "--count", "2").expect(4)
    assert fake.floods == 0


def test_the_tree_begins_at_this_node(run: Any, fake: MeshClient) -> None:
    done = run(*ONE).expect(0)
    tree = done.out.split("\n\n")[1].splitlines()
    assert tree[0] == "fake::1  (no answer of its own)  (this node)"
    assert tree[1:] == ["├── attic::1  site attic", "└── hub"]
    assert done.err == ""


def test_json_holds_the_map(run: Any, fake: MeshClient) -> None:
    data = run(*ONE, "--json").expect(0).json["map"]
    assert {each["peer"] for each in data["nodes"]} == {"attic::1", "hub"}
    assert {"source": "attic::1", "target": "fake::1"} in data["edges"]


@pytest.mark.parametrize(("option", "start"), [("--mermaid", "graph TD\n"), ("--dot", "graph hive {\n")])
def test_drawings_are_printed_alone(run: Any, fake: MeshClient, option: str, start: str) -> None:
    out = run("ping", option).expect(0).out
    assert out.startswith(start)
    assert "attic" in out
    assert " ms" not in out
    fake.mapper = ConnectionLost("gone")
    done = run("ping", option).expect(1)
    assert done.out == ""
    assert "no map" in done.err


def test_without_a_map(run: Any, fake: MeshClient) -> None:
    done = run(*ONE, "--no-map").expect(0)
    assert done.err == ""
    assert "attic" not in done.out
    assert run(*ONE, "--no-map", "--json").expect(0).json["map"] is None
    assert fake.floods == 0


def dropped(fake: MeshClient) -> None:
    def ping(timeout: float) -> Any:
        fake.drop(ConnectionLost("the hub closed the connection"))
        raise ConnectionLost("the hub closed the connection")

    fake.ping = ping  # type: ignore[method-assign]


def silent(fake: MeshClient) -> None:
    fake.mapper = mapped()


def alone(fake: MeshClient) -> None:
    fake.mapper = mapped(node(fake.peer))


def failed(fake: MeshClient) -> None:
    fake.mapper = QueryTimeout("nobody said a word")


NO_MAPS = [
    (dropped, "ended the connection"),
    (silent, "nobody answered"),
    (alone, "nobody answered"),
    (failed, "nobody said"),
]


@pytest.mark.parametrize(("happen", "text"), NO_MAPS)
def test_a_hub_that_takes_no_part(run: Any, fake: MeshClient, happen: Any, text: str) -> None:
    happen(fake)
    done = run(*ONE).expect(0)
    assert "1.00 ms" in done.out
    assert "fake::1" not in done.out
    assert done.err.startswith("There is no map of the hive")
    assert text in done.err
    assert run(*ONE, "--quiet").expect(0).err == ""
    assert run(*ONE, "--json").expect(0).json["map"] is None


@pytest.mark.parametrize("options", [("--mermaid", "--dot"), ("--dot", "--json"), ("--mermaid", "--no-map")])
def test_drawings_exclude_each_other(run: Any, fake: MeshClient, options: tuple[str, ...]) -> None:
    run("ping", *options).expect(2)


@pytest.mark.parametrize("options", [(), ("--mermaid",), ("--dot",)])
def test_names_of_the_wire_do_not_steer_the_terminal(
    run: Any, fake: MeshClient, options: tuple[str, ...]
) -> None:
    fake.mapper = mapped(node(EVIL, site_id=EVIL, lang=EVIL, public_key=EVIL), node('"];\nevil'))
    out = run(*ONE, *options).expect(0).out
    assert all(line.isprintable() for line in out.splitlines())
    assert "\nevil" not in out
