"""Plugin packages as pip leaves them: a module, and metadata with an entry point."""

from __future__ import annotations

from pathlib import Path

from hivemind_core_client.plugins.hookspecs import PROJECT

#: A plugin with one encoding, and a count of how often it was asked for it.
COUNTING = """
from hivemind_core_client.plugins.contract import Encoding
from hivemind_core_client.plugins.hookspecs import hookimpl

CALLS = []


@hookimpl
def hivemind_encodings():
    CALLS.append(1)
    return [Encoding("JSON-" + __name__.upper(), bytes.hex, bytes.fromhex)]
"""


def lay(
    folder: Path,
    distribution: str,
    version: str = "1.0",
    source: str = COUNTING,
    entry_points: str = "",
) -> Path:
    """Put a package into `folder`; its module is named like the distribution, and so is its plugin unless told."""
    folder.mkdir(parents=True, exist_ok=True)
    module = distribution.replace("-", "_").lower()
    if source:
        (folder / f"{module}.py").write_text(source)
    info = folder / f"{module}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(f"[{PROJECT}]\n{entry_points or f'{module} = {module}'}\n")
    return folder
