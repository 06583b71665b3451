"""Closing where no thread can begin any more: from Python 3.12 on, in what runs when Python exits."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from hivemind_core_client.testing import EmbeddedHub
from tests.unit.client_support import Log, Make, ask, until
from tests.unit.support import PASSWORD

_PROGRAM = """
import atexit, sys
from hivemind_core_client import HiveMessageBusClient, HiveMindHTTPClient, NodeIdentity
kind, url = sys.argv[1:]
kind = {"threads": HiveMessageBusClient, "http": HiveMindHTTPClient}[kind]
client = kind("k", "PASSWORD", host=url, identity=NodeIdentity({}))
client.on("close", lambda: print("told of the end", flush=True))
client.connect()
client.mailbox._idle = 0.01
client.on_mycroft("x", print)

@atexit.register
def leave():
    client.close()
    print("closed", flush=True)
""".replace("PASSWORD", PASSWORD)


def forbid_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let neither this thread nor those of clients begin another."""
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        current = threading.current_thread()
        if current is threading.main_thread() or current.name.startswith("hivemind-"):
            raise RuntimeError("can't create new thread at interpreter shutdown")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)


@pytest.mark.otherwise("asyncio", why="it begins no threads to close")
@pytest.mark.parametrize("tls", [False, True])
def test_close_begins_no_thread(
    tls: bool, make: Make, client_kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if tls and client_kind == "http":
        pytest.skip("the gateway of these tests has no TLS")
    told = Log()
    with EmbeddedHub({"k": PASSWORD}, tls=tls) as hub:
        client = make(hub)
        client.mailbox._idle = 0.01
        client.connect()
        assert ask(client) == "you said: hello"
        client.on("close", told)
        assert until(lambda: "hivemind-callbacks" not in [each.name for each in threading.enumerate()])
        forbid_threads(monkeypatch)
        client.close()
        monkeypatch.undo()
        told.wait(1)
        assert client.state == "closed"
        hub.wait_for_sessions(0)


@pytest.mark.otherwise("asyncio", why="its loop is over when Python exits")
def test_a_client_may_be_closed_when_python_exits(make: Make, client_kind: str) -> None:
    with EmbeddedHub({"k": PASSWORD}) as hub:
        url = str(make(hub).profile.settings.address)
        ended = subprocess.run(
            [sys.executable, "-c", _PROGRAM, client_kind, url],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ended.stdout.split("\n")[-3:] == ["told of the end", "closed", ""]
        assert ended.stderr == "" and ended.returncode == 0
        hub.wait_for_sessions(0)
