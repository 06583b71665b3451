"""Looks for hubs in the local network by mDNS. It asks everybody, and connects to nobody."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import Union

from zeroconf import (
    BadTypeInNameException,
    InterfaceChoice,
    ServiceBrowser,
    ServiceInfo,
    ServiceStateChange,
    Zeroconf,
)

from hivemind_client_discovery.announcement import SERVICE, hub_of
from hivemind_core_client.errors import InvalidOption
from hivemind_core_client.plugins.contract import FoundHub, Search

#: IP addresses of the network interfaces on which to look, between commas. By default it is all of them.
INTERFACES = "HIVEMIND_DISCOVERY_INTERFACES"
#: So many services are looked at; anybody may announce any number.
_MOST_SERVICES = 500
#: This part of the time is waited for names. In the rest, those that came without details are asked for them.
_LISTENING = 0.6


def find_hubs(seconds: float = 3.0) -> list[FoundHub]:
    """All hubs that announce themselves in the local network within so many seconds.

    Nothing of it is proven: anybody in the network can announce anything, in any characters. Raises OSError if the
    network cannot be used, and InvalidOption for a value of HIVEMIND_DISCOVERY_INTERFACES that cannot be used.
    """
    return find_in(Search(seconds, threading.Event()))


def find_in(search: Search) -> list[FoundHub]:
    """The hubs that are found in a search. Raises like `find_hubs`."""
    names = _Names()
    with _opened() as network:
        ServiceBrowser(network, SERVICE, handlers=[names.changed])
        if not search.over.wait(search.seconds * _LISTENING):
            _ask_for_details(network, names.seen(), search)
        known = [_known(network, name) for name in names.seen()]
    hubs = (hub_of(info.properties, info.parsed_scoped_addresses(), info.port) for info in known)
    return [hub for hub in hubs if hub is not None]


class _Names:
    """The names of services that are announced."""

    def __init__(self) -> None:
        self._names: dict[str, None] = {}

    def changed(
        self, zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange
    ) -> None:
        """Called on a thread of zeroconf."""
        if state_change is ServiceStateChange.Removed:
            self._names.pop(name, None)
        elif len(self._names) < _MOST_SERVICES and _is_name(name):
            self._names[name] = None

    def seen(self) -> list[str]:
        """Those that are there now."""
        return list(self._names)


def _is_name(name: str) -> bool:
    """Whether a service can be called so: anybody may announce what is no name, to stop those who look."""
    try:
        ServiceInfo(SERVICE, name)
    except BadTypeInNameException:
        return False
    return True


def _opened() -> Zeroconf:
    chosen = [each.strip() for each in os.environ.get(INTERFACES, "").split(",") if each.strip()]
    interfaces: Union[InterfaceChoice, list[str]] = chosen or InterfaceChoice.All
    try:
        return Zeroconf(interfaces=interfaces)
    except (OSError, RuntimeError, ValueError) as error:
        if chosen:
            raise InvalidOption(f"{INTERFACES} names what cannot be used: {error}") from error
        raise


def _known(network: Zeroconf, name: str) -> ServiceInfo:
    """What is known of a service, without asking anybody."""
    info = ServiceInfo(SERVICE, name)
    info.load_from_cache(network)
    return info


def _ask_for_details(network: Zeroconf, names: list[str], search: Search) -> None:
    """Ask those services for details that have sent their names alone, and wait for what is left of the time."""
    infos = [ServiceInfo(SERVICE, name) for name in names if not _known(network, name).properties]
    seconds = search.seconds * (1 - _LISTENING)

    async def ask() -> None:
        requests = (info.async_request(network, seconds * 1000) for info in infos)
        await asyncio.gather(*requests, return_exceptions=True)

    loop = network.loop
    if not infos or loop is None:
        search.over.wait(seconds)
        return
    asking = asyncio.run_coroutine_threadsafe(ask(), loop)
    search.over.wait(seconds)
    asking.cancel()
