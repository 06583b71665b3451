"""What 50 tiny plugins cost: the start of the command, and the way to a session, beside none (benchmarks/README.md)."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hivebench.hubs import embedded_hub
from hivebench.sides import ours

HELP = (
    "import sys; from hivemind_client_cli.main import main; sys.argv = ['hivemind-client', '--help']; main()"
)
#: Seconds from the constructor until the session stands, on the clock and of the processor; and how often each table
#: hook of each tiny plugin was called in this process, which made three clients.
CONNECT = """
import json, sys, time
from hivemind_core_client import HiveMessageBusClient, NodeIdentity
target = json.loads(sys.argv[1])
seconds = []
for _ in range(3):
    identity = NodeIdentity({})
    identity.create_keys()
    began = time.perf_counter(), time.process_time()
    client = HiveMessageBusClient(identity=identity, max_protocol_version=1, **target)
    client.connect()
    seconds.append((time.perf_counter() - began[0], time.process_time() - began[1]))
    client.close()
calls = {name: module.CALLS for name, module in sys.modules.items() if name.startswith("tiny_plugin_")}
print(json.dumps({"seconds": seconds[0], "calls": calls}))
"""
#: A module with one hook, and a count of its calls.
_PLUGIN = """
from hivemind_core_client.plugins.contract import Encoding, MessageHandler
from hivemind_core_client.plugins.hookspecs import hookimpl

CALLS = []


@hookimpl
def HOOK:
    CALLS.append("HOOK")
    BODY
"""
#: Tiny plugins of these kinds take turns.
KINDS = {
    "hivemind_message_handlers()": "return [MessageHandler('bus', __name__, lambda c, m, next: next(m), wraps=True)]",
    "hivemind_encodings()": "return [Encoding(__name__, bytes.hex, bytes.fromhex)]",
    "hivemind_binary_handlers()": "return []",
    "hivemind_cli_commands(cli)": "import click; cli.add_command(click.Command(__name__, help='Do little.'))",
    "hivemind_doctor_checks()": "return []",
}
#: Those that fill tables: each is called once for a process, whatever it does.
TABLES = ("hivemind_message_handlers()", "hivemind_encodings()", "hivemind_binary_handlers()")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure in turns, and print ratios. Returns 1 where a hook was not called just once; no timing makes it fail."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plugins", type=int, default=50, help="how many (default: %(default)s)")
    parser.add_argument("--runs", type=int, default=15, help="processes of each (default: %(default)s)")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="hivemind-bench-", ignore_cleanup_errors=True) as folder:
        environments = {
            name: _environment(Path(folder) / name, count)
            for name, count in {"none": 0, "plugins": options.plugins}.items()
        }
        side = ours(Path(folder))
        with embedded_hub(side) as target:
            session = [CONNECT, json.dumps(target)]
            counted = {name: json.loads(_run(session, each)) for name, each in environments.items()}
            rows = {
                "`hivemind-client --help`": lambda each: _timed([HELP], each),
                "process start to three sessions": lambda each: _timed(session, each),
                "constructor to session": lambda each: _connecting(session, each)[0],
                "the same, computing alone": lambda each: _connecting(session, each)[1],
            }
            print(f"| {options.plugins} plugins | none | with | ratio |", "|---|---|---|---|", sep="\n")
            for name, measure in rows.items():
                _print_row(name, measure, environments, options.runs)
    return _judge(counted["plugins"]["calls"], options.plugins)


def _environment(home: Path, count: int) -> dict[str, str]:
    """The variables of a process that finds so many tiny plugins, and keeps its files by itself."""
    packages = home / "packages"
    packages.mkdir(parents=True)
    kinds = list(KINDS.items())
    for number in range(count):
        hook, body = kinds[number % len(kinds)]
        name = f"tiny_plugin_{number}"
        (packages / f"{name}.py").write_text(_PLUGIN.replace("HOOK", hook).replace("BODY", body))
        info = packages / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[hivemind_core_client]\n{name} = {name}\n")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HIVEMIND_", "XDG_"))}
    return {**kept, "HOME": str(home), "PYTHONPATH": str(packages)}


def _run(program: list[str], variables: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "-c", *program], env=variables, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"it failed: {done.stderr}")
    return done.stdout.splitlines()[-1]


def _timed(program: list[str], variables: dict[str, str]) -> float:
    began = time.perf_counter()
    _run(program, variables)
    return time.perf_counter() - began


def _connecting(program: list[str], variables: dict[str, str]) -> list[float]:
    seconds: list[float] = json.loads(_run(program, variables))["seconds"]
    return seconds


def _print_row(
    name: str, measure: Callable[[Any], float], environments: dict[str, dict[str, str]], runs: int
) -> None:
    samples: dict[str, list[float]] = {each: [] for each in environments}
    for turn in range(runs + 1):
        for each, variables in environments.items():
            seconds = measure(variables)
            if turn:  # the first one fills caches
                samples[each].append(seconds)
    none, with_plugins = (statistics.median(samples[each]) for each in ("none", "plugins"))
    print(f"| {name} | {none * 1000:.0f} ms | {with_plugins * 1000:.0f} ms | {with_plugins / none:.2f} |")


def _judge(calls: dict[str, list[str]], count: int) -> int:
    """Whether each plugin was loaded, and each hook that fills a table called once in the process."""
    wrong = {name: made for name, made in calls.items() if made and len(made) != 1}
    asked = sum(bool(made) for made in calls.values())
    wanted = sum(list(KINDS)[number % len(KINDS)] in TABLES for number in range(count))
    print(f"\n{len(calls)} plugins loaded; {asked} hooks that fill tables called, {len(wrong)} not just once")
    return int(bool(wrong) or (len(calls), asked) != (count, wanted))


if __name__ == "__main__":
    sys.exit(main())
