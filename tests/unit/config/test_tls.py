"""How the certificates are read by which a hub is verified."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest

from hivemind_core_client.config.tls import Tls
from hivemind_core_client.errors import InvalidOption, SecureConnectionFailed
from hivemind_core_client.testing.certificates import self_signed


def test_a_ca_file_that_goes_is_read_again_once_it_is_back(tmp_path: Path) -> None:
    """It may be written anew at the very moment, which must not end a satellite for good."""
    _, made = self_signed("127.0.0.1")
    path = tmp_path / "ca.pem"
    path.write_bytes(Path(made).read_bytes())
    tls = Tls(ca_file=str(path))
    assert tls.make_context().verify_mode is ssl.CERT_REQUIRED
    path.write_bytes(b"")
    with pytest.raises(SecureConnectionFailed, match="cannot be read"):
        tls.make_context()
    path.write_bytes(Path(made).read_bytes())
    assert len(tls.make_context().get_ca_certs()) == 1


@pytest.mark.parametrize("ca_file", ["/nonexistent/ca.pem", "/", __file__, "a\0b", 5])
def test_a_ca_file_that_never_was_one_is_an_option_to_mend(ca_file: Any) -> None:
    with pytest.raises(InvalidOption, match=r"the CA file .+ cannot be read: .+"):
        Tls(ca_file=ca_file).make_context()
