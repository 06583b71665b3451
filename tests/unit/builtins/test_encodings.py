"""The seven encodings: every byte comes back, and text that is none is a ValueError."""

from __future__ import annotations

import base64
import contextlib
import importlib.util
import json
import logging
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hivemind_core_client.builtins import encodings
from hivemind_core_client.plugins.proving import encoding_fault
from tests.unit.support import ENCODINGS

OFFERED = {encoding.name: encoding for encoding in encodings.hivemind_encodings()}

REFERENCES: dict[str, Callable[[bytes], bytes]] = {
    "JSON-B64": base64.b64encode,
    "JSON-URLSAFE-B64": base64.urlsafe_b64encode,
    "JSON-B32": base64.b32encode,
    "JSON-HEX": lambda data: data.hex().encode(),
}

#: Text that the encoding cannot have made.
WRONG = {
    "JSON-B64": ["A", "AAA", "AA=A", "A A=", "ü", "====", "QQ==QQ==", "A\nAA=", "\ud800"],
    "JSON-URLSAFE-B64": ["A", "AAA", "A\nAA=", "ü"],
    "JSON-B32": ["A", "1", "aaaaaaaa", "ü", "AAAAAAAA=", "\ud800"],
    "JSON-HEX": ["0", "zz", "ü", "0x00", "\u0660\u0660"],
    "JSON-Z85B": ["#####", "\x00", "ü", "\ud800", '"'],
    "JSON-Z85P": ["ü", "\ud800"],
    "JSON-B91": ["\x00", "ü", "-", "\ud800", " "],
}


def test_the_seven_of_the_protocol() -> None:
    assert sorted(OFFERED) == sorted(ENCODINGS)


def test_the_fastest_come_first_and_the_slowest_last() -> None:
    names = list(OFFERED)
    assert names[:3] == ["JSON-B64", "JSON-URLSAFE-B64", "JSON-HEX"] and names[-1] == "JSON-B32"


@pytest.mark.parametrize("name", ENCODINGS)
@given(data=st.binary(max_size=300))
def test_every_byte_comes_back(name: str, data: bytes) -> None:
    text = OFFERED[name].encode(data)
    assert type(text) is str and text.isascii()
    assert OFFERED[name].decode(text) == data


@pytest.mark.parametrize("name", ENCODINGS)
@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 12, 13, 15, 16, 17, 31, 32, 33, 255, 256, 1000])
def test_every_length_comes_back(name: str, size: int) -> None:
    for byte in (0, 0x20, 0xFF):
        data = bytes([byte]) * size
        assert OFFERED[name].decode(OFFERED[name].encode(data)) == data


@pytest.mark.parametrize("name", ENCODINGS)
def test_handshake_what_is_offered_passes_its_self_test(name: str) -> None:
    assert encoding_fault(OFFERED[name]) == ""


@pytest.mark.parametrize("name", [name for name in ENCODINGS if OFFERED[name].plain])
@given(data=st.binary(max_size=100))
def test_what_is_called_plain_needs_no_escape(name: str, data: bytes) -> None:
    text = OFFERED[name].encode(data)
    assert json.dumps(text) == f'"{text}"'


@pytest.mark.parametrize("name", REFERENCES)
@given(data=st.binary(max_size=100))
def test_standard_encodings_are_the_standard_ones(name: str, data: bytes) -> None:
    assert OFFERED[name].encode(data).encode() == REFERENCES[name](data)


@given(data=st.binary(max_size=100))
def test_both_libraries_write_and_read_the_same_base64(data: bytes) -> None:
    text = encodings.standard_b64_text(data)
    assert encodings.b64_text(data) == text
    assert encodings.standard_b64_bytes(text) == encodings.fast_b64_bytes(text) == data


@pytest.mark.parametrize("text", WRONG["JSON-B64"])
@pytest.mark.parametrize("decode", [encodings.standard_b64_bytes, encodings.fast_b64_bytes])
def test_both_libraries_refuse_what_is_no_base64(decode: Callable[[str], bytes], text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        decode(text)


@given(text=st.text(alphabet="AQgw+/=-_ \n", max_size=12))
def test_both_libraries_agree_on_what_is_base64(text: str) -> None:
    results: list[Any] = []
    for decode in (encodings.standard_b64_bytes, encodings.fast_b64_bytes):
        try:
            results.append(decode(text))
        except ValueError:
            results.append(None)
    assert results[0] == results[1]


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in WRONG.items() for text in texts])
def test_text_that_is_none_is_a_value_error(name: str, text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        OFFERED[name].decode(text)


@pytest.mark.parametrize("name", ENCODINGS)
@given(text=st.text(max_size=40) | st.text(alphabet=st.characters(max_codepoint=127), max_size=40))
def test_any_text_gives_bytes_or_a_value_error(name: str, text: str) -> None:
    with contextlib.suppress(ValueError):
        assert type(OFFERED[name].decode(text)) is bytes


def test_what_is_not_installed_is_not_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    found: Any = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "z85base91" else found(name, *rest)
    )
    assert [encoding.name for encoding in encodings.hivemind_encodings()] == [
        "JSON-B64",
        "JSON-URLSAFE-B64",
        "JSON-HEX",
        "JSON-B32",
    ]


def test_the_root_logger_is_left_as_it_was() -> None:
    code = (
        "import logging; from hivemind_core_client.builtins.encodings import hivemind_encodings as e; e(); "
        "print(logging.getLogger().handlers, logging.getLogger().level)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"[] {logging.WARNING}"
