"""Threads that do what blocks for somebody else, who can be let go whatever the work does."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, Callable, Optional, TypeVar

from hivemind_core_client.transports.addresses import begun

T = TypeVar("T")


class Hand:
    """A thread that does one thing after the other, begun with the first. Work that never ends holds up nobody else."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._jobs: SimpleQueue[Optional[tuple[Future[Any], Callable[[], Any]]]] = SimpleQueue()
        self._open: set[Future[Any]] = set()
        self._over: Optional[Exception] = None
        self._is_begun = False

    def begin(self, work: Callable[[], T]) -> Future[T]:
        """Have this done after what was begun before; its result, or what `end` was told."""
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()  # who waits for it may go away, and the work is done all the same
        with self._lock:
            over, starts = self._over, not self._is_begun
            if over is None:
                self._open.add(future)
                self._is_begun = True
        if over is not None:
            future.set_exception(over)
            return future
        self._jobs.put((future, work))
        if starts and not begun(threading.Thread(target=self._run, name=self._name, daemon=True)):
            self._jobs.put(None)
            self._run()
        return future

    def end(self, error: Exception) -> None:
        """Do nothing more; who waits gets this error. Idempotent."""
        with self._lock:
            if self._over is not None:
                return
            self._over = error
            waiting, self._open = self._open, set()
        for future in waiting:
            future.set_exception(error)
        self._jobs.put(None)

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            future, work = job
            if future not in self._open:
                continue
            try:
                result = work()
            except BaseException as error:  # whoever waits is told
                if self._is_awaited(future):
                    future.set_exception(error)
            else:
                if self._is_awaited(future):
                    future.set_result(result)
            del job, future, work

    def _is_awaited(self, future: Future[Any]) -> bool:
        with self._lock:
            if future not in self._open:
                return False
            self._open.remove(future)
        return True
