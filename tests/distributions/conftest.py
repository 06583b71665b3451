"""The wheels by themselves, and empty environments for them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Callable

import pytest

from hivemind_core_client.testing import EmbeddedHub

from .built import DISTRIBUTIONS
from .environments import Empty

KEY, PASSWORD = "dist-key", "a-password-of-the-wheels-long-and-random-4711"


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with our wheels, and no sdist that pip could take instead."""
    folder = tmp_path_factory.mktemp("wheels")
    for distribution in DISTRIBUTIONS:
        shutil.copy(distribution.wheel, folder)
    return folder


@pytest.fixture
def installed(tmp_path: Path, wheels: Path) -> Callable[..., Empty]:
    """A function that makes an empty environment and installs into it."""

    def install(*requirements: str) -> Empty:
        made = Empty(tmp_path, wheels)
        made.install(*requirements)
        return made

    return install


@pytest.fixture
def hub() -> Iterator[EmbeddedHub]:
    """A hub in this process, which has all that it needs."""
    with EmbeddedHub({KEY: PASSWORD}, agent=lambda utterance: f"you said: {utterance}") as running:
        yield running


@pytest.fixture
def login(hub: EmbeddedHub) -> dict[str, str]:
    """The variables of a program that is to meet the hub."""
    values = {"KEY": KEY, "PASSWORD": PASSWORD, "HOST": f"ws://{hub.host}", "PORT": str(hub.port)}
    return {f"HIVEMIND_{name}": value for name, value in values.items()}
