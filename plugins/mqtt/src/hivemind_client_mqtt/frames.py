"""What a message on the hub's topic is: text or bytes, and whether it is the first word of a hub."""

from __future__ import annotations

import json
from collections import deque
from typing import TYPE_CHECKING, Optional, Union

if TYPE_CHECKING:
    from paho.mqtt.client import MQTTMessage

    from hivemind_core_client.plugins.contract import Closed, Frame

#: What is in the first word of a hub.
_HELLO = '"hello"'
#: How many frames may wait for who reads, and how many bytes, before the socket is left alone.
_MOST_FRAMES, _MOST_BYTES = 64, 2**20


class Inbox:
    """Frames that wait for who reads, and at last how the connection ended."""

    def __init__(self) -> None:
        self._frames: deque[Frame] = deque()
        self._bytes = 0
        self._ending: Optional[Union[Closed, Exception]] = None

    def __bool__(self) -> bool:
        """Whether there is something to read."""
        return bool(self._frames) or self._ending is not None

    @property
    def is_full(self) -> bool:
        """Whether so much waits that nothing more should be read."""
        return len(self._frames) >= _MOST_FRAMES or self._bytes >= _MOST_BYTES

    def put(self, frame: Frame) -> None:
        """A frame has come."""
        self._frames.append(frame)
        self._bytes += len(frame)

    def end(self, ending: Union[Closed, Exception]) -> None:
        """Nothing more comes, because of this."""
        self._ending = ending

    def next(self) -> Union[Frame, Closed]:
        """The next frame, then how it ended, again and again. Raises what ended it, where that is an error."""
        if self._frames:
            frame = self._frames.popleft()
            self._bytes -= len(frame)
            return frame
        if isinstance(self._ending, Exception):
            raise self._ending
        if self._ending is None:
            raise LookupError("nothing has come")
        return self._ending


def frame_of(message: MQTTMessage) -> Frame:
    """A message as text or bytes. Hubs publish text with QoS 1, and bytes with QoS 0; MQTT 5 can say it.

    Where the broker or the hub's options leave QoS 0 alone, text is what looks like JSON from end to end.
    """
    payload = bytes(message.payload)
    is_told = getattr(message.properties, "PayloadFormatIndicator", 0)
    if is_told or message.qos or (payload[:1] in (b"{", b"[") and payload[-1:] in (b"}", b"]")):
        try:
            return payload.decode("utf-8")
        except UnicodeDecodeError:
            return payload
    return payload


def is_hello(frame: str) -> bool:
    """Whether a text is the first word of a hub. Within a session, that comes sealed or not at all."""
    if _HELLO not in frame:
        return False
    try:
        message = json.loads(frame)
    except ValueError:
        return False
    return isinstance(message, dict) and message.get("msg_type") == "hello"
