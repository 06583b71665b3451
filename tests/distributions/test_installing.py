"""The wheels alone, installed into empty environments, do what their pages say."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hivemind_core_client.testing import EmbeddedHub, HttpGateway

from .built import COMPAT, EXTRAS, ROOT, VERSION
from .environments import Empty

PROGRAMS = Path(__file__).parent / "programs"
#: The programs of the reference client's README. They need nothing but the package that they are told.
README_PROGRAM = ROOT / "tests" / "interop" / "readme_program.py"
SAID = "you said: a program was moved over\n"
#: What the extras with a plugin bring.
PLUGINS = {
    "cli": "cli",
    "discovery": "discovery",
    "intercom": "intercom",
    "journal": "journal",
    "metrics": "metrics",
    "mqtt": "mqtt",
    "tts": "binary_tts",
}
#: A module that an extra without a plugin brings, and what it is for.
MODULES = {"async": "aiohappyeyeballs", "encodings": "z85base91", "speed": "msgspec", "testing": "websockets"}
FIXTURES = ("hivemind_hub", "hivemind_client", "hivemind_client_factory", "hivemind_plugin")
TEST = """
def test_it_is_heard(hivemind_hub, hivemind_client):
    assert hivemind_client.connected_event.is_set() and hivemind_hub.url
"""
HAS_NOISE = sys.version_info >= (3, 10)

Install = Callable[..., Empty]


def own(*extras: str) -> str:
    """The requirement of the root with these extras."""
    return f"hivemind-core-client[{','.join(extras)}]=={VERSION}"


def check_library(place: Empty, login: dict[str, str]) -> None:
    """All names are there, they are those of the wheel, and the first program of the README works."""
    version, _, file = place.python(PROGRAMS / "all_names.py").stdout.strip().partition(" ")
    assert version == VERSION
    assert Path(file).is_relative_to(place.folder)
    assert place.python(README_PROGRAM, "hivemind_core_client", "threads", **login).stdout == SAID


def plugins(place: Empty) -> set[str]:
    return set(place.python(PROGRAMS / "plugins_found.py").stdout.splitlines())


def check_command_line(place: Empty, hub: EmbeddedHub, login: dict[str, str]) -> None:
    """The demo, and pairing as the README says: the program after it finds all in the identity file."""
    demo = place.script("hivemind-client", "demo").stdout
    assert "round trip" in demo and "what time is it" in demo
    key, password, host, port = login.values()
    pairing = ["--key", key, "--password", password, "--host", host, "--port", port]
    place.script("hivemind-client", "set-identity", *pairing)
    assert place.script("hivemind-client", "test-identity").stdout.startswith("ok: hub ")
    for form in ("threads", "identity"):
        assert place.python(README_PROGRAM, "hivemind_core_client", form).stdout == SAID
    if HAS_NOISE:
        assert hub.received


def check_asyncio(place: Empty, package: str, login: dict[str, str]) -> None:
    if HAS_NOISE:
        key, password, host, _ = login.values()
        assert place.python(README_PROGRAM, package, "asyncio", key, password, host, **login).stdout == SAID


def check_http(place: Empty, hub: EmbeddedHub, login: dict[str, str]) -> None:
    with HttpGateway(hub.url) as gateway:
        said = place.python(PROGRAMS / "over_http.py", gateway.url, **{**login, "HIVEMIND_PORT": ""}).stdout
    assert said == "you said: over http\n"


def check_fixtures(place: Empty, tmp_path: Path) -> None:
    place.install("pytest")
    shown = place.python("-m", "pytest", "--fixtures", "-q").stdout
    assert [name for name in FIXTURES if f"\n{name} " not in shown and f"\n{name}\n" not in shown] == []
    (tmp_path / "test_satellite.py").write_text(TEST, encoding="utf-8")
    assert "1 passed" in place.python("-m", "pytest", "-q", "test_satellite.py").stdout


def test_the_root_alone(installed: Install, login: dict[str, str]) -> None:
    place = installed(f"hivemind-core-client=={VERSION}")
    check_library(place, login)
    assert plugins(place) == set()
    told = place.script("hivemind-client", "--help", code=2).stderr
    assert told.count("\n") == 1 and "pip install 'hivemind-core-client[cli]'" in told


@pytest.mark.parametrize("extra", sorted(set(EXTRAS) - {"all"}))
def test_an_extra(
    extra: str, installed: Install, hub: EmbeddedHub, login: dict[str, str], tmp_path: Path
) -> None:
    place = installed(own(extra))
    check_library(place, login)
    if extra in PLUGINS:
        assert f"{PLUGINS[extra]} loaded" in plugins(place)
    if extra in MODULES and (HAS_NOISE or extra != "async"):
        place.python("-c", f"import {MODULES[extra]}")
    if extra == "cli":
        check_command_line(place, hub, login)
    elif extra == "async":
        check_asyncio(place, "hivemind_core_client", login)
    elif extra == "http":
        check_http(place, hub, login)
    elif extra == "testing":
        check_fixtures(place, tmp_path)


def test_all_of_it(installed: Install, hub: EmbeddedHub, login: dict[str, str], tmp_path: Path) -> None:
    place = installed(own("all"))
    check_library(place, login)
    assert plugins(place) == {f"{name} loaded" for name in PLUGINS.values()}
    check_command_line(place, hub, login)
    check_asyncio(place, "hivemind_core_client", login)
    check_http(place, hub, login)
    check_fixtures(place, tmp_path)


def test_in_the_place_of_the_reference_client(installed: Install, login: dict[str, str]) -> None:
    place = installed(f"{COMPAT.name}=={COMPAT.version}")
    assert place.python(README_PROGRAM, "hivemind_bus_client", "threads", **login).stdout == SAID
    check_asyncio(place, "hivemind_bus_client", login)


def test_every_extra_is_tried() -> None:
    """What an extra brings is known here, so that a new one is tried too."""
    assert set(EXTRAS) == {*PLUGINS, *MODULES, "all", "http"}
