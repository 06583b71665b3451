"""RSA keys as PEM text: made by cryptography where that is installed, since it is faster, else by pycryptodome."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from hivemind_core_client.wire.errors import IdentityFileError, Mend
from hivemind_core_client.wire.mends import RESET_PGP

RSA_BITS = 2048


def public_key_of(private_pem: str) -> str:
    """The public half of a private RSA key, both PEM text. Raises IdentityFileError for what is no such key."""
    from Crypto.PublicKey import RSA

    try:
        return RSA.import_key(private_pem).public_key().export_key().decode("ascii")
    except (ValueError, IndexError, TypeError) as error:
        raise IdentityFileError(
            "the private key is no RSA key", Mend("run ", RESET_PGP, joint=": ")
        ) from error


def generate_rsa_key() -> tuple[str, str]:
    """A new RSA key of 2048 bits: (private, public) as PEM text (PKCS#1, SubjectPublicKeyInfo).

    Takes 0.1 s to some seconds.
    """
    private, public = _by_cryptography() or _by_pycryptodome()
    # Peers compare public keys as text, without a newline at the end.
    return private.strip() + "\n", public.strip()


def _by_cryptography() -> tuple[str, str] | None:
    try:
        rsa: Any = import_module("cryptography.hazmat.primitives.asymmetric.rsa")
        to: Any = import_module("cryptography.hazmat.primitives.serialization")
    except ImportError:
        return None
    key = rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
    private = key.private_bytes(to.Encoding.PEM, to.PrivateFormat.TraditionalOpenSSL, to.NoEncryption())
    public = key.public_key().public_bytes(to.Encoding.PEM, to.PublicFormat.SubjectPublicKeyInfo)
    return private.decode("ascii"), public.decode("ascii")


def _by_pycryptodome() -> tuple[str, str]:
    from Crypto.PublicKey import RSA

    key = RSA.generate(RSA_BITS)
    return key.export_key().decode("ascii"), key.public_key().export_key().decode("ascii")
