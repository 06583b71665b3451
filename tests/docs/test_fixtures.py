"""A test gets a hub of version 3 as docs/plugins-testing.md says: by a `hivemind_hub` of its own."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hivemind_core_client import HiveMessageBusClient
from hivemind_core_client.testing import EmbeddedHub
from hivemind_core_client.testing.fixtures import KEY, PASSWORD, LoadedPlugin

from .documents import ROOT, blocks

#: What the hub of this module speaks; Noise needs Python 3.10.
VERSION = 3 if sys.version_info >= (3, 10) else 1


@pytest.fixture
def hivemind_hub() -> Iterator[EmbeddedHub]:
    with EmbeddedHub({KEY: PASSWORD}, versions=(VERSION, VERSION)) as hub:
        yield hub


def test_the_client_of_the_fixtures_meets_it(
    hivemind_hub: EmbeddedHub,
    hivemind_client: HiveMessageBusClient,
    hivemind_client_factory: Callable[..., HiveMessageBusClient],
) -> None:
    assert hivemind_client.negotiated is not None
    assert hivemind_client.negotiated.version == VERSION
    another = (
        hivemind_client_factory()
    )  # one more with the access key, for which the hub has pinned a static key
    another.connect()
    assert another.negotiated is not None
    assert another.negotiated.version == VERSION


def test_the_tests_of_the_guide_pass(hivemind_plugin: Callable[..., LoadedPlugin]) -> None:
    (block,) = [
        each for each in blocks(ROOT / "docs" / "plugins-testing.md") if "(hivemind_plugin)" in each.text
    ]
    namespace: dict[str, Any] = {}
    exec(block.text, namespace)
    namespace["test_a_ring_is_heard"](hivemind_plugin)
    namespace["test_it_keeps_the_contract"]()
