"""`hivemind-client demo`: a hub and a satellite in one process, from pairing to a spoken answer."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

import click
from attrs import frozen

from hivemind_client_cli import ovos_messages
from hivemind_client_cli.answers import Inbox, no_answer
from hivemind_client_cli.connection import NO_PROFILE, Connection, connected
from hivemind_client_cli.help_sections import command
from hivemind_client_cli.options import timeout_option
from hivemind_client_cli.output import Output, aligned, milliseconds
from hivemind_client_cli.output_options import reporting, trace_option
from hivemind_client_cli.ovos_messages import SPEAK, UTTERANCE, as_text
from hivemind_client_cli.peer_text import handshake_of
from hivemind_client_cli.playground import Playground, ended_as_by_ctrl_c
from hivemind_client_cli.playground import serve as serve_without_end
from hivemind_core_client.errors import PluginError
from hivemind_core_client.wire.json_text import Json

if TYPE_CHECKING:
    from hivemind_core_client.plugins.contract import Negotiated
    from hivemind_core_client.testing import EmbeddedHub

#: Those of the newest hubs. Noise needs Python 3.10.
_VERSIONS = (3, 3) if sys.version_info >= (3, 10) else (0, 1)
_USER_FOLDERS = ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME")


@command("demo", epilog='Example: hivemind-client demo "what time is it"')
@click.argument("utterance", required=False)
@click.option(
    "--serve",
    is_flag=True,
    help="Keep the hub running so that you can try things. Prints commands for other terminals.",
)
@timeout_option(10.0, "How long to wait for the answer.")
@trace_option
@reporting
def demo(output: Output, utterance: str | None, serve: bool, timeout: float) -> None:
    """Start a hub in this process, pair with it, and ask it UTTERANCE.

    The hub listens on a free port of this machine only. Its files are in a temporary directory, so none of your files
    is read or written. Without UTTERANCE, the question is what time it is.

    With --serve the hub runs until you press Ctrl-C, which has exit code 0. Two satellites are paired with it. Commands
    for both are printed: paste them into other terminals. You see here what the hub hears.
    """
    if serve and utterance is not None:
        raise click.UsageError("--serve asks nothing itself: leave UTTERANCE out")
    with contextlib.suppress(*_ordinary_ends(serve)), ended_as_by_ctrl_c(), _temporary_home() as folder:
        # Before the clock starts: importing OVOS takes longer than pairing.
        try:
            from hivemind_core_client.testing import EmbeddedHub
        except ImportError as missing:  # its text says what to install
            raise PluginError(str(missing)) from missing

        if serve:
            playground = Playground(folder, _answer)
            with EmbeddedHub(playground.accounts, agent=playground.agent, versions=_VERSIONS) as hub:
                serve_without_end(output, playground, hub)
            return
        _show(output, folder, EmbeddedHub, utterance or "what time is it", timeout)


def _ordinary_ends(serve: bool) -> tuple[type[BaseException], ...]:
    """What ends the demo and is no failure."""
    return (KeyboardInterrupt,) if serve else ()


def _show(output: Output, folder: str, hub_type: type[EmbeddedHub], utterance: str, timeout: float) -> None:
    """Pair, ask, and print the answer."""
    key, password = os.urandom(16).hex(), os.urandom(16).hex()
    output.hide(key, password)
    with hub_type(clients={key: password}, agent=_answer, versions=_VERSIONS) as hub:
        connection = Connection(
            key=key,
            password=password,
            host=hub.url.rsplit(":", 1)[0],
            port=hub.port,
            site_id="demo",
            identity_file=os.path.join(folder, "_identity.json"),
            profile=NO_PROFILE,
        )
        output.note(f"A hub in this process at {hub.url}, and a satellite that pairs with it.\n")
        conversation = _converse(output, connection, utterance, timeout)
    output.result({"hub": hub.url, **conversation.data}, aligned(conversation.rows, indent="  "))
    output.note("\nA hub to play with: hivemind-client demo --serve")
    output.note("With a hub of your own: hivemind-client set-identity --help")


@contextlib.contextmanager
def _temporary_home() -> Iterator[str]:
    """A folder for the block: what OVOS makes in the user's folders as soon as it is imported goes there."""
    # Named before it is made: an end by a signal in between leaves nothing behind.
    folder = os.path.join(tempfile.gettempdir(), f"hivemind-demo-{os.urandom(8).hex()}")
    try:
        os.mkdir(folder, 0o700)
        with _at_home_in(folder):
            yield folder
    finally:
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(folder)


@contextlib.contextmanager
def _at_home_in(folder: str) -> Iterator[None]:
    """Within the block, `folder` stands for the user's folders."""
    before = {name: os.environ.get(name) for name in _USER_FOLDERS}
    os.environ.update({name: os.path.join(folder, name.lower()) for name in _USER_FOLDERS})
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@frozen
class _Conversation:
    data: Json
    rows: dict[str, str]


def _converse(output: Output, connection: Connection, utterance: str, timeout: float) -> _Conversation:
    started = time.perf_counter()
    with connected(output, connection) as client:
        paired = time.perf_counter() - started
        inbox = Inbox(client, SPEAK)
        asked = time.perf_counter()
        client.emit(ovos_messages.utterance(utterance))
        answer = inbox.next(UTTERANCE, timeout)
        round_trip = time.perf_counter() - asked
        agreed = client.negotiated
    if answer is None or agreed is None:
        raise no_answer(SPEAK, UTTERANCE, timeout)
    spoken = as_text(answer)
    return _Conversation(
        data={
            "handshake": agreed.kind,
            "protocol_version": agreed.version,
            "handshake_seconds": round(paired, 6),
            "cipher": agreed.cipher,
            "encoding": agreed.encoding,
            "binarize": agreed.binarize,
            "utterance": utterance,
            "answer": spoken,
            "round_trip_seconds": round(round_trip, 6),
        },
        rows={
            "handshake": f"{handshake_of(agreed)}, protocol version {agreed.version}, done in {milliseconds(paired)}",
            "cipher": agreed.cipher,
            "encoding": _encoding_of(agreed),
            "you": utterance,
            "hub": spoken,
            "round trip": milliseconds(round_trip),
        },
    )


def _encoding_of(agreed: Negotiated) -> str:
    if agreed.pattern:
        return "none, frames of bytes"
    return f"{agreed.encoding}, {'binary' if agreed.binarize else 'text'} frames"


def _answer(utterance: str) -> str:
    """What the demo's hub says to an utterance."""
    if "time" in utterance.lower():
        return f"It is {datetime.now():%H:%M}."
    return f"You said: {utterance}"
