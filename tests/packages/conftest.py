"""The environment with all packages, made once for all processes of a test run."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from pathlib import Path

import pytest

from hivemind_core_client.testing import EmbeddedHub
from tests.packages.building import SOURCES, Environment, lay_project


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Environment:
    """All of `sources/`, installed. They are many: name those that a test is about."""
    shared = tmp_path_factory.getbasetemp()
    if worker_id != "master":
        shared = shared.parent  # the folder that all processes of pytest-xdist have
    made = Environment(shared / "packages")
    ready = shared / "packages.ready"
    with open(shared / "packages.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ready.exists():
            made.make()
            made.install(*(lay_project(shared / "projects", source) for source in SOURCES))
            ready.touch()
    return made


@pytest.fixture
def address() -> Iterator[tuple[Path, list[str]]]:
    """Arguments of `hivemind-client` for a hub that runs."""
    password = "seven green lanterns above the quiet harbour"
    with EmbeddedHub({"KEY": password}) as hub:
        yield hub, ["--host", hub.host, "--port", str(hub.port), "--key", "KEY", "--password", password]
