"""One connection with a broker, and what comes over it from the hub. It never waits, but for `connect`.

Both forms of the transport drive it: whoever calls it holds a lock, or is the only one on its loop.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Optional, Union

from paho.mqtt.enums import MQTTProtocolVersion
from paho.mqtt.subscribeoptions import SubscribeOptions

from hivemind_client_mqtt import refusals
from hivemind_client_mqtt.calling import Call, HubCalls, Settling
from hivemind_client_mqtt.frames import Inbox, frame_of, is_hello
from hivemind_client_mqtt.giving_way import give_way, note_push, status_properties
from hivemind_client_mqtt.options import read_options
from hivemind_client_mqtt.reaching import connect, has_unread, new_client, text_properties
from hivemind_client_mqtt.refusals import TAKEN_OVER
from hivemind_core_client.errors import ConnectionLost, HandshakeAgain, HiveMindError
from hivemind_core_client.plugins.contract import Closed

if TYPE_CHECKING:
    from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
    from paho.mqtt.properties import Properties
    from paho.mqtt.reasoncodes import ReasonCode

    from hivemind_core_client.plugins.contract import Frame, TransportSettings

log = logging.getLogger(__name__)

ONLINE, OFFLINE = b"online", b"offline"
#: A frame that says nothing: a hub that gets one from a satellite which it does not know says hello.
WAKE_UP = b"{}"
#: The longest pause between two looks at the keepalive, in seconds.
_LOOK_EACH_S = 5.0
#: What stands in a packet beside topic and payload, in bytes.
_OVERHEAD = 16
#: The most bytes of a frame of protocol version 3, which cuts larger messages into pieces.
_LARGEST_PIECE = 65_535
#: In `TransportSettings.memory`: the broker said that it does not speak MQTT 5.
_IS_OLD = "mqtt is old"
#: The reason of MQTT 5 for a publication that nobody has subscribed to.
_NOBODY = 16


class OlderVersionWanted(Exception):
    """The broker does not speak MQTT 5: the next connection speaks 3.1.1."""


class BrokerConnection:
    """A connection, from its first byte to its last. What has come is in `arrived`: frames, at last how it ended."""

    def __init__(
        self, settings: TransportSettings, before_close: Callable[[], object] = bool, is_old: bool = False
    ) -> None:
        """`before_close` is called before the socket is closed. With `is_old` it speaks MQTT 3.1.1.

        Raises InvalidOption and InvalidCredential.
        """
        self._settings = settings
        self._address: Any = settings.address
        self._options = options = read_options(settings)
        self._topics = options.topics
        is_old = is_old or bool(settings.memory.get(_IS_OLD))
        self._version = MQTTProtocolVersion.MQTTv311 if is_old else MQTTProtocolVersion.MQTTv5
        self.arrived = Inbox()
        self.ending: Union[Closed, Exception, None] = None
        #: Whether we are online: the broker has passed our own status on to us.
        self.is_open = False
        #: The most bytes of a frame that the broker takes; None where it does not say.
        self.largest_frame: Optional[int] = None
        #: Whether the hub has said something.
        self.is_awake = False
        self._is_accepted = self._is_subscribed = self._is_leaving = False
        #: What we have published of our status, and has not come back yet.
        self._expected: deque[bytes] = deque()
        #: The numbers of wake-ups that the broker has to answer.
        self._asked: set[int] = set()
        #: How often the hub has ended what was no session yet.
        self._refusals = 0
        self._settling = Settling(settings.memory)
        is_new = self._version == MQTTProtocolVersion.MQTTv5
        self._calls = HubCalls(settings.deadlines.first_frame, is_new)
        self._next_look = self._last_up = 0.0
        self._before_close = before_close
        self._client = self._new_client()
        self._text_properties = text_properties() if is_new else None

    def _new_client(self) -> Client:
        client = new_client(self._version, self._options)
        client.will_set(self._topics.status, OFFLINE, retain=True)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        client.on_disconnect = self._on_disconnect
        client.on_socket_close = self._on_close
        return client

    def connect(self, is_wanted: Callable[[], bool]) -> None:
        """Connect with the broker, and begin to go online. Blocks. Raises what `reaching.connect` raises.

        `is_wanted` says whether somebody still waits for this.
        """
        give_way(self._settings, self._options, is_wanted)
        if not is_wanted():
            raise ConnectionLost("the connection was closed before it began")
        connect(self._client, self._settings, self._options)

    @property
    def socket(self) -> Any:
        """The socket to wait for; None for a connection that is not there, or has ended."""
        return self._client.socket()

    @property
    def has_more(self) -> bool:
        """Whether something is to be written as soon as the socket takes it."""
        return self.ending is None and self._client.want_write()

    @property
    def has_unread(self) -> bool:
        """Whether TLS has taken more from the socket than was read: the socket does not tell of that."""
        return self.ending is None and has_unread(self._client.socket())

    def read(self) -> None:
        """The socket has something."""
        self._safely(self._client.loop_read)
        while self.has_unread and not self.arrived.is_full:
            self._safely(self._client.loop_read)

    def write(self) -> None:
        """The socket takes something."""
        self._safely(self._client.loop_write)

    def tick(self) -> float:
        """Do what is due. Returns the seconds until something is due again."""
        now = time.monotonic()
        if now >= self._next_look:
            self._next_look = now + min(_LOOK_EACH_S, self._options.keepalive / 4)
            self._safely(self._client.loop_misc)
            self._look_for_silence(now)
        due = self._next_look
        if self._settling.until is not None and self.ending is None:
            if not self._settling.runs_out(now):
                return max(0.0, min(due, self._settling.until) - now)
            self._go_online(now)
        if self._is_calling:
            self._call_hub(now)
            due = min(due, self._calls.next_at)
        return max(0.0, due - now)

    @property
    def _is_calling(self) -> bool:
        return self.is_open and not self.is_awake and self._settling.until is None and self.ending is None

    def publish(self, frame: Frame) -> None:
        """Hand on one frame. The socket may not take it at once: see `has_more`. Raises ConnectionLost."""
        self.check()
        self._last_up = time.monotonic()
        # What MQTT 5 says of a frame: whether it is text.
        told = self._text_properties if isinstance(frame, str) else None
        self._safely(partial(self._client.publish, self._topics.up, frame, properties=told))

    def leave(self) -> None:
        """Tell hub and broker that we go."""
        if self.ending is None and self.socket is not None:
            self._is_leaving = True
            self._client.publish(self._topics.status, OFFLINE, retain=True)
            self._client.disconnect()

    def check_open(self) -> None:
        """Raises why this connection is not open. What the hub has said since then is for who receives."""
        if isinstance(self.ending, Exception):
            raise self.ending

    def close(self) -> None:
        """Close the socket, without a word."""
        found = self._client.socket()
        if found is not None:
            self._is_leaving = True
            found.close()

    def check(self) -> None:
        """Raises what ended this connection, if it has ended."""
        if isinstance(self.ending, Closed):
            raise ConnectionLost(f"the hub at {self._address} has gone: {self.ending.reason}")
        if self.ending is not None:
            raise self.ending

    def next(self) -> Union[Frame, Closed]:
        """The next thing of `arrived`. The end stays there. Raises what ended the connection."""
        return self.arrived.next()

    def late(self) -> HiveMindError:
        """Why this connection is not open after so long."""
        if self._is_subscribed:
            return refusals.status_never_comes_back(self._address, self._topics)
        return refusals.silent_broker(self._address)

    def end(self, ending: Union[Closed, Exception]) -> None:
        """This is how it ends. The first end counts."""
        if self.ending is None:
            self.ending = ending
            self.arrived.end(ending)

    def _safely(self, act: Callable[[], object]) -> None:
        """Let paho act. Whatever a broker sends, nothing comes out of it but the end of the connection."""
        try:
            act()
        except Exception as error:
            log.debug("the MQTT library failed", exc_info=error)
            self.end(refusals.no_mqtt(self._address, self.is_open, error))
        if self._client.socket() is None:
            self.end(refusals.hung_up(self._address, self.is_open))

    def _look_for_silence(self, now: float) -> None:
        """A hub forgets who is silent for too long, and does not say so: then the session is over."""
        limit = self._options.idle_timeout
        if limit and self.is_awake and now - self._last_up >= limit:
            self.end(Closed(1001, f"nothing was sent for {limit:g} s, so it has forgotten this client"))

    def _on_connect(
        self,
        _: Client,
        data: object,
        flags: ConnectFlags,
        reason: ReasonCode,
        properties: Optional[Properties],
    ) -> None:
        if reason.is_failure:
            self._refused(reason)
            return
        self._is_accepted = True
        most = getattr(properties, "MaximumPacketSize", None)
        if most is not None:
            self.largest_frame = most - len(self._topics.up.encode()) - _OVERHEAD
            if self.largest_frame < _LARGEST_PIECE:
                self.end(refusals.too_narrow(self._address, most))
                return
        self._subscribe()

    def _refused(self, reason: ReasonCode) -> None:
        if refusals.is_version(reason) and self._version == MQTTProtocolVersion.MQTTv5:
            self._settings.memory[_IS_OLD] = True
            self.end(OlderVersionWanted())
        else:
            self.end(refusals.not_accepted(self._address, reason, self._options))

    def _subscribe(self) -> None:
        wanted = (self._topics.down, self._topics.status, self._topics.hub_status)
        is_new = self._version == MQTTProtocolVersion.MQTTv5
        how: Any = SubscribeOptions(qos=1) if is_new else 1
        self._client.subscribe([(topic, how) for topic in wanted])

    def _on_subscribe(
        self, _: Client, data: object, mid: int, reasons: list[ReasonCode], properties: Optional[Properties]
    ) -> None:
        for topic, reason in zip((self._topics.down, self._topics.status), reasons):
            if reason.is_failure:
                self.end(refusals.no_subscription(self._address, self._topics.shown(topic), reason))
                return
        self._is_subscribed = True
        self._begin_anew(self._settling.is_needed)

    def _begin_anew(self, settles: bool = True) -> None:
        """Have the hub forget a session that it may still have with us: it takes no wake-up before that."""
        self._say(OFFLINE)
        (self._settling.begin if settles else self._go_online)(time.monotonic())

    def _go_online(self, now: float) -> None:
        self._settling.until = None
        self._say(ONLINE)
        self._call_hub(now)

    def _say(self, status: bytes) -> None:
        self._expected.append(status)
        is_new = self._version == MQTTProtocolVersion.MQTTv5
        whose = status_properties(self._settings.memory) if is_new else None
        self._client.publish(self._topics.status, status, retain=True, properties=whose)

    def _call_hub(self, now: float) -> None:
        """Do what is due, as long as the hub has not said hello."""
        call = self._calls.turn(now)
        if call is Call.BEGIN_ANEW:
            self._begin_anew()
        elif call is Call.WAKE:
            self._wake()
        elif call is Call.ASK:
            asked = self._client.publish(self._topics.up, WAKE_UP, qos=1)
            self._asked.add(asked.mid)
        elif call is Call.GIVE_UP:
            self.end(refusals.hub_offline(self._address, self._topics, self._calls))

    def _wake(self) -> None:
        self._client.publish(self._topics.up, WAKE_UP)

    def _on_publish(
        self, _: Client, data: object, mid: int, reason: ReasonCode, properties: Optional[Properties]
    ) -> None:
        if mid not in self._asked:
            return
        self._asked.discard(mid)
        if reason.is_failure:
            self.end(refusals.no_publication(self._address, self._topics.shown(self._topics.up), reason))
        else:
            was_nobody, self._calls.is_nobody_there = self._calls.is_nobody_there, reason.value == _NOBODY
            if was_nobody and not self._calls.is_nobody_there and self._is_calling:
                self._begin_anew()  # it was away, and may not know that we were too

    def _on_message(self, _: Client, data: object, message: MQTTMessage) -> None:
        topic = message.topic
        if topic == self._topics.down:
            if not message.retain:
                self._arrive(message)
        elif topic == self._topics.status:
            if not message.retain:
                self._own_status(bytes(message.payload).strip())
        elif topic == self._topics.hub_status:
            self._hub_status(bytes(message.payload).strip(), message.retain)

    def _arrive(self, message: MQTTMessage) -> None:
        frame = frame_of(message)
        if not self.is_awake:
            if self._settling.until is not None or not isinstance(frame, str):
                log.debug("a frame of an earlier session came, and is dropped")
                return
            self.is_awake = True
            self._last_up = time.monotonic()
            self._settling.session_begins()
        elif isinstance(frame, str) and is_hello(frame):
            self.end(Closed(1001, "it says hello again, so it had forgotten this client"))
            return
        elif not isinstance(frame, str):
            self._settling.session_stands()
        self.arrived.put(frame)

    def _own_status(self, status: bytes) -> None:
        """Somebody has published our status: we, the hub, or another satellite with our key."""
        if self._expected and status == self._expected[0]:
            self._expected.popleft()
            self.is_open = self.is_open or status == ONLINE
        elif status == ONLINE:
            self.end(refusals.taken_over(self._address))
        elif status == OFFLINE:
            self._hub_ends()

    def _hub_ends(self) -> None:
        """The hub ends our session. If it did not say hello yet, it may have meant the one before."""
        if self._settling.until is not None:
            self._go_online(time.monotonic())
            return
        self._refusals += 1
        if self.is_awake and self._settling.is_late():
            self.end(HandshakeAgain(f"the hub at {self._address} ended a session, maybe the one before this"))
        elif self.is_awake:
            self.end(Closed(1008, "the hub has ended the session"))
        elif self._refusals > 1:
            self.end(Closed(1008, "the hub has ended the session before it began"))
        else:
            self._begin_anew()

    def _hub_status(self, status: bytes, is_kept: bool) -> None:
        if status not in (ONLINE, OFFLINE):
            return
        self._calls.is_online = status == ONLINE
        if is_kept:  # it may be old
            return
        if status == OFFLINE and self.is_awake:
            self.end(Closed(1001, "its status is offline"))
        elif status == ONLINE and self._is_calling:
            self._wake()

    def _on_close(self, *_: object) -> None:
        self._before_close()

    def _on_disconnect(
        self,
        _: Client,
        data: object,
        flags: DisconnectFlags,
        reason: ReasonCode,
        properties: Optional[Properties],
    ) -> None:
        # paho-mqtt 2.1 says that it was a normal end, whatever the broker said.
        told = reason if flags.is_disconnect_packet_from_server and reason.is_failure else None
        if self.is_open and not self._is_leaving and (told is None or told.value == TAKEN_OVER):
            note_push(self._settings.memory)  # mosquitto 2.0.11 does not say so
        if self._is_leaving:
            self.end(Closed(None, "closed here"))
        elif not self._is_accepted and self._version == MQTTProtocolVersion.MQTTv5 and self.ending is None:
            self.end(OlderVersionWanted())  # which may be why it hung up, or it went away: this is not kept
        else:
            self.end(refusals.hung_up(self._address, self.is_open, told))
