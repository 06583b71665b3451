"""The form in which a message goes out, before it is sealed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

from hivemind_core_client.wire.errors import HiveMindError, InvalidMessage
from hivemind_core_client.wire.message import HANDSHAKE_TYPES, HiveMessage, HiveMessageType

if TYPE_CHECKING:
    from hivemind_core_client.plugins.contract import Frame, Serializer
    from hivemind_core_client.plugins.registry import Registry


class Encoder:
    """Encodes what a connection carries. `binarize`: both sides want binary frames, but not of types in `text_only`."""

    def __init__(self, registry: Registry, compress: Optional[bool]) -> None:
        self.binarize = False
        self.text_only = HANDSHAKE_TYPES.union(registry.message_types.values())
        self._text = registry.serializers["text"]
        self._binary = registry.serializers["binary"]
        self._compress = compress

    def encode(self, message: HiveMessage) -> Frame:
        """The plain frame of a message. Raises InvalidMessage for one that has no form."""
        msg_type = message.msg_type
        serializer = self._text
        if msg_type is HiveMessageType.BINARY:
            serializer = self._binary
        elif self.binarize and msg_type not in self.text_only:
            frame = self._written(self._binary, message)
            if frame is not None:
                return frame
        frame = self._written(serializer, message)
        if frame is None:
            raise InvalidMessage(f"a {msg_type.name} message has no {serializer.name} form")
        return frame

    def _written(self, serializer: Serializer, message: HiveMessage) -> Optional[Frame]:
        try:
            return serializer.encode(message, self._compress)
        except HiveMindError:
            raise
        except Exception as error:  # a serializer is a plugin and may raise anything
            raise InvalidMessage(f"the {serializer.name} serializer raised {type(error).__name__}") from error
