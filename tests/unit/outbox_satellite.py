"""A program: satellites with an outbox in a file, each in a process of its own that kills itself at one of its lines.

It reads a JSON object from each line of its input: the `path` of the outbox, its `delivery`, the `numbers` of the
messages to be sent, and the `step` at which the satellite is killed, 0 for never. For each it writes an object: the
numbers that were `accepted`, and whether the satellite has `ended` as a client does, with nothing left to send.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
import threading
from types import FrameType
from typing import Any, Callable, Optional

from ovos_bus_client.message import Message

from hivemind_core_client import HiveMessageBusClient, NodeIdentity, Outbox
from hivemind_core_client.config import outbox_file
from hivemind_core_client.kernel import outbox
from hivemind_core_client.sync import keeping
from tests.unit.outbox_support import said_by_child

KEY, PASSWORD = "k", "Tq7!vLz0#correct-horse-battery-4711"
#: The modules before whose lines a satellite is killed.
MODULES = frozenset(str(module.__file__) for module in (outbox_file, outbox, keeping))
#: Seconds after which a child that hangs is ended.
_CHILD_SECONDS = 30
_ENDED = b"."


def kill_at(step: int) -> None:
    """Kill this process before it runs for the first time its line of this number."""
    ran = set[tuple[str, int]]()

    def trace(frame: FrameType, event: str, _: Any) -> Optional[Callable[..., Any]]:
        if frame.f_code.co_filename not in MODULES:
            return None
        if event == "line":
            ran.add((frame.f_code.co_filename, frame.f_lineno))
            if len(ran) == step:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    threading.settrace(trace)
    sys.settrace(trace)


def satellite(url: str, identity: str, work: dict[str, Any], tell: Callable[[bytes], Any]) -> None:
    """Send the messages, and tell when each was accepted; end when nothing is left to send."""
    if work["step"]:
        kill_at(work["step"])
    client = HiveMessageBusClient(
        KEY,
        PASSWORD,
        host=url,
        identity=NodeIdentity(identity),
        outbox=Outbox(path=work["path"], delivery=work["delivery"]),
    )
    with client:
        for number in work["numbers"]:
            client.emit(Message("count", {"number": number}))
            tell(b"%d\n" % number)
    if not client.metrics.waiting:
        tell(_ENDED)


def forked(url: str, identity: str, work: dict[str, Any]) -> dict[str, Any]:
    """What came of a satellite in a child."""

    def run(tell: Callable[[bytes], object]) -> None:
        signal.alarm(_CHILD_SECONDS)
        satellite(url, identity, work, tell)

    said = said_by_child(run)
    accepted = [int(line) for line in said.removesuffix(_ENDED).splitlines()]
    return {"accepted": accepted, "ended": said.endswith(_ENDED)}


def main(url: str, identity: str) -> None:
    """Do what the input says."""
    derive = hashlib.pbkdf2_hmac
    # The hub of these tests makes keys in one round too.
    hashlib.pbkdf2_hmac = lambda name, password, salt, _, dklen=None: derive(name, password, salt, 1, dklen)
    with HiveMessageBusClient(KEY, PASSWORD, host=url, identity=NodeIdentity(identity)) as client:
        client.emit(Message("loads", {}))  # what a client loads is loaded once, and not in each child
    for line in sys.stdin:
        sys.stdout.write(json.dumps(forked(url, identity, json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
