"""The entry point `discovery`: addresses that begin with `discover:`, and `hivemind-client discover`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hivemind_core_client.plugins.contract import FoundHub, Search, Transport
from hivemind_core_client.plugins.hookspecs import hookimpl

if TYPE_CHECKING:
    from hivemind_client_cli.group import HiveMindGroup


@hookimpl
def hivemind_transports() -> list[Transport]:
    """The scheme `discover`."""
    return [Transport("discover", find=_find)]


@hookimpl
def hivemind_cli_commands(cli: HiveMindGroup) -> None:
    """`hivemind-client discover`."""
    from hivemind_client_discovery.commands import discover

    cli.add_command(discover, section="look")


def _find(search: Search) -> list[FoundHub]:
    from hivemind_client_discovery.finding import find_in  # zeroconf, which no other address needs

    return find_in(search)
