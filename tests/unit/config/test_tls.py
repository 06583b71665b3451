"""How the certificates are read by which a hub is verified."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from typing import Any

import pytest

from hivemind_core_client.config.certificate_pins import CertificatePins
from hivemind_core_client.config.settings import Address
from hivemind_core_client.config.tls import Tls, refusal_in
from hivemind_core_client.errors import HubCertificateChanged, InvalidOption, SecureConnectionFailed
from hivemind_core_client.identity import NodeIdentity
from hivemind_core_client.testing import EmbeddedHub
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


def test_a_context_for_a_transport_of_a_plugin_meets_the_pin() -> None:
    """It is handed to whatever library the plugin has, which knows of no pins."""
    identity = NodeIdentity({})
    with EmbeddedHub({"k": "a long password of this node"}, tls=True) as hub:
        address = Address.read(hub.url)
        tls = Tls(pins=CertificatePins(lambda: identity)).at(address)

        def connect() -> None:
            with socket.create_connection((hub.host, hub.port)) as connected:
                tls.make_context().wrap_socket(connected, server_hostname=hub.host).close()

        connect()
        assert identity.pinned_certificates == {}
        tls.keep()
        assert list(identity.pinned_certificates) == [address.endpoint]
        connect()
        identity.pin_certificate(address.endpoint, "0" * 64)
        with pytest.raises(ssl.SSLCertVerificationError, match="shows another certificate") as caught:
            connect()
    wrapped = RuntimeError("what the library made of it")
    wrapped.__cause__ = caught.value
    refusal = refusal_in(wrapped)
    assert refusal is not None and refusal.pinned == ":".join(["00"] * 32)
    assert refusal_in(OSError("something else")) is None


def test_a_pin_that_another_process_has_set_meanwhile_stays(caplog: pytest.LogCaptureFixture) -> None:
    """Both saw none, and one of them may have met somebody between."""
    identity = NodeIdentity({})
    with EmbeddedHub({"k": "a long password of this node"}, tls=True) as hub:
        address = Address.read(hub.url)

        def met() -> Tls:
            tls = Tls(pins=CertificatePins(lambda: identity)).at(address)
            with socket.create_connection((hub.host, hub.port)) as connected:
                tls.make_context().wrap_socket(connected, server_hostname=hub.host).close()
            return tls

        first, second, third = met(), met(), met()
    first.keep()
    pinned = identity.get_pinned_certificate(address.endpoint)
    second.keep()
    assert len([record for record in caplog.records if "pinned" in record.getMessage()]) == 1
    identity.pin_certificate(address.endpoint, "0" * 64)
    with pytest.raises(HubCertificateChanged) as caught:
        third.keep()
    assert (caught.value.pinned, caught.value.shown) == (":".join(["00"] * 32), pinned)
    assert identity.get_pinned_certificate(address.endpoint) == caught.value.pinned
