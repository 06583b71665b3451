"""Every Python block of the documentation runs, from top to bottom of its page, in one namespace."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sybil import Document, Example, Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

from hivemind_client_binary_tts import wav_bytes
from hivemind_core_client.plugins.manager import forget_plugins
from hivemind_core_client.testing import EmbeddedHub

from .documents import FOLLOWED, KEY, PASSWORD, ROOT, Block, all_blocks, pages

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

#: A language on every block, so that none escapes its check.
LANGUAGES = {"python", "console", "toml", "json", "text", "make", "mermaid"}

#: Pages about what needs a newer Python than the library does.
SINCE = {"async.md": (3, 10)}
#: The first line of an example that does.
NEEDS = re.compile(r"# Python (\d+)\.(\d+) or later")

_SYBIL = Sybil(parsers=[PythonCodeBlockParser()])


def _documents() -> Iterator[tuple[Document, int]]:
    for path in pages():
        if path.name in FOLLOWED:
            continue
        if sys.version_info < SINCE.get(path.name, (3, 9)):
            continue
        document = _SYBIL.parse(path)
        for number, example in enumerate(document.examples()):
            if sys.version_info >= _since(str(example.parsed)):
                yield document, number


def _since(source: str) -> tuple[int, ...]:
    """The oldest Python that an example runs on, as it tells its reader."""
    told = NEEDS.match(source)
    return tuple(map(int, told.groups())) if told else (3, 9)


def _name(value: object) -> str:
    if isinstance(value, Document):
        return str(Path(value.path).relative_to(ROOT))
    return str(value)


def _examples(document: Document) -> list[Example]:
    return list(document.examples())


@pytest.fixture(scope="module")
def hub() -> Iterator[EmbeddedHub]:
    """The hub that a page means by 'your hub'."""

    def agent(utterance: str) -> str:
        return f"you said: {utterance}"

    with EmbeddedHub(
        clients={KEY: PASSWORD},
        agent=agent,
        ears=lambda samples: "what time is it",
        voice=lambda text: wav_bytes(bytes(3200)),
    ) as running:
        yield running


@pytest.fixture(autouse=True)
def _as_if_paired(hub: EmbeddedHub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """What `hivemind-client set-identity` leaves behind, but in the environment."""
    before = dict(os.environ)
    values = {"KEY": KEY, "PASSWORD": PASSWORD, "HOST": hub.host, "PORT": str(hub.port)}
    for name, value in values.items():
        monkeypatch.setenv(f"HIVEMIND_{name}", value)
    monkeypatch.chdir(tmp_path)
    _install(tmp_path / "bin", monkeypatch)
    yield
    # An example may set variables, which other tests of this process must not find.
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)
    forget_plugins()


def _install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A player and a recorder on the PATH, which need no sound device: silence is recorded, for a moment."""
    folder.mkdir()
    for name, script in (("ffplay", ""), ("arecord", "head -c 16384 /dev/zero")):
        (folder / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)


@pytest.mark.parametrize(("document", "number"), list(_documents()), ids=_name)
def test_an_example_runs(document: Document, number: int) -> None:
    # One that is run alone needs those before it.
    done = document.namespace.setdefault("__blocks_done__", set())
    document.namespace["__name__"] = "documentation"  # as in a module, whose name libraries look up
    for earlier, example in enumerate(_examples(document)[: number + 1]):
        if earlier not in done and sys.version_info >= _since(str(example.parsed)):
            done.add(earlier)
            example.evaluate()


def test_an_example_that_needs_a_newer_python_says_so() -> None:
    assert {block.page.name for block in all_blocks("python") if _since(block.text) > (3, 9)} == {
        "plugins-ciphers.md",
        "plugins-handshakes.md",
        "plugins-messages.md",
        "security.md",
        "testing.md",
        "tutorial-sound.md",
    }
    assert _since("# Python 3.12 or later\nx = 1") == (3, 12)


@pytest.mark.parametrize("path", pages(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_block_names_its_language(path: Path) -> None:
    unknown = [block.name for block in all_blocks() if block.page == path and block.language not in LANGUAGES]
    assert unknown == []


@pytest.mark.parametrize("block", all_blocks("toml"), ids=lambda block: block.name)
def test_a_toml_block_is_toml(block: Block) -> None:
    assert tomllib.loads(block.text)


@pytest.mark.parametrize("block", all_blocks("json"), ids=lambda block: block.name)
def test_a_json_block_is_json(block: Block) -> None:
    assert json.loads(block.text)
