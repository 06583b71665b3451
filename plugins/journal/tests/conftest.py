"""A journal that is asked for, in a place of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hivemind_client_journal import writer
from hivemind_core_client.plugins.manager import forget_plugins


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Where a journal may lie; neither the file nor its folder are there."""
    return str(tmp_path / "state" / "journal.sqlite")


@pytest.fixture
def journal(path: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The path of a journal that clients of this process write."""
    monkeypatch.setenv("HIVEMIND_JOURNAL", "on")
    monkeypatch.setenv("HIVEMIND_JOURNAL_PATH", path)
    forget_plugins()
    yield path
    writer.end()
    forget_plugins()


@pytest.fixture(autouse=True)
def _cheap(cheap_keys: None) -> None:
    """Both ends are in one process, so their keys may cost nothing."""
