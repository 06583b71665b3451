"""What an error says to do, made to fit the identity at hand."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from hivemind_core_client import HiveMessageBusClient, NodeIdentity
from hivemind_core_client import errors as err
from hivemind_core_client.testing import EmbeddedHub
from hivemind_core_client.wire.mends import common_file, for_file, for_identity

PASSWORD = "a password of this test, long and random"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("run 'hivemind-client reset-pgp'", "run 'hivemind-client reset-pgp{}'"),
        ("do: hivemind-client set-identity --key KEY", "do: hivemind-client set-identity --key KEY{}"),
        (
            "do: hivemind-client set-identity --key KEY. Now",
            "do: hivemind-client set-identity --key KEY{}. Now",
        ),
        ("hivemind-client doctor --say 'what now'", "hivemind-client doctor --say 'what now'{}"),
        ("hivemind-client forget-server [::1]:5678", "hivemind-client forget-server [::1]:5678{}"),
        ("see 'hivemind-client plugins'", "see 'hivemind-client plugins'"),
        ("try 'hivemind-client trust --help'", "try 'hivemind-client trust --help'"),
        (
            "what 'hivemind-client trust show' prints on the other node",
            "what 'hivemind-client trust show' prints on the other node",
        ),
        ("'hivemind-client reset-pgp' on the other node", "'hivemind-client reset-pgp' on the other node"),
        (
            "'hivemind-client set-identity --identity-file x'",
            "'hivemind-client set-identity --identity-file x'",
        ),
        ("pip install hivemind-client-cli", "pip install hivemind-client-cli"),
    ],
)
def test_a_command_is_for_the_identity_file(text: str, told: str) -> None:
    assert for_identity(text, "a b") == told.format(" --identity-file 'a b'")
    assert for_identity(text, None) == text


def test_the_file_is_named_where_it_is_not_the_common_one(tmp_path: Path) -> None:
    text = "run 'hivemind-client forget-server h:5678' now"
    own = str(tmp_path / "bridge.json")
    assert for_file(text, common_file()) == text
    assert for_file(text, own) == f"run 'hivemind-client forget-server h:5678 --identity-file {own}' now"
    assert for_file(text, None) == "run identity.forget_hub('h:5678') now"


def test_the_common_file_is_that_of_an_identity_without_another() -> None:
    assert NodeIdentity().path == os.path.abspath(common_file())


def refused(hub: EmbeddedHub, **options: Any) -> str:
    client = HiveMessageBusClient(**{"host": hub.url, "key": "k", "password": PASSWORD, **options})
    with pytest.raises(err.HubRefused) as caught:
        client.connect()
    assert client.last_error is caught.value
    return str(caught.value)


@pytest.mark.parametrize(
    ("options", "variables", "names", "source"),
    [
        ({"key": "other"}, {}, "set-identity --key KEY'", ". Passed to the client, {before}: key"),
        (
            {"password": "other"},
            {},
            "set-identity --ask-password'",
            ". Passed to the client, {before}: password",
        ),
        (
            {"key": None},
            {"HIVEMIND_KEY": "other"},
            "set-identity --key KEY'",
            ". Set in the environment, {before}: HIVEMIND_KEY",
        ),
        (
            {"password": None},
            {"HIVEMIND_PASSWORD": "other"},
            "set-identity --ask-password'",
            ". Set in the environment, {before}: HIVEMIND_PASSWORD",
        ),
        ({"key": None, "identity": NodeIdentity({"access_key": "other"})}, {}, "set-identity --key KEY'", ""),
    ],
    ids=["key", "password", "key-in-environment", "password-in-environment", "stored"],
)
def test_a_refusal_says_where_the_value_came_from(
    options: dict[str, Any],
    variables: dict[str, str],
    names: str,
    source: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with EmbeddedHub({"k": PASSWORD}) as hub:
        text = refused(hub, **{"identity": NodeIdentity({}), **options})
    assert names in text
    before = "which goes before the identity file"
    assert text.endswith(source.format(before=before)) if source else before not in text


def test_a_hub_that_is_not_there_names_the_variables_that_say_where_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with EmbeddedHub({"k": PASSWORD}) as hub:
        port = hub.port
    monkeypatch.setenv("HIVEMIND_HOST", "127.0.0.1")
    monkeypatch.setenv("HIVEMIND_PORT", str(port))
    stored = NodeIdentity({"access_key": "k", "password": PASSWORD})
    with pytest.raises(err.HubUnreachable, match=r"identity file: HIVEMIND_HOST and HIVEMIND_PORT$"):
        HiveMessageBusClient(identity=stored).connect()
    with pytest.raises(err.HubUnreachable) as caught:
        HiveMessageBusClient(identity=stored, host="127.0.0.1", port=port).connect()
    assert "identity file" not in str(caught.value)


def test_what_was_changed_since_counts_as_passed() -> None:
    with EmbeddedHub({"k": PASSWORD}) as hub:
        client = HiveMessageBusClient(
            host=hub.url, identity=NodeIdentity({"access_key": "k", "password": PASSWORD})
        )
        client.password = "other"
        with pytest.raises(err.PasswordRefused, match=r"Passed to the client.*: password$"):
            client.connect()


def test_a_damaged_pin_names_the_file_it_is_in(tmp_path: Path) -> None:
    own = NodeIdentity(tmp_path / "bridge.json")
    own.IDENTITY_FILE["hub_pins"] = {"h:5678": "no key"}
    own.save()
    with pytest.raises(err.IdentityFileError) as caught:
        own.pin_of("h:5678")
    assert f"'hivemind-client forget-server h:5678 --identity-file {own.path}'" in str(caught.value)
    with pytest.raises(err.IdentityFileError, match=r"run identity.forget_hub\('h:5678'\)"):
        NodeIdentity({"hub_pins": {"h:5678": "no key"}}).pin_of("h:5678")
