"""A step on the way out that is taken elsewhere: what it made is asked for once it was run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Generic, Optional, TypeVar

from hivemind_core_client.wire.errors import PluginError

if TYPE_CHECKING:
    from hivemind_core_client.kernel.events import Event

T = TypeVar("T")

#: What is called, like `Link.receive`, for the events that follow from a handler's call.
Follow = Callable[[], "list[Event]"]


class Later(Generic[T]):
    """Calls `work()` when it is run, on whatever thread, and gives its result or raises its error where that counts."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._result: Optional[Callable[[], T]] = None

    def run(self) -> Follow:
        """Call it. No event follows from that."""
        try:
            made = self._work()
        except BaseException as error:
            raised = error if isinstance(error, Exception) else _unasked(error)

            def fail() -> T:
                raise raised

            self._result = fail
        else:
            self._result = lambda: made
        return list

    def result(self) -> T:
        """What it returned. Raises what it raised, and RuntimeError where it was not run."""
        if self._result is None:
            raise RuntimeError("a step that was not run has no result")
        return self._result()


def _unasked(error: BaseException) -> PluginError:
    """Ctrl-C is for who waits, where he waits: elsewhere it is what a plugin raised."""
    return PluginError(f"a handler raised {type(error).__name__}: the message was not sent")
