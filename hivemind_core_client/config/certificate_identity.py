"""What an identity holds for TLS: the certificates of hubs that are pinned, by `host:port`."""

from __future__ import annotations

from hivemind_core_client.config.key_files import CERTIFICATES, identity_at, place_of
from hivemind_core_client.config.stored_identity import StoredIdentity
from hivemind_core_client.wire.errors import IdentityFileError, InvalidOption, Mend
from hivemind_core_client.wire.keys import certificate_pin
from hivemind_core_client.wire.mends import forget_certificate


class CertificateIdentity(StoredIdentity):
    """The part of NodeIdentity that TLS needs. Every change is written at once, and nothing else with it."""

    @property
    def pinned_certificates(self) -> dict[str, str]:
        """The certificates pinned for hubs: `host:port` → their SHA-256, 32 pairs of hex digits such as `3F:A0:…`.

        `authority` stands for a certificate that an authority of this system has signed. Entries that make no sense
        are left out.
        """
        pins = {hub: certificate_pin(pin) for hub, pin in self._entries(CERTIFICATES).items()}
        return {hub: pin for hub, pin in pins.items() if pin is not None}

    def get_pinned_certificate(self, hub: str) -> str | None:
        """What is pinned for the hub at `host:port`, as the file has it now, or None; see `pinned_certificates`.

        Raises IdentityFileError for what is no fingerprint: as if nothing was pinned, anybody would be trusted.
        """
        pins = self._current(CERTIFICATES)
        if isinstance(pins, dict) and hub not in pins:
            return None
        pin = certificate_pin(pins[hub]) if isinstance(pins, dict) else None
        if pin is None:
            raise IdentityFileError(
                f"{identity_at(self.path)}: what {CERTIFICATES!r} says of {hub} is no SHA-256 of a certificate",
                Mend(
                    "correct it; or ask the hub's owner for the fingerprint, and run ",
                    forget_certificate(hub),
                    ": the next contact pins what the hub shows",
                ),
                about=(CERTIFICATES,),
                place=place_of(self.path),
            )
        return pin

    def pin_certificate(self, hub: str, fingerprint: str) -> None:
        """Pin a certificate for the hub at `host:port` by its SHA-256: hex digits, with or without colons.

        Raises InvalidOption for anything else.
        """
        pin = certificate_pin(fingerprint)
        if pin is None:
            raise InvalidOption("the SHA-256 of a certificate has 64 hex digits, with or without colons")
        self._write_entries(CERTIFICATES, {hub: pin})

    def forget_certificate(self, hub: str) -> bool:
        """Pin no certificate for `host:port` any more; False if none was."""
        with self._lock:
            pins = self._current(CERTIFICATES)
            if isinstance(pins, dict) and hub not in pins:
                return False
            self._write_entries(CERTIFICATES, {hub: None})
            return True
