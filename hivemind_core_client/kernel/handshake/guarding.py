"""What keeps a fault in a plugin's handshake from harming more than one connection."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Callable, Optional

from attrs import evolve

from hivemind_core_client.kernel.crypto import CipherChannel
from hivemind_core_client.kernel.handshake.choice import fitting, highest_version
from hivemind_core_client.kernel.handshake.faults import fault_of, guarded
from hivemind_core_client.kernel.noise_channel import NoiseChannel
from hivemind_core_client.plugins.contract import Negotiated
from hivemind_core_client.plugins.handshake_contract import Doubt, Outcome, Progress
from hivemind_core_client.wire.errors import (
    ConnectionLost,
    DecryptionFailed,
    EncryptionFailed,
    HiveMindError,
    HubRefused,
    ProtocolError,
    UsageError,
)
from hivemind_core_client.wire.message import HiveMessage, HiveMessageType

if TYPE_CHECKING:
    from hivemind_core_client.kernel.handshake.choice import Kinds
    from hivemind_core_client.kernel.handshake.faults import OfferedKind
    from hivemind_core_client.plugins.contract import Frame
    from hivemind_core_client.plugins.handshake_contract import Channel, Offer, Terms
    from hivemind_core_client.wire.json_text import Json

_OWN_CHANNELS = (CipherChannel, NoiseChannel)


def choose(kinds: Kinds, offer: Offer, terms: Terms) -> GuardedHandshake:
    """The handshake that runs with this hub; see `fitting` for what that raises."""
    return GuardedHandshake(fitting(kinds, offer, terms), offer, terms)


class GuardedHandshake:
    """The handshake that runs. Raises what that means to raise, and HandshakeError for everything else.

    Its functions are looked up in the guard too: a plugin may have put anything in their place.
    """

    def __init__(self, kind: OfferedKind, offer: Offer, terms: Terms) -> None:
        self.kind = kind.item.name
        self._kind = kind
        self._terms = terms
        self._highest = highest_version(kind, terms)
        self._handshake = guarded(kind, kind.item.handshake, offer, terms)

    def begin(self) -> Progress:
        """The first step."""
        return self._checked(guarded(self._kind, lambda: self._handshake.begin()))

    def is_answer(self, payload: Json) -> bool:
        """Whether this is an answer, and no further offer."""
        return guarded(self._kind, lambda: bool(self._handshake.is_answer(payload)))

    def receive(self, answer: Json) -> Progress:
        """The next step."""
        return self._checked(guarded(self._kind, lambda: self._handshake.receive(answer)))

    def interrupted(self, by_policy: bool) -> Optional[HiveMindError]:
        """What it means that the hub hung up. Never raises."""
        return _told(self._kind, lambda: self._handshake.interrupted(by_policy))

    def _checked(self, progress: Any) -> Progress:
        """The same with every function in it guarded."""
        kind = self._kind
        if not isinstance(progress, Progress):
            raise fault_of(kind, f"returned a {type(progress).__name__}, not a Progress")
        if progress.reply is not None and not _can_be_written(progress.reply):
            raise fault_of(kind, "replies with what JSON cannot carry")
        work, outcome = progress.during_wait, progress.outcome
        return Progress(
            reply=progress.reply,
            outcome=None if outcome is None else self._outcome(outcome),
            during_wait=None if work is None else partial(guarded, kind, work),
        )

    def _outcome(self, outcome: Any) -> Outcome:
        kind, highest = self._kind, self._highest
        agreed = outcome.negotiated if isinstance(outcome, Outcome) else None
        if not isinstance(agreed, Negotiated):
            raise fault_of(kind, "returned no Outcome with a Negotiated")
        if type(agreed.version) is not int or agreed.version > highest:
            raise fault_of(kind, f"counts as protocol version {highest} at most, and says that it is more")
        channel, doubt = outcome.channel, outcome.doubt
        if isinstance(channel, CipherChannel):
            self._check_names((agreed.cipher, agreed.encoding), channel.names)
        if not isinstance(doubt, (Doubt, type(None))):
            raise fault_of(kind, f"returned a {type(doubt).__name__}, not a Doubt")
        return Outcome(
            channel if isinstance(channel, _OWN_CHANNELS) else GuardedChannel(kind, channel),
            evolve(agreed, kind=self.kind),
            None if doubt is None else Doubt(partial(_refused, kind, doubt), partial(_taken, kind, doubt)),
        )

    def _check_names(self, said: tuple[str, str], names: tuple[str, str]) -> None:
        """Hold a kind to what it says, and to what the user allows."""
        if said != names:
            raise fault_of(self._kind, f"says {' and '.join(said)}, and seals with {' and '.join(names)}")
        for name, allowed in zip(names, (self._terms.ciphers, self._terms.encodings)):
            if name not in allowed:
                raise fault_of(
                    self._kind, f"seals with {name}, which is not allowed here ({', '.join(allowed)})"
                )


class GuardedChannel:
    """A channel that a plugin made: a message that it fails with is lost, with an error, and nothing else."""

    def __init__(self, kind: OfferedKind, channel: Channel) -> None:
        self._plugin = kind.plugin
        self._channel = channel

    def seal(self, plain: Frame) -> list[Frame]:
        """The sealed frames, one at least. Raises EncryptionFailed, or the UsageError that the channel raises."""
        try:
            sealed = self._channel.seal(plain)
            frames = [] if isinstance(sealed, (str, bytes, bytearray)) else list(sealed)
            if not frames or not all(isinstance(frame, (str, bytes, bytearray)) for frame in frames):
                raise TypeError("no frames")
        except (UsageError, KeyboardInterrupt):
            raise
        except BaseException as error:
            raise EncryptionFailed(
                f"the channel of the plugin {self._plugin} could not seal: {type(error).__name__}"
            ) from error
        return frames

    def open(self, frame: Frame) -> Optional[Frame]:
        """What a sealed frame carries, or None. Raises DecryptionFailed."""
        try:
            plain = self._channel.open(frame)
            if not isinstance(plain, (str, bytes, bytearray, type(None))):
                raise TypeError("no frame")
        except (ProtocolError, HubRefused, ConnectionLost, KeyboardInterrupt):
            raise
        except BaseException as error:
            raise DecryptionFailed(
                f"the channel of the plugin {self._plugin} could not open a frame: {type(error).__name__}"
            ) from error
        return plain


def _can_be_written(reply: Any) -> bool:
    try:
        return isinstance(reply, dict) and bool(HiveMessage(HiveMessageType.HANDSHAKE, reply).as_json)
    except Exception:  # whatever comes of walking through a plugin's objects
        return False


def _told(kind: OfferedKind, function: Callable[[], Any]) -> Optional[HiveMindError]:
    """The error that a function returns; where it raises one, that."""
    try:
        told = guarded(kind, function)
    except HiveMindError as error:
        return error
    if told is None or isinstance(told, HiveMindError):
        return told
    return fault_of(kind, f"returned a {type(told).__name__}, not an error")


def _refused(kind: OfferedKind, doubt: Doubt) -> HiveMindError:
    return _told(kind, doubt.refused) or fault_of(kind, "says nothing of why the hub refused it")


def _taken(kind: OfferedKind, doubt: Doubt) -> None:
    _told(kind, doubt.taken)  # what it raises is logged: the session stands anyhow
