"""Messages from frames: put together, and bounded in bytes and in fragments."""

from __future__ import annotations

from typing import Optional, Union

import pytest

from hivemind_core_client.errors import FrameTooLarge
from hivemind_core_client.kernel.bounds import bound_before_key
from hivemind_core_client.kernel.fragments import MOST_FRAGMENTS, TEXT, Assembly

LIMIT = 1000
BINARY, CONTINUED = 2, 0

#: The frames (opcode, data, whether it is the last), and what each of them completes.
FLOWS: dict[str, tuple[list[tuple[int, bytes, bool]], list[Optional[Union[str, bytes]]]]] = {
    "whole": ([(TEXT, b"zw\xc3\xb6lf", True), (BINARY, b"\xff", True)], ["zwölf", b"\xff"]),
    "nothing in it": ([(TEXT, b"", True), (BINARY, b"", False), (CONTINUED, b"", True)], ["", None, b""]),
    "cut within a letter": ([(TEXT, b"\xc3", False), (CONTINUED, b"\xb6", True)], [None, "ö"]),
    "two, each as large as allowed": (
        [(BINARY, b"x" * 999, False), (CONTINUED, b"x", True)] * 2,
        [None, b"x" * LIMIT] * 2,
    ),
}


@pytest.mark.parametrize(("frames", "messages"), FLOWS.values(), ids=FLOWS.keys())
def test_messages_are_put_together(
    frames: list[tuple[int, bytes, bool]], messages: list[Optional[Union[str, bytes]]]
) -> None:
    assembly = Assembly(LIMIT)
    assert [assembly.add(*frame) for frame in frames] == messages
    assert assembly.room == LIMIT


@pytest.mark.parametrize("before", [0, 1, LIMIT])
def test_a_byte_too_many_is_refused(before: int) -> None:
    assembly = Assembly(LIMIT)
    assembly.add(BINARY, bytes(before), False)
    assert assembly.room == LIMIT - before
    with pytest.raises(FrameTooLarge, match="a message of 1001 bytes or more; the limit is 1000"):
        assembly.add(CONTINUED, bytes(LIMIT - before + 1), True)


def test_fragments_are_counted_even_when_nothing_is_in_them() -> None:
    assembly = Assembly(LIMIT)
    for _ in range(MOST_FRAGMENTS):
        assert assembly.add(BINARY, b"", False) is None
    with pytest.raises(FrameTooLarge, match="in more than 16384 fragments"):
        assembly.add(CONTINUED, b"", True)


@pytest.mark.parametrize("pieces", [[b"\xff"], [b"\xc3", b"x"]])
def test_text_that_is_no_utf8_is_no_message(pieces: list[bytes]) -> None:
    assembly = Assembly(LIMIT)
    for piece in pieces[:-1]:
        assembly.add(TEXT, piece, False)
    with pytest.raises(UnicodeDecodeError):
        assembly.add(TEXT, pieces[-1], True)


def test_the_limit_is_lifted_within_a_message() -> None:
    assembly = Assembly(4)
    assert assembly.add(BINARY, b"abc", is_last=False) is None
    assembly.lift(6)
    assert assembly.room == 3
    assert assembly.add(CONTINUED, b"def", is_last=True) == b"abcdef"
    with pytest.raises(FrameTooLarge, match="the limit is 6"):
        assembly.add(BINARY, b"x" * 7, is_last=True)


@pytest.mark.parametrize(
    ("early", "limit", "named"),
    [(None, 10, "frame"), (20, 10, "frame"), (10, 10, "frame"), (4, 4, "unauthenticated")],
)
def test_a_bound_before_the_key_names_its_limit(early: Optional[int], limit: int, named: str) -> None:
    assembly = Assembly(*bound_before_key(10, early))
    with pytest.raises(FrameTooLarge, match=rf"the limit is {limit}\b.*raise Limits\.{named}"):
        assembly.add(BINARY, b"x" * 11, is_last=True)
    assembly.lift(10)
    with pytest.raises(FrameTooLarge, match=r"the limit is 10\b.*raise Limits\.frame"):
        assembly.add(BINARY, b"x" * 11, is_last=True)
