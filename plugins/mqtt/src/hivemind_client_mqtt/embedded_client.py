"""One client of the embedded broker: its packets, read and written."""

from __future__ import annotations

import secrets
import socket
import threading
from contextlib import suppress
from queue import SimpleQueue
from typing import Optional

from attrs import define, field, frozen
from paho.mqtt.client import topic_matches_sub

PUBLISH, DISCONNECT = 3, 14
_PUBACK = 4
MQTT_5 = 5
#: Reasons of MQTT 5, and what MQTT 3.1.1 says for them.
NOT_AUTHORIZED, BAD_VERSION = 135, 132
_OLD_REASONS = {NOT_AUTHORIZED: 5, BAD_VERSION: 1}
#: How long a client that is hung up on may take to read what waits for it, in seconds.
_FINISH_S = 2.0


@frozen
class Message:
    """One that is published."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    #: Those of MQTT 5, as they came: their length, and then what they are.
    properties: bytes = b"\0"


@define
class Packet:
    """The bytes of a packet, read from the front."""

    body: bytes
    size: int
    at: int = 0
    mid: int = 0

    @property
    def has_more(self) -> bool:
        """Whether not all of it was read."""
        return self.at < len(self.body)

    def take(self, count: int) -> bytes:
        """The next bytes. Raises ValueError if there are not so many."""
        if self.at + count > len(self.body):
            raise ValueError("a packet ends too early")
        self.at += count
        return self.body[self.at - count : self.at]

    def byte(self) -> int:
        """The next byte."""
        return self.take(1)[0]

    def number(self) -> int:
        """A number of two bytes."""
        return int.from_bytes(self.take(2), "big")

    def data(self) -> bytes:
        """Bytes with their length before them."""
        return self.take(self.number())

    def text(self) -> str:
        """The same as text."""
        return self.data().decode("utf-8")

    def skip_properties(self) -> None:
        """Leave out what MQTT 5 has here."""
        length = shift = 0
        while True:
            byte = self.byte()
            length |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        self.take(length)


@define(eq=False)
class BrokerClient:
    """One client of the broker."""

    socket: socket.socket
    name: str = ""
    version: int = MQTT_5
    #: The name that the broker gave it, if it had none.
    given_name: str = ""
    will: Optional[Message] = None
    #: What it has subscribed to, with the highest QoS.
    topics: dict[str, int] = field(factory=dict)
    _mid: int = 0
    _out: SimpleQueue[Optional[bytes]] = field(factory=SimpleQueue)
    _writer: Optional[threading.Thread] = None

    def hears(self, topic: str) -> bool:
        """Whether it has subscribed to this topic."""
        return any(topic_matches_sub(topics, topic) for topics in self.topics)

    def read(self) -> tuple[int, int, Packet]:
        """Kind, flags and the rest of the next packet. Raises OSError at the end."""
        head = self._exactly(1)[0]
        length = shift = 0
        while True:
            byte = self._exactly(1)[0]
            length |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        return head >> 4, head & 15, Packet(self._exactly(length), length + 1 + shift // 7)

    def _exactly(self, count: int) -> bytes:
        found = bytearray()
        while len(found) < count:
            piece = self.socket.recv(count - len(found))
            if not piece:
                raise ConnectionResetError("the client has gone")
            found += piece
        return bytes(found)

    def introduce(self, packet: Packet) -> tuple[str, str]:
        """Read who it is. Returns user name and password."""
        packet.text()
        self.version = packet.byte()
        flags = packet.byte()
        packet.number()
        if self.version == MQTT_5:
            packet.skip_properties()
        self.name = packet.text()
        if not self.name:
            self.name = self.given_name = f"embedded-{secrets.token_hex(8)}"
        if flags & 4:
            if self.version == MQTT_5:
                packet.skip_properties()
            self.will = Message(packet.text(), packet.data(), flags >> 3 & 3, bool(flags & 32))
        user = packet.text() if flags & 128 else ""
        return user, packet.text() if flags & 64 else ""

    def greet(self, reason: int, largest_packet: Optional[int]) -> None:
        """Say whether it may come in."""
        if self.version < MQTT_5:
            self.write(2, 0, bytes([0, _OLD_REASONS.get(reason, reason)]))
            return
        properties = b"" if largest_packet is None else b"\x27" + largest_packet.to_bytes(4, "big")
        if self.given_name:
            properties += b"\x12" + len(self.given_name).to_bytes(2, "big") + self.given_name.encode()
        self.write(2, 0, bytes([0, reason, len(properties)]) + properties)

    def message(self, flags: int, packet: Packet) -> Message:
        """What it publishes."""
        topic, qos = packet.text(), flags >> 1 & 3
        packet.mid = packet.number() if qos else 0
        began = packet.at
        if self.version == MQTT_5:
            packet.skip_properties()
        properties = packet.body[began : packet.at] or b"\0"
        return Message(topic, packet.body[packet.at :], qos, bool(flags & 1), properties)

    def answer(self, mid: int, reason: int) -> None:
        """Say that a message of QoS 1 has come."""
        self.write(_PUBACK, 0, mid.to_bytes(2, "big") + (bytes([reason]) if self.version == MQTT_5 else b""))

    def pass_on(self, message: Message) -> None:
        """Give it a message. It does not have to say that it has it."""
        most = max(
            (qos for topics, qos in self.topics.items() if topic_matches_sub(topics, message.topic)),
            default=0,
        )
        qos = min(message.qos, most)
        body = len(message.topic.encode()).to_bytes(2, "big") + message.topic.encode()
        if qos:
            self._mid = self._mid % 65535 + 1
            body += self._mid.to_bytes(2, "big")
        if self.version == MQTT_5:
            body += message.properties
        self.write(PUBLISH, qos << 1 | message.retain, body + message.payload)

    def write(self, kind: int, flags: int, body: bytes) -> None:
        """Send a packet, behind those before it."""
        if self._writer is None:
            self._writer = threading.Thread(target=self._write, name="embedded-broker-writes", daemon=True)
            self._writer.start()
        length, head = len(body), bytearray([kind << 4 | flags])
        while length > 127:
            head.append(length & 127 | 128)
            length >>= 7
        head.append(length)
        self._out.put(bytes(head) + body)

    def _write(self) -> None:
        with suppress(OSError):
            while (packet := self._out.get()) is not None:
                self.socket.sendall(packet)
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)

    def finish(self) -> None:
        """Wait until it has got what waits for it."""
        if self._writer is not None:
            self._writer.join(_FINISH_S)

    def hang_up(self, reason: Optional[int] = None) -> None:
        """End the connection, once it has got what waits for it."""
        if reason is not None and self.version == MQTT_5:
            self.write(DISCONNECT, 0, bytes([reason, 0]))
        if self._writer is None:
            with suppress(OSError):
                self.socket.shutdown(socket.SHUT_RDWR)
        self._out.put(None)
