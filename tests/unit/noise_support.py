"""What tests need where Noise may be spoken."""

from __future__ import annotations

import sys
from typing import Any, Optional

import pytest

needs_noise = pytest.mark.skipif(sys.version_info < (3, 10), reason="Noise needs Python 3.10")


class _Kept:
    kk_in_doubt = end_refused = False

    def __init__(self, pinned: Optional[bytes]) -> None:
        self._pinned = pinned

    def pinned(self) -> Optional[bytes]:
        return self._pinned

    def noise_key(self) -> bytes:
        return bytes(range(32))

    def psk(self, node_id: str) -> Optional[bytes]:
        return bytes(32)


def kept(pinned: Optional[bytes] = None) -> Any:
    """What a node keeps of a hub, which it may have pinned."""
    return _Kept(pinned)
