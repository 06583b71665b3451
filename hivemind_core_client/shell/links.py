"""Making the Link of a connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hivemind_core_client.kernel.handshake.kinds import KINDS
from hivemind_core_client.kernel.link import Link

if TYPE_CHECKING:
    from hivemind_core_client.config.profile import ClientProfile


def new_link(profile: ClientProfile) -> Link:
    """A Link for the next connection, with the settings as they are now."""
    return Link(profile.registry, profile.renew_context(), profile.link_options(), KINDS)
