"""A child that is forked has no part in the clients of its parent."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import signal
import sys
import threading
from typing import Any, Callable

import pytest
from ovos_bus_client.message import Message

from hivemind_core_client import HiveMessage, HiveMessageType
from hivemind_core_client import errors as err
from hivemind_core_client.plugins.accounts import Accounts
from hivemind_core_client.testing import EmbeddedHub
from tests.unit.client_support import PATIENCE, Make, ask, until, utterance
from tests.unit.support import PASSWORD

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing is forked here"),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]

#: Seconds after which a child that hangs is ended.
_CHILD_SECONDS = 30

#: Every verb that sends, waits or connects.
VERBS: dict[str, tuple[Any, ...]] = {
    "connect": (),
    "run_in_thread": (),
    "run_forever": (),
    "emit": (utterance("from the child"),),
    "emit_mycroft": (utterance("from the child"),),
    "round_trip": (),
    "wait_for_handshake": (),
    "wait_for_message": ("speak",),
    "wait_for_payload": ("speak",),
    "wait_for_mycroft": ("speak",),
    "wait_for_response": (utterance("from the child"),),
    "wait_for_payload_response": (HiveMessage(HiveMessageType.PING, {}), "x"),
    "query": (Message("question"),),
    "cascade": (Message("question"),),
    "ping": (),
    "collect_responses": (Message("question"),),
}


def in_child(work: Callable[[], Any]) -> Any:
    """What `work` returns in a forked child, by way of JSON."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        signal.alarm(_CHILD_SECONDS)
        try:
            said = json.dumps(work())
        except BaseException as error:
            said = json.dumps(repr(error))
        os.write(writing, said.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        said = answer.read()
    os.waitpid(child, 0)
    return json.loads(said or '"the child was ended"')


def test_what_runs_in_the_parent_is_no_slow_call_of_the_child() -> None:
    accounts, entered, leave = Accounts(), threading.Event(), threading.Event()

    def block() -> None:
        entered.set()
        assert leave.wait(PATIENCE)

    parents = threading.Thread(target=accounts.call, args=("door", "receive", block))
    parents.start()
    assert entered.wait(PATIENCE)
    assert until(lambda: accounts.of("door").slow)

    def count() -> list[int]:
        accounts.note_failure("door", "receive", ValueError())
        return [accounts.of("door").failures, accounts.of("door").slow]

    assert in_child(count) == [1, 0]
    assert accounts.of("door").slow == 1
    leave.set()
    parents.join(PATIENCE)


def outcome(client: Any, verb: str, *arguments: Any) -> str:
    """The class of the error that a verb raises in this process, with its text; `done` where it raises none."""
    client = getattr(client, "client", client)  # the asyncio client, without the loop that it ran on

    async def call() -> None:
        result = getattr(client, verb)(*arguments)
        if inspect.isawaitable(result):
            await asyncio.wait_for(result, 5)

    try:
        asyncio.run(call())
    except BaseException as error:
        return f"{type(error).__name__}: {error}"
    return "done"


@pytest.mark.parametrize(
    "versions",
    [
        (0, 1),
        pytest.param((3, 3), marks=pytest.mark.skipif(sys.version_info < (3, 10), reason="Noise needs 3.10")),
    ],
)
def test_a_forked_child_has_no_part_in_the_client_of_its_parent(
    versions: tuple[int, int], make: Make
) -> None:
    with EmbeddedHub({"k": PASSWORD}, versions=versions) as hub, make(hub) as client:
        assert ask(client) == "you said: hello"
        told = in_child(lambda: {verb: outcome(client, verb, *given) for verb, given in VERBS.items()})
        assert set(told) == set(VERBS)
        for verb, said in told.items():
            assert said.startswith(err.ClientClosed.__name__), (verb, said)
            assert "forked" in said and "make a client of its own" in said.lower()
        assert in_child(lambda: [outcome(client, "close"), outcome(client, "connect")])[0] == "done"
        assert client.state == "connected"
        assert ask(client, "still here") == "you said: still here"
        assert hub.sessions == 1
        sent = [message.payload.data for message in hub.received if message.msg_type is HiveMessageType.BUS]
    assert {"utterances": ["from the child"]} not in sent


def test_a_child_may_make_a_client_of_its_own(make: Make) -> None:
    with EmbeddedHub({"k": PASSWORD, "other": PASSWORD}) as hub, make(hub) as client:
        host = str(client.profile.settings.address)
        kind = type(getattr(client, "client", client))

        def work() -> str:
            own = kind("other", PASSWORD, host=host, identity=client.identity)
            return outcome(own, "connect")

        assert in_child(work) == "done"
        assert ask(client) == "you said: hello"


def test_a_client_that_never_connected_is_the_parents_too(make: Make) -> None:
    with EmbeddedHub({"k": PASSWORD}) as hub:
        client = make(hub)
        assert in_child(lambda: outcome(client, "connect")).startswith("ClientClosed")
        client.connect()
        assert ask(client) == "you said: hello"
        client.close()
