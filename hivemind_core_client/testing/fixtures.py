"""pytest fixtures for satellite authors, found through the `pytest11` entry point."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import cached_property
from typing import TYPE_CHECKING, Any, Callable, Optional

import pytest

if TYPE_CHECKING:
    from hivemind_core_client.plugins.finding import PluginInfo
    from hivemind_core_client.sync.client import HiveMessageBusClient
    from hivemind_core_client.testing.fake_client import FakeHiveMessageBus
    from hivemind_core_client.testing.hub import EmbeddedHub

#: The access key and the password of the client that the fixtures' hub knows; for a hub of your own in its place.
KEY, PASSWORD = "fixture-key", "a fixture's password, long and random enough"

_STATIC_KEY = os.urandom(32)


@pytest.fixture
def hivemind_hub() -> Iterator[EmbeddedHub]:
    """A running EmbeddedHub that knows one client and answers each utterance with `you said: …`.

    It speaks protocol versions 0 and 1. For another one override this fixture: `hivemind_client` and
    `hivemind_client_factory` then connect with yours, with `KEY` and `PASSWORD` of this module.
    """
    from hivemind_core_client.testing.hub import EmbeddedHub

    with EmbeddedHub(clients={KEY: PASSWORD}) as hub:
        yield hub


@pytest.fixture
def hivemind_client(hivemind_hub: EmbeddedHub) -> Iterator[HiveMessageBusClient]:
    """A client that is connected with `hivemind_hub`."""
    from hivemind_core_client.sync.client import HiveMessageBusClient

    client = HiveMessageBusClient(
        KEY, PASSWORD, host=hivemind_hub.url, port=hivemind_hub.port, identity=memory_identity()
    )
    with client:
        yield client


@pytest.fixture
def hivemind_client_factory(hivemind_hub: EmbeddedHub) -> Iterator[Callable[..., HiveMessageBusClient]]:
    """A function that makes more clients of `hivemind_hub`. It takes the options of the constructor.

    The clients are not connected yet: call `connect`. At the end of the test all of them are closed.
    """
    from hivemind_core_client.sync.client import HiveMessageBusClient

    made: list[HiveMessageBusClient] = []

    def make(**options: Any) -> HiveMessageBusClient:
        defaults: dict[str, Any] = {
            "key": KEY,
            "password": PASSWORD,
            "host": hivemind_hub.url,
            "port": hivemind_hub.port,
        }
        client = HiveMessageBusClient(**{"identity": memory_identity(), **defaults, **options})
        made.append(client)
        return client

    yield make
    for client in made:
        client.close()


class LoadedPlugin:
    """One plugin, the only one beside the built-ins. Clients and hub are made when you ask for them.

    `info` says what the plugin provides. `ciphers` and `encodings` are the names of those that client and hub may use.
    One that is not built in counts only if it is listed. `options` are further options of the clients. `close` ends all
    that was made. If the plugin is not loaded, AssertionError gives the reason.
    """

    def __init__(
        self,
        plugin: Any,
        ciphers: Optional[Sequence[str]] = None,
        encodings: Optional[Sequence[str]] = None,
        **options: Any,
    ) -> None:
        self.plugin = plugin
        self.info: PluginInfo = _loaded(plugin)
        self._names: dict[str, Any] = {"ciphers": ciphers, "encodings": encodings}
        self._options: dict[str, Any] = {
            "plugins": [plugin],
            "blocked_plugins": (),
            **self._names,
            "identity": memory_identity(),
            **options,
        }
        self._opened = ExitStack()

    @cached_property
    def fake(self) -> FakeHiveMessageBus:
        """A FakeHiveMessageBus with the plugin, connected: it needs neither hub nor threads."""
        from hivemind_core_client.testing.fake_client import FakeHiveMessageBus

        client = FakeHiveMessageBus(**self._options)
        client.connect()
        self._opened.callback(client.close)
        return client

    @cached_property
    def hub(self) -> EmbeddedHub:
        """A running EmbeddedHub with the plugin."""
        from hivemind_core_client.testing.hub import EmbeddedHub

        hub = EmbeddedHub({KEY: PASSWORD}, plugins=[self.plugin], **self._names)
        return self._opened.enter_context(hub)

    @cached_property
    def client(self) -> HiveMessageBusClient:
        """A HiveMessageBusClient with the plugin, connected with `hub`."""
        from hivemind_core_client.sync.client import HiveMessageBusClient

        options = {"host": self.hub.url, "port": self.hub.port, **self._options}
        return self._opened.enter_context(HiveMessageBusClient(KEY, PASSWORD, **options))

    def close(self) -> None:
        """Close what was made: clients before the hub."""
        self._opened.close()


@pytest.fixture
def hivemind_plugin() -> Iterator[Callable[..., LoadedPlugin]]:
    """A function that loads a module or an object as the only plugin beside the built-ins: `hivemind_plugin(module)`.

    It returns a LoadedPlugin. That has a `fake` client, a `hub`, and a `client` that is connected with this hub. Each
    has the plugin, and is made when you ask for it. `ciphers` and `encodings` are lists of names for client and hub.
    Further options go to the clients. The test fails if the plugin is not loaded.
    """
    made: list[LoadedPlugin] = []

    def load(plugin: Any, **options: Any) -> LoadedPlugin:
        made.append(LoadedPlugin(plugin, **options))
        return made[-1]

    yield load
    for each in made:
        each.close()


def _loaded(plugin: Any) -> PluginInfo:
    from hivemind_core_client.plugins.manager import load_plugins

    (info,) = [info for info in load_plugins([plugin], ()).report if info.source == "given"]
    if info.state != "loaded":
        raise AssertionError(f"the plugin {info.name} is {info.state}: {info.error}")
    return info


def memory_identity() -> Any:
    """A NodeIdentity that lives in memory: tests leave the user's own alone.

    All of them have the same static key. A hub of protocol version 3 pins it for the access key, and refuses others.
    """
    from hivemind_core_client.config.identity import NodeIdentity

    identity = NodeIdentity({})
    identity._static_key = _STATIC_KEY
    return identity
