"""What a node keeps for the Noise handshakes with one hub, in its identity."""

from __future__ import annotations

import hashlib
import logging
from typing import TYPE_CHECKING, Callable, Optional

from hivemind_core_client.wire.errors import IdentityFileError

if TYPE_CHECKING:
    from hivemind_core_client.config.identity import NodeIdentity
    from hivemind_core_client.config.settings import Settings

log = logging.getLogger(__name__)


class HubKeys:
    """The keys for the hub of these settings; `plugins.handshake_contract.NoiseKeys` says what each is.

    The pin is filed under `pinned_as`, by default the hub's address. Where the identity file cannot be written, what
    was learned is kept as long as this object, and a warning logged.
    """

    def __init__(self, identity: NodeIdentity, settings: Settings, pinned_as: Optional[str] = None) -> None:
        self.kk_in_doubt = self.end_refused = False
        self.settings = settings
        self._address = pinned_as or settings.address.pin_name
        self._identity = identity
        self._owner = _owner(settings.key, settings.password or "")
        self._unsaved_pin: Optional[bytes] = None
        self._dropped: set[str] = set()

    def of(self, settings: Settings) -> HubKeys:
        """The keys for other settings. At the same address, a pin that could not be saved is kept."""
        other = HubKeys(self._identity, settings)
        if other._address == self._address:
            other._unsaved_pin = self._unsaved_pin
        return other

    def noise_key(self) -> bytes:
        """Our static key. Raises IdentityFileError where one must be made and cannot be written."""
        return self._identity.static_key()

    def pinned(self) -> Optional[bytes]:
        """The hub's static key, if one is pinned. Raises IdentityFileError for a pin that cannot be read."""
        pin = self._identity.get_pinned_noise_key(self._address)
        return self._unsaved_pin if pin is None else bytes.fromhex(pin)

    def pin(self, key: bytes) -> None:
        """Pin the hub's static key."""
        saved = self._try(lambda: self._identity.pin_noise_key(self._address, key.hex()))
        self._unsaved_pin = None if saved else key  # a pin in the file may be forgotten there

    def psk(self, node_id: str) -> Optional[bytes]:
        """The remembered key for the hub of this name."""
        return None if node_id in self._dropped else self._identity.derived_key(self._owner, node_id)

    def keep_psk(self, node_id: str, psk: bytes) -> None:
        """Remember a derived key."""
        if self._try(lambda: self._identity.keep_derived_key(self._owner, node_id, psk)):
            self._dropped.discard(node_id)

    def drop_psk(self, node_id: str) -> None:
        """Forget a derived key."""
        if not self._try(lambda: self._identity.drop_derived_key(self._owner, node_id)):
            self._dropped.add(node_id)

    def _try(self, write: Callable[[], None]) -> bool:
        try:
            write()
        except IdentityFileError as error:
            log.warning(
                "what was learned of the hub at %s is kept in memory only, so the next start is a first contact again, "
                "which takes whatever hub there is: %s",
                self._address,
                error,
            )
            return False
        return True


def _owner(access_key: str, password: str) -> str:
    # Of the password 8 bits only: enough to tell that it was changed, too few to try guesses against.
    check = hashlib.sha256(f"{access_key}:{password}".encode()).hexdigest()[:2]
    return f"{access_key}:{check}"
