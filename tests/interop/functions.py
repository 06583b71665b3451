"""Run by a hub's own Python: calls functions of the reference client, for what both clients must agree on.

Each line of input is `[module, function, arguments]`; each line of output is the result, or `{"error": its type}`.
`{"bytes": hex}` stands for bytes, `{"ovos": fields}` for an OVOS Message.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from typing import Any


def read(value: Any) -> Any:
    """An argument, or a result, out of its JSON form."""
    if isinstance(value, dict) and "bytes" in value:
        return bytes.fromhex(value["bytes"])
    if isinstance(value, dict) and "ovos" in value:
        from ovos_bus_client.message import Message

        return Message(*value["ovos"])
    return value


def written(value: Any) -> Any:
    """Its JSON form."""
    if hasattr(value, "bytes") and hasattr(value, "bin"):
        value = value.bytes
    if isinstance(value, (bytes, bytearray)):
        return {"bytes": value.hex()}
    if isinstance(value, (list, tuple)):
        return [written(each) for each in value]
    if hasattr(value, "target_site_id"):
        return [value.msg_type.value, written(value.payload), value.metadata, int(value.bin_type)]
    if hasattr(value, "msg_type"):
        return {"ovos": [value.msg_type, value.data, value.context]}
    return value


def called(package: str, module: str, function: str, arguments: list[Any]) -> Any:
    """The result of a call, in its JSON form."""
    found = getattr(importlib.import_module(f"{package}.{module}"), function)
    try:
        return written(found(*map(read, arguments)))
    except Exception as error:
        return {"error": type(error).__name__}


def main() -> None:
    """Serve until the input ends."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # libraries log to the standard output, which is for the answers alone
    for line in sys.stdin:
        replies.write(json.dumps(called("hivemind_bus_client", *json.loads(line))) + "\n")
        replies.flush()


if __name__ == "__main__":
    main()
