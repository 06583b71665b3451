"""Run by OVOS as its player: `player.py FOLDER FILE` keeps what is played, as a file in the folder."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

#: How the file begins that is not whole yet.
PARTIAL = "."


def main(folder: Path, played: Path) -> None:
    with tempfile.NamedTemporaryFile(dir=folder, prefix=PARTIAL, delete=False) as copy:
        copy.write(played.read_bytes())
    whole = Path(copy.name)
    whole.rename(folder / whole.name.lstrip(PARTIAL))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
