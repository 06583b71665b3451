"""All kinds of handshake. A new kind is a new line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hivemind_core_client.kernel.handshake.noise import NoiseHandshake
from hivemind_core_client.kernel.handshake.password import PasswordHandshake
from hivemind_core_client.kernel.handshake.preshared import PresharedHandshake
from hivemind_core_client.kernel.handshake.rsa import RsaHandshake

if TYPE_CHECKING:
    from hivemind_core_client.kernel.handshake.base import Handshake

#: In order of preference.
KINDS: tuple[type[Handshake], ...] = (NoiseHandshake, PresharedHandshake, PasswordHandshake, RsaHandshake)
