"""The script `hivemind-client`: the command line is a plugin, and here it is found."""

from __future__ import annotations

import sys

from hivemind_core_client.wire.errors import Install

_PLUGIN = "hivemind_client_cli"
#: Exit code of wrong usage, as the command line has it.
_NOT_INSTALLED = 2


def main() -> None:
    """Run the command line with the arguments of this process, and leave with its exit code.

    Where its plugin is not installed, a line on stderr says how to get it, and the exit code is 2.
    """
    try:
        from hivemind_client_cli.main import main as run
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != _PLUGIN:  # it is there, and lacks something itself
            raise
        sys.stderr.write(f"error: the command line is not installed: {Install('cli')}\n")
        sys.exit(_NOT_INSTALLED)
    run()
