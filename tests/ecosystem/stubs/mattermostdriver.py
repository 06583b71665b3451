"""In the place of the library `mattermostdriver`: a server in this process, for hivemind-mattermost-bridge.

Each line of the input is a direct message of Anna to the bot. Each post of the bot is a line of the output:
`posted CHANNEL TEXT`.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable
from types import SimpleNamespace
from typing import Any, Callable

_BOT, _ANNA = "bot-id", "anna-id"
_CHANNEL = "channel-1"


class Driver:
    """What the bridge uses of the real one."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.options = options
        self.users = SimpleNamespace(get_user=self._get_user)
        self.channels = SimpleNamespace(get_channel=self._get_channel)
        self.posts = SimpleNamespace(create_post=self._create_post)

    def login(self) -> None:
        """Who it is was said when it was made."""
        print("logged in as", self.options["login_id"], flush=True)

    def init_websocket(self, handler: Callable[[str], Awaitable[None]]) -> None:
        """Hand on what is said, and block."""
        for line in sys.stdin:
            post = {"message": line.strip(), "channel_id": _CHANNEL, "user_id": _ANNA}
            event = {"event": "posted", "data": {"post": json.dumps(post), "sender_name": "anna"}}
            asyncio.run(_handed(handler, json.dumps(event)))

    def _get_user(self, user_id: str) -> dict[str, str]:
        return {"id": _BOT if user_id == "me" else user_id, "username": "anna"}

    def _get_channel(self, channel_id: str) -> dict[str, str]:
        return {"id": channel_id, "name": f"{_BOT}__{_ANNA}"}

    def _create_post(self, options: dict[str, Any]) -> None:
        print("posted", options["channel_id"], options["message"], flush=True)


async def _handed(handler: Callable[[str], Awaitable[None]], event: str) -> None:
    await handler(event)
