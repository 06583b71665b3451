"""`query`, `cascade` and `broadcast`, with functions in the place of the hive."""

from __future__ import annotations

import time
from typing import Any

import pytest

from hivemind_client_cli.connection import Connection
from hivemind_core_client.errors import ConnectionLost, MessageDenied, NotConnected, QueryTimeout
from hivemind_core_client.message import HiveMessage

from .fakes import message
from .mesh_fakes import EVIL, MeshClient, mapped, node, said, spoke

HUB_KEY = "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----"
ASK = ("--utterance", "what time is it")
ALARM = ("broadcast", "--msg", "my.alarm")


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> MeshClient:
    client = MeshClient()
    monkeypatch.setattr(Connection, "client", lambda connection: client)
    return client


def answering(fake: MeshClient, *outcome: Any) -> MeshClient:
    fake.outcome = outcome
    return fake


class TestQuery:
    def test_answers_are_printed_as_plain_text(self, run: Any, fake: MeshClient) -> None:
        answering(fake, spoke("ten"), spoke("past nine"), said("my.reply", "hub", door="öpen"))
        done = run("query", *ASK).expect(0)
        assert done.out == 'ten\npast nine\nmy.reply {"door": "öpen"}\n'
        assert fake.closed

    def test_each_answer_is_printed_when_it_comes(
        self, run: Any, fake: MeshClient, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen: list[str] = []

        def stream() -> Any:
            yield spoke("first")
            seen.append(capsys.readouterr().out)
            yield spoke("second")

        monkeypatch.setattr(fake, "query", lambda packet, timeout: stream())
        assert run("query", *ASK).expect(0).out == "second\n"
        assert seen == ["first\n"]

    def test_verbose_names_the_responder(self, run: Any, fake: MeshClient) -> None:
        answering(fake, spoke("ten", "attic::1"), spoke("nine", HUB_KEY), spoke("eight", ""))
        lines = run("query", *ASK, "--verbose").expect(0).out.splitlines()
        assert lines[0] == "attic::1: ten"
        assert lines[1].startswith("key:")
        assert lines[1].endswith(": nine")
        assert lines[2] == "?: eight"

    def test_json_is_one_document(self, run: Any, fake: MeshClient) -> None:
        answering(fake, spoke("ten"), spoke("nine", "hub"))
        data = run("query", *ASK, "--json").expect(0).json
        assert data["sent"]["data"] == {"utterances": ["what time is it"]}
        assert [answer["responder"] for answer in data["answers"]] == ["attic::1", "hub"]
        assert data["answers"][0]["message"] == {"type": "speak", "data": {"utterance": "ten"}, "context": {}}
        assert data["complete"] is True

    def test_what_is_asked(self, run: Any, fake: MeshClient) -> None:
        answering(fake, spoke("ten"))
        run("query", *ASK, "--lang", "de-DE", "--timeout", "7").expect(0)
        run("query", "--msg", "my.ask", "--payload", '{"a": 1}').expect(0)
        (first, patience), (second, default) = fake.asked
        assert (patience, default) == (7.0, 30.0)
        assert first.msg_type == second.msg_type == "query"
        data = {"utterances": ["what time is it"], "lang": "de-DE"}
        assert first.payload.raw_payload == {
            "type": "recognizer_loop:utterance",
            "data": data,
            "context": {},
        }
        assert second.payload.raw_payload == {"type": "my.ask", "data": {"a": 1}, "context": {}}

    @pytest.mark.parametrize("error", [QueryTimeout("no further answer"), ConnectionLost("gone")], ids=str)
    def test_a_stream_that_breaks_off_keeps_what_came(
        self, run: Any, fake: MeshClient, error: Exception
    ) -> None:
        answering(fake, spoke("ten"), error)
        done = run("query", *ASK).expect(0)
        assert done.out == "ten\n"
        assert done.err == f"warning: there may be more answers: {error}\n"
        data = run("query", *ASK, "--json").expect(0).json
        assert data["complete"] is False
        assert len(data["answers"]) == 1


class TestCascade:
    def test_every_answer_has_a_name(self, run: Any, fake: MeshClient) -> None:
        answering(fake, spoke("here", "attic::1"), spoke("here too", "kitchen::2"))
        assert run("cascade", *ASK).expect(0).out == "attic::1: here\nkitchen::2: here too\n"
        assert fake.asked[0][0].msg_type == "cascade"
        assert fake.asked[0][1] == 5.0

    def test_json(self, run: Any, fake: MeshClient) -> None:
        answering(fake, spoke("here", HUB_KEY))
        data = run("cascade", "--msg", "my.roll.call", "--json").expect(0).json
        assert data["sent"] == {"type": "my.roll.call", "data": {}}
        assert data["answers"][0]["responder"] == HUB_KEY


ENDS = [
    (QueryTimeout("nobody in the hive answers"), 4),
    (MessageDenied("my.ask"), 3),
    (ConnectionLost("gone"), 4),
]


@pytest.mark.parametrize(("error", "code"), ENDS, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("name", ["query", "cascade"])
def test_questions_without_an_answer(
    run: Any, fake: MeshClient, name: str, error: Exception, code: int
) -> None:
    answering(fake, error)
    done = run(name, "--msg", "my.ask").expect(code)
    assert done.out == ""
    assert str(error) in done.err
    assert fake.closed
    assert run(name, "--msg", "my.ask", "--json").expect(code).json["exit_code"] == code


@pytest.mark.parametrize(("name", "verb"), [("query", "escalate"), ("cascade", "propagate")])
def test_a_dropped_question_names_the_permission(run: Any, fake: MeshClient, name: str, verb: str) -> None:
    answering(fake, ConnectionLost("gone"))
    assert f"hivemind-core allow-{verb} NODE_ID" in run(name, *ASK).expect(4).err


@pytest.mark.parametrize("name", ["query", "cascade"])
def test_only_a_hub_that_said_nothing_may_be_an_old_one(
    run: Any, fake: MeshClient, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    answering(fake, QueryTimeout("nobody answers"))
    assert "4.0.0" not in run(name, *ASK).expect(4).err

    def silence(packet: HiveMessage, timeout: float) -> Any:
        time.sleep(timeout)
        raise QueryTimeout("nobody answers")

    monkeypatch.setattr(fake, name, silence)
    assert "Hub 4.0.0 answers no" in run(name, *ASK, "--timeout", "0.05").expect(4).err


def test_a_denial_names_its_mend(run: Any, fake: MeshClient) -> None:
    answering(fake, MessageDenied("my.ask"))
    assert "hivemind-core allow-msg my.ask NODE_ID" in run("query", "--msg", "my.ask").expect(3).err


WRONG = [
    (),
    (*ASK, "--msg", "x"),
    (*ASK, "--payload", '{"a": 1}'),
    ("--msg", ""),
    ("--msg", "x", "--payload", "[]"),
]


@pytest.mark.parametrize("args", WRONG, ids=" ".join)
@pytest.mark.parametrize("name", ["query", "cascade"])
def test_wrong_usage(run: Any, fake: MeshClient, name: str, args: tuple[str, ...]) -> None:
    assert run(name, *args).expect(2).out == ""
    assert fake.asked == []


@pytest.mark.parametrize("name", ["query", "cascade"])
def test_nothing_of_the_wire_steers_the_terminal(run: Any, fake: MeshClient, name: str) -> None:
    answering(fake, spoke(EVIL, EVIL), said(EVIL, EVIL, **{EVIL: EVIL}), spoke("x" * 500))
    out = run(name, *ASK, "--verbose").expect(0).out
    assert all(line.isprintable() for line in out.splitlines())
    assert len(out.splitlines()) == 3
    assert "x" * 500 in out, "speech is not cut"


class TestPropagateIntroduced:
    INTRODUCED = ("propagate", "--msg", "my.alarm", "--site", "attic", "--introduce")

    @pytest.fixture(autouse=True)
    def keyed(self, fake: MeshClient) -> None:
        fake.identity.public_key = HUB_KEY

    def test_the_ping_goes_first(self, run: Any, fake: MeshClient) -> None:
        fake.mapper = mapped(node("hub-1"))
        fake.answer = lambda sent: [].copy() if fake.floods else pytest.fail("the message came first")
        done = run(*self.INTRODUCED).expect(0)
        assert (done.out, done.err) == ("sent my.alarm\n", "")
        assert (fake.floods, fake.patience) == (1, (2.0, 0.5))
        assert [sent.msg_type for sent in fake.sent] == ["propagate"]

    def test_only_where_it_is_asked_for(self, run: Any, fake: MeshClient) -> None:
        run(*self.INTRODUCED[:-1]).expect(0)
        assert fake.floods == 0

    def test_nobody_answers(self, run: Any, fake: MeshClient) -> None:
        assert "nobody answered the PING" in run(*self.INTRODUCED).expect(0).err
        assert len(fake.sent) == 1

    @pytest.mark.parametrize("raised", [True, False])
    def test_a_hub_that_drops_the_connection_on_it(
        self, run: Any, fake: MeshClient, monkeypatch: pytest.MonkeyPatch, raised: bool
    ) -> None:
        def ping(timeout: float, settle: float) -> Any:
            fake.drop(ConnectionLost("gone"))
            if raised:
                raise ConnectionLost("gone")
            return mapped(node("hub-1"))

        monkeypatch.setattr(fake, "ping", ping)
        done = run(*self.INTRODUCED).expect(1)
        assert "nothing else was sent. Hub 4.0.0 takes no part" in done.err
        assert "allow-propagate" in done.err
        assert fake.sent == []

    def test_without_a_key(self, run: Any, fake: MeshClient) -> None:
        fake.identity.public_key = None
        assert "hivemind-client reset-pgp" in run(*self.INTRODUCED).expect(2).err
        assert (fake.floods, fake.sent) == (0, [])


class TestBroadcast:
    @pytest.mark.parametrize("site", [None, "kitchen"])
    def test_it_wraps_a_bus_message(self, run: Any, fake: MeshClient, site: str | None) -> None:
        more = ["--site", site] if site else []
        done = run(*ALARM, "--payload", '{"a": 1}', *more).expect(0)
        assert done.out == "sent my.alarm\n"
        assert ("without --site no satellite's OVOS takes" in done.err) is (site is None)
        (sent,) = fake.sent
        assert (sent.msg_type, sent.target_site_id) == ("broadcast", site)
        assert sent.payload == HiveMessage("bus", {"type": "my.alarm", "data": {"a": 1}, "context": {}})

    def test_manners(self, run: Any, fake: MeshClient) -> None:
        done = run(*ALARM, "--quiet").expect(0)
        assert done.out + done.err == ""
        assert run(*ALARM, "--json").expect(0).json == {
            "sent": {"type": "my.alarm", "data": {}},
            "answer": None,
        }

    @pytest.mark.parametrize("wait", [(), ("--wait", "my.reply")], ids=["sent", "waited"])
    def test_a_hub_that_is_not_happy(self, run: Any, fake: MeshClient, wait: tuple[str, ...]) -> None:
        def drop(sent: HiveMessage) -> list[Any]:
            fake.drop(ConnectionLost("gone"))
            fake.trips = [ConnectionLost("gone")]
            return []

        fake.answer = drop
        done = run(*ALARM, *wait).expect(3)
        assert done.out == ""
        assert "hivemind-core make-admin NODE_ID" in done.err
        assert "hivemind-core allow-broadcast NODE_ID" in done.err

    @pytest.mark.parametrize("wait", [(), ("--wait", "my.reply")], ids=["sent", "waited"])
    @pytest.mark.parametrize("error", [NotConnected("no session"), ConnectionLost("gone")], ids=str)
    def test_what_never_left_is_no_refusal(
        self, run: Any, fake: MeshClient, error: Exception, wait: tuple[str, ...]
    ) -> None:
        def fail(sent: HiveMessage) -> list[Any]:
            raise error

        fake.answer = fail
        done = run(*ALARM, "--site", "kitchen", *wait).expect(4)
        assert (done.out, done.err) == ("", f"error: {error}\n")

    def test_a_denial_names_its_mend(self, run: Any, fake: MeshClient) -> None:
        fake.answer = lambda sent: [message("hive.policy.denied")]
        assert "hivemind-core allow-msg my.alarm NODE_ID" in run(*ALARM).expect(3).err

    def test_waiting_for_an_answer(self, run: Any, fake: MeshClient) -> None:
        fake.answer = lambda sent: [message("my.reply", by=EVIL)]
        out = run(*ALARM, "--wait", "my.reply").expect(0).out
        assert out.startswith('my.reply {"by": ')
        assert out.rstrip("\n").isprintable()
        assert run(*ALARM, "--wait", "my.reply", "--json").expect(0).json["answer"]["type"] == "my.reply"
        fake.answer = lambda sent: []
        assert "no 'my.reply' came" in run(*ALARM, "--wait", "my.reply", "--timeout", "0.1").expect(4).err
