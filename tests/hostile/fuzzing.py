"""Feeding a parser: inputs that are kept, changes to them, and what is wrong with a parser that raises."""

from __future__ import annotations

import random
import time
import traceback
from base64 import b64decode
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from .parsers import Parser, as_line

_CORPUS = Path(__file__).with_name("corpus")
#: Where failing inputs go, and what a longer search has found.
CACHE = Path(__file__).resolve().parents[2] / ".cache" / "fuzz"
#: The longest input, in bytes.
LONGEST = 4096
#: How many inputs are run between two looks at the clock.
_BATCH = 64
_INTERESTING = (0, 1, 4, 5, 6, 0x40, 0x7F, 0x80, 0xC0, 0xFE, 0xFF)


@dataclass
class Report:
    """What came of feeding a parser: how often it was called, in how many seconds, and the first fault."""

    name: str
    executions: int = 0
    seconds: float = 0.0
    fault: str = ""

    def __str__(self) -> str:
        rate = self.executions / self.seconds if self.seconds else 0.0
        return f"{self.name}: {self.executions:,} executions in {self.seconds:.0f} s, {rate:,.0f} a second"


def corpus_file(name: str) -> Path:
    """Where the inputs for a parser are kept: a line each, in base64."""
    return _CORPUS / f"{name}.txt"


def corpus(parser: Parser) -> list[bytes]:
    """The seeds, and the inputs that are kept."""
    path = corpus_file(parser.name)
    lines = path.read_text(encoding="ascii").splitlines() if path.exists() else []
    return [*parser.seeds, *(b64decode(line) for line in lines)]


def changed(chance: random.Random, data: bytes, inputs: list[bytes], parser: Parser) -> bytes:
    """An input made of another one: its form kept, or not."""
    other = parser.change(chance, data) if chance.random() < 0.5 else None
    return mutated(chance, data, inputs, parser.tokens) if other is None else other[:LONGEST]


def mutated(chance: random.Random, data: bytes, inputs: list[bytes], tokens: tuple[bytes, ...]) -> bytes:
    """An input that differs from `data` in a few places."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 3, 5))):
        at = chance.randrange(len(changed) + 1)
        kind = chance.randrange(6)
        if kind == 0:
            changed[at:at] = chance.choice(tokens)
        elif kind == 1:
            del changed[at : at + chance.randint(1, 8)]
        elif kind == 2:
            other = chance.choice(inputs)
            begin = chance.randrange(len(other) + 1)
            changed[at : at + chance.randrange(16)] = other[begin : begin + chance.randint(1, 64)]
        elif kind == 3:
            changed[at:at] = changed[at : at + chance.randint(1, 32)] * chance.choice((1, 2, 16))
        elif changed:
            place = at % len(changed)
            changed[place] = (
                chance.choice(_INTERESTING) if kind == 4 else changed[place] ^ 1 << chance.randrange(8)
            )
    return bytes(changed[:LONGEST])


def fault_of(parser: Parser, data: bytes) -> str:
    """What a parser raises for an input that it should not raise: the traceback, or the empty text."""
    try:
        parser.read(data)
    except Exception:
        return traceback.format_exc()
    return ""


def feed(parser: Parser, seconds: float, seed: int) -> Report:
    """Call a parser with what is kept and then with changes to it, for so long or until it fails."""
    report, chance, inputs = Report(parser.name), random.Random(seed), corpus(parser)
    began = time.monotonic()
    batch = list(inputs)
    while True:
        for data in batch:
            report.executions += 1
            fault = fault_of(parser, data)
            if fault:
                report.fault = f"{fault}\nthe input is {keep_fault(parser.name, data)}: {as_line(data)}"
                return report
        report.seconds = time.monotonic() - began
        if report.seconds >= seconds:
            return report
        batch = [changed(chance, chance.choice(inputs), inputs, parser) for _ in range(_BATCH)]


def keep_fault(name: str, data: bytes) -> Path:
    """Store an input that a parser failed with; returns where."""
    path = CACHE / "faults" / f"{name}-{sha256(data).hexdigest()[:16]}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path
