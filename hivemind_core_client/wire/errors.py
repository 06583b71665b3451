"""Every error this library raises, in one tree.

::

    HiveMindError
    ├── UsageError                    the caller can mend it; nothing was sent
    │   ├── IdentityNotSet            (RuntimeError) no access key or no hub address
    │   ├── IdentityFileError         (ValueError) the identity file, or a key beside it, is unreadable or corrupt
    │   ├── InvalidCredential         (ValueError) a key, password or user agent the wire cannot carry
    │   ├── InvalidMessage            (ValueError) a message that has no form on the wire
    │   ├── InvalidOption             (ValueError) an option whose value makes no sense
    │   ├── UnknownCipher             (ValueError) no plugin offers this cipher
    │   ├── UnknownEncoding           (ValueError) no plugin offers this encoding
    │   ├── InvalidKeySize            (ValueError) a key of a length the cipher does not take
    │   ├── EncryptionFailed          (ValueError) a message could not be sealed
    │   └── NotConnected              (ConnectionError, RuntimeError) no session stands; nothing was sent
    │       └── ClientClosed          close() was called
    ├── PluginError                   (RuntimeError) plugins that are needed are missing or blocked
    ├── HubConnectionError            (ConnectionError, RuntimeError) the way to the hub
    │   ├── HubUnreachable            name or TCP: nobody listens there
    │   ├── SecureConnectionFailed    TLS: certificate or version
    │   ├── NotAHub                   something answers, but it speaks no WebSocket
    │   ├── ConnectionLost            a session that stood has ended
    │   └── HubTimeout                (TimeoutError) a phase of connecting ran into its deadline
    ├── HubRefused                    (ConnectionError, PermissionError, RuntimeError) the hub or we said no: final
    │   ├── KeyRefused                the access key
    │   ├── PasswordRefused           the password
    │   ├── NegotiationRefused        cipher, encoding or handshake kind
    │   ├── VersionRefused            protocol version
    │   └── HubKeyChanged             the hub's static key is not the pinned one
    ├── ProtocolError                 (ValueError) a peer misbehaved
    │   ├── FrameError                a frame that cannot be read
    │   │   ├── UnknownMessageType    a type or code that is not in the protocol
    │   │   ├── UnsupportedProtocolVersion
    │   │   ├── FrameTooLarge         a frame beyond the limits
    │   │   └── DecodingError         text that is not in the negotiated encoding
    │   ├── DecryptionFailed          the frame does not open with the negotiated key
    │   ├── CleartextRefused          a frame in the clear where only sealed ones are legal
    │   └── HandshakeError            an offer or envelope that breaks the rules
    │       └── HandshakeAgain        it failed, and is made anew at once in another way
    ├── MessageDenied                 (PermissionError) the hub's policy does not take this message
    └── QueryTimeout                  (TimeoutError) nobody answered in time

`UsageError` is local misuse, `ProtocolError` remote misbehaviour; a caller who only wants to know
"did it work" catches `HiveMindError`. Each class carries `exit_code`, the code `hivemind-client`
ends with: 1 failed, 2 wrong usage, 3 refused by the hub, 4 unreachable or timed out.
"""

from __future__ import annotations

from typing import ClassVar


class HiveMindError(Exception):
    """Anything that went wrong between this satellite and its hive."""

    exit_code: ClassVar[int] = 1


def again(error: HiveMindError) -> HiveMindError:
    """The error, to be raised once more: without the traceback that it has from before, which would grow each time."""
    return error.with_traceback(None)


class UsageError(HiveMindError):
    """Local misuse: the caller can mend it, and nothing was sent."""

    exit_code: ClassVar[int] = 2


class IdentityNotSet(UsageError, RuntimeError):
    """No access key, or no address of a hub, from arguments, environment or identity file."""

    def __init__(self, missing: str) -> None:
        super().__init__(
            f"NodeIdentity not set: no {missing}. Run 'hivemind-client set-identity' "
            "or pass key, password and host"
        )
        self.missing = missing


class IdentityFileError(UsageError, ValueError):
    """The identity file, a key file beside it or a pin in it cannot be read, written or understood; all was left."""


class InvalidCredential(UsageError, ValueError):
    """A user agent, access key, password or pre-shared key that the wire cannot carry."""


class InvalidMessage(UsageError, ValueError):
    """A message that has no form on the wire."""


class InvalidOption(UsageError, ValueError):
    """An option whose value makes no sense."""


class UnknownCipher(UsageError, ValueError):
    """No loaded plugin offers this cipher."""


class UnknownEncoding(UsageError, ValueError):
    """No loaded plugin offers this encoding."""


class InvalidKeySize(UsageError, ValueError):
    """A key of a length that the cipher does not take."""


class EncryptionFailed(UsageError, ValueError):
    """A message could not be sealed."""


class NotConnected(UsageError, ConnectionError, RuntimeError):
    """No session with the hub stands, so the message was not sent."""

    exit_code: ClassVar[int] = 4


class ClientClosed(NotConnected):
    """`close()` was called: the client sends and waits no more."""


class PluginError(HiveMindError, RuntimeError):
    """Plugins that the client cannot do without are missing, blocked or broken."""


class HubConnectionError(HiveMindError, ConnectionError, RuntimeError):
    """The way to the hub is closed or broke."""

    exit_code: ClassVar[int] = 4


class HubUnreachable(HubConnectionError):
    """The name does not resolve, or nobody listens at the address."""


class SecureConnectionFailed(HubConnectionError):
    """TLS failed: the certificate does not verify, or the hub speaks no TLS."""


class NotAHub(HubConnectionError):
    """Something answers at the address, but it does not upgrade to a WebSocket."""


class ConnectionLost(HubConnectionError):
    """A connection that stood has ended; the client reconnects by itself."""


class HubTimeout(HubConnectionError, TimeoutError):
    """A phase of connecting (`phase`) took longer than its deadline (`seconds`)."""

    def __init__(self, where: str, phase: str, seconds: float) -> None:
        mend = "Does the hub speak ws:// without TLS?" if phase == "tls" else "Is the hub running?"
        super().__init__(
            f"timed out waiting for handshake: {where} did not finish the phase {phase!r} "
            f"within {seconds:g} s. Is this the hub's port? {mend}"
        )
        self.phase = phase
        self.seconds = seconds


class HubRefused(HiveMindError, PermissionError, ConnectionError, RuntimeError):
    """The hub refused us, or we refused the hub, before a session stood: trying again is useless."""

    exit_code: ClassVar[int] = 3


class KeyRefused(HubRefused):
    """The hub does not know the access key."""


class PasswordRefused(HubRefused):
    """The hub's envelope does not verify: the passwords differ."""


class NegotiationRefused(HubRefused):
    """No cipher, encoding or kind of handshake that both sides allow."""


class VersionRefused(HubRefused):
    """No protocol version that both sides speak."""


class HubKeyChanged(HubRefused):
    """The hub's static key is not the one that is pinned for its address (docs/protocol.md, "Noise")."""

    def __init__(self, where: str, address: str, pinned: str, shown: str) -> None:
        super().__init__(
            f"the hub at {where} shows another static key than the one pinned for it: pinned is {pinned}, shown "
            f"{shown}. Somebody stands between, or the hub was set up anew: ask its owner for the fingerprint, and "
            f"only if it is the one shown run 'hivemind-client forget-server {address}'"
        )
        self.pinned = pinned
        self.shown = shown


class ProtocolError(HiveMindError, ValueError):
    """A peer sent what the protocol does not allow."""


class FrameError(ProtocolError):
    """A frame that cannot be read; it is dropped and the connection kept."""


class UnknownMessageType(FrameError):
    """A message type or type code that is not in the protocol."""


class UnsupportedProtocolVersion(FrameError):
    """A binary frame of a version above 1."""


class FrameTooLarge(FrameError):
    """A frame that is, or inflates to, more than the limits allow."""


class DecodingError(FrameError):
    """Text that is not in the encoding it should be in."""


class DecryptionFailed(ProtocolError):
    """A sealed frame that does not open with the negotiated key."""


class CleartextRefused(ProtocolError):
    """A frame in the clear where only sealed ones are legal."""


class HandshakeError(ProtocolError):
    """An offer or an envelope that breaks the rules of the handshake."""


class HandshakeAgain(HandshakeError):
    """A handshake failed that may succeed in another way: the client connects again at once, without being told."""


class MessageDenied(HiveMindError, PermissionError):
    """The hub's policy does not take a message of this type from here; the session goes on."""

    exit_code: ClassVar[int] = 3

    def __init__(self, msg_type: str, reason: str = "") -> None:
        said = f" ({reason})" if reason else ""
        super().__init__(
            f"hive.policy.denied: the hub does not take {msg_type!r} from here{said}: run 'hivemind-core allow-msg "
            f"{msg_type} NODE_ID' on the hub's machine ('hivemind-core list-clients' shows NODE_ID)"
        )
        self.msg_type = msg_type


class QueryTimeout(HiveMindError, TimeoutError):
    """Nobody in the hive answered in time."""

    exit_code: ClassVar[int] = 4
