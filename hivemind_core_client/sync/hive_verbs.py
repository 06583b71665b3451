"""The verbs that speak with the hive beyond the hub: questions, the map, and messages that only one node can read."""

from __future__ import annotations

from typing import Any, Callable, Optional

from hivemind_core_client.kernel import questions
from hivemind_core_client.kernel.questions import Answer, Answers
from hivemind_core_client.plugins import asking
from hivemind_core_client.shell.properties import SatelliteProperties, bound
from hivemind_core_client.shell.waiters import Waiters
from hivemind_core_client.sync.gathering import AnswerStream, Gatherer, gather_all, wait_for_quiet
from hivemind_core_client.sync.mailbox import Mailbox
from hivemind_core_client.sync.waiting import as_packet
from hivemind_core_client.wire.hive_map import HiveMapper
from hivemind_core_client.wire.message import HiveMessage

__all__ = ["Answer", "AnswerStream", "HiveVerbs", "Pick"]

#: Picks one of several answers, CASCADE messages in the order they came; None delivers none.
Pick = Callable[[list[HiveMessage]], Optional[HiveMessage]]


class HiveVerbs(SatelliteProperties):
    """Asking, mapping and INTERCOM, for a client that can `emit`."""

    waiters: Waiters
    mailbox: Mailbox
    #: Picks the answer to a CASCADE that is delivered to the internal bus.
    cascade_select_callback: Pick

    def emit(self, message: Any) -> None:
        """Send a message."""
        raise TypeError("a client brings its own emit")

    def query(self, message: Any, timeout: Optional[float] = None) -> AnswerStream:
        """Ask upwards: the hub, its own hub, and on, until one answers. Returns when the first answer is there.

        `message` is an OVOS Message, or a QUERY message. Iterate over what is returned for the whole stream of
        answers; `.first` is the first. `timeout` bounds the wait for each, in seconds (default:
        `query_timeout`; 0: for ever). Raises QueryTimeout when nobody answers, MessageDenied when the hub does not
        take the message, and what ended the connection.
        """
        patience = self.query_timeout if timeout is None else bound("timeout", timeout)
        asked = questions.query(message)
        answers = Answers(asked)
        with asking.patient(self.profile.context, asked, patience):
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
        answers as answered the last `ping`. Raises QueryTimeout without an answer, MessageDenied, and what ended the
        connection.
        """
        seconds = bound("timeout", timeout)
        asked = questions.cascade(message)
        answers = Answers(asked, expected=self.hive_map.responders(self.peer))
        with asking.patient(self.profile.context, asked, seconds):
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
        for packet in questions.answers_to(request, self.peer, messages):
            self.emit(packet)

    def ping(self, timeout: float = 5.0, settle: float = 1.0) -> HiveMapper:
        """Flood the hive with a PING, and return a map of those who answered: who has left is not in it.

        Returns once nothing new has come for `settle` seconds, after `timeout` seconds at most. The map is a copy;
        answers that come later are in `hive_map`, which also keeps who answered before. Hubs of version 4.0.0
        take no part: they drop the connection, and this raises ConnectionLost.
        """
        seconds, quiet = bound("timeout", timeout), bound("settle", settle)
        flood_id, flood = questions.flood()
        hive_map = self.hive_map
        gatherer = self._asking(flood, Gatherer(questions.may_answer_flood))
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
        if not gatherer.lost:
            hive_map.finish(flood_id)
        return hive_map.of_flood(flood_id)

    def emit_intercom(self, message: Any, pubkey: str) -> None:
        """Send a Message or HiveMessage that only the owner of `pubkey` (PEM text) can read, signed by this node.

        It travels through the hive in a PROPAGATE. A node without an RSA key makes one. There is no
        acknowledgement. Raises PluginError without the INTERCOM plugin, InvalidMessage for what cannot be
        sealed, and like `emit`.
        """
        letter = questions.sealed_letter(self.profile.registry, as_packet(message), pubkey)
        self.profile.private_key()
        self.emit(letter)

    def _asking(self, asked: HiveMessage, gatherer: Gatherer) -> Gatherer:
        """Send a question, with somebody listening before it leaves."""
        self.waiters.join(gatherer)
        try:
            self.emit(asked)
        except BaseException:  # such as Ctrl-C: nobody is left behind
            self.waiters.remove(gatherer)
            raise
        return gatherer
