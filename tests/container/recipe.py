"""Carries out a Dockerfile without a builder: each stage is a folder, and RUN runs in it by chroot.

Only what our Dockerfile uses is understood; anything else is an error, so that nothing is left out in silence.
"""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

#: Seconds for one step: a slow index may take long.
STEP = 600
#: In the base: whom this machine believes, for pip. An image from an index would need no such file.
MACHINE_CERTIFICATES = "etc/certificates-of-the-machine.crt"


@dataclass
class Image:
    """A stage: its folder, and what it was told for those who run it."""

    folder: Path
    env: dict[str, str] = field(default_factory=dict)
    user: str = "root"
    workdir: str = "/"
    volumes: list[str] = field(default_factory=list)
    stopsignal: str = "SIGTERM"
    healthcheck: list[str] = field(default_factory=list)
    entrypoint: list[str] = field(default_factory=list)
    cmd: list[str] = field(default_factory=list)

    def command(self, *arguments: str) -> list[str]:
        """What starts this image with these arguments, or with its own: for Popen, by root."""
        return self.within(*self.entrypoint, *(arguments or self.cmd))

    def within(self, *words: str) -> list[str]:
        """What runs these words in the image, by its user and with nothing but its own variables."""
        variables = [f"{name}={value}" for name, value in self.env.items()]
        user = f"{self.user}:{self.user}"
        place = [*in_namespaces(self.folder), "chroot", f"--userspec={user}", str(self.folder)]
        return [*place, "env", "-i", f"--chdir={self.workdir}", *variables, *words]


def in_namespaces(folder: Path) -> list[str]:
    """What makes the next words process 1 of a container, which sees its own processes alone."""
    return ["unshare", "--pid", "--fork", "--kill-child", f"--mount-proc={folder / 'proc'}"]


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """The instructions of a Dockerfile, each with its arguments in one line."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    for line in re.sub(r"\\\n\s*", " ", "\n".join(lines)).splitlines():
        name, _, rest = line.partition(" ")
        yield name, rest.strip()


class Builder:
    """Builds the stages of a Dockerfile in `place`, from the folder of a base image and the context `source`."""

    def __init__(self, source: Path, base: Path, place: Path) -> None:
        self._source = source
        self._base = base
        self._place = place
        self._stages: dict[str, Image] = {}
        self._image: Image

    def build(self) -> Image:
        """Carry out every instruction; the last stage is the image."""
        for name, rest in instructions((self._source / "Dockerfile").read_text(encoding="utf-8")):
            getattr(self, f"do_{name.lower()}")(rest)
        return self._image

    def do_from(self, rest: str) -> None:
        words = rest.split()
        folder = self._place / f"stage-{len(self._stages)}"
        before = self._stages.get(words[0])
        subprocess.run(["cp", "-a", before.folder if before else self._base, folder], check=True)
        self._image = Image(folder, dict(before.env) if before else {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
        self._stages[words[2] if words[1:2] == ["AS"] else folder.name] = self._image

    def do_run(self, rest: str) -> None:
        variables = [f"{name}={value}" for name, value in {**self._of_pip(), **self._image.env}.items()]
        place = [*in_namespaces(self._image.folder), "chroot", str(self._image.folder)]
        command = [*place, "env", "-i", *variables, "/bin/sh", "-c", rest]
        done = subprocess.run(command, capture_output=True, text=True, timeout=STEP)
        assert done.returncode == 0, f"RUN {rest}\n{done.stdout}\n{done.stderr}"

    def _of_pip(self) -> dict[str, str]:
        """The index that this machine uses, and whom it believes there."""
        found = {
            name: os.environ[name] for name in ("PIP_INDEX_URL", "PIP_DEFAULT_TIMEOUT") if name in os.environ
        }
        if (self._image.folder / MACHINE_CERTIFICATES).is_file():
            found["PIP_CERT"] = f"/{MACHINE_CERTIFICATES}"
        return found

    def do_copy(self, rest: str) -> None:
        words = rest.split()
        target = self._image.folder / words[-1].lstrip("/")
        if words[0].startswith("--from="):
            source = self._stages[words[0].partition("=")[2]].folder / words[1].lstrip("/")
            subprocess.run(["cp", "-a", source, target], check=True)
            return
        assert words[0] == "."
        for name in context_files(self._source):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(self._source / name, target / name)

    def do_env(self, rest: str) -> None:
        self._image.env.update(word.split("=", 1) for word in shlex.split(rest))

    def do_user(self, rest: str) -> None:
        self._image.user = rest

    def do_workdir(self, rest: str) -> None:
        self._image.workdir = rest

    def do_volume(self, rest: str) -> None:
        self._image.volumes.append(rest)

    def do_stopsignal(self, rest: str) -> None:
        self._image.stopsignal = rest

    def do_healthcheck(self, rest: str) -> None:
        self._image.healthcheck = json.loads(rest.partition(" CMD ")[2])

    def do_entrypoint(self, rest: str) -> None:
        self._image.entrypoint = json.loads(rest)

    def do_cmd(self, rest: str) -> None:
        self._image.cmd = json.loads(rest)


def context_files(source: Path) -> list[str]:
    """What .dockerignore lets through: it begins with `*`, names what is kept, and then what is not."""
    lines = (source / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*", "the recipe of the tests reads no other kind of .dockerignore"
    kept = [rule[1:] for rule in rules if rule.startswith("!")]
    left_out = [rule.replace("**/", "*") for rule in rules[1:] if not rule.startswith("!")]
    found = []
    for name in kept:
        path = source / name
        found += [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
    names = [path.relative_to(source).as_posix() for path in found]
    return [name for name in names if not any(_covers(rule, name) for rule in left_out)]


def _covers(rule: str, name: str) -> bool:
    parents = [name, *(str(parent) for parent in Path(name).parents)]
    return any(fnmatch.fnmatch(parent, rule) for parent in parents)
