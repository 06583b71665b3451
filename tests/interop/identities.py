"""Run by a hub's own Python: does something with a NodeIdentity of the reference client.

Each line of input is `[arguments, steps]`: arguments of the constructor by name, and then `["set", field, value]`,
`["get", field]` or `["call", method, …]`. Each line of output is the list of what was got and returned, or
`{"error": whether it is a ValueError}`.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any


def performed(made: Any, arguments: dict[str, Any], steps: list[list[Any]]) -> Any:
    """What comes out of the steps with what `made` makes of the arguments."""
    try:
        identity = made(**arguments)
    except Exception as error:
        return {"error": isinstance(error, ValueError)}
    results = []
    for verb, name, *values in steps:
        if verb == "set":
            setattr(identity, name, *values)
        else:
            results.append(getattr(identity, name) if verb == "get" else getattr(identity, name)(*values))
    return results


def main() -> None:
    """Serve until the input ends."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # libraries log to the standard output, which is for the answers alone
    from hivemind_bus_client.identity import NodeIdentity

    for line in sys.stdin:
        replies.write(json.dumps(performed(NodeIdentity, *json.loads(line))) + "\n")
        replies.flush()


if __name__ == "__main__":
    main()
