"""The payload of a HiveMessage: as it travels, and one object for whoever asks for it."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any, Callable

if TYPE_CHECKING:
    from hivemind_core_client.wire.json_text import Json
    from hivemind_core_client.wire.message_types import AnyMessageType

#: The attribute of an OVOS Message for each field that travels.
MESSAGE_FIELDS = {"type": "msg_type", "data": "data", "context": "context"}


class Plain(tuple[Any]):
    """A payload as it travels, which nobody has asked for as an object.

    A tuple with attributes in C: each message is asked for its payload several times, without a Python call.
    """

    __slots__ = ()
    fields = property(itemgetter(0), doc="The payload as it travels.")
    as_given = fields


class Opened(tuple[Any, "Json", "AnyMessageType", Callable[..., Any]]):
    """The object that was handed out, the dict that it was made of, the type of the message around it, and its check.

    From then on the object is the truth: whoever has it may change it, and the change travels.
    """

    __slots__ = ()
    handed_out = property(itemgetter(0), doc="An OVOS Message or a HiveMessage.")
    as_given = property(itemgetter(1), doc="The dict that it was made of.")

    @property
    def fields(self) -> Json:
        """The payload as it travels now. Raises InvalidMessage where it was changed to what has no form on the wire."""
        _, given, kind, check = self
        # What was not given and is still empty stays away, so that a look at a message changes nothing.
        changed = {
            key: value
            for key, value in self._now().items()
            if value is not given.get(key) and (value or given.get(key))
        }
        checked: Json = check(kind, {**given, **changed}) if changed else given
        return checked

    def _now(self) -> Json:
        """What the object has become."""
        return {**self.handed_out.as_dict, "route": self.handed_out.raw_route}


class OpenedMessage(Opened):
    """The same for an OVOS Message."""

    __slots__ = ()

    def _now(self) -> Json:
        return {key: getattr(self.handed_out, name) for key, name in MESSAGE_FIELDS.items()}


#: What threads are making of the payloads of messages just now, by the identity of the message.
_opening: dict[int, Opened] = {}


def shared(message: Any, found: Plain, made: Opened) -> Any:
    """Have `made` as the body of a message that had `found`; returns the object that everybody gets.

    Of threads that ask for a payload at the same time the first one's object is everybody's: what another one changes
    in an object of its own would be lost. No lock is needed, since setdefault is one step.
    """
    first = _opening.setdefault(id(message), made)
    body = message._body
    if body is found:
        message._body = first
    # Who was first leaves the table only now, so whoever comes later finds the message opened.
    if first is made:
        _opening.pop(id(message), None)
    return body.handed_out if isinstance(body, Opened) else first.handed_out


def size_of(payload: Any) -> str:
    """How much a payload is, as a text such as `3 fields`."""
    unit = "characters" if isinstance(payload, str) else "bytes" if isinstance(payload, bytes) else "fields"
    return f"{len(payload)} {unit}"
