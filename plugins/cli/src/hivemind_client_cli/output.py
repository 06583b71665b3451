"""What `hivemind-client` prints: results on stdout, everything else on stderr, secrets nowhere."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import Any, TextIO

import click

#: What stands in the place of a secret.
MASK = "***"
#: Shorter secrets are not searched for in texts: they would blot out half of every line.
_SHORTEST_SECRET = 4


class Output:
    """The streams and the manners of one run of the command.

    `json` prints JSON and nothing else on stdout, `quiet` leaves out everything but results and errors,
    `verbose` shows what the library logs and where an unexpected error came from.
    """

    def __init__(
        self,
        stdout: TextIO | None = None,
        json: bool = False,
        quiet: bool = False,
        verbose: bool = False,
    ) -> None:
        # Bound now, so that results still reach it while what libraries print is sent to stderr.
        self.stdout = stdout if stdout is not None else sys.stdout
        self.json = json
        self.quiet = quiet
        self.verbose = verbose
        self._secrets: list[str] = []

    def hide(self, *secrets: str | None) -> None:
        """Mask these texts in everything printed or logged from now on."""
        known = {*self._secrets, *(text for text in secrets if text and len(text) >= _SHORTEST_SECRET)}
        self._secrets = sorted(known, key=len, reverse=True)

    def masked(self, text: str) -> str:
        """`text` with every known secret replaced."""
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        return text

    def result(self, data: Any, text: str | None = None) -> None:
        """Print a result: `data` as one JSON document with `--json`, else `text` (nothing when None)."""
        if self.json:
            self._write(json.dumps(data, ensure_ascii=False, default=str))
        elif text is not None:
            self._write(text)

    def note(self, text: str) -> None:
        """Print a remark for people: on stdout, and not at all with `--json` or `--quiet`."""
        if not (self.json or self.quiet):
            self._write(text)

    def warn(self, text: str) -> None:
        """Print a warning on stderr, unless `--quiet`."""
        if not self.quiet:
            click.echo(f"warning: {self.masked(text)}", err=True)

    def error(self, text: str, kind: str, exit_code: int) -> None:
        """Print `error: text` on stderr, and with `--json` an object that says the same on stdout."""
        text = self.masked(text)
        click.echo(f"error: {text}", err=True)
        if self.json:
            self._write(json.dumps({"error": text, "type": kind, "exit_code": exit_code}, ensure_ascii=False))

    def _write(self, text: str) -> None:
        try:
            self.stdout.write(text + "\n")
            self.stdout.flush()
        except BrokenPipeError:
            self._abandon()
            raise click.exceptions.Exit(1) from None

    def _abandon(self) -> None:
        """Nobody reads on: the rest goes nowhere, or the interpreter would complain at its end."""
        self.stdout = open(os.devnull, "w")  # noqa: SIM115  lives as long as the process
        try:
            os.dup2(self.stdout.fileno(), 1)
        except OSError:
            return


def aligned(rows: Mapping[str, Any], indent: str = "") -> str:
    """Lines of `name   value`, the values in one column."""
    width = max((len(name) for name in rows), default=0)
    return "\n".join(f"{indent}{name:<{width}}   {value}".rstrip() for name, value in rows.items())


def milliseconds(seconds: float) -> str:
    """A duration in seconds as text in milliseconds, such as `1.24 ms`."""
    value = seconds * 1000
    return f"{value:.2f} ms" if value < 100 else f"{value:.0f} ms"
