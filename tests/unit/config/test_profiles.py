"""Profiles in their file: what they may hold, who may read them, and what becomes of a file that is none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest

from hivemind_core_client.config.kept_options import Profile
from hivemind_core_client.config.profiles import FIELDS, Profiles, chosen_profile
from hivemind_core_client.config.settings import resolve
from hivemind_core_client.errors import IdentityFileError, InvalidOption
from hivemind_core_client.identity import NodeIdentity

#: A value of each kind for each option.
ALL: dict[str, Any] = {
    "host": "wss://hub.local",
    "port": 8443,
    "key": "KEY",
    "password": "SECRET",
    "crypto_key": "0123456789abcdef",
    "site_id": "kitchen",
    "useragent": "panel",
    "identity_file": "/etc/hivemind/_identity.json",
    "self_signed": False,
    "ca_file": "/etc/hub.crt",
    "hub_key": "-----BEGIN PUBLIC KEY-----",
    "max_protocol_version": 2,
    "ciphers": ["AES-GCM"],
    "encodings": ["JSON-HEX"],
    "compress": None,
    "binarize": False,
    "plugins": ["one"],
    "blocked_plugins": ["other"],
    "plugin_settings": {"one": {"loud": True}},
    "transport_options": {"qos": 1},
    "websocket_ping_interval": 5,
    "websocket_ping_timeout": 2.5,
    "websocket_connect_timeout": 4,
    "query_timeout": 7,
}


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither profiles nor an identity of another test."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


def file() -> Path:
    return Path(Profiles().path)


def test_all_that_a_connection_needs_is_kept() -> None:
    assert set(ALL) == set(FIELDS)
    Profiles().put("kitchen", ALL)
    assert Profiles().get("kitchen").options == ALL
    assert "SECRET" not in repr(Profiles().get("kitchen"))


def test_the_file_is_the_owners_and_keeps_what_others_wrote() -> None:
    first, second = Profiles(), Profiles()
    first.put("kitchen", {"host": "one"})
    assert file().stat().st_mode & 0o777 == 0o600
    assert file() == Path(NodeIdentity().path or "").with_name("profiles.json")
    kept = json.loads(file().read_text())
    file().write_text(json.dumps({**kept, "of another version": 1}))
    second.put("hall", {"host": "two"})
    assert Profiles().names == ["hall", "kitchen"]
    assert json.loads(file().read_text())["of another version"] == 1
    assert list(file().parent.glob("*.tmp")) == []


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../kitchen", "/etc/passwd", "a/b", "a\\b", "-x", "a b", "ü", "x" * 65, 7]
)
def test_a_name_that_is_none(name: Any) -> None:
    for act in (Profiles().get, Profiles().use, Profiles().remove, lambda name: Profiles().put(name, {})):
        with pytest.raises(InvalidOption, match="is no name of a profile"):
            act(name)
    assert not file().exists()


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("port", 0),
        ("port", "5678"),
        ("host", ""),
        ("key", 7),
        ("self_signed", "false"),
        ("self_signed", None),
        ("compress", "yes"),
        ("max_protocol_version", 4),
        ("max_protocol_version", True),
        ("ciphers", "AES-GCM"),
        ("plugins", [""]),
        ("plugin_settings", []),
        ("query_timeout", -1),
        ("query_timeout", True),
        ("wings", 2),
    ],
)
def test_what_a_profile_cannot_hold(option: str, value: Any) -> None:
    with pytest.raises(InvalidOption, match=option):
        Profiles().put("kitchen", {option: value})
    assert not file().exists()
    Profiles().put("kitchen", {"host": "hub"})
    file().write_text(json.dumps({"profiles": {"kitchen": {option: value}, "hall": {"host": "hub"}}}))
    with pytest.raises(InvalidOption, match=f"kitchen.*profiles.json.*{option}"):
        Profiles().get("kitchen")
    assert Profiles().get("hall").options == {"host": "hub"}
    assert not Profiles().remove("kitchen") and Profiles().names == ["hall"]


@pytest.mark.parametrize("content", ["", "{", "[]", '"SECRET"', '{"profiles": []}', "\0"])
def test_a_corrupt_file_is_an_error_that_names_the_mend_and_stays(content: str) -> None:
    Profiles().put("kitchen", {"host": "hub"})
    path = file()
    path.write_text(content)
    for act in (Profiles, chosen_profile, lambda: chosen_profile("kitchen")):
        with pytest.raises(IdentityFileError, match=r"profiles file .*left as it (was|is)") as caught:
            act()
        assert "Correct it, or move it away" in str(caught.value) and "SECRET" not in str(caught.value)
    assert path.read_text() == content


def test_a_profile_that_is_not_there() -> None:
    Profiles().put("kitchen", {"host": "hub"})
    with pytest.raises(
        InvalidOption,
        match=r"there is no profile 'hall'\. There are: kitchen; 'hivemind-client profile list'",
    ):
        Profiles().get("hall")
    with pytest.raises(InvalidOption, match="no profile 'hall'"):
        Profiles().use("hall")
    with pytest.raises(InvalidOption, match="no profile 'hall'"):
        Profiles().remove("hall")


def test_the_profile_in_use() -> None:
    profiles = Profiles()
    profiles.put("kitchen", {"host": "one"})
    profiles.put("hall", {"host": "two"})
    assert chosen_profile().name == ""
    profiles.use("kitchen")
    assert (Profiles().in_use, chosen_profile().name) == ("kitchen", "kitchen")
    assert not profiles.remove("hall")
    assert Profiles().in_use == "kitchen"
    assert profiles.remove("kitchen")
    assert (Profiles().in_use, Profiles().names, chosen_profile().name) == (None, [], "")


def test_no_profile_is_used_any_more() -> None:
    Profiles().put("kitchen", {"host": "one"})
    Profiles().use("kitchen")
    Profiles().use(None)
    assert chosen_profile().name == ""
    Profiles().use(None)


def test_a_profile_in_use_that_is_gone_is_an_error() -> None:
    """Another hub than the one that was meant would be worse."""
    Profiles().put("kitchen", {"host": "one"})
    file().write_text(json.dumps({"in_use": "hall", "profiles": {"kitchen": {}}}))
    with pytest.raises(InvalidOption, match="no profile 'hall'"):
        chosen_profile()
    assert chosen_profile("").name == ""


def test_which_profile_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    profiles, identity = Profiles(), NodeIdentity({})
    for name in ("argument", "environment", "in-use"):
        profiles.put(name, {"host": name})
    profiles.use("in-use")
    assert chosen_profile().name == "in-use"
    assert chosen_profile(None, identity).name == ""
    monkeypatch.setenv("HIVEMIND_PROFILE", "environment")
    assert chosen_profile().name == "environment"
    assert chosen_profile(None, identity).name == "environment"
    assert chosen_profile("argument").name == "argument"
    assert chosen_profile("").name == ""
    monkeypatch.setenv("HIVEMIND_PROFILE", "nobody")
    with pytest.raises(InvalidOption, match="no profile 'nobody'"):
        chosen_profile()


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("HIVEMIND_HOST", "wss://elsewhere:99", "the key of the profile goes to wss://elsewhere:99"),
        ("HIVEMIND_KEY", "another-key", "the key in the environment goes to ws://hub.local:5678"),
        ("HIVEMIND_HOST", "hub.local", ""),
    ],
)
def test_a_key_that_goes_to_another_hub_than_its_own_is_told_once(
    variable: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    kept = Profile(f"of-{variable}", {"host": "hub.local", "key": "the-key"})
    monkeypatch.setenv(variable, value)
    for given in cast("list[dict[str, str]]", [{}, {}, {"host": "hub.local", "key": "k"}, {"host": "other"}]):
        resolve(NodeIdentity({}), kept=kept, **given)
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == bool(said)
    for each in told:
        assert said in each and variable in each and kept.name in each
        assert "another-key" not in each and "the-key" not in each
