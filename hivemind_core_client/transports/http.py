"""A session with a hub over HTTP: requests that send, and polls that fetch what the hub keeps for us."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections import deque
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Callable, NoReturn, Optional, TypeVar, Union

from hivemind_core_client.kernel.bounds import bound_before_key
from hivemind_core_client.kernel.closing import REFUSED_BY_POLICY, is_redirect, refuses_key
from hivemind_core_client.kernel.policy import Deadlines
from hivemind_core_client.kernel.progress import ProgressReporter
from hivemind_core_client.transports import failures, tcp
from hivemind_core_client.transports.base import Confirming
from hivemind_core_client.transports.failures import Closed
from hivemind_core_client.transports.http_connection import (
    BROKEN,
    TOO_LATE,
    Answer,
    HttpSocket,
    NotDialled,
    Pool,
    ask,
    new_pool,
)
from hivemind_core_client.transports.http_connection import HttpHistory as HttpHistory
from hivemind_core_client.transports.shared_socket import WriteStalled
from hivemind_core_client.wire.errors import (
    ConnectionLost,
    FrameTooLarge,
    HubConnectionError,
    InvalidMessage,
    KeyRefused,
    Mend,
    NotAHub,
)
from hivemind_core_client.wire.http_frames import bytes_of, form_of, hint
from hivemind_core_client.wire.mends import COMPARE_KEYS

if TYPE_CHECKING:
    from hivemind_core_client.config.settings import Address
    from hivemind_core_client.config.tls import Tls
    from hivemind_core_client.kernel.policy import Polling
    from hivemind_core_client.kernel.progress import Progress
    from hivemind_core_client.plugins.contract import Frame

log = logging.getLogger(__name__)

T = TypeVar("T")

#: How many messages one answer may hold, and before both sides own a key: a handshake has a few.
_MOST_MESSAGES, _MOST_EARLY = 10_000, 100
#: How long another client may take from ending our session to beginning its own, in seconds.
_TAKEOVER_WAIT_S = 0.25


class HttpTransport(Confirming):
    """A session by polling. `open` and `receive` belong to one thread; the rest may be called from any."""

    _asks = False

    def __init__(
        self,
        address: Address,
        tls: Tls,
        deadlines: Deadlines,
        max_answer: int,
        polling: Polling,
        poll_timeout: float,
        history: HttpHistory,
        max_early: Optional[int] = None,
    ) -> None:
        """`max_answer` and, before both sides own a key, `max_early` bound an answer, in bytes."""
        self._address = address
        self._tls = tls
        self._deadlines = deadlines
        self._max_answer = max_answer
        self._bound = bound_before_key(max_answer, max_early)
        self._most_messages = _MOST_EARLY
        self._polling = polling
        self._poll_timeout = poll_timeout
        self._history = history
        # One end in mid-handshake may be a restart of a hub that has taken us before. A refusal comes again.
        self._lenient, history.was_refused = history.had_session and not history.was_refused, False
        self._login = ""
        self._open: set[tcp.Shuts] = set()
        self._pool = new_pool(address, self._dial)
        self._first: Optional[HttpSocket] = None
        self._inbox: deque[Union[Frame, Exception]] = deque()
        self._awake = threading.Event()
        self._last_message = time.monotonic()
        self._spoke = self._has_session = self._takes_bytes = self._aborted = self._is_drained = False
        self._polled = threading.Condition()
        self._polls, self._took = 0, 0.0
        self._taps: list[list[Frame]] = []

    def open(self, url: str) -> None:
        """TCP, TLS, and a new session at the hub: one that was left over would know another key.

        Raises a HubConnectionError, or KeyRefused when the hub does not know the key.
        """
        self._login = url.rpartition("authorization=")[2]
        self._first = self._dial()
        seconds = self._deadlines.upgrade
        with self._tracer.phase("login", seconds), self._deadline("upgrade", seconds):
            try:
                if self._request("POST", "disconnect", None).body.get("status") == "Disconnected":
                    log.info("a session that %s still had for this access key has ended", self._address)
                answer = self._request("POST", "connect", None)
            except ConnectionLost as error:
                raise NotAHub(
                    f"{self._address} answers, but not as a hub's HTTP does ({error})",
                    Mend(
                        "is this the port of hivemind-http-protocol, and does it want https:// instead of http://, or "
                        "the other way round?"
                    ),
                ) from error
        self._check_login(answer)
        self._tls.keep()
        self._be_quick()

    def _check_login(self, answer: Answer) -> None:
        if refuses_key(answer.status):
            raise KeyRefused(
                f"{self._address} refused the access key ({answer.error}): it does not know this client",
                COMPARE_KEYS,
            )
        if is_redirect(answer.status):
            raise failures.bad_status(self._address, answer.status, answer.location)
        if answer.body.get("status") != "Connected":
            raise NotAHub(
                f"{self._address} answers {answer.error or 'something else'} and no session",
                Mend(
                    "is this the port of hivemind-http-protocol? The port of a WebSocket wants ws:// instead of "
                    "http://. Its first releases answer a status 500 to a wrong access key"
                ),
            )

    def within(self, phase: str, seconds: float, work: Callable[[], T]) -> T:
        """The result of `work()`. Raises HubTimeout when it has not come within `seconds`."""
        with self._deadline(phase, seconds):
            return work()

    def _deadline(self, phase: str, seconds: float) -> AbstractContextManager[None]:
        """Whatever happens inside ends within `seconds`, or HubTimeout is raised."""
        return tcp.deadline(self._address, phase, seconds, self.abort)

    def watch(self) -> None:
        """Both sides own the key: answers may be longer. Polls are all the probing there is."""
        self._bound, self._most_messages = (self._max_answer, "frame"), _MOST_MESSAGES

    def stand(self) -> None:
        """The session stands, as far as we know."""
        self._has_session = self._history.had_session = True

    def receive(self) -> Union[Frame, Closed]:
        """The next message or the end. Raises ConnectionLost for a poll that failed, FrameTooLarge for a flood."""
        while not self._inbox:
            self._awake.wait(self._polling.interval(time.monotonic() - self._last_message))
            self._awake.clear()
            if not self._poll():
                return self._closed()
        if not self._is_drained:
            self._check_open()  # whoever ends it waits for no more, however much has come with one answer
        incoming = self._inbox.popleft()
        if isinstance(incoming, Exception):
            raise incoming
        return incoming

    def _poll(self) -> bool:
        """Fetch what the hub has; False when it has no session of ours."""
        began = time.perf_counter()
        texts = self._fetch("get_messages", "messages")
        took = time.perf_counter() - began
        if texts is None:
            return False
        self._spoke = False  # what we said last was not refused: that would have ended the session at once
        # What is no message becomes an empty one, which the Link rejects and counts.
        self._keep([text if isinstance(text, str) else "" for text in texts])
        try:
            binaries = self._fetch("get_binary_messages", "b64_messages")
        except (HubConnectionError, FrameTooLarge) as error:
            self._inbox.append(error)  # behind the texts, which the hub has no more
            return True
        if binaries is None:
            return bool(self._inbox)
        self._keep([bytes_of(binary) for binary in binaries])
        self._note_poll(took)
        return True

    def _keep(self, frames: list[Frame]) -> None:
        self._inbox.extend(frames)
        for tap in self._taps:
            tap.extend(frames)
        if frames:
            self._last_message = time.monotonic()

    def _fetch(self, endpoint: str, name: str) -> Optional[list[Any]]:
        answer = self._request("GET", endpoint, self._poll_timeout)
        if answer.no_session:
            return None
        messages = answer.body.get(name)
        if not isinstance(messages, list):
            raise ConnectionLost(f"{self._address} answered a poll with {answer.error or 'something else'}")
        if len(messages) > self._most_messages:
            raise FrameTooLarge(
                f"an answer of {self._address} with {len(messages)} messages; the limit is {self._most_messages}"
            )
        return messages

    def _closed(self) -> Closed:
        """A hub tells a refusal by ending the session; it may also have been restarted, or another client came.

        It refuses what it took, at once: neither a session that stands, nor what it did not get any more.
        """
        refused = self._history.was_refused = self._spoke and not self._has_session and not self._taken_over()
        why = "the hub has no session for this key any more: was it restarted, or does another client use the key?"
        return Closed(REFUSED_BY_POLICY if refused and not self._lenient else None, why)

    def _taken_over(self) -> bool:
        """True when another client has a session with our key; a moment before, it ended ours."""
        self._awake.wait(_TAKEOVER_WAIT_S)
        # A message that is empty: the hub refuses it, but otherwise where it has no session.
        return not self._request("POST", "send_message", self._poll_timeout).no_session

    def send(self, frames: list[Frame], progress: Optional[Progress] = None) -> bool:
        """Send frames in order, a request each, and tell `progress` of each; True if the hub has taken them all.

        Raises ConnectionLost when the request broke, when the hub has taken nothing for `Deadlines.write` seconds, and
        when it has no session of ours; HubConnectionError when it did not take the message, but the session goes on;
        InvalidMessage for a binary frame in a session below protocol version 3, where hubs take none.
        """
        report, taken = None if progress is None else ProgressReporter(progress, frames), True
        for frame in frames:
            taken &= self._send(frame)
            if report is not None:
                report.whole(frame)
        return taken

    def _send(self, frame: Frame) -> bool:
        try:
            answer = self._request("POST", "send_message", self._deadlines.write, **form_of(frame))
        except (HubConnectionError, FrameTooLarge) as error:
            stalled = isinstance(error.__cause__, WriteStalled)
            if hint(frame) and not stalled:  # the hub hung up on this request alone, before it was whole
                raise HubConnectionError(error.what, *error.mends, *hint(frame)) from error
            self._break_off()  # nobody knows whether the hub has it: that is for the sender to decide
            raise
        self._be_quick()
        if answer.taken:
            self._spoke = True
            self._takes_bytes |= isinstance(frame, bytes)
        elif self._has_session or not answer.no_session:  # else the next poll tells whether that is a refusal
            self._not_taken(frame, answer)
        return answer.taken

    def _not_taken(self, frame: Frame, answer: Answer) -> NoReturn:
        if answer.takes_no_bytes and self._has_session and not self._takes_bytes:
            raise InvalidMessage(
                "over HTTP a hub takes text only in this session",
                Mend(
                    "send BINARY messages with protocol version 3, or with HiveMessageBusClient, over a WebSocket",
                    joint=": ",
                ),
            )
        if answer.no_session:
            raise ConnectionLost(f"{self._address} has no session of ours any more: nothing was sent")
        why = answer.error or "it answers something else than a hub"
        if isinstance(frame, bytes):  # those that follow would not fit to what the hub has read
            self._break_off()
            raise ConnectionLost(f"{self._address} did not take a message, which ends the session: {why}")
        raise HubConnectionError(f"{self._address} did not take a message: {why}", *hint(frame))

    def _be_quick(self) -> None:
        self._last_message = time.monotonic()
        self._awake.set()

    def ask(self) -> None:
        """Nothing to do: the hub answers each request."""

    def polled(self, seconds: float) -> list[Frame]:
        """What polls bring until one has ended, for `seconds` at most: the frames, which are received as ever."""
        tap: list[Frame] = []
        self._taps = [*self._taps, tap]
        try:
            self.ping(b"", seconds)
        finally:
            self._taps = [other for other in self._taps if other is not tap]
        return tap

    def ping(self, payload: bytes, seconds: float) -> Optional[float]:
        """Seconds that the next poll takes, or None when it did not end in time."""
        with self._polled:
            before = self._polls
            self._awake.set()
            self._polled.wait_for(lambda: self._polls > before or self._aborted, seconds)
            if self._polls > before:
                return self._took
        self._check_open()
        return None

    def _note_poll(self, seconds: float) -> None:
        self._delivery.measured(seconds)
        with self._polled:
            self._polls, self._took = self._polls + 1, seconds
            self._polled.notify_all()

    def farewell(self) -> None:
        """End the session at the hub, over a connection of its own, which no `abort` cuts off."""
        deadlines = Deadlines(tcp=self._deadlines.close, tls=self._deadlines.close)

        def dial() -> HttpSocket:
            connected = tcp.dial(self._address, self._tls, deadlines, lambda _: None)
            return HttpSocket(connected, self._deadlines.close, set())

        try:
            with new_pool(self._address, dial) as pool:
                self._ask(pool, "POST", "disconnect", self._deadlines.close)
        except (HubConnectionError, NotDialled, WriteStalled, *BROKEN) as error:
            log.debug("no farewell: %s", error)
        finally:
            self.abort()

    def abort(self) -> None:
        """End every request at once, and wake who waits."""
        self._aborted, self._is_drained = True, False
        self._awake.set()
        for connected in list(self._open):
            tcp.shut(connected)
        with self._polled:
            self._polled.notify_all()

    def _break_off(self) -> None:
        """A message got nowhere. What the hub has handed out already is read all the same: it has it no more."""
        self.abort()
        self._is_drained = self._has_session

    def release(self) -> None:
        """Close the sockets; one that is in use is closed when its request has ended."""
        self.abort()
        self._pool.close()
        if self._first is not None:
            self._first.close()

    def _check_open(self) -> None:
        if self._aborted:
            raise failures.closed_here(self._address)

    def _request(self, method: str, endpoint: str, seconds: Optional[float], **form: str) -> Answer:
        """What the hub answers within `seconds`. Raises a HubConnectionError or FrameTooLarge."""
        self._check_open()
        try:
            return self._ask(self._pool, method, endpoint, seconds, **form)
        except NotDialled as failure:
            raise failures.broken(self._address, failure.error) from failure.error
        except WriteStalled as error:
            raise failures.not_taken(self._address, self._deadlines.write) from error
        except TOO_LATE as error:
            raise ConnectionLost(f"{self._address} did not answer within {seconds or 0:g} s") from error
        except BROKEN as error:
            self._check_open()
            raise failures.broken(self._address, error) from error

    def _ask(self, pool: Pool, method: str, endpoint: str, seconds: Optional[float], **form: str) -> Answer:
        own = f"{self._address.query}&" if self._address.query else ""
        target = f"{self._address.path.rstrip('/')}/{endpoint}?{own}authorization={self._login}"
        return ask(pool, method, target, seconds, self._bound, form)

    def _dial(self) -> HttpSocket:
        first, self._first = self._first, None
        if first is not None:
            return first
        opened: list[socket.socket] = []

        def keep(connected: socket.socket) -> None:
            opened.append(connected)
            self._open.add(connected)
            if self._aborted:
                tcp.shut(connected)

        try:
            connected = tcp.dial(self._address, self._tls, self._deadlines, keep, self._tracer)
        except HubConnectionError:
            for each in opened:
                each.close()
            raise
        finally:
            self._open.difference_update(opened)
        shared = HttpSocket(connected, self._deadlines.write, self._open)
        if self._aborted:
            tcp.shut(shared)
        return shared
