"""Sealing and opening frames with the two cipher states of a Noise handshake (docs/protocol.md, "Noise")."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional, Protocol, Union

from hivemind_core_client.kernel.bounds import trusted
from hivemind_core_client.wire.errors import (
    CleartextRefused,
    ConnectionLost,
    FrameError,
    FrameTooLarge,
    InvalidMessage,
    Mend,
)
from hivemind_core_client.wire.json_text import utf8
from hivemind_core_client.wire.mends import OLDER_VERSION

if TYPE_CHECKING:
    from hivemind_core_client.plugins.contract import Frame

#: The most bytes of a message that one transport message carries.
CHUNK = 65_000

#: The first byte of what a transport message carries.
_JSON, _BINARY, _FIRST_JSON, _FIRST_BINARY, _MIDDLE, _LAST = (bytes([number]) for number in range(6))


class CipherState(Protocol):
    """One direction of a Noise session: a key and a counter (Noise revision 34, section 5.1)."""

    def encrypt_with_ad(self, ad: bytes, plaintext: bytes) -> bytes:
        """The ciphertext at the present counter."""

    def decrypt_with_ad(self, ad: bytes, ciphertext: bytes) -> bytes:
        """The plaintext; raises for one that was not sealed at the present counter."""


class NoiseChannel:
    """A session of protocol version 3. Whoever seals must send at once and in order: each frame counts.

    `limit` bounds, in bytes, a message that comes or goes in pieces; `where` names the peer in errors. `takes_pieces`
    is False for a peer that breaks on them.
    """

    def __init__(
        self,
        sending: CipherState,
        receiving: CipherState,
        limit: int,
        where: str,
        takes_pieces: bool = True,
    ) -> None:
        self._sending = sending
        self._receiving = receiving
        self._limit = limit
        self._where = where
        self._takes_pieces = takes_pieces
        self._pieces: Optional[bytearray] = None
        self._is_text = False
        self._skipping = False

    def __repr__(self) -> str:
        """No key: it stays out of logs."""
        return f"<NoiseChannel, {self._where}>"

    def seal(self, plain: Frame) -> list[Frame]:
        """One transport message, or several for what is longer than CHUNK. Raises InvalidMessage beyond the limit."""
        is_text = isinstance(plain, str)
        body = memoryview(utf8(plain) if isinstance(plain, str) else plain)
        if len(body) > self._limit:
            raise InvalidMessage(
                f"a message of {len(body)} bytes; the limit is {self._limit}, for what comes and what goes",
                Mend("send it in parts, or raise Limits.assembled on both sides"),
            )
        if len(body) <= CHUNK:
            return [self._sealed(_JSON if is_text else _BINARY, body)]
        if not self._takes_pieces:
            raise InvalidMessage(
                f"a message of {len(body)} bytes: {self._where} takes {CHUNK} at most in protocol version 3",
                Mend("pass ", OLDER_VERSION, " to send more"),
            )
        frames: list[Frame] = [self._sealed(_FIRST_JSON if is_text else _FIRST_BINARY, body[:CHUNK])]
        last = (len(body) - 1) // CHUNK * CHUNK
        frames.extend(self._sealed(_MIDDLE, body[at : at + CHUNK]) for at in range(CHUNK, last, CHUNK))
        frames.append(self._sealed(_LAST, body[last:]))
        return frames

    def open(self, frame: Frame) -> Optional[Frame]:
        """What came whole with this frame, or None.

        Raises ConnectionLost for a frame that does not open at its counter or breaks the order of the pieces, since
        nothing after it can be relied on; CleartextRefused for text, FrameTooLarge beyond the limit,
        both of which cost only that message.
        """
        if isinstance(frame, str):
            raise CleartextRefused("a frame in the clear on a keyed connection was dropped")
        try:
            plain = self._receiving.decrypt_with_ad(b"", bytes(frame))
        except Exception as error:  # the two ciphers raise differently for a wrong tag
            raise ConnectionLost(
                f"a frame from {self._where} does not open at its place: it was changed, repeated, lost or moved on "
                "the way"
            ) from error
        if self._pieces is None and plain[:1] == _JSON:  # what nearly every frame is
            return self._text(plain[1:])
        return self._taken(plain[:1], plain[1:])

    def _sealed(self, marker: bytes, body: memoryview) -> bytes:
        return self._sending.encrypt_with_ad(b"", b"".join((marker, body)))

    def _taken(self, marker: bytes, body: bytes) -> Optional[Frame]:
        begins = marker in (_JSON, _BINARY, _FIRST_JSON, _FIRST_BINARY)
        if begins == (self._pieces is not None) or not (begins or marker in (_MIDDLE, _LAST)):
            raise ConnectionLost(f"the pieces of a message from {self._where} are out of order")
        if marker == _BINARY:
            return body
        return self._piece(marker, body)

    def _piece(self, marker: bytes, body: bytes) -> Optional[Frame]:
        if self._pieces is None:
            self._pieces, self._skipping = bytearray(), False
            self._is_text = marker == _FIRST_JSON
        whole, is_last = self._pieces, marker == _LAST
        if is_last:
            self._pieces = None
        if self._skipping:
            return None
        if len(whole) + len(body) > self._limit:
            whole.clear()
            self._skipping = True  # the rest of it is still to come
            raise FrameTooLarge(
                f"a message in pieces is larger than {self._limit} bytes: it was dropped",
                trusted("assembled"),
            )
        whole += body
        if not is_last:
            return None
        return self._text(whole) if self._is_text else bytes(whole)

    def _text(self, body: Union[bytes, bytearray]) -> str:
        try:
            return body.decode()
        except UnicodeDecodeError as error:
            raise FrameError("a sealed text frame holds no UTF-8") from error
