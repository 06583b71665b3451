"""Run by the hub's own Python beside a hub: `hivemind-core` commands without a new process for each.

Reads one JSON list of arguments per line and writes one `{"exit_code", "output"}` per line. A hub takes a second
to import: a run that registers a hundred satellites would spend most of its time there.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from typing import Any


def main() -> None:
    """Serve until the input ends."""
    # The hub's libraries log to the standard output, which is for the answers alone.
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    # Only the hub's Python has it.
    from hivemind_core.scripts import hmcore_cmds

    for line in sys.stdin:
        exit_code, output = run(hmcore_cmds, json.loads(line))
        replies.write(json.dumps({"exit_code": exit_code, "output": output}) + "\n")
        replies.flush()


def run(commands: Any, arguments: list[str]) -> tuple[int, str]:
    """The exit code and the output of one command; `commands` is a click group."""
    output = io.StringIO()
    exit_code = 0
    with contextlib.redirect_stdout(output):
        try:
            commands.main(args=arguments, standalone_mode=False)
        except SystemExit as end:
            exit_code = int(end.code or 0)
        except Exception as error:
            exit_code = 1
            output.write(f"{type(error).__name__}: {error}\n")
    return exit_code, output.getvalue()


if __name__ == "__main__":
    main()
