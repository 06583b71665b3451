"""Having handlers of plugins called in their lanes, and waiting for them no longer than is good."""

from __future__ import annotations

import logging
import time
from collections.abc import Generator
from functools import partial
from typing import TYPE_CHECKING, Callable, Optional

from attrs import define, field

from hivemind_core_client.aio.waiting import AsyncNotifier, at_home
from hivemind_core_client.kernel.events import Event, RunInTurn
from hivemind_core_client.plugins.accounts import SLOW_S
from hivemind_core_client.shell.lanes import Call
from hivemind_core_client.wire.errors import ClientClosed, Mend, PluginError

if TYPE_CHECKING:
    from hivemind_core_client.aio.mailbox import AsyncMailbox
    from hivemind_core_client.config.profile import ClientProfile
    from hivemind_core_client.kernel.leaving import Follow
    from hivemind_core_client.kernel.lifecycle import ConnectionLifecycle
    from hivemind_core_client.shell.lanes import Lane
    from hivemind_core_client.wire.message import HiveMessage

log = logging.getLogger(__name__)

#: So long the reader waits for a handler, in seconds, before it takes what comes next: until then order is kept.
STALL_S = 5.0
#: So long, in seconds, the end of a connection waits for the handler of what arrived last.
LAST_S = 1.0


@define(eq=False)
class Turn:
    """A call whose events are acted on as soon as it is over. `lane` is where it is made."""

    lane: Lane
    is_over: bool = field(default=False, init=False)
    #: What has followed from it, and is run in turn too.
    further: list[Turn] = field(factory=list, init=False)

    def is_past(self) -> bool:
        """Whether it is over, with what followed at once."""
        return self.is_over


class AsyncTurns:
    """Has handlers called in their lanes. `act(follow)` gets the events of a call, and does what they say.

    `act` is called where the client lives: on its loop, or with threads on that of the lane.
    """

    def __init__(
        self,
        profile: ClientProfile,
        mailbox: AsyncMailbox,
        lifecycle: ConnectionLifecycle,
        changed: AsyncNotifier,
        act: Callable[[Follow], list[Event]],
    ) -> None:
        self._profile = profile
        self._mailbox = mailbox
        self._lifecycle = lifecycle
        self._changed = changed
        self._act = act
        #: What nobody waits for as yet.
        self._begun: list[Turn] = []
        #: What came last from the hub: whoever heard of it may close at once.
        self._last: list[Turn] = []

    def begin(self, event: RunInTurn) -> None:
        """Have a handler called in its turn, and wait for nothing."""
        turn = self._begin(event)
        if turn is not None:
            self._begun = [*(each for each in self._begun if not each.is_over), turn]

    async def take(self, event: RunInTurn) -> None:
        """Have a handler called for what has arrived, and wait for it, so that what comes next is treated after it.

        Not for more than STALL_S seconds; then not again before a call has ended in that lane.
        """
        turn = self._begin(event)
        if turn is not None:
            self._last = [turn]
            await self._wait([turn], STALL_S, lambda: self._lifecycle.stopping)

    async def settle(self, seconds: float) -> None:
        """Wait for what arrived last and what `begin` began, for `seconds` at most, but for nobody who is stuck."""
        await self._wait(self._last, min(LAST_S, seconds))
        self._last = []
        await self._wait(self._begun, seconds)
        self._begun = [turn for turn in self._begun if not turn.is_over]

    async def leaving(
        self,
        steps: Generator[RunInTurn, Follow, tuple[HiveMessage, Optional[Follow]]],
        seconds: float,
    ) -> tuple[HiveMessage, Optional[Follow]]:
        """Do the steps of `Link.leaving`, and return what they return.

        Raises what they raise, and PluginError where a plugin does not come to it within `seconds`.
        """
        end = time.monotonic() + seconds
        try:
            event = next(steps)
            while True:
                event = steps.send(await self._result(event, end, seconds))
        except StopIteration as stop:
            result: tuple[HiveMessage, Optional[Follow]] = stop.value
            return result

    async def _result(self, event: RunInTurn, end: float, seconds: float) -> Follow:
        lane = self._mailbox.lanes.of(event.lane)
        if lane.is_here():
            raise PluginError(
                f"plugin {self._culprit(lane)} sends within its own handler, which would wait for itself: "
                "the message was not sent",
                Mend("return Send(message) from the handler"),
            )
        made = AsyncNotifier()  # one for each: else each call would wake all who wait
        call = Call(event.work, partial(at_home(), made.notify))
        lane.put(call, always=True)
        try:
            if not await made.wait_until(call.is_over, SLOW_S):
                with self._mailbox.blocking():
                    await made.wait_until(call.is_over, max(0.0, end - time.monotonic()))
        finally:
            lane.withdraw(call)
        if call.dropped:
            raise ClientClosed("the client is closed: nothing was sent")
        if call.follow is None:
            raise PluginError(
                f"plugin {self._culprit(lane)} has not come back within {seconds:g} s: the message was not sent",
                Mend("see what it does in client.plugin_report(), or block it"),
            )
        return call.follow

    def _begin(self, event: RunInTurn) -> Optional[Turn]:
        lane = self._mailbox.lanes.of(event.lane)
        turn = Turn(lane)
        call = Call(event.work, weight=event.weight)
        call.tell = partial(at_home(), partial(self._over, call, turn))
        if lane.put(call):
            return turn
        self._mailbox.drop()
        self._note("too much waits for plugin %s: dropped what came for it", self._culprit(lane))
        return None

    def _over(self, call: Call, turn: Turn) -> None:
        """A call was made: do what follows, and let who waits go on."""
        try:
            for event in self._act(call.follow) if call.follow is not None else ():
                further = self._begin(event) if isinstance(event, RunInTurn) else None
                turn.further += [further] if further is not None else []
        finally:
            turn.is_over = True
            self._changed.notify()

    async def _wait(self, turns: list[Turn], seconds: float, until: Callable[[], bool] = bool) -> None:
        """Wait for these, and what follows from them in turn: for `seconds` at most, and until `until()`."""
        end = time.monotonic() + seconds
        waiting = list(turns)
        while waiting:
            turn = waiting.pop()
            if not turn.lane.is_stuck:
                reached = partial(_any, turn.is_past, until)
                await self._changed.wait_until(reached, max(0.0, end - time.monotonic()))
            waiting += turn.further
            if not (turn.is_over or turn.lane.is_stuck or until()):
                turn.lane.is_stuck = True
                self._note(
                    "plugin %s has been running for %g s: what comes for others goes on without it",
                    self._culprit(turn.lane),
                    seconds,
                )

    def _culprit(self, lane: Lane) -> str:
        """The plugin that runs in a lane; all that share it where none does."""
        return self._profile.plugins.accounts.who_runs(lane.thread) or lane.name

    def _note(self, text: str, *arguments: object) -> None:
        self._profile.context.note(log.warning, text, *arguments)


def _any(*reached: Callable[[], bool]) -> bool:
    return any(each() for each in reached)
