"""`hivemind-client profile`: what is kept, what is shown of it, and what commands take of it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from hivemind_core_client.config.profiles import Profiles
from hivemind_core_client.identity import NodeIdentity
from hivemind_core_client.testing import EmbeddedHub

from .tools import KEY, PASSWORD

pytestmark = pytest.mark.usefixtures("cheap_keys")
NEW = ("profile", "add", "kitchen")


def test_the_options_of_a_connection_are_kept(run: Any, tmp_path: Path) -> None:
    ca_file, secret = tmp_path / "hub.crt", tmp_path / "secret"
    ca_file.write_text("a certificate")
    secret.write_text("a long password\n")
    options = ("--host", "wss://hub.local", "--port", "443", "--key", KEY, "--password-file", str(secret))
    more = (
        "--siteid",
        "hall",
        "--ca-file",
        str(ca_file),
        "--max-protocol",
        "2",
        "--cipher",
        "AES-GCM",
        "--verify",
    )
    others = ("--set", "compress=false", "--set", 'blocked_plugins=["x"]', "--set", "useragent=panel")
    data = run(*NEW, *options, *more, *others, "--json").expect(0).json
    assert (data["name"], data["in_use"]) == ("kitchen", None)
    assert Profiles().get("kitchen").options == {
        "host": "wss://hub.local",
        "port": 443,
        "key": KEY,
        "password": "a long password",
        "site_id": "hall",
        "ca_file": str(ca_file),
        "self_signed": False,
        "max_protocol_version": 2,
        "ciphers": ["AES-GCM"],
        "compress": False,
        "blocked_plugins": ["x"],
        "useragent": "panel",
    }
    assert Path(data["file"]).stat().st_mode & 0o777 == 0o600


def test_secrets_are_masked(run: Any) -> None:
    run(*NEW, "--host", "hub.local", "--key", KEY, "--password", PASSWORD).expect(0)
    run(*NEW, "--change", "--set", 'transport_options={"token": "T0KEN"}').expect(0)
    for form in ((), ("--json",)):
        shown = run("profile", "show", "kitchen", *form).expect(0).out
        assert "hub.local" in shown and "***" in shown and "token" in shown
        assert not any(secret in shown for secret in (KEY, PASSWORD, "T0KEN"))
    data = run("profile", "show", "kitchen", "--json").expect(0).json
    assert data["identity"] == NodeIdentity().path and data["options"]["host"] == "hub.local"


def test_one_value_of_a_table_is_changed(run: Any) -> None:
    one = ("--set", "transport_options.broker_username=me", "--set", "transport_options.idle_timeout=30")
    run(*NEW, *one).expect(0)
    run(*NEW, "--change", "--set", "transport_options.idle_timeout=0").expect(0)
    assert Profiles().get("kitchen").options == {
        "transport_options": {"broker_username": "me", "idle_timeout": 0}
    }
    both = ("--set", 'transport_options={"a": 1}', "--set", "transport_options.b=2")
    run(*NEW, "--change", *both).expect(0)
    assert Profiles().get("kitchen").options == {"transport_options": {"a": 1, "b": 2}}
    assert (
        "useragent is no table"
        in run(*NEW, "--change", "--set", "useragent=me", "--set", "useragent.b=2").expect(2).err
    )


def test_a_secret_is_asked_for(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr("hivemind_client_cli.options.has_terminal", lambda: True)
    monkeypatch.setattr("getpass.getpass", lambda prompt: asked.append(prompt) or "T0KEN-of-broker")
    done = run(*NEW, "--host", "h", "--ask", "transport_options.broker_password").expect(0)
    assert asked == ["transport_options.broker_password: "] and "T0KEN" not in done.out + done.err
    assert Profiles().get("kitchen").options["transport_options"] == {"broker_password": "T0KEN-of-broker"}


def test_nobody_is_asked_without_a_terminal(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hivemind_client_cli.options.has_terminal", lambda: False)
    done = run(*NEW, "--ask", "transport_options.broker_password").expect(2)
    assert "no terminal to ask for the transport_options.broker_password on" in done.err


def test_a_token_in_the_address_is_masked(run: Any) -> None:
    address = "wss://hub.local/hive?token=T0KEN"
    run(*NEW, "--host", address).expect(0)
    run("set-identity", "--host", address).expect(0)
    for shown in (("profile", "show", "kitchen"), ("profile", "list"), ("show-identity",)):
        for form in ((), ("--json",)):
            out = run(*shown, *form).expect(0).out
            assert "wss://hub.local/hive?***" in out and "T0KEN" not in out
    assert Profiles().get("kitchen").options["host"] == NodeIdentity().default_master == address


def test_what_a_hub_is_looked_for_by_is_no_secret(run: Any) -> None:
    run(*NEW, "--host", "discover:den?site=home").expect(0)
    for shown in (("show", "kitchen"), ("list",)):
        assert "discover:den?site=home" in run("profile", *shown).expect(0).out


def test_a_profile_is_changed_only_where_that_is_said(run: Any) -> None:
    run(*NEW, "--host", "hub.local", "--key", KEY).expect(0)
    assert "'hivemind-client profile add kitchen --change'" in run(*NEW, "--host", "other").expect(2).err
    run(*NEW, "--change", "--port", "1234").expect(0)
    assert Profiles().get("kitchen").options == {"host": "hub.local", "key": KEY, "port": 1234}
    assert "no profile 'hall'" in run("profile", "add", "hall", "--change", "--port", "1").expect(2).err


@pytest.mark.parametrize(
    "options",
    [
        ("--host", "ws://"),
        ("--key", "a:b"),
        ("--ca-file", "/no/such"),
        ("--set", "wings=2"),
        ("--set", "port=0"),
        ("--set", "wings"),
        ("--set", "crypto_key=short"),
        (),
    ],
)
def test_nothing_is_kept_that_no_connection_could_use(run: Any, options: tuple[str, ...]) -> None:
    run(*NEW, *options).expect(2)
    assert not Path(Profiles().path).exists()


@pytest.mark.parametrize("name", ["../kitchen", "/tmp/x", ".", "a/b"])
def test_a_path_is_no_name(run: Any, name: str) -> None:
    for words in (("add", name, "--host", "h"), ("use", name), ("show", name), ("remove", name)):
        assert "is no name of a profile" in run("profile", *words).expect(2).err


def test_one_is_used_listed_and_removed(run: Any) -> None:
    assert "no profiles" in run("profile", "list").expect(0).out
    run(*NEW, "--host", "one.local", "--use").expect(0)
    run("profile", "add", "hall", "--host", "two.local").expect(0)
    assert run("profile", "list").expect(0).out == "  hall      two.local\n* kitchen   one.local\n"
    rows = run("profile", "list", "--json").expect(0).json["profiles"]
    assert [(row["name"], row["in_use"]) for row in rows] == [("hall", False), ("kitchen", True)]
    assert run("profile", "show", "--json").expect(0).json["name"] == "kitchen"
    run("profile", "use", "hall").expect(0)
    assert run("profile", "show", "--json").expect(0).json["name"] == "hall"
    removed = run("profile", "remove", "hall").expect(0)
    assert "no profile is in use now" in removed.out
    run("profile", "use", "kitchen").expect(0)
    run("profile", "use", "--none").expect(0)
    assert "no profile is in use" in run("profile", "show").expect(2).err
    run("profile", "use").expect(2)
    run("profile", "use", "nobody").expect(2)


def test_a_file_that_is_none_is_left_alone(run: Any) -> None:
    run(*NEW, "--host", "one.local").expect(0)
    path = Path(Profiles().path)
    path.write_text("{")
    for words in (("list",), ("show", "kitchen"), ("remove", "kitchen"), ("add", "hall", "--host", "h")):
        assert "correct it, or move it away" in run("profile", *words).expect(2).err.lower()
    assert "profiles file" in run("test-identity", "--profile", "kitchen").expect(2).err
    assert path.read_text() == "{"


def test_commands_take_the_profile_and_one_warning_of_tls_is_all(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with EmbeddedHub(clients={KEY: PASSWORD}, tls=True) as hub:
        run(*NEW, "--host", f"wss://127.0.0.1:{hub.port}", "--key", KEY, "--password", PASSWORD).expect(0)
        first = run("test-identity", "--profile", "kitchen").expect(0)
        assert "pinned now" in first.err
        again = run("test-identity", "--profile", "kitchen").expect(0)
        assert "certificate" not in again.err
        run("test-identity").expect(2)
        monkeypatch.setenv("HIVEMIND_PROFILE", "kitchen")
        run("test-identity").expect(0)
        monkeypatch.delenv("HIVEMIND_PROFILE")
        run("profile", "use", "kitchen").expect(0)
        run("test-identity").expect(0)
        shown = run("profile", "show", "--json").expect(0).json
        assert list(shown["pinned_certificates"]) == [f"127.0.0.1:{hub.port}"]
        run("forget-server").expect(0)
        assert NodeIdentity().pinned_certificates == {}
        run("test-identity", "--key", "another").expect(3)


def test_the_commands_that_an_error_names_are_for_the_identity_of_the_profile(
    run: Any, tmp_path: Path
) -> None:
    own = tmp_path / "own.json"
    own.write_text("{}")
    with EmbeddedHub(clients={KEY: PASSWORD}, tls=True) as hub:
        login = ("--host", f"wss://127.0.0.1:{hub.port}", "--key", KEY, "--password", PASSWORD)
        run(*NEW, *login, "--identity-file", str(own)).expect(0)
        NodeIdentity(own).pin_certificate(f"127.0.0.1:{hub.port}", "0" * 64)
        refused = run("test-identity", "--profile", "kitchen").expect(3)
    assert f"forget-server 127.0.0.1:{hub.port} --certificate --identity-file {own}" in refused.err
    assert not (Path(NodeIdentity().path or "")).exists()
    run("profile", "use", "kitchen").expect(0)
    assert run("show-identity", "--json").expect(0).json["file"] == str(own)


def test_who_else_has_a_say_is_told(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run(*NEW, "--host", "one.local").expect(0)
    monkeypatch.setenv("HIVEMIND_HOST", "two.local")
    assert "HIVEMIND_HOST" in run("profile", "show", "kitchen").expect(0).out
    assert json.loads(run("profile", "show", "kitchen", "--json").expect(0).out)["environment"] == [
        "HIVEMIND_HOST"
    ]


def test_a_profile_counts_for_every_command_when_it_stands_before_it(run: Any, tmp_path: Path) -> None:
    other = str(tmp_path / "other.json")
    run("set-identity", "--identity-file", other, "--siteid", "hall").expect(0)
    with EmbeddedHub(clients={KEY: PASSWORD}) as hub:
        address = ("--host", f"ws://{hub.host}", "--port", str(hub.port))
        run(*NEW, *address, "--key", KEY, "--password", PASSWORD, "--identity-file", other).expect(0)
        assert "ok: hub" in run("--profile", "kitchen", "test-identity").expect(0).out
    assert run("--profile", "kitchen", "show-identity", "--json").expect(0).json["file"] == other
    assert run("show-identity", "--json").expect(0).json["file"] == NodeIdentity().path
    assert "there is no profile 'attic'" in run("--profile", "attic", "test-identity").expect(2).err
    assert "is empty" in run("--profile", "", "test-identity").expect(2).err
    assert "HIVEMIND_PROFILE" not in os.environ
