from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hivemind_core_client.wire.text import MAX_LABEL_BYTES, json_printable, safe_label, text_of


@pytest.mark.parametrize(
    ("file_name", "label"),
    [
        ("hello.wav", "hello.wav"),
        ("Grüße aus Köln.mp3", "Grüße aus Köln.mp3"),
        (".hidden", ".hidden"),
        ("a..b", "a..b"),
        ("/etc/passwd", "passwd"),
        ("../../.ssh/authorized_keys", "authorized_keys"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("C:\\Windows\\win.ini", "win.ini"),
        ("C:win.ini", "win.ini"),
        ("C:D: win.ini", "win.ini"),
        ("C\u200b:win.ini", "win.ini"),
        ("\\\\server\\share\\a.wav", "a.wav"),
        ("  padded.wav \n", "padded.wav"),
        ("red\x1b[31m.wav", "red[31m.wav"),
        ("exe\u202egpj.wav", "exegpj.wav"),
        ("lone\ud800.wav", "lone.wav"),
    ],
)
def test_a_name_becomes_its_last_part(file_name: str, label: str) -> None:
    assert safe_label(file_name, "fallback") == label


@pytest.mark.parametrize(
    "file_name",
    [
        "",
        " ",
        ".",
        "..",
        "...",
        ". .",
        "a/",
        "a/..",
        "a\\..",
        "C:",
        "C:..",
        "a\0.wav",
        "\0",
        "\n",
        None,
        7,
        b"a",
        ["a"],
    ],
)
def test_what_leaves_nothing_safe_is_refused(file_name: object) -> None:
    assert safe_label(file_name, "fallback") == "fallback"


def test_a_long_name_is_cut_before_its_extension() -> None:
    label = safe_label("ü" * 400 + ".wav", "fallback")
    assert label.endswith("ü.wav")
    assert MAX_LABEL_BYTES - 1 <= len(label.encode()) <= MAX_LABEL_BYTES


def test_a_long_extension_is_no_extension() -> None:
    assert safe_label("a." + "b" * 400, "fallback") == "a." + "b" * 253
    assert safe_label("." + "b" * 400, "fallback") == "." + "b" * 254


@given(st.one_of(st.text(), st.text(alphabet="./\\:\0 aC\ud800ü", max_size=400)))
def test_any_text_becomes_one_plain_name(file_name: str) -> None:
    label = safe_label(file_name, "fallback")
    assert 0 < len(label.encode()) <= MAX_LABEL_BYTES
    assert not set(label) & set("/\\\0")
    assert label not in {".", ".."}
    assert label.isprintable()
    assert safe_label(label, "fallback") == label


@given(
    st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5)
)
def test_json_that_is_printed_loses_nothing(value: object) -> None:
    for indent in (None, 2):
        text = json_printable(json.dumps(value, ensure_ascii=False, indent=indent))
        assert json.loads(text) == value
        assert text.replace("\n", "").isprintable()


def test_json_is_escaped_where_it_cannot_be_printed_and_nowhere_else() -> None:
    assert json_printable('{"a": "ü日🚀"}') == '{"a": "ü日🚀"}'
    assert json_printable('"\x7f\x9b\u202e\u2066\U000e0001\ud800"') == (
        r'"\u007f\u009b\u202e\u2066\udb40\udc01\ud800"'
    )


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (OSError("no route"), "no route"),
        (OSError(2, "No such file"), "[Errno 2] No such file"),
        (ConnectionResetError(), "ConnectionResetError"),
    ],
)
def test_an_error_without_a_text_is_told_by_its_kind(error: Exception, text: str) -> None:
    assert text_of(error) == text
