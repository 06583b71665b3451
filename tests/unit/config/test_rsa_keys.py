"""RSA keys are made by whichever library is installed."""

from __future__ import annotations

import sys
import types
from typing import Any

import pytest

from hivemind_core_client.config.rsa_keys import generate_rsa_key, public_key_of
from hivemind_core_client.errors import IdentityFileError, PluginError

PEM = "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkq\nQAB+/w==\n-----END PUBLIC KEY-----"


def _fake_rsa(package: str) -> dict[str, types.ModuleType]:
    class Key:
        def __init__(self, text: str) -> None:
            self.export_key = text.encode

        def public_key(self) -> Key:
            return Key(PEM + "\n")

    rsa: Any = types.ModuleType(f"{package}.PublicKey.RSA")
    rsa.generate = lambda bits: Key(f"{package} {bits}")
    return {
        package: types.ModuleType(package),
        f"{package}.PublicKey": types.ModuleType("p"),
        rsa.__name__: rsa,
    }


@pytest.mark.parametrize("package", ["Crypto", "Cryptodome", None])
def test_libraries_that_make_keys(monkeypatch: pytest.MonkeyPatch, package: str | None) -> None:
    for name in ("cryptography", "cryptography.hazmat.primitives.asymmetric.rsa", "Crypto", "Cryptodome"):
        monkeypatch.setitem(sys.modules, name, None)
    for name in ("Crypto.PublicKey.RSA", "Cryptodome.PublicKey.RSA"):
        monkeypatch.setitem(sys.modules, name, None)
    if package is None:
        with pytest.raises(PluginError, match="cryptography"):
            generate_rsa_key()
        return
    for name, module in _fake_rsa(package).items():
        monkeypatch.setitem(sys.modules, name, module)
    assert generate_rsa_key() == (f"{package} 2048\n", PEM)


def test_the_public_half_of_what_is_no_key() -> None:
    with pytest.raises(IdentityFileError, match="no RSA key: run 'hivemind-client reset-pgp'"):
        public_key_of("nonsense")
