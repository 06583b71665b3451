"""Nodes with keys, and envelopes that hivemind_bus_client made with the same keys."""

from __future__ import annotations

import json
import logging
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field

from hivemind_client_intercom import keys
from hivemind_core_client.config.rsa_keys import generate_rsa_key
from hivemind_core_client.plugins.contract import Context, HubFacts, Session

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parent / "intercom_vectors.json").read_text(encoding="utf-8")
)

#: The module over each library.
MODULES = {"cryptography": "by_openssl", "pycryptodome": "by_pycryptodome"}


@define
class Node:
    """A node of the hive: what a handler sees as its identity, counting how often its private key is asked for."""

    name: str
    public_key: str | None
    private: str | None = field(repr=False)
    trusted_keys: dict[str, str] = field(factory=dict)
    asked: int = 0

    def private_key_pem(self) -> str | None:
        self.asked += 1
        return self.private

    def context(self, hub_key: str = "") -> Context:
        return Context(identity=self, session=Session("s1"), hub=HubFacts("hub", "node", hub_key))


@pytest.fixture(autouse=True)
def _all_levels(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "hivemind_client_intercom")


@pytest.fixture(scope="session")
def third_key() -> tuple[str, str]:
    """A key pair of nobody in the vectors: private, public."""
    return generate_rsa_key()


@pytest.fixture
def vectors() -> dict[str, Any]:
    return VECTORS


@pytest.fixture
def alice() -> Node:
    """She sends."""
    return Node("alice", VECTORS["sender"]["public"], VECTORS["sender"]["private"])


@pytest.fixture
def bob(alice: Node) -> Node:
    """He receives, and trusts alice."""
    pair = VECTORS["target"]
    return Node("bob", pair["public"], pair["private"], {"alice": alice.public_key or ""})


@pytest.fixture
def carol(alice: Node, third_key: tuple[str, str]) -> Node:
    """She trusts alice too."""
    return Node("carol", third_key[1], third_key[0], {"alice": alice.public_key or ""})


@lru_cache
def loaders(name: str) -> dict[str, Any]:
    """What replaces the functions of `keys`: keys stay loaded from one test to the next, by one library."""
    module = import_module(f"hivemind_client_intercom.{MODULES[name]}")
    return {
        "library": lambda: module,
        "public_key": lru_cache(keys.public_key.__wrapped__),
        "private_key": lru_cache(keys.private_key.__wrapped__),
    }


@pytest.fixture(params=MODULES)
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each library in turn; its name."""
    name: str = request.param
    for function, replacement in loaders(name).items():
        monkeypatch.setattr(keys, function, replacement)
    return name
