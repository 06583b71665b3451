"""Where the doctor looks for a hub that is not where it should be, and the command that it prints then."""

from __future__ import annotations

import shlex
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hivemind_client_cli.connection import Connection
from hivemind_client_cli.other_addresses import mend_of, other_places
from hivemind_core_client.config.addresses import Address, HttpAddress
from hivemind_core_client.errors import Reader
from hivemind_core_client.identity import NodeIdentity
from hivemind_core_client.testing import EmbeddedHub
from hivemind_core_client.wire.keys import certificate_fingerprint

from .doctor_tools import at, failing
from .tools import KEY, LOGIN, PASSWORD

CLIENTS = {KEY: PASSWORD}


@pytest.fixture
def hub() -> Iterator[EmbeddedHub]:
    with EmbeddedHub(CLIENTS) as hub:
        yield hub


@pytest.fixture
def tls_hub() -> Iterator[EmbeddedHub]:
    with EmbeddedHub(CLIENTS, tls=True) as hub:
        yield hub


def states_of(data: Any) -> dict[str, str]:
    return {each["address"]: each["state"] for each in data["attempts"]}


def words_of(mend: str) -> list[str]:
    """The words of the command that a mend ends with."""
    typed = shlex.split(mend.rpartition("hivemind-client ")[2].partition(";")[0])
    assert typed[:2] == ["set-identity", "--host"]
    return typed


def test_the_other_scheme_and_the_command_that_works(run: Any, tls_hub: EmbeddedHub) -> None:
    run("set-identity", *LOGIN, "--host", "ws://127.0.0.1", "--port", str(tls_hub.port)).expect(0)
    data = run("doctor", "--json").expect(4).json
    failing(data, "websocket")
    assert states_of(data)[f"wss://127.0.0.1:{tls_hub.port}"] == "works"
    run("test-identity").expect(4)
    run(*words_of(data["mend"])).expect(0)
    run("test-identity").expect(0)


def test_people_see_what_was_tried(run: Any, tls_hub: EmbeddedHub) -> None:
    done = run(*at(tls_hub.port)).expect(4)
    shown = done.out.splitlines()
    tried = shown[shown.index("looked for the hub in other places:") + 1 : -1]
    assert tried[0].split() == [f"wss://127.0.0.1:{tls_hub.port}", "works"]
    assert len(tried) > 2 and "nothing listens there" in tried[-1]
    assert f"or here --host wss://127.0.0.1 --port {tls_hub.port}" in shown[-1]
    assert KEY not in done.out + done.err and PASSWORD not in done.out + done.err


def test_the_usual_other_port(run: Any, hub: EmbeddedHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Address, "default_port", hub.port)
    data = run(*at(1, "--json")).expect(4).json
    failing(data, "tcp")
    assert states_of(data)[f"ws://127.0.0.1:{hub.port}"] == "works"
    assert words_of(data["mend"])[2:] == ["ws://127.0.0.1", "--port", str(hub.port)]


def test_the_other_family_of_addresses(run: Any, hub: EmbeddedHub) -> None:
    data = run(*at(hub.port, "--json", host="ws://[::1]")).expect(4).json
    assert states_of(data)[f"ws://127.0.0.1:{hub.port}"] == "works"
    assert words_of(data["mend"])[2] == "ws://127.0.0.1"


def test_a_key_goes_nowhere_in_the_clear_that_was_to_go_by_tls(run: Any, hub: EmbeddedHub) -> None:
    data = run(*at(hub.port, "--json", host="wss://127.0.0.1")).expect(4).json
    failing(data, "tls")
    found = next(each for each in data["attempts"] if each["address"] == hub.url)
    assert found["state"] == "answers" and "in the clear" in found["remark"]
    assert hub.received == []
    assert "set-identity" not in data["mend"]


@pytest.mark.parametrize("pin", ["that of the hub", "another one", "authority"])
def test_a_key_goes_to_no_other_certificate_than_the_one_that_is_pinned(
    run: Any, tls_hub: EmbeddedHub, pin: str
) -> None:
    """Whoever cuts the way to a hub could stand at the next port, where nothing is pinned yet."""
    place, identity = Address("::1", tls_hub.port, tls=True), NodeIdentity()
    if pin == "authority":
        identity.IDENTITY_FILE["pinned_certificates"] = {place.endpoint: pin}
        identity.save()
    else:
        shown = ssl.PEM_cert_to_DER_cert(Path(tls_hub.ca_file or "").read_text())
        identity.pin_certificate(
            place.endpoint, "0" * 64 if "other" in pin else certificate_fingerprint(shown)
        )
    data = run(*at(tls_hub.port, "--json", host="wss://[::1]")).expect(4).json
    found = next(each for each in data["attempts"] if each["address"] == tls_hub.url)
    if pin == "that of the hub":
        assert found["state"] == "works"
    else:
        assert found["state"] == "answers" and f"not the one of {place.endpoint}" in found["remark"]
        assert "--host wss" not in data["mend"]
    assert list(NodeIdentity().pinned_certificates) == [place.endpoint]


def test_a_hub_elsewhere_that_refuses(run: Any, tls_hub: EmbeddedHub) -> None:
    login = ("--key", "key-of-nobody", "--password", PASSWORD)
    address = ("--host", "ws://127.0.0.1", "--port", str(tls_hub.port))
    data = run("doctor", *login, *address, "--json").expect(4).json
    found = data["attempts"][0]
    assert found["state"] == "answers" and "refused the access key" in found["remark"]


def test_a_variable_that_goes_first_is_what_has_to_change(
    run: Any, tls_hub: EmbeddedHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HIVEMIND_HOST", "ws://127.0.0.1")
    monkeypatch.setenv("HIVEMIND_PORT", str(tls_hub.port))
    mend = run("doctor", *LOGIN, "--json").expect(4).json["mend"]
    assert mend.endswith(f": export HIVEMIND_HOST=wss://127.0.0.1 HIVEMIND_PORT={tls_hub.port}")
    for variable in mend.partition("export ")[2].split():
        monkeypatch.setenv(*variable.split("="))
    run("test-identity", *LOGIN).expect(0)


def test_the_command_can_be_pasted_whatever_the_address_holds() -> None:
    place = Address.read("wss://hub.local/a/$(id)&b")
    mend = mend_of(place, Connection(profile="")).text_for(Reader())
    assert mend.endswith("set-identity --host 'wss://hub.local/a/$(id)&b' --port 5678")


def test_a_profile_that_has_the_address_is_what_has_to_change(run: Any, tls_hub: EmbeddedHub) -> None:
    address = ("--host", "ws://127.0.0.1", "--port", str(tls_hub.port))
    run("profile", "add", "kitchen", *LOGIN, *address, "--use").expect(0)
    mend = run("doctor", "--json").expect(4).json["mend"]
    words = shlex.split(mend.rpartition("hivemind-client ")[2])
    assert words[:4] == ["profile", "add", "kitchen", "--change"]
    run(*words).expect(0)
    run("test-identity").expect(0)


def test_a_hub_that_is_there_is_looked_for_nowhere_else(run: Any, hub: EmbeddedHub) -> None:
    assert run(*at(hub.port, "--json")).expect(0).json["attempts"] == []
    refused = ("doctor", "--key", "key-of-nobody", "--host", hub.url, "--json")
    assert run(*refused).expect(3).json["attempts"] == []


def test_no_hub_anywhere(run: Any) -> None:
    data = run(*at(1, "--json")).expect(4).json
    assert {*states_of(data).values()} == {"failed"}
    assert "hivemind-core listen" in data["mend"]


def test_an_address_with_a_secret_goes_nowhere_else(run: Any) -> None:
    data = run("doctor", *LOGIN, "--host", "ws://127.0.0.1:1/?token=secret", "--json").expect(4).json
    assert data["attempts"] == []


def shown(address: Address, *resolved: str) -> list[str]:
    return [str(each) for each in other_places(address, resolved)]


def test_the_places() -> None:
    assert shown(Address("hub.local", 9999), "10.0.0.1", "fe80::1") == [
        "wss://hub.local:9999",
        "ws://hub.local:5678",
        "wss://hub.local:5678",
        "ws://10.0.0.1:9999",
        "ws://[fe80::1]:9999",
        "http://hub.local:9999",
        "http://hub.local:5679",
    ]
    assert shown(HttpAddress("127.0.0.1", 5679, tls=True)) == [
        "http://127.0.0.1:5679",
        "https://[::1]:5679",
        "wss://127.0.0.1:5679",
        "wss://127.0.0.1:5678",
    ]
    assert shown(Address("hub.local", 5678, path="/hive/"))[0] == "wss://hub.local:5678/hive/"
