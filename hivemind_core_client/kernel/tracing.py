"""What a Link tells of its states, its frames by size and type, and the timers of its handlers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Optional

from hivemind_core_client.kernel.bounds import frame_size
from hivemind_core_client.kernel.events import Event, RunApart, Transmit
from hivemind_core_client.kernel.states import Signal, State
from hivemind_core_client.kernel.tracer import SILENT
from hivemind_core_client.plugins.contract import CancelTimer, SetTimer
from hivemind_core_client.wire.message import HiveMessage, HiveMessageType, Payload
from hivemind_core_client.wire.text import printable

if TYPE_CHECKING:
    from hivemind_core_client.kernel.dispatch import Outcome as Followed
    from hivemind_core_client.kernel.echoes import Answered
    from hivemind_core_client.kernel.link import Link
    from hivemind_core_client.plugins.contract import Frame
    from hivemind_core_client.plugins.handshake_contract import Outcome, Progress
    from hivemind_core_client.wire.errors import HiveMindError
    from hivemind_core_client.wire.message import AnyMessageType

    BaseLink = Link
else:
    # It is put before a Link: so this module needs none of what a Link needs.
    BaseLink = object

#: The types of so many messages within messages are told, and so many letters of each.
_MOST_TYPES = 8
_LONGEST_NAME = 60


class TracedLink(BaseLink):
    """Tells the states of a connection, its frames, and the timers of its handlers: a base before a Link."""

    tracer = SILENT
    #: The form and size of the frame that is read.
    _reading: Optional[str] = None

    def receive(self, frame: Frame, apart: bool = False) -> list[Event]:
        """What a frame from the hub means; see Link."""
        self._reading = _frames([frame])
        events = super().receive(frame, apart)
        if self._reading is not None and not any(type(event) is RunApart for event in events):
            self._tell_read("no message yet")
        return events

    def due(self, msg_type: AnyMessageType, key: str) -> list[Event]:
        """What follows from a timer that ran out; see Link."""
        self.tracer.note("timer", f"due, for {_name(msg_type)}")
        return super().due(msg_type, key)

    def seal(self, message: HiveMessage, answered: Optional[Answered] = None) -> list[Frame]:
        """The frames for a prepared message; see Link."""
        frames = super().seal(message, answered)
        self.tracer.note("frame", f"→ {_frames(frames)}  {types_of(message)}")
        return frames

    def ended(self, code: Optional[int] = None, reason: str = "", *, now: float) -> HiveMindError:
        """The transport is closed; see Link."""
        if code is not None:
            said = f": {printable(reason)}" if reason else ""
            self.tracer.note("frame", f"← close frame {code}{said}")
        return super().ended(code, reason, now=now)

    def _advance(self, signal: Signal) -> None:
        before = self.state
        super()._advance(signal)
        if self.state is not before or before not in (State.CLOSED, State.REFUSED):
            self.tracer.note("state", f"{before.value} → {self.state.value}: {signal.value}")

    def _arrived(self, message: HiveMessage) -> list[Event]:
        self._tell_read(types_of(message))
        return super()._arrived(message)

    def _broken(self, error: HiveMindError) -> list[Event]:
        self._tell_read(f"dropped: {type(error).__name__}: {error}")
        return super()._broken(error)

    def _interpret(self, actions: Iterable[Followed], events: list[Event]) -> None:
        known = len(events)
        super()._interpret(actions, events)
        for event in events[known:]:
            if type(event) is SetTimer:
                self.tracer.note("timer", f"set to {event.seconds:g} s, for {_name(event.msg_type)}")
            elif type(event) is CancelTimer:
                self.tracer.note("timer", f"cancelled, for {_name(event.msg_type)}")

    def _progress(self, progress: Progress) -> Iterator[Event]:
        is_reply = progress.reply is not None
        for event in super()._progress(progress):
            if is_reply and type(event) is Transmit:
                is_reply = False  # what follows was sealed, and is told there
                self.tracer.note("frame", f"→ {_frames(event.frames)}  HANDSHAKE")
            yield event

    def _establish(self, outcome: Outcome) -> Iterator[Event]:
        agreed = outcome.negotiated
        how = " ".join(filter(None, (agreed.kind, agreed.pattern)))
        form = "binary" if agreed.binarize else "text"
        self.tracer.note("state", f"protocol version {agreed.version}, {how}, {agreed.cipher}, {form} frames")
        yield from super()._establish(outcome)

    def _tell_read(self, what: str) -> None:
        """Tell what the frame was that is read."""
        self.tracer.note("frame", f"← {self._reading or 'the same'}  {what}")
        self._reading = None


def types_of(message: HiveMessage) -> str:
    """The types of a message from the outside in, such as `PROPAGATE > BUS my.alarm`. Nothing else of it."""
    names, fields = [message.msg_type.name], message.raw_payload
    if message.msg_type is HiveMessageType.BINARY:
        names[0] += f" {message.bin_type.name}"
    while (
        message.msg_type.carries is not Payload.OBJECT
        and isinstance(fields, dict)
        and len(names) < _MOST_TYPES
    ):
        if isinstance(fields.get("msg_type"), str):
            names.append(_name(fields["msg_type"]).upper())
        elif isinstance(fields.get("type"), str):
            names[-1] += f" {_name(fields['type'])}"
        fields = fields.get("payload")
    return " > ".join(names)


def _name(name: object) -> str:
    return printable(str(name), _LONGEST_NAME)


def _frames(frames: Sequence[Frame]) -> str:
    """How many frames, of which form, and how many bytes they have."""
    form = "text" if frames and isinstance(frames[0], str) else "binary"
    size = f"{form} {sum(map(frame_size, frames))} bytes"
    return size if len(frames) == 1 else f"{size} in {len(frames)} frames"
