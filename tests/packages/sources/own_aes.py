"""An AES-GCM of another library in the place of the built-in one; it notes the nonces that it is called with."""

from hivemind_core_client.plugins.contract import Cipher
from hivemind_core_client.plugins.hookspecs import hookimpl

SEALED, OPENED = [], []
#: Of an EmbeddedHub in the same process: it has another cipher.
HUB_OPTIONS = {"plugins": ()}


def seal(key, nonce, plaintext):
    from Crypto.Cipher import AES

    SEALED.append(bytes(nonce).hex())
    return b"".join(AES.new(key, AES.MODE_GCM, nonce=nonce).encrypt_and_digest(plaintext))


def open_(key, nonce, sealed):
    from Crypto.Cipher import AES

    OPENED.append(bytes(nonce).hex())
    return AES.new(key, AES.MODE_GCM, nonce=nonce).decrypt_and_verify(sealed[:-16], sealed[-16:])


@hookimpl
def hivemind_ciphers():
    return [Cipher("AES-GCM", (16, 24, 32), nonce_size=16, tag_size=16, seal=seal, open=open_)]
