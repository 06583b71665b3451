"""The hubs that the clients connect to: the embedded one in a process of its own, and releases of hivemind-core."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from importlib import import_module
from typing import Any

from hivebench.sides import BENCHMARKS, REPOSITORY, BenchError, Side

Json = dict[str, Any]

HUB_VERSION = "4.0.0"
KEY = "benchmark-access-key"
#: Long enough for the newer poorman-handshake, which refuses guessable passwords.
PASSWORD = "Tn4-moss-lantern-9Qv-orbit"


def embedded_hub(side: Side, most: int = 2000) -> AbstractContextManager[Json]:
    """The embedded hub of this library under our Python, for `most` clients; yields where to connect."""
    return _hub_process(side, "embedded_hub.py", KEY, PASSWORD, str(most))


def path_peer(side: Side) -> AbstractContextManager[Json]:
    """The peer of the group `path` under our Python; yields where to connect."""
    return _hub_process(side, "path_peer.py", PASSWORD)


@contextmanager
def _hub_process(side: Side, script: str, *arguments: str) -> Iterator[Json]:
    child = subprocess.Popen(
        [side.python, str(BENCHMARKS / script), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=side.environment(),
    )
    try:
        assert child.stdout is not None
        line = child.stdout.readline()
        if not line.strip().isdigit():
            raise BenchError(f"{script} did not start")
        yield _target("127.0.0.1", int(line))
    finally:
        child.terminate()
        child.communicate(timeout=10)


@contextmanager
def real_hub(version: str = HUB_VERSION, keys: Sequence[str] = (KEY,), mqtt: bool = False) -> Iterator[Json]:
    """A release of hivemind-core as the interop tests start it; yields where to connect, with the first of the keys.

    With `mqtt` it is the one that those tests have behind a broker, whatever its version.
    """
    folder = str(REPOSITORY / "tests")
    if folder not in sys.path:
        sys.path.insert(0, folder)
    specs, hubs = import_module("interop.specs"), import_module("interop.hubs")
    failure = import_module("interop.processes").HarnessError
    try:
        spec = specs.OVER_MQTT if mqtt else next(spec for spec in specs.HUBS if spec.version == version)
        hub = hubs.RealHub(spec)
    except failure as error:
        raise BenchError(str(error)) from error
    try:
        hub.start()
        for key in keys:
            hub.add_client(key, key, PASSWORD)
        yield {**_target(**hub.address), "key": keys[0]}
    except failure as error:
        raise BenchError(str(error)) from error
    finally:
        hub.stop()


def _target(host: str, port: int) -> Json:
    return {"host": host, "port": port, "key": KEY, "password": PASSWORD}
