"""`hivemind-client ask` and `say`: a question is one word, and so is a remark."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from hivemind_core_client.testing import Account, EmbeddedHub

from .tools import KEY, LOGIN, PASSWORD, command, environment

UTTERANCE = "recognizer_loop:utterance"


def answers(utterance: str) -> Any:
    return {"hush": None, "twice": ["one", "two"]}.get(utterance, f"you said: {utterance}")


@pytest.fixture
def hub() -> Iterator[EmbeddedHub]:
    with EmbeddedHub({KEY: PASSWORD}, agent=answers) as hub:
        yield hub


@pytest.fixture
def at(hub: EmbeddedHub) -> tuple[str, ...]:
    return (*LOGIN, "--host", hub.url)


def test_a_question_is_one_word(run: Any, at: tuple[str, ...]) -> None:
    done = run("ask", "what time is it", *at).expect(0)
    assert (done.out, done.err) == ("you said: what time is it\n", "")


@pytest.mark.parametrize("words", [["what", "time", "is", "it"], ["what time is it"]], ids=len)
def test_quotes_are_not_needed(run: Any, at: tuple[str, ...], words: list[str]) -> None:
    assert run("ask", *at, *words, "--quiet").expect(0).out == "you said: what time is it\n"


@pytest.mark.parametrize("words", [[], ["-"]], ids=len)
def test_a_question_may_be_piped_in(run: Any, at: tuple[str, ...], words: list[str]) -> None:
    done = run("ask", *words, *at, stdin="what time\n  is it?\n").expect(0)
    assert done.out == "you said: what time is it?\n"


def test_the_json_form(run: Any, at: tuple[str, ...], hub: EmbeddedHub) -> None:
    data = run("ask", "twice", "--lang", "de-de", "--json", *at).expect(0).json
    assert (data["question"], data["answer"]) == ("twice", "one two")
    assert [each["data"]["utterance"] for each in data["messages"]] == ["one", "two"]
    assert data["expects_response"] is False
    assert {*data} == {"question", "answer", "lang", "complete", "expects_response", "messages"}
    assert hub.wait_for(UTTERANCE)[0]["data"]["lang"] == "de-de"


def test_no_answer_in_time(run: Any) -> None:
    silent = [Account(KEY, PASSWORD, allowed=["my.alarm"])]  # this hub drops the rest without a word
    with EmbeddedHub(silent, like="4.0.0") as hub:
        words = ("ask", "hello", "--timeout", "0.2", *LOGIN, "--host", hub.url)
        done = run(*words).expect(4)
        assert done.out == "" and "within 0.2 s" in done.err
        assert run(*words, "--json").expect(4).json["exit_code"] == 4


def test_a_question_that_is_dealt_with_in_silence(run: Any, at: tuple[str, ...]) -> None:
    done = run("ask", "hush", *at).expect(0)
    assert done.out == "" and "said nothing" in done.err
    assert run("ask", "hush", "--json", *at).expect(0).json["answer"] == ""


@pytest.mark.parametrize("verb", ["ask", "say"])
def test_a_denied_one(run: Any, verb: str) -> None:
    with EmbeddedHub([Account(KEY, PASSWORD, allowed=())], like="4.15") as hub:
        done = run(verb, "hello", *LOGIN, "--host", hub.url).expect(3)
        data = run(verb, "hello", "--json", *LOGIN, "--host", hub.url).expect(3).json
    assert done.out == ""
    assert "hivemind-core allow-msg" in done.err
    assert done.err.count("hive.policy.denied") == 1, "it is told once"
    assert (data["type"], data["exit_code"]) == ("MessageDenied", 3)


def test_what_is_said_arrives_before_the_command_ends(
    run: Any, at: tuple[str, ...], hub: EmbeddedHub
) -> None:
    assert run("say", "good", "morning", "--lang", "en-us", *at).expect(0).out == "said 'good morning'\n"
    found = [each for each in hub.received if each.msg_type == "bus"]
    assert [each["data"] for each in found] == [{"utterances": ["good morning"], "lang": "en-us"}]
    assert run("say", "-", "--json", *at, stdin="good morning").expect(0).json == {"said": "good morning"}


def test_a_connection_that_ends_on_what_is_said(run: Any) -> None:
    hubs: list[EmbeddedHub] = []

    def hang_up(utterance: str) -> None:
        hubs[0].drop()

    with EmbeddedHub({KEY: PASSWORD}, agent=hang_up) as hub:
        hubs.append(hub)
        assert "dropped the connection" in run("say", "hello", *LOGIN, "--host", hub.url).expect(1).err


@pytest.mark.parametrize("verb", ["ask", "say"])
def test_nothing_to_say(run: Any, at: tuple[str, ...], verb: str) -> None:
    assert "nothing to say" in run(verb, " ", *at).expect(2).err
    assert "nothing to say" in run(verb, *at, stdin="\n").expect(2).err
    assert "larger than 10 MiB" in run(verb, *at, stdin="a " * 6 * 2**20).expect(2).err


def test_what_is_piped_in_and_is_no_text(at: tuple[str, ...]) -> None:
    for data, code in ((b"\xff\xfe\xff", 2), ("grüße".encode(), 0)):
        done = subprocess.run(
            command("ask", *at),
            input=data,
            env=environment(PYTHONUTF8="1"),
            capture_output=True,
            timeout=50,
        )
        assert done.returncode == code, done.stderr
        assert (b"no UTF-8 text" in done.stderr) is bool(code)


def test_an_answer_cannot_steer_the_terminal(run: Any) -> None:
    with EmbeddedHub({KEY: PASSWORD}, agent=lambda text: "\x1b[2Jclear") as hub:
        assert run("ask", "hello", *LOGIN, "--host", hub.url).expect(0).out == "?[2Jclear\n"
