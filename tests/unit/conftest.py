"""Unit tests have both ends in one process, so their keys may cost nothing."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _cheap(cheap_keys: None) -> None:
    """Derive keys from passwords in one round."""
