"""Playing audio files with what the machine has, one after the other, beside everything else."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import tempfile
import threading
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Callable, Optional, Union

from attrs import frozen

from hivemind_client_binary_tts.wav import audio_suffix, seconds_of
from hivemind_core_client.errors import InvalidOption, Mend
from hivemind_core_client.wire.text import printable

log = logging.getLogger(__name__)

#: How long a program may take for a file whose length is unknown, and beyond the length of a WAV file; in seconds.
UNKNOWN_LENGTH = 120.0
SPARE = 10.0

PlayFunction = Callable[[Path], object]


@frozen
class Program:
    """A player's command line, to which the path is added; `only` is the one format it can tell, if just one."""

    command: tuple[str, ...]
    only: str = ""


#: What `Player.find` looks for, in this order. `--` ends the options where a program knows it; paths are absolute,
#: so none can pass for an option anywhere. ffplay would follow addresses that a file names.
PROGRAMS = (
    Program(
        (
            "ffplay",
            "-nodisp",
            "-autoexit",
            "-hide_banner",
            "-loglevel",
            "error",
            "-protocol_whitelist",
            "file",
            "--",
        )
    ),
    Program(("paplay", "--")),
    # It plays whatever it cannot tell as samples, which is loud noise.
    Program(("aplay", "-q", "--"), only=".wav"),
    Program(("afplay",)),
)


class Player:
    """Plays files one after the other on a thread of its own. The thread ends when there is nothing to play.

    `command` is a program and its arguments. The path is added to it, and no shell is used. It may also be a function
    that takes the path and returns when the file was played. At most `limit` files wait; further ones are not played.

    A program that runs longer than `timeout` seconds for one file is ended. By default that is the length of a WAV
    file plus 10 s, and 120 s for any other file. If playing fails, this is logged, and the next file is played.
    Override `run` to play in another way.

    Raises InvalidOption for an empty command, and for numbers that are not positive.
    """

    def __init__(
        self,
        command: Union[Sequence[str], PlayFunction],
        limit: int = 16,
        timeout: Optional[float] = None,
    ) -> None:
        if isinstance(command, str) or not (callable(command) or command):
            raise InvalidOption(
                f"a player's command is {command!r}",
                Mend("pass a list of a program and its arguments, or a function", joint="; "),
            )
        if limit < 1 or (timeout is not None and timeout <= 0):
            raise InvalidOption(
                f"limit is {limit!r} and timeout {timeout!r}; both are above 0 (or None: by the length)"
            )
        self._function = command if callable(command) else None
        self._command = () if callable(command) else tuple(command)
        self._only = ""
        self._limit = limit
        self._timeout = timeout
        self._waiting: deque[Path] = deque()
        self._changed = threading.Condition()
        self._thread: Optional[threading.Thread] = None
        self._process: Optional[subprocess.Popen[bytes]] = None
        self._stopping = False

    @classmethod
    def find(cls) -> Optional[Player]:
        """A player with the first program that is installed: `ffplay`, `paplay`, `aplay` or `afplay`. Else None."""
        for program in PROGRAMS:
            found = shutil.which(program.command[0])
            if found is not None:
                player = cls([os.path.abspath(found), *program.command[1:]])
                player._only = program.only
                return player
        names = ", ".join(program.command[0] for program in PROGRAMS)
        log.warning("speech will not be played: this machine has none of %s. Install one", names)
        return None

    @property
    def command(self) -> tuple[str, ...]:
        """The program and its arguments, without the path. It is empty if a function plays."""
        return self._command

    def play(self, path: Union[str, os.PathLike[str]]) -> bool:
        """Play a file after those that wait. Returns at once: False if too many files wait, else True."""
        absolute = Path(os.path.abspath(os.fspath(path)))
        with self._changed:
            if len(self._waiting) >= self._limit:
                log.warning("not played: %d files wait to be played already", self._limit)
                return False
            self._waiting.append(absolute)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="hivemind-player", daemon=True)
                self._thread.start()
        return True

    def stop(self) -> None:
        """Stop playing, and forget the files that wait. A function that plays is not ended: it returns by itself."""
        with self._changed:
            self._waiting.clear()
            self._stopping = self._thread is not None
            if self._process is not None:
                self._process.kill()

    def wait(self, timeout: Optional[float] = None) -> bool:
        """Wait until everything was played. False if that takes more than `timeout` seconds (None: no limit)."""
        with self._changed:
            return self._changed.wait_for(lambda: self._thread is None, timeout)

    def run(self, path: Path) -> None:
        """Play one file and return when it has ended. What it raises is logged."""
        if self._function is not None:
            self._function(path)
        elif self._only and not self._can_tell(path):
            log.warning("not played: %s plays %s only. Install ffplay", self._command[0], self._only)
        else:
            self._run_program(path)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._stopping = False
                if not self._waiting:
                    self._thread = None
                    self._changed.notify_all()
                    return
                path = self._waiting.popleft()
            try:
                self.run(path)
            except Exception as error:  # whatever a user's player raises, the next file is played
                log.error("%s was not played: %s", path.name, error, exc_info=not isinstance(error, OSError))

    def _can_tell(self, path: Path) -> bool:
        with open(path, "rb") as file:
            return audio_suffix(file.read(12)) == self._only

    def _run_program(self, path: Path) -> None:
        # A file, because a pipe that nobody reads would stall a talkative player.
        with tempfile.TemporaryFile() as said:
            process = subprocess.Popen(  # noqa: S603  # no shell, and the path is absolute
                [*self._command, str(path)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
                close_fds=True,
            )
            stopped = self._until_ended(process, self._patience(path))
            if process.returncode and not stopped:
                log.error("%s ended with %d%s", self._command[0], process.returncode, _last_words(said))

    def _patience(self, path: Path) -> float:
        """Seconds that a program may take for this file."""
        if self._timeout is not None:
            return self._timeout
        length = seconds_of(path)
        return UNKNOWN_LENGTH if length is None else length + SPARE

    def _until_ended(self, process: subprocess.Popen[bytes], seconds: float) -> bool:
        """Wait for a program, and see to it that it ends; True if `stop` ended it."""
        with self._changed:
            self._process = process
            if self._stopping:
                process.kill()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            log.error("%s took more than %g s for one file and was ended", self._command[0], seconds)
        finally:
            process.kill()
            process.wait()
            with self._changed:
                self._process, stopped = None, self._stopping
        return stopped


def _last_words(said: IO[bytes]) -> str:
    size = said.seek(0, os.SEEK_END)
    said.seek(max(0, size - 300))
    words = " ".join(said.read().decode("utf-8", "replace").split())
    return f": {printable(words, 300)}" if words else ""
