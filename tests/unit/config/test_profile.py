"""What a client's profile adds to an error: which identity it is about, and where a refused value came from."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from hivemind_core_client import HiveMessageBusClient, NodeIdentity
from hivemind_core_client import errors as err
from hivemind_core_client.config.key_files import common_file, place_of
from hivemind_core_client.testing import EmbeddedHub

PASSWORD = "a password of this test, long and random"


def test_the_common_file_is_that_of_an_identity_without_another(tmp_path: Path) -> None:
    assert NodeIdentity().path == os.path.abspath(common_file())
    assert place_of(common_file()).is_default
    assert place_of(str(tmp_path / "own.json")) == err.IdentityPlace(str(tmp_path / "own.json"))
    assert place_of(None) == err.IdentityPlace(None)


def test_what_was_added_is_not_added_once_more(tmp_path: Path) -> None:
    profile = HiveMessageBusClient(
        "k", PASSWORD, host="h", identity=NodeIdentity(tmp_path / "id.json")
    ).profile
    for error in (err.KeyRefused("no"), err.HubRefused("no", about=("noise_key",))):
        profile.advise(error)
        text = str(error)
        profile.advise(error)
        assert str(error) == text != "no"
        assert error.args == ("no",)


def test_a_refused_noise_key_comes_with_its_file_and_with_another_way(tmp_path: Path) -> None:
    identity = NodeIdentity(tmp_path / "id.json")
    client = HiveMessageBusClient("k", PASSWORD, host="h", identity=identity)
    error = err.HubRefused("it has pinned another", err.Mend("ask"), about=("noise_key",))
    client.profile.advise(error)
    assert str(error) == (
        f"it has pinned another. Ask: its file is {identity.noise_key}. Or give this machine an access key of its "
        f"own: 'hivemind-core add-client' makes one, 'hivemind-client set-identity --key KEY --identity-file "
        f"{identity.path}' takes it"
    )
    in_memory = err.HubRefused("it has pinned another", about=("noise_key",))
    HiveMessageBusClient("k", PASSWORD, host="h", identity=NodeIdentity({})).profile.advise(in_memory)
    assert str(in_memory) == "it has pinned another"


def test_a_key_that_is_made_takes_no_password_to_the_disk_with_it(tmp_path: Path) -> None:
    identity = NodeIdentity(tmp_path / "id.json")
    identity.password = PASSWORD
    profile = HiveMessageBusClient("k", host="h", identity=identity).profile
    assert "PRIVATE KEY" in profile.private_key()
    stored = {"public_key": identity.public_key, "secret_key": "HiveMindComs.pem"}
    assert json.loads((tmp_path / "id.json").read_text()) == stored
    assert identity.password == PASSWORD
    identity.save()
    assert json.loads((tmp_path / "id.json").read_text()) == {**stored, "password": PASSWORD}


def test_a_dict_like_object_is_told_to_store_a_key_that_is_made() -> None:
    class Store(dict[str, Any]):
        stored: Any = None

        def store(self) -> None:
            self.stored = dict(self)

    fields = Store()
    profile = HiveMessageBusClient("k", PASSWORD, host="h", identity=NodeIdentity(fields)).profile
    assert "PRIVATE KEY" in profile.private_key()
    assert fields.stored == {"public_key": fields["public_key"]}


def refused(hub: EmbeddedHub, **options: Any) -> str:
    client = HiveMessageBusClient(**{"host": hub.url, "key": "k", "password": PASSWORD, **options})
    with pytest.raises(err.HubRefused) as caught:
        client.connect()
    assert client.last_error is caught.value
    return str(caught.value)


@pytest.mark.parametrize(
    ("options", "variables", "names", "source"),
    [
        ({"key": "other"}, {}, "set-identity --key KEY'", ". You gave this yourself, {before}: key"),
        (
            {"password": "other"},
            {},
            "set-identity --ask-password'",
            ". You gave this yourself, {before}: password",
        ),
        (
            {"key": None},
            {"HIVEMIND_KEY": "other"},
            "set-identity --key KEY'",
            ". This comes from the environment, {before}: HIVEMIND_KEY",
        ),
        (
            {"password": None},
            {"HIVEMIND_PASSWORD": "other"},
            "set-identity --ask-password'",
            ". This comes from the environment, {before}: HIVEMIND_PASSWORD",
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
    before = "so the identity file does not count for it"
    assert text.endswith(source.format(before=before)) if source else before not in text


def test_a_hub_that_is_not_there_names_the_variables_that_say_where_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with EmbeddedHub({"k": PASSWORD}) as hub:
        port = hub.port
    monkeypatch.setenv("HIVEMIND_HOST", "127.0.0.1")
    monkeypatch.setenv("HIVEMIND_PORT", str(port))
    stored = NodeIdentity({"access_key": "k", "password": PASSWORD})
    with pytest.raises(err.HubUnreachable, match=r"does not count for it: HIVEMIND_HOST and HIVEMIND_PORT$"):
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
        with pytest.raises(err.PasswordRefused, match=r"You gave this yourself.*: password$"):
            client.connect()


def test_a_damaged_pin_names_the_file_it_is_in(tmp_path: Path) -> None:
    own = NodeIdentity(tmp_path / "bridge.json")
    own.IDENTITY_FILE["pinned_noise_keys"] = {"h:5678": "no key"}
    own.save()
    with pytest.raises(err.IdentityFileError) as caught:
        own.get_pinned_noise_key("h:5678")
    assert f"'hivemind-client forget-server h:5678 --identity-file {own.path}'" in str(caught.value)
    with pytest.raises(err.IdentityFileError, match=r"run identity.forget_noise_key\('h:5678'\)"):
        NodeIdentity({"pinned_noise_keys": {"h:5678": "no key"}}).get_pinned_noise_key("h:5678")
