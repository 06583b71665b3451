"""The verbs that speak with the hive beyond the hub: questions, the map, and messages that only one node can read."""

from __future__ import annotations

import uuid
from typing import Any, Callable, Optional

from hivemind_core_client.errors import ConnectionLost, HiveMindError, InvalidOption, PluginError
from hivemind_core_client.gathering import AnswerStream, Gatherer, gather_all, wait_for_quiet
from hivemind_core_client.hive_map import HiveMapper
from hivemind_core_client.kernel.questions import Answer, Answers, answers_to, question
from hivemind_core_client.mailbox import Mailbox
from hivemind_core_client.message import HiveMessage, HiveMessageType
from hivemind_core_client.satellite import Satellite
from hivemind_core_client.waiters import Waiters
from hivemind_core_client.waiting import as_packet

__all__ = ["Answer", "AnswerStream", "HiveVerbs", "Pick", "first_answer"]

#: Picks one of several answers, CASCADE messages in the order they came; None delivers none.
Pick = Callable[[list[HiveMessage]], Optional[HiveMessage]]


def first_answer(answers: list[HiveMessage]) -> Optional[HiveMessage]:
    """The pick where the user brings none: who answers first is taken."""
    return answers[0]


class HiveVerbs:
    """Asking, mapping and INTERCOM, for a client that has a satellite and can `emit`."""

    satellite: Satellite
    waiters: Waiters
    mailbox: Mailbox
    #: Picks the answer to a CASCADE that is delivered to the internal bus.
    cascade_select_callback: Pick

    def emit(self, message: Any) -> None:
        """Send a message."""
        raise TypeError("a client brings its own emit")

    @property
    def last_error(self) -> Optional[HiveMindError]:
        """What ended the last connection."""
        raise TypeError("a client brings its own last_error")

    @property
    def hive_map(self) -> HiveMapper:
        """The map of the hive, as the PINGs that have come by tell it; `ping` asks for it."""
        return self.satellite.context.hive_map

    @property
    def peer(self) -> str:
        """Our own name in the hive, `NAME::SESSION_ID`: the root to draw the map from."""
        return self.satellite.context.peer

    @property
    def query_timeout(self) -> float:
        """Seconds to wait for the answer to a QUERY, 30 by default; 0 waits for ever."""
        return self.satellite.context.query_timeout

    @query_timeout.setter
    def query_timeout(self, seconds: float) -> None:
        self.satellite.context.query_timeout = _bound("query_timeout", seconds)

    def query(self, message: Any, timeout: Optional[float] = None) -> AnswerStream:
        """Ask upwards: the hub, its own hub, and on, until one answers. Returns when the first answer is there.

        `message` is an OVOS Message, or a QUERY message. Iterate over what is returned for the whole stream of
        answers; `.first` is the first. `timeout` bounds the wait for each, in seconds (default:
        `query_timeout`; 0: for ever). Raises QueryTimeout when nobody answers, MessageDenied when the hub does not
        take the message, and what ended the connection.
        """
        patience = self.query_timeout if timeout is None else _bound("timeout", timeout)
        asked = question(HiveMessageType.QUERY, message)
        answers = Answers(asked)
        gatherer = self._asking(asked, Gatherer(answers.take, lambda: answers.over))
        stream = AnswerStream(answers, gatherer, self.waiters, self.mailbox, patience, self._loss)
        try:
            for _ in stream:
                break
        except BaseException:
            self.waiters.remove(gatherer)
            raise
        return stream

    def cascade(self, message: Any, timeout: float = 5.0) -> list[Answer]:
        """Ask the whole hive, and return all answers that come within `timeout` seconds.

        `message` is an OVOS Message, or a CASCADE message. Returns earlier when as many nodes have given all their
        answers as the map knows. Raises QueryTimeout without an answer, MessageDenied, and what ended the connection.
        """
        seconds = _bound("timeout", timeout)
        asked = question(HiveMessageType.CASCADE, message)
        answers = Answers(asked, expected=len(self.hive_map.others(self.peer)))
        gatherer = self._asking(asked, Gatherer(answers.take, lambda: answers.over))
        try:
            with self.mailbox.blocking():
                return gather_all(answers, gatherer, seconds, self._loss)
        finally:
            self.waiters.remove(gatherer)

    def answer(self, request: HiveMessage, *messages: Any) -> None:
        """Answer a QUERY or CASCADE that a handler of `on(HiveMessageType.CASCADE, …)` got, with OVOS Messages.

        Say it all in one call: the asker is told that this was all. Raises InvalidMessage for what is no question,
        and like `emit`.
        """
        for packet in answers_to(request, self.peer, messages):
            self.emit(packet)

    def ping(self, timeout: float = 5.0, settle: float = 1.0) -> HiveMapper:
        """Flood the hive with a PING, and return its map, once nothing new has come for `settle` seconds.

        Waits for `timeout` seconds at most. Hubs of version 4.0.0 take no part: they drop the connection, and
        this raises ConnectionLost.
        """
        seconds, quiet = _bound("timeout", timeout), _bound("settle", settle)
        flood_id = str(uuid.uuid4())
        hive_map = self.hive_map
        ping = HiveMessage(HiveMessageType.PING, {"flood_id": flood_id})
        flood = HiveMessage(HiveMessageType.PROPAGATE, ping)
        gatherer = self._asking(
            flood, Gatherer(lambda message: message.msg_type is HiveMessageType.PROPAGATE)
        )
        try:
            with self.mailbox.blocking():
                wait_for_quiet(
                    gatherer,
                    lambda: hive_map.answers(flood_id) - 1,  # our own PING is the first
                    seconds,
                    quiet,
                )
        finally:
            self.waiters.remove(gatherer)
        if gatherer.lost and hive_map.answers(flood_id) <= 1:
            raise self._loss()
        return hive_map

    def emit_intercom(self, message: Any, pubkey: str) -> None:
        """Send a Message or HiveMessage that only the owner of `pubkey` (PEM text) can read, signed by this node.

        It travels through the hive in a PROPAGATE. A node without an RSA key makes one. There is no
        acknowledgement. Raises PluginError without the INTERCOM plugin, InvalidMessage for what cannot be
        sealed, and like `emit`.
        """
        handler = self.satellite.registry.handlers.get(HiveMessageType.INTERCOM)
        if handler is None or handler.prepare is None:
            raise PluginError(
                "no plugin seals INTERCOM messages: pip install 'hivemind-core-client[intercom]' "
                "(see 'hivemind-client plugins')"
            )
        self.satellite.private_key()
        inner = HiveMessage(HiveMessageType.INTERCOM, as_packet(message), target_pubkey=pubkey)
        self.emit(HiveMessage(HiveMessageType.PROPAGATE, inner))

    def _asking(self, asked: HiveMessage, gatherer: Gatherer) -> Gatherer:
        """Send a question, with somebody listening before it leaves."""
        self.waiters.join(gatherer)
        try:
            self.emit(asked)
        except BaseException:  # such as Ctrl-C: nobody is left behind
            self.waiters.remove(gatherer)
            raise
        return gatherer

    def _loss(self) -> HiveMindError:
        return self.last_error or ConnectionLost("the connection with the hub ended before an answer came")


def _bound(name: str, seconds: Any) -> float:
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 <= seconds < 2**31:
        raise InvalidOption(f"{name} is {seconds!r}; it must be seconds, 0 or more")
    return float(seconds)
