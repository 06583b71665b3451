"""Sealing and opening frames with what was negotiated (docs/protocol.md, "Text frames and binary frames")."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Callable

from hivemind_core_client.wire.errors import (
    CleartextRefused,
    DecodingError,
    DecryptionFailed,
    EncryptionFailed,
    FrameError,
    InvalidKeySize,
)
from hivemind_core_client.wire.json_cost import MOST_COST_BYTES
from hivemind_core_client.wire.json_text import json_object, json_string, utf8

if TYPE_CHECKING:
    from hivemind_core_client.plugins.contract import Cipher, Encoding, Frame

#: Messages of this many bytes are sealed in place, where the cipher can: below, the copy is cheaper.
_LARGE = 16384
_FIELDS = ("ciphertext", "tag", "nonce")
_MEND = "got encrypted message, but could not decrypt! The key or password differs from the hub's"


class CipherChannel:
    """One symmetric key, a fresh random nonce for each message (protocol versions 0 to 2).

    Raises InvalidKeySize when the cipher does not take a key of this length.
    """

    def __init__(
        self,
        cipher: Cipher,
        encoding: Encoding,
        key: bytes,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        if len(key) not in cipher.key_sizes:
            sizes = ", ".join(str(size) for size in cipher.key_sizes)
            raise InvalidKeySize(f"{cipher.name} takes a key of {sizes} bytes, not of {len(key)}")
        self._cipher = cipher
        self._encoding = encoding
        self._key = key
        self._random_bytes = random_bytes

    @property
    def names(self) -> tuple[str, str]:
        """The cipher and the encoding, by their names on the wire."""
        return self._cipher.name, self._encoding.name

    def __repr__(self) -> str:
        """Names only: the key stays out of logs."""
        return f"<CipherChannel {self._cipher.name}, {self._encoding.name}>"

    def seal(self, plain: Frame) -> list[Frame]:
        """Text becomes `{"ciphertext", "tag", "nonce"}`, bytes become nonce ‖ ciphertext ‖ tag."""
        data = utf8(plain) if isinstance(plain, str) else bytes(plain)
        is_text, cipher = isinstance(plain, str), self._cipher
        nonce = self._random_bytes(cipher.nonce_size)
        try:
            if cipher.seal_into is not None and len(data) >= _LARGE and not is_text:
                return [self._sealed_in_place(nonce, data)]
            sealed = cipher.seal(self._key, nonce, data)
            return [self._text_frame(nonce, sealed) if is_text else nonce + sealed]
        except KeyboardInterrupt:
            raise
        except (
            BaseException
        ) as error:  # cipher and encoding are plugins: whatever they raise, it was not sealed
            names = f"{cipher.name} with {self._encoding.name}" if is_text else cipher.name
            raise EncryptionFailed(f"{names} could not seal: {type(error).__name__}") from error

    def open(self, frame: Frame) -> Frame:
        """Raises CleartextRefused, FrameError or DecryptionFailed."""
        is_text = isinstance(frame, str)
        nonce, sealed = self._parts(frame) if isinstance(frame, str) else self._slices(bytes(frame))
        if len(nonce) != self._cipher.nonce_size:
            raise FrameError(
                f"a nonce of {len(nonce)} bytes; {self._cipher.name} takes {self._cipher.nonce_size}"
            )
        try:
            plain = bytes(self._cipher.open(self._key, nonce, sealed))
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # ciphers differ in what they raise for a wrong tag, and may even exit
            raise DecryptionFailed(_MEND) from error
        del nonce, sealed  # a large text takes up to four times its bytes now
        try:
            return plain.decode() if is_text else plain
        except UnicodeDecodeError as error:
            raise FrameError("a sealed text frame holds no UTF-8") from error

    def _sealed_in_place(self, nonce: bytes, data: bytes) -> bytearray:
        frame = bytearray(len(nonce) + len(data) + self._cipher.tag_size)
        frame[: len(nonce)] = nonce
        self._cipher.seal_into(self._key, nonce, data, memoryview(frame)[len(nonce) :])  # type: ignore[misc]
        return frame

    def _text_frame(self, nonce: bytes, sealed: bytes) -> str:
        cut, encode = len(sealed) - self._cipher.tag_size, self._encoding.encode
        ciphertext, tag, number = encode(sealed[:cut]), encode(sealed[cut:]), encode(nonce)
        if self._encoding.plain:
            return f'{{"ciphertext":"{ciphertext}","tag":"{tag}","nonce":"{number}"}}'
        return f'{{"ciphertext":{json_string(ciphertext)},"tag":{json_string(tag)},"nonce":{json_string(number)}}}'

    def _parts(self, frame: str) -> tuple[bytes, bytes]:
        """Nonce, and ciphertext with tag, of a text frame."""
        # Three texts cost as much as they are long; anybody on the way can put something else in their place.
        fields = json_object(frame, "a sealed frame", max(MOST_COST_BYTES, 3 * len(frame)))
        if "ciphertext" not in fields:
            raise CleartextRefused("a frame in the clear on a keyed connection was dropped")
        decode = self._encoding.decode
        parts: list[bytes] = []
        for name in _FIELDS:
            text = fields.get(name)
            if text is None and name == "tag":  # the ciphertext has it at its end
                parts.append(b"")
                continue
            if not isinstance(text, str):
                raise FrameError(f"{name!r} of a sealed frame is a {type(text).__name__}, not text")
            try:
                parts.append(decode(text))
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # an encoding is a plugin and may raise anything on a peer's text
                raise DecodingError(f"{name!r} of a sealed frame is not in {self._encoding.name}") from error
        ciphertext, tag, nonce = parts
        return nonce, ciphertext + tag

    def _slices(self, frame: bytes) -> tuple[bytes, bytes]:
        """The same of a binary frame."""
        size = self._cipher.nonce_size
        if len(frame) < size + self._cipher.tag_size:
            raise FrameError(f"a sealed binary frame of {len(frame)} bytes is shorter than nonce and tag")
        return frame[:size], frame[size:]
