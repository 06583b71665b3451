"""What other processes of this machine use: processor time, memory and threads, from /proc (Linux)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")


@dataclass(frozen=True)
class Use:
    """What processes use: seconds of the processor since they began, bytes of memory and threads now."""

    cpu: float = 0.0
    memory: int = 0
    threads: int = 0

    def __add__(self, other: Use) -> Use:
        return Use(self.cpu + other.cpu, self.memory + other.memory, self.threads + other.threads)


def children(marker: str) -> list[int]:
    """The process ids of this process's own children, and of theirs, with `marker` in the command line."""
    parents = {int(path.name): _parent(path) for path in _PROC.iterdir() if path.name.isdigit()}
    return [pid for pid in parents if _descends(pid, parents) and marker in _command(pid)]


def use(pids: list[int]) -> Use:
    """What these processes use together. One that has ended counts as nothing."""
    return sum((_use(_PROC / str(pid)) for pid in pids), Use())


def _use(process: Path) -> Use:
    try:
        fields = _stat(process)
        rollup = (process / "smaps_rollup").read_text(encoding="ascii").splitlines()
    except OSError:
        return Use()
    sizes = {line.split()[0]: int(line.split()[1]) for line in rollup if line.endswith("kB")}
    return Use(
        cpu=(int(fields[11]) + int(fields[12])) / _TICKS,
        memory=(sizes["Private_Clean:"] + sizes["Private_Dirty:"]) * 1024,
        threads=int(fields[17]),
    )


def _stat(process: Path) -> list[str]:
    # The name of the program stands in brackets, and may have blanks and brackets of its own.
    return (process / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()


def _parent(process: Path) -> int:
    try:
        return int(_stat(process)[1])
    except OSError:
        return 0


def _descends(pid: int, parents: dict[int, int]) -> bool:
    while pid and pid != os.getpid():
        pid = parents.get(pid, 0)
    return bool(pid)


def _command(pid: int) -> str:
    try:
        return (_PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    except OSError:
        return ""
