"""Making the Link of a connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hivemind_core_client.kernel.bounds import frame_size
from hivemind_core_client.kernel.events import Measured
from hivemind_core_client.kernel.link import Link

if TYPE_CHECKING:
    from hivemind_core_client.config.profile import ClientProfile
    from hivemind_core_client.kernel.events import Event
    from hivemind_core_client.plugins.contract import Frame
    from hivemind_core_client.wire.errors import HiveMindError
    from hivemind_core_client.wire.message import HiveMessage


class MeasuringLink(Link):
    """Says of each message how many bytes its frames had."""

    _size = 0

    def receive(self, frame: Frame, apart: bool = False) -> list[Event]:
        """What a frame from the hub means; see Link."""
        self._size += frame_size(frame)
        return super().receive(frame, apart)

    def _arrived(self, message: HiveMessage) -> list[Event]:
        size, self._size = self._size, 0
        _, *others = super()._arrived(message)
        return [Measured(message, size), *others]

    def _broken(self, error: HiveMindError) -> list[Event]:
        self._size = 0
        return super()._broken(error)


def new_link(profile: ClientProfile, in_turn: bool = True) -> Link:
    """A Link for the next connection, with the settings as they are now; one that measures, where a plugin observes.

    Handlers of plugins are called in turn, or with `in_turn` False at once.
    """
    kind = MeasuringLink if profile.plugins.observes("hivemind_message_arrived") else Link
    return kind(profile.registry, profile.renew_context(), profile.link_options(), in_turn)
