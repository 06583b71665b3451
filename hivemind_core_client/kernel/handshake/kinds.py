"""The built-in kinds of handshake, as a plugin offers them."""

from __future__ import annotations

from hivemind_core_client.plugins.handshake_contract import HandshakeKind
from hivemind_core_client.plugins.hookspecs import hookimpl


@hookimpl(trylast=True)
def hivemind_handshakes() -> list[HandshakeKind]:
    """Noise first; a key that was passed on purpose before the password. What they need is imported now, not before."""
    from hivemind_core_client.kernel.handshake.noise import NoiseHandshake
    from hivemind_core_client.kernel.handshake.password import PasswordHandshake
    from hivemind_core_client.kernel.handshake.preshared import PresharedHandshake
    from hivemind_core_client.kernel.handshake.rsa import RsaHandshake

    return [
        HandshakeKind(NoiseHandshake, rank=400),
        HandshakeKind(PresharedHandshake, rank=300),
        HandshakeKind(PasswordHandshake, rank=200),
        HandshakeKind(RsaHandshake, rank=100),
    ]
