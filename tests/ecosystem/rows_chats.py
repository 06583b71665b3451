"""Bridges between a chat and the hive: the chat is played here, and what the bridge does in the hive is real."""

from __future__ import annotations

import json
import queue
from pathlib import Path
from typing import Any

from tests.interop.hubs import RealHub
from tests.interop.processes import HarnessError, free_port, is_listening

from .outside import Channel, Homeserver, http_server, post
from .rows_text import CHATS
from .running import SECONDS, Run, is_of_session, wait_for_text
from .table import TWO_HUBS, program

#: Libraries of chats, played: they come before the real ones.
STUBBED = {"PYTHONPATH": str(Path(__file__).with_name("stubs"))}


@program("hivemind-mattermost-bridge", "0.2.4a1", "a direct message is answered in its channel", CHATS)
def mattermost(hub: RealHub, run: Run) -> None:
    chat = ["--mail", "bot@example.org", "--pswd", "secret", "--url", "chat.example.org"]
    bridge = run.start(
        "hivemind-mattermost-bridge", *chat, *_options(run, "--key"), fed=True, variables=STUBBED
    )
    wait_for_text(bridge, "logged in as bot@example.org")
    bridge.feed(f"hello from {run.name}\n")
    wait_for_text(bridge, f"posted channel-1 @anna , you said: hello from {run.name}")
    assert is_of_session(run.arrived(f"hello from {run.name}"), "mattermost-channel-1")


@program(
    "hivemind-deltachat-bridge", "0.1.5a1", "a mail is answered, by the asyncio client", CHATS, hubs=TWO_HUBS
)
def deltachat(hub: RealHub, run: Run) -> None:
    account = ["--email", "bot@example.org", "--email-password", "secret"]
    bridge = run.start("hm-deltachat-bridge", *account, *_options(run, "--key"), fed=True, variables=STUBBED)
    wait_for_text(bridge, "connected to HiveMind")
    bridge.feed(f"hello from {run.name}\n")
    wait_for_text(bridge, f"sent you said: hello from {run.name}")
    assert run.arrived(f"hello from {run.name}")["context"]["deltachat_addr"] == "anna@example.org"


@program("hivemind-hackchatbridge", "0.1.5a1", "a line in the channel is answered", CHATS)
def hackchat(hub: RealHub, run: Run) -> None:
    bridge = run.script("hackchat", "--channel", "hive", *_options(run, "--access-key"), fed=True)
    wait_for_text(bridge, "entered wss://hack.chat/chat-ws")
    bridge.feed(f"hello from {run.name}\n")
    wait_for_text(bridge, f"said @anna , you said: hello from {run.name}")
    assert is_of_session(run.arrived(f"hello from {run.name}"), "hackchat-anna")


@program("hivemind-twitch-bridge", "0.0.6a1", "a line in the channel is answered", CHATS)
def twitch(hub: RealHub, run: Run) -> None:
    text = f"hello from {run.name}"
    with Channel() as channel:
        chat = ["--channel", "hive", "--oauth", "oauth:secret"]
        run.script("twitch", str(channel.port), *chat, *_options(run, "--access-key"))
        channel.admit()
        channel.say(f"@bot {text}")
        _wait_for(channel.heard, f"PRIVMSG #hive :@anna , you said: {text}", run)
    assert is_of_session(run.arrived(text), "twitch-anna")


@program("hivemind-matrix-bridge", "0.3.0a1", "a message in the room is answered", CHATS)
def matrix(hub: RealHub, run: Run) -> None:
    run.set_identity()
    text = f"hello from {run.name}"
    server = Homeserver()
    with http_server(server.answer) as port:
        chat = [
            "--matrixhost",
            f"http://127.0.0.1:{port}",
            "--matrixtoken",
            "token",
            "--room",
            "#hive:localhost",
        ]
        bridge = run.start("HiveMind-matrix", "run", "--botname", "thehivebot", *chat)
        wait_for_text(bridge, "connected to HiveMind")
        server.say(f"thehivebot: {text}")
        _wait_for(server.heard, f"you said: {text}", run)
    assert is_of_session(run.arrived(text), "matrix-!room:localhost")


@program("hivemind-whatsapp-bridge", "0.1.0", "a message to the webhook is answered", CHATS)
def whatsapp(hub: RealHub, run: Run) -> None:
    text = f"hello from {run.name}"
    sent: queue.Queue[str] = queue.Queue()

    def cloud(method: str, path: str, content: dict[str, Any]) -> dict[str, Any]:
        sent.put(f"{content['to']} {content['text']['body']}")
        return {}

    with http_server(cloud) as port:
        web_port = free_port()
        chat = [
            "--whatsapp-phone-number-id",
            "1",
            "--whatsapp-access-token",
            "t",
            "--whatsapp-verify-token",
            "v",
        ]
        web = ["--web-host", "127.0.0.1", "--web-port", str(web_port)]
        hive = ["--access-key", run.key, "--password", run.password, "--host", run.host]
        bridge = run.script(
            "whatsapp", f"http://127.0.0.1:{port}", *chat, *web, *hive, "--hivemind-port", str(run.port)
        )
        bridge.wait_for(lambda: is_listening(web_port), SECONDS, "webhook")
        message = {"type": "text", "text": {"body": text}, "from": "4912345"}
        body = {"entry": [{"changes": [{"value": {"messages": [message]}}]}]}
        post(f"http://127.0.0.1:{web_port}/webhook", json.dumps(body).encode(), "application/json")
        _wait_for(sent, f"4912345 you said: {text}", run)
    assert is_of_session(run.arrived(text), "whatsapp-4912345")


def _options(run: Run, key: str) -> list[str]:
    return [key, run.key, "--password", run.password, "--host", run.host, "--port", str(run.port)]


def _wait_for(heard: queue.Queue[str], text: str, run: Run) -> None:
    """Wait until the chat has heard `text`."""
    all_of_it = []
    try:
        while True:
            all_of_it.append(heard.get(timeout=SECONDS))
            if all_of_it[-1] == text:
                return
    except queue.Empty:
        raise HarnessError(f"the chat heard {all_of_it}, and not {text!r}\n{run.log()}") from None
