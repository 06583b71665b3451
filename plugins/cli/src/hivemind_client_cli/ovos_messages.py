"""OVOS messages: made to be sent, and as text for people."""

from __future__ import annotations

import json

from hivemind_core_client.message import HiveMessage, HiveMessageType
from hivemind_core_client.wire.json_text import Json
from hivemind_core_client.wire.speech import SPEECH

#: What the OVOS of a hub listens to; hub 4.0.0 allows it to every client.
UTTERANCE = "recognizer_loop:utterance"
#: What an OVOS says.
SPEAK = "speak"
#: The OVOS of a hub says this when no more answers to an utterance come.
HANDLED = "ovos.utterance.handled"


def bus_message(msg_type: str, data: Json) -> HiveMessage:
    """An OVOS message on its way to the hub."""
    return HiveMessage(HiveMessageType.BUS, {"type": msg_type, "data": data, "context": {}})


def utterance_data(text: str, lang: str | None = None) -> Json:
    """The data of an utterance. Without a language it is in that of this satellite's session, else in the hub's."""
    data: Json = {"utterances": [text]}
    return {**data, "lang": lang} if lang else data


def utterance(text: str, lang: str | None = None) -> HiveMessage:
    """An utterance on its way to the hub."""
    return bus_message(UTTERANCE, utterance_data(text, lang))


def as_text(message: Json) -> str:
    """What a person wants to see of an OVOS message: speech as it is, anything else as type and data."""
    data = message.get("data") or {}
    if message["type"] in SPEECH and isinstance(data.get("utterance"), str):
        return str(data["utterance"])
    return f"{message['type']} {json.dumps(data, ensure_ascii=False, default=str)}"
