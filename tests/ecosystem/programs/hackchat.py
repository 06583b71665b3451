"""hivemind-hackchat-bridge, with a room in this process in the place of hack.chat.

Each line of the input is a line of Anna's in the channel. What the bot says is a line of the output: `said TEXT`.
"""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace

from hackchat_bridge import hackchat
from hackchat_bridge.__main__ import main


class Room:
    """What the bridge uses of a WebSocket."""

    connected = True

    def __init__(self, address: str) -> None:
        print("entered", address, flush=True)

    def send(self, packet: str) -> None:
        """Take what the bot does."""
        told = json.loads(packet)
        if told["cmd"] == "chat":
            print("said", told["text"], flush=True)

    def recv(self) -> str:
        """What happens next in the channel."""
        return json.dumps({"cmd": "chat", "nick": "anna", "text": sys.stdin.readline().strip()})


hackchat.websocket = SimpleNamespace(create_connection=Room)
main()
