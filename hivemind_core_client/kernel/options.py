"""What a connection is asked to do, and what this node can prove itself with."""

from __future__ import annotations

from typing import Optional

from attrs import field, frozen

from hivemind_core_client.kernel.policy import Limits
from hivemind_core_client.plugins.handshake_contract import Credentials as Credentials
from hivemind_core_client.plugins.handshake_contract import NoiseKeys as NoiseKeys

#: The highest protocol version this kernel speaks.
MAX_PROTOCOL_VERSION = 3


@frozen
class LinkOptions:
    """What a connection is asked to do.

    `ciphers` and `encodings` are wire names in order of preference; empty means all, the fastest first.
    `compress` is True, False, or None for whichever is shorter. `where` names the hub in errors. `hindrance` says why
    the transport keeps `max_version` below what was asked for, empty where it does not; `insists` that the user named
    a version which it cannot do.
    """

    where: str
    credentials: Credentials = field(factory=Credentials)
    ciphers: tuple[str, ...] = ()
    encodings: tuple[str, ...] = ()
    binarize: bool = True
    compress: Optional[bool] = True
    max_version: int = MAX_PROTOCOL_VERSION
    hindrance: str = ""
    insists: bool = False
    limits: Limits = field(factory=Limits)
