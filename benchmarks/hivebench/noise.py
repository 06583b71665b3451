"""The group `noise`: first and second contact with the newest hub, whose only protocol version is 3."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hivebench.groups import Effort, Json, connect
from hivebench.hubs import PASSWORD, real_hub
from hivebench.results import SECONDS, Row, Sample
from hivebench.sides import BenchError, Side

NEWEST_HUB = "5.3.10a1"

_FIRST = f"first contact (XXpsk2, argon2id): constructor to handshake done, hub {NEWEST_HUB}"
_DERIVATION = "the key derivation of a first contact alone (argon2id)"
_SECOND = f"second contact (KKpsk0): constructor to handshake done, hub {NEWEST_HUB}"
_SECOND_SPAWNED = f"second contact (KKpsk0): process start to handshake done, hub {NEWEST_HUB}"


def noise(sides: Sequence[Side], effort: Effort) -> Iterator[Row]:
    """Each contact is a fresh process; each pair of contacts is a satellite of its own, with files of its own."""
    # The first pair is not counted: the hub, too, does for the first time what it does then.
    rounds = range(effort.pairs + 1)
    keys = {(side.name, number): f"{side.name}-{number}" for side in sides for number in rounds}
    for side in sides:
        side.ask("keys")
    found: dict[str, dict[str, Sample]] = {
        name: {side.name: Sample() for side in sides}
        for name in (_FIRST, _DERIVATION, _SECOND, _SECOND_SPAWNED)
    }
    with real_hub(NEWEST_HUB, tuple(keys.values())) as target:
        for number in rounds:
            for side in sides:
                for name, value in _pair(side, {**target, "key": keys[side.name, number]}).items():
                    _note(found[name][side.name], value, counted=number > 0)
    for name, samples in found.items():
        yield Row("noise", name, SECONDS, samples["ours"], samples.get("reference"))


def _pair(side: Side, target: Json) -> dict[str, Any]:
    """What the two contacts of a new satellite took, or the error of each."""
    with tempfile.TemporaryDirectory(prefix="hivemind-bench-", ignore_cleanup_errors=True) as folder:
        home = Path(folder) / "home"
        shutil.copytree(side.home, home)  # its RSA keys are there already
        fresh = replace(side, home=home)
        first, second = connect(fresh, target), connect(fresh, target)
        return {
            _FIRST: first.get("seconds", first.get("error")),
            _DERIVATION: _derivation(fresh),
            _SECOND: second.get("seconds", second.get("error")),
            _SECOND_SPAWNED: second.get("since_spawn", second.get("error")),
        }


def _derivation(side: Side) -> Any:
    code = (
        "import sys, time; from poorman_handshake.noise import derive_psk; t = time.perf_counter(); "
        "derive_psk(sys.argv[1], node_id='hub'); print(time.perf_counter() - t)"
    )
    try:
        return float(side.run([side.python, "-c", code, PASSWORD]).splitlines()[-1])
    except BenchError as error:
        return str(error)


def _note(sample: Sample, value: Any, counted: bool) -> None:
    if not isinstance(value, float):
        sample.error = str(value)
    elif counted:
        sample.values.append(value)
