"""The clients that are connected with the embedded hub, and what is sent to them."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Callable, Optional

from websockets.exceptions import ConnectionClosed

from hivemind_core_client.transports.tcp import shut
from hivemind_core_client.wire.errors import HiveMindError

if TYPE_CHECKING:
    from websockets.sync.server import ServerConnection

    from hivemind_core_client.plugins.contract import Frame
    from hivemind_core_client.testing.hub_link import HubLink
    from hivemind_core_client.wire.message import HiveMessage

log = logging.getLogger(__name__)

#: How long a message to all waits for those that are still in their handshake, in seconds.
_HANDSHAKE_WAIT_S = 1.0


class HubClients:
    """Each connection with its HubLink. Whoever waits for a change is woken by `note`."""

    def __init__(self) -> None:
        self.links: dict[ServerConnection, HubLink] = {}
        self._changed = threading.Condition()

    @property
    def sessions(self) -> int:
        """How many have finished their handshake."""
        return sum(link.ready for link in list(self.links.values()))

    def add(self, connection: ServerConnection, link: HubLink) -> None:
        """A client has come."""
        self.note(lambda: self.links.update({connection: link}))

    def remove(self, connection: ServerConnection) -> None:
        """A client has gone."""
        self.note(lambda: self.links.pop(connection, None))

    def note(self, change: Callable[[], object]) -> None:
        """Make this change, and wake who waits."""
        with self._changed:
            change()
            self._changed.notify_all()

    def wait_until(self, reached: Callable[[], bool], seconds: float) -> bool:
        """Wait until `reached()`, which is asked after each change; False when time was over first."""
        with self._changed:
            return self._changed.wait_for(reached, seconds)

    def wait_for_handshakes(self) -> None:
        """Wait a little for clients that are still in their handshake."""
        self.wait_until(lambda: all(link.ready for link in self.links.values()), _HANDSHAKE_WAIT_S)

    def send_where(self, is_for: Callable[[HubLink], bool], message: HiveMessage) -> int:
        """Send a message to those that it is for; returns how many got it."""
        wanted = [connection for connection, link in list(self.links.items()) if is_for(link)]
        return sum(self._send(connection, message) for connection in wanted)

    def pass_on(self, message: HiveMessage, is_for: Callable[[str], bool]) -> None:
        """Send what another client sent to the peers that it is for."""
        for connection, link in list(self.links.items()):
            if is_for(link.peer):
                self.try_to_send(connection, message)

    def try_to_send(self, connection: ServerConnection, message: HiveMessage) -> None:
        """Send a message to one client; one that has no form on the wire is logged."""
        try:
            self._send(connection, message)
        except HiveMindError as error:  # whoever made this message must not end the connections of others
            log.warning("a %s was not passed on: %s", message.msg_type.name, error)

    def send_raw(self, frame: Frame, seal: bool) -> None:
        """Send a frame to all, as it is or sealed."""
        for connection, link in list(self.links.items()):
            with link.writing:
                for piece in link.seal_frame(frame) if seal else [frame]:
                    connection.send(piece)

    def drop(self, code: Optional[int]) -> None:
        """End every connection: with a close frame of `code`, or without one."""
        for connection in list(self.links):
            if code is None:
                shut(connection.socket)
            else:
                connection.close(code)

    def _send(self, connection: ServerConnection, message: HiveMessage) -> bool:
        link = self.links.get(connection)
        if link is None or not link.ready:
            return False
        try:
            with link.writing:  # frames of version 3 count, so they leave in the order they were sealed
                for frame in link.seal(message):
                    connection.send(frame)
        except (ConnectionClosed, OSError) as error:
            log.debug("a client went: %s", error)
            return False
        return True
