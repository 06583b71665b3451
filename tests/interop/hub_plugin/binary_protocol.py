"""The hub's side of binary data: sends speech when asked, and files back to where they came from."""

from __future__ import annotations

import hashlib
from typing import Any

from hivemind_bus_client.message import HiveMessage, HiveMessageType, HiveMindBinaryPayloadType
from hivemind_plugin_manager.protocols import BinaryDataHandlerProtocol
from hivemind_websocket_protocol import HiveMindTornadoWebSocket
from ovos_bus_client.message import Message

from .tone import wav

#: The OVOS message that asks for speech: `{"utterance", "lang"}`.
SYNTHESIZE = "speak:synth"
#: The OVOS message that tells of a file: `{"file_name", "sha256"}`.
FILE_CAME = "interop.file"


class EchoingProtocol(BinaryDataHandlerProtocol):
    """`max_message_size` in its settings, in bytes, takes the place of the hub's own limit, which is 10 MiB."""

    def __post_init__(self) -> None:
        """Answer requests for speech from now on."""
        super().__post_init__()
        if "max_message_size" in self.config:
            HiveMindTornadoWebSocket.max_message_size = self.config["max_message_size"]
        self.agent_protocol.bus.on(SYNTHESIZE, self.handle_synthesis)

    def handle_synthesis(self, message: Any) -> None:
        """Send the tone of the utterance to the satellite that asked."""
        utterance, lang = message.data["utterance"], message.data["lang"]
        facts = {"utterance": utterance, "lang": lang, "file_name": message.data["file_name"]}
        client = self.clients[message.context["source"]]
        client.send(_binary(wav(utterance), HiveMindBinaryPayloadType.TTS_AUDIO, facts))

    def handle_receive_file(self, bin_data: bytes, file_name: str, client: Any) -> None:
        """Note on the OVOS bus that it came, and send it back."""
        facts = {"file_name": file_name, "sha256": hashlib.sha256(bin_data).hexdigest()}
        self.agent_protocol.bus.emit(Message(FILE_CAME, facts))
        client.send(_binary(bin_data, HiveMindBinaryPayloadType.FILE, {"file_name": file_name}))


def _binary(data: bytes, bin_type: HiveMindBinaryPayloadType, metadata: dict[str, str]) -> HiveMessage:
    return HiveMessage(HiveMessageType.BINARY, payload=data, bin_type=bin_type, metadata=metadata)
