"""Messages, names and keys of peers as text that is safe to show: it may hold what steers a terminal."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from hivemind_client_cli.output import shown
from hivemind_client_cli.ovos_messages import as_text
from hivemind_core_client.wire import keys
from hivemind_core_client.wire.hive_drawing import display_peer
from hivemind_core_client.wire.json_text import Json

if TYPE_CHECKING:
    from hivemind_core_client.plugins.contract import Negotiated

#: So many letters of a key, a hash or a sealed text in a row say nothing to a person.
_LONG_KEY = 40
_KEPT = 8
_KEY_LIKE = re.compile(r"[A-Za-z0-9+/=_-]{40,}")
_SESSION_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}\Z")


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


def short_name(peer: str) -> str:
    """A peer's name as one reads it: a key by its fingerprint, without the id of the session at its end."""
    name, colons, session = peer.rpartition("::")
    return who(name if colons and _SESSION_ID.match(session) else peer)


def short(value: Any) -> Any:
    """A value read from JSON with what nobody reads cut: public keys by their fingerprint, long keys by their start."""
    if isinstance(value, str):
        return _short_text(value)
    if isinstance(value, list):
        return [short(each) for each in value]
    if isinstance(value, dict):
        return {_short_text(name): short(each) for name, each in value.items()}
    return value


def _short_text(text: str) -> str:
    if len(text) < _LONG_KEY:
        return text
    if keys.is_public_key(text):
        return display_peer(text)
    return _KEY_LIKE.sub(lambda found: f"{found[0][:_KEPT]}…", text)
