"""The errors of a broker that stands between a satellite and its hub."""

from __future__ import annotations

from hivemind_core_client.wire.errors import HubUnreachable, LoginRefused


class BrokerUnreachable(HubUnreachable):
    """The broker cannot be reached, does not answer as a broker, or takes no clients at the moment."""


class BrokerRefused(LoginRefused):
    """The broker does not accept the login at the broker, or does not allow a topic. It says nothing of the hub."""


class HubOffline(HubUnreachable):
    """The broker is there, and the hub is not: it does not answer, or its status is `offline`."""
