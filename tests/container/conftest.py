"""The image, built once in a run."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from .recipe import MACHINE_CERTIFICATES, Builder, Image

ROOT = Path(__file__).resolve().parents[2]
#: What `FROM debian:bookworm-slim` stands for here; it is made once.
BASE = ROOT / ".cache" / "container" / "bookworm"
TOOLS = ("debootstrap", "chroot", "unshare")
#: How this machine finds others, and whom it believes, to where that goes: the place of the image's own is kept free.
OF_THE_MACHINE = {
    "/etc/resolv.conf": "etc/resolv.conf",
    "/etc/ssl/certs/ca-certificates.crt": MACHINE_CERTIFICATES,
}


def _make_base() -> None:
    making = BASE.with_name("making")
    shutil.rmtree(making, ignore_errors=True)
    making.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["debootstrap", "--variant=minbase", "bookworm", str(making)], check=True, timeout=900)
    for name, target in OF_THE_MACHINE.items():
        if Path(name).is_file():
            shutil.copy(name, making / target)
    making.rename(BASE)


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """What the Dockerfile says, in a folder."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing or os.geteuid() != 0:
        pytest.skip(f"a folder becomes an image only by root, and with {', '.join(TOOLS)}")
    if not BASE.is_dir():
        _make_base()
    place = tmp_path_factory.mktemp("image")
    place.parent.chmod(0o755)  # or the image's user could not go there
    return Builder(ROOT, BASE, place).build()
