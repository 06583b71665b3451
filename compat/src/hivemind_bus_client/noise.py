"""Protocol version 3 by function: the Noise handshake of either side, and the session that follows.

Our clients do all of that by themselves. These names are for hubs, and for who speaks the protocol by hand.
"""

from __future__ import annotations

from collections.abc import Iterable
from os import urandom
from sys import maxsize
from threading import Lock
from typing import Any, Callable, Optional, Union

from hivemind_bus_client._psk_cache import (
    NOISE_PSK_CACHE_SUFFIX as NOISE_PSK_CACHE_SUFFIX,
)
from hivemind_bus_client._psk_cache import (
    clear_cached_psks,
    forget_cached_psk,
    load_cached_psk,
    save_cached_psk,
)
from hivemind_core_client.config.static_keys import static_key_at
from hivemind_core_client.kernel.handshake.choice import NOISE_VERSION
from hivemind_core_client.kernel.handshake.noise_exchange import (
    KK,
    XX,
    derived_psk,
    is_installed,
    keys_of,
    new_exchange,
    prologue_of,
    suite_of,
)
from hivemind_core_client.kernel.handshake.noise_exchange import canonical as canonical_json
from hivemind_core_client.kernel.handshake.noise_exchange import protocol_name as noise_protocol_name
from hivemind_core_client.kernel.noise_channel import CHUNK, NoiseChannel
from hivemind_core_client.kernel.policy import Limits
from hivemind_core_client.plugins.manager import load_plugins
from hivemind_core_client.plugins.noise_suites import STANDARD_SUITES, ciphers_by_suite
from hivemind_core_client.wire.errors import ConnectionLost, HandshakeError, HiveMindError, InvalidMessage
from hivemind_core_client.wire.json_text import Json
from hivemind_core_client.wire.keys import STATIC_KEY_BYTES, static_key

__all__ = [
    "CHUNK_SIZE",
    "MAX_REASSEMBLY_BYTES",
    "NOISE_PATTERNS",
    "NOISE_PATTERN_KK",
    "NOISE_PATTERN_XX",
    "NOISE_SUITES",
    "NOISE_SUITE_AESGCM",
    "NOISE_SUITE_CHACHA",
    "NOISE_SUPPORTED",
    "PROTOCOL_V3",
    "NoiseHandshakeFailed",
    "NoiseTransport",
    "NoiseTransportFailed",
    "build_prologue",
    "canonical_json",
    "clear_cached_psks",
    "derive_psk",
    "forget_cached_psk",
    "load_cached_psk",
    "noise_protocol_name",
    "save_cached_psk",
    "select_noise_options",
    "start_noise_handshake",
]

#: Whether this Python can speak version 3.
NOISE_SUPPORTED = is_installed()
PROTOCOL_V3 = NOISE_VERSION
NOISE_PATTERN_XX, NOISE_PATTERN_KK = XX, KK
#: In order of preference, and so are the suites.
NOISE_PATTERNS = [NOISE_PATTERN_KK, NOISE_PATTERN_XX]
NOISE_SUITE_CHACHA, NOISE_SUITE_AESGCM = STANDARD_SUITES["CHACHA20-POLY1305"], STANDARD_SUITES["AES-GCM"]
NOISE_SUITES = [NOISE_SUITE_CHACHA, NOISE_SUITE_AESGCM]
#: The most bytes of a message that one frame carries, and of a message that comes in several.
CHUNK_SIZE, MAX_REASSEMBLY_BYTES = CHUNK, Limits().assembled


class NoiseHandshakeFailed(HandshakeError):
    """The handshake cannot go on: it is not finished, cannot begin, or a key is none."""


class NoiseTransportFailed(ConnectionLost):
    """A frame did not open at its place, or is no part of a message: nothing after it can be relied on."""


def build_prologue(hello_payload: Json, handshake_payload: Json, protocol_name: str) -> bytes:
    """What both sides must have seen alike: the hub's HELLO and offer, and the protocol's name."""
    return prologue_of(hello_payload, handshake_payload, protocol_name)


def derive_psk(password: Union[str, bytes], node_id: str) -> bytes:
    """The key that a password stands for at the hub of this node id, 32 bytes. Takes 0.1 s to seconds, and 64 MiB."""
    return derived_psk(password, node_id)


def select_noise_options(
    server_patterns: Iterable[str], server_suites: Iterable[str], pinned_remote_key: Optional[str] = None
) -> Optional[tuple[str, str]]:
    """The pattern and the suite for what a hub offers, by our preference; None where nothing fits.

    KKpsk0 needs the hub's static key to be pinned.
    """
    patterns, suites = list(server_patterns), list(server_suites)
    suite = next((suite for suite in NOISE_SUITES if suite in suites), None)
    ours = NOISE_PATTERNS if pinned_remote_key else [NOISE_PATTERN_XX]
    pattern = next((pattern for pattern in ours if pattern in patterns), None)
    return (pattern, suite) if pattern is not None and suite is not None else None


def start_noise_handshake(
    initiator: bool,
    pattern: str,
    suite: str,
    password: Union[str, bytes, None],
    node_id: str,
    prologue: bytes,
    key_path: Optional[str] = None,
    remote_pubkey: Optional[str] = None,
    *,
    psk: Optional[bytes] = None,
    cache_scope: Optional[str] = None,
) -> Any:
    """One side of a handshake: `write_message(payload)`, `read_message(message)`, `handshake_finished`.

    The static key is in the file `key_path`; one is made where there is none, and without a path for this handshake
    alone. `remote_pubkey` is the other's static key in 64 hex digits, for KKpsk0. `psk`, 32 bytes, goes before
    `password`, from which the key is derived for the hub of this `node_id`. An initiator keeps that key beside its
    static key, by `cache_scope`, its access key. Raises ValueError without a password and a key, and
    NoiseHandshakeFailed.
    """
    if not NOISE_SUPPORTED:
        raise NoiseHandshakeFailed("protocol version 3 needs Python 3.10 or later, and poorman-handshake 2")
    if psk is None:
        if password is None:
            raise ValueError("a password, or the key that was derived from it, is needed")
        psk = _psk_of(password, node_id, key_path if initiator else None, cache_scope)
    name = noise_protocol_name(pattern, suite)
    try:
        key = static_key_at(key_path) if key_path else urandom(STATIC_KEY_BYTES)
        remote = static_key(remote_pubkey) if pattern == NOISE_PATTERN_KK else None
        return new_exchange(initiator, name, key, psk, prologue, remote)
    except Exception as error:  # whatever the library raises for a name that is none, or a key
        raise NoiseHandshakeFailed(f"a handshake {name} cannot begin: {error}") from error


class NoiseTransport:
    """A session: what a handshake that is finished comes to. May be used by several threads.

    `remote_static_key` is the other's static key in 64 hex digits, `handshake_hash` what names this session for both.
    A message that comes in several frames has `max_reassembly_bytes` at most. Raises NoiseHandshakeFailed for a
    handshake that is not finished.
    """

    def __init__(self, handshake: Any, max_reassembly_bytes: int = MAX_REASSEMBLY_BYTES) -> None:
        if not handshake.handshake_finished:
            raise NoiseHandshakeFailed("the handshake is not finished")
        suite, keys = suite_of(handshake), keys_of(handshake)
        cipher = ciphers_by_suite(load_plugins().require().ciphers.values())[suite]
        remote = handshake.remote_pubkey
        self.remote_static_key: Optional[str] = remote.hex() if remote else None
        self.handshake_hash: Optional[bytes] = handshake.handshake_hash
        # One for each direction: what goes out is bounded by who takes it.
        self._sending = NoiseChannel(cipher, suite, keys, maxsize, "the peer")
        self._receiving = NoiseChannel(cipher, suite, keys, max_reassembly_bytes, "the peer")
        self._sending_lock, self._receiving_lock = Lock(), Lock()

    @classmethod
    def of_channel(cls, channel: NoiseChannel, remote_static_key: Optional[str] = None) -> NoiseTransport:
        """The session that a handshake of one of our clients came to; it has no `handshake_hash`."""
        transport = cls.__new__(cls)
        transport.remote_static_key, transport.handshake_hash = remote_static_key, None
        transport._sending = transport._receiving = channel
        transport._sending_lock, transport._receiving_lock = Lock(), Lock()
        return transport

    def encrypt_frame(self, payload: Union[str, bytes]) -> bytes:
        """The one frame of a message: text for JSON, bytes for a binary frame.

        Frames must be sent in the order of these calls. Raises InvalidMessage for one longer than CHUNK_SIZE, which
        `send_message` can send.
        """
        body = payload.encode("utf-8", "surrogatepass") if isinstance(payload, str) else payload
        if len(body) > CHUNK_SIZE:
            raise InvalidMessage(
                f"a message of {len(body)} bytes does not fit into one frame of {CHUNK_SIZE}"
            )
        with self._sending_lock:
            return _as_bytes(self._sending.seal(payload)[0])

    def send_message(self, payload: Union[str, bytes], raw_send: Callable[[bytes], Any]) -> None:
        """Call `raw_send(frame)` for each frame of a message, in order, and with no other message between."""
        with self._sending_lock:
            for frame in self._sending.seal(payload):
                raw_send(_as_bytes(frame))

    def decrypt_frame(self, data: bytes) -> Union[str, bytes, None]:
        """The message that is whole with this frame, text for JSON; None where more of it is to come.

        Raises NoiseTransportFailed, after which the connection is of no more use.
        """
        with self._receiving_lock:
            try:
                plain = self._receiving.open(bytes(data))
            except HiveMindError as error:
                raise NoiseTransportFailed(str(error)) from error
        return bytes(plain) if isinstance(plain, bytearray) else plain


def _psk_of(
    password: Union[str, bytes], node_id: str, key_path: Optional[str], scope: Optional[str]
) -> bytes:
    """The key that is kept beside the static key, else one that is derived now, and kept."""
    psk = load_cached_psk(key_path, node_id, scope)
    if psk is None:
        psk = derive_psk(password, node_id)
        save_cached_psk(key_path, node_id, psk, scope)
    return psk


def _as_bytes(frame: Union[str, bytes, bytearray]) -> bytes:
    """A sealed frame, which is never text in this version."""
    return frame.encode() if isinstance(frame, str) else bytes(frame)
