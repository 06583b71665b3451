"""How a broker is reached: by TCP, with TLS, and with a certificate of our own."""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from hivemind_client_mqtt import refusals
from hivemind_core_client.config.tls import refusal_in
from hivemind_core_client.errors import InvalidOption
from hivemind_core_client.wire.text import text_of

if TYPE_CHECKING:
    from hivemind_client_mqtt.options import BrokerOptions
    from hivemind_core_client.plugins.contract import TransportSettings

#: What may stand in a packet beside the frame, in bytes.
_BESIDE = 2 * 65_535
#: The most that MQTT allows, in bytes.
_LARGEST = 2**28 - 1


def new_client(version: MQTTProtocolVersion, options: BrokerOptions) -> Client:
    """A client of this version of MQTT, for one connection, with the login at the broker."""
    client = Client(
        CallbackAPIVersion.VERSION2,
        client_id=options.client_id,
        clean_session=None if version == MQTTProtocolVersion.MQTTv5 else True,
        protocol=version,
        reconnect_on_failure=False,
    )
    if options.username is not None or options.password is not None:
        client.username_pw_set(options.username, options.password)
    return client


def connect(client: Client, settings: TransportSettings, options: BrokerOptions) -> None:
    """Connect, and send who we are.

    Raises BrokerUnreachable, SecureConnectionFailed, InvalidOption for a certificate that cannot be used, and the
    error of `ssl` for a broker whose certificate is not the pinned one.
    """
    address: Any = settings.address
    client.connect_timeout = settings.deadlines.tcp
    if address.tls:
        context = _context(settings, options)
        client.tls_set_context(context)
        if not context.check_hostname:
            client.tls_insecure_set(True)  # without it, it is checked by what newer Pythons do not have
    is_new = client.protocol == MQTTProtocolVersion.MQTTv5
    try:
        if is_new:
            client.connect(
                address.host,
                address.port,
                options.keepalive,
                clean_start=True,
                properties=_properties(settings.largest_frame),
            )
        else:
            client.connect(address.host, address.port, options.keepalive)
    except ssl.SSLError as error:
        if refusal_in(error) is not None:
            raise
        raise refusals.insecure(address, error) from error
    except socket.gaierror as error:
        raise refusals.unresolved(address) from error
    except (OSError, ValueError) as error:
        raise refusals.unreachable(address, error) from error
    _hasten(client.socket())


def _hasten(found: Any) -> None:
    """Have small packets leave at once: else one waits for what the broker says of the one before."""
    with suppress(OSError, AttributeError):  # it may have ended already
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def has_unread(found: Any) -> bool:
    """Whether TLS has bytes of this socket that nobody has read."""
    pending = getattr(found, "pending", None)
    return pending is not None and bool(pending())


def _context(settings: TransportSettings, options: BrokerOptions) -> ssl.SSLContext:
    context = settings.tls.make_context()
    if options.certfile is not None:
        password = options.keyfile_password or ""
        try:
            # As a function: without a password, OpenSSL would ask for one at the terminal.
            context.load_cert_chain(options.certfile, options.keyfile, lambda: password)
        except (OSError, ValueError) as error:
            raise InvalidOption(
                f"the certificate in tls_certfile ({options.certfile!r}) cannot be used: {text_of(error)}"
            ) from error
    return context


def text_properties() -> Any:
    """What MQTT 5 says of a message that is text."""
    properties: Any = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # that is how it is
    properties.PayloadFormatIndicator = 1
    return properties


def _properties(largest_frame: int) -> Any:
    """What an MQTT 5 broker is told: it does not pass on more than we take."""
    properties: Any = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # that is how it is
    properties.MaximumPacketSize = min(largest_frame + _BESIDE, _LARGEST)
    return properties
