"""Every hook says in one sentence what it is, is written up in docs/plugins*.md, and is tried by a test."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pluggy
import pytest

from hivemind_core_client.plugins import hookspecs

ROOT = Path(__file__).resolve().parents[3]
HERE = Path(__file__).name


def hooks() -> list[str]:
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    return sorted(name for name in vars(manager.hook) if name.startswith("hivemind_"))


def test_the_hooks_of_the_contract() -> None:
    assert hooks() == [
        "hivemind_addhooks",
        "hivemind_binary_handlers",
        "hivemind_ciphers",
        "hivemind_connected",
        "hivemind_disconnected",
        "hivemind_encodings",
        "hivemind_handshakes",
        "hivemind_message_arrived",
        "hivemind_message_handlers",
        "hivemind_message_sent",
        "hivemind_message_types",
        "hivemind_serializers",
        "hivemind_settings",
        "hivemind_transports",
    ]


@pytest.mark.parametrize("hook", hooks())
def test_a_hook_says_what_it_is_when_it_is_called_and_by_an_example(hook: str) -> None:
    """`hivemind-client plugins hooks` prints that."""
    text = inspect.getdoc(getattr(hookspecs, hook)) or ""
    sentence, _, notes = text.partition("\n\n")
    assert sentence.endswith(".") and len(sentence) > 20
    assert re.fullmatch(r"Called: .+\.\nExample: .+", notes), "a line Called: and a line Example: come last"


@pytest.mark.parametrize("hook", hooks())
def test_a_hook_is_documented(hook: str) -> None:
    pages = [page.read_text(encoding="utf-8") for page in (ROOT / "docs").glob("plugins*.md")]
    assert re.search(rf"\[`{hook}`\]", (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8"))
    assert any(re.search(rf"^##+ `{hook}\(", page, re.MULTILINE) for page in pages), "it has no section"
    examples = [text for page in pages for text in re.findall(r"^```python\n(.*?)^```", page, re.M | re.S)]
    assert any(f"def {hook}(" in text for text in examples), "tests/docs run examples, and it has none"


@pytest.mark.parametrize("hook", hooks())
def test_a_hook_is_tested(hook: str) -> None:
    tests = [*(ROOT / "tests" / "unit").rglob("test_*.py"), *ROOT.glob("plugins/*/tests/**/test_*.py")]
    assert any(hook in path.read_text(encoding="utf-8") for path in tests if path.name != HERE)
