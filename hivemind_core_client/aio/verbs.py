"""The verbs that wait and ask, awaited: those of waiting.py and hive_verbs.py for an event loop."""

from __future__ import annotations

import asyncio
from typing import Any, Optional

from hivemind_core_client.aio.waiting import (
    AsyncAnswerStream,
    AsyncGatherer,
    AsyncWaiter,
    gather_all,
    wait_for_quiet,
)
from hivemind_core_client.kernel import questions
from hivemind_core_client.kernel.questions import Answer, Answers
from hivemind_core_client.plugins import asking
from hivemind_core_client.shell.properties import SatelliteProperties, bound
from hivemind_core_client.shell.waiters import Matcher, Names, Waiters, message_named, payload_named
from hivemind_core_client.sync.waiting import OVOS_PACKET, PAYLOAD_PACKET, as_packet, reply_type_of
from hivemind_core_client.wire.hive_map import HiveMapper
from hivemind_core_client.wire.message import HiveMessage


class AsyncVerbs(SatelliteProperties):
    """Waiting and asking, for a client that has `waiters` and can `emit`."""

    waiters: Waiters

    async def emit(self, message: Any) -> None:
        """Send a message."""
        raise TypeError("a client brings its own emit")

    async def wait_for_message(
        self, message_type: Names, timeout: Optional[float] = 3.0
    ) -> Optional[HiveMessage]:
        """The next message of a hive type, or BUS message of an OVOS type; None after `timeout` seconds."""
        return await self._wait(self._waiter(message_named(message_type)), timeout)

    async def wait_for_payload(
        self,
        payload_type: Names,
        message_type: Names = PAYLOAD_PACKET,
        timeout: Optional[float] = 3.0,
    ) -> Optional[HiveMessage]:
        """The next `message_type` message whose payload is of `payload_type`; None after `timeout` seconds."""
        return await self._wait(self._waiter(payload_named(payload_type, message_type)), timeout)

    async def wait_for_mycroft(
        self, mycroft_msg_type: Names, timeout: Optional[float] = 3.0
    ) -> Optional[HiveMessage]:
        """The next BUS message that carries this OVOS type; None after `timeout` seconds."""
        return await self.wait_for_payload(mycroft_msg_type, OVOS_PACKET, timeout)

    async def wait_for_response(
        self, message: Any, reply_type: Optional[Names] = None, timeout: Optional[float] = 3.0
    ) -> Optional[HiveMessage]:
        """Send, and return the answer of type `reply_type`; None after `timeout` seconds.

        `reply_type` defaults to TYPE.response for an OVOS Message, and to the message's own type else. None comes
        at once when the connection ends, since the answer cannot come any more. Raises like `emit`.
        """
        packet = as_packet(message)
        return await self._ask(packet, message_named(reply_type or reply_type_of(packet)), timeout)

    async def wait_for_payload_response(
        self,
        message: Any,
        payload_type: Names,
        reply_type: Optional[Names] = None,
        timeout: Optional[float] = 3.0,
    ) -> Optional[HiveMessage]:
        """Send, and return the `reply_type` message (default: of the same type) whose payload is of `payload_type`."""
        packet = as_packet(message)
        return await self._ask(packet, payload_named(payload_type, reply_type or packet.msg_type), timeout)

    async def query(self, message: Any, timeout: Optional[float] = None) -> AsyncAnswerStream:
        """Ask upwards: the hub, its own hub, and on, until one answers. Returns when the first answer is there.

        `message` is an OVOS Message, or a QUERY message. `async for` over what is returned gives the whole stream of
        answers; `.first` is the first. `timeout` bounds the wait for each, in seconds (default:
        `query_timeout`; 0: for ever). Raises QueryTimeout when nobody answers, MessageDenied when the hub does not
        take the message, and what ended the connection.
        """
        patience = self.query_timeout if timeout is None else bound("timeout", timeout)
        asked = questions.query(message)
        answers = Answers(asked)
        with asking.patient(self.profile.context, asked, patience):
            gatherer = await self._asking(asked, AsyncGatherer(answers.take, lambda: answers.over))
        stream = AsyncAnswerStream(answers, gatherer, self.waiters, patience, self._loss)
        try:
            await stream.fetch()
        except BaseException:
            self.waiters.remove(gatherer)
            raise
        return stream

    async def cascade(self, message: Any, timeout: float = 5.0) -> list[Answer]:
        """Ask the whole hive, and return all answers that come within `timeout` seconds.

        `message` is an OVOS Message, or a CASCADE message. Returns earlier when as many nodes have given all their
        answers as answered the last `ping`. Raises QueryTimeout without an answer, MessageDenied, and what ended the
        connection.
        """
        seconds = bound("timeout", timeout)
        asked = questions.cascade(message)
        answers = Answers(asked, expected=self.hive_map.responders(self.peer))
        with asking.patient(self.profile.context, asked, seconds):
            gatherer = await self._asking(asked, AsyncGatherer(answers.take, lambda: answers.over))
        try:
            return await gather_all(answers, gatherer, seconds, self._loss)
        finally:
            self.waiters.remove(gatherer)

    async def answer(self, request: HiveMessage, *messages: Any) -> None:
        """Answer a QUERY or CASCADE that a handler of `on(HiveMessageType.CASCADE, …)` got, with OVOS Messages.

        Say it all in one call: the asker is told that this was all. Raises InvalidMessage for what is no question,
        and like `emit`.
        """
        for packet in questions.answers_to(request, self.peer, messages):
            await self.emit(packet)

    async def ping(self, timeout: float = 5.0, settle: float = 1.0) -> HiveMapper:
        """Flood the hive with a PING, and return a map of those who answered: who has left is not in it.

        Returns once nothing new has come for `settle` seconds, after `timeout` seconds at most. The map is a copy;
        answers that come later are in `hive_map`, which also keeps who answered before. Hubs of version 4.0.0
        take no part: they drop the connection, and this raises ConnectionLost.
        """
        seconds, quiet = bound("timeout", timeout), bound("settle", settle)
        flood_id, flood = questions.flood()
        hive_map = self.hive_map
        gatherer = await self._asking(flood, AsyncGatherer(questions.may_answer_flood))
        try:
            # Our own PING is the first that the map knows of.
            await wait_for_quiet(gatherer, lambda: hive_map.answers(flood_id) - 1, seconds, quiet)
        finally:
            self.waiters.remove(gatherer)
        if gatherer.lost and hive_map.answers(flood_id) <= 1:
            raise self._loss()
        if not gatherer.lost:
            hive_map.finish(flood_id)
        return hive_map.of_flood(flood_id)

    async def emit_intercom(self, message: Any, pubkey: str) -> None:
        """Send a Message or HiveMessage that only the owner of `pubkey` (PEM text) can read, signed by this node.

        It travels through the hive in a PROPAGATE. A node without an RSA key makes one. There is no
        acknowledgement. Raises PluginError without the INTERCOM plugin, InvalidMessage for what cannot be
        sealed, and like `emit`.
        """
        letter = questions.sealed_letter(self.profile.registry, as_packet(message), pubkey)
        await asyncio.get_running_loop().run_in_executor(None, self.profile.private_key)
        await self.emit(letter)

    def _waiter(self, matches: Matcher, request: bool = False) -> AsyncWaiter:
        waiter = AsyncWaiter(matches, request)
        self.waiters.join(waiter)
        return waiter

    async def _wait(self, waiter: AsyncWaiter, timeout: Optional[float]) -> Optional[HiveMessage]:
        try:
            return await waiter.result(timeout)
        finally:
            self.waiters.remove(waiter)

    async def _ask(
        self, packet: HiveMessage, matches: Matcher, timeout: Optional[float]
    ) -> Optional[HiveMessage]:
        waiter = self._waiter(matches, request=True)
        try:
            await self.emit(packet)
        except BaseException:  # such as a cancellation: nobody is left behind
            self.waiters.remove(waiter)
            raise
        return await self._wait(waiter, timeout)

    async def _asking(self, asked: HiveMessage, gatherer: AsyncGatherer) -> AsyncGatherer:
        """Send a question, with somebody listening before it leaves."""
        self.waiters.join(gatherer)
        try:
            await self.emit(asked)
        except BaseException:  # such as a cancellation: nobody is left behind
            self.waiters.remove(gatherer)
            raise
        return gatherer
