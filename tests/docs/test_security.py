"""docs/security.md: how the owner of a hub reckons what satellites show of it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hivemind_core_client import HiveMessageBusClient, NodeIdentity
from hivemind_core_client.testing import EmbeddedHub
from hivemind_core_client.wire.keys import fingerprint

from .documents import KEY, PASSWORD, ROOT, blocks

VERSIONS = (3, 3) if sys.version_info >= (3, 10) else (0, 1)


def test_the_owner_of_a_hub_gets_the_fingerprint_that_satellites_show(tmp_path: Path) -> None:
    (block,) = [each for each in blocks(ROOT / "docs/security.md") if "def fingerprint_of" in each.text]
    namespace: dict[str, Any] = {}
    exec(block.text, namespace)
    identity = NodeIdentity({})
    with EmbeddedHub({KEY: PASSWORD}, versions=VERSIONS) as hub:
        with HiveMessageBusClient(KEY, PASSWORD, host=hub.url, identity=identity):
            pass
        key_file = tmp_path / "unnamed-node_noise.key"
        key_file.write_text(hub._options.noise_key.hex())
    pins = [fingerprint(bytes.fromhex(pin)) for pin in identity.pinned_noise_keys.values()]
    assert pins == ([namespace["fingerprint_of"](key_file)] if VERSIONS == (3, 3) else [])
