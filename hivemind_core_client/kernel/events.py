"""What a Link tells its shell; the shell acts, the kernel does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Union

from attrs import field, frozen

if TYPE_CHECKING:
    from hivemind_core_client.plugins.contract import (
        CallBack,
        CancelTimer,
        Deliver,
        Frame,
        Negotiated,
        Select,
        Send,
        SetTimer,
    )
    from hivemind_core_client.wire.denials import MessageDenied
    from hivemind_core_client.wire.errors import HiveMindError, ProtocolError
    from hivemind_core_client.wire.message import HiveMessage


@frozen
class Transmit:
    """Write these frames to the transport now, in this order."""

    frames: list[Frame] = field(repr=False)


@frozen
class RunDuringWait:
    """Run this now, while the hub has what was transmitted: it takes long, and the answer is read with its result."""

    work: Callable[[], None]


@frozen
class RunApart:
    """Run this where it holds nobody up: it takes long. What it returns is called like `Link.receive`, for more events.

    No other frame is received meanwhile.
    """

    work: Callable[[], Callable[[], list[Event]]]


@frozen
class RunInTurn:
    """Run this once what came before it in the same lane is over, where it holds nobody else up: it may take any time.

    It calls a handler of a plugin that is not built in. What `work` returns is called like `Link.receive`, for the
    events that follow. Until then the message is kept, which has a `weight` in bytes.
    """

    lane: str
    work: Callable[[], Callable[[], list[Event]]] = field(repr=False)
    weight: int = 0


@frozen
class AwaitProof:
    """Both sides own the key, but the hub may yet refuse the end of the handshake, which is ours.

    It reads in order: send a ping, and call `Link.hub_answered` once it is answered. A sealed frame proves it too.
    """


@frozen
class Established:
    """A session stands: messages may be sent."""

    negotiated: Negotiated


@frozen
class Arrived:
    """This message arrived; hand it to whoever waits for it or listens to its type."""

    message: HiveMessage


@frozen
class Measured(Arrived):
    """This message arrived, in frames of `size` bytes: said in the place of Arrived where somebody asks for sizes."""

    size: int


@frozen
class ArrivedInside:
    """This message of a plugin's type came inside another one, and was let through: for who listens to its type."""

    message: HiveMessage


@frozen
class Echoed:
    """The hub has answered a message that asked for nothing else: call `answered`."""

    answered: Callable[[], None]


@frozen
class Denied:
    """The hub said that its policy did not take a message of ours: for the wait for its answer, and who listens."""

    error: MessageDenied


@frozen
class Rejected:
    """A frame was dropped because of this; the connection goes on."""

    error: ProtocolError


@frozen
class Failed:
    """The connection is of no more use because of this: close it."""

    error: HiveMindError


Event = Union[
    Transmit,
    RunDuringWait,
    RunApart,
    RunInTurn,
    AwaitProof,
    Established,
    Arrived,
    ArrivedInside,
    Echoed,
    Denied,
    Rejected,
    Failed,
    "Send",
    "Deliver",
    "Select",
    "CallBack",
    "SetTimer",
    "CancelTimer",
]
