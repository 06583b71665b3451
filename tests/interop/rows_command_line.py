"""Rows about `hivemind-client`, run as its users run it: a process, its output and its exit code."""

from __future__ import annotations

import hashlib
import json
import os
from typing import Any

from hivemind_core_client import HiveMessageType

from .answerer import SILENT, TWICE
from .hubs import RealHub, xdg_environment
from .processes import free_port, wait_until
from .rows_binary import FILES
from .rows_client import ANSWER_SECONDS, check_answer, own_name, roomy
from .rows_mesh import Received, resident
from .rows_query import answers_cascades
from .satellite import Outcome, Satellite
from .silent import silent_port
from .table import COMMAND_LINE, behaviour

REFUSED = 3
UNREACHABLE = 4

_START_SECONDS = 60.0
_SAY = ("send-mycroft", "--msg", "recognizer_loop:utterance", "--payload")


@behaviour("`set-identity` stores it, `test-identity` exits 0", COMMAND_LINE)
def identity(hub: RealHub, satellite: Satellite) -> None:
    satellite.set_identity()
    satellite.command("test-identity").expect(0)


@behaviour("`--app NAME`: an application is paired by itself, and forgets its hub by itself", COMMAND_LINE)
def application(hub: RealHub, satellite: Satellite) -> None:
    login = ("--key", satellite.key, "--password", satellite.password)
    address = [part for name, value in hub.address.items() for part in (f"--{name}", str(value))]
    satellite.command("--app", "bridge", "set-identity", *login, *address).expect(0)
    for _ in range(2):
        satellite.command("--app", "bridge", "test-identity", "--timeout", "30").expect(0)
        done = satellite.command("--app", "bridge", "forget-server", *address)
        is_pinned = 3 in hub.spec.versions
        done.expect(0 if is_pinned else 2)
    satellite.command("test-identity").expect(2)


@behaviour(
    "the files of the reference client: its static key and its pin of the hub are used",
    COMMAND_LINE,
    needs="noise, reference",
)
def files_of_the_reference(hub: RealHub, satellite: Satellite) -> None:
    home = satellite.folder("reference")
    login = {"key": satellite.key, "password": satellite.password}
    reference = hub.reference_client(home)
    try:
        reference.ask({**login, "host": hub.host, "port": hub.port, "trusts": {}}, _START_SECONDS)
    finally:
        reference.stop()
    satellite.env = xdg_environment(home)
    satellite.set_identity(host=f"ws://{hub.host}")
    done = satellite.command("test-identity").expect(0)
    assert "handshake noise KKpsk0" in done.stdout, str(done)  # only with the key of a hub that is known


@behaviour("`send-mycroft --wait speak` prints the answer", COMMAND_LINE)
def send_and_wait(hub: RealHub, satellite: Satellite) -> None:
    satellite.set_identity()
    payload = json.dumps({"utterances": ["from the command line"]})
    done = satellite.command(*_SAY, payload, "--wait", "speak").expect(0)
    assert "you said: from the command line" in done.stdout, str(done)


@behaviour("`send-mycroft --json --wait speak` prints JSON and nothing else", COMMAND_LINE)
def send_and_wait_json(hub: RealHub, satellite: Satellite) -> None:
    satellite.set_identity()
    payload = json.dumps({"utterances": ["as JSON"]})
    done = satellite.command(*_SAY, payload, "--wait", "speak", "--json").expect(0)
    assert "you said: as JSON" in json.dumps(json.loads(done.stdout)), str(done)


@behaviour("`ask` prints the answer, and `say` is heard", COMMAND_LINE)
def ask_and_say(hub: RealHub, satellite: Satellite) -> None:
    satellite.set_identity()
    done = satellite.command("ask", "what", "is", "one", "word").expect(0)
    assert done.stdout == "you said: what is one word\n", str(done)
    satellite.command("say", "a remark of one word").expect(0)
    assert wait_until(
        lambda: "a remark of one word" in json.dumps(hub.seen("recognizer_loop:utterance")), ANSWER_SECONDS
    )


@behaviour(
    "`ask` and `say` that the hub denies: exit code 3, and the command that allows it",
    COMMAND_LINE,
    needs="query",
)
def ask_and_say_denied(hub: RealHub, satellite: Satellite) -> None:
    satellite.set_identity()
    hub.command("blacklist-msg", "recognizer_loop:utterance", str(satellite.node_id))
    for verb in ("ask", "say"):
        done = satellite.command(verb, "may I").expect(REFUSED)
        assert "hivemind-core allow-msg recognizer_loop:utterance" in done.stderr, str(done)


@behaviour("`terminal` fed by a pipe prints the answers", COMMAND_LINE)
def terminal(hub: RealHub, satellite: Satellite) -> None:
    satellite.set_identity()
    done = satellite.command("terminal", stdin="first line\nsecond line\n").expect(0)
    for text in ("you said: first line", "you said: second line"):
        assert text in done.stdout, str(done)


@behaviour("`ping` shows the round trip", COMMAND_LINE)
def ping(hub: RealHub, satellite: Satellite) -> None:
    satellite.set_identity()
    done = satellite.command("ping").expect(0)
    assert " ms" in done.stdout, str(done)


@behaviour("`escalate` exits 0, or 1 and says so if the hub drops the connection", COMMAND_LINE)
def escalate(hub: RealHub, satellite: Satellite) -> None:
    satellite.set_identity()
    done = satellite.command("escalate", "--msg", "my.alarm")
    if done.exit_code:
        assert "dropped the connection on 'my.alarm'" in done.expect(1).stderr, str(done)


@behaviour("wrong key: exit code 3", COMMAND_LINE, needs="strangers")
def wrong_key(hub: RealHub, satellite: Satellite) -> None:
    satellite.set_identity(key="key-of-nobody")
    _expect_everywhere(satellite, REFUSED)


@behaviour("wrong password: exit code 3", COMMAND_LINE)
def wrong_password(hub: RealHub, satellite: Satellite) -> None:
    satellite.set_identity(password="Another-Horse-Another-Staple")
    _expect_everywhere(satellite, REFUSED)


@behaviour("nobody listens: exit code 4", COMMAND_LINE)
def wrong_port(hub: RealHub, satellite: Satellite) -> None:
    satellite.set_identity(port=str(free_port()))
    _expect_everywhere(satellite, UNREACHABLE)


@behaviour("a port that accepts and stays silent: exit code 4", COMMAND_LINE)
def silent(hub: RealHub, satellite: Satellite) -> None:
    with silent_port() as port:
        satellite.set_identity(port=str(port))
        satellite.command("test-identity").expect(UNREACHABLE)


def _expect_everywhere(satellite: Satellite, exit_code: int) -> None:
    satellite.command("test-identity").expect(exit_code)
    satellite.command("ping").expect(exit_code)
    satellite.command(*_SAY, '{"utterances": ["hello"]}').expect(exit_code)


@behaviour("`query` prints the answers as they come", COMMAND_LINE, needs="query")
def query(hub: RealHub, satellite: Satellite) -> None:
    satellite.set_identity()
    text = f"{TWICE} hello"
    done = satellite.command("query", "--utterance", text).expect(0)
    assert done.stdout.split("\n") == [f"you said: {text}", f"again, you said: {text}", ""], str(done)
    answers = _json(satellite.command("query", "--json", "--utterance", text).expect(0))["answers"]
    said = [answer["message"]["data"]["utterance"] for answer in answers]
    assert said == [f"you said: {text}", f"again, you said: {text}"]


@behaviour("`query` that nobody answers: exit code 4", COMMAND_LINE, needs="query")
def query_unanswered(hub: RealHub, satellite: Satellite) -> None:
    satellite.set_identity()
    satellite.command("query", "--utterance", SILENT).expect(UNREACHABLE)


@behaviour(
    "`query` that the hub does not allow: exit code 3, and the command that allows it",
    COMMAND_LINE,
    needs="query",
)
def query_denied(hub: RealHub, satellite: Satellite) -> None:
    satellite.set_identity()
    hub.command("blacklist-msg", "recognizer_loop:utterance", str(satellite.node_id))
    done = satellite.command("query", "--utterance", "may I").expect(REFUSED)
    assert "hivemind-core allow-msg recognizer_loop:utterance" in done.stderr, str(done)


@behaviour("`cascade` prints the answers of the hub and of another satellite", COMMAND_LINE, needs="query")
def cascade(hub: RealHub, satellite: Satellite) -> None:
    satellite.set_identity()
    answers_cascades(satellite.sibling().connected(), "the kitchen hears you")
    ask = ("cascade", "--timeout", "2", "--utterance", "who is there")
    shown = satellite.command(*ask).expect(0).stdout
    assert "the kitchen hears you" in shown and "you said: who is there" in shown, shown
    answers = _json(satellite.command(*ask, "--json").expect(0))["answers"]
    assert len({answer["responder"] for answer in answers}) == 2


@behaviour("`broadcast` of an administrator reaches the satellites of a site", COMMAND_LINE)
def broadcast(hub: RealHub, satellite: Satellite) -> None:
    hub.make_admin(satellite.node_id)
    satellite.set_identity()
    listener = resident(satellite.sibling(), "kitchen").client()
    received = Received(listener, HiveMessageType.BROADCAST, "dinner.ready")
    listener.connect()
    check_answer(listener, "here")
    send = ("broadcast", "--msg", "dinner.ready", "--payload", '{"guests": 3}', "--site", "kitchen")
    satellite.command(*send).expect(0)
    assert received.wait_for_delivery().data == {"guests": 3}


@behaviour(
    "`ping` draws the hive, as a tree, as JSON, as Mermaid and as a Graphviz graph",
    COMMAND_LINE,
    needs="query",
)
def ping_draws(hub: RealHub, satellite: Satellite) -> None:
    satellite.set_identity()
    other = satellite.sibling().connected()
    check_answer(other, "here")
    name = own_name(other.peer)
    tree = satellite.command("ping", "--count", "1").expect(0).stdout
    assert tree.index("this node") < tree.index("└── ") < tree.index(name), tree
    hive_map = _json(satellite.command("ping", "--count", "1", "--json").expect(0))["map"]
    assert name in [own_name(node["peer"]) for node in hive_map["nodes"]]
    assert satellite.command("ping", "--mermaid").expect(0).stdout.startswith(("graph", "flowchart"))
    assert "graph" in satellite.command("ping", "--dot").expect(0).stdout.split("{")[0]


@behaviour("`ping` says so where a hub takes no part in the map", COMMAND_LINE)
def ping_without_map(hub: RealHub, satellite: Satellite) -> None:
    satellite.set_identity()
    done = satellite.command("ping", "--count", "1", "--json").expect(0)
    assert (_json(done)["map"] is None) == ("query" in hub.spec.lacks)
    assert ("no map of the hive" in done.stderr) == ("query" in hub.spec.lacks)


@behaviour("`intercom send` on one satellite, `intercom listen` on another", COMMAND_LINE, needs="mesh")
def intercom(hub: RealHub, satellite: Satellite) -> None:
    sibling = satellite.sibling()
    for node in (satellite, sibling):
        node.set_identity()
    _exchange_keys(satellite, sibling)
    listening = sibling.start_command("intercom", "listen", "--count", "1", "--timeout", "60", "--json", "-q")
    # Over MQTT the hub logs no message of the handshake, but that it has ended.
    hello = "" if hub.broker is not None else "message: hello"
    assert hub.wait_for_log(f"::{sibling.name}::", ANSWER_SECONDS, then=hello)
    send = ("intercom", "send", "--to", "other", "--msg", "door.open", "--payload", '{"door": "back"}')
    satellite.command(*send).expect(0)
    assert listening.wait_for_end(ANSWER_SECONDS) == 0, listening.log()
    shown = json.loads(listening.log())
    assert "door.open" in json.dumps(shown) and '"back"' in json.dumps(shown)


def _exchange_keys(one: Satellite, other: Satellite) -> None:
    for receiver, sender in ((one, other), (other, one)):
        pem = sender.command("trust", "show").expect(0).stdout
        receiver.folder("other.pem").write_text(pem, encoding="utf-8")
        receiver.command("trust", "add", "other", str(receiver.folder("other.pem"))).expect(0)


@behaviour("`send-file` brings a file to the hub", COMMAND_LINE, FILES)
def send_file(hub: RealHub, satellite: Satellite) -> None:
    satellite.set_identity()
    content = os.urandom(300_000)
    path = satellite.folder("notes.bin")
    path.write_bytes(content)
    name = f"{satellite.name}.bin"
    version = [part for name, value in roomy(hub).items() for part in ("--max-protocol", str(value))]
    satellite.command("send-file", str(path), "--name", name, *version).expect(0)
    facts = {"file_name": name, "sha256": hashlib.sha256(content).hexdigest()}
    assert wait_until(
        lambda: facts in [message["data"] for message in hub.seen("interop.file")], ANSWER_SECONDS
    )


@behaviour("`doctor` finds nothing amiss, what this key may send, and an answer with `--say`", COMMAND_LINE)
def doctor(hub: RealHub, satellite: Satellite) -> None:
    satellite.set_identity()
    found = satellite.command("doctor", "--json").expect(0)
    tells = "query" not in hub.spec.lacks
    assert _states(found)["permission"] == ("ok" if tells else "skipped")
    assert _json(found)["allowed"] == (["recognizer_loop:utterance"] if tells else None)
    states = _states(satellite.command("doctor", "--json", "--say", "am I heard").expect(0))
    assert {name for name, state in states.items() if state != "ok"} == {"tls"}, states


@behaviour("`doctor` names the first thing amiss: key, password, port", COMMAND_LINE, needs="strangers")
def doctor_finds(hub: RealHub, satellite: Satellite) -> None:
    for amiss, step, exit_code in (
        ({"key": "key-of-nobody"}, "key", REFUSED),
        ({"password": "Another-Horse-Another-Staple"}, "password", REFUSED),
        ({"port": str(free_port())}, "tcp", UNREACHABLE),
    ):
        satellite.set_identity(**amiss)
        states = _states(satellite.command("doctor", "--json").expect(exit_code))
        assert next(name for name, state in states.items() if state not in ("ok", "skipped")) == step, states


def _states(done: Outcome) -> dict[str, str]:
    return {check["check"]: check["state"] for check in _json(done)["checks"]}


def _json(done: Outcome) -> Any:
    return json.loads(done.stdout)
