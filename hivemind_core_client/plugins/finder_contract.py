"""What a plugin offers to find hubs: a scheme that stands for a hub whose address nobody has written down.

`discover:kitchen` is such an address. Before each connection the plugin says what it found in the network, and the
client picks the one hub that fits (docs/plugins-transports.md, "Find the hub first").
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Callable, Optional, Protocol

from attrs import field, frozen


class Over(Protocol):
    """Tells that a search is over: the methods of a threading.Event that a finder needs."""

    def is_set(self) -> bool:
        """Whether nobody waits for the search any more."""

    def wait(self, timeout: Optional[float] = None) -> bool:
        """Wait until it is over, for `timeout` seconds at most. Returns whether it is over."""


@frozen
class Search:
    """How long to look: `seconds`, or until `over` is set because the client was closed."""

    seconds: float
    over: Over


@frozen
class FoundHub:
    """A hub that somebody announces. Nothing of it is proven: anybody in a network can announce anything.

    `url` is where it listens, such as `ws://192.0.2.7:5678`. `name` is what it is called. `about` is what else it
    announces, by name, such as its `site`. All is text as it came: the client makes it safe to print.
    """

    url: str
    name: str = ""
    about: Mapping[str, str] = field(factory=dict)


#: Looks for hubs, on a thread of its own. It returns all that it found, and raises OSError if it cannot look.
Finder = Callable[[Search], Iterable[FoundHub]]
