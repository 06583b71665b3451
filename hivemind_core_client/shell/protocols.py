"""What each shell brings of its own: a mailbox, in which users' handlers are called in order, and an event."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Callable, Protocol

if TYPE_CHECKING:
    from hivemind_core_client.kernel.delivery import Delivery
    from hivemind_core_client.kernel.tracer import Tracer
    from hivemind_core_client.shell.lanes import Lanes

Job = Callable[[], None]
Handler = Callable[..., Any]


#: How many bytes of messages the jobs that wait may hold.
MOST_HELD_BYTES = 64 * 2**20


class MailboxProtocol(Protocol):
    """A queue of jobs, each run after those that were put before it; each shell has its own."""

    #: How many jobs found no room.
    dropped: int
    #: Where handlers of plugins are called.
    lanes: Lanes

    def put(self, job: Job, always: bool = False) -> None:
        """Run `job` after those that were put before it; from any thread.

        It is dropped where too many wait, unless it must run `always`: what is little, and told once.
        """

    def hold(self, weight: int) -> bool:
        """The jobs that were put so far hold `weight` bytes more until they have run.

        False where what was held before is too much already: then whoever brings jobs for what a peer sends is to
        `drop` them. Where it may, this waits for room first.
        """

    def drop(self) -> None:
        """Log and count a job that is not put because those that wait hold too much."""

    def later(self, seconds: float, key: object, job: Job) -> None:
        """Run `job` after `seconds`, in place of an earlier one under the same `key`."""

    def cancel(self, key: object) -> None:
        """Forget the delayed job under `key`."""

    def call(self, handler: Handler, *arguments: Any) -> None:
        """Call a user's handler; one that raises is logged by name, and costs nobody else anything."""

    def finish(
        self, result: Any, then: Callable[[Any], None], failed: Callable[[BaseException], None]
    ) -> None:
        """Call `then(value)` with what a callback returned, or `failed(error)`: awaited, where this shell awaits."""

    def adapted(self, handler: Handler) -> Handler:
        """A handler as a bus that may have threads of its own is to call it. Equal for an equal handler."""

    def blocking(self) -> AbstractContextManager[None]:
        """Around a wait: others may run jobs meanwhile, where the one who waits runs one itself."""

    def shut(self) -> None:
        """Take no more jobs, and wait for nobody."""

    def reopen(self) -> None:
        """Take jobs again after it was closed."""


class EventProtocol(Protocol):
    """An event as `connected_event` and `handshake_event` are: of `threading`, or its like for an event loop."""

    def is_set(self) -> bool:
        """Whether it is set."""

    def set(self) -> None:
        """Set it, and wake those who wait."""

    def clear(self) -> None:
        """Make those wait who come from now on."""


class AnyTransport(Protocol):
    """What both shells tell a transport before it is opened."""

    def confirm_to(self, delivery: Delivery) -> None:
        """Tell `delivery` of pings and of their pongs."""

    def trace_to(self, tracer: Tracer) -> None:
        """Tell `tracer` of the phases."""
