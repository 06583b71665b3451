"""AsyncHiveMessageBusClient: a satellite's connection with its hub, for asyncio."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Optional, Union

from hivemind_core_client.aio.asking import AsyncAsker
from hivemind_core_client.aio.base_worker import AsyncBaseWorker
from hivemind_core_client.aio.connecting import enter, until_connected, until_finished
from hivemind_core_client.aio.mailbox import AsyncMailbox, Running
from hivemind_core_client.aio.sound import AsyncSound, ask_audio
from hivemind_core_client.aio.talking import AsyncTalker
from hivemind_core_client.aio.waiting import AsyncEvent, AsyncNotifier, MessageReader, off_loop, read_along
from hivemind_core_client.aio.worker import AsyncWorker
from hivemind_core_client.kernel import questions
from hivemind_core_client.kernel.conversation import QUIET_S
from hivemind_core_client.kernel.lifecycle import ClientState
from hivemind_core_client.shell.base import BaseClient
from hivemind_core_client.shell.links import new_link
from hivemind_core_client.shell.waiters import (
    OVOS_PACKET,
    PAYLOAD_PACKETS,
    checked_seconds,
    patience_of,
    payload_named,
    reply_type_of,
)
from hivemind_core_client.transports.forms_asyncio import new_transport
from hivemind_core_client.wire.errors import ClientClosed
from hivemind_core_client.wire.message import AnyBinaryType, HiveMessage, HiveMindBinaryPayloadType
from hivemind_core_client.wire.packet import as_packet

if TYPE_CHECKING:
    from ovos_bus_client.message import Message

    from hivemind_core_client.aio.answers import AsyncAnswerStream
    from hivemind_core_client.kernel.collect_calls import Enough
    from hivemind_core_client.kernel.progress import Progress
    from hivemind_core_client.kernel.questions import HiveAnswer
    from hivemind_core_client.shell.protocols import Handler
    from hivemind_core_client.shell.slave_protocol import HiveMindSlaveProtocol
    from hivemind_core_client.shell.sound import Audio, AudioAnswer
    from hivemind_core_client.shell.waiters import Names
    from hivemind_core_client.transports.base import AsyncTransport
    from hivemind_core_client.wire.answer import Answer
    from hivemind_core_client.wire.hive_map import HiveMapper

_UNDEFINED = HiveMindBinaryPayloadType.UNDEFINED
# asyncio only
# Whoever lacks the extra is told when he imports the client, not when he connects.
import_module("hivemind_core_client.transports.websocket_asyncio")
# end of asyncio only


class AsyncHiveMessageBusClient(BaseClient):
    """A satellite's connection with its hub, in the place of an OVOS bus, on one event loop.

    `key`, `password`, `host` and `port` come from the argument, else the environment (HIVEMIND_KEY, …), else the
    profile named by `profile`, else `identity`: a NodeIdentity (default: the shared identity file). Arguments are never
    saved there. All times are in seconds.

    - `host`: `h`, `ws://h`, `wss://h/path`, `http://h`, or the URL of another installed transport.
    - `crypto_key`: a pre-shared key of 16, 24 or 32 characters (protocol version 0).
    - `hub_key`: the hub's RSA key (PEM), to be pinned.
    - `self_signed`: what to do with a certificate that does not verify. True pins it, False refuses it.
    - `ca_file` or `ssl_context`: what certificates are checked against.
    - `max_protocol_version`: the highest to use (default: 3, or the best that the hub and this Python can).
    - `ciphers`, `encodings`: wire names, the best first. `binarize`: use binary frames where the hub allows them.
    - `compress`: True, False, or None for whichever is shorter. `outbox`: an Outbox, for while the hub is away.
    - `plugins`: names, modules or objects. `blocked_plugins`: names. `transport_options`: by name, for the transport of
      the address. `internal_bus`: the OVOS bus of this device, if it has one.
    - `query_timeout`: how long to wait for the answer to a QUERY (0: no limit).
    - `websocket_connect_timeout`: how long each phase up to the hub's HELLO may take.
    - `websocket_ping_interval`: a ping is sent after this much silence (0: never; default: 30).
    - `websocket_ping_timeout`: the connection is lost if no ping is answered in this time (default: 20).
    - `trace`: called with a line for each step of the connection; True prints them on stderr (default: HIVEMIND_TRACE).

    Await every method that waits. A handler may be a function or a coroutine function: functions run in order,
    coroutines beside them. `async for message in client:` gives every HiveMessage that arrives. Make all calls on the
    loop that connects. Handlers run on it, also those of an `internal_bus` with its own threads. You may make the
    client without a loop. Once it is closed, you may use it in another loop.

    Raises IdentityNotSet, InvalidCredential, InvalidOption, UnknownCipher, UnknownEncoding or PluginError.
    """

    connected_event: AsyncEvent
    handshake_event: AsyncEvent
    mailbox: AsyncMailbox
    _worker: AsyncBaseWorker
    # asyncio only
    #: How many are in `close` just now.
    _closing = 0
    # end of asyncio only

    # connecting and closing

    async def connect(
        self,
        bus: Any = None,
        protocol: Optional[HiveMindSlaveProtocol] = None,
        site_id: Optional[str] = None,
        handshake_max_retries: Optional[int] = None,
    ) -> None:
        """Connect, and return when there is a session. From then on the client reconnects by itself.

        `bus` becomes the internal bus, `site_id` the site of this satellite. After the first attempt there are at most
        `handshake_max_retries` more (default: `connect_retries`, 0). With a `protocol` object the default is no limit.
        Raises the error of the last attempt: HubUnreachable, HubTimeout, KeyRefused, PasswordRefused, … After a refusal
        there is no further attempt.
        """
        self._take(bus, protocol, site_id)
        retries = self._retries(handshake_max_retries, protocol)
        await until_connected(self, retries, self._start(retries))

    def run_in_thread(self) -> Running:
        """Connect in the background, with no limit of attempts. Returns what it runs in. `connect` waits instead."""
        self._start(None)
        return self._worker.running

    async def run_forever(self, *args: Any, **kwargs: Any) -> None:
        """Wait until the client is closed or refused. Connects first if needed. Raises the refusal."""
        await until_finished(self, self._start(None))

    async def wait_for_handshake(self, timeout: float = 5.0, max_retries: Optional[int] = None) -> None:
        """Return when there is a session, such as after a reconnection. `connect` has waited for it already.

        Waits `timeout` seconds, and then `max_retries` times as long again. If `max_retries` is None, it waits as long
        as attempts are made, and before `connect` for `timeout` seconds. Raises a RuntimeError that tells why there is
        no session: NotConnected, HubTimeout, or at once what refused or closed the client.
        """
        self.profile.history.check()
        await self._worker.wait_for_session(*patience_of(timeout, max_retries))

    async def close_connection(self) -> None:
        """End this connection, but not the client. It connects again at once, as after any loss."""
        await self._worker.break_off()

    async def close(self, timeout: Optional[float] = None) -> None:
        """End the session, everything that runs for it, and all waits.

        You may call it more than once, and from anywhere, also in handlers. Each wait in it takes `timeout` seconds at
        most (default: `deadlines.close`).
        """
        seconds = self.deadlines.close if timeout is None else checked_seconds("timeout", timeout)
        # asyncio only
        if await self.mailbox.close_at_home(partial(self.close, timeout), seconds):
            return
        self._closing += 1
        # end of asyncio only
        worker = self._worker
        self._begin_closing(worker)
        try:
            await worker.stop(seconds)
            if worker is self._worker:  # else a handler has connected anew meanwhile
                self.waiters.close()
                await self.mailbox.close(seconds)
        finally:
            # asyncio only
            self._closing -= 1
            # end of asyncio only
            self._shut(worker)

    async def __aenter__(self) -> AsyncHiveMessageBusClient:
        """Connect."""
        await enter(self)
        return self

    async def __aexit__(self, *exception: object) -> None:
        """Close."""
        await self.close()

    async def round_trip(self, timeout: float = 5.0) -> float:
        """Seconds of a ping by the transport (HTTP: of a poll), else of the hive. Raises HubTimeout, NotConnected."""
        return await self._asker.round_trip(self._worker, timeout)

    # talking

    async def ask(
        self,
        question: Union[str, Message, HiveMessage],
        lang: Optional[str] = None,
        timeout: float = 10.0,
        *,
        quiet: float = QUIET_S,
    ) -> Answer:
        """Say something to the hub, and return its answer: an Answer, whose `text` is all that it said.

        `lang` is the language of a text, such as `en-us` (default: the hub's). A Message or HiveMessage is sent as it
        is. Returns when the hub says that it is done, or when it is silent for `quiet` seconds after an answer. After
        `timeout` seconds it returns what has come so far. Raises QueryTimeout if nothing came, MessageDenied, the error
        that ended the connection before anything came, InvalidOption for an empty text, and what `emit` raises.
        """
        seconds = checked_seconds("timeout", timeout), checked_seconds("quiet", quiet)
        return await self._talker.ask(question, lang, *seconds)

    async def say(self, text: Union[str, Message, HiveMessage], lang: Optional[str] = None) -> None:
        """Say something as `ask` does, but wait for no answer: handlers get it. Raises what `emit` raises."""
        await self._talker.say(text, lang)

    async def ask_audio(
        self, audio: Audio, lang: Optional[str] = None, timeout: float = 10.0, speech: Optional[bool] = None
    ) -> AudioAnswer:
        """Send a spoken question, a WAV file, to the hub. Returns the answer as text and as speech.

        `audio` is the path of the file, or its bytes. The hub writes down the question, answers as to `ask`, and speaks
        the answer. `speech` False leaves out the speech; so does None while `sound.hear_answers` is on. Each of the
        three steps takes `timeout` seconds at most. Raises what `sound.transcribe`, `ask` and `sound.speak` raise.
        """
        return await ask_audio(self, audio, lang, timeout, speech)

    # sending

    async def emit(
        self, message: Any, binary_type: AnyBinaryType = _UNDEFINED, progress: Optional[Progress] = None
    ) -> None:
        """Send a HiveMessage, or an OVOS Message as BUS, which reaches the local handlers of its type too.

        `binary_type` is for BINARY, and is used instead of the message's own. `progress(written, total)` is called with
        bytes while the frame is written, which helps with large ones. Waits up to `deadlines.send` for a session, or
        keeps the message in the `outbox`. Raises NotConnected, ConnectionLost, HubRefused or OutboxFull if the message
        was neither sent nor kept, and InvalidMessage if it cannot be sent.
        """
        self._bridge.from_us(await self._worker.send(as_packet(message, binary_type), progress))

    async def emit_mycroft(self, message: Any) -> None:
        """Send an OVOS Message as BUS. Raises what `emit` raises."""
        await self.emit(message)

    async def emit_intercom(self, message: Any, pubkey: str) -> None:
        """Send a Message or HiveMessage that only the owner of `pubkey` (PEM text) can read, signed by this node.

        It goes through the hive in a PROPAGATE. If this node has no RSA key, one is made. Nobody confirms the message.
        Raises PluginError without the INTERCOM plugin, InvalidMessage for what cannot be sealed, and what `emit`
        raises.
        """
        letter = questions.sealed_letter(self.profile.registry, as_packet(message), pubkey)
        await off_loop(self.profile.private_key)
        await self.emit(letter)

    # waiting for a message

    async def wait_for_message(
        self, message_type: Names, timeout: Optional[float] = 3.0
    ) -> Optional[HiveMessage]:
        """The next message of a hive type, or BUS message of an OVOS type; None after `timeout` seconds."""
        return await self._asker.next(self._named(message_type), timeout)

    async def wait_for_payload(
        self, payload_type: Names, message_type: Names = PAYLOAD_PACKETS, timeout: Optional[float] = 3.0
    ) -> Optional[HiveMessage]:
        """The next `message_type` message whose payload is of `payload_type`; None after `timeout` seconds."""
        return await self._asker.next(payload_named(payload_type, message_type), timeout)

    async def wait_for_mycroft(
        self, mycroft_msg_type: Names, timeout: Optional[float] = 3.0
    ) -> Optional[HiveMessage]:
        """The next BUS message that carries this OVOS type; None after `timeout` seconds."""
        return await self.wait_for_payload(mycroft_msg_type, OVOS_PACKET, timeout)

    async def wait_for_response(
        self, message: Any, reply_type: Optional[Names] = None, timeout: Optional[float] = 3.0
    ) -> Optional[HiveMessage]:
        """Send, and return the answer of type `reply_type`, or None after `timeout` seconds.

        The default of `reply_type` is TYPE.response for an OVOS Message, else the message's own type. If the connection
        ends, you get None at once: the answer can no longer come. Raises MessageDenied, and what `emit` raises.
        """
        packet = as_packet(message)
        return await self._asker.reply(
            packet, self._named(reply_type or reply_type_of(message, packet)), timeout
        )

    async def wait_for_payload_response(
        self,
        message: Any,
        payload_type: Names,
        reply_type: Optional[Names] = None,
        timeout: Optional[float] = 3.0,
    ) -> Optional[HiveMessage]:
        """Send, and return the `reply_type` message (default: of the same type) whose payload is of `payload_type`."""
        packet = as_packet(message)
        return await self._asker.reply(
            packet, payload_named(payload_type, reply_type or packet.msg_type), timeout
        )

    # asking the hive

    async def query(self, message: Any, timeout: Optional[float] = None) -> AsyncAnswerStream:
        """Ask the hub, then its own hub, and so on, until one answers. Returns when the first answer is there.

        `message` is an OVOS Message, or a QUERY message. Iterate over the result to get all answers; `.first` is the
        first. `timeout` is how long to wait for each, in seconds (default: `query_timeout`; 0: no limit). Raises
        QueryTimeout when nobody answers, MessageDenied when the hub does not allow the message, and the error that
        ended the connection.
        """
        patience = self.query_timeout if timeout is None else checked_seconds("timeout", timeout)
        return await self._asker.query(message, patience)

    async def cascade(self, message: Any, timeout: float = 5.0) -> list[HiveAnswer]:
        """Ask the whole hive, and return all answers that come within `timeout` seconds.

        `message` is an OVOS Message, or a CASCADE message. Returns earlier if as many nodes have given all their
        answers as answered the last `ping`. Raises QueryTimeout if nobody answers, MessageDenied, and the error that
        ended the connection.
        """
        return await self._asker.cascade(message, checked_seconds("timeout", timeout))

    async def answer(self, request: HiveMessage, *messages: Any) -> None:
        """Answer a QUERY or CASCADE that a handler of `on(HiveMessageType.CASCADE, …)` got, with OVOS Messages.

        Give all messages in one call: the asker is told that these are all. Raises InvalidMessage if `request` is no
        question, and what `emit` raises.
        """
        for packet in questions.answers_to(request, self.peer, messages):
            await self.emit(packet)

    async def ping(self, timeout: float = 5.0, settle: float = 1.0) -> HiveMapper:
        """Send a PING through the whole hive, and return a map of the nodes that answered this one.

        Returns when nothing new has come for `settle` seconds, at the latest after `timeout` seconds. The map is a
        copy. `hive_map` also gets later answers, and keeps the nodes that answered before. Hub 4.0.0 does not support
        this: it ends the connection, and this raises ConnectionLost.
        """
        return await self._asker.flood(checked_seconds("timeout", timeout), checked_seconds("settle", settle))

    # collect-calls of OVOS

    async def collect_responses(
        self,
        message: Message,
        min_timeout: Union[int, float] = 0.2,
        max_timeout: Union[int, float] = 3.0,
        direct_return_func: Enough = None,
    ) -> list[Message]:
        """Send an OVOS Message to many, and return the OVOS Messages of those who answer it by `on_collect`.

        Others have `min_timeout` seconds to say that they will answer. Then this waits for all of them, `max_timeout`
        seconds at most. It returns earlier, with what has come, when `direct_return_func(response)` is true or the
        connection ends. Raises MessageDenied, and what `emit` raises.
        """
        seconds = checked_seconds("min_timeout", min_timeout), checked_seconds("max_timeout", max_timeout)
        return await self._asker.collect(message, *seconds, direct_return_func)

    def _answering(self, func: Handler, seconds: float) -> Handler:
        return self._asker.answering(func, seconds)

    # asyncio only
    def __aiter__(self) -> MessageReader:
        """Every HiveMessage that arrives from now on, until the client is closed; raises what refused it.

        Reconnecting goes unnoticed. A reader that is 10,000 messages behind loses what comes then: it is logged, and
        counted in its `dropped`.
        """
        is_over = self._worker.is_finished or self._closed
        return read_along(
            self.waiters, is_over, lambda: self.last_error if self.state is ClientState.REFUSED else None
        )

    @property
    def _runs(self) -> bool:
        """Whether a worker keeps this client connected, on the loop that asks."""
        return super()._runs and self.mailbox.is_at_home()

    def _start(self, retries: Optional[int]) -> bool:
        if self._closing and not self._runs:
            raise ClientClosed("the client is being closed: connect when close() has returned")
        if isinstance(self._worker, AsyncWorker):
            self._worker.check_free()
        return super()._start(retries)

    # end of asyncio only
    def _make_parts(self) -> None:
        super()._make_parts()
        self._asker = AsyncAsker(self, self._calls, self._new_notifier, lambda: self._worker.lifecycle.loss())
        self._talker = AsyncTalker(self, self._new_notifier, lambda: self._worker.lifecycle.loss())
        self.sound = AsyncSound(self, self._asker)

    def _new_event(self) -> AsyncEvent:
        return AsyncEvent()

    def _new_notifier(self) -> AsyncNotifier:
        return AsyncNotifier()

    def _new_mailbox(self) -> AsyncMailbox:
        return AsyncMailbox()

    def _new_worker(self) -> AsyncBaseWorker:
        return AsyncWorker(
            self.profile,
            partial(new_link, self.profile),
            self.mailbox,
            self._new_transport,
            self.deadlines,
            self._backoff,
        )

    def _new_transport(self) -> AsyncTransport:
        return new_transport(self.profile.transport, self.transport_settings())
