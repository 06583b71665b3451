"""The seven encodings of sealed text frames, the fastest for both sides first."""

from __future__ import annotations

import binascii
import importlib.util
import logging
import struct
from base64 import b32decode, b32encode
from functools import cache
from typing import Any, Callable

from hivemind_core_client.plugins.contract import Encoding
from hivemind_core_client.plugins.hookspecs import hookimpl

try:
    import msgspec
except ImportError:
    _has_msgspec = False
else:
    _has_msgspec = True

_TO_URLSAFE = str.maketrans("+/", "-_")
_FROM_URLSAFE = str.maketrans("-_", "+/")


@hookimpl(trylast=True)
def hivemind_encodings() -> list[Encoding]:
    """Base64 and hex in C first; base91 and z85 where `z85base91` is installed; base32, the slowest, last."""
    return [
        Encoding("JSON-B64", b64_text, b64_bytes, plain=True),
        Encoding("JSON-URLSAFE-B64", _urlsafe_text, _urlsafe_bytes, plain=True),
        Encoding("JSON-HEX", bytes.hex, bytes.fromhex, plain=True),
        *_dense(),
        Encoding("JSON-B32", _b32_text, b32decode, plain=True),
    ]


def standard_b64_text(data: bytes) -> str:
    """Base64 by the standard library."""
    return binascii.b2a_base64(data, newline=False).decode("ascii")


def standard_b64_bytes(text: str) -> bytes:
    """The same read. Raises ValueError."""
    data = binascii.a2b_base64(text)
    if len(text) != (len(data) + 2) // 3 * 4:  # a2b_base64 skips what is no base64
        raise ValueError("characters that are not base64")
    return data


def fast_b64_bytes(text: str) -> bytes:
    """The same by msgspec, in a third of the time: in its JSON, too, bytes are base64."""
    try:
        return msgspec.convert(text, bytes)
    except msgspec.MsgspecError:
        raise ValueError("characters that are not base64") from None


#: Base64 by the fastest library that is installed.
b64_text: Callable[[bytes], str] = msgspec.to_builtins if _has_msgspec else standard_b64_text
b64_bytes: Callable[[str], bytes] = fast_b64_bytes if _has_msgspec else standard_b64_bytes


def _urlsafe_text(data: bytes) -> str:
    return b64_text(data).translate(_TO_URLSAFE)


def _urlsafe_bytes(text: str) -> bytes:
    return b64_bytes(text.translate(_FROM_URLSAFE))


def _b32_text(data: bytes) -> str:
    return b32encode(data).decode("ascii")


def _dense() -> list[Encoding]:
    if importlib.util.find_spec("z85base91") is None:
        return []
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        # The package's Python classes: its C ones never free what they return, and are as fast here.
        from z85base91.b91 import B91
        from z85base91.z85b import Z85B
        from z85base91.z85p import Z85P
    finally:  # importing it sets up the root logger, which belongs to the application
        root.handlers[:], root.level = handlers, level
    return [
        _wrapped("JSON-Z85B", Z85B),
        _wrapped("JSON-Z85P", Z85P),
        _wrapped("JSON-B91", B91),
    ]


@cache  # what is made twice alike proves itself once
def _wrapped(name: str, codec: Any) -> Encoding:
    def encode(data: bytes) -> str:
        return bytes(codec.encode(data)).decode("ascii")

    def decode(text: str) -> bytes:
        try:
            return bytes(codec.decode(text.encode("ascii")))
        except (KeyError, IndexError, struct.error) as error:
            raise ValueError(f"characters that are not {name}") from error

    return Encoding(name, encode, decode)
