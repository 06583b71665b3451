"""What the command is called, who calls it, and what to type to call it again."""

from __future__ import annotations

import os
import shlex
import sys

PROGRAM = "hivemind-client"
#: The variable with which a shell's script asks this command what completes a line.
COMPLETE_VARIABLE = "_HIVEMIND_CLIENT_COMPLETE"


def is_completing() -> bool:
    """Whether a shell runs this command to complete a line."""
    return bool(os.environ.get(COMPLETE_VARIABLE))


def typed_elsewhere() -> str:
    """What calls this very program at another terminal, where its environment may not be activated."""
    import shutil

    script = sys.argv[0] if os.path.basename(sys.argv[0]).startswith(PROGRAM) else ""
    if not os.path.isfile(script):
        script = os.path.join(os.path.dirname(sys.executable), PROGRAM)
    activated = os.path.join(os.environ.get("VIRTUAL_ENV") or os.devnull, "bin")
    folders = os.environ.get("PATH", "").split(os.pathsep)
    found = shutil.which(PROGRAM, path=os.pathsep.join(each for each in folders if each != activated))
    if not os.path.isfile(script) or (found is not None and os.path.samefile(found, script)):
        return PROGRAM
    return shlex.quote(os.path.abspath(script))
