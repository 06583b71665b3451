"""A client takes what it is not given from the environment, then from a profile, then from the identity file."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hivemind_core_client import HiveMessageBusClient, NodeIdentity
from hivemind_core_client import errors as err
from hivemind_core_client.config.profiles import Profiles
from hivemind_core_client.fakebus import FakeHiveMessageBus
from hivemind_core_client.testing import EmbeddedHub, HttpGateway
from tests.unit.client_support import ask
from tests.unit.support import PASSWORD

#: Of each value: the argument, the variable, what the profile keeps, and what the identity file has.
SOURCES: dict[str, tuple[Any, str, Any, str]] = {
    "key": ("argument-key", "HIVEMIND_KEY", "profile-key", "access_key"),
    "password": ("argument-password", "HIVEMIND_PASSWORD", "profile-password", "password"),
    "host": ("argument.local", "HIVEMIND_HOST", "profile.local", "default_master"),
    "port": (1001, "HIVEMIND_PORT", 1003, "default_port"),
    "site_id": (None, "HIVEMIND_SITE_ID", "profile-site", "site_id"),
}
OF_ENVIRONMENT = {
    "key": "environment-key",
    "password": "environment-password",
    "host": "environment.local",
    "port": "1002",
    "site_id": "environment-site",
}
OF_IDENTITY = {
    "key": "identity-key",
    "password": "identity-password",
    "host": "identity.local",
    "port": 1004,
    "site_id": "identity-site",
}


@contextmanager
def reachable(kind: str) -> Iterator[str]:
    """The address of a hub for a client of this kind."""
    with EmbeddedHub({"k": PASSWORD}) as hub:
        if kind != "http":
            yield hub.url
            return
        gateway = HttpGateway(hub.url).start()
        yield gateway.url
        gateway.stop()


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither profiles nor an identity of another test."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


@pytest.fixture
def stored() -> None:
    """An identity file and a profile that have every value."""
    identity = NodeIdentity()
    for name, (_, _, _, field) in SOURCES.items():
        setattr(identity, field, OF_IDENTITY[name])
    identity.save()
    Profiles().put("kitchen", {name: each[2] for name, each in SOURCES.items()})


@pytest.mark.parametrize("name", SOURCES)
def test_the_order_of_precedence(
    client_class: Any, stored: None, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    argument, variable, of_profile, _ = SOURCES[name]

    def found(**options: Any) -> Any:
        return getattr(client_class(**options), name)

    assert found() == OF_IDENTITY[name]
    assert found(profile="kitchen") == of_profile
    monkeypatch.setenv(variable, OF_ENVIRONMENT[name])
    assert str(found(profile="kitchen")) == OF_ENVIRONMENT[name]
    if argument is not None:
        assert found(profile="kitchen", **{name: argument}) == argument


def test_options_of_how_to_connect(client_class: Any, tmp_path: Path) -> None:
    kept = {
        "key": "k",
        "host": "hub.local",
        "self_signed": False,
        "compress": None,
        "binarize": False,
        "max_protocol_version": 1,
        "useragent": "panel",
        "query_timeout": 7,
        "websocket_ping_interval": 5,
        "websocket_ping_timeout": 2.5,
        "websocket_connect_timeout": 4,
        "blocked_plugins": ["journal"],
        "crypto_key": "0123456789abcdef",
        "ciphers": ["AES-GCM"],
        "encodings": ["JSON-HEX"],
    }
    Profiles().put("kitchen", kept)
    client = client_class(profile="kitchen")
    assert client.profile.name == "kitchen"
    assert (client.allow_self_signed, client.compress, client.binarize) == (False, None, False)
    assert (client.max_protocol_version, client.useragent, client.query_timeout) == (1, "panel", 7)
    assert (client.websocket_ping_interval, client.websocket_ping_timeout) == (5, 2.5)
    assert (client.websocket_connect_timeout, client.crypto_key) == (4, b"0123456789abcdef")
    assert (client.profile.options.ciphers, client.profile.options.encodings) == (("AES-GCM",), ("JSON-HEX",))
    assert [info.name for info in client.plugin_report() if info.state == "blocked"] == ["journal"]


def test_arguments_go_before_switches_of_the_profile(client_class: Any) -> None:
    """True is the default, and it is an argument all the same where somebody passes it."""
    Profiles().put(
        "kitchen", {"key": "k", "host": "h", "self_signed": False, "compress": False, "query_timeout": 7}
    )
    client = client_class(profile="kitchen", self_signed=True, compress=True, query_timeout=30.0)
    assert (client.allow_self_signed, client.compress, client.query_timeout) == (True, True, 30.0)
    assert client_class(profile="kitchen", compress=None).compress is None
    plain = client_class("k", host="h")
    assert (
        plain.allow_self_signed,
        plain.compress,
        plain.binarize or plain.profile.transport.prefers_text,
    ) == (True, True, True)
    assert type(plain.compress) is bool and type(plain.query_timeout) is float


def test_the_environment_goes_before_the_pings_of_the_profile(
    client_class: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    Profiles().put("kitchen", {"key": "k", "host": "h", "websocket_ping_interval": 5})
    monkeypatch.setenv("HIVEMIND_WEBSOCKET_PING_INTERVAL", "9")
    assert client_class(profile="kitchen").websocket_ping_interval == 9
    assert client_class(profile="kitchen", websocket_ping_interval=3).websocket_ping_interval == 3


def test_what_belongs_together_is_taken_together(client_class: Any, stored: None) -> None:
    """The port of one hub is not that of another, and a password belongs to its key."""
    Profiles().put("other", {"key": "k", "host": "other.local"})
    client = client_class(profile="other")
    assert (client.password, client.host) == (None, "other.local")
    assert client.port != OF_IDENTITY["port"]
    Profiles().put("site", {"site_id": "attic"})
    client = client_class(profile="site")
    assert (client.key, client.password, client.port, client.site_id) == (
        "identity-key",
        "identity-password",
        1004,
        "attic",
    )


def test_a_table_of_the_profile_and_one_that_is_given_are_merged(client_class: Any) -> None:
    Profiles().put("kitchen", {"key": "k", "host": "h", "plugin_settings": {"no-such-plugin": {}}})
    with pytest.raises(err.InvalidOption, match="no-such-plugin"):
        client_class(profile="kitchen", plugin_settings={})


def test_a_session_by_a_profile_and_the_pins_of_its_identity(
    client_kind: str, client_class: Any, tmp_path: Path
) -> None:
    """The keys and pins are those of the shared identity file, or of the one that the profile names."""
    own = tmp_path / "own" / "_identity.json"
    with reachable(client_kind) as url:
        kept = {"key": "k", "password": PASSWORD, "host": url}
        Profiles().put("shared", kept)
        Profiles().put("own", {**kept, "identity_file": str(own)})
        with client_class(profile="shared") as client:
            assert ask(client) == "you said: hello"
            assert client.identity.path == NodeIdentity().path
        assert NodeIdentity().access_key is None, "nothing of the profile is written back"
        assert not own.exists()
        client = client_class(profile="own")
        assert client.identity.path == str(own)
        given = NodeIdentity({})
        assert client_class(profile="own", identity=given).identity is given


def test_an_error_says_that_the_value_is_of_the_profile(client_kind: str, client_class: Any) -> None:
    with reachable(client_kind) as url:
        Profiles().put("kitchen", {"key": "wrong", "password": PASSWORD, "host": url})
        client = client_class(profile="kitchen")
        with pytest.raises(
            err.KeyRefused,
            match=r"(?i)this comes from the profile 'kitchen', so the identity file does not count for it: key",
        ):
            client.connect()
        client.close()
    Profiles().put("kitchen", {"key": "a:b", "host": "h"})
    with pytest.raises(err.InvalidCredential, match=r"\(from the profile 'kitchen'\)"):
        client_class(profile="kitchen")


@pytest.mark.parametrize("name", ["nobody", "../x", 7])
def test_a_profile_that_is_not_there_is_an_error(client_class: Any, name: Any) -> None:
    with pytest.raises(err.InvalidOption):
        client_class("k", host="h", profile=name)


def test_fakes_take_no_profile_that_nobody_named(monkeypatch: pytest.MonkeyPatch) -> None:
    Profiles().put("kitchen", {"key": "kept", "compress": False})
    Profiles().use("kitchen")
    monkeypatch.setenv("HIVEMIND_PROFILE", "kitchen")
    assert FakeHiveMessageBus().compress is True
    assert FakeHiveMessageBus(profile="kitchen").compress is False


def test_help_shows_plain_defaults() -> None:
    shown = str(inspect.signature(HiveMessageBusClient))
    assert "self_signed: 'bool' = True" in shown and "query_timeout: 'float' = 30.0" in shown
