"""A client of a hub that shows what comes, frame by frame, and how the connection ended."""

from __future__ import annotations

import time
from base64 import b64encode
from typing import Any, Optional, Union

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from hivemind_core_client import HiveMessage, NodeIdentity
from hivemind_core_client.config.profile import ClientProfile
from hivemind_core_client.kernel.events import Arrived, Event, RunDuringWait, Transmit
from hivemind_core_client.kernel.policy import Limits
from hivemind_core_client.plugins.contract import Frame
from hivemind_core_client.plugins.manager import load_plugins
from hivemind_core_client.shell.links import new_link
from hivemind_core_client.testing import EmbeddedHub
from tests.unit.client_support import PATIENCE
from tests.unit.support import channel_of

#: How a connection ended: code and reason of the close frame (1005 for one without); None in place of both without one.
End = Optional[tuple[int, str]]

#: How many frames a hub sends before anybody asks: HELLO, and the offer.
_GREETING = 2


def query_of(login: str) -> str:
    """The query of a URL, for a login as it stands."""
    return f"?authorization={b64encode(login.encode()).decode()}"


class RawPeer:
    """A socket that is open, or was closed in the place of a greeting.

    `frames` are what came, and `end` how it ended, once `ended`.
    """

    def __init__(self, hub: EmbeddedHub, query: str) -> None:
        self.frames: list[Frame] = []
        self.ended = False
        self.end: End = None
        opening = connect(f"{hub.url}/{query}", compression=None, max_size=None, ping_interval=None)
        self._socket = opening.__enter__()
        try:
            while len(self.frames) < _GREETING:  # a ping tells nothing of what the hub says unasked
                self.take(self._socket.recv(timeout=PATIENCE))
        except ConnectionClosed as closed:
            self._note(closed)

    def __enter__(self) -> RawPeer:
        return self

    def __exit__(self, *exception: object) -> None:
        self._socket.close()

    def say(self, *frames: Union[str, bytes]) -> RawPeer:
        """Send these, and take in what the hub says to them."""
        try:
            for frame in frames:
                self._socket.send(frame)
        except ConnectionClosed as closed:
            self._note(closed)
        return self.settle()

    def settle(self) -> RawPeer:
        """Take in what comes until the hub has dealt with all that was sent: it answers a ping after that."""
        deadline = time.monotonic() + PATIENCE
        try:
            dealt_with = self._socket.ping()
            while True:
                assert time.monotonic() < deadline
                was_dealt_with = dealt_with.is_set()
                try:
                    self.take(self._socket.recv(timeout=0.01))
                except TimeoutError:
                    if was_dealt_with:
                        return self
        except ConnectionClosed as closed:
            self._note(closed)
        return self

    def take(self, frame: Frame) -> None:
        """Something came."""
        self.frames.append(frame)

    def _note(self, closed: ConnectionClosed) -> None:
        self.ended = True
        self.end = (int(closed.rcvd.code), closed.rcvd.reason) if closed.rcvd else None


class SealedPeer(RawPeer):
    """One with a session, unless the hub would not have it. `came` are the messages that came after that."""

    def __init__(
        self,
        hub: EmbeddedHub,
        key: str,
        password: Optional[str] = None,
        session: Optional[dict[str, Any]] = None,
        useragent: str = "probe",
        **options: Any,
    ) -> None:
        settings = {
            "binarize": False,
            "compress": None,
            "ciphers": None,
            "encodings": None,
            "max_protocol_version": None,
            "limits": Limits(),
            "hub_key": None,
            "query_timeout": PATIENCE,
        }
        login = {
            "key": key,
            "password": password,
            "crypto_key": options.pop("crypto_key", None),
            "host": hub.url,
            "port": hub.port,
            "site_id": "kitchen",
        }
        identity = NodeIdentity({"name": key})
        plugins = load_plugins(plugins=())
        profile = ClientProfile.of(identity, login, useragent, plugins, **{**settings, **options})
        self.came: list[HiveMessage] = []
        self.plain: list[Frame] = []
        self.link = new_link(profile)
        if session is not None:
            self.link.context.session.session_id = session.get("session_id", "")
            self.link.context.session.state = session
        self.link.opened()
        super().__init__(hub, query_of(f"{useragent}:{key}"))
        # The end of the handshake, and what our HELLO leads to.
        for _ in range(2):
            self.settle()

    @property
    def session_id(self) -> str:
        """Our session."""
        return self.link.context.session.session_id

    def send(self, message: Union[HiveMessage, str]) -> RawPeer:
        """Seal a message, or a text in the place of one."""
        channel = channel_of(self.link)
        plain = message if isinstance(message, str) else self.link.prepare(message).as_json
        self.came.clear()
        return self.say(*channel.seal(plain))

    def take(self, frame: Frame) -> None:
        """Hand a frame to the link, and do what follows."""
        super().take(frame)
        channel = channel_of(self.link)
        if channel is not None:
            opened = channel.open(frame)
            if opened is not None:
                self.plain.append(opened)
                self._follow(self.link._arrived(self.link._decoder.decode(opened)))
            return
        self._follow(self.link.receive(frame))

    def _follow(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, Transmit):
                for frame in event.frames:
                    self._socket.send(frame)
            elif isinstance(event, RunDuringWait):
                event.work()
            elif isinstance(event, Arrived) and channel_of(self.link) is not None:
                self.came.append(event.message)
