"""What needs the hub's side of the client too."""

from __future__ import annotations

from tests.interop.hubs import RealHub

from .environments import HUB, EnvironmentSpec
from .rows_text import CHATS
from .running import Run, wait_for_text
from .table import program

SCOPE = EnvironmentSpec("scope", ("hivescope==0.8.8a1", *HUB))


@program(
    "hivemind-rendezvous",
    "2.0.0a4",
    "a letter is sealed, kept, collected and opened; the hub answers RENDEZVOUS",
    CHATS,
)
def rendezvous(hub: RealHub, run: Run) -> None:
    script = run.client_script("rendezvous")
    wait_for_text(script, "hub: not_a_rendezvous_node")
    assert script.wait_for_end(10) == 0
    for text in ("deposit: ok", "opened: a letter", "removed: 1"):
        assert text in script.log(), script.log()


@program("hivescope", "0.8.8a1", "a client at its WebSocket is answered; its hub uses this client too", SCOPE)
def hivescope_loopback(hub: RealHub, run: Run) -> None:
    _scope(run, "loopback")


@program("hivescope", "0.8.8a1", "its satellite, made of HiveMindSlaveProtocol, is answered", SCOPE)
def hivescope_shim(hub: RealHub, run: Run) -> None:
    _scope(run, "shim")


def _scope(run: Run, kind: str) -> None:
    script = run.script("scope", kind, f"hello from {run.name}")
    wait_for_text(script, "handshake complete")
    wait_for_text(script, f"answer: you said: hello from {run.name}")
    assert script.wait_for_end(20) == 0
