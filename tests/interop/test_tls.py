"""The newest hub over TLS, with the certificate that it makes for itself: pinned at first use, kept in a profile."""

from __future__ import annotations

from pathlib import Path

import pytest

from hivemind_core_client import errors as err

from .hubs import HubOptions, HubPool
from .satellite import known_satellite
from .specs import HUBS

_NEWEST = HUBS[-1]


@pytest.mark.parametrize("client_kind", ["sync", "async", "http"])
def test_the_certificate_of_a_real_hub_is_pinned(
    client_kind: str, hubs: HubPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = hubs.get(_NEWEST, HubOptions(tls=True, http=True))
    with known_satellite(hub, tmp_path, client_kind, monkeypatch) as satellite:
        pin = f"{hub.host}:{satellite.hub_port}"
        address = f"{'https' if client_kind == 'http' else 'wss'}://{hub.host}"
        for _ in range(2):
            client = satellite.connected(host=address)
            assert client.ask("hello").text == "you said: hello"
            client.close()
        assert list(satellite.identity.pinned_certificates) == [pin]
        satellite.identity.pin_certificate(pin, "0" * 64)
        with pytest.raises(err.HubCertificateChanged, match=f"forget-server {pin} --certificate"):
            satellite.connected(host=address)
        assert satellite.identity.forget_certificate(pin)
        satellite.connected(host=address).close()


def test_a_profile_has_all_that_a_command_needs(
    hubs: HubPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = hubs.get(_NEWEST, HubOptions(tls=True, http=True))
    with known_satellite(hub, tmp_path, "sync", monkeypatch) as satellite:
        login = ("--key", satellite.key, "--password", satellite.password, "--port", str(hub.port))
        satellite.command("profile", "add", "kitchen", "--host", f"wss://{hub.host}", *login).expect(0)
        first = satellite.command("test-identity", "--profile", "kitchen").expect(0)
        again = satellite.command("test-identity", "--profile", "kitchen").expect(0)
        assert "pinned now" in first.stderr and "certificate" not in again.stderr
        satellite.command("profile", "use", "kitchen").expect(0)
        assert "you said: hello" in satellite.command("ask", "hello").expect(0).stdout
