"""What the transport for MQTT is told: its options, and the topics that follow from address and key."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional
from urllib.parse import unquote

from attrs import field, frozen

from hivemind_client_mqtt.topics import Topics
from hivemind_core_client.errors import InvalidOption, Mend, Setting
from hivemind_core_client.plugins.contract import TransportOption

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hivemind_core_client.plugins.contract import TransportSettings

DEFAULT_PREFIX = "hivemind"
#: What a hub calls itself whose identity has no name.
DEFAULT_HUB_NAME = "unnamed-node"
#: Seconds without a frame after which hubs forget a satellite, as installed.
DEFAULT_IDLE_S = 300.0
#: The longest that the protocol of the broker can say, in seconds.
_LONGEST_KEEPALIVE = 65535
#: Of a satellite for whose broker nobody asked for pings.
_NO_PINGS_S = 60


OPTIONS = (
    TransportOption("broker_username", "HIVEMIND_MQTT_BROKER_USERNAME"),
    TransportOption("broker_password", "HIVEMIND_MQTT_BROKER_PASSWORD", secret=True),
    TransportOption("broker_password_file", "HIVEMIND_MQTT_BROKER_PASSWORD_FILE"),
    TransportOption("tls_certfile", "HIVEMIND_MQTT_TLS_CERTFILE"),
    TransportOption("tls_keyfile", "HIVEMIND_MQTT_TLS_KEYFILE"),
    TransportOption("tls_keyfile_password", "HIVEMIND_MQTT_TLS_KEYFILE_PASSWORD", secret=True),
    TransportOption("hub_name", "HIVEMIND_MQTT_HUB_NAME"),
    TransportOption("client_id", "HIVEMIND_MQTT_CLIENT_ID"),
    TransportOption("idle_timeout", "HIVEMIND_MQTT_IDLE_TIMEOUT"),
)


@frozen
class BrokerOptions:
    """How to reach a broker, and who we are there.

    `keepalive` is in seconds. `idle_timeout` is how many seconds without a frame the hub waits until it forgets us
    (0: for ever).
    """

    topics: Topics = field(repr=False)
    client_id: str = field(repr=False)
    username: Optional[str]
    password: Optional[str] = field(repr=False)
    certfile: Optional[str]
    keyfile: Optional[str]
    keyfile_password: Optional[str] = field(repr=False)
    keepalive: int
    idle_timeout: float


def read_options(settings: TransportSettings) -> BrokerOptions:
    """The options of a connection.

    Raises InvalidOption for an option that makes no sense, and InvalidCredential for a key that is no part of a topic.
    """
    given = settings.options
    topics = Topics.of(
        _prefix(settings.address.path), settings.key, _text(given, "hub_name") or DEFAULT_HUB_NAME
    )
    certfile, keyfile = _text(given, "tls_certfile"), _text(given, "tls_keyfile")
    _check_certificate(certfile, keyfile, settings.address.tls)
    return BrokerOptions(
        topics=topics,
        client_id=_text(given, "client_id") or _own_id(topics),
        username=_text(given, "broker_username"),
        password=_password(given),
        certfile=certfile,
        keyfile=keyfile,
        keyfile_password=_text(given, "tls_keyfile_password"),
        keepalive=_keepalive(settings.ping_interval),
        idle_timeout=_seconds(given, "idle_timeout", DEFAULT_IDLE_S),
    )


def _prefix(path: str) -> str:
    """The topics' prefix in the path of an address."""
    return unquote(path).strip("/") or DEFAULT_PREFIX


def _own_id(topics: Topics) -> str:
    """The name at the broker, the same for all connections with one key.

    So the broker ends the connection of a process that is gone before it takes the next one. Its last will comes then,
    and not later, when it would end the new session. 23 letters are what each broker takes.
    """
    return f"hm-{hashlib.sha256(topics.up.encode()).hexdigest()[:20]}"


def _keepalive(ping_interval: Optional[float]) -> int:
    if not ping_interval:
        return _NO_PINGS_S
    return max(1, min(int(ping_interval), _LONGEST_KEEPALIVE))


def _text(given: Mapping[str, Any], name: str) -> Optional[str]:
    value = given.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise InvalidOption(f"the option {name} is a {type(value).__name__}; it must be text")
    return value


def _seconds(given: Mapping[str, Any], name: str, default: float) -> float:
    value = given.get(name)
    if value is None or value == "":
        return default
    try:
        seconds = float("nan") if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        seconds = float("nan")
    if not 0 <= seconds < 2**31:
        raise InvalidOption(f"the option {name} is {value!r}; it must be seconds, 0 or more")
    return seconds


def _password(given: Mapping[str, Any]) -> Optional[str]:
    """The password at the broker: as it is given, or the first line of its file."""
    password, path = _text(given, "broker_password"), _text(given, "broker_password_file")
    if path is None:
        return password
    if password is not None:
        raise InvalidOption(
            "broker_password and broker_password_file are both given", Mend("leave one out", joint="; ")
        )
    try:
        lines = Path(path).expanduser().read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise InvalidOption(
            f"the file of broker_password_file, {path!r}, cannot be read: {reason}"
        ) from error
    return lines[0] if lines else ""


def _check_certificate(certfile: Optional[str], keyfile: Optional[str], tls: bool) -> None:
    if keyfile is not None and certfile is None:
        raise InvalidOption(
            "tls_keyfile is given without tls_certfile", Mend("give both, or none", joint="; ")
        )
    if certfile is not None and not tls:
        raise InvalidOption(
            "tls_certfile is given, and the address begins with mqtt://, which has no TLS",
            Mend("use an address that begins with mqtts:// (", Setting("host", "--host"), ")"),
        )
