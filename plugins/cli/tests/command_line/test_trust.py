"""`hivemind-client trust`: public keys only, checked before they count."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hivemind_client_cli.commands import trust
from hivemind_client_cli.connection import Connection
from hivemind_client_cli.peer_text import fingerprint
from hivemind_core_client.config.rsa_keys import generate_rsa_key
from hivemind_core_client.errors import InvalidOption
from hivemind_core_client.identity import NodeIdentity
from hivemind_core_client.plugins.contract import HubFacts

from .fakes import FakeClient
from .tools import Done, spawn

PRIVATE, PUBLIC = generate_rsa_key()


def stored() -> dict[str, str]:
    return NodeIdentity().trusted_keys


@pytest.fixture
def keyfile(tmp_path: Path) -> Path:
    file = tmp_path / "kitchen.pem"
    file.write_text(f"{PUBLIC}\n")
    return file


def test_add_list_remove(run: Any, keyfile: Path) -> None:
    assert "kitchen" in run("trust", "add", "kitchen", str(keyfile)).expect(0).out
    assert stored() == {"kitchen": PUBLIC}
    data = run("trust", "list", "--json").expect(0).json
    (found,) = data["trusted"]
    assert found == {"alias": "kitchen", "fingerprint": fingerprint(PUBLIC), "public_key": PUBLIC}
    text = run("trust", "list").expect(0).out
    assert trust.short_fingerprint(PUBLIC) in text
    assert fingerprint(PUBLIC) not in text
    assert "no more" in run("trust", "remove", "kitchen").expect(0).out
    assert stored() == {}
    assert "no key is trusted" in run("trust", "list").expect(0).out
    assert run("trust", "remove", "kitchen", "--json").expect(2).json["type"] == "InvalidOption"


def test_from_stdin(run: Any) -> None:
    data = run("trust", "add", "kitchen", "-", "--json", stdin=PUBLIC.replace("\n", "\r\n")).expect(0).json
    assert (data["added"], data["fingerprint"]) == (True, fingerprint(PUBLIC))
    assert spawn("trust", "add", "attic", "-", stdin=PUBLIC).expect(0).err.startswith("warning: this key is")
    assert stored() == {"kitchen": PUBLIC, "attic": PUBLIC}


def test_an_alias_is_of_one_key(run: Any, keyfile: Path) -> None:
    run("trust", "add", "kitchen", str(keyfile)).expect(0)
    assert run("trust", "add", "kitchen", str(keyfile), "--json").expect(0).json["added"] is False
    keyfile.write_text(generate_rsa_key()[1])
    assert "another key" in run("trust", "add", "kitchen", str(keyfile)).expect(2).err
    assert stored() == {"kitchen": PUBLIC}


@pytest.mark.parametrize(
    "text",
    [PRIVATE, PUBLIC + "\n" + PRIVATE, "-----BEGIN OPENSSH PRIVATE KEY-----\nabcd"],
    ids=["rsa", "both", "openssh"],
)
@pytest.mark.parametrize("flag", ["--verbose", "--json"])
def test_a_private_key_is_refused_and_not_repeated(run: Any, home: Path, text: str, flag: str) -> None:
    done: Done = run("trust", "add", "kitchen", "-", flag, stdin=text).expect(2)
    assert "private key" in done.err
    for line in PRIVATE.splitlines()[1:-1]:
        assert line not in done.out + done.err
    assert not (home / "config").exists()


NO_KEYS = {
    "empty": "",
    "text": "hello",
    "binary": "\x00\x01\ufffd",
    "certificate": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
    "two": f"{PUBLIC}\n{PUBLIC}",
    "damaged": PUBLIC[:60] + "AAAAAAAA" + PUBLIC[68:],
    "cut": PUBLIC[:200],
    "no base64": PUBLIC[:60] + "\x1b[2J" + PUBLIC[64:],
    "elliptic": "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEEVs/o5+uQbTjL3chynL4wXgUg2R9\n"
    "q9UU8I5mEovUf86QZ7kOBIjJwqnzD1omageEHWwHdBO6B+dFabmdT9POxg==\n-----END PUBLIC KEY-----",
    "short": "-----BEGIN PUBLIC KEY-----\nMFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAL9sQ5sPYgD5T2HbNmBSEaJKtiN2ZLCg\n"
    "0ktWCqGk1qGQG6LSoHGV8gOYhBvMi1uFoIgfU4ZzWGmBZXbrJHQ7F9MCAwEAAQ==\n-----END PUBLIC KEY-----",
    "long": "-" * 70000,
}


@pytest.mark.parametrize("name", NO_KEYS)
def test_what_is_no_public_key(run: Any, home: Path, name: str) -> None:
    done = run("trust", "add", "kitchen", "-", stdin=NO_KEYS[name]).expect(2)
    assert done.err.startswith("error: ")
    assert len(done.err) < 400
    assert "\x1b" not in done.err
    assert not (home / "config").exists()


def test_a_short_key_is_named_as_such() -> None:
    with pytest.raises(InvalidOption, match="512 bits"):
        trust.public_key(NO_KEYS["short"])


def test_pkcs1_becomes_what_peers_send() -> None:
    from cryptography.hazmat.primitives import serialization

    key = serialization.load_pem_public_key(PUBLIC.encode())
    old = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.PKCS1).decode()
    assert "RSA PUBLIC KEY" in old
    assert trust.public_key(old) == PUBLIC


@pytest.mark.parametrize(
    "args",
    [
        ["kitchen"],
        ["kitchen", "FILE", "--hub"],
        ["kitchen", "/nonexistent/key"],
        ["kitchen", "/"],
        ["kitchen", "a\0b"],
        ["", "FILE"],
        ["a\x1b[2J", "FILE"],
        ["a" * 65, "FILE"],
    ],
    ids=ascii,
)
def test_wrong_use(run: Any, keyfile: Path, home: Path, args: list[str]) -> None:
    given = [str(keyfile) if arg == "FILE" else arg for arg in args]
    done = run("trust", "add", *given).expect(2)
    assert done.err.startswith("error: ")
    assert "\x1b" not in done.err
    assert not (home / "config").exists()


def test_the_key_of_the_hub(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    client = FakeClient()
    client.hub = HubFacts("hub-1", "peer-1", PUBLIC)
    monkeypatch.setattr(Connection, "client", lambda connection: client)
    data = run("trust", "add", "upstairs", "--hub", "--json").expect(0).json
    assert data["fingerprint"] == fingerprint(PUBLIC)
    assert client.closed
    assert stored() == {"upstairs": PUBLIC}
    client.hub = HubFacts("hub-1", "peer-1", "")
    assert "no public key" in run("trust", "add", "other", "--hub").expect(2).err


def test_show_prints_what_add_reads(run: Any, tmp_path: Path) -> None:
    assert "reset-pgp" in run("trust", "show").expect(2).err
    run("reset-pgp", "--yes").expect(0)
    own = run("trust", "show").expect(0).out
    assert own.strip() == (NodeIdentity().public_key or "").strip()
    done = run("trust", "add", "myself", "-", stdin=own).expect(0)
    assert "this very node" in done.err
    assert run("trust", "show", "myself").expect(0).out.strip() == own.strip()
    run("trust", "show", "nobody").expect(2)
    data = run("trust", "list", "--json").expect(0).json
    assert data["own"]["fingerprint"] == fingerprint(own)
    assert run("trust", "show", "--json").expect(0).json["public_key"] == NodeIdentity().public_key
    assert "PRIVATE" not in json.dumps(data)


def test_another_identity_file(run: Any, keyfile: Path, home: Path) -> None:
    path = str(home / "other.json")
    run("set-identity", "--siteid", "attic", "--identity-file", path).expect(0)
    run("trust", "add", "kitchen", str(keyfile), "--identity-file", path).expect(0)
    assert "kitchen" in run("trust", "list", "--identity-file", path).expect(0).out
    assert stored() == {}


def test_the_group_alone_is_wrong_usage(run: Any) -> None:
    done = run("trust").expect(2)
    assert done.out == ""
    assert "try 'hivemind-client trust --help'" in done.err
    assert "remove" in run("trust", "--help").expect(0).out
