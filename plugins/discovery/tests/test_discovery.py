"""Hubs that are announced by mDNS on loopback: found, listed, connected to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from click.testing import CliRunner, Result
from zeroconf import DNSOutgoing, DNSPointer, ServiceInfo, Zeroconf

from hivemind_client_cli.main import build_cli
from hivemind_client_discovery import find_hubs
from hivemind_client_discovery.finding import INTERFACES, find_in
from hivemind_core_client import HiveMessageBusClient, NodeIdentity
from hivemind_core_client import errors as err
from hivemind_core_client.plugins.contract import Search
from hivemind_core_client.testing import EmbeddedHub

LOOPBACK = "127.0.0.1"
SERVICE = "_http._tcp.local."


@pytest.fixture(autouse=True)
def on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(INTERFACES, LOOPBACK)


@contextmanager
def announced(name: str, port: int, **more: str) -> Iterator[None]:
    """A hub, announced as hivemind-presence does it."""
    properties = {
        "type": "HiveMind-websocket",
        "name": name,
        "ssl": False,
        "host": LOOPBACK,
        "port": port,
        **more,
    }
    record = ServiceInfo(
        SERVICE,
        f" - {uuid.uuid4().hex}.{SERVICE}",
        addresses=[bytes([127, 0, 0, 1])],
        port=port,
        properties=properties,
    )
    with Zeroconf(interfaces=[LOOPBACK]) as network:
        network.register_service(record)
        yield


@contextmanager
def announced_pointer(target: str) -> Iterator[None]:
    """What points to a service that nobody can look up, said again and again."""
    ended = threading.Event()
    record = DNSPointer(SERVICE, 12, 1, 60, target)  # PTR, IN
    with Zeroconf(interfaces=[LOOPBACK]) as network:

        def repeat() -> None:
            while not ended.wait(0.2):
                answer = DNSOutgoing(0x8400)  # an authoritative answer
                answer.add_answer_at_time(record, 0)
                network.send(answer)

        repeating = threading.Thread(target=repeat)
        repeating.start()
        try:
            yield
        finally:
            ended.set()
            repeating.join()


def unique() -> str:
    """A name that no other test on this machine announces."""
    return f"hub-{uuid.uuid4().hex[:8]}"


def run(*words: str) -> Result:
    return CliRunner().invoke(build_cli(), ["discover", *words])


def test_a_hub_is_found_by_its_name_and_connected_to() -> None:
    name = unique()
    with EmbeddedHub({"KEY": "PASSWORD"}) as hub, announced(name, hub.port):
        options = {"host": f"discover:{name}", "identity": NodeIdentity({})}
        with HiveMessageBusClient("KEY", "PASSWORD", **options) as client:
            assert client.ask("hello").text == "you said: hello"
            assert (client.host, client.port) == (LOOPBACK, hub.port)


def test_the_command_lists_hubs_and_prints_nothing_raw() -> None:
    name = unique()
    with announced(f"{name}\x1b[2J", 5678, site="home\x07"):
        shown, listed = run("--seconds", "1.5"), run("--json", "--seconds", "1.5")
    assert shown.exit_code == 0
    assert f"{name}?[2J  ws://127.0.0.1:5678  site=home?" in shown.stdout
    assert "\x1b" not in shown.output and "\x07" not in shown.output
    (hub,) = (hub for hub in json.loads(listed.stdout) if hub["name"].startswith(name))
    assert (hub["address"], hub["announced"]) == ("ws://127.0.0.1:5678", {"site": "home\x07"})
    assert "\x1b" not in listed.stdout


def test_a_name_that_nobody_announces_is_no_error() -> None:
    listed = run("--json", "--name", unique(), "--seconds", "0.1")
    assert (listed.exit_code, json.loads(listed.stdout)) == (0, [])


def test_a_name_that_does_not_fit_hides_no_others_in_silence() -> None:
    with announced(unique(), 5678):
        shown = run("--name", "cel\x1blar", "--seconds", "1.5")
    assert "no hub of the name cel?lar announced itself within 1.5 s, but " in shown.output
    assert "leave --name out to see them" in shown.output


def test_a_hub_that_says_goodbye_is_found_no_more() -> None:
    name = unique()
    with announced(name, 5678):
        assert name in {hub.name for hub in find_hubs(1.5)}
    assert name not in {hub.name for hub in find_hubs(1.5)}


@pytest.mark.parametrize("bad", ["printer.example.", f"a\x07b.{SERVICE}"])
def test_what_is_no_name_of_a_service_hides_no_hub(bad: str) -> None:
    name = unique()
    with announced(name, 5678), announced_pointer(bad):
        assert name in {hub.name for hub in find_hubs(1.5)}


def test_a_search_ends_when_nobody_waits_for_it() -> None:
    over = threading.Event()
    over.set()
    assert isinstance(find_in(Search(3600, over)), list)


def test_an_interface_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(INTERFACES, "192.0.2.77")
    with pytest.raises(err.InvalidOption, match=INTERFACES):
        find_hubs(0.1)
    client = HiveMessageBusClient("KEY", "PASSWORD", host="discover:", identity=NodeIdentity({}))
    with pytest.raises(err.HubUnreachable, match=INTERFACES):
        client.connect()


def test_zeroconf_is_loaded_for_a_search_alone() -> None:
    code = (
        "import sys; from hivemind_core_client import HiveMessageBusClient, NodeIdentity;"
        "HiveMessageBusClient('k', 'p', host='discover:kitchen', identity=NodeIdentity({}));"
        "assert 'zeroconf' not in sys.modules and 'hivemind_client_discovery.plugin' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=dict(os.environ), timeout=60)
