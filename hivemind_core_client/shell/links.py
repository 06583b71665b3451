"""Making the Link of a connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hivemind_core_client.kernel.bounds import frame_size
from hivemind_core_client.kernel.events import Arrived, Measured
from hivemind_core_client.kernel.link import Link
from hivemind_core_client.kernel.tracing import TracedLink

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
        first, *others = super()._arrived(message)
        return [Measured(message, size) if type(first) is Arrived else first, *others]

    def _broken(self, error: HiveMindError) -> list[Event]:
        self._size = 0
        return super()._broken(error)


class _TracedLink(TracedLink, Link):
    """Tells what happens."""


class _TracedMeasuringLink(TracedLink, MeasuringLink):
    """Tells what happens, and says how many bytes a message had."""


def new_link(profile: ClientProfile, in_turn: bool = True) -> Link:
    """A Link for the next connection, with the settings as they are now.

    It measures where a plugin observes, and tells what happens where somebody traces.

    Handlers of plugins are called in turn, or with `in_turn` False at once.
    """
    measures, tracer = profile.plugins.observes("hivemind_message_arrived"), profile.tracer
    parts = (profile.registry, profile.renew_context(), profile.link_options(), in_turn)
    if tracer is None:
        return (MeasuringLink if measures else Link)(*parts)
    link = (_TracedMeasuringLink if measures else _TracedLink)(*parts)
    link.tracer = tracer
    return link
