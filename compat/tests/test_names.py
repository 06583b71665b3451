"""Each module of the reference client's name gives what ours of that name gives, and nothing else is in the way."""

from __future__ import annotations

import importlib
import subprocess
import sys

import hivemind_bus_client
import pytest
from hivemind_bus_client import client, message, serialization, version

import hivemind_core_client

MODULES = (
    "async_client",
    "client",
    "decorators",
    "encryption",
    "exceptions",
    "fakebus",
    "hive_map",
    "http_client",
    "identity",
    "message",
    "protocol",
    "serialization",
    "util",
)
#: `connect` of these clients is as patient as that of the reference client (test_connecting.py), and this protocol
#: object may act through an object that is no client (test_foreign_link.py).
OWN_FORMS = (
    "AsyncHiveMessageBusClient",
    "HiveMessageBusClient",
    "HiveMindHTTPClient",
    "HiveMindSlaveProtocol",
)


@pytest.mark.parametrize("name", MODULES)
def test_a_module_gives_all_names_of_ours(name: str) -> None:
    if name == "async_client" and sys.version_info < (3, 10):
        pytest.skip("the client for asyncio needs Python 3.10")
    ours = importlib.import_module(f"hivemind_core_client.{name}")
    theirs = importlib.import_module(f"hivemind_bus_client.{name}")
    assert ours.__all__
    for each in ours.__all__:
        if each in OWN_FORMS:
            assert issubclass(getattr(theirs, each), getattr(ours, each))
        elif each != "AsyncFakeHiveMessageBus":  # test_fake.py
            assert getattr(theirs, each) is getattr(ours, each)


@pytest.mark.parametrize("name", ["HiveMessage", "HiveMessageBusClient", "HiveMessageType"])
def test_the_package_gives_what_programs_import_from_it(name: str) -> None:
    home = client if name == "HiveMessageBusClient" else message
    assert getattr(hivemind_bus_client, name) is getattr(home, name)


@pytest.mark.parametrize("name", ["HiveMessage", "HiveMessageType", "HiveMindBinaryPayloadType"])
def test_the_types_of_messages_come_from_the_module_of_binary_frames_too(name: str) -> None:
    assert getattr(serialization, name) is getattr(message, name)


@pytest.mark.skipif(sys.version_info < (3, 10), reason="the client for asyncio needs Python 3.10")
def test_the_client_for_asyncio_comes_when_it_is_asked_for() -> None:
    assert issubclass(
        hivemind_bus_client.AsyncHiveMessageBusClient, hivemind_core_client.AsyncHiveMessageBusClient
    )


def test_another_name_is_refused_as_python_does() -> None:
    with pytest.raises(AttributeError, match=r"hivemind_bus_client.*no attribute 'Hub'"):
        hivemind_bus_client.Hub  # noqa: B018


def test_the_version_says_whose_it_is() -> None:
    release, _, own = version.VERSION.partition("+core.")
    assert own == hivemind_core_client.__version__
    assert release == f"{version.VERSION_MAJOR}.{version.VERSION_MINOR}.{version.VERSION_BUILD}"


def test_importing_the_package_loads_no_client() -> None:
    code = "import sys, hivemind_bus_client.message; print('ovos_bus_client' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "False\n"


def test_the_package_lists_its_names() -> None:
    assert {"HiveMessage", "HiveMessageBusClient", "AsyncHiveMessageBusClient"} <= set(
        dir(hivemind_bus_client)
    )


@pytest.mark.parametrize(
    ("module", "name", "home"),
    [
        ("client", "HiveMessageType", "message"),
        ("client", "NodeIdentity", "identity"),
        ("http_client", "HiveMindSlaveProtocol", "protocol"),
        ("protocol", "HiveMessageBusClient", "client"),
        ("protocol", "NoiseTransport", "noise"),
        ("decorators", "HiveMessage", "message"),
    ],
)
def test_a_module_passes_on_what_it_uses_of_others(module: str, name: str, home: str) -> None:
    found = getattr(importlib.import_module(f"hivemind_bus_client.{module}"), name)
    assert found is getattr(importlib.import_module(f"hivemind_bus_client.{home}"), name)
    with pytest.raises(AttributeError, match=f"hivemind_bus_client.{module}.*no attribute 'Hub'"):
        importlib.import_module(f"hivemind_bus_client.{module}").Hub  # noqa: B018


def test_what_a_module_passes_on_is_loaded_when_it_is_asked_for() -> None:
    code = "import sys, hivemind_bus_client.client; print('hivemind_bus_client.encryption' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "False\n"


def test_the_identity_that_programs_share() -> None:
    from hivemind_bus_client.identity import NodeIdentity, shared_identity_for

    assert shared_identity_for("a program").IDENTITY_FILE.path == NodeIdentity().IDENTITY_FILE.path
