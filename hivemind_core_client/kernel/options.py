"""What a connection is asked to do, and what this node can prove itself with."""

from __future__ import annotations

from typing import Callable, Optional, Protocol

from attrs import field, frozen

from hivemind_core_client.kernel.policy import Limits
from hivemind_core_client.wire.errors import HandshakeError, Mend
from hivemind_core_client.wire.mends import RESET_PGP

#: The highest protocol version this kernel speaks.
MAX_PROTOCOL_VERSION = 3


class NoiseKeys(Protocol):
    """What this node keeps for the Noise handshakes with one hub. Keys are 32 bytes.

    `kk_in_doubt` is True from the beginning of a handshake of pattern KKpsk0 until a handshake succeeds. `end_refused`
    is True from the first time that the hub refused the end of an XXpsk2 until it takes one.
    """

    kk_in_doubt: bool
    end_refused: bool

    def noise_key(self) -> bytes:
        """Our private static key (X25519); one is made where there is none."""

    def pinned(self) -> Optional[bytes]:
        """The hub's static key, where one is pinned."""

    def pin(self, key: bytes) -> None:
        """Pin the hub's static key."""

    def psk(self, node_id: str) -> Optional[bytes]:
        """The key once derived from our password for the hub of this name, where it is remembered."""

    def keep_psk(self, node_id: str, psk: bytes) -> None:
        """Remember a derived key that fitted."""

    def drop_psk(self, node_id: str) -> None:
        """Forget a derived key that did not fit."""


def _no_private_key() -> str:
    raise HandshakeError(
        "the hub asks for an RSA handshake, and this node has no RSA key", Mend("run ", RESET_PGP, joint=": ")
    )


@frozen
class Credentials:
    """What this node can prove itself with; nothing of it is ever shown.

    `crypto_key` is the pre-shared key in bytes. `private_key` returns PEM text and is called only when an RSA
    handshake needs it; `public_key` likewise. `hub_key` is the hub's public key in PEM text where it
    is pinned, else the one in the hub's HELLO counts. `noise` is what Noise handshakes need; without it there are none.
    """

    password: Optional[str] = field(default=None, repr=False)
    crypto_key: Optional[bytes] = field(default=None, repr=False)
    private_key: Callable[[], str] = field(default=_no_private_key, repr=False)
    public_key: Callable[[], str] = field(default=str, repr=False)
    hub_key: Optional[str] = field(default=None, repr=False)
    noise: Optional[NoiseKeys] = field(default=None, repr=False)


@frozen
class LinkOptions:
    """What a connection is asked to do.

    `ciphers` and `encodings` are wire names in order of preference; empty means all, the fastest first.
    `compress` is True, False, or None for whichever is shorter. `where` names the hub in errors.
    """

    where: str
    credentials: Credentials = field(factory=Credentials)
    ciphers: tuple[str, ...] = ()
    encodings: tuple[str, ...] = ()
    binarize: bool = True
    compress: Optional[bool] = True
    max_version: int = MAX_PROTOCOL_VERSION
    limits: Limits = field(factory=Limits)
