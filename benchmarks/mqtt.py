"""What a message costs over MQTT, beside WebSocket, through the same hub (benchmarks/README.md)."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from hivebench.hubs import PASSWORD
from hivebench.sides import REPOSITORY, ours

WAYS = ("WebSocket", "MQTT")
#: Round trips of an utterance and its answer, pings or echoes, and the processor time for a message: in seconds.
MEASURE = """
import json, statistics, sys, time
from hivemind_core_client import HiveMessageBusClient, NodeIdentity
from ovos_bus_client.message import Message
target, count = json.loads(sys.argv[1]), int(sys.argv[2])
question = Message("recognizer_loop:utterance", {"utterances": ["hello"]})
silent = Message("recognizer_loop:utterance", {"utterances": ["say nothing"]})
with HiveMessageBusClient(identity=NodeIdentity(sys.argv[3]), **target) as client:
    def asked():
        began = time.perf_counter()
        assert client.wait_for_response(question, "speak", timeout=20) is not None
        return time.perf_counter() - began
    asked()
    pings = [client.round_trip() for _ in range(20)]
    answers = [asked() for _ in range(20)]
    began = time.process_time()
    for _ in range(count):
        client.emit(silent)
        while client.metrics.unconfirmed > 128:
            time.sleep(0.001)
    client.round_trip(60)
    spent = (time.process_time() - began) / count
print(json.dumps({
    "a ping or an echo": statistics.median(pings),
    "an utterance and its answer": statistics.median(answers),
    "processor time for a message sent": spent,
}))
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure in turns, and print times and ratios. Returns 0 without mosquitto too; no timing makes it fail."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=1000, help="how many to send (default: %(default)s)")
    parser.add_argument("--runs", type=int, default=5, help="processes of each (default: %(default)s)")
    options = parser.parse_args(arguments)
    sys.path.insert(0, str(REPOSITORY / "tests"))
    hubs, specs = import_module("interop.hubs"), import_module("interop.specs")
    no_broker = import_module("interop.broker").NoBroker
    hub = hubs.RealHub(specs.OVER_MQTT)
    try:
        hub.start()
        print(_table(_measured(hub, options.messages, options.runs)))
    except no_broker as missing:
        print(f"not measured: {missing}")
    finally:
        hub.stop()
    return 0


def _measured(hub: Any, messages: int, runs: int) -> dict[str, dict[str, list[float]]]:
    """Seconds of each run, by what was measured and by way."""
    found: dict[str, dict[str, list[float]]] = {}
    addresses = {"WebSocket": {"host": hub.host, "port": hub.port}, "MQTT": hub.address}
    with tempfile.TemporaryDirectory(prefix="hivemind-bench-", ignore_cleanup_errors=True) as folder:
        side = ours(Path(folder))
        for way in WAYS:
            hub.add_client(way, f"key-{way}", PASSWORD)
        for run in range(runs + 1):  # the first is not counted
            for way in WAYS:
                target = {"key": f"key-{way}", "password": PASSWORD, **addresses[way]}
                files = str(Path(folder) / f"{way}.json")
                output = side.run([side.python, "-c", MEASURE, json.dumps(target), str(messages), files])
                for name, seconds in json.loads(output.splitlines()[-1]).items() if run else ():
                    found.setdefault(name, {}).setdefault(way, []).append(seconds)
                time.sleep(0.5)  # the hub has its own work to do before the next
    return found


def _table(found: dict[str, dict[str, list[float]]]) -> str:
    lines = ["| | WebSocket | MQTT | MQTT / WebSocket |", "|---|--:|--:|--:|"]
    for name, ways in found.items():
        first, second = (statistics.median(ways[way]) for way in WAYS)
        lines.append(f"| {name} | {first * 1000:.2f} ms | {second * 1000:.2f} ms | {second / first:.2f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
