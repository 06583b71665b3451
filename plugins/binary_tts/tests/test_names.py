from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hivemind_client_binary_tts import safe_file_name
from hivemind_client_binary_tts.names import MAX_NAME_BYTES, as_said, name_for, shortened, split_suffix

NAMES = st.one_of(
    st.none(),
    st.integers(),
    st.text(max_size=400),
    st.text(alphabet="./\\:\0 -~aCcOoNn1$\ud800ü\u202e\n", max_size=400),
    st.sampled_from(["CON", "nul.txt", "com1.tar.gz", "lpt². ", "..", "C:\\x\\aux", "a" * 10_000 + ".wav"]),
)


@pytest.mark.parametrize(
    ("file_name", "safe"),
    [
        ("hello.wav", "hello.wav"),
        ("Grüße aus Köln.mp3", "Grüße aus Köln.mp3"),
        ("../../etc/passwd", "passwd"),
        ("/etc/shadow", "shadow"),
        (".bashrc", "bashrc"),
        ("...x", "x"),
        ("x. . ", "x"),
        ("-rf", "_rf"),
        ("~root", "_root"),
        ('a<b>:"c"|d?*.txt', "a_b___c__d__.txt"),
        ("CON", "_CON"),
        ("con.txt", "_con.txt"),
        ("Nul .wav", "_Nul .wav"),
        ("COM1.tar.gz", "_COM1.tar.gz"),
        ("lpt²", "_lpt²"),
        ("conin$", "_conin$"),
        ("console.log", "console.log"),
        ("com.wav", "com.wav"),
    ],
)
def test_a_name_becomes_harmless_everywhere(file_name: str, safe: str) -> None:
    assert safe_file_name(file_name, "fallback") == safe


@pytest.mark.parametrize("file_name", ["", "..", "a/", "x\0y", None, 7, b"a", " . "])
def test_where_nothing_safe_is_left_the_fallback_stands(file_name: object) -> None:
    assert safe_file_name(file_name, "fallback") == "fallback"


@pytest.mark.parametrize(
    ("file_name", "said"),
    [
        ("../a\x1b[2J.wav", "../a?[2J.wav"),
        ("hello.wav", "hello.wav"),
        ("", ""),
        (None, ""),
        (7, "7"),
        ("a" * 900, "a" * 255),
    ],
)
def test_what_was_said_stays_beside_the_safe_name(file_name: object, said: str) -> None:
    name = name_for(file_name, "fallback")
    assert name.as_said == said and as_said(name) == as_said(file_name) == said
    assert name == safe_file_name(file_name, "fallback")


@pytest.mark.parametrize("file_name", [None, "", "hello.wav"])
def test_no_name_and_a_safe_one_are_nothing_to_warn_of(
    file_name: object, caplog: pytest.LogCaptureFixture
) -> None:
    name_for(file_name, "fallback")
    assert caplog.text == ""


def test_a_long_name_is_cut_before_its_extension() -> None:
    name = safe_file_name("ü" * 5000 + ".wav", "fallback")
    assert name.endswith("ü.wav")
    assert MAX_NAME_BYTES - 1 <= len(name.encode()) <= MAX_NAME_BYTES
    assert shortened("abcdefghijklmnopqrstuvwxyz.wav", 20) == "abcdefghijklmnop.wav"
    assert split_suffix(".hidden") == (".hidden", "")
    assert split_suffix("a." + "b" * 16) == ("a." + "b" * 16, "")


@given(NAMES)
def test_whatever_the_name_the_result_is_plain_and_stays_as_it_is(file_name: object) -> None:
    name = safe_file_name(file_name, "fallback")
    assert 0 < len(name.encode()) <= MAX_NAME_BYTES
    assert not set(name) & set('/\\\0<>:"|?*')
    assert name.isprintable()
    assert name[0] not in ". -~"
    assert name[-1] not in ". "
    assert safe_file_name(name, "other") == name
