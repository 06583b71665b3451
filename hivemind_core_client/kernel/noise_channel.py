"""Sealing and opening frames with the two keys of a Noise handshake (docs/protocol.md, "Noise")."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Optional, Union

from hivemind_core_client.kernel.bounds import trusted
from hivemind_core_client.plugins.noise_suites import NONCE_SIZE, counting
from hivemind_core_client.wire.errors import (
    CleartextRefused,
    ConnectionLost,
    EncryptionFailed,
    FrameError,
    FrameTooLarge,
    InvalidMessage,
    Mend,
)
from hivemind_core_client.wire.json_text import utf8
from hivemind_core_client.wire.mends import OLDER_VERSION

if TYPE_CHECKING:
    from hivemind_core_client.plugins.contract import Cipher, Frame

    #: What transport messages carry: a marker and a body each.
    Parts = Iterable[tuple[bytes, Union[bytes, bytearray, memoryview]]]

#: The most bytes of a message that one transport message carries.
CHUNK = 65_000

#: The first byte of what a transport message carries.
_JSON, _BINARY, _FIRST_JSON, _FIRST_BINARY, _MIDDLE, _LAST = (bytes([number]) for number in range(6))


class NoiseChannel:
    """A session of protocol version 3. Whoever seals must send at once and in order: each frame counts.

    `cipher` seals in `suite`, with one of the two `keys` what goes and with the other what comes. Nonces are a counter
    for each direction, from 0 on (Noise revision 34, section 5.1).
    `limit` bounds, in bytes, a message that comes or goes in pieces; `where` names the peer in errors. `takes_pieces`
    is False for a peer that breaks on them.
    """

    def __init__(
        self,
        cipher: Cipher,
        suite: str,
        keys: tuple[bytes, bytes],
        limit: int,
        where: str,
        takes_pieces: bool = True,
    ) -> None:
        self._cipher = cipher
        self._sending_key, self._receiving_key = keys
        self._order, self._step = counting(suite)
        self._next_sent = self._next_received = 0
        self._limit = limit
        self._where = where
        self._takes_pieces = takes_pieces
        self._pieces: Optional[bytearray] = None
        self._is_text = False
        self._skipping = False

    def __repr__(self) -> str:
        """No key: it stays out of logs."""
        return f"<NoiseChannel, {self._cipher.name}, {self._where}>"

    def seal(self, plain: Frame) -> list[Frame]:
        """One transport message, or several for what is longer than CHUNK.

        Raises InvalidMessage beyond the limit, and EncryptionFailed where the cipher fails: nothing is counted then.
        """
        is_text = isinstance(plain, str)
        body = utf8(plain) if isinstance(plain, str) else plain
        parts: Parts = ((_JSON if is_text else _BINARY, body),)
        if len(body) > CHUNK or len(body) > self._limit:
            parts = self._cut(memoryview(body), is_text)
        frames: list[Frame] = []
        number, cipher = self._next_sent, self._cipher
        try:
            for part in parts:
                sealed = cipher.seal(
                    self._sending_key, number.to_bytes(NONCE_SIZE, self._order), b"".join(part)
                )
                if type(sealed) is not bytes:
                    raise TypeError("no bytes")
                frames.append(sealed)
                number += self._step
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a cipher is a plugin: whatever it raises, the message was not sealed
            raise EncryptionFailed(f"{cipher.name} could not seal: {type(error).__name__}") from error
        self._next_sent = number
        return frames

    def open(self, frame: Frame) -> Optional[Frame]:
        """What came whole with this frame, or None.

        Raises ConnectionLost for a frame that does not open at its counter or breaks the order of the pieces, since
        nothing after it can be relied on; CleartextRefused for text, FrameTooLarge beyond the limit,
        both of which cost only that message.
        """
        if isinstance(frame, str):
            raise CleartextRefused("a frame in the clear on a keyed connection was dropped")
        nonce = self._next_received.to_bytes(NONCE_SIZE, self._order)
        try:
            plain = self._cipher.open(self._receiving_key, nonce, bytes(frame))
            marker = plain[:1]
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # ciphers differ in what they raise for a wrong tag, and may even exit
            raise ConnectionLost(
                f"a frame from {self._where} does not open at its place: it was changed, repeated, lost or moved on "
                "the way"
            ) from error
        self._next_received += self._step
        body: Union[bytes, bytearray] = plain[1:]
        if marker != _JSON or self._pieces is not None:  # what hardly any frame is
            whole = self._taken(marker, plain[1:])
            if whole is None or not self._is_text:
                return whole
            body = whole
        try:
            return body.decode()
        except UnicodeDecodeError as error:
            raise FrameError("a sealed text frame holds no UTF-8") from error

    def _cut(self, body: memoryview, is_text: bool) -> Parts:
        """A long message in pieces, each after its marker. Raises InvalidMessage for one that cannot be sent."""
        if len(body) > self._limit:
            raise InvalidMessage(
                f"a message of {len(body)} bytes; the limit is {self._limit}, for what comes and what goes",
                Mend("send it in parts, or raise Limits.assembled on both sides"),
            )
        if not self._takes_pieces:
            raise InvalidMessage(
                f"a message of {len(body)} bytes: {self._where} takes {CHUNK} at most in protocol version 3",
                Mend("pass ", OLDER_VERSION, " to send more"),
            )
        last = (len(body) - 1) // CHUNK * CHUNK
        middle = [(_MIDDLE, body[at : at + CHUNK]) for at in range(CHUNK, last, CHUNK)]
        first = _FIRST_JSON if is_text else _FIRST_BINARY
        return [(first, body[:CHUNK]), *middle, (_LAST, body[last:])]

    def _taken(self, marker: bytes, body: bytes) -> Union[bytes, bytearray, None]:
        """The body of a message that is whole now, or None. `_is_text` says which kind it is."""
        begins = marker in (_JSON, _BINARY, _FIRST_JSON, _FIRST_BINARY)
        if begins == (self._pieces is not None) or not (begins or marker in (_MIDDLE, _LAST)):
            raise ConnectionLost(f"the pieces of a message from {self._where} are out of order")
        if begins:
            self._is_text = marker == _FIRST_JSON
        return body if marker == _BINARY else self._piece(marker, body)

    def _piece(self, marker: bytes, body: bytes) -> Union[bytes, bytearray, None]:
        if self._pieces is None:
            self._pieces, self._skipping = bytearray(), False
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
        return whole if self._is_text else bytes(whole)
