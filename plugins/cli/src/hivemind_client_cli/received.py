"""Messages that arrive, as lines for people and as objects for programs."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from attrs import field, frozen

from hivemind_client_cli.colours import Part
from hivemind_client_cli.peer_text import plain, short, short_name
from hivemind_core_client.errors import HiveMindError
from hivemind_core_client.message import (
    OVOS_TYPES,
    WRAPPER_TYPES,
    HiveMessage,
    HiveMessageType,
)
from hivemind_core_client.wire.json_text import Json, json_text
from hivemind_core_client.wire.keys import alias_of, same_key
from hivemind_core_client.wire.speech import SPEECH
from hivemind_core_client.wire.text import safe_label

if TYPE_CHECKING:
    from hivemind_core_client import HiveMessageBusClient

#: What a message holds is cut here in a line for people; `--full` and `--json` have the whole message.
_MAX_LINE_CHARACTERS = 2000
#: How many messages within messages are looked at.
_MAX_LAYERS = 8
_NOT_SHOWN = "this cannot be shown: it is nested too deep, or no JSON"


@frozen
class Arrival:
    """A message that came `at` a time, in seconds since the epoch, from `sender`, and where its data was `saved`."""

    message: HiveMessage
    sender: str = "hub"
    at: float = field(factory=time.time)
    saved: str | None = None


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


def sender_of(client: HiveMessageBusClient, message: HiveMessage) -> str:
    """Who sent a message, for people: the alias of a trusted key, `hub`, or the name that the route begins with."""
    hop = next((hop for each in _layers(message) for hop in each.route), None)
    peer = hop["source"] if hop is not None else None
    hub = client.hub
    if peer is None or (hub is not None and (peer == hub.node_id or same_key(peer, hub.public_key))):
        return "hub"
    alias = alias_of(client.hive_map.key_of(peer) or peer, client.identity.trusted_keys)
    return plain(alias) if alias else short_name(peer)


def as_data(arrival: Arrival) -> Json:
    """The message as it travels; binary data by its kind, size and name, and where it was saved.

    Where this satellite does nothing about it, `dropped` says why.
    """
    message = arrival.message
    dropped = {"dropped": message.dropped} if message.dropped else {}
    if message.msg_type is not HiveMessageType.BINARY:
        return {**message.as_dict, **dropped}
    return {
        "msg_type": message.msg_type.value,
        "bin_type": message.bin_type.name.lower(),
        "size": len(message.raw_payload),
        "label": safe_label(message.metadata.get("file_name"), ""),
        "metadata": message.metadata,
        "saved": arrival.saved,
        **dropped,
    }


def as_line(arrival: Arrival) -> list[Part]:
    """The message in one line: when, from whom, the types from the outermost to the innermost, what it holds."""
    layers = list(_layers(arrival.message))
    try:
        role, text = _content(layers[-1], arrival)
    except (HiveMindError, ValueError, RecursionError):
        role, text = "data", _NOT_SHOWN
    text = plain(text)
    if len(text) > _MAX_LINE_CHARACTERS:
        text = f"{text[:_MAX_LINE_CHARACTERS]} … ({len(text)} characters)"
    return [*_heading(arrival, layers), Part(role, f" {text}")]


def as_block(arrival: Arrival) -> tuple[list[Part], str]:
    """The whole message: a line as above, without what it holds, and that as indented JSON."""
    try:
        text = json.dumps(as_data(arrival), indent=2, ensure_ascii=False)
    except (HiveMindError, ValueError, RecursionError):
        text = _NOT_SHOWN
    return _heading(arrival, list(_layers(arrival.message))), text


def _heading(arrival: Arrival, layers: list[HiveMessage]) -> list[Part]:
    clock = time.strftime("%H:%M:%S", time.localtime(arrival.at))
    types = " > ".join(plain(name) for name in _shown_types(layers))
    heading = [Part("time", clock), Part("sender", f"  {arrival.sender}"), Part("type", f"  {types}:")]
    reason = arrival.message.dropped
    # Before the data, which may be cut.
    return [*heading, Part("dropped", f" [dropped: {plain(reason)}]")] if reason else heading


def _shown_types(layers: list[HiveMessage]) -> Iterator[str]:
    """The types of all layers; an OVOS Message stands for the BUS message around it."""
    for each in layers[:-1]:
        yield each.msg_type.value
    inner = layers[-1]
    yield (
        str(inner.raw_payload.get("type")) if inner.msg_type is HiveMessageType.BUS else inner.msg_type.value
    )


def _content(inner: HiveMessage, arrival: Arrival) -> tuple[str, str]:
    """What a message holds, for people, and its role. Raises InvalidMessage or RecursionError for what has no text."""
    if inner.msg_type is HiveMessageType.BINARY:
        data = as_data(arrival)
        text = f"{data['bin_type']}, {data['size']} bytes"
        text += f", {data['label']}" if data["label"] else ""
        return "data", text + (f", saved as {arrival.saved}" if arrival.saved else "")
    if inner.msg_type in OVOS_TYPES:
        name, data = str(inner.raw_payload.get("type")), inner.raw_payload.get("data") or {}
        if name in SPEECH and isinstance(data.get("utterance"), str):
            return "speech", data["utterance"]
        shown = json.dumps(short(data), ensure_ascii=False, default=str)
        return "data", shown if inner.msg_type is HiveMessageType.BUS else f"{name} {shown}"
    if inner.msg_type is HiveMessageType.INTERCOM:
        return "data", f"sealed, {len(json_text(inner.raw_payload))} characters"
    return "data", json_text(short(inner.raw_payload))
