"""Turning messages into one another, by the function names of the reference client."""

from __future__ import annotations

import warnings
import zlib
from typing import Any, Optional, Union

from hivemind_core_client.wire.errors import FrameError, InvalidMessage
from hivemind_core_client.wire.json_text import Json, json_object, json_text
from hivemind_core_client.wire.message import (
    HANDSHAKE_TYPES,
    OVOS_TYPES,
    HiveMessage,
    HiveMessageType,
    is_ovos_message,
)
from hivemind_core_client.wire.message_types import checked_fields
from hivemind_core_client.wire.ovos import to_message

__all__ = [
    "bytes2str",
    "cast2bytes",
    "compress_payload",
    "decompress_payload",
    "decrypt_bin",
    "decrypt_from_json",
    "encrypt_as_json",
    "encrypt_bin",
    "get_hivemsg",
    "get_mycroft_msg",
    "get_payload",
    "parse_text_frame",
    "payload2dict",
    "serialize_message",
    "unencrypted_frame_allowed",
]

#: The hex digits of a nonce of 16 bytes; base64 takes 24 characters.
_HEX_NONCE = 32


def serialize_message(message: Any) -> str:
    """JSON text of a HiveMessage, an OVOS Message or a dict. Raises InvalidMessage."""
    return str(message.serialize()) if hasattr(message, "serialize") else json_text(message)


def payload2dict(payload: Any) -> Json:
    """A HiveMessage, an OVOS Message, JSON text or a dict, as the dict of its whole. Raises FrameError.

    The messages in it become dicts too, in dicts and lists of any depth. What you pass stays as it is.
    """
    plain: Json = _without_messages(payload.as_dict if isinstance(payload, HiveMessage) else _object(payload))
    return plain


def get_payload(msg: Any) -> Any:
    """The payload of a HiveMessage, or an OVOS Message, JSON text or dict, as a dict; the bytes of a BINARY message.

    Raises FrameError.
    """
    if not isinstance(msg, HiveMessage):
        return _object(msg)
    return dict(msg.raw_payload) if msg.msg_type.form is dict else msg.raw_payload


def get_hivemsg(msg: Any) -> HiveMessage:
    """A HiveMessage from one, from its JSON text or dict, or from an OVOS Message, which becomes BUS."""
    if isinstance(msg, HiveMessage):
        return msg
    if is_ovos_message(msg):
        return HiveMessage(HiveMessageType.BUS, msg)
    return HiveMessage.deserialize(msg)


def get_mycroft_msg(pload: Any) -> Any:
    """The OVOS Message in a BUS message, JSON text or dict. Raises InvalidMessage or FrameError."""
    if isinstance(pload, HiveMessage):
        if pload.msg_type not in OVOS_TYPES:
            raise InvalidMessage(f"a {pload.msg_type.name} message carries no OVOS Message")
        return pload.payload
    if is_ovos_message(pload):
        return pload
    fields = _object(pload)
    named = {**fields, "type": fields.get("type") or fields.get("msg_type")}
    return to_message(checked_fields(HiveMessageType.BUS, named))


def compress_payload(text: Union[str, bytes]) -> bytes:
    """A zlib stream of a text, in UTF-8, or of bytes."""
    return zlib.compress(text.encode() if isinstance(text, str) else text)


def decompress_payload(compressed: bytes) -> bytes:
    """What was compressed. Raises zlib.error. It bounds nothing: give it only what you trust."""
    return zlib.decompress(compressed)


def cast2bytes(payload: Union[Json, str, bytes], compressed: bool = False) -> bytes:
    """A dict, as JSON, or a text in UTF-8, or bytes as they are; compressed if you say so. Raises InvalidMessage."""
    text = json_text(payload) if isinstance(payload, dict) else payload
    data = text.encode() if isinstance(text, str) else bytes(text)
    return compress_payload(data) if compressed else data


def bytes2str(payload: bytes, compressed: bool = False) -> str:
    """The text that `cast2bytes` took. Raises UnicodeDecodeError, and zlib.error where it is to be decompressed."""
    return (decompress_payload(payload) if compressed else payload).decode()


def parse_text_frame(message: Any) -> Optional[Json]:
    """The object of a text frame, as text, in bytes or parsed already; None for anything else."""
    if isinstance(message, dict):
        return message
    if not isinstance(message, (str, bytes, bytearray)):
        return None
    try:
        return json_object(message if isinstance(message, str) else bytes(message))
    except FrameError:
        return None


def unencrypted_frame_allowed(message: Any, handshake_done: bool) -> bool:
    """Whether a text frame may come in the clear: HELLO and HANDSHAKE, as long as there is no key."""
    fields = None if handshake_done else parse_text_frame(message)
    return fields is not None and fields.get("msg_type") in [kind.value for kind in HANDSHAKE_TYPES]


def encrypt_as_json(key: Union[str, bytes], data: Union[str, Json], b64: bool = False) -> str:
    """Deprecated: the text frame sealed by AES-GCM, in hex, or in base64. Raises InvalidKeySize."""
    from hivemind_core_client import encryption

    _deprecated("encrypt_as_json")
    names = encryption.SupportedEncodings
    return encryption.encrypt_as_json(key, data, encoding=names.JSON_B64 if b64 else names.JSON_HEX)


def decrypt_from_json(key: Union[str, bytes], data: Union[str, bytes, Json]) -> str:
    """Deprecated: the text in a text frame sealed by AES-GCM, be it in hex or in base64. Raises ProtocolError."""
    from hivemind_core_client import encryption

    _deprecated("decrypt_from_json")
    fields, names = _object(data), encryption.SupportedEncodings
    nonce = fields.get("nonce")
    is_hex = isinstance(nonce, str) and len(nonce) == _HEX_NONCE
    return encryption.decrypt_from_json(
        key, json_text(fields), encoding=names.JSON_HEX if is_hex else names.JSON_B64
    )


def encrypt_bin(key: Union[str, bytes], data: Union[str, bytes]) -> bytes:
    """Deprecated: the binary frame sealed by AES-GCM. Raises InvalidKeySize."""
    from hivemind_core_client import encryption

    _deprecated("encrypt_bin")
    return encryption.encrypt_bin(key, data)


def decrypt_bin(key: Union[str, bytes], ciphertext: bytes) -> bytes:
    """Deprecated: what a binary frame sealed by AES-GCM carries. Raises DecryptionFailed."""
    from hivemind_core_client import encryption

    _deprecated("decrypt_bin")
    return encryption.decrypt_bin(key, ciphertext)


def _object(value: Any) -> Json:
    """An OVOS Message, JSON text or a dict, as a dict. Raises FrameError."""
    if is_ovos_message(value):
        return {"type": value.msg_type, "data": value.data, "context": value.context}
    return json_object(value) if isinstance(value, (str, bytes)) else dict(value)


def _without_messages(value: Any) -> Any:
    if isinstance(value, HiveMessage) or is_ovos_message(value):
        return payload2dict(value)
    if isinstance(value, dict):
        return {key: _without_messages(each) for key, each in value.items()}
    return [_without_messages(each) for each in value] if isinstance(value, list) else value


def _deprecated(name: str) -> None:
    warnings.warn(
        f"{name} of `util` goes by AES-GCM alone; use the one of `encryption`",
        DeprecationWarning,
        stacklevel=3,
    )
