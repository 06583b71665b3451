"""A client that comes back again and again does not grow."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from .conftest import IS_LONG
from .reconnects import SPARE
from .table import KINDS, ROOT

_RECONNECTS = 2000 if IS_LONG else 20
#: How many more objects are tracked after all reconnects than after the first tenth, at most: caches and logs fill up.
_MOST_OBJECTS = 2000
_LONGEST_S = 1400.0


@pytest.mark.timeout(1500)
@pytest.mark.skipif(sys.platform != "linux", reason="descriptors are read from /proc")
@pytest.mark.parametrize("kind", KINDS)
def test_reconnects_leave_nothing_behind(kind: str) -> None:
    command = [sys.executable, "-m", "tests.hostile.reconnects", kind, str(_RECONNECTS)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=_LONGEST_S, check=False)
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout)
    threads, descriptors, objects = (
        after - before for before, after in zip(outcome["begin"], outcome["end"])
    )
    assert threads <= SPARE, outcome
    assert descriptors <= SPARE, outcome
    assert objects <= _MOST_OBJECTS, outcome
