"""Rows about a message type that a plugin of the client brings, and that no hub knows."""

from __future__ import annotations

from ovos_bus_client.message import Message

from hivemind_core_client import HiveMessage, HiveMessageBusClient
from hivemind_core_client.plugins.contract import Actions, Context, Deliver, MessageHandler, MessageType
from hivemind_core_client.plugins.hookspecs import hookimpl

from .hubs import RealHub
from .processes import wait_until
from .rows_client import ANSWER_SECONDS, Heard, check_answer, check_comes_back
from .rows_intercom import key_of
from .rows_mesh import resident
from .satellite import Satellite
from .table import behaviour

TYPES = "message types of plugins"
WEATHER = MessageType("weather")


class Weather:
    """Brings the type, and tells the local bus of what arrives."""

    @hookimpl
    def hivemind_message_types(self) -> list[MessageType]:
        """The type."""
        return [WEATHER]

    @hookimpl
    def hivemind_message_handlers(self) -> list[MessageHandler]:
        """What becomes of it."""
        return [MessageHandler(WEATHER, "weather", self.receive)]

    def receive(self, context: Context, message: HiveMessage) -> Actions:
        """Deliver it."""
        return [Deliver({"type": "weather.told", "data": message.payload, "context": {}})]


PLUGIN = Weather()


def with_weather(satellite: Satellite) -> HiveMessageBusClient:
    """A connected client that knows the type."""
    client = satellite.connected(plugins=["intercom", PLUGIN])
    # Its HELLO has been read once the hub answers it.
    check_answer(client, "here")
    return client


@behaviour("sealed in INTERCOM it passes the hub, from satellite to satellite", TYPES, needs="mesh")
def sealed(hub: RealHub, satellite: Satellite) -> None:
    sibling = resident(satellite.sibling(), "attic", trusts=(resident(satellite, "kitchen"),))
    sender, receiver = with_weather(satellite), with_weather(sibling)
    heard: list[HiveMessage] = []
    told: list[Message] = []
    receiver.on("weather", heard.append)
    receiver.on_mycroft("weather.told", told.append)
    sender.emit_intercom(HiveMessage(WEATHER, {"sky": "clear"}), key_of(receiver))
    assert wait_until(lambda: bool(heard and told), ANSWER_SECONDS), "nothing came"
    assert heard[0].payload == told[0].data == {"sky": "clear"}


@behaviour(
    "in the clear in PROPAGATE, BROADCAST or ESCALATE: the hub drops it; the session goes on",
    TYPES,
    needs="mesh",
)
def wrapped(hub: RealHub, satellite: Satellite) -> None:
    hub.make_admin(satellite.node_id)
    sender = with_weather(satellite)
    ends: list[object] = []
    sender.on("close", lambda *_: ends.append(sender.last_error))
    for wrapper in ("propagate", "broadcast", "escalate"):
        sender.emit(HiveMessage(wrapper, HiveMessage(WEATHER, {"sky": "clear"}), target_site_id="attic"))
        assert hub.wait_for_log(f"malformed '{wrapper}' from")
    check_answer(sender, "after that")
    assert not ends


@behaviour("by itself: the hub ends the connection; the client comes back", TYPES, needs="unknown types")
def bare(hub: RealHub, satellite: Satellite) -> None:
    client = satellite.client(plugins=["intercom", PLUGIN])
    heard = Heard(client)
    ends: list[object] = []
    client.on("close", lambda *_: ends.append(client.last_error))
    client.connect()
    check_answer(client, "here")
    client.emit(HiveMessage(WEATHER, {"sky": "clear"}))
    assert wait_until(lambda: bool(ends), ANSWER_SECONDS), "the hub did not mind"
    check_comes_back(client, heard)
