"""The last check of `hivemind-client doctor`: what this key may send."""

from __future__ import annotations

import queue
from typing import TYPE_CHECKING

from attrs import frozen

from hivemind_client_cli.answers import Inbox, confirm_receipt
from hivemind_client_cli.doctor_checks import SKIPPED
from hivemind_client_cli.examination import OK, WARN, Examination
from hivemind_client_cli.ovos_messages import bus_message
from hivemind_client_cli.peer_text import plain
from hivemind_core_client.errors import Command, Mend, MessageDenied, QueryTimeout, allow_msg
from hivemind_core_client.kernel.conversation import UTTERANCES
from hivemind_core_client.wire.json_text import Json

if TYPE_CHECKING:
    from hivemind_core_client import HiveMessageBusClient
    from hivemind_core_client.plugins.contract import Negotiated

#: A type that nobody handles. A hub that denies it names the types that it takes.
_NOBODYS_TYPE = "hivemind.client.may_send"
#: How long after the pong a denial may come.
_DENIED_WITHIN_S = 0.3
#: From this protocol version on hubs say that they deny a message.
_TELLING_VERSION = 2
_TRY_IT = Command(("doctor", "--say", "'what time is it'"), quoted=False)
_NOT_TRIED = Mend(
    "not tried, since an utterance makes the assistant act; hubs from 4.15 on answer hive.policy.denied to what they "
    "do not take, older ones drop it in silence. Try it: ",
    _TRY_IT,
)


@frozen
class Trial:
    """What is sent to see whether the hub takes it: a text that is said, or a message; nothing where both are None."""

    say: str | None
    msg_type: str | None
    data: Json
    timeout: float


def allowed_types(client: HiveMessageBusClient) -> tuple[str, ...] | None:
    """The types that the hub says it takes from this key; None where it does not say.

    Sends a message that nobody handles. Raises what ended the connection on it.
    """
    denials: queue.Queue[MessageDenied] = queue.Queue()
    heard = denials.put
    client.on("denied", heard)
    try:
        client.emit(bus_message(_NOBODYS_TYPE, {}))
        client.round_trip()
        return denials.get(timeout=_DENIED_WITHIN_S).allowed
    except queue.Empty:
        return None
    finally:
        client.remove("denied", heard)


def tells_denials(agreed: Negotiated | None) -> bool:
    """Whether a hub that has agreed on this is one of those that say what they deny."""
    return agreed is not None and agreed.version >= _TELLING_VERSION


def allow_talk() -> Mend:
    """What lets this key send utterances."""
    return allow_msg(UTTERANCES[0])


def examine_permission(found: Examination, client: HiveMessageBusClient, trial: Trial) -> None:
    """Note what this key may send. Raises MessageDenied, QueryTimeout, and what ended the connection."""
    denials: list[MessageDenied] = []
    client.on("denied", denials.append)  # what is heard here need not be logged
    try:
        if trial.say is not None:
            _say(found, client, trial.say, trial.timeout)
        elif trial.msg_type is not None:
            _send(found, client, trial.msg_type, trial.data)
        else:
            _ask_for_the_list(found, client)
    except (MessageDenied, QueryTimeout) as error:
        # A denial that names another type than was sent is about what was sent all the same.
        denial = error if isinstance(error, MessageDenied) else next(iter(denials), None)
        if denial is None:
            raise
        found.allowed = denial.allowed
        raise denial from None


def _say(found: Examination, client: HiveMessageBusClient, text: str, timeout: float) -> None:
    answer = client.ask(text, timeout=timeout)
    said = f"answered {answer.messages[0].msg_type!r}" if answer else "dealt with it in silence"
    found.note("permission", OK, f"the hub {said}")


def _send(found: Examination, client: HiveMessageBusClient, msg_type: str, data: Json) -> None:
    packet, inbox = bus_message(msg_type, data), Inbox(client)
    client.emit(packet)
    confirm_receipt(client, inbox, packet, msg_type)
    sent = (
        f"{msg_type!r} was sent and not denied; a hub before 4.15 would drop it in silence if not allowed: "
    )
    found.note("permission", SKIPPED, Mend(sent, *allow_msg(msg_type).parts))


def _ask_for_the_list(found: Examination, client: HiveMessageBusClient) -> None:
    """Note what the hub takes. Raises MessageDenied where that is nothing."""
    found.allowed = allowed = allowed_types(client)
    if allowed is None:
        tells = tells_denials(client.negotiated)
        told = Mend(
            "the hub denies this key nothing, as far as it tells; whether it answers is not tried: ", _TRY_IT
        )
        found.note("permission", OK if tells else SKIPPED, told if tells else _NOT_TRIED)
        return
    shown = ", ".join(map(plain, allowed))
    if not allowed:
        raise MessageDenied(UTTERANCES[0], "it allows this key no type at all", allowed=())
    if {*UTTERANCES}.isdisjoint(allowed):
        talk = Mend(f"this key may send {shown}, and no utterances; to talk: ", *allow_talk().parts)
        found.note("permission", WARN, talk)
    else:
        found.note("permission", OK, f"this key may send {shown}")
