"""Saying something to the hub, and waiting for what it says to that."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Callable, Optional

from hivemind_core_client.kernel.conversation import Conversation
from hivemind_core_client.shell.at_once import at_once
from hivemind_core_client.shell.listening import Listener, Prompter

if TYPE_CHECKING:
    from hivemind_core_client.aio.client import AsyncHiveMessageBusClient
    from hivemind_core_client.aio.waiting import AsyncNotifier
    from hivemind_core_client.kernel.conversation import Exchange
    from hivemind_core_client.wire.answer import Answer
    from hivemind_core_client.wire.errors import HiveMindError


class AsyncTalker:
    """What one client says and asks. `loss()` is the error for a question whose connection has ended."""

    def __init__(
        self,
        client: AsyncHiveMessageBusClient,
        new_notifier: Callable[[], AsyncNotifier],
        loss: Callable[[], HiveMindError],
    ) -> None:
        self._client = client
        self._waiters = client.waiters
        self._mailbox = client.mailbox
        self._new_notifier = new_notifier
        self._loss = loss
        self._conversation = Conversation()

    async def ask(self, question: Any, lang: Optional[str], seconds: float, quiet: float) -> Answer:
        """Say something, and return what is said to that; see the client's `ask`."""
        exchange = self._conversation.ask(question, lang, self._client.session_id)
        listener = Listener(self._conversation, exchange, self._new_notifier())
        try:
            with self._mailbox.blocking():
                complete = await self._listen(exchange, listener, seconds, quiet)
        finally:
            self._waiters.remove(listener)
            self._conversation.close(exchange)
        return exchange.answer(complete, seconds, self._loss)

    async def say(self, text: Any, lang: Optional[str]) -> None:
        """Say something, and wait for nothing; see the client's `say`."""
        remark = self._conversation.say(text, lang, self._client.session_id)
        listener: Listener[Prompter]

        def say_again() -> None:
            self._waiters.join(listener)
            packet = remark.take_packet()
            if packet is not None:
                self._client._worker.send_quietly(packet)

        # Who tells of a denial is the one who reads: he sends nothing himself.
        prompter = Prompter(remark, partial(self._mailbox.put, say_again, True))
        listener = Listener(self._conversation, remark, prompter)
        try:
            await self._send(remark, listener)
        except BaseException:  # such as a cancellation, or Ctrl-C: nobody is left behind
            remark.lose()
            self._waiters.remove(listener)
            raise

    async def _listen(
        self, exchange: Exchange, listener: Listener[AsyncNotifier], seconds: float, quiet: float
    ) -> bool:
        """Send, and gather what is said; returns whether that was all."""
        notifier, end = listener.notifier, 0.0
        while not exchange.over:
            if exchange.to_send is not None:
                await self._send(exchange, listener)
            end = end or notifier.now() + seconds  # waiting for a session does not count
            known, left = exchange.changes, end - notifier.now()
            patience = exchange.patience(left, quiet, self._conversation.is_told)
            changed = partial(_changed, exchange, known)
            if not await notifier.wait_until(changed, max(0.0, patience)):
                return exchange.ended or patience < left
        return exchange.ended

    async def _send(self, exchange: Exchange, listener: Any) -> None:
        """Send what is to be sent, with somebody listening before it leaves."""
        packet = exchange.take_packet()
        self._waiters.join(listener)
        if packet is None:
            return
        with at_once(packet):
            if exchange.is_first:
                await self._client.emit(packet)
            else:
                await self._client._worker.send(packet)  # the handlers here have heard it already


def _changed(exchange: Exchange, known: int) -> bool:
    return exchange.over or exchange.to_send is not None or exchange.changes != known
