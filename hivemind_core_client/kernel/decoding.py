"""What an opened frame says. It is apart from the Link, since it may take long, and changes nothing of that."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Callable, Optional, TypeVar

from hivemind_core_client.kernel.events import Event, RunApart
from hivemind_core_client.plugins.wrapping import strip_claims
from hivemind_core_client.wire.errors import (
    ConnectionLost,
    FrameError,
    HiveMindError,
    HubRefused,
    ProtocolError,
)
from hivemind_core_client.wire.message import HiveMessageType, HiveMindBinaryPayloadType
from hivemind_core_client.wire.message_types import check_has_code

if TYPE_CHECKING:
    from hivemind_core_client.kernel.policy import Limits
    from hivemind_core_client.plugins.contract import Frame
    from hivemind_core_client.plugins.registry import Registry
    from hivemind_core_client.wire.message import HiveMessage

T = TypeVar("T")

#: What may come of a peer's frame.
FAULTS = (ProtocolError, HubRefused, ConnectionLost)
#: What takes so long that an event loop does it on a thread: a sealed frame of more bytes than this to be opened; text
#: of more, or binary data of more, which may inflate to a thousand times that, to be decoded.
LONG_FRAME, LONG_TEXT, LONG_BINARY = 2**17, 2**17, 2**10


class Decoder:
    """Decodes what a connection carries. `without_code` are the types that have no binary form in its session."""

    def __init__(self, registry: Registry, limits: Limits) -> None:
        self.without_code: frozenset[HiveMessageType] = frozenset()
        self._text = registry.serializers["text"]
        self._binary = registry.serializers["binary"]
        self._recognised = registry.recognised
        self._limits = limits

    def decode(self, plain: Frame, max_size: Optional[int] = None) -> HiveMessage:
        """The message; `max_size` bounds what it may inflate to (None: the limit for a session).

        Raises ProtocolError.
        """
        serializer = self._text if isinstance(plain, str) else self._binary
        try:
            message = serializer.decode(plain, self._limits.inflated if max_size is None else max_size)
            if serializer is self._binary:
                check_has_code(message.msg_type, self.without_code)
            strip_claims(message.raw_payload)
            kind, bin_type = message.msg_type, message.bin_type
            if type(kind) is not HiveMessageType or type(bin_type) is not HiveMindBinaryPayloadType:
                message = self._recognised(message)
        except ProtocolError:
            raise
        except Exception as error:  # a serializer is a plugin: it may raise, and return, anything
            raise FrameError(f"the {serializer.name} serializer raised {type(error).__name__}") from error
        return message


def without_frames(error: BaseException) -> None:
    """Forget where an error came from, and those behind it: what is kept of it would keep the message that broke."""
    left: list[Optional[BaseException]] = [error]
    while left:
        one = left.pop()
        if one is not None and one.__traceback__ is not None:
            one.__traceback__ = None
            left += [one.__cause__, one.__context__]


def apart_from_the_rest(
    work: Callable[[], T], then: Callable[[T], list[Event]], broken: Callable[[HiveMindError], list[Event]]
) -> RunApart:
    """Have `work` done where it holds nobody up. What it made goes to `then`; a fault of either goes to `broken`."""

    def follow(done: T) -> list[Event]:
        try:
            return then(done)
        except FAULTS as error:
            return broken(error)

    def run() -> Callable[[], list[Event]]:
        try:
            return partial(follow, work())
        except FAULTS as error:
            return partial(broken, error)

    return RunApart(run)
