"""The newest hub, announced by hivemind-presence on loopback: found by its name, and known by its pin."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hivemind_core_client import errors as err

from .hubs import HubPool, RealHub
from .processes import Process
from .satellite import known_satellite
from .specs import HUBS, beside, environment

_NEWEST = HUBS[-1]
#: hivemind-presence, and what its mDNS needs that the hub does not have.
_PRESENCE = (
    "hivemind-presence==0.0.6a1",
    "zeroconf==0.154.0",
    "ifaddr==0.2.0",
    "upnpclient==2.0.3",
    "lxml>=5",
)
_SECONDS = 20.0


@contextmanager
def announced(hub: RealHub, name: str, folder: Path) -> Iterator[None]:
    """Have hivemind-presence announce a hub, until the block ends."""
    python = environment(_NEWEST).command("python")
    env = {**os.environ, "PYTHONPATH": str(beside(_NEWEST, "presence", _PRESENCE))}
    script = str(Path(__file__).with_name("announcer.py"))
    process = Process(
        "presence", [python, script, str(hub.port), name], env, folder / f"{name}.log", fed=True
    )
    process.start()
    try:
        process.wait_for(lambda: "announced" in process.log(), _SECONDS, "announcement")
        yield
    finally:
        process.stop()


def test_a_hub_that_announces_itself_is_found(
    hubs: HubPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = hubs.get(_NEWEST)
    with known_satellite(hub, tmp_path, "sync", monkeypatch) as satellite, announced(hub, "Den", tmp_path):
        monkeypatch.setenv("HIVEMIND_DISCOVERY_INTERFACES", "127.0.0.1")
        client = satellite.connected(host="discover:den", port=None)
        assert client.ask("hello").text == "you said: hello"
        assert (client.host, client.port) == (hub.host, hub.port)
        assert list(satellite.identity.pinned_noise_keys) == ["discover:den"]
        client.close()
        satellite.env["HIVEMIND_DISCOVERY_INTERFACES"] = "127.0.0.1"
        listed = json.loads(satellite.command("discover", "--json", "--name", "den").expect(0).stdout)
        assert listed == [{"name": "Den", "address": f"ws://127.0.0.1:{hub.port}", "announced": {}}]
        satellite.identity.forget_noise_key("discover:den")
        satellite.identity.pin_noise_key("discover:den", f"09{'0' * 62}")  # it is a point of the curve
        with pytest.raises(err.HubKeyChanged, match="discover:den"):
            satellite.connected(host="discover:den", port=None)
