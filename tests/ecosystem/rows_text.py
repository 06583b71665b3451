"""Programs that people type into."""

from __future__ import annotations

import json
from urllib.parse import urlencode

from tests.interop.hubs import RealHub
from tests.interop.processes import free_port, is_listening, wait_until

from .browser import Browser
from .environments import OVOS, EnvironmentSpec
from .outside import get, post
from .running import SECONDS, Run, is_of_session, wait_for_text
from .table import TWO_HUBS, program

TERMINAL = EnvironmentSpec("terminal", ("hivemind-cli==1.0.2a1", *OVOS))
#: Bridges to chats, and what else agrees with them.
CHATS = EnvironmentSpec(
    "chats",
    (
        "deltachat==2.23.0",
        "hivemind-deltachat-bridge==0.1.5a1",
        "hivemind-flask-chatroom==1.0.2a1",
        "hivemind-hackchatbridge==0.1.5a1",
        "hivemind-matrix-bridge==0.3.0a1",
        "hivemind-mattermost-bridge==0.2.4a1",
        "hivemind-remi==1.0.1a1",
        "hivemind-rendezvous==2.0.0a4",
        "hivemind-twitch-bridge==0.0.6a1",
        "hivemind-whatsapp-bridge==0.1.0",
        "ovos-plugin-manager==2.12.5a1",
        "ovos-solver-hivemind-plugin==0.0.10a1",
        *OVOS,
    ),
)


@program("hivemind-cli", "1.0.2a1", "a line that is typed is answered", TERMINAL, hubs=TWO_HUBS, smoke=True)
def hivemind_cli(hub: RealHub, run: Run) -> None:
    credentials = ["--access-key", run.key, "--password", run.password]
    terminal = run.start(
        "hivemind-cli", *credentials, "--host", run.host, "--port", str(run.port), "--no-curses", fed=True
    )
    wait_for_text(terminal, "ask mycroft:")
    terminal.feed(f"hello from {run.name}\n")
    wait_for_text(terminal, f"you said: hello from {run.name}")
    message = run.arrived(f"hello from {run.name}")
    assert message["data"]["lang"] == "en-us"


@program(
    "hivemind-flask-chatroom", "1.0.2a1", "two users of the page get their own answers", CHATS, hubs=TWO_HUBS
)
def flask_chatroom(hub: RealHub, run: Run) -> None:
    run.set_identity()
    port = free_port()
    options = ["--host", "127.0.0.1", "--port", str(port), "--log-path", "stdout"]
    chatroom = run.start("hivemind-flask-chatroom", *options)
    chatroom.wait_for(lambda: is_listening(port), SECONDS, "page")
    page = f"http://127.0.0.1:{port}"
    for user in ("anna", "bert"):
        text = f"hello of {user} from {run.name}"
        form = {"username": user, "lang": "en-us", "site_id": "flask", "message": text}
        post(f"{page}/send_message", urlencode(form).encode(), "application/x-www-form-urlencoded")
        assert is_of_session(run.arrived(text), user)
        answer = f"@{user} - you said: {text}"
        assert wait_until(lambda: answer in _messages(page), SECONDS), _messages(page)  # noqa: B023 - it is asked here


def _messages(page: str) -> list[str]:
    return [message["message"] for message in json.loads(get(f"{page}/messages"))]


@program("hivemind-remi", "1.0.1a1", "its page connects, and shows the answer", CHATS)
def remi(hub: RealHub, run: Run) -> None:
    port = free_port()
    page = run.script("page", str(port))
    page.wait_for(lambda: is_listening(port), SECONDS, "page")
    text = f"hello from {run.name}"
    browser = Browser(port)
    try:
        for field, content in enumerate((run.host, str(run.port), run.key, run.password)):
            browser.fill_in(field, content)
        browser.press("Connect")
        browser.wait_for("Connected to HiveMind!", SECONDS)
        browser.fill_in(-1, text)
        browser.press("Send")
        browser.wait_for(f"you said: {text}", SECONDS)
    finally:
        browser.close()
    assert run.arrived(text)["data"]["lang"] == "en-us"
