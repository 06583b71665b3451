"""The command line of hivemind-core-client: `hivemind-client`, and what subcommands of plugins are made of."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hivemind_client_cli.connection import Connection, connected
    from hivemind_client_cli.doctor_checks import DoctorCheck, Finding
    from hivemind_client_cli.options import connecting, connection_options
    from hivemind_client_cli.output import Output
    from hivemind_client_cli.output_options import reporting

__version__ = "0.2.0"

__all__ = [
    "Connection",
    "DoctorCheck",
    "Finding",
    "Output",
    "connected",
    "connecting",
    "connection_options",
    "reporting",
]

_HOMES = {
    "Connection": "connection",
    "DoctorCheck": "doctor_checks",
    "Finding": "doctor_checks",
    "Output": "output",
    "connected": "connection",
    "connecting": "options",
    "connection_options": "options",
    "reporting": "output_options",
}


def __getattr__(name: str) -> Any:
    """Import a name when it is first used: click is not needed whenever a client looks for plugins."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)
