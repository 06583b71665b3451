"""Every hook says in one sentence what it is, is written up in docs/plugins.md, and is tried by a test."""

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
        "hivemind_message_arrived",
        "hivemind_message_handlers",
        "hivemind_message_sent",
        "hivemind_serializers",
    ]


@pytest.mark.parametrize("hook", hooks())
def test_a_hook_has_a_docstring_of_one_sentence(hook: str) -> None:
    text = inspect.getdoc(getattr(hookspecs, hook)) or ""
    assert text.endswith(".") and "\n\n" not in text and len(text) > 20


@pytest.mark.parametrize("hook", hooks())
def test_a_hook_is_documented(hook: str) -> None:
    page = ROOT / "docs" / "plugins.md"
    assert page.is_file()
    assert re.search(rf"\b{hook}\b", page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("hook", hooks())
def test_a_hook_is_tested(hook: str) -> None:
    tests = [*(ROOT / "tests" / "unit").rglob("test_*.py"), *ROOT.glob("plugins/*/tests/**/test_*.py")]
    assert any(hook in path.read_text(encoding="utf-8") for path in tests if path.name != HERE)
