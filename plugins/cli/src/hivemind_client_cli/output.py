"""What `hivemind-client` prints: results on stdout, everything else on stderr, secrets nowhere."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TextIO

import click

from hivemind_client_cli.colours import Part, coloured, shows_colours, within

if TYPE_CHECKING:
    from hivemind_core_client.errors import HiveMindError, Mend, Reader

#: Printed in place of a secret.
MASK = "***"
#: Shorter secrets are not searched for in texts: they would blot out half of every line.
_SHORTEST_SECRET = 4
#: Nor are these searched for in results, where a password such as `mycroft` is part of every other type.
_SHORTEST_IN_RESULTS = 8
#: Not printable by themselves, and part of words and emoji all the same.
_JOINERS = "\u200c\u200d\xad"


class OutputFailed(click.ClickException):
    """Standard output cannot be written to: the disk is full, or it was closed from the start."""

    exit_code: ClassVar[int] = 1


class NotShown(click.ClickException):
    """A result has no JSON form: it is nested too deep, or holds a number that is not finite."""

    exit_code: ClassVar[int] = 1


class _Missing(io.TextIOBase):
    """Takes the place of a stdout that was closed before the process began."""

    encoding = "utf-8"

    def write(self, text: str) -> int:
        """Raises OSError."""
        raise OSError(errno.EBADF, "it is closed")


class Guarded(io.TextIOBase):
    """Takes the place of `sys.stdout` for code that prints without an Output, such as click's help."""

    def __init__(self, output: Output) -> None:
        self._output = output

    @property
    def encoding(self) -> str:  # type: ignore[override]  # a plain attribute in typeshed
        """The encoding of the stream itself."""
        return self._output.encoding

    @property
    def buffer(self) -> Any:
        """Where bytes go."""
        return self._output.stdout.buffer

    def fileno(self) -> int:
        """The number of the stream itself."""
        return int(self._output.stdout.fileno())

    def isatty(self) -> bool:
        """Whether the stream is a terminal."""
        return bool(self._output.stdout.isatty())

    def write(self, text: str) -> int:
        """Raises what `Output.write` raises, and nothing for no text: click tries streams with that."""
        if not isinstance(text, str):
            raise TypeError(f"text is written here, not {type(text).__name__}")
        if text:
            self._output.write(text)
        return len(text)


class Output:
    """Where one run of the command prints, and in which form.

    `json` prints JSON and nothing else on stdout, `quiet` leaves out everything but results and errors,
    `trace` shows each step of a connection, `verbose` shows what the library logs and where an unexpected error came
    from. `identity_file` is what was given as such: the commands that an error names are for that file. `app` is the
    application whose identity is used.
    """

    def __init__(
        self,
        stdout: TextIO | None = None,
        json: bool = False,
        quiet: bool = False,
        verbose: bool = False,
        identity_file: str | None = None,
        trace: bool = False,
    ) -> None:
        # Bound now, so that results still reach it while what libraries print is sent to stderr.
        self.stdout: Any = stdout if stdout is not None else sys.stdout or _Missing()
        self.json = json
        self.quiet = quiet
        self.verbose = verbose
        self.identity_file = identity_file
        self.trace = trace
        self.app: str | None = None
        self._secrets: list[str] = []

    def hide(self, *secrets: str | None) -> None:
        """Mask these texts in everything printed or logged from now on, results and `--json` included.

        Left as they are: texts of less than 4 characters, in results of less than 8, and what `write` prints.
        """
        known = {*self._secrets, *(text for text in secrets if text and len(text) >= _SHORTEST_SECRET)}
        self._secrets = sorted(known, key=len, reverse=True)

    def masked(self, text: str) -> str:
        """`text` with every known secret replaced."""
        return _without(self._secrets, text)

    @property
    def reader(self) -> Reader:
        """Whom errors are for: whoever typed this command, whose commands are for this run's identity file."""
        from hivemind_core_client.config.key_files import place_of  # not beside it: --help does without
        from hivemind_core_client.errors import Reader

        place = place_of(self.identity_file) if self.identity_file else None
        return Reader(place, at_command_line=True)

    def worded(self, said: str | Mend | HiveMindError) -> str:
        """An error, or what mends it, for the reader, with secrets masked."""
        return self.masked(said if isinstance(said, str) else said.text_for(self.reader))

    def result(self, data: Any, text: str | None = None) -> None:
        """Print a result: `data` as one JSON document with `--json`, else `text` (nothing when None).

        Both are made safe for a terminal, JSON by escapes, and secrets are masked. Raises NotShown for `data` without
        a JSON form, OutputFailed, or click's Exit when the reader is gone.
        """
        if self.json:
            self._write_json(data)
        elif text is not None:
            self.write(shown(_without(self._secrets_in_results(), text)) + "\n")

    def line(self, parts: Sequence[Part], most: int | None = None) -> None:
        """Print a result for people, made of parts: with colours where stdout shows them, and safe as in `result`.

        `most` bounds it in columns of the terminal.
        """
        secrets, styled = self._secrets_in_results(), shows_colours(self.stdout)
        texts = [Part(role, shown(_without(secrets, text))) for role, text in parts]
        if most is not None:
            texts = within(texts, most)
        self.write("".join(coloured(*part) if styled else part.text for part in texts) + "\n")

    def note(self, text: str) -> None:
        """Print a remark for people: on stdout, and not at all with `--json` or `--quiet`."""
        if not (self.json or self.quiet):
            self.write(shown(text) + "\n")

    def warn(self, text: str) -> None:
        """Print a warning on stderr, unless `--quiet`."""
        if not self.quiet:
            to_stderr(f"warning: {self.masked(text)}")

    def remark(self, text: str) -> None:
        """Print a remark for people on stderr; not at all with `--quiet`."""
        if not self.quiet:
            to_stderr(self.masked(text))

    def traced(self, line: str) -> None:
        """Print a line of the trace on stderr, with `--quiet` too: it was asked for."""
        to_stderr(self.masked(line), "remark")

    def error(self, text: str, kind: str, exit_code: int) -> None:
        """Print `error: text` on stderr, and with `--json` an object that says the same on stdout."""
        text = self.masked(text)
        to_stderr(f"error: {text}")
        if self.json:
            self._write_json({"error": text, "type": kind, "exit_code": exit_code})

    def write(self, text: str) -> None:
        """Print `text` as it is; letters that stdout has no form for become question marks.

        Raises OutputFailed, or click's Exit when the reader is gone; after that the rest goes nowhere.
        """
        try:
            self.stdout.write(text if self._fits(text) else self._replaced(text))
            self.stdout.flush()
        except (OSError, ValueError) as error:
            raise self._abandon(error) from None

    def _write_json(self, data: Any) -> None:
        from hivemind_core_client.wire.text import json_printable  # not beside it: --help does without

        try:
            text = json.dumps(data, ensure_ascii=False, allow_nan=False, default=str)
            text = json_printable(self._masked_json(text))
            # Escapes lose nothing, question marks would.
            text = text if self._fits(text) else json.dumps(json.loads(text))
        except (ValueError, RecursionError) as error:
            raise NotShown(f"this has no JSON form: {error}") from error
        self.write(text + "\n")

    def _masked_json(self, text: str) -> str:
        from hivemind_core_client.wire.text import without_keys

        secrets = self._secrets_in_results()
        has_secret = any(json.dumps(secret, ensure_ascii=False)[1:-1] in text for secret in secrets)
        if not has_secret and without_keys(text) == text:
            return text
        # Not in the text: what a secret begins with may be half of an escape there.
        masked = _without_any(lambda each: without_keys(_without(secrets, each)), json.loads(text))
        return json.dumps(masked, ensure_ascii=False)

    def _secrets_in_results(self) -> list[str]:
        return [secret for secret in self._secrets if len(secret) >= _SHORTEST_IN_RESULTS]

    @property
    def encoding(self) -> str:
        """The encoding of stdout."""
        return getattr(self.stdout, "encoding", None) or "utf-8"

    def _fits(self, text: str) -> bool:
        try:
            text.encode(self.encoding)
        except UnicodeEncodeError:
            return False
        return True

    def _replaced(self, text: str) -> str:
        return text.encode(self.encoding, "replace").decode(self.encoding)

    def _abandon(self, error: Exception) -> Exception:
        """Discard the rest; returns the error to raise: an Exit without a message when the reader is gone."""
        self.stdout = open(os.devnull, "w")  # noqa: SIM115  lives as long as the process
        with contextlib.suppress(OSError):
            os.dup2(self.stdout.fileno(), 1)
        if isinstance(error, BrokenPipeError):
            return click.exceptions.Exit(1)
        return OutputFailed(f"cannot write to stdout: {getattr(error, 'strerror', None) or error}")


def _without(secrets: list[str], text: str) -> str:
    """`text` with each of these replaced."""
    for secret in secrets:
        text = text.replace(secret, MASK)
    return text


def _without_any(mask: Callable[[str], str], value: Any) -> Any:
    """A value read from JSON, with each text of it masked."""
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, list):
        return [_without_any(mask, each) for each in value]
    if isinstance(value, dict):
        return {mask(name): _without_any(mask, each) for name, each in value.items()}
    return value


def to_stderr(text: str, role: str | None = None) -> None:
    """Print a line on stderr, safe for a terminal, and in the colour of its role; errors of stderr are ignored."""
    safe = shown(text)
    with contextlib.suppress(OSError, ValueError):
        styled = role is not None and shows_colours(sys.stderr)
        click.echo(coloured(role, safe) if role is not None and styled else safe, err=True)


def shown(text: str) -> str:
    """`text` without what could steer a terminal, and without keys of other satellites.

    Only line ends, tabs and what can be seen stay.
    """
    if "::" in text:
        from hivemind_core_client.wire.text import without_keys  # not beside it: --help does without

        text = without_keys(text)
    return text if text.isprintable() else "".join(map(_visible, text.replace("\r\n", "\n")))


def _visible(character: str) -> str:
    if character.isprintable() or character in "\n\t" or character in _JOINERS:
        return character
    # Spaces of other widths are not printable for Python, and common in some languages.
    return " " if character.isspace() and character > "\x9f" else "?"


def aligned(rows: Mapping[str, Any], indent: str = "") -> str:
    """Lines of `name   value`, the values in one column."""
    width = max((len(name) for name in rows), default=0)
    return "\n".join(f"{indent}{name:<{width}}   {value}".rstrip() for name, value in rows.items())


def milliseconds(seconds: float) -> str:
    """A duration in seconds as text in milliseconds, such as `1.24 ms`."""
    value = seconds * 1000
    return f"{value:.2f} ms" if value < 100 else f"{value:.0f} ms"
