"""What JSON costs in memory is known before it is parsed, whoever parses it, and bombs are refused."""

from __future__ import annotations

import json
import sys
import tracemalloc
from typing import Any, Callable

import pytest

from hivemind_core_client.errors import FrameError, FrameTooLarge
from hivemind_core_client.wire import json_text as jsontext
from hivemind_core_client.wire.json_cost import MOST_GROWTH, WORST_GROWTH, allowance, cost_of
from hivemind_core_client.wire.json_text import json_object

SIZE = 200_000
RECORD = '{"skill_id":"skill-ovos-weather.openvoiceos","active":true}'


def many(unit: str, size: int = SIZE) -> str:
    return f'{{"x":[{",".join([unit] * (size // (len(unit) + 1)))}]}}'


#: Texts that cost much for their length, and some that do not.
TEXTS: dict[str, str] = {
    **{
        unit: many(unit)
        for unit in (
            *("{}", "[]", '{"":0}', "[[]]", '{"aa":[]}', '{"a":1,"b":2}', "0", "300", "-9", "1.5", "null"),
            *('""', '"a"', '"ab"', '"é"', '"語"', '"😀"', '"\\ud83d\\ude00"', '"\\u00e9"', RECORD),
        )
    },
    "objects in objects": many('{"":' * 400 + "0" + "}" * 400),
    "lists in lists": many("[" * 400 + "]" * 400),
    "many keys": "{" + ",".join(f'"{number}":0' for number in range(SIZE // 8)) + "}",
    "one string": json.dumps({"a": "x" * SIZE}),
    "one wide string": f'{{"a":"{"x" * SIZE}😀"}}',
    "one wide string by an escape": f'{{"a":"{"x" * SIZE}\\ud83d\\ude00"}}',
    "one wide string with quotes": f'{{"a":"{"x" * SIZE}\\"😀"}}',
    "one wide string after quotes": f'{{"a":"😀\\"{"x" * SIZE}"}}',
    "a wide string and a long one": f'{{"b":"😀","a":"{"x" * SIZE}"}}',
    "JSON in a string": json.dumps({"a": many("{}")}),
}
PARSERS: dict[str, Callable[[Any], Any]] = {"fastest": jsontext.decode, "standard": jsontext.standard_decode}


def taken(text: str, parse: Callable[[Any], Any]) -> int:
    """The bytes that the objects of a text take, and what the text itself does."""
    tracemalloc.start()
    try:
        value = parse(text)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert value
    return held + len(text)


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize("name", TEXTS)
def test_no_text_costs_more_than_is_counted(name: str, parser: str) -> None:
    text = TEXTS[name]
    real = taken(text, PARSERS[parser])
    assert real <= cost_of(text)[0] * 1.01
    assert real <= len(text.encode()) * (WORST_GROWTH + 1)
    assert cost_of(text.encode()) <= cost_of(text)
    assert cost_of(text)[1] == len(text.encode())


def with_parser(monkeypatch: pytest.MonkeyPatch, parser: str) -> None:
    monkeypatch.setattr(jsontext, "decode", PARSERS[parser])


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize("form", ["text", "bytes"])
@pytest.mark.parametrize("unit", ["{}", "[]", '{"":0}', "300", '"ab"', '"😀"'])
def test_a_bomb_is_refused_before_it_is_parsed(
    unit: str, form: str, parser: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_parser(monkeypatch, parser)
    bomb = many(unit, 4 * 2**20)
    given: Any = bomb if form == "text" else bomb.encode()
    tracemalloc.start()
    try:
        with pytest.raises(FrameTooLarge, match=r"would take up to \d+ bytes in memory; the limit is \d+"):
            json_object(given)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 3 * len(bomb.encode())


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize(
    "text",
    [
        pytest.param(many(RECORD, 900_000), id="a long list of skills"),
        pytest.param(f'{{"audio":"{"A" * 8_000_000}"}}', id="speech"),
        pytest.param(f'{{"audio":"{"A" * 8_000_000}","utterance":"hello 😀"}}', id="speech, and an emoji"),
        pytest.param(f'{{"audio":"{"A" * 8_000_000}","utterance":"\\ud83d\\ude00"}}', id="an escaped emoji"),
        pytest.param(f'{{"text":"{"語" * 3_000_000}"}}', id="a book in Japanese"),
    ],
)
def test_what_is_sent_in_earnest_is_read(text: str, parser: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with_parser(monkeypatch, parser)
    assert json_object(text)
    assert json_object(text.encode())


def test_the_limit_is_the_callers() -> None:
    text = TEXTS[RECORD]
    cost, _ = cost_of(text)
    assert json_object(text, "a text", cost)
    with pytest.raises(FrameTooLarge, match=f"^a text of {len(text)} bytes .* the limit is {cost - 1}"):
        json_object(text, "a text", cost - 1)


def test_a_short_text_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsontext, "cost_of", lambda text: pytest.fail("it was counted"))
    assert json_object(many("{}", 64 * 1024))


def test_what_a_text_may_cost() -> None:
    mib = 2**20
    assert allowance(32 * mib, 1000, 1000) == 16 * mib
    assert allowance(32 * mib, 32 * mib, 32 * mib) == (32 * MOST_GROWTH + 1) * mib
    assert allowance(32 * mib, 29_000, 32 * mib) == 96 * mib  # plain text that was compressed well


@pytest.mark.parametrize("half", ['"\\ud800"', '"\\udc00x"', '{"\\udfff":1}', '[[{"a":["\\ud83dx"]}]]'])
def test_half_a_character_is_found_wherever_it_is(half: str) -> None:
    for text in (
        f'{{"a":{half}}}',
        f'{{"a":{half},"n":{2**70}}}',
    ):  # only the standard library reads such a number
        with pytest.raises(FrameError):
            json_object(text)
    assert json_object(f'{{"a":"\\ud83d\\ude00","n":{2**70}}}')["a"] == "😀"


@pytest.mark.skipif(sys.version_info < (3, 10), reason="the figures of memory differ there")
def test_looking_for_half_a_character_takes_no_copy() -> None:
    text = f'{{"n":{2**70},"a":"{"x" * 2_000_000}\\ud83d\\ude00"}}'
    tracemalloc.start()
    try:
        json_object(text)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 10 * len(text)
