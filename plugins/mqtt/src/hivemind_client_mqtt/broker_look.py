"""A look at the broker for `hivemind-client doctor`: what it allows, and who is there."""

from __future__ import annotations

import queue
import secrets
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Callable, Optional

from attrs import define, field
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.subscribeoptions import SubscribeOptions

from hivemind_client_mqtt.options import read_options
from hivemind_client_mqtt.reaching import connect

if TYPE_CHECKING:
    from hivemind_client_mqtt.topics import Topics
    from hivemind_core_client.plugins.contract import TransportSettings

ONLINE, OFFLINE = b"online", b"offline"
_WAKE_UP = b"{}"
#: The reason of MQTT 5 for a publication that nobody has subscribed to.
_NOBODY = 16
#: How long the broker may take to answer, and what has to come may take, in seconds.
_ANSWER_S, _COMES_S = 5.0, 2.0


@define
class Seen:
    """What a look at the broker showed.

    `denied` says what the broker does not allow, without the key. `hub_status` is what is retained. `is_heard` says
    whether somebody reads what we publish for the hub, and `is_answered` whether something came for us then. Both are
    None where nothing was published.
    """

    topics: Topics = field(repr=False)
    denied: list[str] = field(factory=list)
    hub_status: Optional[bytes] = None
    is_heard: Optional[bool] = None
    is_answered: Optional[bool] = None


class BrokerLook:
    """One connection with the broker beside that of the client.

    It publishes only if it `may_publish`: what it publishes ends the session of a satellite that is online.
    """

    def __init__(self, settings: TransportSettings, may_publish: bool) -> None:
        self._settings = settings
        self._options = read_options(settings)
        self._topics = self._options.topics
        self._may_publish = may_publish
        self._events: queue.Queue[tuple[object, Any]] = queue.Queue()
        #: What has come: the answers of the broker by what they answer, payloads by topic.
        self._came: dict[object, Any] = {}
        self._client = self._new_client()

    def seen(self) -> Seen:
        """Look. Raises what connecting raises, and TimeoutError for a broker that does not answer as MQTT 5 has it."""
        found = Seen(self._topics)
        try:
            connect(self._client, self._settings, self._options)
            self._client.loop_start()
            self._wait_for("connected")
            self._read(found)
            if self._may_publish and not found.denied:
                self._write(found)
        finally:
            self._client.disconnect()
            self._client.loop_stop()
        return found

    def _new_client(self) -> Client:
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"hm-{secrets.token_hex(10)}",
            protocol=MQTTProtocolVersion.MQTTv5,
            reconnect_on_failure=False,
        )
        if self._options.username is not None or self._options.password is not None:
            client.username_pw_set(self._options.username, self._options.password)
        put: Callable[[tuple[object, Any]], None] = self._events.put
        client.on_connect = lambda _, data, flags, reason, more: put(("connected", reason))
        client.on_subscribe = lambda _, data, mid, reasons, more: put(("subscribed", reasons))
        client.on_publish = lambda _, data, mid, reason, more: put((mid, reason))
        client.on_message = lambda _, data, message: put((message.topic, bytes(message.payload).strip()))
        return client

    def _wait_for(self, what: object, seconds: float = _ANSWER_S) -> Any:
        """What has come, or comes within some seconds. Raises TimeoutError."""
        deadline = time.monotonic() + seconds
        while what not in self._came:
            try:
                key, value = self._events.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise TimeoutError(f"no {what} within {seconds:g} s") from None
            self._came[key] = value
        return self._came[what]

    def _comes(self, topic: str) -> Any:
        """What is published on a topic, or None."""
        with suppress(TimeoutError):
            return self._wait_for(topic, _COMES_S)
        return None

    def _read(self, found: Seen) -> None:
        topics = self._topics
        wanted = (topics.down, topics.status, topics.hub_status)
        self._client.subscribe([(topic, SubscribeOptions(qos=1)) for topic in wanted])
        for topic, reason in zip(wanted[:2], self._wait_for("subscribed")):
            if reason.is_failure:
                found.denied.append(f"to read {topics.shown(topic)}")
        found.hub_status = self._comes(topics.hub_status)

    def _write(self, found: Seen) -> None:
        topics = self._topics
        self._came.pop(topics.status, None)
        for topic, payload in ((topics.status, OFFLINE), (topics.up, _WAKE_UP)):
            reason = self._publish(topic, payload)
            if reason.is_failure:
                found.denied.append(f"to write to {topics.shown(topic)}")
            elif topic == topics.up:
                found.is_heard = reason.value != _NOBODY
        if not found.denied and self._comes(topics.status) is None:
            found.denied.append(f"to read {topics.shown(topics.status)}")
        if found.is_heard:
            found.is_answered = self._comes(topics.down) is not None
            self._publish(topics.status, OFFLINE)  # so the hub forgets that it was called

    def _publish(self, topic: str, payload: bytes) -> Any:
        """Publish, and return the reason that the broker gives."""
        sent = self._client.publish(topic, payload, qos=1, retain=topic == self._topics.status)
        return self._wait_for(sent.mid)
