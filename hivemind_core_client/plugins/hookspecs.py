"""The hooks a plugin may implement. The long contract is docs/plugins.md."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional, Union

import pluggy

if TYPE_CHECKING:
    from hivemind_core_client.plugins.contract import (
        BinaryHandler,
        BinaryType,
        Cipher,
        Encoding,
        MessageHandler,
        MessageType,
        Serializer,
        Transport,
    )
    from hivemind_core_client.plugins.handshake_contract import HandshakeKind
    from hivemind_core_client.wire.message import HiveMessage

#: The entry-point group in which plugins are found, and the name of the pluggy project.
PROJECT = "hivemind_core_client"
#: How the names of our hooks begin, and those of the hooks that the command line brings.
OURS = "hivemind_"
OF_COMMAND_LINE = ("hivemind_cli_", "hivemind_doctor_")

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def hivemind_ciphers() -> list[Cipher]:  # type: ignore[empty-body]
    """Return the ciphers this plugin offers, each under its wire name.

    Called: once for each selection of plugins, when its first client is made.
    Example: return [Cipher("AES-GCM", key_sizes=(16, 24, 32), nonce_size=16, tag_size=16, seal=seal, open=open_)]
    """


@hookspec
def hivemind_encodings() -> list[Encoding]:  # type: ignore[empty-body]
    """Return the encodings this plugin offers, each under its wire name.

    Called: once for each selection of plugins, when its first client is made.
    Example: return [Encoding("JSON-B85", encode, base64.b85decode, plain=True)]
    """


@hookspec
def hivemind_handshakes() -> list[HandshakeKind]:  # type: ignore[empty-body]
    """Return the kinds of handshake this plugin brings, each with its rank.

    Called: once for each selection of plugins, when its first client is made.
    Example: return [HandshakeKind(TokenHandshake, rank=250)]
    """


@hookspec
def hivemind_serializers() -> list[Serializer]:  # type: ignore[empty-body]
    """Return the serializers this plugin offers, named `text` or `binary`.

    Called: once for each selection of plugins, when its first client is made.
    Example: return [Serializer("text", encode, decode)]
    """


@hookspec
def hivemind_settings() -> list[type]:  # type: ignore[empty-body]
    """Return the attrs class that declares the settings of this plugin, as a list of one (docs/plugins-settings.md).

    Called: once for each selection of plugins, when its first client is made.
    Example: return [DoorBellSettings]
    """


@hookspec
def hivemind_message_types() -> list[Union[MessageType, BinaryType]]:  # type: ignore[empty-body]
    """Return the message types and the bin types this plugin brings (docs/plugins-messages.md).

    Called: once for each selection of plugins in a process, before the hooks for handlers.
    Example: return [MessageType("weather"), BinaryType(7, "CLOUD_OF_POINTS")]
    """


@hookspec
def hivemind_message_handlers() -> list[MessageHandler]:  # type: ignore[empty-body]
    """Return the handlers this plugin brings, one for each message type it serves.

    Called: once for each selection of plugins, when its first client is made.
    Example: return [MessageHandler(HiveMessageType.THIRDPRTY, "door bell", receive)]
    """


@hookspec
def hivemind_binary_handlers() -> list[BinaryHandler]:  # type: ignore[empty-body]
    """Return the handlers this plugin brings, one for each bin type it serves.

    Called: once for each selection of plugins, when its first client is made.
    Example: return [BinaryHandler(HiveMindBinaryPayloadType.FILE, "files", receive)]
    """


@hookspec
def hivemind_transports() -> list[Transport]:  # type: ignore[empty-body]
    """Return the transports this plugin offers. Each one serves the URL schemes that it names.

    Called: once for each selection of plugins, when its first client is made.
    Example: return [Transport("pipe", PipeCarrier)]
    """


@hookspec(historic=True)
def hivemind_addhooks(pluginmanager: pluggy.PluginManager) -> None:
    """Add hookspecs of your own to `pluginmanager`, so that other plugins can extend yours.

    Called: when the plugin is registered.
    Example: pluginmanager.add_hookspecs(MySpecs)
    """


@hookspec
def hivemind_connected(client: Any) -> None:
    """Observe that `client` has a session with its hub. It may be the first session or a new one.

    Called: among the users' handlers, when a session stands.
    Example: log.info("connected over %s", client.cipher)
    """


@hookspec
def hivemind_disconnected(client: Any, reason: Exception) -> None:
    """Observe that the session of `client` has ended, with the error that says why.

    Called: among the users' handlers, when a session that stood has ended.
    Example: log.info("gone: %s", reason)
    """


@hookspec
def hivemind_message_arrived(client: Any, message: HiveMessage, size: Optional[int]) -> None:
    """Observe a message of the hub, before the handlers of its type. `size` is in bytes on the wire, None if unknown.

    Called: among the users' handlers, for each message of a session.
    Example: counts["arrived", message.msg_type] += 1
    """


@hookspec
def hivemind_message_sent(client: Any, message: HiveMessage, size: Optional[int]) -> None:
    """Observe a message that was handed to the connection. `size` is in bytes on the wire, None if unknown.

    Called: among the users' handlers, for each message of a session that was written.
    Example: counts["sent", message.msg_type] += 1
    """
