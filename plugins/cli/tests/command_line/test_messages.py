"""Commands that talk to a hub, with a function in its place."""

from __future__ import annotations

import io
import time
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from hivemind_client_cli.connection import Connection
from hivemind_core_client.errors import (
    ConnectionLost,
    HubTimeout,
    HubUnreachable,
    KeyRefused,
    NotConnected,
)
from hivemind_core_client.message import HiveMessage
from hivemind_core_client.testing import EmbeddedHub

from .fakes import FakeClient, message, spoken
from .tools import spawn

SAY = ("send-mycroft", "--msg", "recognizer_loop:utterance", "--payload", '{"utterances": ["hi"]}')
ALLOW = "hivemind-core allow-msg recognizer_loop:utterance NODE_ID"


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeClient:
    client = FakeClient(spoken)
    monkeypatch.setattr(Connection, "client", lambda connection: client)
    return client


def test_wait_prints_the_answer(run: Any, fake: FakeClient) -> None:
    assert run(*SAY, "--wait", "speak").expect(0).out == "you said: hi\n"
    assert fake.closed
    data = run(*SAY, "--wait", "speak", "--json").expect(0).json
    assert data["answer"]["data"] == {"utterance": "you said: hi"}
    assert data["sent"] == {"type": "recognizer_loop:utterance", "data": {"utterances": ["hi"]}}


def test_an_answer_that_is_no_speech_is_shown_with_its_type(run: Any, fake: FakeClient) -> None:
    fake.answer = lambda sent: [message("other"), message("my.reply", door="öpen")]
    assert (
        run("send-mycroft", "--msg", "my.ask", "--wait", "my.reply").expect(0).out
        == 'my.reply {"door": "öpen"}\n'
    )


def test_without_wait(run: Any, fake: FakeClient) -> None:
    assert run("send-mycroft", "--msg", "my.alarm").expect(0).out == "sent my.alarm\n"
    assert fake.sent[0] == HiveMessage("bus", {"type": "my.alarm", "data": {}, "context": {}})
    fake.trips = [HubTimeout("hub", "pong", 2)]
    assert run("send-mycroft", "--msg", "my.alarm", "--json").expect(0).json["answer"] is None


#: How a connection that ended shows: at once, after a reconnection, in a ping that gets no answer.
TRIPS: list[Any] = [ConnectionLost("gone"), NotConnected("gone"), HubTimeout("hub", "pong", 2), 0.001]


@pytest.mark.parametrize("trip", TRIPS, ids=lambda trip: type(trip).__name__)
@pytest.mark.parametrize("name", ["send-mycroft", "escalate", "propagate"])
def test_a_hub_that_drops_the_connection_on_a_message(
    run: Any, fake: FakeClient, name: str, trip: Any
) -> None:
    def drop(sent: HiveMessage) -> list[Any]:
        fake.drop(ConnectionLost("gone"))
        fake.trips = [trip]
        if trip == 0.001:  # it is back already
            fake.connected_event.set()
        return []

    fake.answer = drop
    done = run(name, "--msg", "my.alarm").expect(1)
    assert done.out == ""
    assert "the hub dropped the connection on 'my.alarm', and may or may not have handled it" in done.err
    assert ("hub 4.0.0 does that on every PROPAGATE" in done.err) is (name != "send-mycroft")
    assert ("handled it: gone" in done.err) is (name == "send-mycroft")
    assert run(name, "--msg", "my.alarm", "--json").expect(1).json["exit_code"] == 1


@pytest.mark.parametrize("name", ["escalate", "propagate"])
def test_an_answer_that_cannot_come_since_the_hub_dropped_the_connection(
    run: Any, fake: FakeClient, name: str
) -> None:
    def drop(sent: HiveMessage) -> list[Any]:
        fake.drop()
        return []

    fake.answer = drop
    done = run(name, "--msg", "my.alarm", "--wait", "my.reply").expect(4)
    assert "hub 4.0.0 does that on every PROPAGATE" in done.err
    fake.negotiated = evolve(fake.negotiated, version=3)
    assert "hub 4.0.0 does that" not in run(name, "--msg", "my.alarm", "--wait", "my.reply").expect(4).err


def test_a_payload_that_is_too_deep(run: Any, fake: FakeClient) -> None:
    def args(depth: int) -> list[str]:
        payload = f'{{"x": {"[" * depth}{"]" * depth}}}'
        return ["send-mycroft", "--msg", "x", "--payload", payload, "--json"]

    for depth in (500, 600, 990, 2000, 100_000):
        done = run(*args(depth)).expect(2)
        assert "nested more than 500 deep: send it flatter" in done.err
    assert fake.sent == []
    run(*args(499)).expect(0)
    assert len(fake.sent) == 1


def test_text_that_was_not_read_as_utf8(home: Path) -> None:
    with EmbeddedHub(clients={"key-0123456789": "7f3c9a51e08b4d26"}) as hub:
        login = ("--key", "key-0123456789", "--password", "7f3c9a51e08b4d26", "--port", str(hub.port))
        args = ("send-mycroft", *login, "--host", "127.0.0.1", "--msg", "x", "--payload", '{"x": "Köln"}')
        done = spawn(*args, LC_ALL="C", PYTHONCOERCECLOCALE="0", PYTHONUTF8="0").expect(2)
        assert "run with PYTHONUTF8=1 or in a UTF-8 locale" in done.err
        spawn(*args, LC_ALL="C", PYTHONCOERCECLOCALE="0", PYTHONUTF8="1").expect(0)
        assert hub.wait_for("x")[0].raw_payload["data"] == {"x": "Köln"}


@pytest.mark.parametrize("wrapper", ["escalate", "propagate"])
@pytest.mark.parametrize("site", [None, "kitchen"])
def test_wrappers_wrap_a_bus_message(run: Any, fake: FakeClient, wrapper: str, site: str | None) -> None:
    more = ["--site", site] if site else []
    done = run(wrapper, "--msg", "my.alarm", "--payload", '{"a": 1}', *more).expect(0)
    warned = wrapper == "propagate" and site is None
    assert ("without --site no satellite's OVOS takes" in done.err) is warned
    assert run(wrapper, "--msg", "my.alarm", "--quiet", *more).expect(0).err == ""
    fake.sent.pop()
    (sent,) = fake.sent
    assert sent.msg_type == wrapper
    assert sent.target_site_id == site
    assert sent.payload == HiveMessage("bus", {"type": "my.alarm", "data": {"a": 1}, "context": {}})


def test_a_wait_that_runs_out_names_the_allow_list(run: Any, fake: FakeClient) -> None:
    fake.answer = lambda sent: []
    done = run(*SAY, "--wait", "speak", "--timeout", "0.1").expect(4)
    assert "no 'speak' came within 0.1 s" in done.err
    assert 0 < done.err.index("hub's OVOS") < done.err.index(ALLOW), "utterances are allowed by default"
    other = run("send-mycroft", "--msg", "x", "--wait", "speak", "--timeout", "0.1").expect(4).err
    assert 0 < other.index("hivemind-core allow-msg x NODE_ID") < other.index("hub's OVOS")


@pytest.mark.parametrize("wait", [[], ["--wait", "speak"]], ids=["sent", "waited"])
@pytest.mark.parametrize("data", [{}, {"msg_type": "recognizer_loop:utterance"}], ids=["bare", "named"])
def test_a_denial_is_shown_with_its_mend(run: Any, fake: FakeClient, wait: list[str], data: Any) -> None:
    fake.answer = lambda sent: [message("hive.policy.denied", **data)]
    done = run(*SAY, *wait).expect(3)
    assert "hive.policy.denied" in done.err
    assert ALLOW in done.err


@pytest.mark.parametrize("cause", [ConnectionLost("the hub went away"), None])
def test_a_wait_ends_with_the_connection(run: Any, fake: FakeClient, cause: Any) -> None:
    def vanish(sent: HiveMessage) -> list[Any]:
        fake.drop(cause)
        return []

    fake.answer = vanish
    began = time.monotonic()
    done = run(*SAY, "--wait", "speak", "--timeout", "30").expect(4)
    assert time.monotonic() - began < 5
    assert (str(cause) if cause else "ended while waiting") in done.err


@pytest.mark.parametrize(
    "args", [SAY, ("ping",), ("test-identity",), ("terminal",)], ids=lambda args: args[0]
)
@pytest.mark.parametrize(("error", "code"), [(KeyRefused("the key"), 3), (HubUnreachable("nobody there"), 4)])
def test_what_connect_raises(
    run: Any, fake: FakeClient, args: tuple[str, ...], error: Exception, code: int
) -> None:
    fake.refusal = error
    assert run(*args).expect(code).err == f"error: {error}\n"
    assert fake.closed


def test_secrets_of_the_client_are_masked(run: Any, fake: FakeClient) -> None:
    fake.refusal = HubUnreachable(f"bad {fake.key} and {fake.password}, ZmFrZTprZXktb2YtdGhlLWZha2U=")
    assert run("ping").expect(4).err == "error: bad *** and ***, ***\n"


def test_test_identity(run: Any, fake: FakeClient) -> None:
    out = run("test-identity", "--siteid", "attic").expect(0).out
    assert out == "ok: hub hub-1, AES-GCM, JSON-B64, handshake password, protocol version 1\n"
    assert fake.site_id == "attic"
    data = run("test-identity", "--json").expect(0).json
    assert (data["negotiated"]["cipher"], data["protocol_version"]) == ("AES-GCM", 1)


def test_connection_options_reach_the_client(monkeypatch: pytest.MonkeyPatch, run: Any, home: Any) -> None:
    given: dict[str, Any] = {}

    def constructor(**arguments: Any) -> FakeClient:
        given.update(arguments)
        return FakeClient(spoken)

    monkeypatch.setattr("hivemind_core_client.HiveMessageBusClient", constructor, raising=False)
    (home / "psk").write_text("0123456789abcdef\n")
    options = [
        "--key",
        "k",
        "--password-file",
        "-",
        "--host",
        "wss://h",
        "--port",
        "99",
        "--ca-file",
        "ca.pem",
    ]
    run("test-identity", *options, "--crypto-key-file", str(home / "psk"), stdin="pass word\n").expect(0)
    expected = {"key": "k", "password": "pass word", "host": "wss://h", "port": 99, "ca_file": "ca.pem"}
    assert {name: given[name] for name in expected} == expected
    assert given["crypto_key"] == "0123456789abcdef"
    assert given["self_signed"] is False
    given.clear()
    (home / "id.json").write_text("{}")
    run("test-identity", "--self-signed", "--identity-file", str(home / "id.json")).expect(0)
    assert given["self_signed"] is True
    assert given["identity"].path == str(home / "id.json")
    given.clear()
    run("test-identity").expect(0)
    assert not {name for name, value in given.items() if value is not None}


def test_no_secret_in_the_text_of_a_connection() -> None:
    text = repr(Connection(key="SECRET", password="SECRET", crypto_key="SECRET"))
    assert "SECRET" not in text


class TestPipedTerminal:
    def test_answers_come_in_order(self, run: Any, fake: FakeClient) -> None:
        assert run("terminal", stdin="one\n\n  two  \n").expect(0).out == "you said: one\nyou said: two\n"
        assert fake.sent[0].raw_payload["data"] == {"utterances": ["one"]}

    def test_several_answers_to_one_line(self, run: Any, fake: FakeClient) -> None:
        end = message("ovos.utterance.handled")
        fake.answer = lambda sent: [message("speak", utterance=text) for text in "ab"] + [end]
        # The end of the answers is heard: nothing waits for the whole hour.
        long = ("--timeout", "3600")
        assert run("terminal", "--lang", "de-DE", *long, stdin="x\ny\n").expect(0).out == "a\nb\na\nb\n"
        assert fake.sent[0].raw_payload["data"]["lang"] == "de-DE"

    def test_json_is_a_document_for_each_line(self, run: Any, fake: FakeClient) -> None:
        out = run("terminal", "--json", stdin="one\n").expect(0).out
        assert out == '{"utterance": "one", "answers": ["you said: one"]}\n'

    def test_a_line_without_an_answer(self, run: Any, fake: FakeClient) -> None:
        fake.answer = lambda sent: [] if "two" in str(sent.raw_payload) else spoken(sent)
        done = run("terminal", "--timeout", "0.4", stdin="one\ntwo\nthree\n").expect(4)
        assert done.out == "you said: one\nyou said: three\n"
        assert "no answer to 'two'" in done.err
        assert ALLOW in done.err

    def test_a_denial_ends_it(self, run: Any, fake: FakeClient) -> None:
        fake.answer = lambda sent: [message("hive.policy.denied")]
        assert ALLOW in run("terminal", stdin="one\ntwo\n").expect(3).err
        assert len(fake.sent) == 1

    @pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
    def test_a_line_that_is_no_text_costs_itself_only(
        self, run: Any, fake: FakeClient, monkeypatch: pytest.MonkeyPatch, encoding: str
    ) -> None:
        piped = io.BytesIO(b"\xef\xbb\xbfone\nk\xfcche\n" + "küche\n".encode())
        monkeypatch.setattr("io.StringIO", lambda text: io.TextIOWrapper(piped, encoding=encoding))
        done = run("terminal").expect(2)
        assert done.out == "you said: one\nyou said: küche\n"
        assert done.err.count("no UTF-8 text") == 2

    def test_a_line_is_read_in_the_locale_of_the_terminal(
        self, run: Any, fake: FakeClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        piped = io.BytesIO(b"k\xfcche\n")
        monkeypatch.setattr("io.StringIO", lambda text: io.TextIOWrapper(piped, encoding="latin-1"))
        assert run("terminal").expect(0).out == "you said: küche\n"

    def test_no_stdin_is_no_lines(self, run: Any, fake: FakeClient, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("io.StringIO", lambda text: None)
        assert run("terminal").expect(0).out == ""

    def test_no_lines(self, run: Any, fake: FakeClient) -> None:
        assert run("terminal").expect(0).out == ""
