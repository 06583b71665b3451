"""The message types and bin types that plugins bring: whose counts, and what a type does that nobody handles."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Union

from attrs import field, frozen

from hivemind_core_client.plugins.contract import Actions, BinaryType, Context, MessageHandler, MessageType
from hivemind_core_client.wire.message import HiveMessage
from hivemind_core_client.wire.message_types import define, same

if TYPE_CHECKING:
    from hivemind_core_client.plugins.registry import Offered

log = logging.getLogger(__name__)

Declared = Union[MessageType, BinaryType]
#: Whose handlers those of types that nobody handles are. A built-in plugin's calls need no lane of their own.
_TAKES_NOTE = "builtin_thirdparty"
#: A plugin, what is to be said of it, its state by that, and how loud.
Remark = tuple[str, str, str, int]


@frozen
class DeclaredTypes:
    """What the plugins of a selection bring: `items` by wire name and by number.

    `provided` says who brings what. `remarks` tell of types that another plugin means otherwise.
    """

    items: Mapping[Union[str, int], Declared] = field(factory=dict)
    provided: tuple[tuple[str, str], ...] = ()
    remarks: tuple[Remark, ...] = ()

    @property
    def messages(self) -> dict[str, MessageType]:
        """The message types by wire name."""
        return {kind.value: kind for kind in self.items.values() if isinstance(kind, MessageType)}

    @property
    def binaries(self) -> dict[int, BinaryType]:
        """The bin types by number."""
        return {kind.value: kind for kind in self.items.values() if isinstance(kind, BinaryType)}

    def unhandled(self, handlers: Iterable[Offered[Any]]) -> Iterator[tuple[str, Any]]:
        """For each message type without a plain handler one that takes note, as a part of the plugin of THIRDPRTY."""
        messages = self.messages
        handled = {each.item.msg_type for each in handlers if not each.item.wraps} if messages else set()
        for name, kind in messages.items():
            if kind not in handled:
                yield _TAKES_NOTE, MessageHandler(kind, name, take_note)


#: What a selection without any has.
NO_TYPES = DeclaredTypes()


def take_note(context: Context, message: HiveMessage) -> Actions:
    """Leave a message to the listeners of `client.on`."""
    log.debug("a %s message arrived", message.msg_type)
    return None


def declared_types(offers: Iterable[Offered[Any]]) -> DeclaredTypes:
    """Let each type mean in this process what the first plugin says, and leave out who says otherwise."""
    items: dict[Union[str, int], Declared] = {}
    owners: dict[Union[str, int], str] = {}
    provided: list[tuple[str, str]] = []
    remarks: list[Remark] = []
    for each in offers:
        kind: Declared = each.item
        provided.append(
            (each.plugin, f"{'bin' if isinstance(kind, BinaryType) else 'message'} type {kind.name}")
        )
        meant = items.get(kind.value) or (define(kind) if isinstance(kind, MessageType) else kind)
        if same(meant, kind):
            items.setdefault(kind.value, kind)
            owners.setdefault(kind.value, each.plugin)
        else:
            remarks += _told(each, meant, owners.get(kind.value))
    return DeclaredTypes(items, tuple(provided), tuple(remarks))


def _told(beaten: Offered[Declared], meant: Declared, owner: Union[str, None]) -> Iterator[Remark]:
    of = "that of another client in this process" if owner is None else f"that of {owner}"
    yield beaten.plugin, f"its {beaten.item!r} is not used: {of} is, {meant!r}", "conflict", logging.WARNING
    if owner is not None:
        yield owner, f"its {meant!r} is used, and that of {beaten.plugin} is not", "conflict", logging.DEBUG
