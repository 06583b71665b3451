"""Addresses of hubs that must be found first: which hub is taken, what is pinned, and what a bad finder can do."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Callable, Union

import pytest

from hivemind_core_client import NodeIdentity
from hivemind_core_client import errors as err
from hivemind_core_client.plugins.contract import FoundHub, Search, Transport
from hivemind_core_client.testing import EmbeddedHub, HttpGateway
from hivemind_core_client.testing.certificates import self_signed
from tests.unit.client_support import Make, ask, until
from tests.unit.noise_support import needs_noise
from tests.unit.support import PASSWORD, plugin


class Network:
    """What is announced now, and how often somebody looked."""

    def __init__(self) -> None:
        self.announced: list[Any] = []
        self.searches = 0

    def find(self, search: Search) -> Iterable[FoundHub]:
        self.searches += 1
        return list(self.announced)

    def announce(self, hub: Union[EmbeddedHub, HttpGateway], name: str = "Kitchen", **about: str) -> None:
        self.announced.append(FoundHub(hub.url, name, about))

    def options(self, **more: Any) -> dict[str, Any]:
        return {"plugins": [finding(self.find)], "identity": NodeIdentity({}), **more}


def finding(find: Callable[[Search], Any]) -> Any:
    return plugin("finder", hivemind_transports=lambda: [Transport("discover", find=find)])


@contextmanager
def running(kind: str, **options: Any) -> Iterator[Union[EmbeddedHub, HttpGateway]]:
    """A hub, as a client of this kind reaches it."""
    tls = options.pop("tls", None)
    with EmbeddedHub({"k": PASSWORD}, tls=None if kind == "http" else tls, **options) as hub:
        if kind != "http":
            yield hub
            return
        gateway = HttpGateway(hub.url, tls=tls).start()
        yield gateway
        gateway.stop()


@pytest.fixture
def network() -> Network:
    return Network()


class At:
    """Stands for a hub in `make`, which wants to know its URL."""

    def __init__(self, url: str) -> None:
        self.url = url


@pytest.mark.parametrize(
    "address", ["discover:", "discover:kitchen", "discover://KITCHEN", "discover:?site=Home"]
)
def test_the_one_hub_that_fits_is_connected_to(
    address: str, client_kind: str, make: Make, network: Network
) -> None:
    with running(client_kind) as hub:
        network.announce(hub, site="home")
        with make(At(address), **network.options()) as client:
            assert ask(client) == "you said: hello"
            assert (client.host, client.port) == ("127.0.0.1", hub.port)
            assert address.partition(":")[0] in repr(client) and hub.url in repr(client)


def test_a_hub_of_another_name_is_not_connected_to(client_kind: str, make: Make, network: Network) -> None:
    with running(client_kind) as hub:
        network.announce(hub, "cellar\x1b[2J")
        client = make(At("discover:kitchen"), **network.options())
        with pytest.raises(err.HubNotFound) as caught:
            client.connect()
        client.close()
    assert caught.value.exit_code == 4
    assert caught.value.hubs == (f"'cellar?[2J' at {hub.url}",)
    assert "'hivemind-client discover' lists" in str(caught.value)
    assert "\x1b" not in str(caught.value)


def test_of_several_none_is_taken_and_all_are_told(client_kind: str, make: Make, network: Network) -> None:
    with running(client_kind) as one, running(client_kind) as other:
        network.announce(one, "kitchen")
        network.announce(one, "kitchen")  # the same once more is one
        network.announce(other, "Kitchen")
        client = make(At("discover:kitchen"), **network.options())
        with pytest.raises(err.SeveralHubsFound) as caught:
            client.connect()
        client.close()
        assert len(caught.value.hubs) == 2
        assert one.url in str(caught.value) and other.url in str(caught.value)
        if isinstance(one, EmbeddedHub) and isinstance(other, EmbeddedHub):
            assert one.received == other.received == []


def test_a_hub_that_has_moved_is_found_again(client_kind: str, make: Make, network: Network) -> None:
    with running(client_kind) as hub:
        network.announce(hub)
        client = make(At("discover:kitchen"), **network.options())
        client.connect()
        assert ask(client) == "you said: hello"
        client.close_connection()  # which is no reason to look again
        assert until(client.connected_event.is_set) and ask(client)
        assert network.searches == 1
        first = hub.url
        network.announced.clear()
    with running(client_kind) as hub:
        network.announce(hub)
        assert hub.url != first
        assert until(lambda: hub.url in repr(client) and client.connected_event.is_set())
        assert ask(client) == "you said: hello"
    client.close()


@needs_noise
def test_nobody_else_can_take_the_place_of_a_hub_that_was_met(
    client_kind: str, make: Make, network: Network
) -> None:
    identity = NodeIdentity({})
    with running(client_kind, versions=(3, 3)) as hub:
        network.announce(hub)
        with make(At("discover:kitchen"), **network.options(identity=identity)) as client:
            ask(client)
    assert list(identity.pinned_noise_keys) == ["discover:kitchen"]
    network.announced.clear()
    with running(client_kind, versions=(3, 3)) as other:
        network.announce(other)
        client = make(At("discover:kitchen"), **network.options(identity=identity))
        with pytest.raises(err.HubKeyChanged, match=r"forget_noise_key\('discover:kitchen'\)"):
            client.connect()
        client.close()
        with pytest.raises(err.HubKeyChanged, match=r"forget_noise_key\('discover:kitchen'\)"):
            client.connect()  # the errors of a further connection say where the hub was found
        client.close()


def test_without_tls_nobody_is_reached_who_was_reached_with_it(
    client_kind: str, make: Make, network: Network
) -> None:
    identity = NodeIdentity({})
    context, _ = self_signed("127.0.0.1")
    with running(client_kind, tls=context) as hub:
        network.announce(hub)
        with make(At("discover:kitchen"), **network.options(identity=identity)) as client:
            assert ask(client) == "you said: hello"
    assert list(identity.pinned_certificates) == ["discover:kitchen"]
    network.announced.clear()
    with running(client_kind) as plain:
        network.announce(plain)
        for options in ({"identity": identity}, {"self_signed": False}):
            client = make(At("discover:kitchen"), **network.options(**options))
            with pytest.raises(err.HubNotFound, match="TLS is needed"):
                client.connect()
            client.close()


class _Textless:
    def __str__(self) -> str:
        raise ValueError("no text")


def _junk(search: Search) -> Iterator[Any]:
    yield None
    yield FoundHub("gopher://hub:1")
    yield FoundHub("ws://")
    yield FoundHub("discover:kitchen")
    yield FoundHub(None)  # type: ignore[arg-type]
    yield FoundHub("ws://u:p@h:1", "kitchen")
    yield FoundHub("ws://h:1/\ud800", "kitchen")
    yield FoundHub("ws://h:1", _Textless())  # type: ignore[arg-type]
    while True:
        yield FoundHub("memory:there", "kitchen")


def _endless(search: Search) -> Any:
    return _junk(search)


def _exits(search: Search) -> Any:
    raise SystemExit("a plugin says: \x1b[2Jno network")


@pytest.mark.parametrize(
    "find",
    [_endless, _exits, lambda search: None, list],
    ids=["endless", "exits", "nothing", "cannot be called"],
)
def test_a_bad_finder_ends_an_attempt_and_nothing_else(find: Any, make: Make) -> None:
    client = make(At("discover:kitchen"), plugins=[finding(find)])
    with pytest.raises(err.HubUnreachable) as caught:
        client.connect()
    assert "\x1b" not in str(caught.value)
    client.close()
    assert not isinstance(client.last_error, err.ConnectionLost)


def test_a_client_that_is_closed_waits_for_no_search(make: Make) -> None:
    began, ended = threading.Event(), threading.Event()

    def find(search: Search) -> list[FoundHub]:
        began.set()
        assert search.over.wait(30)
        ended.set()
        return []

    client = make(At("discover:"), plugins=[finding(find)])
    client.run_in_thread()
    assert began.wait(20)
    client.close()
    assert ended.wait(20)
    assert isinstance(client.last_error, err.ClientClosed)


def test_an_address_that_is_looked_up_anew_may_be_another_name(
    client_kind: str, make: Make, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(client_kind) as hub:
        network.announce(hub, "cellar")
        monkeypatch.setenv("HIVEMIND_HOST", "discover:kitchen")
        client = make(At(""), **network.options())
        monkeypatch.setenv("HIVEMIND_HOST", "discover:cellar")
        client.init_identity()
        with client:
            assert ask(client) == "you said: hello"


@pytest.mark.parametrize("text", ["discover:a#b", "discover:?site", "discover:%0a", "discover:?a=%1b"])
def test_what_is_no_such_address_is_refused(text: str, make: Make, network: Network) -> None:
    with pytest.raises(err.InvalidOption, match="NAME"):
        make(At(text), **network.options())


def test_without_the_plugin_its_package_is_named(make: Make) -> None:
    with pytest.raises(err.InvalidOption, match="discovery"):
        make(At("discover:kitchen"), plugins=())
