"""The sides as programs: which Python, which worker, which files; and the reference's environment."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

Json = dict[str, Any]

BENCHMARKS = Path(__file__).resolve().parents[1]
REPOSITORY = BENCHMARKS.parent
REFERENCE_VERSION = "0.9.2a1"
#: Set this to a Python that has the reference installed, and no environment is made.
REFERENCE_VARIABLE = "HIVEMIND_BENCH_REFERENCE_PYTHON"

#: The reference that has a client for asyncio, and the variable for it.
ASYNC_REFERENCE_VERSION = "1.2.12a1"
ASYNC_REFERENCE_VARIABLE = "HIVEMIND_BENCH_ASYNC_REFERENCE_PYTHON"

_REQUIREMENTS = {
    REFERENCE_VERSION: (
        f"hivemind-bus-client=={REFERENCE_VERSION}",
        "bitstring<5",
        "ovos-bus-client>=2.0.0a3,<3",
    ),
    ASYNC_REFERENCE_VERSION: (f"hivemind-bus-client=={ASYNC_REFERENCE_VERSION}", "websockets>=13"),
}
_INSTALL_SECONDS = 900
_RUN_SECONDS = 180
_CROWD_SECONDS = 500
_TAIL = 6

_W = TypeVar("_W", bound="Worker")


class BenchError(RuntimeError):
    """A side could not be installed or run."""


@dataclass(frozen=True)
class Side:
    """One side. `home` holds everything it writes; `package` is what a user imports."""

    name: str
    python: str
    worker: Path
    package: str
    home: Path

    def environment(self) -> dict[str, str]:
        """The environment of its processes: this one's, with a home of their own and no settings of ours."""
        env = {
            name: value for name, value in os.environ.items() if not name.startswith(("HIVEMIND_", "OVOS_"))
        }
        env["HOME"] = str(self.home)
        for kind in ("CONFIG", "DATA", "CACHE", "STATE"):
            env[f"XDG_{kind}_HOME"] = str(self.home / kind.lower())
        # pip compiled the reference when it installed it: ours, in a clone, must be let to keep its bytecode likewise.
        env.pop("PYTHONDONTWRITEBYTECODE", None)
        if self.name == "reference":
            env.pop("PYTHONPATH", None)
        return env

    def script(self, name: str) -> str:
        """Path of a console script of this side."""
        return str(Path(self.python).parent / name)

    def run(self, command: Sequence[str], text: str = "", seconds: float = _RUN_SECONDS) -> str:
        """Run a command to its end and return its stdout. Raises BenchError if it fails or hangs."""
        try:
            done = subprocess.run(
                list(command),
                input=text.encode(),
                capture_output=True,
                env=self.environment(),
                cwd=self.home,
                timeout=seconds,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise BenchError(f"{type(error).__name__}: {Path(command[0]).name}") from error
        if done.returncode:
            raise BenchError(
                f"{Path(command[0]).name} ended with {done.returncode}: {last_lines(done.stderr)}"
            )
        return done.stdout.decode("utf-8", "replace")

    def ask(self, mode: str, question: Json | None = None) -> Json:
        """One answer of a fresh worker process."""
        answer = self.run([self.python, str(self.worker), mode], json.dumps(question) + "\n")
        return _parsed(answer, self.name)

    def crowd(self, question: Json) -> Json:
        """The answer of a fresh process with many clients. Raises BenchError for what it could not do."""
        script = str(BENCHMARKS / f"{self.name.replace('ours', 'our')}_crowd.py")
        answer = _parsed(
            self.run([self.python, script], json.dumps(question) + "\n", _CROWD_SECONDS), self.name
        )
        if "error" in answer:
            raise BenchError(answer["error"])
        return answer


class Worker:
    """A worker process that stays: a question, an answer, both JSON lines. A context manager.

    `script` in this folder, with `arguments`; without it the worker of the side, which is told the mode.
    """

    def __init__(self, side: Side, mode: str, script: str = "", arguments: Sequence[str] = ()) -> None:
        self._side = side
        self._log = (side.home / f"{mode}.log").open("w+b")
        command = [str(BENCHMARKS / script), *arguments] if script else [str(side.worker), mode]
        self._child = subprocess.Popen(
            [side.python, *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=side.environment(),
            cwd=side.home,
        )

    def __enter__(self: _W) -> _W:
        return self

    def __exit__(self, *_: object) -> None:
        if self._child.stdin is not None:
            self._child.stdin.close()
        try:
            self._child.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        if self._child.stdout is not None:
            self._child.stdout.close()
        self._log.close()

    def ask(self, question: Json) -> Json:
        """Put a question and wait for its answer. Raises BenchError if the worker ended."""
        assert self._child.stdin is not None
        try:
            self._child.stdin.write((json.dumps(question) + "\n").encode())
            self._child.stdin.flush()
        except BrokenPipeError:
            raise BenchError(self._end()) from None
        return self.answer()

    def answer(self) -> Json:
        """The next answer. Raises BenchError if the worker ended."""
        assert self._child.stdout is not None
        line = self._child.stdout.readline()
        if not line:
            raise BenchError(self._end())
        return _parsed(line.decode(), self._side.name)

    def _end(self) -> str:
        self._child.wait(timeout=10)
        self._log.seek(0)
        return f"the worker of {self._side.name} ended: {last_lines(self._log.read())}"


def ours(home: Path) -> Side:
    """This library, under the Python that runs the benchmark."""
    return _side("ours", sys.executable, "our_worker.py", "hivemind_core_client", home)


def by_names(home: Path) -> Side:
    """This library by the names of the reference client, likewise."""
    return _side("names", sys.executable, "names_worker.py", "hivemind_bus_client", home)


def reference(home: Path) -> Side:
    """The reference, in the environment that the variable names or that is made here."""
    python = os.environ.get(REFERENCE_VARIABLE) or str(_reference_python(REFERENCE_VERSION))
    return _side("reference", python, "reference_worker.py", "hivemind_bus_client", home / REFERENCE_VERSION)


def async_reference(home: Path) -> Side:
    """The reference that has a client for asyncio, likewise."""
    python = os.environ.get(ASYNC_REFERENCE_VARIABLE) or str(_reference_python(ASYNC_REFERENCE_VERSION))
    return _side(
        "reference", python, "reference_worker.py", "hivemind_bus_client", home / ASYNC_REFERENCE_VERSION
    )


def last_lines(output: bytes) -> str:
    """The end of a log in one line; pip's warnings, which come by the hundred, are left out."""
    lines = [line.strip() for line in output.decode("utf-8", "replace").splitlines()]
    kept = [line for line in lines if line and not line.startswith("WARNING")]
    return " | ".join(kept[-_TAIL:])


def _side(name: str, python: str, worker: str, package: str, home: Path) -> Side:
    own = home / name
    for kind in ("config", "data", "cache", "state"):
        (own / kind).mkdir(parents=True)
    return Side(name, python, BENCHMARKS / worker, package, own)


def _parsed(text: str, who: str) -> Json:
    try:
        answer: Json = json.loads(text)
    except ValueError as error:
        raise BenchError(f"the worker of {who} answered no JSON: {text[:80]!r}") from error
    return answer


def _reference_python(version: str) -> Path:
    python = "{}.{}".format(*sys.version_info[:2])
    root = REPOSITORY / ".cache" / "bench" / f"ref-{version}-py{python}"
    marker = root / "installed.txt"
    content = "\n".join(_REQUIREMENTS[version]) + "\n"
    if not marker.exists() or marker.read_text(encoding="utf-8") != content:
        _install(root, _REQUIREMENTS[version])
        marker.write_text(content, encoding="utf-8")
    return root / "bin" / "python"


def _install(root: Path, requirements: Sequence[str]) -> None:
    # An environment without its marker was cut off half-way: what is in it cannot be trusted.
    if root.exists():
        shutil.rmtree(root)
    print(f"Installing the reference into {root.relative_to(REPOSITORY)} (once)", file=sys.stderr)
    python = str(root / "bin" / "python")
    pip = [python, "-m", "pip", "-q", "--disable-pip-version-check", "install"]
    for command in ([sys.executable, "-m", "venv", str(root)], [*pip, *requirements]):
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=_INSTALL_SECONDS, check=False
        )
        if done.returncode:
            raise BenchError(f"the reference could not be installed: {last_lines(done.stdout)}")
