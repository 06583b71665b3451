"""Which release of the reference client the names are those of, as numbers. `VERSION` ends with our own version."""

from __future__ import annotations

from importlib.metadata import version

__all__ = ["VERSION", "VERSION_ALPHA", "VERSION_BUILD", "VERSION_MAJOR", "VERSION_MINOR"]

VERSION = version("hivemind-bus-client")
VERSION_MAJOR, VERSION_MINOR, VERSION_BUILD = map(int, VERSION.partition("+")[0].split("."))
VERSION_ALPHA = 0
