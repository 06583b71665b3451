"""Every error this library raises. `hivemind_core_client.errors` draws their tree.

An error is data: what happened, and mends in which commands are objects. Its text is made for whoever reads it.
"""

from __future__ import annotations

import copy
import shlex
from functools import reduce
from pathlib import Path
from typing import ClassVar, Optional, TypeVar, Union

from attrs import frozen

E = TypeVar("E", bound="HiveMindError")


@frozen
class IdentityPlace:
    """The identity file that commands are for, None for an identity in memory; the default need not be named."""

    path: Optional[str]
    is_default: bool = False


@frozen
class Reader:
    """For whom a text is made: a user of the library or of the command line, and the identity that commands are for."""

    place: Optional[IdentityPlace] = None
    at_command_line: bool = False


@frozen
class Call:
    """A call of the library, such as `identity.forget_noise_key('h:5678')`."""

    name: str
    arguments: tuple[object, ...] = ()

    def text_for(self, reader: Reader) -> str:
        """The call as Python."""
        return f"{self.name}({', '.join(map(repr, self.arguments))})"


@frozen
class Command:
    """`hivemind-client` with these words, as they are typed; on another node if `elsewhere`.

    `takes_identity` is False for a command without `--identity-file`. `call` does the same for an identity in memory.
    In a sentence it stands between quotes unless `quoted` is False.
    """

    words: tuple[str, ...]
    takes_identity: bool = True
    elsewhere: bool = False
    call: Optional[Call] = None
    quoted: bool = True

    def text_for(self, reader: Reader) -> str:
        """The command for the reader's identity, or the call in its place."""
        words = ("hivemind-client", *self.words)
        place = reader.place if self.takes_identity and not self.elsewhere else None
        if place is not None and place.path is None and self.call is not None:
            return self.call.text_for(reader)
        if place is not None and place.path is not None and not place.is_default:
            words = (*words, "--identity-file", shlex.quote(place.path))
        return f"'{' '.join(words)}'" if self.quoted else " ".join(words)


@frozen
class HubCommand:
    """`hivemind-core` with these words, to be typed on the hub's machine."""

    words: tuple[str, ...]

    def text_for(self, reader: Reader) -> str:
        """The command between quotes."""
        return f"'{' '.join(('hivemind-core', *self.words))}'"


@frozen
class Setting:
    """An argument of the client or an environment variable; at the command line `option` sets it. `both` names both."""

    name: str
    option: str = ""
    both: bool = False

    def text_for(self, reader: Reader) -> str:
        """What this reader sets."""
        if self.option and reader.at_command_line:
            return self.option
        return f"{self.name} ('{self.option}')" if self.both else self.name


@frozen
class Install:
    """What pip installs for an extra of this library, such as `intercom`: from the clone that this is, if it is one."""

    extra: str

    def text_for(self, reader: Reader) -> str:
        """The command."""
        clone = Path(__file__).absolute().parents[2]
        if not (clone / "plugins").is_dir():
            return f"pip install 'hivemind-core-client[{self.extra}]'"
        own = clone / "plugins" / ("binary_tts" if self.extra == "tts" else self.extra)
        return f"pip install -e {shlex.quote(str(own) if own.is_dir() else f'{clone}[{self.extra}]')}"

    def __str__(self) -> str:
        return self.text_for(Reader())


Instruction = Union[Call, Command, HubCommand, Install, Setting]


@frozen(init=False)
class Mend:
    """A piece of advice: words, and between them what to type, to call or to set. It begins in lower case.

    `joint` stands between the mend and what was said before it.
    """

    parts: tuple[Union[str, Instruction], ...]
    joint: str

    def __init__(self, *parts: Union[str, Instruction], joint: str = ". ") -> None:
        self.__attrs_init__(parts, joint)

    def text_for(self, reader: Reader) -> str:
        """The advice for this reader."""
        return "".join(part if isinstance(part, str) else part.text_for(reader) for part in self.parts)

    def after(self, said: str, reader: Reader) -> str:
        """What was said, and then this."""
        text = self.text_for(reader)
        if not said:
            return text
        return f"{said}{self.joint}{text[:1].upper() + text[1:] if self.joint == '. ' else text}"


def forget_server(address: str) -> Command:
    """The command that takes the pin of the hub at `host:port` away."""
    return Command(("forget-server", address), call=Call("identity.forget_noise_key", (address,)))


class HiveMindError(Exception):
    """Anything that went wrong between this satellite and its hive.

    `what` happened, and `mends` says what to do. `about` names the arguments of a client, or the fields of its
    identity, that it is about. `place` is the identity that its commands are for, where that is known.
    """

    exit_code: ClassVar[int] = 1
    what: str = ""
    mends: tuple[Mend, ...] = ()
    about: tuple[str, ...] = ()
    place: Optional[IdentityPlace] = None

    def __init__(
        self,
        what: str = "",
        *mends: Mend,
        about: Optional[tuple[str, ...]] = None,
        place: Optional[IdentityPlace] = None,
    ) -> None:
        super().__init__(what)
        self.what = str(what)  # others raise these with what they caught
        self.mends = mends
        if about is not None:
            self.about = about
        self.place = place

    @classmethod
    def because(cls: type[E], what: str, cause: HiveMindError, *mends: Mend) -> E:
        """An error of this class, caused by another one: it says so, and has the mends of both."""
        return cls(f"{what}: {cause.what}", *cause.mends, *mends, place=cause.place)

    def with_mends(self: E, *mends: Mend) -> E:
        """The same error with more mends."""
        error = copy.copy(self)
        error.mends += mends
        return error

    @property
    def instructions(self) -> tuple[Instruction, ...]:
        """The commands, calls and settings in the mends, in their order."""
        return tuple(part for mend in self.mends for part in mend.parts if not isinstance(part, str))

    def text_for(self, reader: Reader) -> str:
        """What happened and what to do, for this reader."""
        return reduce(lambda said, mend: mend.after(said, reader), self.mends, self.what)

    def mend_for(self, reader: Reader) -> str:
        """What to do, for this reader; an empty text where nothing is known."""
        return reduce(lambda said, mend: mend.after(said, reader), self.mends, "")

    def __str__(self) -> str:
        return self.text_for(Reader(self.place))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def __reduce__(self) -> tuple[object, ...]:
        # Without a call of the class: its arguments may be others than what an exception remembers.
        return type(self).__new__, (type(self),), {**self.__dict__, "args": self.args}


def again(error: HiveMindError) -> HiveMindError:
    """The error, to be raised once more: without the traceback that it has from before, which would grow each time."""
    return error.with_traceback(None)


class UsageError(HiveMindError):
    """The client was used in a wrong way. You can mend it, and nothing was sent."""

    exit_code: ClassVar[int] = 2


class IdentityNotSet(UsageError, RuntimeError):
    """No access key, or no address of a hub, from arguments, environment or identity file."""

    def __init__(self, missing: str) -> None:
        mend = Mend("run ", Command(("set-identity",)), " or pass key, password and host")
        super().__init__(f"NodeIdentity not set: no {missing}", mend)
        self.missing = missing


class IdentityFileError(UsageError, ValueError):
    """The identity file, a key beside it or a pin in it cannot be read, written or understood. Nothing was changed."""


class InvalidCredential(UsageError, ValueError):
    """A user agent, access key, password or pre-shared key that the wire cannot carry."""


class InvalidMessage(UsageError, ValueError):
    """A message that cannot be sent: it has no form on the wire."""


class InvalidOption(UsageError, ValueError):
    """An option whose value makes no sense."""


class UnknownCipher(UsageError, ValueError):
    """No loaded plugin offers this cipher."""


class UnknownEncoding(UsageError, ValueError):
    """No loaded plugin offers this encoding."""


class InvalidKeySize(UsageError, ValueError):
    """A key of a length that the cipher does not take."""


class SealingError(HiveMindError):
    """A message could not be sealed, or opened, with the key."""


class EncryptionFailed(UsageError, SealingError, ValueError):
    """A message could not be sealed."""


class NotConnected(UsageError, ConnectionAbortedError, RuntimeError):
    """There is no session with the hub, so the message was not sent."""

    exit_code: ClassVar[int] = 4


class ClientClosed(NotConnected):
    """`close()` was called: the client no longer sends or waits."""


class PluginError(HiveMindError, RuntimeError):
    """Plugins that the client cannot do without are missing, blocked or broken."""


class HubConnectionError(HiveMindError, ConnectionError, RuntimeError):
    """The connection to the hub could not be made, or it ended."""

    exit_code: ClassVar[int] = 4


class HubUnreachable(HubConnectionError):
    """The name does not resolve, or nobody listens at the address."""

    about = ("host", "port")


class SecureConnectionFailed(HubConnectionError):
    """TLS failed: the certificate does not verify, or the hub speaks no TLS."""


class NotAHub(HubConnectionError):
    """Something answers at the address, but it does not upgrade to a WebSocket."""


class ConnectionLost(HubConnectionError):
    """A connection has ended; the client reconnects by itself."""


class HubTimeout(HubConnectionError, TimeoutError):
    """A phase of connecting (`phase`) took longer than its deadline (`seconds`)."""

    def __init__(self, where: str, phase: str, seconds: float) -> None:
        question = "Does the hub speak ws:// without TLS?" if phase == "tls" else "Is the hub running?"
        super().__init__(
            f"timed out waiting for handshake: {where} did not finish the phase {phase!r} within {seconds:g} s",
            Mend(f"is this the hub's port? {question}"),
        )
        self.phase = phase
        self.seconds = seconds


class HubRefused(HiveMindError, PermissionError, ConnectionRefusedError, RuntimeError):
    """Before there was a session, the hub refused us, or we refused the hub. Trying again does not help."""

    exit_code: ClassVar[int] = 3


class LoginRefused(HubRefused):
    """The hub, or a proxy before it, did not accept the login. If the hub accepted it before, it is tried again."""


class KeyRefused(LoginRefused):
    """The hub does not know the access key."""

    about = ("key",)


class PasswordRefused(HubRefused):
    """The hub's envelope does not verify: the passwords differ."""

    about = ("password",)


class NegotiationRefused(HubRefused):
    """There is no cipher, encoding or kind of handshake that both sides allow."""


class VersionRefused(HubRefused):
    """There is no protocol version that both sides can use."""


class HubKeyChanged(HubRefused):
    """The hub's static key is not the one that is pinned for its address (docs/protocol.md, "Noise")."""

    def __init__(self, where: str, address: str, pinned: str, shown: str) -> None:
        ask = "it was set up anew. Ask its owner for the fingerprint, and only if it is the one shown run "
        super().__init__(
            f"the hub at {where} shows another static key than the one pinned for it: pinned is {pinned}, "
            f"shown {shown}",
            Mend("another machine answers in its place, or ", ask, forget_server(address)),
        )
        self.pinned, self.shown = pinned, shown


class ProtocolError(HiveMindError, ValueError):
    """A peer sent what the protocol does not allow."""


class FrameError(ProtocolError):
    """A frame that cannot be read; it is dropped and the connection kept."""


class UnknownMessageType(FrameError):
    """A message type or type code that is not in the protocol."""


class FrameTooLarge(FrameError):
    """A frame that is, or inflates to, more than the limits allow."""


class DecodingError(FrameError):
    """Text that is not in the encoding it should be in."""


class DecryptionFailed(ProtocolError, SealingError):
    """A sealed frame that does not open with the negotiated key."""


class CleartextRefused(ProtocolError):
    """A frame that is not sealed, where only sealed frames are allowed."""


class HandshakeError(ProtocolError):
    """An offer or an envelope that breaks the rules of the handshake."""


class HandshakeAgain(HandshakeError):
    """A handshake failed, and may succeed in another way. The client connects again at once, by itself."""


class QueryTimeout(HiveMindError, TimeoutError):
    """Nobody in the hive answered in time."""

    exit_code: ClassVar[int] = 4
