"""A small MQTT broker in this process, for tests: MQTT 3.1.1 and 5, QoS 0 and 1, retained messages and last wills."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Optional, Union

from attrs import evolve
from paho.mqtt.client import topic_matches_sub

from hivemind_client_mqtt.embedded_client import (
    BAD_VERSION,
    DISCONNECT,
    MQTT_5,
    NOT_AUTHORIZED,
    PUBLISH,
    BrokerClient,
    Message,
    Packet,
)
from hivemind_core_client.testing.certificates import server_context

_CONNECT, _SUBSCRIBE, _PINGREQ = 1, 8, 12
#: Reasons of MQTT 5.
_TAKEN_OVER, _TOO_LARGE, _NOBODY = 142, 149, 16

Listener = Callable[[str, bytes], None]


class EmbeddedBroker:
    """A broker on loopback. To be used in `with`, or with `start` and `stop`.

    `logins` are the passwords by user name; None takes everybody. `denied` are filters of topics that clients may
    neither write nor read. It tells them in MQTT 5 alone. `largest_packet` is in
    bytes. Without `speaks_new` it takes MQTT 3.1.1 alone. `tls` is True or the SSLContext of a server: with True, the
    broker makes a certificate (`ca_file`). `published` has what clients have published: topic, payload, QoS, and
    whether it is retained.
    """

    host = "127.0.0.1"

    def __init__(
        self,
        logins: Optional[Mapping[str, str]] = None,
        denied: tuple[str, ...] = (),
        largest_packet: Optional[int] = None,
        speaks_new: bool = True,
        tls: Union[bool, ssl.SSLContext, None] = None,
        port: int = 0,
    ) -> None:
        self.port = port
        self.denied = denied
        self.largest_packet = largest_packet
        self.published: list[tuple[str, bytes, int, bool]] = []
        self._logins = logins
        self._speaks_new = speaks_new
        self._tls, self.ca_file = server_context(tls, self.host)
        self._lock = threading.RLock()
        self._clients: dict[str, BrokerClient] = {}
        self._kept: dict[str, Message] = {}
        self._listeners: list[tuple[str, Listener]] = []
        self._server: Optional[socket.socket] = None

    @property
    def url(self) -> str:
        """`mqtt://127.0.0.1:PORT`, or `mqtts://`."""
        return f"{'mqtts' if self._tls else 'mqtt'}://{self.host}:{self.port}"

    @property
    def client_ids(self) -> list[str]:
        """Who is connected."""
        with self._lock:
            return list(self._clients)

    @property
    def kept(self) -> dict[str, bytes]:
        """The retained messages by topic."""
        with self._lock:
            return {topic: message.payload for topic, message in self._kept.items()}

    def start(self) -> EmbeddedBroker:
        """Listen. A broker that was stopped has forgotten what it kept, and listens on the same port."""
        self._server = socket.create_server((self.host, self.port))
        self.port = self._server.getsockname()[1]
        threading.Thread(
            target=self._accept, args=(self._server,), name="embedded-broker", daemon=True
        ).start()
        return self

    def stop(self) -> None:
        """Hang up on everybody, and forget what was kept."""
        server, self._server = self._server, None
        if server is not None:
            with suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            server.close()
        with self._lock:
            clients = list(self._clients.values())
            self._kept.clear()
        for client in clients:
            client.will = None
            client.hang_up()

    def __enter__(self) -> EmbeddedBroker:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def drop(self, reason: Optional[int] = None) -> None:
        """Hang up on all clients, as a broken network does; their last wills are published.

        `reason` is one of MQTT 5 that they are told.
        """
        with self._lock:
            clients = list(self._clients.values())
        for client in clients:
            client.hang_up(reason)

    def listen(self, topics: str, listener: Listener) -> None:
        """Call this with topic and payload of what is published from now on."""
        with self._lock:
            self._listeners.append((topics, listener))

    def ignore(self, listener: Listener) -> None:
        """Do not call this any more."""
        with self._lock:
            self._listeners = [found for found in self._listeners if found[1] != listener]

    def publish(self, topic: str, payload: bytes, qos: int = 0, retain: bool = False) -> bool:
        """Publish for everybody. Returns whether somebody has subscribed to the topic."""
        return self._publish(Message(topic, payload, qos, retain))

    def _publish(self, message: Message) -> bool:
        topic, payload = message.topic, message.payload
        with self._lock:
            if message.retain:
                self._kept[topic] = message
            clients = [client for client in self._clients.values() if client.hears(topic)]
            for client in clients:
                client.pass_on(evolve(message, retain=False))
            listeners = [listener for topics, listener in self._listeners if topic_matches_sub(topics, topic)]
        for listener in listeners:
            listener(topic, payload)
        return bool(clients or listeners)

    def _accept(self, server: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection, _ = server.accept()
                threading.Thread(
                    target=self._serve, args=(connection,), name="embedded-broker-client", daemon=True
                ).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError, ValueError, IndexError):
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
            client = BrokerClient(connection)
            try:
                if self._admit(client):
                    while self._turn(client):
                        pass
            finally:
                self._forget(client)
                client.finish()
        connection.close()

    def _admit(self, client: BrokerClient) -> bool:
        """The first packet. Returns whether there are to be others."""
        kind, _, packet = client.read()
        if kind != _CONNECT:
            return False
        user, password = client.introduce(packet)
        reason = self._reason_against(client, user, password)
        if reason:
            client.will = None
            client.greet(reason, None)
            return False
        with self._lock:
            former = self._clients.pop(client.name, None)
        if former is not None:
            former.hang_up(_TAKEN_OVER)
            self._tell_will(former)
        with self._lock:
            self._clients[client.name] = client
        client.greet(0, self.largest_packet)
        return True

    def _reason_against(self, client: BrokerClient, user: str, password: str) -> int:
        if client.version > (MQTT_5 if self._speaks_new else MQTT_5 - 1):
            return BAD_VERSION
        if self._logins is not None and self._logins.get(user) != password:
            return NOT_AUTHORIZED
        return 0

    def _turn(self, client: BrokerClient) -> bool:
        """One packet. Returns whether there are to be others."""
        kind, flags, packet = client.read()
        if self.largest_packet is not None and packet.size > self.largest_packet:
            client.hang_up(_TOO_LARGE)
            return False
        if kind == PUBLISH:
            self._take(client, flags, packet)
        elif kind == _SUBSCRIBE:
            self._subscribe(client, packet)
        elif kind == _PINGREQ:
            client.write(13, 0, b"")
        elif kind == DISCONNECT:
            client.will = None
            return False
        return True

    def _take(self, client: BrokerClient, flags: int, packet: Packet) -> None:
        message = client.message(flags, packet)
        if self._denies(message.topic):
            reason = NOT_AUTHORIZED
        else:
            with self._lock:
                self.published.append((message.topic, message.payload, message.qos, message.retain))
            heard = self._publish(message)
            reason = 0 if heard else _NOBODY
        if message.qos:
            client.answer(packet.mid, reason)

    def _subscribe(self, client: BrokerClient, packet: Packet) -> None:
        mid = packet.number()
        if client.version == MQTT_5:
            packet.skip_properties()
        wanted = []
        while packet.has_more:
            wanted.append((packet.text(), packet.byte() & 3))
        codes = [
            NOT_AUTHORIZED if self._denies(topics) and client.version == MQTT_5 else qos
            for topics, qos in wanted
        ]
        body = mid.to_bytes(2, "big") + (b"\0" if client.version == MQTT_5 else b"") + bytes(codes)
        with self._lock:
            client.topics.update({topics: qos for topics, qos in wanted if not self._denies(topics)})
            client.write(9, 0, body)
            for kept in self._kept.values():
                if any(topic_matches_sub(topics, kept.topic) for topics, _ in wanted):
                    client.pass_on(kept)

    def _denies(self, topic: str) -> bool:
        return any(topic_matches_sub(denied, topic) for denied in self.denied)

    def _forget(self, client: BrokerClient) -> None:
        with self._lock:
            if self._clients.get(client.name) is client:
                del self._clients[client.name]
        client.hang_up()
        self._tell_will(client)

    def _tell_will(self, client: BrokerClient) -> None:
        will, client.will = client.will, None
        if will is not None and not self._denies(will.topic):
            self._publish(will)
