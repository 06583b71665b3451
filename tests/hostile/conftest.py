"""A long run is asked for by HOSTILE=all; `make test` has the short one."""

from __future__ import annotations

import os

#: Whether every mode is run, or the quick ones alone.
IS_LONG = os.environ.get("HOSTILE") == "all"
