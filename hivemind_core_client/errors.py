"""Every error this library raises, in one tree.

```text
HiveMindError
├── UsageError                    the caller can mend it; nothing was sent
│   ├── IdentityNotSet            (RuntimeError) no access key or no hub address
│   ├── IdentityFileError         (ValueError) the identity file, or a key beside it, is unreadable or corrupt
│   ├── InvalidCredential         (ValueError) a key, password or user agent the wire cannot carry
│   ├── InvalidMessage            (ValueError) a message that has no form on the wire
│   │   └── MetadataTooLarge      more metadata than a binary frame has room for
│   ├── InvalidOption             (ValueError) an option whose value makes no sense
│   ├── UnknownCipher             (ValueError) no plugin offers this cipher
│   ├── UnknownEncoding           (ValueError) no plugin offers this encoding
│   ├── InvalidKeySize            (ValueError) a key of a length the cipher does not take
│   ├── EncryptionFailed          (SealingError, ValueError) a message could not be sealed
│   ├── OutboxFull                the outbox has no room for a message
│   ├── OutboxFileError           (OSError) the file of an outbox cannot be used
│   └── NotConnected              (ConnectionError, RuntimeError) there is no session; nothing was sent
│       └── ClientClosed          close() was called
├── SealingError                  the key does not seal or open
├── PluginError                   (RuntimeError) plugins that are needed are missing or blocked
├── HubConnectionError            (ConnectionError, RuntimeError) the way to the hub
│   ├── HubUnreachable            name or TCP: nobody listens there
│   │   ├── BrokerUnreachable     nobody listens where the broker should be
│   │   ├── HubOffline            the broker is there, and the hub is not
│   │   ├── HubNotFound           no hub in the network fits an address such as discover:kitchen
│   │   └── SeveralHubsFound      more than one fits it
│   ├── SecureConnectionFailed    TLS: certificate or version
│   ├── NotAHub                   something answers, but it speaks no WebSocket
│   ├── ConnectionLost            the connection has ended
│   └── HubTimeout                (TimeoutError) a phase of connecting ran into its deadline
├── HubRefused                    (ConnectionError, PermissionError, RuntimeError) the hub or we said no: final
│   ├── LoginRefused              what names us
│   │   ├── KeyRefused            the access key
│   │   └── BrokerRefused         the login at the broker, or a topic
│   ├── PasswordRefused           the password
│   ├── NegotiationRefused        cipher, encoding or handshake kind
│   ├── VersionRefused            protocol version
│   ├── HubKeyChanged             the hub's static key is not the pinned one
│   └── HubCertificateChanged     the hub's TLS certificate is not the pinned one
├── ProtocolError                 (ValueError) a peer misbehaved
│   ├── FrameError                a frame that cannot be read
│   │   ├── UnknownMessageType    a type or code that is not in the protocol
│   │   ├── UnsupportedProtocolVersion
│   │   ├── FrameTooLarge         a frame beyond the limits
│   │   └── DecodingError         text that is not in the negotiated encoding
│   │       └── MalformedBinaryFrame  bytes that are no binary frame
│   ├── DecryptionFailed          (SealingError) the frame does not open with the negotiated key
│   ├── CleartextRefused          a frame in the clear where only sealed ones are legal
│   └── HandshakeError            an offer or envelope that breaks the rules
│       └── HandshakeAgain        it failed, and is made anew at once in another way
├── NotUnderstood                 the hub heard no words in the audio
├── MessageDenied                 (PermissionError) the hub's policy did not take a message
└── QueryTimeout                  (TimeoutError) nobody answered in time
```

A `UsageError` is yours to mend. A `ProtocolError` is what the hub or another node did wrong. Catch `HiveMindError` to
catch them all. Each class has an `exit_code`, by which `hivemind-client` ends: 1 failed, 2 wrong usage, 3 refused by
the hub, 4 unreachable or timed out.
"""

from __future__ import annotations

from hivemind_core_client.wire.broker_errors import BrokerRefused, BrokerUnreachable, HubOffline
from hivemind_core_client.wire.certificate_errors import HubCertificateChanged
from hivemind_core_client.wire.denials import MessageDenied, allow_msg
from hivemind_core_client.wire.errors import (
    Call,
    CleartextRefused,
    ClientClosed,
    Command,
    ConnectionLost,
    DecodingError,
    DecryptionFailed,
    EncryptionFailed,
    FrameError,
    FrameTooLarge,
    HandshakeAgain,
    HandshakeError,
    HiveMindError,
    HubCommand,
    HubConnectionError,
    HubKeyChanged,
    HubRefused,
    HubTimeout,
    HubUnreachable,
    IdentityFileError,
    IdentityNotSet,
    IdentityPlace,
    Install,
    Instruction,
    InvalidCredential,
    InvalidKeySize,
    InvalidMessage,
    InvalidOption,
    KeyRefused,
    LoginRefused,
    Mend,
    NegotiationRefused,
    NotAHub,
    NotConnected,
    PasswordRefused,
    PluginError,
    ProtocolError,
    QueryTimeout,
    Reader,
    SealingError,
    SecureConnectionFailed,
    Setting,
    UnknownCipher,
    UnknownEncoding,
    UnknownMessageType,
    UsageError,
    VersionRefused,
    forget_server,
)
from hivemind_core_client.wire.finding_errors import HubNotFound, SeveralHubsFound
from hivemind_core_client.wire.frame_errors import (
    MalformedBinaryFrame,
    MetadataTooLarge,
    UnsupportedProtocolVersion,
)
from hivemind_core_client.wire.mends import forget_certificate
from hivemind_core_client.wire.outbox_errors import OutboxFileError, OutboxFull
from hivemind_core_client.wire.sound_errors import NotUnderstood

__all__ = [
    "BrokerRefused",
    "BrokerUnreachable",
    "Call",
    "CleartextRefused",
    "ClientClosed",
    "Command",
    "ConnectionLost",
    "DecodingError",
    "DecryptionFailed",
    "EncryptionFailed",
    "FrameError",
    "FrameTooLarge",
    "HandshakeAgain",
    "HandshakeError",
    "HiveMindError",
    "HubCertificateChanged",
    "HubCommand",
    "HubConnectionError",
    "HubKeyChanged",
    "HubNotFound",
    "HubOffline",
    "HubRefused",
    "HubTimeout",
    "HubUnreachable",
    "IdentityFileError",
    "IdentityNotSet",
    "IdentityPlace",
    "Install",
    "Instruction",
    "InvalidCredential",
    "InvalidKeySize",
    "InvalidMessage",
    "InvalidOption",
    "KeyRefused",
    "LoginRefused",
    "MalformedBinaryFrame",
    "Mend",
    "MessageDenied",
    "MetadataTooLarge",
    "NegotiationRefused",
    "NotAHub",
    "NotConnected",
    "NotUnderstood",
    "OutboxFileError",
    "OutboxFull",
    "PasswordRefused",
    "PluginError",
    "ProtocolError",
    "QueryTimeout",
    "Reader",
    "SealingError",
    "SecureConnectionFailed",
    "Setting",
    "SeveralHubsFound",
    "UnknownCipher",
    "UnknownEncoding",
    "UnknownMessageType",
    "UnsupportedProtocolVersion",
    "UsageError",
    "VersionRefused",
    "allow_msg",
    "forget_certificate",
    "forget_server",
]
