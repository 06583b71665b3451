"""The conformance kit: functions that test what a plugin offers. Each raises AssertionError, which names the fault.

A cipher, an encoding and a serializer are tested when they are loaded. The functions here test the same, and more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any, Callable, Optional

from hivemind_core_client.plugins.contract import (
    BinaryHandler,
    Cipher,
    Context,
    Encoding,
    MessageHandler,
    Serializer,
    Session,
)
from hivemind_core_client.plugins.handshake_contract import HandshakeKind
from hivemind_core_client.plugins.proving import cipher_fault, encoding_fault, serializer_fault
from hivemind_core_client.testing.handler_trial import Handler, try_handler
from hivemind_core_client.testing.handshake_trial import handshake_faults
from hivemind_core_client.wire.json_text import Json
from hivemind_core_client.wire.message import HiveMessage

#: What to do about a fault, by words of it; the first that fits.
_MENDS = {
    r"as hubs do|fit the wire": "give a cipher of your own another name, and both ends its plugin",
    r"protocol version 3": "seal and open with nonces of 12 bytes too, as the cipher function of the suite does",
    r"names (the suite|suites)": "leave it out of suites, or take keys of 32 bytes",
    r"does not hide|seals alike": "seal must encrypt the plaintext, by key and nonce",
    r"accepts a": "open must compute the tag over key, nonce and all of the ciphertext, and raise ValueError",
    r"raises \w+ for": "raise the error that it names",
    r"of \d+ bytes: \d+ are": "choose an algorithm with a longer one",
    r"several threads": "keep nothing between two calls",
    r"gives? back|does not open": "what comes back must be what went in, byte for byte",
    r"says that it is plain": "set plain=False",
    r"no UTF-8": "leave out the code points U+D800 to U+DFFF",
    r"makes a \w+ of": "return a str from text, and bytes from binary",
    r"has no form for": "encode it, or leave that to the other serializer alone",
    r"inflates beyond": "raise FrameTooLarge as soon as max_size is passed",
    r"empty frame": "raise FrameError",
    r"names no key size": "name the lengths of keys in key_sizes",
    r"has a name that no frame has": "name it text or binary",
    "": "docs/plugins-ciphers.md says what it must do",
}


def check_cipher(cipher: Cipher) -> None:
    """Assert that a cipher protects what it seals, with keys of each size that it names. This can take some seconds.

    - Nonce, tag and result have the sizes that it promises.
    - With another nonce or key, the result is another one.
    - `open` raises ValueError for another key or nonce, for each flipped bit of key, nonce, ciphertext and tag, and for
      each cut end.
    - Several threads may use it at once.
    - Under a name that hubs know, it seals as hubs do.
    """
    _assert_none(cipher, Cipher, cipher_fault)


def check_encoding(encoding: Encoding) -> None:
    """Assert that an encoding gives back bytes of many lengths up to 64 KiB, and raises ValueError for other text.

    The text must have a UTF-8 form. If the encoding is `plain`, the text must need no escape in JSON.
    """
    _assert_none(encoding, Encoding, encoding_fault)


def check_serializer(serializer: Serializer) -> None:
    """Assert that a serializer gives back messages of every type, and raises FrameError for what is no frame.

    It must have a form for each type for which the other serializer has none. It must raise FrameTooLarge as soon as
    the limit that it gets is passed.
    """
    _assert_none(serializer, Serializer, serializer_fault)


def check_handshake(kind: HandshakeKind, offers: Iterable[Json] = ()) -> None:
    """Assert that a kind of handshake keeps the contract, as far as that shows without a hub that speaks it.

    `offers` are payloads that your own hub offers. `fits` gets these, and those of hubs of several versions. If it
    returns True, the handshake begins, and gets answers that make no sense. Each function must return what the contract
    says, and raise only errors of hivemind_core_client. To see that the handshake works, use an EmbeddedHub with your
    half for the hub.
    """
    _claim(
        isinstance(kind, HandshakeKind),
        f"a {type(kind).__name__} is no HandshakeKind: make one of hivemind_core_client.plugins.handshake_contract",
    )
    found = next(handshake_faults(kind, offers), "")
    _claim(not found, f"handshake {kind.name}: {found}")


def check_handler(
    handler: Handler,
    messages: Iterable[HiveMessage] = (),
    context: Optional[Callable[[], Context]] = None,
) -> None:
    """Assert that a message handler, or a binary handler, keeps the contract.

    It gets `messages`, which are samples of its type, and payloads that make no sense. Each comes with a new context:
    `context()` makes it, or else it is one without a hub.

    The functions of the handler must take what a client gives them, and return actions or None. They may raise only
    ProtocolError. They may not change a message. The same message twice must give actions of the same kinds. `prepare`
    must return the message to send, or raise any Exception. The timers that the handler sets are ended, and so is the
    session. A wrapper gets the `next` of a client: one that returns an action, and one that raises ProtocolError.
    """
    _claim(
        isinstance(handler, (MessageHandler, BinaryHandler)),
        f"a {type(handler).__name__} is neither a MessageHandler nor a BinaryHandler: make one of"
        " hivemind_core_client.plugins.contract",
    )
    _claim(isinstance(handler.name, str) and bool(handler.name), "a handler needs a name: give it one")
    try_handler(handler, messages, context if context is not None else _context)


def _claim(holds: bool, fault: str) -> None:
    """An assert that counts under `python -O` too."""
    if not holds:
        raise AssertionError(fault)


def _assert_none(item: Any, kind: type, fault: Callable[[Any, bool], str]) -> None:
    name = kind.__name__
    _claim(
        isinstance(item, kind),
        f"a {type(item).__name__} is no {name}: make one of hivemind_core_client.plugins.contract",
    )
    found = fault(item, True)
    mend = next(mend for words, mend in _MENDS.items() if re.search(words, found))
    _claim(not found, f"{found}: {mend}")


def _context() -> Context:
    return Context(
        identity=SimpleNamespace(name="kit", public_key=None, trusted_keys={}, private_key_pem=lambda: None),
        session=Session("session-1"),
    )
