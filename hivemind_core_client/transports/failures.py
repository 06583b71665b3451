"""What can be said of a connection that does not open, or breaks: the same words for every transport."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

from hivemind_core_client.kernel.closing import is_redirect, pointed_elsewhere, refuses_key
from hivemind_core_client.plugins.transport_contract import Closed as Closed
from hivemind_core_client.wire.errors import (
    ConnectionLost,
    HiveMindError,
    HubUnreachable,
    KeyRefused,
    Mend,
    NotAHub,
    SecureConnectionFailed,
    Setting,
)
from hivemind_core_client.wire.text import text_of

if TYPE_CHECKING:
    from hivemind_core_client.config.settings import Address

#: What hubs take as installed, in bytes: the default of their WebSocket server.
_COMMON_LIMIT = 10 * 2**20
#: The reference client's words, so that a search for them finds ours.
_OTHERS_SAY = "(other clients say: timed out waiting for handshake)"


def unresolved(address: Address) -> HubUnreachable:
    """The name has no address."""
    return HubUnreachable(
        f"the name {address.host!r} does not resolve", Mend(f"check the host {_OTHERS_SAY}")
    )


def unreachable(address: Address, error: Exception) -> HubUnreachable:
    """No TCP connection."""
    return HubUnreachable(
        f"nothing listens at {address} ({text_of(error)})",
        Mend(f"is the hub running, and is this its port? {_OTHERS_SAY}"),
    )


def insecure(address: Address, error: Exception) -> SecureConnectionFailed:
    """TLS failed."""
    return SecureConnectionFailed(
        f"TLS with {address} failed: {text_of(error)}",
        Mend(
            "for a hub with a certificate of its own pass ",
            Setting("ca_file", "--ca-file FILE"),
            ", or ",
            Setting("self_signed=True", "--self-signed"),
            f" to pin it at first use; for a hub without TLS use {address.schemes[0]}://",
        ),
    )


def no_websocket(address: Address, error: Exception) -> NotAHub:
    """Something answers, but does not upgrade."""
    return NotAHub(
        f"{address} answers, but not as a WebSocket ({type(error).__name__})",
        Mend(
            "is this the hub's port, and does it want wss:// instead of ws://, or the other way round?",
        ),
    )


def bad_status(address: Address, status: Optional[int], location: Optional[str] = None) -> HiveMindError:
    """It answers with another HTTP status than it should, maybe with a `Location`."""
    if refuses_key(status):
        return KeyRefused(f"{address} refused the access key with HTTP status {status}")
    if is_redirect(status):
        return pointed_elsewhere(str(address), status, location or "")
    return NotAHub(
        f"{address} answers with HTTP status {status} and no WebSocket", Mend("is this the hub's port?")
    )


def silent(address: Address, ping_timeout: float) -> ConnectionLost:
    """A ping was not answered."""
    return ConnectionLost(f"{address} did not answer a ping within {ping_timeout:g} s")


def not_taken(address: Address, seconds: float) -> ConnectionLost:
    """The hub takes no more bytes; a part of a message may have left."""
    return ConnectionLost(
        f"{address} takes no more messages: it has taken nothing of this one for {seconds:g} s, so it was cut off"
    )


def broken(address: Address, error: Exception, while_sending: bool = False) -> ConnectionLost:
    """The connection broke."""
    what = f"the connection with {address} broke{' while sending' if while_sending else ''}"
    if isinstance(error, HiveMindError):
        return ConnectionLost.because(what, error)
    return ConnectionLost(f"{what}: {text_of(error)}")


def no_utf8(address: Address) -> ConnectionLost:
    """A text message was none."""
    return ConnectionLost(f"{address} sent a text message that is no UTF-8")


def closed_here(address: Address) -> ConnectionLost:
    """It was closed on our side."""
    return ConnectionLost(f"the connection with {address} is closed")


def explained(error: ConnectionLost, size: int) -> ConnectionLost:
    """The error for a message of `size` bytes: hubs hang up on one that is too large for them without saying why."""
    if size <= _COMMON_LIMIT:
        return error
    return error.with_mends(
        Mend(f"the message had {size / 2**20:.1f} MiB: as installed, hubs take 10 MiB and hang up on more")
    )
