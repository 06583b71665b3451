"""The embedded hub between satellites, on real sockets."""

from __future__ import annotations

import socket
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, Callable

import pytest
from websockets.sync.client import ClientConnection, connect

from hivemind_core_client import HiveMessage, HiveMessageBusClient, HiveMessageType, NodeIdentity
from hivemind_core_client.errors import HubConnectionError, InvalidMessage, InvalidOption
from hivemind_core_client.testing import Account, EmbeddedHub, hub_bounds, hub_listening
from hivemind_core_client.testing import hub as hub_module
from hivemind_core_client.testing.hub_link import HubLink
from tests.unit.support import PASSWORD, UTTERANCE

CRYPTO_KEY = "0123456789abcdef"
NAMES = ("kitchen", "hall", "office")

Join = Callable[..., HiveMessageBusClient]


class Heard:
    """The messages of one hive type that a satellite got."""

    def __init__(self, client: HiveMessageBusClient, msg_type: HiveMessageType) -> None:
        self.messages: list[HiveMessage] = []
        self._changed = threading.Condition()
        client.on(msg_type, self._take)

    def _take(self, message: HiveMessage) -> None:
        with self._changed:
            self.messages.append(message)
            self._changed.notify_all()

    def wait(self, count: int = 1) -> list[HiveMessage]:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.messages) >= count, 5), self.messages
            return list(self.messages)


def accounts(*names: str) -> list[Account]:
    """Accounts whose key is agreed on beforehand, which is faster than a password: the routing is the same."""
    return [
        Account(f"{name}-key", crypto_key=CRYPTO_KEY, name=name, admin=name == "office") for name in names
    ]


def agent(utterance: str) -> Any:
    return {"count": ["one", "two"], "hum": None}.get(utterance, f"you said: {utterance}")


@pytest.fixture
def hub() -> Iterator[EmbeddedHub]:
    porch = Account("porch-key", PASSWORD, name="porch")
    with EmbeddedHub([*accounts(*NAMES), porch], agent) as hub:
        yield hub


@pytest.fixture
def join() -> Iterator[Join]:
    """Connects a satellite with a hub."""
    with ExitStack() as stack:

        def connected(hub: EmbeddedHub, name: str, **options: Any) -> HiveMessageBusClient:
            client = HiveMessageBusClient(
                f"{name}-key",
                **{"crypto_key": CRYPTO_KEY, **options},
                host=hub.url,
                port=hub.port,
                identity=NodeIdentity({"name": f"{name}s own name"}),
            )
            stack.callback(client.close)
            sessions = hub.sessions
            client.connect(site_id=name)
            hub.wait_for_sessions(sessions + 1)
            return client

        yield connected


@pytest.fixture
def mesh(hub: EmbeddedHub, join: Join) -> list[HiveMessageBusClient]:
    """Kitchen, hall and office, the last of which is an administrator."""
    return [join(hub, name) for name in NAMES]


def bus(name: str = "tea.ready", **data: Any) -> HiveMessage:
    return HiveMessage("bus", {"type": name, "data": data, "context": {}})


def settled(hub: EmbeddedHub, *clients: HiveMessageBusClient) -> None:
    """Return when the satellites have got all that the hub sent them before."""
    heard = [Heard(client, HiveMessageType.THIRDPRTY) for client in clients]
    hub.broadcast(HiveMessage("3rdparty", {"marker": 1}))
    for each in heard:
        each.wait()


# names


def test_a_satellite_is_called_by_account_and_session(
    hub: EmbeddedHub, mesh: list[HiveMessageBusClient]
) -> None:
    for name, client in zip(NAMES, mesh):
        assert client.peer == f"{name}::{client.session_id}"
        assert client.hub is not None and client.hub.public_key == hub.public_key
    assert "BEGIN PUBLIC KEY" in hub.public_key


def test_accounts_without_a_name_are_numbered() -> None:
    hub = EmbeddedHub({"one": PASSWORD, "two": PASSWORD})
    with pytest.raises(InvalidOption, match="'nobody', but: client-1, client-2"):
        hub.send("nobody", bus())


def test_two_accounts_of_one_name_are_refused() -> None:
    with pytest.raises(InvalidOption, match="'client-2'"):
        EmbeddedHub([Account("a", PASSWORD, name="client-2"), Account("b", PASSWORD)])


def test_a_second_satellite_of_the_same_session_gets_another_name(hub: EmbeddedHub, join: Join) -> None:
    first = join(hub, "kitchen")
    second = join(hub, "kitchen")
    hall = join(hub, "hall")
    session = first.profile.context.session
    second.profile.context.session.session_id = session.session_id
    second.emit(HiveMessage("hello", {}))
    hub.wait_for(HiveMessageType.HELLO, count=4)
    in_hall = Heard(hall, HiveMessageType.PROPAGATE)
    first.emit(HiveMessage("propagate", bus()))
    in_hall.wait(1)
    second.emit(HiveMessage("propagate", bus()))
    sources = [message.route[0]["source"] for message in in_hall.wait(2)]
    assert sources[0] == first.peer
    assert sources[1].startswith(f"{first.peer}::") and sources[1] != sources[0]
    assert hub.send(first.peer, bus()) == 1
    assert hub.send("kitchen", bus()) == 2


@pytest.mark.parametrize("session", [{"session_id": 5}, {"session_id": "x" * 300}, {}, "none", None])
def test_a_hello_without_a_usable_session_is_a_session_nevertheless(
    hub: EmbeddedHub, join: Join, session: Any
) -> None:
    kitchen, hall = join(hub, "kitchen"), join(hub, "hall")
    in_hall = Heard(hall, HiveMessageType.PROPAGATE)
    kitchen.emit(HiveMessage("hello", {"session": session}))
    kitchen.emit(HiveMessage("propagate", bus()))
    assert in_hall.wait()[0].route[0]["source"] == kitchen.peer


# who gets what


def test_send_reaches_one(hub: EmbeddedHub, mesh: list[HiveMessageBusClient]) -> None:
    kitchen, hall, _ = mesh
    heard = [Heard(client, HiveMessageType.BUS) for client in mesh]
    assert hub.send("kitchen", bus("for.kitchen")) == 1
    assert hub.send(hall.peer, bus("for.hall")) == 1
    assert hub.send("office::gone", bus()) == 0
    settled(hub, *mesh)
    assert [[each["type"] for each in those.messages] for those in heard] == [
        ["for.kitchen"],
        ["for.hall"],
        [],
    ]
    assert kitchen.rejected == 0


def test_propagate_reaches_all_others(hub: EmbeddedHub, mesh: list[HiveMessageBusClient]) -> None:
    kitchen, _, _ = mesh
    own, hall, office = [Heard(client, HiveMessageType.PROPAGATE) for client in mesh]
    kitchen.emit(HiveMessage("propagate", bus(sugar=2), target_site_id="attic", metadata={"a": 1}))
    for heard in (hall, office):
        (message,) = heard.wait()
        assert message.payload.raw_payload["data"] == {"sugar": 2}
        assert (message.target_site_id, message.metadata) == ("attic", {"a": 1})
        assert [hop["source"] for hop in message.route] == [kitchen.peer, hub.public_key]
    settled(hub, *mesh)
    assert own.messages == []
    assert hub.wait_for("propagate")[0].payload.raw_payload["type"] == "tea.ready"


def test_an_administrator_broadcasts(hub: EmbeddedHub, mesh: list[HiveMessageBusClient]) -> None:
    kitchen, hall, own = [Heard(client, HiveMessageType.BROADCAST) for client in mesh]
    mesh[2].emit(HiveMessage("broadcast", bus(), target_site_id="hall"))
    assert kitchen.wait()[0].target_site_id == "hall" == hall.wait()[0].target_site_id
    settled(hub, *mesh)
    assert own.messages == []


def test_anybody_else_who_broadcasts_is_dropped(hub: EmbeddedHub, mesh: list[HiveMessageBusClient]) -> None:
    kitchen, hall, _ = mesh
    lost = threading.Event()
    kitchen.on("close", lambda *_: lost.set())
    heard = Heard(hall, HiveMessageType.BROADCAST)
    kitchen.emit(HiveMessage("broadcast", bus()))
    assert lost.wait(5)
    settled(hub, hall)
    assert heard.messages == []


def test_a_message_for_the_hubs_site_reaches_its_agent(join: Join) -> None:
    with EmbeddedHub(accounts("kitchen"), agent, site_id="cellar") as hub:
        kitchen = join(hub, "kitchen")
        heard = Heard(kitchen, HiveMessageType.BUS)
        kitchen.emit(HiveMessage("escalate", bus(UTTERANCE, utterances=["hi"]), target_site_id="cellar"))
        assert heard.wait()[0]["data"] == {"utterance": "you said: hi"}
        assert [message.msg_type.value for message in hub.received] == ["hello", "escalate", "bus"]


def test_a_query_streams(hub: EmbeddedHub, mesh: list[HiveMessageBusClient]) -> None:
    heard = Heard(mesh[0], HiveMessageType.QUERY)
    others = [Heard(client, HiveMessageType.QUERY) for client in mesh[1:]]
    mesh[0].emit(HiveMessage("query", bus(UTTERANCE, utterances=["count"])))
    answers = heard.wait(3)
    assert [answer.payload["type"] for answer in answers] == ["speak", "speak", "hive.query.complete"]
    assert {answer.metadata["responder_peer"] for answer in answers} == {hub.public_key}
    mesh[0].emit(HiveMessage("query", bus(UTTERANCE, utterances=["hum"])))
    assert heard.wait(4)[3].payload["type"] == "hive.query.timeout"
    settled(hub, *mesh)
    assert [other.messages for other in others] == [[], []]


def test_a_cascade_is_answered_by_satellites_too(hub: EmbeddedHub, mesh: list[HiveMessageBusClient]) -> None:
    kitchen, hall, office = mesh
    hall.on(HiveMessageType.CASCADE, lambda request: hall.answer(request, warm()))
    in_kitchen, in_office = Heard(kitchen, HiveMessageType.CASCADE), Heard(office, HiveMessageType.CASCADE)
    kitchen.emit(HiveMessage("cascade", bus(UTTERANCE, utterances=["count"])))
    answers = in_kitchen.wait(5)
    told = [(a.metadata["responder_peer"], a.payload.raw_payload["data"].get("utterance")) for a in answers]
    assert [said for who, said in told if who == hub.public_key] == ["one", "two", None]
    assert [said for who, said in told if who == hall.peer] == ["19 degrees", None]
    settled(hub, *mesh)
    (request,) = in_office.messages  # the question, and nobody's answer
    assert "is_response" not in request.metadata


def test_an_answer_that_nobody_asked_for_reaches_nobody(
    hub: EmbeddedHub, mesh: list[HiveMessageBusClient]
) -> None:
    kitchen, hall, _ = mesh
    heard = Heard(kitchen, HiveMessageType.CASCADE)
    metadata = {"query_id": "made-up", "originator_peer": kitchen.peer, "is_response": True}
    hall.emit(HiveMessage("cascade", bus(), metadata=metadata))
    hub.wait_for("cascade")
    settled(hub, *mesh)
    assert heard.messages == []


def test_everybody_answers_a_flood_once(hub: EmbeddedHub, mesh: list[HiveMessageBusClient]) -> None:
    kitchen = mesh[0]
    heard = Heard(kitchen, HiveMessageType.PROPAGATE)
    kitchen.emit(HiveMessage("propagate", HiveMessage("ping", {"flood_id": "f-1"})))
    heard.wait(3)
    settled(hub, *mesh)
    settled(hub, *mesh)
    pings = [message.payload.raw_payload for message in heard.messages]
    assert sorted(ping["peer"] for ping in pings) == sorted([hub.public_key, mesh[1].peer, mesh[2].peer])
    assert {ping["site_id"] for ping in pings} == {"hub", "hall", "office"}


def test_intercom_is_carried_unread(hub: EmbeddedHub, mesh: list[HiveMessageBusClient]) -> None:
    heard = Heard(mesh[1], HiveMessageType.PROPAGATE)
    envelope = {"ciphertext": "x", "signature": "y"}
    for key in (hub.public_key, "hall's key"):
        sealed = HiveMessage("intercom", envelope, target_pubkey=key)
        mesh[0].emit(HiveMessage("propagate", sealed))
    (message,) = heard.wait()
    settled(hub, *mesh)
    assert heard.messages == [message]
    assert (message.payload.raw_payload, message.payload.target_public_key) == (envelope, "hall's key")
    assert len(hub.wait_for("propagate", count=2)) == 2


@pytest.mark.parametrize("binarize", [True, False])
def test_frames_go_binary_where_both_sides_want_it(
    join: Join, binarize: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames: list[Any] = []
    with EmbeddedHub(
        [Account(f"{name}-key", PASSWORD, name=name) for name in NAMES], binarize=binarize
    ) as hub:
        kitchen, hall = (
            join(hub, "kitchen", password=PASSWORD, crypto_key=None),
            join(hub, "hall", password=PASSWORD, crypto_key=None),
        )
        receive = hall.protocol.receive

        def note(frame: Any, **how: Any) -> Any:
            frames.append(frame)
            return receive(frame, **how)

        monkeypatch.setattr(hall.protocol, "receive", note)
        heard = Heard(hall, HiveMessageType.PROPAGATE)
        kitchen.emit(HiveMessage("propagate", bus()))
        kitchen.emit(HiveMessage("propagate", bus(), target_pubkey="a binary frame has no field for it"))
        assert [hop["source"] for hop in heard.wait(2)[0].route] == [kitchen.peer, hub.public_key]
    assert [type(frame) for frame in frames] == [bytes if binarize else str, str]


# hubs below hubs


@pytest.fixture
def floors(hub: EmbeddedHub, join: Join) -> Iterator[tuple[EmbeddedHub, Any, Any]]:
    """The lower hub, a satellite of it, and one of the upper hub."""
    lower = EmbeddedHub(accounts("cellar"), lambda _: None, site_id="below", upstream=(hub, "hall-key"))
    with lower:
        assert lower.public_key != hub.public_key
        hub.wait_for_sessions(1)
        cellar, kitchen = join(lower, "cellar"), join(hub, "kitchen")
        yield lower, cellar, kitchen


def test_escalate_and_query_climb(hub: EmbeddedHub, floors: Any) -> None:
    lower, cellar, _ = floors
    cellar.emit(HiveMessage("escalate", bus("roof.leaks")))
    (arrived,) = hub.wait_for("escalate")
    assert [hop["source"] for hop in arrived.route] == [cellar.peer, lower.public_key]
    heard = Heard(cellar, HiveMessageType.QUERY)
    cellar.emit(HiveMessage("query", bus(UTTERANCE, utterances=["count"])))
    answers = heard.wait(3)
    assert [answer.payload["type"] for answer in answers] == ["speak", "speak", "hive.query.complete"]
    assert {answer.metadata["responder_peer"] for answer in answers} == {hub.public_key}


def test_propagate_climbs_and_comes_down(hub: EmbeddedHub, floors: Any) -> None:
    lower, cellar, kitchen = floors
    in_cellar, in_kitchen = [Heard(client, HiveMessageType.PROPAGATE) for client in (cellar, kitchen)]
    kitchen.emit(HiveMessage("propagate", bus("down")))
    (down,) = in_cellar.wait()
    assert [hop["source"] for hop in down.route] == [kitchen.peer, hub.public_key, lower.public_key]
    cellar.emit(HiveMessage("propagate", bus("up")))
    (up,) = in_kitchen.wait()
    sources = [hop["source"] for hop in up.route]
    assert (sources[0], sources[1], sources[3]) == (cellar.peer, lower.public_key, hub.public_key)
    assert sources[2].startswith("hall::")


def test_broadcast_comes_down(hub: EmbeddedHub, floors: Any) -> None:
    heard = Heard(floors[1], HiveMessageType.BROADCAST)
    hub.broadcast(HiveMessage("broadcast", bus()))
    assert heard.wait()[0].payload["type"] == "tea.ready"


def test_a_cascade_from_below_gathers_above(hub: EmbeddedHub, floors: Any) -> None:
    _, cellar, kitchen = floors
    kitchen.on(HiveMessageType.CASCADE, lambda request: kitchen.answer(request, warm()))
    heard = Heard(cellar, HiveMessageType.CASCADE)
    cellar.emit(HiveMessage("cascade", bus(UTTERANCE, utterances=["how warm is it"])))
    responders = {answer.metadata["responder_peer"] for answer in heard.wait(4)}
    assert responders == {hub.public_key, kitchen.peer}


@pytest.mark.parametrize("asker", [0, 1], ids=["cellar", "kitchen"])
def test_a_flood_finds_both_floors(hub: EmbeddedHub, floors: Any, asker: int) -> None:
    lower, *satellites = floors
    peers = {hub.public_key, lower.public_key, *(each.peer for each in satellites)}
    mapper = satellites[asker].ping(timeout=5, settle=0.2)
    for _ in range(20):  # on a busy machine a flood may settle before all have answered
        if set(mapper.nodes) == peers:
            break
        mapper = satellites[asker].ping(timeout=5, settle=0.2)
    assert set(mapper.nodes) == peers
    assert {(hub.public_key in mapper.edges[lower.public_key])} == {True}


def test_a_lower_hub_needs_an_account_above(hub: EmbeddedHub) -> None:
    with pytest.raises(InvalidOption, match="upstream"):
        EmbeddedHub(upstream=(hub, "no such key"))


def test_a_lower_hub_without_its_upper_one_does_not_start(hub: EmbeddedHub) -> None:
    lower = EmbeddedHub({}, upstream=(hub, "hall-key"))
    hub.stop()
    with pytest.raises(HubConnectionError):
        lower.start()
    assert lower.port == 0  # it listens nowhere


def test_a_port_that_is_taken_is_an_error_and_nothing_is_left(hub: EmbeddedHub) -> None:
    with pytest.raises(OSError, match="in use"):
        EmbeddedHub({}, upstream=(hub, "hall-key"), port=hub.port).start()
    hub.wait_for_sessions(0)


def test_what_cannot_climb_is_logged(
    hub: EmbeddedHub, floors: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    lower, cellar, _ = floors

    emit = HiveMessageBusClient.emit

    def refuse(client: HiveMessageBusClient, message: Any) -> None:
        if client is not cellar:  # but the one of the lower hub
            raise InvalidMessage("too odd")
        emit(client, message)

    monkeypatch.setattr(HiveMessageBusClient, "emit", refuse)
    heard = Heard(cellar, HiveMessageType.QUERY)
    cellar.emit(HiveMessage("escalate", bus()))
    cellar.emit(HiveMessage("query", bus(UTTERANCE, utterances=["count"])))
    lower.wait_for("query")
    settled(lower, cellar)
    assert heard.messages == []
    assert "a ESCALATE was not passed up: too odd" in caplog.text


def test_a_hub_of_given_keys(hub: EmbeddedHub) -> None:
    identity = NodeIdentity({})
    identity.create_keys()
    keys = (identity.private_key_pem() or "", identity.public_key or "")
    assert EmbeddedHub(keys=keys).public_key == identity.public_key
    assert EmbeddedHub().public_key == hub.public_key  # made once


# clients that misbehave


def raw(hub: EmbeddedHub, key: str = "porch-key") -> ClientConnection:
    login = b64encode(f"raw:{key}".encode()).decode()
    return connect(f"{hub.url}/?authorization={login}", compression=None)


@pytest.mark.parametrize(
    "frame",
    [
        "garbage",
        b"\0\0\0",
        b"\x01garbage",
        "{}",
        '{"msg_type": "nope", "payload": {}}',
        '{"msg_type": "hello", "payload": {}}',  # in the clear: no session of that
        '{"msg_type": "propagate", "payload": {"msg_type": "bus", "payload": {"type": "x"}}}',
        '{"msg_type": "shake", "payload": {"pubkey": "x"}}',  # no way around the password
        '{"msg_type": "shake", "payload": {"envelope": 5}}',
        "[" * 10_000,
    ],
    ids=lambda frame: str(frame)[:30],
)
def test_garbage_before_the_handshake_ends_that_connection_only(
    hub: EmbeddedHub, join: Join, frame: Any
) -> None:
    kitchen = join(hub, "kitchen")
    with raw(hub) as connection:
        connection.send(frame)
        assert len(list(connection)) == 2  # what the hub said before; then it closed the connection
    hub.wait_for_sessions(1)
    assert kitchen.query(bus_message("count")).first.message.data == {"utterance": "one", "lang": "en-US"}
    greetings = [message for message in hub.received if message.msg_type is HiveMessageType.HELLO]
    assert len(greetings) == 1  # nobody had to come back


def test_a_wrapper_of_nonsense_is_denied_and_the_session_stays(
    hub: EmbeddedHub, mesh: list[HiveMessageBusClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mesh[0].protocol, "prepare", lambda message: message)
    monkeypatch.setattr(mesh[0].protocol, "sent_in_turn", frozenset())
    denied = Heard(mesh[0], HiveMessageType.BUS)
    for msg_type in ("propagate", "broadcast", "escalate", "query", "cascade"):
        mesh[0].emit(HiveMessage(msg_type, {"msg_type": "nope", "payload": {}}))
    assert {message["type"] for message in denied.wait(5)} == {"hive.policy.denied"}
    assert hub.sessions == 3


def test_utterances_of_any_shape(hub: EmbeddedHub, join: Join) -> None:
    kitchen = join(hub, "kitchen")
    heard = Heard(kitchen, HiveMessageType.BUS)
    for data in ({}, {"utterances": {"a": 1}}, {"utterances": 5}, {"utterances": [["x"]]}):
        kitchen.emit(bus(UTTERANCE, **data))
    spoken = [each["data"]["utterance"] for each in heard.wait(8) if each["type"] == "speak"]
    assert spoken == ["you said: "] * 4


def test_an_agent_that_raises_midway(join: Join, caplog: pytest.LogCaptureFixture) -> None:
    def broken(utterance: str) -> Iterator[str]:
        yield "well"
        raise RuntimeError("lost the thread")

    with EmbeddedHub(accounts("kitchen"), broken) as hub:
        kitchen = join(hub, "kitchen")
        answers = [answer.message.data["utterance"] for answer in kitchen.query(bus_message("hi"))]
        assert answers == ["well"]
        assert hub.sessions == 1
    assert "lost the thread" in caplog.text


def test_a_thousand_floods(hub: EmbeddedHub, join: Join) -> None:
    quiet = {"blocked_plugins": ["builtin_ping"]}  # so that nobody answers each of them
    kitchen, hall, office = (join(hub, name, **quiet) for name in NAMES)
    heard = Heard(hall, HiveMessageType.PROPAGATE)
    for number in range(1000):
        flood = HiveMessage(
            "ping", {"flood_id": f"f-{number}", "peer": kitchen.peer, "public_key": "k" * 500}
        )
        kitchen.emit(HiveMessage("propagate", flood))
    heard.wait(1001)  # and one answer of the hub: the others went to the kitchen alone
    answer = office.wait_for_response(bus_message("hello"), reply_type="speak", timeout=20)
    assert answer is not None
    settled(hub, kitchen, hall, office)
    assert len(heard.messages) == 1001
    assert hub.sessions == 3


def test_the_last_messages_are_kept(hub: EmbeddedHub, join: Join, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_bounds, "MOST_RECEIVED", 10)
    kitchen = join(hub, "kitchen")
    for number in range(30):
        kitchen.emit(bus(f"number.{number}"))
    hub.wait_for("number.29")
    assert [message["type"] for message in hub.received] == [f"number.{number}" for number in range(20, 30)]


def test_a_satellite_that_does_not_read_is_given_up(
    hub: EmbeddedHub, join: Join, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(hub_listening, "_WRITE_TIMEOUT_S", 0.2)
    caplog.set_level("DEBUG", logger=hub_module.__name__)
    kitchen, hall, deaf = join(hub, "kitchen"), join(hub, "hall"), join(hub, "office")
    stuck, free = threading.Event(), threading.Event()

    def read_no_more(frame: Any, **how: Any) -> list[Any]:
        stuck.set()
        free.wait(20)
        return []

    monkeypatch.setattr(deaf.protocol, "receive", read_no_more)
    heard = Heard(hall, HiveMessageType.PROPAGATE)
    large = HiveMessage("propagate", bus(noise="x" * 6_000_000), target_pubkey="so it is no binary frame")
    try:
        for _ in range(2):  # the first is read, and the second fills what the system keeps for a reader
            kitchen.emit(large)
        assert stuck.wait(5)
        heard.wait(2)
        hub.wait_for_sessions(2, timeout=10)
    finally:
        free.set()


def test_a_message_that_has_no_form_for_one_satellite_is_left_out(
    hub: EmbeddedHub,
    mesh: list[HiveMessageBusClient],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    seal = HubLink.seal

    def refuse(link: HubLink, message: HiveMessage) -> Any:
        if link.account.name == "hall":
            raise InvalidMessage("no form")
        return seal(link, message)

    monkeypatch.setattr(HubLink, "seal", refuse)
    heard = Heard(mesh[2], HiveMessageType.PROPAGATE)
    mesh[0].emit(HiveMessage("propagate", bus()))
    assert heard.wait()
    assert "a PROPAGATE was not passed on: no form" in caplog.text
    assert hub.sessions == 3


def test_a_hub_that_has_stopped_ends_twice_without_a_word(hub: EmbeddedHub, join: Join) -> None:
    join(hub, "kitchen")
    hub.drop()
    hub.stop()
    hub.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((hub.host, hub.port), timeout=1).close()


def bus_message(utterance: str) -> Any:
    from ovos_bus_client.message import Message

    return Message(UTTERANCE, {"utterances": [utterance]})


def warm() -> Any:
    from ovos_bus_client.message import Message

    return Message("speak", {"utterance": "19 degrees"})
