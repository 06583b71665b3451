"""`hivemind-client plugins new`: what it writes can be installed, passes its own tests, and is in use."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from hivemind_client_cli.plugin_package import KINDS, write_package
from tests.packages.building import Environment


@pytest.mark.timeout(180)  # each has an interpreter and a test run of its own
def test_new_packages_of_every_kind_are_installed_and_pass_their_tests(tmp_path: Path) -> None:
    """As their README says: `pip install -e .`, and then `pytest`."""
    written = {kind: write_package(f"our-{kind}", kind, str(tmp_path)) for kind in KINDS}
    own = Environment(tmp_path / "environment")
    own.make()
    own.install(*(argument for each in written.values() for argument in ("-e", each.folder)))
    running = {
        kind: subprocess.Popen(
            [own.python, "-m", "pytest"],
            cwd=each.folder,
            # The others are installed too: a serializer, say, must be at both ends.
            env={**os.environ, "HIVEMIND_CLIENT_PLUGINS": each.plugin},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for kind, each in written.items()
    }
    for kind, process in running.items():
        said, _ = process.communicate(timeout=150)
        assert process.returncode == 0, f"{kind}: {said}"
        assert " passed" in said and "skipped" not in said
    listed = json.loads(own.command("plugins", "--json"))
    states = {row["name"]: (row["state"], row["distribution"]) for row in listed["plugins"]}
    for each in written.values():
        assert states[each.plugin] == ("loaded", Path(each.folder).name)
