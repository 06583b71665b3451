"""The hooks: a transport for `mqtt://`, and one for `mqtts://`, which differ in their port."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from hivemind_client_mqtt.options import OPTIONS
from hivemind_core_client.plugins.contract import Transport
from hivemind_core_client.plugins.hookspecs import hookimpl

if TYPE_CHECKING:
    from hivemind_client_cli import DoctorCheck
    from hivemind_core_client.plugins.contract import TransportSettings

#: The most bytes of one MQTT packet (MQTT 5.0, 1.5.5), without what stands before the payload.
LARGEST_FRAME = 268_435_455 - 2 * 65_535


def _blocking(settings: TransportSettings) -> Any:
    from hivemind_client_mqtt.blocking import BlockingMqtt

    return BlockingMqtt(settings)


def _asyncio(settings: TransportSettings) -> Any:
    from hivemind_client_mqtt.on_loop import AsyncMqtt

    return AsyncMqtt(settings)


def _transport(scheme: str, port: int, secure: tuple[str, ...] = ()) -> Transport:
    return Transport(
        scheme,
        blocking=_blocking,
        # On Windows, loops cannot watch a socket of somebody else: a loop uses the blocking form there, on threads.
        asyncio=None if sys.platform == "win32" else _asyncio,
        default_port=port,
        secure=secure,
        largest_frame=LARGEST_FRAME,
        options=OPTIONS,
    )


@hookimpl
def hivemind_transports() -> list[Transport]:
    """Hubs behind a broker, without and with TLS."""
    return [_transport("mqtt", 1883), _transport("mqtts", 8883, ("mqtts",))]


@hookimpl
def hivemind_doctor_checks() -> list[DoctorCheck]:
    """What the broker allows, and what the hub has said of itself."""
    from hivemind_client_mqtt.doctor import BrokerChecks

    return BrokerChecks().all()
