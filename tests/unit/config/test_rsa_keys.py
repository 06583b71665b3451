"""RSA keys are made by cryptography, and without it by pycryptodome, in one form."""

from __future__ import annotations

import sys

import pytest
from Crypto.PublicKey import RSA

from hivemind_core_client.config.rsa_keys import generate_rsa_key, public_key_of
from hivemind_core_client.errors import IdentityFileError


@pytest.mark.parametrize(
    "hidden", [(), ("cryptography.hazmat.primitives.asymmetric.rsa",)], ids=["any", "pycryptodome"]
)
def test_libraries_that_make_keys(monkeypatch: pytest.MonkeyPatch, hidden: tuple[str, ...]) -> None:
    for name in hidden:
        monkeypatch.setitem(sys.modules, name, None)
    private, public = generate_rsa_key()
    assert private.startswith("-----BEGIN RSA PRIVATE KEY-----\n")
    assert private.endswith("\n-----END RSA PRIVATE KEY-----\n")
    assert public.startswith("-----BEGIN PUBLIC KEY-----\n")
    assert public.endswith("\n-----END PUBLIC KEY-----")
    assert RSA.import_key(private).size_in_bits() == 2048
    assert public_key_of(private).strip() == public


def test_the_public_half_of_what_is_no_key() -> None:
    with pytest.raises(IdentityFileError, match="no RSA key: run 'hivemind-client reset-pgp'"):
        public_key_of("nonsense")
