from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hivemind_client_binary_tts import safe_file_name
from hivemind_client_binary_tts.names import MAX_NAME_BYTES, shortened, split_suffix

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
