"""What the handlers of messages inside messages share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hivemind_core_client.wire.message import HiveMessage
from hivemind_core_client.wire.text import printable

if TYPE_CHECKING:
    from hivemind_core_client.plugins.contract import Context

#: Names, in the context of a Message, the key whose signature was verified. Set by us alone.
VERIFIED_SOURCE = "hivemind_verified_source_peer"


def inner_of(message: HiveMessage) -> HiveMessage:
    """The message inside, with route and address of the one around it. Raises FrameError for what is no message.

    Its own route comes after that of the one around it, but for hops that both have: it speaks for nobody, and yet
    whoever is named there had it in his hands.
    """
    inner = HiveMessage.from_wire(message.raw_payload)
    named = set(map(_source_of, message.raw_route)) - {None}
    return inner.copy(
        route=[*message.raw_route, *(hop for hop in inner.raw_route if _source_of(hop) not in named)],
        target_pubkey=inner.target_public_key or message.target_public_key,
    )


def _source_of(hop: Any) -> str | None:
    source = hop.get("source") if isinstance(hop, dict) else None
    return source if isinstance(source, str) else None


def is_for_site(context: Context, message: HiveMessage) -> bool:
    """Whether a message names our site. One without a site is for nobody's OVOS."""
    return bool(message.target_site_id) and message.target_site_id == context.session.site_id


def with_site(context: Context, message: HiveMessage) -> HiveMessage:
    """The message with its site noted on the message inside too: a binary frame keeps only that one."""
    site = message.target_site_id
    if not site or message.raw_payload.get("target_site_id"):
        return message
    return message.copy(payload={**message.raw_payload, "target_site_id": site})


def name_of(inner: HiveMessage) -> str:
    """The type of a message inside, and that of the OVOS Message in it, for a log."""
    ovos_type = inner["type"] if inner.msg_type.form is dict else None
    return (
        f"{inner.msg_type.name} {printable(ovos_type)}" if isinstance(ovos_type, str) else inner.msg_type.name
    )


def strip_claims(body: Any) -> None:
    """Take out of a payload that arrived what only this satellite may say, however deep it is wrapped."""
    while isinstance(body, dict):
        context = body.get("context")
        if isinstance(context, dict):
            context.pop(VERIFIED_SOURCE, None)
        body = body.get("payload")
