"""What the connections of one client are opened with, and what their transport remembers from one to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional

from hivemind_core_client.plugins.contract import TransportSettings

if TYPE_CHECKING:
    from hivemind_core_client.config.profile import ClientProfile
    from hivemind_core_client.config.tls import Tls
    from hivemind_core_client.kernel.policy import Deadlines


class TransportMemory:
    """What the transport of one client remembers from one connection to the next."""

    def __init__(self) -> None:
        self._memory: dict[str, Any] = {}
        self._memory_of: object = None

    def settings(
        self,
        profile: ClientProfile,
        worker: object,
        tls: Tls,
        deadlines: Deadlines,
        ping: tuple[Optional[float], float],
    ) -> TransportSettings:
        """For the next connection of this worker; the memory is a new one for another worker, or other settings."""
        settings, limits = profile.settings, profile.options.limits
        # Whoever connects anew is told of a refusal at once: that makes another worker.
        if self._memory_of != (worker, settings, profile.place):
            self._memory, self._memory_of = {}, (worker, settings, profile.place)
        return TransportSettings(
            address=profile.place,
            url=profile.url(),
            useragent=settings.useragent,
            key=settings.key,
            tls=tls.at(settings.address),
            deadlines=deadlines,
            largest_frame=limits.frame,
            largest_early=limits.unauthenticated,
            ping_interval=ping[0],
            ping_timeout=ping[1],
            options=profile.transport_options(),
            memory=self._memory,
        )
