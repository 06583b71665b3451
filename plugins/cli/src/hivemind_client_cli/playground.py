"""A hub that stays, with two satellites that are paired with it: `hivemind-client demo --serve`."""

from __future__ import annotations

import os
import queue
import shlex
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Callable

from attrs import frozen

from hivemind_client_cli.output import Output, aligned
from hivemind_client_cli.program import typed_elsewhere
from hivemind_core_client.config.profiles import VARIABLE
from hivemind_core_client.config.settings import ENVIRONMENT

if TYPE_CHECKING:
    from hivemind_core_client.testing import EmbeddedHub

#: The satellite that asks, and the one that listens.
ASKING, LISTENING = "kitchen", "hall"
#: How often a wait for the next utterance ends, for systems on which Ctrl-C does not end it.
_POLL_S = 0.5
_ALARM = "my.alarm"


@frozen
class Exchange:
    """What the hub heard, and what it said to it."""

    heard: str
    said: str


class Playground:
    """Satellites of a hub in this process, each with an identity file in `folder`, and what the hub hears from them.

    `answer` is what the hub says to an utterance. Give `agent` to the hub, and its `accounts`.
    """

    def __init__(self, folder: str, answer: Callable[[str], str]) -> None:
        from hivemind_core_client.testing import Account

        self._folder = folder
        self._answer = answer
        self._exchanges: queue.SimpleQueue[Exchange] = queue.SimpleQueue()
        self.accounts = [
            Account(os.urandom(16).hex(), os.urandom(16).hex(), name=name, admin=name == ASKING)
            for name in (ASKING, LISTENING)
        ]

    def agent(self, utterance: str) -> str:
        """Answer, and remember it for who watches."""
        said = self._answer(utterance)
        self._exchanges.put(Exchange(utterance, said))
        return said

    def pair(self, hub: EmbeddedHub) -> None:
        """Write the identity files, for the hub as it listens now."""
        from hivemind_core_client.identity import NodeIdentity

        for account in self.accounts:
            identity = NodeIdentity(self.identity_file(account.name))
            identity.name = identity.site_id = account.name
            identity.access_key, identity.password = account.key, account.password
            identity.default_master, identity.default_port = f"ws://{hub.host}", hub.port
            identity.create_keys()
            identity.save()

    def identity_file(self, name: str) -> str:
        """Where the identity of a satellite is."""
        return os.path.join(self._folder, name, "_identity.json")

    def exchanges(self) -> Iterator[Exchange]:
        """What the hub hears, as it hears it, without end."""
        while True:
            with suppress(queue.Empty):
                yield self._exchanges.get(timeout=_POLL_S)

    def commands(self) -> dict[str, list[str]]:
        """What to paste into other terminals, by what it shows."""
        door = shlex.quote('{"door": "open"}')
        return {
            "Paste into a second terminal to talk": [
                self._command(ASKING, "ask", shlex.quote("what time is it")),
                self._command(ASKING, "terminal"),
                self._command(ASKING, "doctor"),
            ],
            "Paste into a third one to see what reaches another satellite": [
                self._command(LISTENING, "listen"),
            ],
            "Then send it something from the second": [
                self._command(ASKING, "broadcast", "--site", LISTENING, "--msg", _ALARM, "--payload", door),
            ],
        }

    def _command(self, name: str, *words: str) -> str:
        place = shlex.quote(self.identity_file(name))
        return " ".join([*_without_variables(), typed_elsewhere(), *words, "--identity-file", place])


def _without_variables() -> list[str]:
    """What leaves variables out that are set here, and would go before the identity file."""
    named = [name for name in (*ENVIRONMENT.values(), VARIABLE) if os.environ.get(name)]
    return ["env", *(word for name in named for word in ("-u", name))] if named else []


#: What else than Ctrl-C ends it: a service manager, and a terminal that is closed.
_ENDS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


@contextmanager
def ended_as_by_ctrl_c() -> Iterator[None]:
    """Within the block, SIGTERM and SIGHUP do what Ctrl-C does, so that what was made for it is taken away.

    The first of them does; those that follow do not break off what it began. One that is ignored, as `nohup` has it,
    stays so.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ends = [number for number in _ENDS if signal.getsignal(number) is not signal.SIG_IGN]

    def interrupt(number: int, frame: Any) -> None:
        for each in ends:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in ends}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def serve(output: Output, playground: Playground, hub: EmbeddedHub) -> None:
    """Say what can be done with the hub, and then what it hears, without end. KeyboardInterrupt ends it."""
    playground.pair(hub)
    _introduce(output, playground, hub)
    for exchange in playground.exchanges():
        row = {"heard": exchange.heard, "said": exchange.said}
        output.result(row, aligned(row))


def _introduce(output: Output, playground: Playground, hub: EmbeddedHub) -> None:
    for account in playground.accounts:
        output.hide(account.key, account.password)
    commands = playground.commands()
    lines = [
        f"A hub runs in this process at {hub.url}, until you press Ctrl-C.",
        f"Two satellites are paired with it, {ASKING} and {LISTENING}. Your own identity is not used.",
    ]
    for title, some in commands.items():
        lines += ["", f"{title}:", *(f"  {each}" for each in some)]
    data = {
        "hub": hub.url,
        "identity_files": {
            account.name: playground.identity_file(account.name) for account in playground.accounts
        },
        "commands": [each for some in commands.values() for each in some],
    }
    output.result(data, "\n".join([*lines, ""]))
