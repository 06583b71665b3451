"""Messages that arrive, as lines for people and as objects for programs."""

from __future__ import annotations

from collections.abc import Iterator

from hivemind_client_cli.peer_text import described, plain
from hivemind_core_client.errors import HiveMindError
from hivemind_core_client.message import (
    OVOS_TYPES,
    WRAPPER_TYPES,
    HiveMessage,
    HiveMessageType,
)
from hivemind_core_client.wire.json_text import Json, json_text
from hivemind_core_client.wire.text import safe_label

#: A line for people is cut here; `--json` has the whole message.
_MAX_LINE_CHARACTERS = 2000
#: How many messages within messages are looked at.
_MAX_LAYERS = 8


class Matcher:
    """A test whether a message is of one of `types`: hive types or OVOS types, in wrappers too. None means all."""

    def __init__(self, types: tuple[str, ...]) -> None:
        self._types = frozenset(types)

    def __call__(self, message: HiveMessage) -> bool:
        """Whether `message` is of one of the types."""
        return not self._types or not self._types.isdisjoint(_names(message))


def _names(message: HiveMessage) -> Iterator[str]:
    for each in _layers(message):
        yield each.msg_type.value
        if each.msg_type in OVOS_TYPES:
            yield str(each.raw_payload.get("type"))


def _layers(message: HiveMessage) -> Iterator[HiveMessage]:
    """The message, the one within it, and so on; what cannot be read ends it."""
    for _ in range(_MAX_LAYERS):
        yield message
        if message.msg_type not in WRAPPER_TYPES:
            return
        try:
            message = message.payload
        except HiveMindError:  # a peer wrapped something that is no message
            return


def as_data(message: HiveMessage, saved: str | None = None) -> Json:
    """The message as it travels; binary data by its kind, size and name, and where it was saved."""
    if message.msg_type is not HiveMessageType.BINARY:
        return message.as_dict
    return {
        "msg_type": message.msg_type.value,
        "bin_type": message.bin_type.name.lower(),
        "size": len(message.raw_payload),
        "label": safe_label(message.metadata.get("file_name"), ""),
        "metadata": message.metadata,
        "saved": saved,
    }


def as_line(message: HiveMessage, saved: str | None = None) -> str:
    """The message in one line: the types from the outermost to the innermost, and what that holds."""
    layers = list(_layers(message))
    types = " > ".join(each.msg_type.value for each in layers)
    try:
        text = _content(layers[-1], saved)
    except (HiveMindError, ValueError, RecursionError):
        text = "this cannot be shown: it is nested too deep, or no JSON"
    line = plain(f"{types}: {text}")
    if len(line) <= _MAX_LINE_CHARACTERS:
        return line
    return f"{line[:_MAX_LINE_CHARACTERS]} … ({len(line)} characters)"


def _content(inner: HiveMessage, saved: str | None) -> str:
    """What a message holds, for people. Raises InvalidMessage or RecursionError for what has no text."""
    if inner.msg_type is HiveMessageType.BINARY:
        data = as_data(inner)
        text = f"{data['bin_type']}, {data['size']} bytes"
        text += f", {data['label']}" if data["label"] else ""
        return text + (f", saved as {saved}" if saved else "")
    if inner.msg_type in OVOS_TYPES:
        return described(str(inner.raw_payload.get("type")), inner.raw_payload.get("data") or {})
    if inner.msg_type is HiveMessageType.INTERCOM:
        return f"sealed, {len(json_text(inner.raw_payload))} characters"
    return json_text(inner.raw_payload)
