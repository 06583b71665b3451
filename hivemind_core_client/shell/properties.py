"""The attributes that every client has, whatever moves its bytes."""

from __future__ import annotations

from typing import Any, Optional, Union

from hivemind_core_client.config.identity import NodeIdentity
from hivemind_core_client.config.profile import ClientProfile
from hivemind_core_client.config.settings import read_crypto_key, without_colon
from hivemind_core_client.plugins.contract import HubFacts, Negotiated
from hivemind_core_client.plugins.manager import Plugins
from hivemind_core_client.wire.errors import ConnectionLost, HiveMindError, InvalidOption, again
from hivemind_core_client.wire.hive_map import HiveMapper


class SatelliteProperties:
    """Read and set what a client connects with. What is set counts from the next connection on."""

    profile: ClientProfile

    @property
    def identity(self) -> NodeIdentity:
        """This node's identity. What was passed to the constructor is not in it."""
        return self.profile.identity

    @property
    def key(self) -> str:
        """The access key."""
        return self.profile.settings.key

    @key.setter
    def key(self, value: str) -> None:
        self.profile.change(key=without_colon("access key", value))

    @property
    def password(self) -> Optional[str]:
        """The password, or None."""
        return self.profile.settings.password

    @password.setter
    def password(self, value: Optional[str]) -> None:
        self.profile.change(password=value or None)

    @property
    def crypto_key(self) -> Optional[bytes]:
        """The pre-shared key in bytes, or None."""
        return self.profile.settings.crypto_key

    @crypto_key.setter
    def crypto_key(self, value: Union[str, bytes, None]) -> None:
        self.profile.change(crypto_key=read_crypto_key(value))

    @property
    def host(self) -> str:
        """The hub's host name or address."""
        return self.profile.settings.address.host

    @property
    def port(self) -> int:
        """The hub's port."""
        return self.profile.settings.address.port

    @property
    def useragent(self) -> str:
        """The name under which the hub shows us."""
        return self.profile.settings.useragent

    @useragent.setter
    def useragent(self, value: str) -> None:
        self.profile.change(useragent=without_colon("user agent", value))

    @property
    def site_id(self) -> str:
        """The site this satellite is at; `unknown` where none was given."""
        return self.profile.settings.site_id

    @site_id.setter
    def site_id(self, value: str) -> None:
        self.profile.change(site_id=value)
        self.profile.context.session.site_id = value

    @property
    def session_id(self) -> str:
        """The id of our OVOS session."""
        return self.profile.context.session.session_id

    @session_id.setter
    def session_id(self, value: str) -> None:
        self.profile.context.session.session_id = value

    @property
    def plugins(self) -> Plugins:
        """The plugins in use, with their report."""
        return self.profile.plugins

    @property
    def hub(self) -> Optional[HubFacts]:
        """What the hub said of itself, once it did."""
        return self.profile.context.hub

    @property
    def negotiated(self) -> Optional[Negotiated]:
        """What the present or last handshake agreed on."""
        return self.profile.context.negotiated

    @property
    def cipher(self) -> str:
        """Wire name of the negotiated cipher; the protocol's default before that."""
        return self.negotiated.cipher if self.negotiated else "AES-GCM"

    @property
    def json_encoding(self) -> str:
        """Wire name of the negotiated encoding; the protocol's default before that."""
        return self.negotiated.encoding if self.negotiated else "JSON-HEX"

    @property
    def hive_map(self) -> HiveMapper:
        """The map of the hive, as the PINGs that have come by tell it; `ping` asks for it."""
        return self.profile.context.hive_map

    @property
    def peer(self) -> str:
        """Our own name in the hive, `NAME::SESSION_ID`: the root to draw the map from."""
        return self.profile.context.peer

    @property
    def query_timeout(self) -> float:
        """Seconds to wait for the answer to a QUERY, 30 by default; 0 waits for ever."""
        return self.profile.context.query_timeout

    @query_timeout.setter
    def query_timeout(self, seconds: float) -> None:
        self.profile.context.query_timeout = bound("query_timeout", seconds)

    @property
    def last_error(self) -> Optional[HiveMindError]:
        """What ended the last connection, or the last attempt at one."""
        raise TypeError("a client brings its own last_error")

    def _loss(self) -> HiveMindError:
        """The error for a question whose connection has ended."""
        lost = ConnectionLost("the connection with the hub ended before an answer came")
        return again(self.last_error or lost)

    def __repr__(self) -> str:
        """Hub and state; no credentials."""
        state: Any = getattr(self, "state", "")
        return f"<{type(self).__name__} {self.profile.settings.address}, {state}>"


def bound(name: str, seconds: Any) -> float:
    """Seconds of an option called `name`, 0 or more. Raises InvalidOption for anything else."""
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 <= seconds < 2**31:
        raise InvalidOption(f"{name} is {seconds!r}; it must be seconds, 0 or more")
    return float(seconds)
