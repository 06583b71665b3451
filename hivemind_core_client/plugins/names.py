"""Names of plugins and distributions, and versions: what is the same, and what is newer."""

from __future__ import annotations

import re

#: Longer ones are no versions: a number of thousands of digits cannot even be read.
_LONGEST_VERSION = 200
_VERSION = re.compile(r"\s*v?(?:(\d+)!)?(\d+(?:\.\d+)*)[-_.]?([a-z]*)[-_.]?(\d*)")
#: Parts of a version after its numbers, in the order in which they come out. A final release has none.
_PHASES = {"dev": 0, "a": 1, "alpha": 1, "b": 2, "beta": 2, "c": 3, "rc": 3, "pre": 3, "preview": 3, "": 4}


def normalised(name: str) -> str:
    """The form in which names are compared (PEP 503): `Door_Bell`, `door.bell` and `door-bell` are one."""
    return re.sub(r"[-_.]+", "-", name).strip().lower()


def version_key(version: str) -> tuple[int, tuple[int, ...], int, int]:
    """A key that sorts versions as PEP 440 does, but for local parts; what is no version comes first."""
    found = _VERSION.match(version.lower()) if len(version) <= _LONGEST_VERSION else None
    if found is None:
        return (-1, (), 0, 0)
    epoch, release, phase, number = found.groups()
    numbers = [int(part) for part in release.split(".")]
    while numbers and not numbers[-1]:
        numbers.pop()
    return (int(epoch or 0), tuple(numbers), _PHASES.get(phase, 5), int(number or 0))
