"""Checks of `hivemind-client doctor`: what the broker allows, and what the hub has said of itself."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Optional

from hivemind_core_client.errors import (
    BrokerUnreachable,
    HiveMindError,
    HubTimeout,
    Mend,
    SecureConnectionFailed,
    Setting,
)
from hivemind_core_client.wire.mends import COMPARE_KEYS
from hivemind_core_client.wire.text import described

if TYPE_CHECKING:
    from hivemind_client_cli import DoctorCheck, Finding
    from hivemind_client_mqtt.broker_look import Seen
    from hivemind_client_mqtt.topics import Topics
    from hivemind_core_client import HiveMessageBusClient

log = logging.getLogger(__name__)

_SCHEMES = ("mqtt", "mqtts")
#: With these there is no broker to look at.
_NOBODY_THERE = (BrokerUnreachable, SecureConnectionFailed, HubTimeout)


class BrokerChecks:
    """The checks of one run, which look at the broker once."""

    def __init__(self) -> None:
        self._looked = False
        self._seen: Optional[Seen] = None

    def all(self) -> list[DoctorCheck]:
        """In their order. They have nothing to say of other transports, or of a broker that cannot be reached."""
        from hivemind_client_cli import DoctorCheck

        return [
            DoctorCheck("topics", self._topics, needs_session=False),
            DoctorCheck("hub's status", self._hub_status, needs_session=False),
        ]

    def _topics(self, client: HiveMessageBusClient) -> Optional[Finding]:
        from hivemind_client_cli import Finding

        seen = self._look(client)
        if seen is None:
            return None
        if seen.denied:
            return Finding("fail", f"the broker does not allow {', '.join(seen.denied)}", _allow(seen.topics))
        shown = seen.topics.shown
        if seen.is_heard is False:
            return Finding("warn", f"allowed, but nobody reads {shown(seen.topics.up)}", _call_hub())
        if seen.is_answered is False:
            return Finding("warn", f"nothing came on {shown(seen.topics.down)}", _silence(seen.topics))
        return Finding("ok", "the broker allows what this client needs")

    def _hub_status(self, client: HiveMessageBusClient) -> Optional[Finding]:
        from hivemind_client_cli import Finding

        seen = self._look(client)
        if seen is None:
            return None
        topic, stands = seen.topics.hub_status, client.connected_event.is_set()
        if seen.hub_status == b"online":
            return Finding("ok", f"{topic} is online")
        if stands:
            return Finding("ok", f"{topic} is {_said(seen.hub_status)}, though the hub answers")
        mend = Mend(
            "start the hub; if it has another name, set the option ",
            Setting("hub_name"),
            "; let this login read the topic",
        )
        return Finding("warn", f"{topic} is {_said(seen.hub_status)}", mend)

    def _look(self, client: HiveMessageBusClient) -> Optional[Seen]:
        if client.profile.settings.address.scheme not in _SCHEMES:
            return None
        if not self._looked:
            self._looked = True
            self._seen = _look(client)
        return self._seen


def _look(client: HiveMessageBusClient) -> Optional[Seen]:
    from hivemind_client_mqtt.broker_look import BrokerLook

    stands = client.connected_event.is_set()
    if not stands and isinstance(client.last_error, _NOBODY_THERE):
        return None
    try:
        return BrokerLook(client.transport_settings(), may_publish=not stands).seen()
    except (HiveMindError, OSError) as error:  # the doctor's own steps have said why
        log.debug("the broker could not be looked at: %s", described(error))
        return None


def _said(status: Optional[bytes]) -> str:
    return "empty" if status is None else "offline" if status == b"offline" else "no status"


def _allow(topics: Topics) -> Mend:
    up, down, status = (topics.shown(topic) for topic in (topics.up, topics.down, topics.status))
    return Mend(
        f"let this login write to {up}, read {down}, and read and write {status} (docs/mqtt.md has an ACL)"
    )


def _call_hub() -> Mend:
    return Mend("start the hub; its broker and its topic_prefix must be those of this address")


def _silence(topics: Topics) -> Mend:
    return Mend(f"let this login read {topics.shown(topics.down)} at the broker, or ", *COMPARE_KEYS.parts)
