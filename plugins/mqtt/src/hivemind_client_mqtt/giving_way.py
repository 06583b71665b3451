"""A satellite whose place at the broker was taken by another one with its key: it waits until that one has gone."""

from __future__ import annotations

import logging
import secrets
import time
from typing import TYPE_CHECKING, Any, Optional

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from hivemind_client_mqtt.reaching import connect
from hivemind_core_client.errors import HiveMindError

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping

    from paho.mqtt.client import MQTTMessage

    from hivemind_client_mqtt.options import BrokerOptions
    from hivemind_core_client.plugins.contract import TransportSettings

log = logging.getLogger(__name__)

#: How long to wait for the other one, in seconds: a command with the same key is done by then.
GIVE_WAY_S = 10.0
#: How long the broker may take to say what it keeps, in seconds.
_SAY_S = 0.3
#: How long to wait for the socket before it is asked whether this is still wanted, in seconds.
_STEP_S = 0.1
#: In `TransportSettings.memory`: who we are, and that a connection ended for no reason that we know.
_TOKEN, _PUSHED = "mqtt token", "mqtt pushed"
#: The name of a property of MQTT 5.
_PROPERTY = "satellite"


def note_push(memory: MutableMapping[str, Any]) -> None:
    """A connection ended, maybe because another one has taken its place."""
    memory[_PUSHED] = True


def status_properties(memory: MutableMapping[str, Any]) -> Any:
    """What MQTT 5 says of a status: whose it is."""
    properties: Any = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # that is how it is
    properties.UserProperty = (_PROPERTY, _token(memory))
    return properties


def give_way(settings: TransportSettings, options: BrokerOptions, is_wanted: Callable[[], bool]) -> None:
    """Wait until nobody else is online with our key, for `GIVE_WAY_S` at most. Blocks, and raises nothing.

    It looks only after a connection that ended for no known reason. Then it looks with another name at the broker,
    as connecting with our own would end the connection of the other one.
    """
    if not settings.memory.pop(_PUSHED, False):
        return
    try:
        _Look(settings, options).wait(is_wanted)
    except (HiveMindError, OSError, ValueError) as error:  # what this means is found out by who connects
        log.debug("no look at the broker: %s", type(error).__name__)


class _Look:
    """A connection that reads our status, and says nothing."""

    def __init__(self, settings: TransportSettings, options: BrokerOptions) -> None:
        self._settings = settings
        self._options = options
        self._is_other: Optional[bool] = None
        self._client = client = Client(
            CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5, reconnect_on_failure=False
        )
        if options.username is not None or options.password is not None:
            client.username_pw_set(options.username, options.password)
        client.on_connect = self._on_connect
        client.on_message = self._on_message

    def wait(self, is_wanted: Callable[[], bool]) -> None:
        """Return when the other one has gone, or there is none. Raises what `connect` raises."""
        began = time.monotonic()
        connect(self._client, self._settings, self._options)
        try:
            while is_wanted() and self._goes_on(time.monotonic() - began):
                if self._client.loop(_STEP_S) != MQTTErrorCode.MQTT_ERR_SUCCESS:
                    break
        finally:
            self._client.disconnect()

    def _goes_on(self, waited: float) -> bool:
        return waited < (_SAY_S if self._is_other is None else GIVE_WAY_S) and self._is_other is not False

    def _on_connect(self, client: Client, *_: object) -> None:
        client.subscribe(self._options.topics.status, qos=1)

    def _on_message(self, client: Client, data: object, message: MQTTMessage) -> None:
        named = dict(getattr(message.properties, "UserProperty", ()))
        is_other = message.payload == b"online" and named.get(_PROPERTY) != _token(self._settings.memory)
        if is_other and not self._is_other:
            log.warning(
                "another satellite has taken our place at %s with the same access key: waiting for it, %g s at most",
                self._settings.address,
                GIVE_WAY_S,
            )
        self._is_other = is_other


def _token(memory: MutableMapping[str, Any]) -> str:
    """A name for this client, as long as its memory lasts."""
    token: str = memory.setdefault(_TOKEN, secrets.token_hex(8))
    return token
