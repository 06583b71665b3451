"""What a hub says when its policy does not take a message: the error for it, and what mends that.

Hubs from 4.15.0a1 on say it in a BUS message of the type `hive.policy.denied`. It names the type of the message, and
nothing else of it: neither its session nor an id. Older hubs drop the message and say nothing.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar, Optional, Union

from hivemind_core_client.wire.errors import HiveMindError, HubCommand, Instruction, Mend
from hivemind_core_client.wire.text import printable, text_or_empty

#: The OVOS type in which a hub says it.
DENIED = "hive.policy.denied"
#: What hubs call the type of binary data there.
BINARY = "binary"
#: Where hubs of different ages name the type that they deny.
_NAMES = ("denied_type", "msg_type", "message_type")
_NOT_ALLOWED = "acl_disallowed_type"
#: So many of the types that a hub allows are kept, and so many characters of a type.
_MOST_ALLOWED, _LONGEST_NAME = 1_000, 255

#: What is one word in any shell, and no option.
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/@%+=,-]{0,254}")

_LIST_CLIENTS = HubCommand(("list-clients",))
#: What mends a denial with which no allow-list has to do, by the hub's code for it.
_MENDS = {
    "backend_unavailable": Mend("start the OVOS (or other agent) of the hub", joint=": "),
    "malformed_payload": Mend(
        "the hub cannot read what is in the message; look at how it is made", joint=": "
    ),
    "session_id_default_forbidden": Mend(
        "take another session id than 'default', or run ",
        HubCommand(("make-admin", "NODE_ID")),
        " on the hub's machine (",
        _LIST_CLIENTS,
        " shows NODE_ID)",
        joint=": ",
    ),
}
_LOOK_THERE = Mend("a policy of the hub decides about that; its log says more", joint=": ")


def allow_command(msg_type: str) -> HubCommand:
    """What lets a hub take messages of a type: with `TYPE` in its place where the type is not one plain word.

    The type may be a peer's. To quote it would not do: the command stands between quotes, and may be copied with them.
    """
    return HubCommand(("allow-msg", msg_type if _PLAIN.fullmatch(msg_type) else "TYPE", "NODE_ID"))


def allow_msg(msg_type: str) -> Mend:
    """What lets a hub take messages of a type, as advice. A type that is not one plain word is not in the command."""
    return Mend("run ", *_allowing(msg_type), joint=": ")


class MessageDenied(HiveMindError, PermissionError):
    """The hub's policy did not take a message of `msg_type` from here; the session goes on.

    `reason` says why in the hub's words, and `code` in one word for programs, such as `acl_disallowed_type`; both may
    be empty. `allowed` are the types that the hub says it takes from this client, None where it does not say.
    """

    exit_code: ClassVar[int] = 3

    def __init__(
        self, msg_type: str, reason: str = "", code: str = "", allowed: Optional[tuple[str, ...]] = None
    ) -> None:
        self.msg_type, self.code, self.allowed = msg_type, code, allowed
        self.reason = printable(reason)
        named = (
            "binary data" if msg_type == BINARY else repr(printable(msg_type)) if msg_type else "a message"
        )
        said = f" ({self.reason})" if reason else ""
        super().__init__(f"{DENIED}: the hub does not take {named} from here{said}", _mend_of(msg_type, code))


def denial_of(data: Any, sent: str = "") -> MessageDenied:
    """The error for a `hive.policy.denied` with this data, whatever a peer put there.

    `sent` is the type that was sent, for a hub that names none.
    """
    fields = data if isinstance(data, dict) else {}
    name = next((fields[name] for name in _NAMES if text_or_empty(fields.get(name))), sent)
    return MessageDenied(
        name[:_LONGEST_NAME],
        text_or_empty(fields.get("reason")),
        printable(text_or_empty(fields.get("code"))),
        _allowed(fields.get("data")),
    )


def _allowed(details: Any) -> Optional[tuple[str, ...]]:
    names = details.get("allowed") if isinstance(details, dict) else None
    if not isinstance(names, list):
        return None
    return tuple(name[:_LONGEST_NAME] for name in names[:_MOST_ALLOWED] if isinstance(name, str))


def _mend_of(msg_type: str, code: str) -> Mend:
    if code != _NOT_ALLOWED and (code or msg_type == BINARY):
        return _MENDS.get(code, _LOOK_THERE)
    if msg_type == BINARY:
        told = "the hub takes it once it takes some type of message from this client. Run "
        return Mend(told, *_allowing("TYPE"), joint=": ")
    return allow_msg(msg_type)


def _allowing(msg_type: str) -> tuple[Union[str, Instruction], ...]:
    """How a type is allowed."""
    return (
        allow_command(msg_type),
        " on the hub's machine (",
        _LIST_CLIENTS,
        " shows NODE_ID)",
    )
