"""Identity files, written by one client and read by the other: ours and the reference client of each hub."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hivemind_bus_client.identity import NodeIdentity

from . import identities
from .hubs import xdg_environment
from .identities import performed
from .specs import HUBS, HubSpec, environment

#: `side(steps, **arguments of the constructor)`
Side = Callable[..., Any]
PEM = "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----"
HUB = "hub.local:5678"
FIELDS = {
    "name": "kitchen",
    "access_key": "the-key",
    "password": "grüße 时",
    "site_id": "hall",
    "default_master": "ws://hub.local",
    "default_port": 5678,
}
#: Where the reference client knows applications, and protocol version 3.
NEWER = [spec for spec in HUBS if 3 in spec.versions]
_SAVE = ["call", "save"]


def got(*fields: str) -> list[list[str]]:
    """Steps that read these fields."""
    return [["get", field] for field in fields]


def _is_a_folder(variable: str) -> bool:
    return variable == "HOME" or variable.startswith("XDG_")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the settings that both have."""
    for name, value in xdg_environment(tmp_path).items():
        if _is_a_folder(name):
            monkeypatch.setenv(name, value)
    return tmp_path / "config" / "hivemind"


def ours(steps: list[list[Any]], **arguments: Any) -> Any:
    """What ours makes of it."""
    return performed(NodeIdentity, arguments, steps)


@pytest.fixture
def spec(request: pytest.FixtureRequest) -> Any:
    """The hub whose reference client it is."""
    return request.param


@pytest.fixture
def reference(spec: HubSpec, home: Path) -> Iterator[Side]:
    """The same by the reference client in the environment of a hub. 0.9 looks for the folder once in a process."""
    command = [environment(spec).command("python"), str(Path(identities.__file__))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        stdin, stdout = process.stdin, process.stdout
        assert stdin is not None and stdout is not None

        def perform(steps: list[list[Any]], **arguments: Any) -> Any:
            stdin.write(json.dumps([arguments, steps]) + "\n")
            stdin.flush()
            return json.loads(stdout.readline())

        yield perform
        stdin.close()


@pytest.fixture(params=["ours writes", "theirs writes"])
def sides(request: pytest.FixtureRequest, reference: Side) -> tuple[Side, Side]:
    """Who writes, and who reads."""
    return (ours, reference) if request.param == "ours writes" else (reference, ours)


by_hub = pytest.mark.parametrize("spec", HUBS, indirect=True, ids=lambda spec: spec.version)
by_newer_hub = pytest.mark.parametrize("spec", NEWER, indirect=True, ids=lambda spec: spec.version)


@by_hub
def test_every_field(sides: tuple[Side, Side], home: Path) -> None:
    write, read = sides
    write([*(["set", field, value] for field, value in FIELDS.items()), _SAVE])
    assert read(got(*FIELDS)) == list(FIELDS.values())
    assert json.loads((home / "_identity.json").read_text()) == FIELDS


@by_hub
def test_keys_and_whom_it_trusts(sides: tuple[Side, Side], spec: HubSpec, home: Path) -> None:
    write, read = sides
    made = write(
        [
            ["call", "create_keys"],
            ["call", "add_trusted_key", "hub", PEM],
            _SAVE,
            *got("public_key", "private_key"),
        ]
    )
    assert made[:3] == [None, True, None]
    assert made[4] == str(home / "HiveMindComs.pem")
    public, private, alias = read([*got("public_key", "private_key"), ["call", "get_trusted_alias", PEM]])
    assert (public, alias) == (made[3], "hub")
    # The reference client 0.9 takes a path as it stands, which newer ones and ours write without the folder.
    is_whole = read is ours or 3 in spec.versions
    assert private == (made[4] if is_whole else "HiveMindComs.pem")


@by_hub
def test_each_keeps_what_the_other_has_written(sides: tuple[Side, Side]) -> None:
    write, read = sides
    write([["set", "site_id", "attic"], _SAVE])
    assert read([["set", "access_key", "later"], _SAVE]) == [None]
    assert write(got("site_id", "access_key")) == ["attic", "later"]


@by_newer_hub
def test_pins_and_where_the_static_key_lies(sides: tuple[Side, Side], home: Path) -> None:
    write, read = sides
    write([["call", "pin_noise_key", HUB, "ab" * 32], ["set", "noise_key", "mine.key"], _SAVE])
    ask = [*got("noise_key", "pinned_noise_keys"), ["call", "get_pinned_noise_key", HUB]]
    assert read(ask) == [str(home / "mine.key"), {HUB: "ab" * 32}, "ab" * 32]
    assert read([["call", "forget_noise_key", HUB], ["call", "forget_noise_key", HUB]]) == [True, False]
    assert write(got("pinned_noise_keys")) == [{}]


@by_newer_hub
def test_an_application_s_own_file(sides: tuple[Side, Side], home: Path) -> None:
    write, read = sides
    write([["set", "site_id", "hall"], _SAVE])
    write([["set", "site_id", "attic"], _SAVE], app_name="my-app", shared_fallback=False)
    assert (home / "my-app" / "_identity.json").exists()
    ask = got("app_name", "uses_shared_fallback", "site_id")
    assert read(ask, app_name="my-app") == ["my-app", False, "attic"]
    assert read(ask) == [None, False, "hall"]


@by_newer_hub
def test_an_application_without_a_file(sides: tuple[Side, Side], home: Path) -> None:
    write, read = sides
    write([["set", "site_id", "hall"], _SAVE])
    ask = got("app_name", "uses_shared_fallback", "site_id", "noise_key")
    key = str(home / "unnamed-node_noise.key")
    assert read([*ask, ["set", "site_id", "attic"], _SAVE], app_name="my-app") == [
        "my-app",
        True,
        "hall",
        key,
        None,
    ]
    assert write(ask, app_name="my-app") == ["my-app", True, "attic", key]
    assert not (home / "my-app").exists()


@by_newer_hub
@pytest.mark.parametrize(
    "name", ["", "..", "../x", "/etc", "a/b", "a\\b", ".a", "_a", "a b", "ä", "a\n", "a" * 65]
)
def test_what_is_no_name_of_an_application(reference: Side, name: str, home: Path) -> None:
    assert ours([], app_name=name) == reference([], app_name=name) == {"error": True}
    assert ours([], app_name="a", identity_file="f") == reference([], app_name="a", identity_file="f")


@by_newer_hub
@pytest.mark.parametrize("name", ["a", "my-app", "My_App.2", "9", "a..", "a" * 64])
def test_names_of_applications(reference: Side, name: str) -> None:
    assert ours(got("app_name"), app_name=name) == reference(got("app_name"), app_name=name) == [name]
