"""Listening for the answer to an utterance, without the waiting itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, TypeVar

from hivemind_core_client.shell.waiters import Gatherer, Notifies

if TYPE_CHECKING:
    from hivemind_core_client.kernel.conversation import Conversation, Exchange
    from hivemind_core_client.wire.denials import MessageDenied

N = TypeVar("N", bound=Notifies)


class Listener(Gatherer[N]):
    """Shows all that arrives to one exchange. Once that was denied it is no more among those who wait."""

    def __init__(self, conversation: Conversation, exchange: Exchange, notifier: N) -> None:
        super().__init__(conversation.taker(exchange), notifier, lambda: exchange.over)
        self._exchange = exchange

    def deny(self, error: MessageDenied) -> bool:
        """True where this denial is about what was said."""
        is_ours = self._exchange.deny(error)
        if is_ours:
            self.notifier.notify()
        return is_ours

    def give_up(self) -> None:
        """The connection ended."""
        self._exchange.lose()
        super().give_up()


class Prompter:
    """Notified in the place of somebody who waits: where an utterance is to be sent once more, it calls `prompt`."""

    def __init__(self, exchange: Exchange, prompt: Callable[[], None]) -> None:
        self._exchange = exchange
        self._prompt = prompt

    def notify(self) -> None:
        """Look whether there is something to send."""
        if self._exchange.to_send is not None:
            self._prompt()
