"""Two timers of the reference client, for who used them by themselves; our own questions need neither."""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING, Callable, Optional

if TYPE_CHECKING:
    from hivemind_core_client.wire.message import HiveMessage

    Pick = Callable[[list[HiveMessage]], Optional[HiveMessage]]


class CascadeAggregator:
    """Gathers answers for `timeout` seconds from the first on, or until `expected_responses` are there.

    Then `select_callback(answers)` picks one, at random where it is None, and `emit_callback` gets that, unless it is
    None. Both are called on the thread of the timer, or on that of the last answer.
    """

    def __init__(
        self,
        timeout: float,
        select_callback: Optional[Pick],
        emit_callback: Callable[[HiveMessage], object],
        expected_responses: Optional[int] = None,
    ) -> None:
        self.timeout = timeout
        self.select_callback: Pick = select_callback or random.choice
        self.emit_callback = emit_callback
        self.expected_responses = expected_responses
        self.responses: list[HiveMessage] = []
        self._lock = threading.Lock()
        self._timer: Optional[threading.Timer] = None
        self._is_over = False

    def add_response(self, message: HiveMessage) -> None:
        """Take an answer; one that comes when all is over is ignored."""
        with self._lock:
            if self._is_over:
                return
            self.responses.append(message)
            whole = self.expected_responses is not None and len(self.responses) >= self.expected_responses
            if self._timer is None and not whole:
                self._timer = _started(self.timeout, self._resolve)
        if whole:
            self._resolve()

    def cancel(self) -> None:
        """Gather no more, and pick none."""
        self._end()

    def _resolve(self) -> None:
        answers = self._end()
        picked = self.select_callback(answers) if answers else None
        if picked is not None:
            self.emit_callback(picked)

    def _end(self) -> list[HiveMessage]:
        """What was gathered, for the first who ends it."""
        with self._lock:
            self._is_over = True
            timer, self._timer = self._timer, None
            answers, self.responses = self.responses, []
        if timer is not None:
            timer.cancel()
        return answers


class QueryLivenessTimer:
    """Calls `on_timeout(query_id)` when nothing was heard of a question for `timeout` seconds, on a thread of its own.

    `query_id` is the last one that was told, empty where none was.
    """

    def __init__(self, timeout: float, on_timeout: Callable[[str], object]) -> None:
        self.timeout = timeout
        self.on_timeout = on_timeout
        self.query_id = ""
        self._lock = threading.Lock()
        self._timer: Optional[threading.Timer] = None

    def arm(self, query_id: str = "") -> None:
        """Wait from now on, also where it waits already."""
        with self._lock:
            self._stop()
            self.query_id = query_id or self.query_id
            self._timer = _started(self.timeout, self.expire_now)

    def cancel(self) -> None:
        """Wait no more."""
        with self._lock:
            self._stop()
            self.query_id = ""

    def expire_now(self) -> bool:
        """Do now what is done when the time is over. False where nothing was waited for."""
        with self._lock:
            if not self._stop():
                return False
            query_id, self.query_id = self.query_id, ""
        self.on_timeout(query_id)
        return True

    def _stop(self) -> bool:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        return timer is not None


def _started(seconds: float, act: Callable[[], object]) -> threading.Timer:
    timer = threading.Timer(seconds, act)
    timer.daemon = True
    timer.start()
    return timer
