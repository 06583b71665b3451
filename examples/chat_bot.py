"""A bot in an IRC channel: what people say there goes to the hub, and what the hub speaks goes back to who asked.

    pip install -e '.[async]'    # in a clone; 'hivemind-core-client[async]' from an index
    python examples/chat_bot.py --server irc.example.org --channel '#home'

A bridge carries one session for each remote user, so that the hub keeps their conversations apart. Hub 4.0.0 puts the
connection's own session in place of them: then speech goes to the channel without a name.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import Any, Optional

from ovos_bus_client.message import Message

from hivemind_core_client import AsyncHiveMessageBusClient, HiveMindError

#: The most users whose sessions are kept; who has been silent for longest is forgotten.
MOST_USERS = 1000
#: The most bytes of a line that are sent: IRC has room for 512, the command among them.
LONGEST = 400


class Users:
    """The session of each user, as the hub last sent it."""

    def __init__(self) -> None:
        self._sessions: dict[str, dict[str, Any]] = {}

    def session_of(self, nick: str) -> dict[str, Any]:
        """The session of this user, which counts as heard from now."""
        session = self._sessions.pop(nick, {"session_id": f"irc-{nick}"})
        self._sessions[nick] = session
        if len(self._sessions) > MOST_USERS:
            del self._sessions[next(iter(self._sessions))]
        return session

    def whose(self, context: dict[str, Any]) -> Optional[str]:
        """Whom a message of the hub is for; its session is kept for their next word."""
        session = context.get("session") or {}
        nick = str(session.get("session_id", "")).partition("irc-")[2]
        if nick not in self._sessions:
            return None
        self._sessions[nick] = session
        return nick


class Bot:
    """Between a channel and a hub."""

    def __init__(self, client: AsyncHiveMessageBusClient, writer: asyncio.StreamWriter, channel: str) -> None:
        self._client = client
        self._writer = writer
        self._channel = channel
        self._users = Users()
        client.on_mycroft("speak", self.on_speak)

    async def on_speak(self, message: Message) -> None:
        """Say in the channel what the hub spoke."""
        nick = self._users.whose(message.context)
        text = str(message.data.get("utterance", ""))
        await self.say(f"{nick}: {text}" if nick else text)

    async def on_line(self, nick: str, text: str) -> None:
        """Tell the hub what somebody said."""
        context = {"source": f"irc:{nick}", "session": self._users.session_of(nick)}
        try:
            await self._client.emit(Message("recognizer_loop:utterance", {"utterances": [text]}, context))
        except HiveMindError as error:
            await self.say(f"{nick}: I cannot ask just now")
            print(error, file=sys.stderr)

    async def say(self, text: str) -> None:
        """Say something in the channel; in one line, or what the hub speaks could give commands to the server."""
        line = " ".join(text.split()).encode()[:LONGEST].decode(errors="ignore")
        await self.send(f"PRIVMSG {self._channel} :{line}")

    async def send(self, command: str) -> None:
        """Send one command to the server."""
        self._writer.write(f"{command}\r\n".encode())
        await self._writer.drain()

    async def serve(self, reader: asyncio.StreamReader, name: str) -> None:
        """Take what comes from the server, until it hangs up."""
        await self.send(f"NICK {name}")
        await self.send(f"USER {name} 0 * :HiveMind")
        async for line in reader:
            prefix, command, target, text = _parts(line.decode(errors="replace"))
            if command == "PING":
                await self.send(f"PONG {target or f':{text}'}")
            elif command == "001":
                await self.send(f"JOIN {self._channel}")
            elif command == "PRIVMSG" and target == self._channel:
                await self.on_line(prefix.partition("!")[0], text)


def _parts(line: str) -> tuple[str, str, str, str]:
    """Who, which command, its first word, and the text after the colon; empty where a line has none."""
    head, _, text = line.strip().removeprefix(":").partition(" :")
    words = head.split() if line.startswith(":") else ["", *head.split()]
    prefix, command, target = (*words, "", "", "")[:3]
    return prefix, command, target, text


async def main() -> None:
    """Join, and stay until the chat ends."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--server", required=True)
    parser.add_argument("--port", type=int, default=6667)
    parser.add_argument("--channel", required=True)
    parser.add_argument("--nick", default="hivemind")
    options = parser.parse_args()
    async with AsyncHiveMessageBusClient(useragent="irc-bridge") as client:
        try:
            await _chat(client, options)
        except HiveMindError:  # some are OSErrors too
            raise
        except OSError as error:
            reason = error.strerror or error
            raise OSError(f"the IRC server {options.server}:{options.port} is away: {reason}") from error


async def _chat(client: AsyncHiveMessageBusClient, options: argparse.Namespace) -> None:
    reader, writer = await asyncio.open_connection(options.server, options.port)
    try:
        await Bot(client, writer, options.channel).serve(reader, options.nick)
    finally:
        writer.close()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        print("bye")
    except (HiveMindError, OSError) as error:
        sys.exit(str(error))
