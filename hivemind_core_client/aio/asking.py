"""Waiting for what comes, and for what comes back: answers, the answers of the whole hive, collect-calls of OVOS."""

from __future__ import annotations

import secrets
from functools import partial, wraps
from time import perf_counter
from typing import TYPE_CHECKING, Callable, Optional

from hivemind_core_client.aio.answers import AsyncAnswerStream, gather_all, wait_for_quiet
from hivemind_core_client.aio.waiting import finished
from hivemind_core_client.kernel import questions
from hivemind_core_client.kernel.collect_calls import promised
from hivemind_core_client.kernel.questions import Answers
from hivemind_core_client.plugins import asking
from hivemind_core_client.shell.at_once import at_once
from hivemind_core_client.shell.waiters import Gatherer, OneShot, Waiter
from hivemind_core_client.wire.errors import again
from hivemind_core_client.wire.ovos import to_collection_message, to_message
from hivemind_core_client.wire.packet import as_packet

if TYPE_CHECKING:
    from ovos_bus_client.message import Message

    from hivemind_core_client.aio.base_worker import AsyncBaseWorker
    from hivemind_core_client.aio.client import AsyncHiveMessageBusClient
    from hivemind_core_client.aio.waiting import AsyncNotifier
    from hivemind_core_client.kernel.collect_calls import Collection, Enough
    from hivemind_core_client.kernel.questions import HiveAnswer
    from hivemind_core_client.shell.open_calls import OpenCalls
    from hivemind_core_client.shell.protocols import Handler
    from hivemind_core_client.shell.waiters import Matcher
    from hivemind_core_client.wire.errors import HiveMindError
    from hivemind_core_client.wire.hive_map import HiveMapper
    from hivemind_core_client.wire.message import HiveMessage


class AsyncAsker:
    """What one client waits for. `loss()` is the error for a question whose connection has ended."""

    def __init__(
        self,
        client: AsyncHiveMessageBusClient,
        calls: OpenCalls,
        new_notifier: Callable[[], AsyncNotifier],
        loss: Callable[[], HiveMindError],
    ) -> None:
        self._client = client
        self._calls = calls
        self._waiters = client.waiters
        self._mailbox = client.mailbox
        self._new_notifier = new_notifier
        self._loss = loss

    async def next(self, matches: Matcher, timeout: Optional[float]) -> Optional[HiveMessage]:
        """The next message that matches, or None after `timeout` seconds."""
        waiter = Waiter(matches, self._new_notifier())
        self._waiters.join(waiter)
        return await self._wait(waiter, timeout)

    def begin(self, matches: Matcher) -> OneShot[AsyncNotifier]:
        """A wait for the next message that matches, which `end` ends."""
        waiter = OneShot(matches, self._new_notifier())
        self._waiters.join(waiter)
        return waiter

    async def end(self, waiter: OneShot[AsyncNotifier], timeout: Optional[float]) -> Optional[HiveMessage]:
        """What a wait has got, now or within `timeout` seconds; None where nothing came."""
        try:
            return await self._wait(waiter, timeout)
        finally:
            waiter.stop()

    async def reply(
        self, packet: HiveMessage, matches: Matcher, timeout: Optional[float], or_loss: bool = False
    ) -> Optional[HiveMessage]:
        """Send, and return the first message that matches; None after `timeout` seconds.

        Where the connection ends meanwhile it is None too, unless `or_loss` is to raise what ended it.
        """
        waiter = Waiter(matches, self._new_notifier(), request=True)
        await self._send(packet, waiter)
        message = await self._wait(waiter, timeout)
        if or_loss and message is None and waiter.is_over:
            raise self._loss()
        return message

    async def query(self, message: Message | HiveMessage, patience: float) -> AsyncAnswerStream:
        """Ask upwards, and return once the first answer is there; see the client's `query`."""
        asked = questions.query(message)
        answers = Answers(asked)
        gatherer = Gatherer(answers.take, self._new_notifier(), lambda: answers.over)
        with asking.patient(self._client.profile.context, asked, patience):
            await self._send(asked, gatherer)
        stream = AsyncAnswerStream(
            answers, gatherer, self._waiters, self._mailbox, patience, partial(gatherer.why_lost, self._loss)
        )
        try:
            await stream.fetch()
        except BaseException:
            self._waiters.remove(gatherer)
            raise
        return stream

    async def cascade(self, message: Message | HiveMessage, seconds: float) -> list[HiveAnswer]:
        """Ask the whole hive, and return what comes within `seconds`; see the client's `cascade`."""
        client = self._client
        asked = questions.cascade(message)
        answers = Answers(asked, expected=client.hive_map.responders(client.peer))
        gatherer = Gatherer(answers.take, self._new_notifier(), lambda: answers.over)
        with asking.patient(client.profile.context, asked, seconds):
            await self._send(asked, gatherer)
        try:
            with self._mailbox.blocking():
                return await gather_all(answers, gatherer, seconds, partial(gatherer.why_lost, self._loss))
        finally:
            self._waiters.remove(gatherer)

    async def flood(self, seconds: float, settle: float) -> HiveMapper:
        """Flood the hive with a PING, and return the map of those who answered; see the client's `ping`."""
        flood_id, flood = questions.flood()
        hive_map = self._client.hive_map
        gatherer = Gatherer(questions.may_answer_flood, self._new_notifier())
        await self._send(flood, gatherer)
        try:
            with self._mailbox.blocking():
                # Our own PING is the first that the map knows of.
                await wait_for_quiet(gatherer, lambda: hive_map.answers(flood_id) - 1, seconds, settle)
        finally:
            self._waiters.remove(gatherer)
        if gatherer.lost and hive_map.answers(flood_id) <= 1:
            raise gatherer.why_lost(self._loss)
        if not gatherer.lost:
            hive_map.finish(flood_id)
        return hive_map.of_flood(flood_id)

    async def round_trip(self, worker: AsyncBaseWorker, seconds: float) -> float:
        """Seconds of one ping by the transport or an echo, else of a PING of the hive. Raises HubTimeout."""
        began = perf_counter()
        took = await worker.ping(secrets.token_bytes(8), seconds)
        left = seconds - (perf_counter() - began)
        if took is None and left > 0 and not self._client.profile.transport.pings:
            began = perf_counter()
            answered = await self.flood(left, 0.0)
            # Our own PING is among the answers.
            took = perf_counter() - began if len(answered.nodes) > 1 else None
        if took is None:
            raise worker.lifecycle.timed_out("pong", seconds)
        return took

    async def collect(
        self, message: Message, min_seconds: float, max_seconds: float, enough: Enough
    ) -> list[Message]:
        """Make a collect-call, and return the responses; see the client's `collect_responses`."""
        waiter = Waiter(lambda _: False, self._new_notifier(), request=True)
        with self._calls.open(message, min_seconds, max_seconds, enough, waiter.give_up) as collection:
            call = as_packet(to_message(collection.call))
            waiter.asked = questions.names_of_asked(call)
            self._waiters.join(waiter)
            try:
                with at_once(call):
                    await self._client.emit(call)
                await self._wait_for_responses(collection, waiter)
            finally:
                self._waiters.remove(waiter)
        return collection.responses

    def answering(self, func: Handler, seconds: float) -> Handler:
        """What is called for a collect-call in place of `func`: it promises an answer first."""

        @wraps(func)
        async def answering(message: Message) -> None:
            promise, ids = promised(message, seconds)
            with at_once(as_packet(promise)) as packet:
                await self._client.emit(packet)
            await finished(func(to_collection_message(message, *ids)))

        return answering

    async def _wait_for_responses(self, collection: Collection, waiter: Waiter[AsyncNotifier]) -> None:
        for seconds in collection.pauses():
            await self._wait(waiter, seconds)
            self._waiters.join(waiter)

    async def _send(self, asked: HiveMessage, waiter: Waiter[AsyncNotifier]) -> None:
        """Send a question, with somebody listening before it leaves."""
        waiter.asked = questions.names_of_asked(asked)
        self._waiters.join(waiter)
        try:
            with at_once(asked):
                await self._client.emit(asked)
        except BaseException:  # such as a cancellation, or Ctrl-C: nobody is left behind
            self._waiters.remove(waiter)
            raise

    async def _wait(self, waiter: Waiter[AsyncNotifier], timeout: Optional[float]) -> Optional[HiveMessage]:
        try:
            with self._mailbox.blocking():
                await waiter.notifier.wait_until(lambda: waiter.is_over, timeout)
        finally:
            self._waiters.remove(waiter)
        if waiter.error is not None:
            raise again(waiter.error)
        return waiter.message
