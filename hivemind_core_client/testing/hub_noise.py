"""The hub's half of a Noise handshake (protocol version 3)."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Optional

from hivemind_core_client.kernel.handshake.choice import NOISE_VERSION
from hivemind_core_client.kernel.handshake.noise_exchange import (
    KK,
    XX,
    derived_psk,
    keys_of,
    new_exchange,
    prologue_of,
    protocol_name,
)
from hivemind_core_client.kernel.noise_channel import NoiseChannel
from hivemind_core_client.plugins.contract import Cipher
from hivemind_core_client.plugins.noise_suites import ciphers_by_suite
from hivemind_core_client.plugins.registry import Registry
from hivemind_core_client.wire.errors import HandshakeError, HubRefused
from hivemind_core_client.wire.json_text import Json, json_object
from hivemind_core_client.wire.keys import fingerprint
from hivemind_core_client.wire.text import few_of

log = logging.getLogger(__name__)

_MOST_ASSEMBLED_BYTES = 32 * 2**20


def noise_offer(is_pinned: bool, suites: Iterable[str]) -> Json:
    """The field `noise` of an offer. KKpsk0 is for a client whose static key is pinned."""
    return {"patterns": [XX, KK] if is_pinned else [XX], "suites": sorted(suites, reverse=True)}


def warn_without_suites(
    versions: tuple[int, int], ciphers: Optional[tuple[str, ...]], registry: Registry
) -> None:
    """Warn where a hub is to offer version 3, and none of the ciphers that it allows belongs to a suite of Noise."""
    allowed = tuple(registry.ciphers) if ciphers is None else ciphers
    known = [registry.ciphers[name] for name in allowed if name in registry.ciphers]
    if versions[1] >= NOISE_VERSION and not ciphers_by_suite(known):
        log.warning(
            "this hub offers protocol version %d, and nobody can speak it: none of its ciphers (%s) belongs to a suite "
            "of Noise. List AES-GCM or CHACHA20-POLY1305 too",
            NOISE_VERSION,
            few_of(allowed),
        )


class NoiseResponder:
    """Feed it the field `noise` of the client's HANDSHAKEs; once `channel` is there, both sides own the keys.

    `offered` are the payloads of the hub's HELLO and of its offer, `ciphers` what seals in each suite of that.
    """

    version = NOISE_VERSION

    def __init__(
        self,
        password: str,
        node_id: str,
        static_key: bytes,
        pinned: Optional[bytes],
        offered: tuple[Json, Json],
        ciphers: dict[str, Cipher],
    ) -> None:
        self.channel: Optional[NoiseChannel] = None
        self.client_key = pinned or b""
        self.binarize = False
        self._psk = pre_shared_key(password, node_id)
        self._static_key = static_key
        self._pinned = pinned
        self._offered = offered
        self._ciphers = ciphers
        self._suite = ""
        self._exchange: Any = None

    def receive(self, noise: Any) -> Optional[Json]:
        """The field `noise` of the answer, or None when there is nothing to say.

        Raises HandshakeError for what does not verify, and HubKeyChanged for a static key that is not the pinned one.
        """
        message = _message_of(noise)
        if self._exchange is None:
            return self._next(noise, message)
        self._read(message)
        self._finish()
        return None

    def _next(self, noise: Json, message: bytes) -> Json:
        offer = self._offered[1]["noise"]
        pattern, suite = noise.get("pattern"), noise.get("suite")
        if pattern not in offer["patterns"] or suite not in offer["suites"]:
            raise HandshakeError("the client chose what was not offered")
        self._suite = str(suite)
        name = protocol_name(str(pattern), self._suite)
        prologue = prologue_of(*self._offered, name)
        remote = self._pinned if pattern == KK else None
        self._exchange = new_exchange(False, name, self._static_key, self._psk, prologue, remote)
        self.binarize = json_object(self._read(message).decode("utf-8", "replace")).get("binarize") is True
        answer = self._exchange.write_message(b"{}")
        if self._exchange.handshake_finished:
            self._finish()
        return {"msg": answer.hex()}

    def _read(self, message: bytes) -> bytes:
        try:
            return bytes(self._exchange.read_message(message))
        except Exception as error:  # whatever the library raises: it does not verify
            raise HandshakeError("a Noise message of the client does not verify") from error

    def _finish(self) -> None:
        self.client_key = self._exchange.remote_pubkey
        if self._pinned not in (None, self.client_key):
            pinned, shown = fingerprint(self._pinned or b""), fingerprint(self.client_key)
            raise HubRefused(
                f"the client shows the static key {shown}, and {pinned} is pinned for its access key"
            )
        cipher, keys = self._ciphers[self._suite], keys_of(self._exchange)
        self.channel = NoiseChannel(cipher, self._suite, keys, _MOST_ASSEMBLED_BYTES, "the client")


def _message_of(noise: Any) -> bytes:
    try:
        return bytes.fromhex(noise["msg"])
    except (KeyError, TypeError, ValueError) as error:
        raise HandshakeError("the client's HANDSHAKE carries no Noise message") from error


#: Derived once in a process.
pre_shared_key = lru_cache(maxsize=64)(derived_psk)
