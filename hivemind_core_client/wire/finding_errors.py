"""The errors of a search for a hub that the address does not name: none was found that fits, or several were."""

from __future__ import annotations

from hivemind_core_client.wire.errors import Command, HubUnreachable, Install, Mend

#: Schemes of addresses that distributions of ours find, and the extra that installs each.
KNOWN_FINDERS = {"discover": Install("discovery")}
#: It lists what is announced.
DISCOVER = Command(("discover",), takes_identity=False)
#: So many hubs are named in an error.
_MOST_NAMED = 10


class HubNotFound(HubUnreachable):
    """No hub was found in the network that fits the address. `hubs` are those that do not fit, as text."""

    def __init__(self, where: str, seconds: float, hubs: tuple[str, ...] = (), why: str = "") -> None:
        others = f"; what was found does not fit: {_listed(hubs)}" if hubs else ""
        super().__init__(
            f"no hub for {where} was found within {seconds:g} s{others}{why and f' ({why})'}",
            Mend(
                "does the hub announce itself? ",
                DISCOVER,
                " lists those that do. If there is none, give the hub's own address",
            ),
            about=("host",),
        )
        self.hubs = hubs


class SeveralHubsFound(HubUnreachable):
    """More than one hub fits the address, so none of them was connected to. `hubs` are all that fit, as text."""

    def __init__(self, where: str, hubs: tuple[str, ...]) -> None:
        super().__init__(
            f"{len(hubs)} hubs fit {where}: {_listed(hubs)}",
            Mend("choose one: give its name, as in discover:NAME, or its address"),
            about=("host",),
        )
        self.hubs = hubs


def _listed(hubs: tuple[str, ...]) -> str:
    more = len(hubs) - _MOST_NAMED
    return "; ".join(hubs[:_MOST_NAMED]) + (f"; and {more} more" if more > 0 else "")
