"""From a name to a connected socket, on an event loop: as addresses.py does it for threads."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

from aiohappyeyeballs import start_connection

from hivemind_core_client.kernel.racing import stagger
from hivemind_core_client.transports import failures
from hivemind_core_client.transports.tcp import quick

if TYPE_CHECKING:
    from hivemind_core_client.config.settings import Address


async def connected_socket(address: Address, seconds: float) -> socket.socket:
    """A connection with whichever address of a hub takes one first; the caller ends it after `seconds`.

    Raises HubUnreachable.
    """
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        raise failures.unresolved(address) from error
    try:
        return quick(await start_connection(found, happy_eyeballs_delay=stagger(len(found), seconds)))
    except (OSError, ValueError) as error:  # ValueError: there is no address
        raise failures.unreachable(address, error) from error
