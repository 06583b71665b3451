"""What the calls of each plugin came to: how many failed, how many were slow, and who is called right now."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Callable, Optional, TypeVar
from weakref import WeakSet

from attrs import define, evolve, field

from hivemind_core_client.wire.errors import HiveMindError
from hivemind_core_client.wire.log_lines import LogLines
from hivemind_core_client.wire.text import described

log = logging.getLogger(__name__)

T = TypeVar("T")

#: A call that takes longer than this, in seconds, is slow.
SLOW_S = 0.1
#: So many characters of an error are kept.
_LONGEST_ERROR = 500


@define
class Account:
    """What the calls of one plugin came to. `slowest_s` is the longest of them in seconds, one that runs included."""

    failures: int = 0
    slow: int = 0
    slowest_s: float = 0.0
    last_error: str = ""


@define(eq=False)
class _Call:
    """A call that runs: since when, and how long the calls within it took, which are accounts of their own."""

    plugin: str
    what: str
    began: float
    within_s: float = 0.0


@define(eq=False)
class Accounts:
    """Counts for each plugin. Any thread may call; `clock` gives seconds and is never set back."""

    _clock: Callable[[], float] = time.monotonic
    _accounts: dict[str, Account] = field(factory=dict)
    _lines: LogLines = field(factory=LogLines, repr=False)
    #: Held for what is rare, a failure or a slow call: a call that is neither takes no lock.
    _lock: Any = field(factory=threading.Lock, repr=False)
    #: By thread, which alone changes them: the calls that run there, the innermost last.
    _running: dict[int, list[_Call]] = field(factory=dict, repr=False)

    def __attrs_post_init__(self) -> None:
        _all_accounts.add(self)

    def renew(self) -> None:
        """This is a child that was forked: the calls that ran on other threads, and who held the lock, are not here."""
        here = threading.get_ident()
        self._lock = threading.Lock()
        self._running = {thread: calls for thread, calls in self._running.items() if thread == here}

    def of(self, plugin: str) -> Account:
        """The account of a plugin as it stands now: a call that runs counts already, if it is slow."""
        with self._lock:
            account = evolve(self._accounts.get(plugin) or Account())
        for calls in list(self._running.values()):
            for call in calls[-1:]:
                seconds = self._clock() - call.began - call.within_s
                if call.plugin == plugin and seconds > SLOW_S:
                    account.slow += 1
                    account.slowest_s = max(account.slowest_s, seconds)
        return account

    def who_runs(self, thread: Optional[int]) -> str:
        """The plugin that is called on this thread, the innermost where one calls the next; empty where none is."""
        calls: Sequence[_Call] = self._running.get(thread or 0, ())
        return "".join(call.plugin for call in calls[-1:])

    def call(self, plugin: str, what: str, function: Callable[[], T]) -> T:
        """Call `function()`, which is this plugin's, in `what`; what it raises is counted and raised.

        An error of this library is none of the plugin: it says what is wrong with a message.
        """
        with self._timed(plugin, what):
            try:
                return function()
            except (HiveMindError, KeyboardInterrupt):
                raise
            except BaseException as error:
                self.note_failure(plugin, what, error)
                raise

    def note_failure(self, plugin: str, what: str, error: BaseException) -> None:
        """One more call of a plugin that raised: `what` was called, such as a hook."""
        with self._lock:
            account = self._accounts.setdefault(plugin, Account())
            account.failures += 1
            account.last_error = f"{what} raised {described(error)}"[:_LONGEST_ERROR]

    @contextmanager
    def _timed(self, plugin: str, what: str) -> Iterator[None]:
        call, thread = _Call(plugin, what, self._clock()), threading.get_ident()
        calls = self._running.setdefault(thread, [])
        calls.append(call)
        try:
            yield
        finally:
            seconds = self._clock() - call.began
            calls.remove(call)
            if calls:
                calls[-1].within_s += seconds
            else:
                del self._running[thread]
            if seconds - call.within_s > SLOW_S:
                self._note_slow(call, seconds - call.within_s)

    def _note_slow(self, call: _Call, seconds: float) -> None:
        with self._lock:
            account = self._accounts.setdefault(call.plugin, Account())
            account.slow += 1
            account.slowest_s = max(account.slowest_s, seconds)
        text, kind = "plugin %s took %.2f s in %s: what waits for it waits as long", (call.plugin, call.what)
        # A peer decides how many messages there are.
        self._lines.write(self._clock(), log.warning, text, call.plugin, seconds, call.what, kind=kind)


_all_accounts: WeakSet[Accounts] = WeakSet()


def _renew_all() -> None:
    for accounts in list(_all_accounts):
        accounts.renew()


if hasattr(os, "register_at_fork"):  # not on Windows, where nothing is forked
    os.register_at_fork(after_in_child=_renew_all)
