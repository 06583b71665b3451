"""Messages, names and keys of peers as text that is safe to show: it may hold what steers a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hivemind_client_cli.output import shown
from hivemind_client_cli.ovos_messages import as_text
from hivemind_core_client.wire import keys
from hivemind_core_client.wire.hive_drawing import display_peer
from hivemind_core_client.wire.json_text import Json

if TYPE_CHECKING:
    from hivemind_core_client.plugins.contract import Negotiated


def plain(text: str) -> str:
    """`text` on one line, with a question mark for what cannot be seen; of any length."""
    return shown(" ".join(text.split()))


def described(msg_type: str, data: Json) -> str:
    """One line for an OVOS message: speech as it is, anything else as type and data."""
    return plain(as_text({"type": msg_type, "data": data}))


def who(peer: object) -> str:
    """A peer's name on one line; a public key by its fingerprint, and `?` for no name."""
    return plain(display_peer(peer)) if isinstance(peer, str) and peer else "?"


def handshake_of(agreed: Negotiated) -> str:
    """The kind of handshake that was made, with its pattern where it has one: `noise XXpsk2`."""
    return f"{agreed.kind} {agreed.pattern}" if agreed.pattern else agreed.kind


def fingerprint(pem: str | None) -> str | None:
    """The fingerprint of a public key; None for none."""
    return keys.fingerprint(pem) if pem else None
