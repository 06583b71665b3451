"""What the start page shows of `make demo` is what `make demo` prints."""

from __future__ import annotations

import json
import re
import subprocess
import sys

from .documents import ROOT, blocks

_RUN = "from hivemind_client_cli.main import main; main()"
#: What differs from run to run and from machine to machine: times, ports, clocks, the faster cipher; and what is taken
#: on Python 3.9, which has no Noise.
_CHANGING = re.compile(
    r"AES-GCM|CHACHA20-POLY1305|noise XXpsk2|password|none, frames of bytes|JSON-B64, text frames|\d[\d.:]*"
)


def _demo(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", _RUN, "demo", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


def _fixed(text: str) -> list[str]:
    return [_CHANGING.sub("0", line).rstrip() for line in text.strip().splitlines()]


def test_the_picture_is_true() -> None:
    picture = next(block for block in blocks(ROOT / "docs" / "index.md") if block.language == "text")
    assert _fixed(picture.text) == _fixed(_demo())


def test_the_demo_has_a_json_form() -> None:
    told = json.loads(_demo("--json"))
    assert told["answer"] and told["cipher"] and told["encoding"] and told["round_trip_seconds"] > 0
