"""Sending something to the hub and waiting for what comes back."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, ClassVar, TypeVar

from hivemind_client_cli.message_options import Outgoing
from hivemind_client_cli.output import Output
from hivemind_client_cli.ovos_messages import UTTERANCE, as_text
from hivemind_core_client.errors import (
    ConnectionLost,
    HiveMindError,
    Mend,
    MessageDenied,
    NotConnected,
    QueryTimeout,
    allow_msg,
)
from hivemind_core_client.message import HiveMessage, HiveMessageType
from hivemind_core_client.wire.json_text import Json

if TYPE_CHECKING:
    from hivemind_core_client import HiveMessageBusClient
    from hivemind_core_client.plugins.contract import Negotiated

E = TypeVar("E", bound=HiveMindError)

#: How often a wait looks whether the connection is still there.
_POLL_S = 0.1
#: How long a hub may take to answer the WebSocket ping that follows a message.
_RECEIPT_WAIT_S = 2.0
#: The highest protocol version of hub 4.0.0, and what it does.
_FOUR_SPEAKS = 1
_FOUR_DROPS = (
    "hub 4.0.0 does that on every PROPAGATE, after passing it on to the other satellites, and on every ESCALATE "
    "(docs/protocol.md)"
)


class Dropped(ConnectionLost):
    """The hub ended the connection right after it got a message, which it may or may not have handled."""

    exit_code: ClassVar[int] = 1


class Inbox:
    """Collects the OVOS messages of some types that the hub sends from now on, and refusals.

    It listens for BUS messages, not on the internal bus: there our own messages pass too. `ended` is set
    when the connection ends, and stays so when the client is back.
    """

    def __init__(self, client: HiveMessageBusClient, *types: str) -> None:
        self._client = client
        self._types = set(types)
        self._messages: queue.Queue[Json | MessageDenied] = queue.Queue()
        self.ended = threading.Event()
        client.on(HiveMessageType.BUS, self._sort)
        client.on("denied", self._messages.put)
        client.on("close", self.ended.set)

    def _sort(self, message: HiveMessage) -> None:
        if message.raw_payload.get("type") in self._types:
            self._messages.put(message.raw_payload)

    def next(self, sent: str, timeout: float) -> Json | None:
        """The next message, or None after `timeout` seconds.

        `sent` names what was sent, for the error. Raises MessageDenied when the hub's policy denies it, and
        what ended the connection when that is what happened.
        """
        deadline = time.monotonic() + timeout
        while True:
            left = deadline - time.monotonic()
            try:
                message = self._messages.get(timeout=max(0.0, min(_POLL_S, left)))
            except queue.Empty:
                if left <= 0:
                    return None
                self._check_connection()
                continue
            if isinstance(message, MessageDenied):
                raise message if message.msg_type else MessageDenied(sent, message.reason, message.code)
            return message

    def clear(self) -> None:
        """Forget what has come in."""
        while not self._messages.empty():
            self._messages.get_nowait()

    def _check_connection(self) -> None:
        if self._client.connected_event.is_set():
            return
        lost = ConnectionLost("the connection to the hub ended while waiting for an answer")
        raise self._client.last_error or lost


def confirm_receipt(
    client: HiveMessageBusClient, inbox: Inbox, sent: HiveMessage, name: str, seconds: float = _RECEIPT_WAIT_S
) -> bool:
    """Wait until the hub has surely read `sent`, an OVOS message `name` that may be wrapped.

    Hubs read in order, so the pong to a ping sent now says so. One that answers no pings within `seconds` is
    believed, and False returned. Raises MessageDenied when the hub says that it denies the message, and Dropped
    when the connection ended on it.
    """
    confirmed = False
    try:
        client.round_trip(timeout=seconds)
        confirmed = True
        inbox.next(name, _POLL_S)
    except TimeoutError:
        pass
    except (ConnectionLost, NotConnected) as error:
        raise dropped(Dropped, sent, name, error, client.negotiated) from error
    # Not the state of the client, which may be connected again by now.
    if inbox.ended.is_set():
        raise dropped(Dropped, sent, name, client.last_error, client.negotiated)
    return confirmed


def send(
    output: Output,
    client: HiveMessageBusClient,
    outgoing: Outgoing,
    packet: HiveMessage,
    text: Callable[[Json], str] = as_text,
    waiting: AbstractContextManager[None] = nullcontext(),  # noqa: B008  it has no state
) -> None:
    """Send `packet`, which holds `outgoing`; wait for the answer or, where none is asked for, the receipt; print it.

    `text` makes an answer a text for people. `waiting` is entered when the message has left, so that it sees what
    happens to that, and not that it could not be sent.
    """
    inbox = Inbox(client, *([outgoing.wait] if outgoing.wait else []))
    client.emit(packet)
    with waiting:
        answer = _answer(client, inbox, outgoing, packet)
    output.result({"sent": outgoing.as_dict(), "answer": answer}, None if answer is None else text(answer))
    if answer is None:
        output.note(f"sent {outgoing.msg_type}")


def _answer(
    client: HiveMessageBusClient, inbox: Inbox, outgoing: Outgoing, packet: HiveMessage
) -> Json | None:
    """The answer, or None where only the receipt was to be waited for. Raises QueryTimeout when no answer came."""
    if outgoing.wait is None:
        confirm_receipt(client, inbox, packet, outgoing.msg_type)
        return None
    try:
        answer = inbox.next(outgoing.msg_type, outgoing.timeout)
    except ConnectionLost as error:
        raise dropped(ConnectionLost, packet, outgoing.msg_type, error, client.negotiated) from error
    if answer is None:
        raise no_answer(outgoing.wait, outgoing.msg_type, outgoing.timeout)
    return answer


def dropped(
    kind: type[E],
    sent: HiveMessage,
    name: str,
    cause: HiveMindError | None,
    agreed: Negotiated | None = None,
) -> E:
    """The error for a connection that ended on `sent`, an OVOS message `name` that may be wrapped.

    `agreed` tells which hub it may have been: 4.0.0 speaks no protocol version above 1.
    """
    what = f"the hub dropped the connection on {name!r}, and may or may not have handled it"
    is_old = agreed is not None and agreed.version <= _FOUR_SPEAKS
    if is_old and sent.msg_type in (HiveMessageType.PROPAGATE, HiveMessageType.ESCALATE):
        return kind(f"{what}; {_FOUR_DROPS}")
    return kind(what) if cause is None else kind.because(what, cause)


def no_answer(wanted: str, sent: str, timeout: float) -> QueryTimeout:
    """The error for a wait that ran out."""
    silent = ("the hub's OVOS (or other agent) may not be running, or did not answer",)
    missing = (
        f"a hub drops in silence what its allow-list does not hold; if {sent!r} may be missing there, ",
        *allow_msg(sent).parts,
    )
    first, second = (silent, missing) if sent == UTTERANCE else (missing, silent)
    return QueryTimeout(f"no {wanted!r} came within {timeout:g} s", Mend("either ", *first, "; or ", *second))
