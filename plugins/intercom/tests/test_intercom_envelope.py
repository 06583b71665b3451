from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import pytest
from poorman_handshake.asymmetric.utils import decrypt_RSA, verify_RSA

from hivemind_client_intercom import envelope, keys
from hivemind_client_intercom.envelope import EnvelopeRefused

GOOD = ["hive_message", "bare_message", "older_hive_message", "older_bare_message"]
TEXT = '{"type": "my.alarm", "data": {"door": "öffen"}, "context": {}}'.encode()


def decoded(fields: dict[str, str]) -> dict[str, bytes]:
    return {name: base64.b64decode(value) for name, value in fields.items()}


def b64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def sealed(vectors: dict[str, Any], text: bytes = TEXT) -> dict[str, str]:
    target = keys.public_key(vectors["target"]["public"])
    return envelope.seal(text, target, keys.private_key(vectors["sender"]["private"]))


def opened(vectors: dict[str, Any], fields: dict[str, Any]) -> bytes:
    return envelope.unwrap(envelope.read(fields), keys.private_key(vectors["target"]["private"]))


@pytest.fixture
def _no_cryptography(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As where `cryptography` is not installed."""
    monkeypatch.delitem(sys.modules, "hivemind_client_intercom.by_openssl", raising=False)
    for module in [name for name in sys.modules if name.partition(".")[0] == "cryptography"]:
        monkeypatch.setitem(sys.modules, module, None)
    keys.library.cache_clear()
    yield
    keys.library.cache_clear()


def test_openssl_comes_first() -> None:
    assert keys.library() is import_module("hivemind_client_intercom.by_openssl")


@pytest.mark.usefixtures("_no_cryptography")
def test_without_cryptography_there_is_pycryptodome() -> None:
    assert keys.library() is import_module("hivemind_client_intercom.by_pycryptodome")


@pytest.mark.parametrize("name", GOOD)
def test_an_envelope_of_hivemind_bus_client_verifies_and_opens(
    name: str, vectors: dict[str, Any], library: str
) -> None:
    vector = vectors["envelopes"][name]
    assert ("encrypted_key" in vector["envelope"]) is not name.startswith("older")
    read = envelope.read(vector["envelope"])
    sender, target = vectors["sender"]["public"], vectors["target"]["public"]
    assert envelope.signer_of(read, ["no key", target, sender]) == sender
    assert envelope.signer_of(read, [target]) is None
    assert opened(vectors, vector["envelope"]) == vector["text"].encode()


def test_what_we_seal_opens_with_the_primitives_of_hivemind_bus_client(
    vectors: dict[str, Any], library: str
) -> None:
    from Crypto.Cipher import AES

    fields = sealed(vectors)
    assert list(fields) == ["encrypted_key", "ciphertext", "tag", "nonce", "signature"]
    assert json.loads(json.dumps(fields)) == fields
    raw = decoded(fields)
    assert [len(raw[name]) for name in ("encrypted_key", "tag", "nonce", "signature")] == [256, 16, 16, 256]
    assert verify_RSA(vectors["sender"]["public"], raw["ciphertext"], raw["signature"])
    key = decrypt_RSA(vectors["target"]["private"], raw["encrypted_key"])
    assert len(key) == 32
    cipher = AES.new(key, AES.MODE_GCM, nonce=raw["nonce"])
    assert cipher.decrypt_and_verify(raw["ciphertext"], raw["tag"]) == TEXT


def test_what_we_seal_we_open(vectors: dict[str, Any], library: str) -> None:
    fields = sealed(vectors)
    sender = vectors["sender"]["public"]
    assert envelope.signer_of(envelope.read(fields), [sender]) == sender
    assert opened(vectors, fields) == TEXT


def test_two_envelopes_of_one_text_have_nothing_in_common(vectors: dict[str, Any]) -> None:
    first, second = sealed(vectors), sealed(vectors)
    assert not set(first.values()) & set(second.values())
    assert envelope.read(first).mark != envelope.read(second).mark


@pytest.mark.parametrize("field", ["ciphertext", "signature"])
def test_what_is_signed_cannot_be_changed(field: str, vectors: dict[str, Any], library: str) -> None:
    raw = decoded(sealed(vectors))[field]
    for position in (0, len(raw) - 1):
        changed = bytearray(raw)
        changed[position] ^= 1
        fields = {**sealed(vectors), field: b64(bytes(changed))}
        assert envelope.signer_of(envelope.read(fields), [vectors["sender"]["public"]]) is None


@pytest.mark.parametrize("field", ["encrypted_key", "nonce", "tag"])
def test_what_is_not_signed_makes_it_unreadable_when_changed(
    field: str, vectors: dict[str, Any], library: str
) -> None:
    fields = sealed(vectors)
    changed = bytearray(decoded(fields)[field])
    changed[3] ^= 1
    with pytest.raises(EnvelopeRefused, match="does not open"):
        opened(vectors, {**fields, field: b64(bytes(changed))})


@pytest.mark.parametrize("size", [16, 31, 33])
def test_an_aes_key_of_another_size_is_refused(size: int, vectors: dict[str, Any], library: str) -> None:
    wrapped = keys.public_key(vectors["target"]["public"]).wrap(b"k" * size)
    with pytest.raises(EnvelopeRefused, match=f"AES key has {size} bytes"):
        opened(vectors, {**sealed(vectors), "encrypted_key": b64(wrapped)})


def test_the_key_of_another_opens_nothing(vectors: dict[str, Any], library: str) -> None:
    for name in ("hive_message", "older_hive_message"):
        read = envelope.read(vectors["envelopes"][name]["envelope"])
        with pytest.raises(EnvelopeRefused, match="does not open"):
            envelope.unwrap(read, keys.private_key(vectors["sender"]["private"]))


@pytest.mark.parametrize("field", ["ciphertext", "signature", "nonce", "tag", "encrypted_key"])
@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "no"),
        ("", "no"),
        (7, "no"),
        (["AAAA"], "no"),
        ({"a": 1}, "no"),
        ("not base64!", "is not base64"),
        ("AAAA\n", "is not base64"),
        ("AAA", "is not base64"),
        ("ÄÖÜß", "is not base64"),
        ("\ud800AAA", "is not base64"),
    ],
)
def test_a_field_that_is_no_base64_text_is_refused(field: str, value: Any, reason: str) -> None:
    fields = {name: b64(b"x" * 16) for name in ("nonce", "tag", "encrypted_key", "signature")}
    fields = {**fields, "ciphertext": b64(b"x" * 64), field: value}
    with pytest.raises(EnvelopeRefused, match=f"{reason}.*") as refusal:
        envelope.read(fields)
    assert field in str(refusal.value)
    assert len(str(refusal.value)) < 60


@pytest.mark.parametrize(
    ("field", "size"),
    [
        ("nonce", 12),
        ("nonce", 15),
        ("nonce", 17),
        ("tag", 4),
        ("tag", 15),
        ("tag", 17),
        ("ciphertext", 31),
        ("encrypted_key", 2049),
        ("signature", 2049),
    ],
)
def test_sizes_are_checked(field: str, size: int, vectors: dict[str, Any]) -> None:
    with pytest.raises(EnvelopeRefused, match=f"its {field} (has {size}|is longer than)"):
        envelope.read({**sealed(vectors), field: b64(b"x" * size)})


@pytest.mark.parametrize("field", ["ciphertext", "signature"])
def test_the_older_envelope_holds_no_more_than_one_block(field: str) -> None:
    fields = {"ciphertext": b64(b"x" * 256), "signature": b64(b"x" * 256)}
    assert envelope.read(fields).wrapping is None
    with pytest.raises(EnvelopeRefused, match="longer than 2048"):
        envelope.read({**fields, field: b64(b"x" * 5000)})


def test_what_is_too_long_is_refused_before_it_is_decoded(
    vectors: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths: list[int] = []
    decode = base64.b64decode

    def noting(text: str, **options: Any) -> bytes:
        lengths.append(len(text))
        return decode(text, **options)

    fields = {**sealed(vectors), "ciphertext": "A" * (envelope.MAX_CIPHERTEXT // 3 * 4 + 8)}
    monkeypatch.setattr(base64, "b64decode", noting)
    with pytest.raises(EnvelopeRefused, match="longer than 8388608 bytes"):
        envelope.read(fields)
    assert lengths
    assert max(lengths) < 1000


def test_the_longest_text_goes_through_and_one_byte_more_does_not(vectors: dict[str, Any]) -> None:
    longest = b"x" * envelope.MAX_CIPHERTEXT
    assert opened(vectors, sealed(vectors, longest)) == longest
    with pytest.raises(EnvelopeRefused, match="8388609 bytes"):
        sealed(vectors, longest + b"x")
    with pytest.raises(EnvelopeRefused, match="31 bytes"):
        sealed(vectors, b"x" * 31)


def test_nothing_of_an_envelope_shows_in_its_repr(vectors: dict[str, Any]) -> None:
    assert repr(envelope.read(sealed(vectors))) == "Envelope(wrapping=Wrapping())"


def pems() -> dict[str, Callable[[dict[str, Any]], str]]:
    return {
        "nothing": lambda _: "",
        "no PEM": lambda _: "a key",
        "no ASCII": lambda _: "-----BEGIN PUBLIC KEY-----\nä\ud800\n-----END PUBLIC KEY-----",
        "no key": lambda _: "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
        "cut": lambda vectors: str(vectors["sender"]["public"])[:-60],
        "private": lambda vectors: str(vectors["sender"]["private"]),
        "short": lambda _: rsa_pem(1024),
        "elliptic": lambda _: elliptic_pem(),
    }


def rsa_pem(bits: int, private: bool = False) -> str:
    from Crypto.PublicKey import RSA

    key = RSA.generate(bits)
    return (key if private else key.public_key()).export_key().decode()


def elliptic_pem(private: bool = False) -> str:
    from Crypto.PublicKey import ECC

    key = ECC.generate(curve="P-256")
    return str((key if private else key.public_key()).export_key(format="PEM"))


@pytest.mark.parametrize("kind", pems())
def test_what_is_no_public_rsa_key_is_refused_without_quoting_it(
    kind: str, vectors: dict[str, Any], library: str
) -> None:
    pem = pems()[kind](vectors)
    with pytest.raises(keys.UnusableKey) as refusal:
        keys.public_key(pem)
    assert "key" in str(refusal.value)
    assert "BEGIN" not in str(refusal.value)


@pytest.mark.parametrize("kind", ["public", "short", "elliptic", "locked", "nothing"])
def test_what_is_no_private_rsa_key_is_refused(kind: str, vectors: dict[str, Any], library: str) -> None:
    from Crypto.PublicKey import RSA

    private = vectors["sender"]["private"]
    pem = {
        "public": lambda: vectors["sender"]["public"],
        "short": lambda: rsa_pem(1024, private=True),
        "elliptic": lambda: elliptic_pem(private=True),
        "locked": lambda: RSA.import_key(private).export_key(passphrase="secret").decode(),
        "nothing": lambda: "",
    }[kind]()
    with pytest.raises(keys.UnusableKey):
        keys.private_key(pem)


def test_keys_stay_loaded_and_not_too_many(vectors: dict[str, Any]) -> None:
    public, private = vectors["sender"]["public"], vectors["sender"]["private"]
    assert keys.public_key(public) is keys.public_key(public)
    assert keys.private_key(private) is keys.private_key(private)
    assert keys.public_key.cache_info().maxsize == 64
    assert keys.private_key.cache_info().maxsize == 2


def test_a_fingerprint_is_of_the_key_and_not_of_its_text(vectors: dict[str, Any], library: str) -> None:
    from Crypto.PublicKey import RSA

    pem = vectors["sender"]["public"]
    same = keys.public_key(pem.replace("\n", "\r\n") + "\n")
    assert keys.fingerprint(keys.public_key(pem)) == keys.fingerprint(same)
    assert keys.fingerprint(keys.private_key(vectors["sender"]["private"]).public) == keys.fingerprint(same)
    assert RSA.import_key(keys.public_key(pem).pem()) == RSA.import_key(pem)


def test_a_fingerprint_is_the_one_of_the_command_line(vectors: dict[str, Any], library: str) -> None:
    from hivemind_client_cli.peer_text import fingerprint

    pem = vectors["target"]["public"]
    assert keys.fingerprint(keys.public_key(pem)) == fingerprint(pem)
