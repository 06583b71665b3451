"""What tests of hostile peers share."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

#: What a phase of less than a second may take on a machine that is busy: the faults took 15 s, or never ended.
PATIENCE_S = 6.0
_DESCRIPTORS = "/proc/self/fd"


@contextmanager
def nothing_left() -> Iterator[None]:
    """No thread of ours, and no descriptor, outlives what happens inside."""
    gc.collect()
    descriptors, threads = _descriptors(), _threads()
    yield
    for thread in _threads() - threads:
        thread.join(PATIENCE_S)
    assert _threads() <= threads
    assert _descriptors() <= descriptors


def _descriptors() -> int:
    return len(os.listdir(_DESCRIPTORS)) if os.path.isdir(_DESCRIPTORS) else 0


def _threads() -> set[threading.Thread]:
    return {
        one for one in threading.enumerate() if "hivemind" in one.name or isinstance(one, threading.Timer)
    }
