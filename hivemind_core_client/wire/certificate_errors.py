"""The error about a certificate that is not the pinned one."""

from __future__ import annotations

from hivemind_core_client.wire.errors import HubRefused, Mend
from hivemind_core_client.wire.keys import BY_AUTHORITY
from hivemind_core_client.wire.mends import forget_certificate


class HubCertificateChanged(HubRefused):
    """The hub's TLS certificate is not the one that is pinned for its address (docs/security.md, "Certificates")."""

    def __init__(self, where: str, hub: str, pinned: str, shown: str) -> None:
        former = (
            "one that verifies was pinned, and this one does not"
            if pinned == BY_AUTHORITY
            else f"pinned is SHA-256 {pinned}"
        )
        super().__init__(
            f"the hub at {where} shows another certificate than the one pinned for it: {former}, "
            f"shown SHA-256 {shown}",
            Mend(
                "another machine answers in its place, or the hub has a new certificate. Ask its owner for the "
                "fingerprint, and only if it is the one shown run ",
                forget_certificate(hub),
            ),
        )
        self.pinned, self.shown = pinned, shown
