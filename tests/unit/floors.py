"""The floors of the house, which test_floors.py holds the code to, and tests/docs what is told of it."""

from __future__ import annotations

#: The folders from the ground up; the root, which users import from, stands on top of them. A module imports from
#: floors below, and from its own folder. Two folders on one floor do not know each other.
FLOORS: list[tuple[str, ...]] = [
    ("wire",),
    ("plugins",),
    ("kernel", "builtins"),
    ("config",),
    ("transports", "shell"),
    ("sync", "aio"),
    ("testing",),
    ("",),
]
#: The longest way of imports from a module down to one that imports nothing of ours, counted in modules.
LONGEST_CHAIN = 10
