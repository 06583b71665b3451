"""Keys as peers and people write them: when two texts are the same key, and by what people compare them.

White space counts nowhere in a key. Lines may be indented, padded, end in CRLF, be broken anywhere or not at all: it is
the same key. What is left is compared letter by letter, so one RSA key in two encodings is two texts: peers send
SubjectPublicKeyInfo (`BEGIN PUBLIC KEY`), and that is what to store, not PKCS#1 (`BEGIN RSA PUBLIC KEY`).
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from typing import Optional, Union

#: How long a static key of Noise is, in bytes.
STATIC_KEY_BYTES = 32

#: Stands in the place of a pin where an authority of this system has signed the certificate.
BY_AUTHORITY = "authority"

_STATIC_KEY = re.compile(rf"[0-9a-f]{{{2 * STATIC_KEY_BYTES}}}")
_PUBLIC_PEM = re.compile(r"-----BEGIN(RSA|)PUBLICKEY-----([A-Za-z0-9+/=]+)-----END\1PUBLICKEY-----")
#: What names a node by its key, without white space.
_MARK = "BEGINPUBLICKEY"
_LINE_LETTERS = 64
#: Their hubs are known by `host:port`, as identities have always had it.
_BUILTIN_SCHEMES = frozenset({"ws", "wss", "http", "https"})


def pin_name(url: str) -> str:
    """Under which the key of the hub at a URL is pinned: `host:port/path`; for a transport of a plugin all of it."""
    scheme, _, rest = url.partition("://")
    return rest if rest and scheme in _BUILTIN_SCHEMES else url


def normal_key(key: object) -> str:
    """The text of a key as it is compared: without white space. Empty for what is no text."""
    return "".join(key.split()) if isinstance(key, str) else ""


def same_key(one: object, other: object) -> bool:
    """Whether two texts are the same key; no text, or an empty one, is none."""
    key = normal_key(one)
    return bool(key) and key == normal_key(other)


def alias_of(key: object, keys: Mapping[str, str]) -> Optional[str]:
    """The alias of a key among these, which are texts by alias: the first one's, or None."""
    wanted = normal_key(key)
    return next((alias for alias, known in keys.items() if wanted and normal_key(known) == wanted), None)


def is_public_key(peer: str) -> bool:
    """True for a node that is named by its public key (hubs are)."""
    return _MARK in normal_key(peer)


def public_pem(text: object) -> Optional[str]:
    """The public key in lines of 64 letters, as every library reads it; None for what is no public key in PEM form."""
    found = _PUBLIC_PEM.fullmatch(normal_key(text))
    return None if found is None else _written(found)


def public_pems_in(text: str) -> list[str]:
    """The public keys in PEM form that stand in a text, among others perhaps, in lines of 64 letters."""
    return [pem for found in _PUBLIC_PEM.finditer(normal_key(text)) if (pem := _written(found)) is not None]


def static_key(digits: object) -> Optional[bytes]:
    """The static key that these 64 hex digits are; None for anything else."""
    text = normal_key(digits).lower()
    return bytes.fromhex(text) if _STATIC_KEY.fullmatch(text) else None


def fingerprint(key: Union[str, bytes]) -> str:
    """`sha256:` and 64 hex digits, over a PEM text without its white space or a static key: how people compare keys."""
    raw = normal_key(key).encode() if isinstance(key, str) else key
    return "sha256:" + hashlib.sha256(raw).hexdigest()


def certificate_fingerprint(certificate: bytes) -> str:
    """The SHA-256 of a certificate (DER) in pairs of hex digits, `3F:A0:…`, as OpenSSL and browsers show it."""
    return hashlib.sha256(certificate).digest().hex(":").upper()


def certificate_pin(text: object) -> Optional[str]:
    """What a pin of a certificate says: a fingerprint, or BY_AUTHORITY; None for anything else."""
    digits = normal_key(text)
    if digits == BY_AUTHORITY:
        return digits
    pin = static_key(digits.replace(":", ""))
    return None if pin is None else pin.hex(":").upper()


def _written(found: re.Match[str]) -> Optional[str]:
    name, letters = f"{found[1]} PUBLIC KEY".strip(), found[2]
    try:
        base64.b64decode(letters, validate=True)
    except ValueError:
        return None
    lines = [letters[at : at + _LINE_LETTERS] for at in range(0, len(letters), _LINE_LETTERS)]
    return "\n".join([f"-----BEGIN {name}-----", *lines, f"-----END {name}-----"])
