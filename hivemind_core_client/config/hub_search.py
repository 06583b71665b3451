"""Which of the hubs that were found is the one that the address means. Nothing here is believed, or connected to."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, Callable, Optional

from attrs import frozen

from hivemind_core_client.config.addresses import Address, SearchAddress
from hivemind_core_client.plugins.finder_contract import FoundHub, Search
from hivemind_core_client.wire.errors import HubUnreachable
from hivemind_core_client.wire.finding_errors import HubNotFound, SeveralHubsFound
from hivemind_core_client.wire.text import described, printable

if TYPE_CHECKING:
    from hivemind_core_client.plugins.finder_contract import Finder

log = logging.getLogger(__name__)

#: How long hubs are looked for, in seconds.
SEARCH_S = 3.0
#: After this much more, a finder that does not return is no longer waited for.
_GRACE_S = 2.0
#: So many of the hubs that were found are looked at: anybody may announce any number.
MOST_HUBS = 100
#: The longest name that counts, in characters.
_LONGEST = 120


@frozen
class Candidate:
    """A hub that was found, with an address that this client can connect to."""

    address: Address
    name: str
    about: Mapping[str, str]

    def fits(self, wanted: SearchAddress) -> bool:
        """Whether it has the name that is wanted, and announces what else is; case does not count."""
        named = not wanted.host or self.name.casefold() == wanted.host
        return named and all(self.about.get(key, "").casefold() == value for key, value in wanted.announced)

    def __str__(self) -> str:
        return f"{self.name!r} at {self.address}" if self.name else str(self.address)


def candidates(found: Iterable[Any], read: Callable[[str], Address]) -> list[Candidate]:
    """Those of the found hubs whose addresses `read` can read, each address once. Their texts are safe to print."""
    kept: dict[Address, Candidate] = {}
    for hub in islice(found, MOST_HUBS):
        try:
            address = read(hub.url)
            about = {printable(str(key)): printable(str(value)) for key, value in hub.about.items()}
            kept.setdefault(address, Candidate(address, printable(str(hub.name), _LONGEST), about))
        except Exception as error:  # it comes from a plugin: its parts may be anything, and raise anything
            log.debug("a hub that was found does not count: %s", printable(described(error)))
    return sorted(kept.values(), key=str)


class SearchJob:
    """One search. `run` is for a thread of its own; `done` tells that it is over."""

    def __init__(self, find: Finder, seconds: float) -> None:
        self._find = find
        self.patience = seconds + _GRACE_S
        self.seconds = seconds
        self.over = threading.Event()
        self.done = False
        self.found: list[FoundHub] = []
        self.error: Optional[BaseException] = None

    def run(self) -> None:
        """Look for hubs. Raises nothing: a plugin is called."""
        try:
            self.found = list(islice(self._find(Search(self.seconds, self.over)), MOST_HUBS))
        except BaseException as error:  # a finder is a plugin: it may fail or even exit
            self.error = error
        self.done = True


class HubSearch:
    """The search for the hub of one client, whose address is `wanted`; `read` reads the address of a found hub.

    `must_verify()` says whether certificates are to be verified: then a hub without TLS does not fit. `pin(name)` is
    the certificate that is pinned under a name: who was reached with TLS once is never reached without.
    """

    def __init__(
        self,
        wanted: SearchAddress,
        find: Finder,
        read: Callable[[str], Address],
        pin: Callable[[str], Optional[str]],
        must_verify: Callable[[], bool],
    ) -> None:
        self.wanted = wanted
        #: Where the hub was found last.
        self.place: Optional[Address] = None
        self._must_verify = must_verify
        self._find = find
        self._read = read
        self._pin = pin
        self._tried_at: Optional[int] = None

    def is_current(self, sessions: int, again: bool) -> bool:
        """Whether to connect to `place` once more: it was not tried yet, or a session stood since it was.

        `sessions` counts those of the client so far. So a hub that went away for a moment is found at once, and one
        that has moved after one attempt. `again`: its handshake is to be made in another way.
        """
        untried = self._tried_at is None or sessions > self._tried_at
        is_current = self.place is not None and (again or untried)
        if is_current:
            self._tried_at = sessions
        return is_current

    def begin(self) -> SearchJob:
        """A new search, to be run."""
        return SearchJob(self._find, SEARCH_S)

    def look(self) -> Address:
        """Search now, and wait for it. Returns the address that `place` is then. Raises like `take`."""
        job = self.begin()
        looking = threading.Thread(target=job.run, name="hivemind-search", daemon=True)
        looking.start()
        looking.join(job.patience)
        job.over.set()
        return self.take(job)

    def take(self, job: SearchJob) -> Address:
        """Choose among what was found: the new `place`.

        Raises HubNotFound, SeveralHubsFound, or HubUnreachable if nobody could look.
        """
        self.place = None
        if job.error is not None:
            raise HubUnreachable(
                f"nobody could look for {self.wanted}: {printable(described(job.error), 200)}"
            ) from job.error
        if not job.done:
            raise HubUnreachable(f"the search for {self.wanted} did not end within {job.patience:g} s")
        self.place, self._tried_at = self.choose(candidates(job.found, self._read)), None
        log.info("%s is %s", self.wanted, self.place)
        return self.place

    def choose(self, found: list[Candidate]) -> Address:
        """The address of the one that fits. Raises HubNotFound or SeveralHubsFound."""
        fitting = [each for each in found if each.fits(self.wanted)]
        why = ""
        if self._must_verify() or self._pin(self.wanted.endpoint) is not None:
            if not all(each.address.tls for each in fitting):
                why = "TLS is needed: certificates are to be verified, or one of this hub is pinned"
            fitting = [each for each in fitting if each.address.tls]
        if len(fitting) > 1:
            raise SeveralHubsFound(str(self.wanted), tuple(map(str, fitting)))
        if not fitting:
            raise HubNotFound(str(self.wanted), SEARCH_S, tuple(map(str, found)), why)
        return fitting[0].address
