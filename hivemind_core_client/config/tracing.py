"""Who is told what a connection does: the option `trace`, else `HIVEMIND_TRACE`."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from typing import Any, Optional

from hivemind_core_client.config.given_texts import variable
from hivemind_core_client.kernel.tracer import Tracer
from hivemind_core_client.wire.errors import InvalidOption, Mend

VARIABLE = "HIVEMIND_TRACE"
_OFF = frozenset({"", "0", "false", "no", "off"})


def tracer_of(trace: Any) -> Optional[Tracer]:
    """The tracer that `trace` asks for, or None. True is stderr; None leaves it to the environment.

    Raises InvalidOption for what cannot be called with a line.
    """
    if trace is None:
        trace = (variable(VARIABLE) or "").lower() not in _OFF
    if trace is False:
        return None
    if trace is True:
        return Tracer(_to_stderr, time.monotonic)
    if not callable(trace):
        raise InvalidOption(
            f"trace is a {type(trace).__name__}",
            Mend("pass True, or a function that takes a line", joint="; "),
        )
    return Tracer(trace, time.monotonic)


def _to_stderr(line: str) -> None:
    with suppress(OSError, ValueError, AttributeError):  # nobody reads it, or there is none
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()
