"""What a fault in a plugin's handshake is told as."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Callable, TypeVar

from hivemind_core_client.wire.errors import (
    ConnectionLost,
    HandshakeError,
    HubRefused,
    Mend,
    ProtocolError,
    UsageError,
)

if TYPE_CHECKING:
    from hivemind_core_client.plugins.handshake_contract import HandshakeKind
    from hivemind_core_client.plugins.registry import Offered

    #: A kind, and the plugin that it is of.
    OfferedKind = Offered[HandshakeKind]

log = logging.getLogger(__name__)

T = TypeVar("T")

#: What a handshake may raise on purpose.
MEANT = (ProtocolError, HubRefused, ConnectionLost, UsageError)


def guarded(kind: OfferedKind, function: Callable[..., T], *arguments: Any) -> T:
    """What this function of a kind returns. For what it cannot mean to raise, HandshakeError names the plugin."""
    try:
        return function(*arguments)
    except (*MEANT, KeyboardInterrupt):
        raise
    except BaseException as error:  # a plugin may even exit
        log.exception("plugin %s raised in its handshake %r", kind.plugin, kind.item.name)
        raise fault_of(kind, f"raised {type(error).__name__}") from error


def fault_of(kind: OfferedKind, what: str) -> HandshakeError:
    """The error for what a kind does wrong, in words that follow its name."""
    return HandshakeError(
        f"the handshake {kind.item.name!r} of the plugin {kind.plugin} {what}",
        Mend(
            f"block that plugin, or ask its author. HIVEMIND_CLIENT_PLUGINS_BLOCK={kind.plugin} leaves it out"
        ),
    )
