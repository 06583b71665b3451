"""Every client under every hostile mode: it ends in time and in bounds, with an error of ours, and leaves nothing."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from hivemind_core_client.testing import EmbeddedHub, HttpGateway
from tests.unit import servers
from tests.unit.support import PASSWORD

from . import modes_connecting, modes_handshake, modes_http, modes_messages
from .conftest import IS_LONG
from .peer import Peer, keys
from .table import CLOSE_S, CONNECT_S, KINDS, LAG_MS, MODES, ROOT, Mode

assert all((modes_connecting, modes_handshake, modes_http, modes_messages))  # which fill the table


def _cells() -> Iterator[Any]:
    for mode in MODES:
        for kind in mode.kinds:
            if kind not in KINDS or not (mode.quick or IS_LONG):
                continue
            yield pytest.param(mode, kind, id=f"{mode.name}-{kind}")


class Drivers:
    """The processes that clients run in, one for each kind, started when first asked for."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def do(self, kind: str, task: dict[str, Any]) -> dict[str, Any]:
        """The outcome of a task."""
        if kind not in self._running:
            self._running[kind] = self._started(kind)
        child = self._running[kind]
        assert child.stdin is not None and child.stdout is not None
        child.stdin.write(json.dumps(task).encode() + b"\n")
        child.stdin.flush()
        outcome = json.loads(child.stdout.readline() or b"null")
        if outcome:
            child.stdout.readline()  # the process has ended
        assert outcome, "the client crashed, or did not end in time"
        return dict(outcome)

    def _started(self, kind: str) -> subprocess.Popen[bytes]:
        good = self._stack.enter_context(EmbeddedHub({"k": PASSWORD})).url
        if kind == "http":
            good = self._stack.enter_context(HttpGateway(good)).url
        command = [sys.executable, "-X", "faulthandler", "-m", "tests.hostile.driver", kind, good]
        child = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._stack.enter_context(child)
        return child

    def close(self) -> None:
        """End them: they read no more tasks."""
        for child in self._running.values():
            assert child.stdin is not None
            child.stdin.close()
            child.wait(20)
        self._stack.close()


@pytest.fixture(scope="module")
def drivers() -> Iterator[Drivers]:
    running = Drivers()
    yield running
    running.close()


@pytest.mark.timeout(150)
@pytest.mark.skipif(sys.platform != "linux", reason="memory and descriptors are read from /proc")
@pytest.mark.parametrize(("mode", "kind"), list(_cells()))
def test_a_client_survives(mode: Mode, kind: str, drivers: Drivers, record_property: Any) -> None:
    outcome = outcome_of(mode, kind, drivers)
    record_property("outcome", outcome)
    assert outcome["outcome"] in mode.ends, outcome
    assert set(outcome["errors"]) <= {*mode.errors}, outcome
    assert outcome["closing"] == "", outcome
    assert outcome["connect_s"] < CONNECT_S or not outcome["outcome"], outcome
    assert outcome["close_s"] < CLOSE_S, outcome
    assert outcome["memory_mib"] < mode.memory, outcome
    assert outcome["lag_ms"] < LAG_MS, outcome
    assert outcome["busy_after"] < 0.5, outcome
    assert outcome["threads"] == [], outcome
    assert outcome["descriptors"] <= 0, outcome
    assert outcome["records"] <= mode.records, outcome
    assert outcome["tracebacks"] == []


def outcome_of(mode: Mode, kind: str, drivers: Drivers) -> dict[str, Any]:
    """What the client made of it, in a process of its own."""
    keys()

    def act(connection: Any, stop: threading.Event) -> None:
        mode.act(Peer(connection, stop))

    with ExitStack() as stack:
        port = stack.enter_context(servers.server(act))
        hostile = f"{mode.scheme}://127.0.0.1:{port}"
        if kind == "http":
            through_gateway = mode.stay > 0
            hostile = (
                stack.enter_context(HttpGateway(hostile)).url
                if through_gateway
                else hostile.replace("ws", "http", 1)
            )
        task = {"kind": kind, "hostile": hostile, "stay": mode.stay, "size": mode.size}
        return drivers.do(kind, {**task, "deadlines": dict(mode.deadlines)})
