"""What went wrong between us, the broker and the hub, as errors that say who it was and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

from hivemind_core_client.errors import (
    BrokerRefused,
    BrokerUnreachable,
    ConnectionLost,
    HiveMindError,
    HubOffline,
    Mend,
    SecureConnectionFailed,
    Setting,
)
from hivemind_core_client.wire.mends import COMPARE_KEYS
from hivemind_core_client.wire.text import printable, text_of

if TYPE_CHECKING:
    from paho.mqtt.reasoncodes import ReasonCode

    from hivemind_client_mqtt.calling import HubCalls
    from hivemind_client_mqtt.options import BrokerOptions
    from hivemind_client_mqtt.topics import Topics
    from hivemind_core_client.plugins.transport_contract import HubAddress

_VERSION = 132
#: Reasons that pass by themselves: unspecified, implementation specific, unavailable, busy, shutting down, quota, rate.
_PASSING = frozenset({128, 131, 136, 137, 139, 151, 159})
_BAD_IDENTIFIER, _BAD_LOGIN, _NOT_AUTHORIZED = 133, 134, 135
#: Another client has come with the same name, or a packet was too large for the broker.
TAKEN_OVER, _TOO_LARGE = 142, 149


def is_version(reason: ReasonCode) -> bool:
    """Whether the broker speaks another version of MQTT."""
    return reason.value == _VERSION


def unresolved(address: HubAddress) -> BrokerUnreachable:
    """The name has no address."""
    return BrokerUnreachable(
        f"the name of the broker, {address.host!r}, does not resolve", Mend("check the host")
    )


def unreachable(address: HubAddress, error: Exception) -> BrokerUnreachable:
    """No TCP connection."""
    return BrokerUnreachable(
        f"no broker answers at {address} ({text_of(error)})",
        Mend(
            f"is the broker running, and is this its port{', and does it speak TLS' if address.tls else ''}?"
        ),
    )


def silent_broker(address: HubAddress) -> BrokerUnreachable:
    """Something is there, and says nothing."""
    return BrokerUnreachable(
        f"what listens at {address} does not answer as an MQTT broker does",
        Mend(
            "is this the port of the broker, and does it want mqtts:// instead of mqtt://, or the other way round?"
        ),
    )


def insecure(address: HubAddress, error: Exception) -> SecureConnectionFailed:
    """TLS failed."""
    return SecureConnectionFailed(
        f"TLS with the broker at {address} failed: {text_of(error)}",
        Mend(
            "for a broker with a certificate of its own pass ",
            Setting("ca_file", "--ca-file FILE"),
            "; for a broker without TLS use mqtt://",
        ),
    )


def not_accepted(address: HubAddress, reason: ReasonCode, options: BrokerOptions) -> HiveMindError:
    """The broker does not take us."""
    said = printable(str(reason))
    if reason.value in _PASSING:
        return BrokerUnreachable(f"the broker at {address} takes no clients at the moment: {said}")
    what = f"the broker at {address} refused this client: {said}"
    if reason.value in (_BAD_LOGIN, _NOT_AUTHORIZED):
        login = "another login" if options.username else "a login"
        return BrokerRefused(
            what,
            Mend(
                f"it wants {login} at the broker, which is not the hub's key and password: set the options "
                "broker_username and broker_password, or HIVEMIND_MQTT_BROKER_USERNAME and "
                "HIVEMIND_MQTT_BROKER_PASSWORD"
            ),
        )
    if reason.value == _BAD_IDENTIFIER:
        return BrokerRefused(what, Mend("set the option client_id to a name that the broker takes"))
    return BrokerRefused(what)


def no_subscription(address: HubAddress, topic: str, reason: ReasonCode) -> BrokerRefused:
    """We may not read a topic."""
    return BrokerRefused(
        f"the broker at {address} does not let this client read the topic {topic}: {printable(str(reason))}",
        _allow(f"read {topic}"),
    )


def no_publication(address: HubAddress, topic: str, reason: ReasonCode) -> BrokerRefused:
    """We may not write to a topic."""
    return BrokerRefused(
        f"the broker at {address} does not let this client write to the topic {topic}: {printable(str(reason))}",
        _allow(f"write to {topic}"),
    )


def _allow(what: str) -> Mend:
    return Mend(
        f"allow its login at the broker to {what}, where KEY is the access key. If that is allowed already, the key "
        "or the prefix in the address is not the one that is allowed"
    )


def status_never_comes_back(address: HubAddress, topics: Topics) -> BrokerRefused:
    """We have published our status, and the broker did not pass it on to us."""
    topic = topics.shown(topics.status)
    return BrokerRefused(
        f"the broker at {address} does not pass on what this client writes to the topic {topic}",
        _allow(f"read and write {topic}"),
    )


def hub_offline(address: HubAddress, topics: Topics, calls: HubCalls) -> HubOffline:
    """The broker is there, and the hub is not."""
    if calls.is_nobody_there:
        why = f"nobody reads the topic {topics.shown(topics.up)} there"
    elif calls.is_online is False:
        why = f"it does not answer, and its status, {topics.hub_status}, is offline"
    else:
        return _silent_hub(address, topics)
    return HubOffline(
        f"the broker at {address} is there, but the hub is not: {why}",
        Mend(
            "is the hub running, does it use this broker, and is its topic_prefix the path of this address?"
        ),
    )


def _silent_hub(address: HubAddress, topics: Topics) -> HubOffline:
    """Somebody listens, as far as we know, and says nothing."""
    return HubOffline(
        f"the hub behind the broker at {address} does not answer: it is not there, or it does not know the access "
        "key, which over MQTT it does not say",
        Mend(
            "is the hub running? If it is, ",
            *COMPARE_KEYS.parts,
            f". If the keys are the same, let this login read {topics.shown(topics.down)} at the broker",
        ),
    )


def too_narrow(address: HubAddress, largest_packet: int) -> BrokerRefused:
    """The broker does not take what the protocol of the hub needs."""
    return BrokerRefused(
        f"the broker at {address} takes packets of {largest_packet:,} bytes at most, and messages go in pieces of "
        "65,535",
        Mend("let it take packets of 70,000 bytes or more (in mosquitto: max_packet_size)"),
    )


def taken_over(address: HubAddress) -> ConnectionLost:
    """Another satellite has our key."""
    return ConnectionLost(
        f"another satellite has come to the broker at {address} with the same access key",
        Mend("give each satellite a key of its own: over MQTT only one at a time can use a key"),
    )


def hung_up(address: HubAddress, was_open: bool, reason: Optional[ReasonCode] = None) -> HiveMindError:
    """The connection with the broker has ended; `reason` is what the broker said, if it said something."""
    if reason is not None and reason.value == TAKEN_OVER:
        return taken_over(address)
    said = "" if reason is None else f": {printable(str(reason))}"
    if not was_open:
        what = f"the broker at {address} hung up before this client was online{said}"
        wants_tls = "does it want a certificate from you (the option tls_certfile)?"
        return BrokerUnreachable(what, Mend(wants_tls if address.tls else "does it want TLS (mqtts://)?"))
    mends = (Mend("send less at once, or let the broker take larger packets"),) if _is_size(reason) else ()
    return ConnectionLost(f"the connection with the broker at {address} ended{said}", *mends)


def no_mqtt(address: HubAddress, was_open: bool, error: Exception) -> HiveMindError:
    """The broker has sent what cannot be read."""
    what = f"what came from the broker at {address} cannot be read as MQTT ({type(error).__name__})"
    if was_open:
        return ConnectionLost(what)
    return BrokerUnreachable(what, Mend("is this the port of the broker?"))


def _is_size(reason: Optional[ReasonCode]) -> bool:
    return reason is not None and reason.value == _TOO_LARGE
