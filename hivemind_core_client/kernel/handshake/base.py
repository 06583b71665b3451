"""What the built-in kinds of handshake share."""

from __future__ import annotations

import hashlib
import logging
from functools import lru_cache
from typing import TYPE_CHECKING

from hivemind_core_client.kernel.crypto import CipherChannel
from hivemind_core_client.plugins.handshake_contract import Terms
from hivemind_core_client.wire.errors import HandshakeError

if TYPE_CHECKING:
    from hivemind_core_client.kernel.options import LinkOptions
    from hivemind_core_client.plugins.contract import HubFacts
    from hivemind_core_client.plugins.registry import Registry
    from hivemind_core_client.wire.json_text import Json

log = logging.getLogger(__name__)


def terms_of(options: LinkOptions, registry: Registry, hub: HubFacts) -> Terms:
    """What these options ask for, with all that is registered where they name nothing."""
    return Terms(
        credentials=options.credentials,
        registry=registry,
        hub=hub,
        ciphers=options.ciphers or registry.unasked_ciphers(),
        encodings=options.encodings or tuple(registry.encodings),
        binarize=options.binarize,
        max_version=options.max_version,
        where=options.where,
        limit=options.limits.assembled,
        make_channel=CipherChannel,
        hindrance=options.hindrance,
        insists=options.insists,
    )


def warn_of_weakness(password: str) -> None:
    """Warn once of a password that is easy to guess: the hub chose it, and a satellite cannot change it."""
    _warn_of_weakness(hashlib.sha256(password.encode()).digest())


@lru_cache(maxsize=64)
def _warn_of_weakness(_digest: bytes) -> None:
    """A password is remembered by its hash alone."""
    log.warning(
        "the password for this hub is easy to guess, and who records a handshake below protocol version 3, or begins "
        "one of version 3 with this access key, can try guesses at leisure: give this client a long random one with "
        "'hivemind-core add-client'"
    )


def envelope_of(answer: Json) -> str:
    """The hub's envelope. Raises HandshakeError when there is none or it is no text."""
    envelope = answer.get("envelope")
    if not isinstance(envelope, str):
        raise HandshakeError("the hub's HANDSHAKE carries no envelope")
    return envelope
