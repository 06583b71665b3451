"""Rows about messages that go beyond the hub: to other satellites, and up."""

from __future__ import annotations

from functools import partial

from ovos_bus_client.message import Message

from hivemind_core_client import HiveMessage, HiveMessageBusClient, HiveMessageType

from .answerer import only_known_to
from .hubs import HubOptions, RealHub
from .processes import free_port, wait_until
from .rows_client import ANSWER_SECONDS, Heard, check_answer, check_comes_back, utterance
from .satellite import Satellite
from .table import behaviour

MESH = "beyond the hub"
#: A hub below another one.
LOWER = HubOptions(name="lower", upper=HubOptions(name="upper"))

_KITCHEN = "kitchen"
_ATTIC = "attic"


class Received:
    """The messages of one hive type that reached a client, delivered or not, and what was delivered of them."""

    def __init__(self, client: HiveMessageBusClient, msg_type: HiveMessageType, ovos_type: str) -> None:
        self.packets: list[HiveMessage] = []
        self.delivered: list[Message] = []
        client.on(msg_type, self.packets.append)
        client.on_mycroft(ovos_type, self.delivered.append)

    def wait_for_delivery(self) -> Message:
        """The first message that was delivered."""
        assert wait_until(lambda: bool(self.delivered), ANSWER_SECONDS), f"not delivered: {self.packets}"
        return self.delivered[0]

    def wait_for_packet(self) -> None:
        """Wait until something came."""
        assert wait_until(lambda: bool(self.packets), ANSWER_SECONDS), "nothing came"


def resident(satellite: Satellite, site: str, trusts: tuple[Satellite, ...] = ()) -> Satellite:
    """A satellite with a key and a site of its own, which trusts the keys of others."""
    identity = satellite.identity
    if not identity.public_key:
        identity.create_keys()
    identity.site_id = site
    for other in trusts:
        key = other.identity.public_key
        assert key is not None
        identity.add_trusted_key(other.name, key)
    identity.save()
    return satellite


def make_known(client: HiveMessageBusClient, *others: HiveMessageBusClient) -> None:
    """Flood the hive with a PING of `client`, and wait until the maps of the others hold its key."""
    key = client.identity.public_key
    client.ping(settle=0.2)
    for other in others:
        assert wait_until(
            partial(
                lambda hive_map: any(node.public_key == key for node in hive_map.nodes.values()),
                other.hive_map,
            ),
            ANSWER_SECONDS,
        )


def for_site(wrapper: HiveMessageType, site: str, message: Message) -> HiveMessage:
    """A BUS message for one site."""
    return HiveMessage(wrapper, HiveMessage(HiveMessageType.BUS, message), target_site_id=site)


def propagated(hub: RealHub, satellite: Satellite, packet: HiveMessage) -> None:
    """What `packet` says to all, as a PROPAGATE of `satellite`, is heard in the kitchen, where it is trusted."""
    resident(satellite, _ATTIC)
    other = resident(satellite.sibling(), _KITCHEN, trusts=(satellite,))
    sender, receiver = satellite.connected(), other.client()
    heard = Heard(receiver)
    receiver.connect()
    # Its HELLO has been read once the hub answers it.
    check_answer(receiver, "here")
    if "query" not in hub.spec.lacks:
        make_known(sender, receiver)
    sender.emit(packet)
    assert heard.wait_for("to all")


def broadcast_by_admin(hub: RealHub, satellite: Satellite, packet: HiveMessage) -> None:
    """What `packet` says to all, as a BROADCAST of `satellite`, is heard in the kitchen."""
    hub.make_admin(satellite.node_id)
    other = resident(satellite.sibling(), _KITCHEN)
    sender, receiver = satellite.connected(), other.client()
    heard = Heard(receiver)
    receiver.connect()
    check_answer(receiver, "here")
    sender.emit(packet)
    assert heard.wait_for("to all")


def _to_all(msg_type: HiveMessageType) -> HiveMessage:
    return for_site(msg_type, _KITCHEN, Message("speak", {"utterance": "to all"}))


@behaviour("PROPAGATE reaches the other satellites", MESH)
def propagate(hub: RealHub, satellite: Satellite) -> None:
    propagated(hub, satellite, _to_all(HiveMessageType.PROPAGATE))


@behaviour("BROADCAST of an administrator reaches the other satellites", MESH)
def broadcast(hub: RealHub, satellite: Satellite) -> None:
    broadcast_by_admin(hub, satellite, _to_all(HiveMessageType.BROADCAST))


@behaviour("SHARED_BUS reaches the hub", MESH)
def shared_bus(hub: RealHub, satellite: Satellite) -> None:
    client = satellite.connected(share_bus=True)
    client.internal_bus.emit(Message("lamp.on", {"room": "kitchen"}))
    assert hub.wait_for_log(f"Monitoring bus from client: {at_hub(client)}")


@behaviour("ESCALATE is accepted; the client comes back if the hub drops it", MESH)
def escalate(hub: RealHub, satellite: Satellite) -> None:
    client = satellite.client()
    heard = Heard(client)
    client.connect()
    name = at_hub(client)
    alarm = f"alarm.{satellite.node_id}.{free_port()}"
    client.emit(HiveMessage(HiveMessageType.ESCALATE, HiveMessage(HiveMessageType.BUS, Message(alarm))))
    assert hub.wait_for_log(f"Received escalate message from: {name}")
    check_comes_back(client, heard)


def at_hub(client: HiveMessageBusClient) -> str:
    """What the hub calls this client, without the session."""
    return str(client.peer).rpartition("::")[0]


@behaviour(
    "PROPAGATE for a site: delivered there by trust, dropped by who does not trust and elsewhere",
    MESH,
    needs="mesh",
)
def propagate_by_trust_and_site(hub: RealHub, satellite: Satellite) -> None:
    resident(satellite, _ATTIC)
    trusting = resident(satellite.sibling(), _KITCHEN, trusts=(satellite,)).connected()
    doubting = resident(satellite.sibling(), _KITCHEN).connected()
    elsewhere = resident(satellite.sibling(), _ATTIC, trusts=(satellite,)).connected()
    receivers = (trusting, doubting, elsewhere)
    for receiver in receivers:
        check_answer(receiver, "here")
    sender = satellite.connected()
    make_known(sender, *receivers)
    received = [Received(receiver, HiveMessageType.PROPAGATE, "dinner.ready") for receiver in receivers]
    sender.emit(for_site(HiveMessageType.PROPAGATE, _KITCHEN, Message("dinner.ready", {"guests": 3})))
    assert received[0].wait_for_delivery().data == {"guests": 3}
    for client, other in zip(receivers[1:], received[1:]):
        other.wait_for_packet()
        # What the hub says after it has been heard by now, so all that was to be delivered is.
        check_answer(client, "after that")
        assert not other.delivered


@behaviour("ESCALATE goes from a lower hub to the hub above it", MESH, LOWER, needs="upstream")
def escalate_upwards(hub: RealHub, satellite: Satellite) -> None:
    upper = _above(hub)
    client = satellite.connected()
    alarm = f"fire in {satellite.name}"
    client.emit(for_site(HiveMessageType.ESCALATE, upper.options.name, utterance(alarm)))
    assert wait_until(lambda: _said_at(upper, alarm), ANSWER_SECONDS), "it did not reach the upper hub"
    assert not _said_at(hub, alarm)


@behaviour("QUERY that only the hub above can answer", MESH, LOWER, needs="upstream")
def query_upwards(hub: RealHub, satellite: Satellite) -> None:
    client = satellite.connected()
    text = f"{only_known_to('upper')} {satellite.name}"
    answers = list(client.query(utterance(text), timeout=ANSWER_SECONDS))
    assert [answer.message.data["utterance"] for answer in answers] == [f"you said: {text}"]
    assert client.hub is not None and answers[0].responder != client.hub.public_key
    assert _said_at(_above(hub), text)


@behaviour("`ping` draws three floors: satellite, hub and the hub above", MESH, LOWER, needs="upstream")
def ping_three_floors(hub: RealHub, satellite: Satellite) -> None:
    client = satellite.connected()
    hive_map = client.ping(settle=2.0)
    assert client.hub is not None
    # The lower hub is in the map twice: as itself, and by the name that it has as a client of the upper one.
    keys = {node.site_id: peer for peer, node in hive_map.nodes.items() if "PUBLIC KEY" in peer}
    assert keys["lower"].split() == client.hub.public_key.split(), hive_map.nodes
    assert hive_map.edges[client.peer] == {keys["lower"]}
    assert keys["upper"] in hive_map.edges[keys["lower"]]
    floors = [len(line) - len(line.lstrip(" │├└─")) for line in hive_map.to_ascii(client.peer).splitlines()]
    assert floors[0] < floors[1] < floors[2]


def _above(hub: RealHub) -> RealHub:
    assert hub.upper is not None
    return hub.upper


def _said_at(hub: RealHub, text: str) -> bool:
    spoken = hub.seen("recognizer_loop:utterance")
    return any(message["data"]["utterances"] == [text] for message in spoken)


@behaviour("BROADCAST of one who is no administrator reaches nobody; the client goes on, or comes back", MESH)
def broadcast_without_right(hub: RealHub, satellite: Satellite) -> None:
    other = resident(satellite.sibling(), _KITCHEN)
    receiver = other.client()
    received = Received(receiver, HiveMessageType.BROADCAST, "dinner.ready")
    receiver.connect()
    client = satellite.client()
    heard = Heard(client)
    client.connect()
    check_answer(client, "here")
    client.emit(for_site(HiveMessageType.BROADCAST, _KITCHEN, Message("dinner.ready")))
    # 4.0.0 leaves it at that, later hubs drop the connection as well.
    assert hub.wait_for_log("Received broadcast message from downstream, illegal action")
    check_answer(receiver, "after that")
    assert not received.packets and not received.delivered
    check_comes_back(client, heard)
