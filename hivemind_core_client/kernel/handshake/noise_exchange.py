"""What both sides of a Noise handshake do alike: its names, its prologue, its keys (docs/protocol.md, "Noise")."""

from __future__ import annotations

import json
from typing import Any, Optional, Union

from hivemind_core_client.wire.json_text import Json

#: The patterns: XXpsk2 shows both static keys under way, for KKpsk0 both sides have pinned the other's.
XX, KK = "XXpsk2", "KKpsk0"


def is_installed() -> bool:
    """Whether poorman-handshake 2 is there, which needs Python 3.10."""
    try:
        import poorman_handshake.noise  # noqa: F401
    except ImportError:
        return False
    return True


def protocol_name(pattern: str, suite: str) -> str:
    """What the Noise specification calls a pattern with a suite."""
    return f"Noise_{pattern}_{suite}"


def prologue_of(hello: Json, offer: Json, name: str) -> bytes:
    """What both sides must have seen alike: the payloads of the hub's HELLO and offer, and the protocol's name."""
    return canonical(hello) + canonical(offer) + name.encode()


def derived_psk(password: Union[str, bytes], node_id: str) -> bytes:
    """The key that a password stands for at the hub of this node id, 32 bytes. Takes 0.1 s to seconds, and 64 MiB."""
    from poorman_handshake.noise import derive_psk

    return bytes(derive_psk(password, node_id=node_id))


def new_exchange(
    begins: bool, name: str, static_key: bytes, psk: bytes, prologue: bytes, remote_key: Optional[bytes]
) -> Any:
    """One side of a Noise handshake, not begun. Raises what the library raises for a key that is none."""
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
    from poorman_handshake.noise import NoiseHandShake

    class Exchange(NoiseHandShake):  # type: ignore[misc]  # untyped
        """With a static key that is given; poorman-handshake takes one from a file only."""

        def _private_bytes(self) -> bytes:
            return static_key

        @property
        def pubkey_bytes(self) -> bytes:
            """Its public half, 32 bytes."""
            return bytes(X25519PrivateKey.from_private_bytes(static_key).public_key().public_bytes_raw())

        def set_psk(self, psk: bytes) -> None:
            """Take another key than the one it was made with; nothing that needs it has been read or written yet."""
            self.noise.set_psks(psk=psk)

    return Exchange(begins, psk=psk, remote_pubkey=remote_key, prologue=prologue, pattern=name.encode())


def keys_of(exchange: Any) -> tuple[bytes, bytes]:
    """The keys of a handshake that is done: what we send is sealed with the first, what we get with the other."""
    sending, receiving = exchange.split()
    return bytes(sending.k), bytes(receiving.k)


def suite_of(exchange: Any) -> str:
    """The suite in which a handshake is made, such as `25519_AESGCM_SHA256`."""
    name = bytes(exchange.noise.noise_protocol.name).decode()
    return name.split("_", 2)[2]


def canonical(payload: Json) -> bytes:
    """A payload as both sides write it for the prologue: keys sorted, no spaces, UTF-8."""
    text = json.dumps(payload, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "surrogatepass")
