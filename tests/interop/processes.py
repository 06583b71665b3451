"""Child processes and loopback ports for the real hubs; every wait here has a deadline."""

from __future__ import annotations

import json
import os
import random
import select
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

_POLL = 0.02
_NOISE = "WARNING"
#: Below the ephemeral ports of Linux and those of IANA.
_PORTS = (15000, 32000)


class HarnessError(RuntimeError):
    """The harness itself failed: a hub did not install, start or take a command."""


class LostBus(HarnessError):
    """The hub lost its own OVOS bus under a row, which tells nothing about the row: it is run once more."""


class Overtaken(HarnessError):
    """A hub over MQTT sent a frame before an earlier one, which tells nothing about the row: it is run once more."""


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on right now.

    It is none of those that a system gives to whoever connects: a hub that is killed gets its port again.
    """
    while True:
        port = random.randrange(*_PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


def is_listening(port: int) -> bool:
    """True if something on 127.0.0.1 takes a TCP connection at `port`."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1.0):
            return True
    except OSError:
        return False


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Ask `condition` again and again until it holds. False if it does not within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL)
    return True


def run(command: Sequence[str], seconds: float, env: Mapping[str, str] | None = None) -> str:
    """Run a command to its end and return its output. Raises HarnessError if it fails or takes longer."""
    try:
        done = subprocess.run(
            list(command),
            env=None if env is None else dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise HarnessError(f"{_name(command)} took longer than {seconds:.0f} s") from None
    output = done.stdout.decode("utf-8", "replace")
    if done.returncode:
        raise HarnessError(f"{_name(command)} ended with {done.returncode}:\n{tail(output)}")
    return output


def tail(text: str, lines: int = 40) -> str:
    """The last lines of a log; pip's warnings, which come by the hundred, are left out."""
    kept = [line for line in text.splitlines() if not line.startswith(_NOISE)]
    return "\n".join(kept[-lines:])


def _name(command: Sequence[str]) -> str:
    return " ".join([os.path.basename(command[0]), *command[1:3]])


class Process:
    """One child process whose output goes to a file; it is ended by its own pid and no other way.

    One that is `fed` has an input, which stays open until the child is ended: `feed` writes to it.
    """

    def __init__(
        self, name: str, command: Sequence[str], env: Mapping[str, str], log_file: Path, fed: bool = False
    ) -> None:
        self.name = name
        self._input = subprocess.PIPE if fed else subprocess.DEVNULL
        self._command = list(command)
        self._env = dict(env)
        self._log_file = log_file
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the child; its output is appended to the log file."""
        with self._log_file.open("ab") as log:
            self._child = subprocess.Popen(
                self._command, env=self._env, stdin=self._input, stdout=log, stderr=subprocess.STDOUT
            )

    def feed(self, text: str) -> None:
        """Write to the input of a child that is `fed`. Raises HarnessError if it reads no more."""
        assert self._child is not None and self._child.stdin is not None
        try:
            self._child.stdin.write(text.encode())
            self._child.stdin.flush()
        except BrokenPipeError:
            raise HarnessError(
                f"{self.name}: it ended before it was told {text!r}\n{tail(self.log())}"
            ) from None

    @property
    def alive(self) -> bool:
        """True while the child runs."""
        return self._child is not None and self._child.poll() is None

    def wait_for(self, condition: Callable[[], bool], seconds: float, what: str) -> None:
        """Wait until `condition` holds. Raises HarnessError if the child ends first, or after `seconds`."""
        met = wait_until(lambda: not self.alive or condition(), seconds)
        if self.alive and met:
            return
        reason = f"no {what} within {seconds:.0f} s" if self.alive else f"it ended before {what}"
        raise HarnessError(f"{self.name}: {reason}\n{tail(self.log())}")

    def wait_for_end(self, seconds: float) -> int:
        """The exit code, once the child has ended. Raises HarnessError after `seconds`."""
        assert self._child is not None
        try:
            return self._child.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            raise HarnessError(
                f"{self.name}: it runs longer than {seconds:.0f} s\n{tail(self.log())}"
            ) from None

    def send_signal(self, number: int) -> None:
        """Send a signal to the child, if it runs."""
        if self._child is not None and self._child.poll() is None:
            self._child.send_signal(number)

    def kill(self) -> None:
        """End the child at once, as a power cut would."""
        self._end(grace=None)

    def stop(self, grace: float = 1.0) -> None:
        """Ask the child to end, and end it after `grace` seconds if it has not."""
        self._end(grace)

    def log(self) -> str:
        """Everything the child wrote so far."""
        if not self._log_file.exists():
            return ""
        return self._log_file.read_text(encoding="utf-8", errors="replace")

    def _end(self, grace: float | None) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        if grace is not None and child.poll() is None:
            child.terminate()
            try:
                child.wait(timeout=grace)
            except subprocess.TimeoutExpired:
                child.kill()
        elif child.poll() is None:
            child.kill()
        child.wait(timeout=10)
        if child.stdin is not None:
            child.stdin.close()


class LineServer:
    """A child process that answers each line of JSON on its input with one on its output."""

    def __init__(self, name: str, command: Sequence[str], env: Mapping[str, str], log_file: Path) -> None:
        self.name = name
        self._log_file = log_file
        with log_file.open("ab") as log:
            self._child = subprocess.Popen(
                list(command), env=dict(env), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
            )
        self._unread = b""

    def ask(self, question: Any, seconds: float) -> Any:
        """The answer to one question. Raises HarnessError if the child ends, or takes longer than `seconds`."""
        assert self._child.stdin is not None
        try:
            self._child.stdin.write(json.dumps(question).encode() + b"\n")
            self._child.stdin.flush()
        except BrokenPipeError:
            raise self._failure("it ended") from None
        return json.loads(self._read_line(time.monotonic() + seconds))

    def stop(self) -> None:
        """Close its input, upon which it ends, or is ended."""
        assert self._child.stdin is not None and self._child.stdout is not None
        self._child.stdin.close()
        try:
            self._child.wait(timeout=1)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait(timeout=10)
        self._child.stdout.close()

    def _read_line(self, deadline: float) -> bytes:
        assert self._child.stdout is not None
        output = self._child.stdout.fileno()
        while b"\n" not in self._unread:
            ready, _, _ = select.select([output], [], [], max(0.0, deadline - time.monotonic()))
            piece = os.read(output, 65536) if ready else b""
            if not piece:
                raise self._failure("it ended" if ready else "no answer in time")
            self._unread += piece
        line, _, self._unread = self._unread.partition(b"\n")
        return line

    def _failure(self, reason: str) -> HarnessError:
        log = self._log_file.read_text(encoding="utf-8", errors="replace")
        return HarnessError(f"{self.name}: {reason}\n{tail(log)}")
