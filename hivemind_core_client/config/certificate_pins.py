"""The certificates that a client has pinned: those of its identity, and those that could not be written there."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Callable, Optional

from hivemind_core_client.wire.errors import IdentityFileError
from hivemind_core_client.wire.keys import BY_AUTHORITY

if TYPE_CHECKING:
    from hivemind_core_client.config.identity import NodeIdentity

log = logging.getLogger(__name__)


class CertificatePins:
    """What is pinned for hubs, by `host:port`. `identity` tells the identity that keeps it."""

    def __init__(self, identity: Callable[[], NodeIdentity]) -> None:
        self._identity = identity
        self._unsaved: dict[str, str] = {}

    def get(self, hub: str) -> Optional[str]:
        """What is pinned. Raises IdentityFileError for a pin that cannot be read."""
        return self._identity().get_pinned_certificate(hub) or self._unsaved.get(hub)

    def keep(self, hub: str, pin: str) -> None:
        """Pin a certificate, and say so: nobody has vouched for it."""
        try:
            self._identity().pin_certificate(hub, pin)
            self._unsaved.pop(hub, None)
        except IdentityFileError as error:
            self._unsaved[hub] = pin
            log.warning(
                "the certificate of %s is pinned in memory only, until this program ends: %s", hub, error
            )
        if pin == BY_AUTHORITY:
            log.info("the certificate of %s verifies: one that does not is refused from now on", hub)
        else:
            log.warning(
                "the certificate of %s does not verify, so it is pinned now: another one is refused from now on. "
                "Compare its SHA-256 fingerprint with the hub's owner: %s",
                hub,
                pin,
            )
