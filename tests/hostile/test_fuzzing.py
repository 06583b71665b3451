"""The fuzzers, for two seconds each; `make fuzz` searches longer."""

from __future__ import annotations

import random
import secrets
from pathlib import Path

import pytest

from hivemind_core_client.errors import FrameError

from . import fuzzing
from .fuzzing import changed, corpus, corpus_file, fault_of, feed
from .parsers import FOUR, PARSERS, Parser

_SECONDS = 2.0


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Parser:
    """A parser that fails with some inputs."""

    def read(data: bytes) -> None:
        if len(data) % 7 == 3:
            raise FrameError("not caught")

    monkeypatch.setattr(fuzzing, "CACHE", tmp_path)
    return Parser("broken", read, (b"x",), (b"seed",))


@pytest.mark.parametrize("name", PARSERS)
def test_no_input_makes_a_parser_raise_what_is_not_ours(name: str) -> None:
    seed = secrets.randbits(32)
    report = feed(PARSERS[name], _SECONDS, seed)
    assert report.fault == "", f"with the seed {seed}: {report.fault}"
    assert report.executions >= len(corpus(PARSERS[name]))


def test_a_fault_is_told_with_its_input(broken: Parser, tmp_path: Path) -> None:
    report = feed(broken, 20.0, seed=1)
    assert "FrameError: not caught" in report.fault
    (kept,) = (tmp_path / "faults").iterdir()
    assert str(kept) in report.fault
    assert fault_of(broken, kept.read_bytes())


@pytest.mark.parametrize("name", PARSERS)
def test_seeds_are_read_without_a_fault_and_changes_keep_their_form(name: str) -> None:
    parser, chance = PARSERS[name], random.Random(1)
    assert [fault_of(parser, data) for data in parser.seeds] == [""] * len(parser.seeds)
    made = {changed(chance, seed, list(parser.seeds), parser) for seed in parser.seeds for _ in range(20)}
    assert len(made) > len(parser.seeds)


def test_the_corpus_of_each_of_the_four_is_kept() -> None:
    assert all(corpus_file(name).exists() for name in FOUR)
