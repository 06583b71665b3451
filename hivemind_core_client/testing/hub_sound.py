"""What an embedded hub hears and speaks, as a hub with hivemind-audio-binary-protocol does."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any, Callable, Optional

from hivemind_core_client.shell.sound import NOT_UNDERSTOOD, SYNTHESIZE, TRANSCRIBED
from hivemind_core_client.wire.json_text import Json
from hivemind_core_client.wire.message import HiveMessage, HiveMessageType
from hivemind_core_client.wire.message import HiveMindBinaryPayloadType as BinType

log = logging.getLogger(__name__)

#: The text that is said in samples, mono of 16 bit at 16,000 Hz; an empty text for noise.
Ears = Callable[[bytes], str]
#: The audio file of a text, in bytes.
Voice = Callable[[str], bytes]


class HubSound:
    """Answers audio with its text, and a text with its sound; without `ears` or `voice` there is no such answer."""

    def __init__(self, ears: Optional[Ears], voice: Optional[Voice]) -> None:
        self._ears = ears
        self._voice = voice

    def answers(self, message: HiveMessage) -> Iterator[HiveMessage]:
        """What is sent back to who sent this message."""
        try:
            if self._ears is not None and message.msg_type is HiveMessageType.BINARY:
                yield from self._heard(self._ears, message)
            elif self._voice is not None and message.msg_type is HiveMessageType.BUS:
                yield from self._spoken(self._voice, message)
        except Exception:  # ears and voice are the test author's: the hub stays up, and the log names it
            log.exception("the hub's ears or voice raised")

    def _heard(self, ears: Ears, message: HiveMessage) -> Iterator[HiveMessage]:
        if message.bin_type is BinType.STT_AUDIO_TRANSCRIBE:
            text = ears(message.payload)
            told: Json = {"transcriptions": [[text, 1.0]], "lang": message.metadata.get("lang")}
            yield _bus(TRANSCRIBED, told) if text else _bus(NOT_UNDERSTOOD, {})

    def _spoken(self, voice: Voice, message: HiveMessage) -> Iterator[HiveMessage]:
        data: Any = message["data"]
        if message["type"] == SYNTHESIZE and isinstance(data, dict):
            text = str(data.get("utterance", ""))
            metadata = {"utterance": text, "lang": str(data.get("lang", "en-US")), "file_name": "speech.wav"}
            yield HiveMessage(
                HiveMessageType.BINARY, voice(text), bin_type=BinType.TTS_AUDIO, metadata=metadata
            )


def _bus(name: str, data: Json) -> HiveMessage:
    return HiveMessage(HiveMessageType.BUS, {"type": name, "data": data, "context": {"source": "hive"}})
