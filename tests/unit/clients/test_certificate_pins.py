"""The certificate of a hub is pinned at first use, and another one is refused, as with its Noise key."""

from __future__ import annotations

import logging
import os
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Union

import pytest

from hivemind_core_client import NodeIdentity
from hivemind_core_client import errors as err
from hivemind_core_client.testing import EmbeddedHub, HttpGateway
from hivemind_core_client.testing.certificates import self_signed
from hivemind_core_client.wire.keys import certificate_fingerprint
from tests.unit import servers
from tests.unit.client_support import Make, ask, until
from tests.unit.support import PASSWORD

Secure = Union[EmbeddedHub, HttpGateway]


@contextmanager
def secure_hub(kind: str, context: ssl.SSLContext, port: int = 0) -> Iterator[Secure]:
    """A hub behind TLS, as a client of this kind reaches it."""
    if kind != "http":
        with EmbeddedHub({"k": PASSWORD}, tls=context, port=port) as hub:
            yield hub
        return
    with EmbeddedHub({"k": PASSWORD}) as hub:
        gateway = HttpGateway(hub.url, tls=context, port=port).start()
        yield gateway
        gateway.stop()


def fingerprint_of(certificate: str) -> str:
    return certificate_fingerprint(ssl.PEM_cert_to_DER_cert(Path(certificate).read_text()))


def endpoint(hub: Secure) -> str:
    return f"127.0.0.1:{hub.port}"


@pytest.fixture
def first() -> tuple[ssl.SSLContext, str]:
    return self_signed("127.0.0.1")


@pytest.fixture
def other() -> tuple[ssl.SSLContext, str]:
    return self_signed("127.0.0.1")


def talk(make: Make, hub: Secure, identity: NodeIdentity, **options: Any) -> None:
    """Connect, hear an answer, and leave."""
    with make(hub, identity=identity, **options) as client:
        assert ask(client) == "you said: hello"


def test_a_certificate_is_pinned_at_first_use_and_told_once(
    client_kind: str,
    make: Make,
    first: tuple[ssl.SSLContext, str],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    file = tmp_path / "_identity.json"
    with secure_hub(client_kind, first[0]) as hub, caplog.at_level(logging.WARNING):
        for _ in range(3):
            talk(make, hub, NodeIdentity(file))
        pins = {endpoint(hub): fingerprint_of(first[1])}
    assert NodeIdentity(file).pinned_certificates == pins
    assert file.stat().st_mode & 0o777 == 0o600
    told = [record.getMessage() for record in caplog.records if "certificate" in record.getMessage()]
    assert len(told) == 1 and fingerprint_of(first[1]) in told[0]


def test_another_certificate_is_refused_until_the_pin_is_forgotten(
    client_kind: str,
    make: Make,
    first: tuple[ssl.SSLContext, str],
    other: tuple[ssl.SSLContext, str],
    tmp_path: Path,
) -> None:
    identity = NodeIdentity(tmp_path / "_identity.json")
    with secure_hub(client_kind, first[0]) as hub:
        talk(make, hub, identity)
        port, name = hub.port, endpoint(hub)
    with secure_hub(client_kind, other[0], port) as hub:
        client = make(hub, identity=identity)
        with pytest.raises(err.HubCertificateChanged) as caught:
            client.connect(handshake_max_retries=5)
        client.close()
        assert (caught.value.pinned, caught.value.shown) == (
            fingerprint_of(first[1]),
            fingerprint_of(other[1]),
        )
        text = str(caught.value)
        assert fingerprint_of(first[1]) in text and fingerprint_of(other[1]) in text
        assert f"'hivemind-client forget-server {name} --certificate --identity-file " in text
        assert caught.value.exit_code == 3
        if isinstance(hub, EmbeddedHub):
            assert hub.received == [], "nothing was said to it, the access key neither"
        assert identity.forget_certificate(name)
        talk(make, hub, identity)
    assert identity.get_pinned_certificate(name) == fingerprint_of(other[1])


def test_a_session_that_comes_back_meets_the_pin(
    client_kind: str,
    make: Make,
    first: tuple[ssl.SSLContext, str],
    other: tuple[ssl.SSLContext, str],
) -> None:
    with secure_hub(client_kind, first[0]) as hub:
        client = make(hub)
        client.connect()
        port = hub.port
    with secure_hub(client_kind, other[0], port):
        assert until(lambda: isinstance(client.last_error, err.HubCertificateChanged))
        assert until(lambda: client.state.value == "refused")
    client.close()


def test_a_certificate_that_verifies_needs_no_pin_and_may_be_renewed(
    client_kind: str,
    make: Make,
    first: tuple[ssl.SSLContext, str],
    other: tuple[ssl.SSLContext, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A hub with a certificate of an authority gets a new one every few weeks."""
    authorities = tmp_path / "authorities.pem"
    authorities.write_text(Path(first[1]).read_text())
    monkeypatch.setenv("SSL_CERT_FILE", str(authorities))
    identity = NodeIdentity(tmp_path / "_identity.json")
    with caplog.at_level(logging.WARNING), secure_hub(client_kind, first[0]) as hub:
        talk(make, hub, identity)
        port = hub.port
    authorities.write_text(Path(other[1]).read_text())
    with caplog.at_level(logging.WARNING), secure_hub(client_kind, other[0], port) as hub:
        talk(make, hub, identity)
        assert [record for record in caplog.records if "certificate" in record.getMessage()] == []
        assert identity.pinned_certificates == {endpoint(hub): "authority"}
        authorities.write_text("")
        client = make(hub, identity=identity)
        with pytest.raises(err.HubCertificateChanged, match="one that verifies was pinned") as caught:
            client.connect()
        client.close()
        assert caught.value.shown == fingerprint_of(other[1])


def test_a_pinned_hub_may_get_a_certificate_that_verifies(
    client_kind: str,
    make: Make,
    first: tuple[ssl.SSLContext, str],
    other: tuple[ssl.SSLContext, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    identity = NodeIdentity(tmp_path / "_identity.json")
    with secure_hub(client_kind, first[0]) as hub:
        talk(make, hub, identity)
        port = hub.port
    monkeypatch.setenv("SSL_CERT_FILE", other[1])
    with secure_hub(client_kind, other[0], port) as hub:
        talk(make, hub, identity)
        assert identity.pinned_certificates == {endpoint(hub): "authority"}


@pytest.mark.parametrize("how", ["ca_file", "ssl_context"])
def test_who_says_how_to_verify_pins_nothing(
    client_kind: str, make: Make, first: tuple[ssl.SSLContext, str], how: str
) -> None:
    options: dict[str, Any] = (
        {"ca_file": first[1]}
        if how == "ca_file"
        else {"ssl_context": ssl.create_default_context(cafile=first[1])}
    )
    identity = NodeIdentity({})
    with secure_hub(client_kind, first[0]) as hub:
        talk(make, hub, identity, **options)
    assert identity.pinned_certificates == {}


def test_no_pin_without_a_hub_behind_it(
    client_kind: str, make: Make, first: tuple[ssl.SSLContext, str]
) -> None:
    """A page of a hotel, or a wrong port, must not be what the hub is measured by."""

    def page(connection: socket.socket, stop: threading.Event) -> None:
        with first[0].wrap_socket(connection, server_side=True) as secured:
            secured.recv(4096)
            secured.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            secured.unwrap()

    identity = NodeIdentity({})
    with servers.server(page) as port:
        scheme = "https" if client_kind == "http" else "wss"
        client = make(SimpleNamespace(url=f"{scheme}://127.0.0.1:{port}"), identity=identity)
        with pytest.raises(err.NotAHub):
            client.connect()
        client.close()
    assert identity.pinned_certificates == {}


def test_a_pin_that_cannot_be_written_holds_in_memory(
    client_kind: str,
    make: Make,
    first: tuple[ssl.SSLContext, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    identity = NodeIdentity(tmp_path / "_identity.json")
    identity.create_keys()

    def refuse(*_: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(os, "replace", refuse)
    with secure_hub(client_kind, first[0]) as hub, caplog.at_level(logging.WARNING):
        client = make(hub, identity=identity, max_protocol_version=1)
        for _ in range(2):
            client.connect()
            assert ask(client) == "you said: hello"
            client.close()
    assert NodeIdentity(tmp_path / "_identity.json").pinned_certificates == {}
    told = [record for record in caplog.records if "pinned in memory only" in record.getMessage()]
    assert len(told) == 1


@pytest.mark.parametrize("pin", ["", "3F:A0", 7, None, "authorities", "zz" * 32])
def test_a_pin_that_is_none_is_an_error_that_names_the_mend(
    client_kind: str, make: Make, first: tuple[ssl.SSLContext, str], pin: object
) -> None:
    with secure_hub(client_kind, first[0]) as hub:
        identity = NodeIdentity({"pinned_certificates": {endpoint(hub): pin}})
        client = make(hub, identity=identity)
        mend = re.escape(f"run identity.forget_certificate('{endpoint(hub)}')")
        with pytest.raises(err.IdentityFileError, match=mend):
            client.connect()
        client.close()
        assert identity.pinned_certificates == {}
        assert identity.forget_certificate(endpoint(hub)) and not identity.forget_certificate(endpoint(hub))
        talk(make, hub, identity)
