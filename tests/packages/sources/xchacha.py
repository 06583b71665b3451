"""XChaCha20-Poly1305, whose nonces have 24 bytes."""

from hivemind_core_client.plugins.contract import Cipher
from hivemind_core_client.plugins.hookspecs import hookimpl

SEALED = []


def seal(key, nonce, plaintext):
    from Crypto.Cipher import ChaCha20_Poly1305

    SEALED.append(len(plaintext))
    return b"".join(ChaCha20_Poly1305.new(key=key, nonce=nonce).encrypt_and_digest(plaintext))


def open_(key, nonce, sealed):
    from Crypto.Cipher import ChaCha20_Poly1305

    return ChaCha20_Poly1305.new(key=key, nonce=nonce).decrypt_and_verify(sealed[:-16], sealed[-16:])


@hookimpl
def hivemind_ciphers():
    return [Cipher("XCHACHA20-POLY1305", (32,), nonce_size=24, tag_size=16, seal=seal, open=open_)]
