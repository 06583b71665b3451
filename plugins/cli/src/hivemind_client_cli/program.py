"""What the command is called, and who calls it."""

from __future__ import annotations

import os

PROGRAM = "hivemind-client"
#: The variable with which a shell's script asks this command what completes a line.
COMPLETE_VARIABLE = "_HIVEMIND_CLIENT_COMPLETE"


def is_completing() -> bool:
    """Whether a shell runs this command to complete a line."""
    return bool(os.environ.get(COMPLETE_VARIABLE))
