"""`hivemind-client discover`: the hubs that announce themselves in the local network."""

from __future__ import annotations

from typing import Any

import click

from hivemind_client_cli import Output, reporting
from hivemind_client_cli.bounds import Between, bounded
from hivemind_client_cli.help_sections import command
from hivemind_client_cli.peer_text import plain
from hivemind_core_client.config.hub_search import SEARCH_S
from hivemind_core_client.plugins.contract import FoundHub

#: The longest search, in seconds.
_LONGEST_S = 60


@command("discover", epilog="Example: hivemind-client discover --seconds 10")
@bounded(
    "--seconds",
    within=Between(float, 0, _LONGEST_S, above=True),
    default=SEARCH_S,
    show_default=True,
    text="How long to look.",
)
@click.option("--name", metavar="NAME", help="Only hubs of this name. Case does not count.")
@reporting
def discover(output: Output, seconds: float, name: str | None) -> None:
    """List the hubs that announce themselves in the local network.

    It asks by mDNS, and connects to no hub. Anybody in the network can announce anything: a hub that is found is not
    yet one that you can trust. At your first contact, compare the fingerprint of its key with the hub's owner. From
    then on another hub is refused.

    To use a hub of the list, give its address to --host. With `--host discover:NAME` the hub is looked for each time,
    so its address may change.
    """
    from hivemind_client_discovery.finding import find_hubs  # zeroconf, which the help does not need

    found = sorted(find_hubs(seconds), key=lambda hub: (hub.name.casefold(), hub.url))
    shown = [hub for hub in found if name is None or hub.name.casefold() == name.casefold()]
    output.result([_as_data(hub) for hub in shown], "\n".join(map(_as_line, shown)) or None)
    if shown:
        output.note("nobody has proven anything of this yet: compare the hub's key at the first contact")
    else:
        output.note(_nothing(seconds, name, others=len(found)))


def _nothing(seconds: float, name: str | None, others: int) -> str:
    what = "no hub" if name is None else f"no hub of the name {plain(name)}"
    more = f", but {others} of other names: leave --name out to see them" if others else ""
    mend = (
        "" if more else ". A longer --seconds may find one; docs/discovery.md says how a hub announces itself"
    )
    return f"{what} announced itself within {seconds:g} s{more}{mend}"


def _as_data(hub: FoundHub) -> dict[str, Any]:
    return {"name": hub.name, "address": hub.url, "announced": dict(hub.about)}


def _as_line(hub: FoundHub) -> str:
    more = "".join(f"  {plain(key)}={plain(value)}" for key, value in sorted(hub.about.items()))
    return f"{plain(hub.name) or '(no name)'}  {plain(hub.url)}{more}"
