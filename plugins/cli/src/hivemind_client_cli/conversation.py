"""What goes on in the terminal: what you say, what the hub says, what stays without an answer, and the commands."""

from __future__ import annotations

import re
import threading
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Callable

from hivemind_client_cli.answers import no_answer
from hivemind_client_cli.colours import Part
from hivemind_client_cli.output import aligned
from hivemind_client_cli.ovos_messages import SPEAK, UTTERANCE, as_text
from hivemind_client_cli.peer_text import handshake_of, plain, who
from hivemind_core_client.errors import HiveMindError
from hivemind_core_client.kernel.conversation import UTTERANCES
from hivemind_core_client.message import HiveMessage, HiveMessageType
from hivemind_core_client.wire.speech import SPEECH, OnceSaid

if TYPE_CHECKING:
    from hivemind_client_cli.output import Output
    from hivemind_core_client import HiveMessageBusClient
    from hivemind_core_client.errors import MessageDenied

#: How `/lang` wants a language.
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*\Z")
#: The commands, with what they take and do.
COMMANDS: Mapping[str, tuple[str, str]] = {
    "/help": ("", "show this"),
    "/lang": ("[LANG]", "say in which language you type, such as en-US; without LANG: show it"),
    "/session": ("[new|NAME]", "begin a new session, or take that of this name; without: show it"),
    "/quit": ("", "leave, as Ctrl-D does"),
}
#: What a hub says that denies all, since its OVOS is not there.
_UNAVAILABLE = "backend_unavailable"
_TO_SAY_IT = "To say something that begins with /, begin it with //."


class Conversation:
    """One talk with the hub. `show` prints the parts of a line; it is called from the client's threads too."""

    def __init__(
        self,
        output: Output,
        client: HiveMessageBusClient,
        lang: str | None,
        timeout: float,
        show: Callable[..., None],
    ) -> None:
        self._output = output
        self._client = client
        self._lang = lang
        self._timeout = timeout
        self._show = show
        self._lock = threading.Lock()
        #: What was said and has no answer yet, by the timer that tells so.
        self._waiting: dict[threading.Timer, str] = {}
        #: What was denied since something was said, by the type of the message.
        self._denials: dict[str, HiveMindError] = {}
        self._said = OnceSaid()
        self.is_over = False
        client.on(HiveMessageType.BUS, self._heard)
        client.on("denied", self._denied)
        client.on("close", self._forget)

    def greeting(self) -> str:
        """Who the hub is, and what one can do."""
        client, agreed = self._client, self._client.negotiated
        name = client.hub.node_id if client.hub is not None else ""
        how = f", protocol version {agreed.version}, {handshake_of(agreed)}" if agreed is not None else ""
        return (
            f"Connected to the hub {who(name)} at {client.host}:{client.port}{how}.\n"
            "Type what you would say. /help shows the commands, Ctrl-D leaves."
        )

    def take(self, line: str) -> None:
        """Say a line, or do the command that it is."""
        name, _, argument = line.partition(" ")
        if line.startswith("//"):
            self._say(line[1:])
        elif not line.startswith("/"):
            self._say(line)
        elif name in COMMANDS:
            self._commands[name](self, argument.strip())
        else:
            self.remark(f"there is no {name}: /help shows the commands. {_TO_SAY_IT}")

    def end(self) -> None:
        """Wait for no answer any more."""
        self._forget()

    def remark(self, text: str) -> None:
        """Show what neither side has said."""
        self._show(Part("remark", f"[{text}]"))

    def _say(self, text: str) -> None:
        timer = threading.Timer(self._timeout, lambda: self._unanswered(timer))
        timer.daemon = True
        with self._lock:
            self._waiting[timer] = text  # before it leaves: the answer may be quick
        self._denials, self._said = {}, OnceSaid()
        try:
            self._client.say(text, self._lang)
        except HiveMindError as error:
            self._answered(timer)
            self._show_error(error)
            return
        timer.start()

    def _heard(self, message: HiveMessage) -> None:
        """Show speech, and nothing of any other message."""
        payload = message.raw_payload
        if payload.get("type") in SPEECH:
            self._forget()
            self._hub_says(payload["type"], as_text(payload))

    def _hub_says(self, name: str, text: str) -> None:
        if not self._said.is_new(name, text):
            return
        # Lines that follow stand below the first, and not where one types.
        self._show(
            Part("sender", "hub> "), Part("speech", text.replace("\r\n", "\n").replace("\n", "\n     "))
        )

    def _denied(self, error: MessageDenied) -> None:
        """Show a denial. `say` says what is denied by one name by the other, so that is not the end of it."""
        name = error.msg_type or UTTERANCE
        self._denials.setdefault(name, error)
        others = [
            each
            for each in UTTERANCES
            if each not in self._denials and (error.allowed is None or each in error.allowed)
        ]
        if name in UTTERANCES and others and error.code != _UNAVAILABLE:
            return
        self._forget()
        self._show_error(next(iter(self._denials.values())))
        self._denials = {}

    def _show_error(self, error: HiveMindError) -> None:
        self._show(Part("error", f"error: {self._output.worded(error)}"))

    def _unanswered(self, timer: threading.Timer) -> None:
        text = self._answered(timer)
        if text is not None:
            reason = self._output.worded(no_answer(SPEAK, UTTERANCE, self._timeout))
            self.remark(f"no answer to {text!r}: {reason}")

    def _answered(self, timer: threading.Timer) -> str | None:
        """What this timer was for, if there was no answer yet."""
        with self._lock:
            return self._waiting.pop(timer, None)

    def _forget(self) -> None:
        """All that was said has its answer, as far as anybody can tell: an answer does not say what it answers."""
        with self._lock:
            timers = list(self._waiting)
            self._waiting.clear()
        for timer in timers:
            timer.cancel()

    # --- the commands

    def _help(self, _: str) -> None:
        rows = {f"{name} {takes}".strip(): text for name, (takes, text) in COMMANDS.items()}
        self._show(Part("remark", f"{aligned(rows)}\n{_TO_SAY_IT}"))

    def _language(self, wanted: str) -> None:
        if wanted and not _LANGUAGE.match(wanted):
            self.remark(f"{plain(wanted)} is no language: write it like en-US")
            return
        self._lang = wanted or self._lang
        self.remark(f"you type in {self._lang}" if self._lang else "you type in the language of the hub")

    def _session(self, wanted: str) -> None:
        if wanted:
            self._client.session_id = str(uuid.uuid4()) if wanted == "new" else wanted
        self.remark(f"the session is {plain(self._client.session_id)}")

    def _quit(self, _: str) -> None:
        self.is_over = True

    _commands: Mapping[str, Callable[[Conversation, str], None]] = {
        "/help": _help,
        "/lang": _language,
        "/session": _session,
        "/quit": _quit,
    }
