"""What the kit says of an action that is made of the wrong thing: attrs says it in four lines, and no mend."""

from __future__ import annotations

from attrs import fields

from hivemind_core_client.plugins.contract import Deliver, Dispatch, Send

_HIVE_MESSAGE = "Send and Dispatch take a HiveMessage"
_TAKEN = (
    (fields(Deliver).message, "Deliver takes a dict with type, data and context, such as message.as_dict"),
    (fields(Send).message, _HIVE_MESSAGE),
    (fields(Dispatch).message, _HIVE_MESSAGE),
)


def about_action(error: BaseException) -> str:
    """What an action takes that could not be made; an empty text for any other error."""
    if not isinstance(error, TypeError) or len(error.args) != 4:
        return ""
    _, attribute, _, given = error.args  # as a validator of attrs raises it
    for field, taken in _TAKEN:
        if field == attribute:
            return f"{taken}, and this is a {type(given).__name__}"
    return ""
