"""Where handlers of plugins that are not built in are called: each lane has a thread of its own while it has calls."""

from __future__ import annotations

import logging
import threading
from collections import deque
from typing import TYPE_CHECKING, Callable, Optional

from attrs import define, field

if TYPE_CHECKING:
    from hivemind_core_client.kernel.leaving import Follow

log = logging.getLogger(__name__)

#: So many calls may wait in a lane, and so many bytes of messages.
MOST_WAITING, MOST_WAITING_BYTES = 1000, 16 * 2**20
#: A thread without calls ends after so many seconds.
_IDLE_S = 5.0


@define(eq=False)
class Call:
    """One call of a handler. `tell` is called on the lane's thread once it is made; `follow` is what it returned.

    Where it raised, nothing follows. One that is `dropped` is never made; who waits for it is told as well.
    """

    work: Callable[[], Follow]
    tell: Callable[[], object] = list
    weight: int = 0
    follow: Optional[Follow] = field(default=None, init=False)
    dropped: bool = field(default=False, init=False)

    def is_over(self) -> bool:
        """Whether it was made, or never will be."""
        return self.dropped or self.follow is not None


class Lane:
    """Makes calls one at a time, in the order they come. Any thread may use it.

    `is_stuck` is set by whoever has waited for it in vain, so that nobody else does; it is over with the next call.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_stuck = False
        self._calls: deque[Call] = deque()
        self._held = 0
        self._changed = threading.Condition()
        self._thread: Optional[threading.Thread] = None
        self._is_ending = False

    @property
    def thread(self) -> Optional[int]:
        """The identifier of the thread on which calls are made now."""
        return self._thread.ident if self._thread is not None else None

    def put(self, call: Call, always: bool = False) -> bool:
        """Have this call made after those that were put before it. False where too many wait, unless `always`."""
        with self._changed:
            if not always and (len(self._calls) >= MOST_WAITING or self._held >= MOST_WAITING_BYTES):
                return False
            self._calls.append(call)
            self._held += call.weight
            self._is_ending = False
            if self._thread is not None:
                self._changed.notify()
                return True
            self._thread = threading.Thread(target=self._run, name="hivemind-plugins", daemon=True)
            try:
                self._thread.start()
                return True
            except RuntimeError:  # no thread can begin any more, since Python exits: then who calls does it
                self._thread, self._is_ending = threading.current_thread(), True
        self._run()
        return True

    def is_here(self) -> bool:
        """Whether it is this lane that asks: within a call."""
        return self.thread == threading.get_ident()

    def withdraw(self, call: Call) -> None:
        """Do not make this call, where it has not begun."""
        with self._changed:
            if call in self._calls:
                self._calls.remove(call)
                self._held -= call.weight

    def end(self) -> int:
        """Make no call any more that has not begun. Returns how many of messages that were."""
        with self._changed:
            dropped = list(self._calls)
            self._calls.clear()
            self._held, self._is_ending = 0, True
            self._changed.notify()
        for call in dropped:
            call.dropped = True
            call.tell()
        return sum(call.weight > 0 for call in dropped)

    def _run(self) -> None:
        while self._run_next():
            pass

    def _run_next(self) -> bool:
        with self._changed:
            if not self._calls and not self._is_ending:
                self._changed.wait(_IDLE_S)
            if not self._calls:
                self._thread = None
                return False
            call = self._calls.popleft()
            self._held -= call.weight
        try:
            self._make(call)
        except BaseException:
            log.exception("what follows a call in the lane of %s failed", self.name)
        return True

    def _make(self, call: Call) -> None:
        try:
            call.follow = call.work()
        except BaseException:  # a handler is a plugin: it may even raise what Ctrl-C does, the lane goes on
            log.exception("a call in the lane of %s failed", self.name)
            call.follow = list
        self.is_stuck = False
        call.tell()


class Lanes:
    """The lanes of one client, by name."""

    def __init__(self) -> None:
        self._lanes: dict[str, Lane] = {}

    def of(self, name: str) -> Lane:
        """The lane of this name."""
        return self._lanes.get(name) or self._lanes.setdefault(name, Lane(name))

    def end(self) -> int:
        """The client is closed: make no call that has not begun. Returns how many of messages that were."""
        return sum(lane.end() for lane in list(self._lanes.values()))
