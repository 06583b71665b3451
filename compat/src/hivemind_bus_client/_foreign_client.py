"""The client that stands for an object of somebody else, so that a protocol object acts through our own parts."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Callable, Optional

from hivemind_bus_client._foreign_link import ForeignWorker, InTurn
from hivemind_core_client.kernel.lifecycle import ClientState
from hivemind_core_client.shell.links import new_link
from hivemind_core_client.shell.protocol_seat import METHODS
from hivemind_core_client.sync.client import HiveMessageBusClient
from hivemind_core_client.sync.mailbox import Mailbox
from hivemind_core_client.wire.errors import ConnectionLost

if TYPE_CHECKING:
    from hivemind_core_client.config.hub_keys import HubKeys
    from hivemind_core_client.config.identity import NodeIdentity
    from hivemind_core_client.wire.message import HiveMessage

#: Stands for what the object does not know of itself; neither is sent anywhere.
_NO_KEY, _NO_HOST = "unknown", "localhost"


class InlineMailbox(Mailbox):
    """Runs jobs on the thread that brings them, as who acts through an object of his own counts on; timers on ours."""

    def __init__(self) -> None:
        super().__init__()
        self._turn = InTurn()
        self._is_shut = False

    def put(self, job: Callable[[], None], always: bool = False) -> None:
        """Run `job` now, or after the one that is running."""
        if not self._is_shut:
            self._turn.run(job)

    def hold(self, weight: int) -> bool:
        """There is always room: what is put runs at once."""
        return True

    def shut(self) -> None:
        """Take no more jobs."""
        self._is_shut = True
        super().shut()

    def reopen(self) -> None:
        """Take jobs again."""
        self._is_shut = False
        super().reopen()


class ForeignClient(HiveMessageBusClient):
    """Does for `hm`, which is no client of ours, what our clients do by themselves: all but to send and to receive.

    `identity` is whose keys and pins count. What `hm` says of `key`, `password`, `session_id` and `crypto_key` is read
    at each HELLO of a hub. There are no binary frames, and no message of the type BINARY.
    """

    _worker: ForeignWorker

    def __init__(self, hm: Any, identity: Optional[NodeIdentity]) -> None:
        self._hm = hm
        self._shares = False
        self._stood_keys: dict[str, HubKeys] = {}
        useragent = str(getattr(hm, "useragent", None) or "").replace(":", " ")
        super().__init__(
            key=_key_of(hm),
            password=hm.password or None,
            host=getattr(hm, "host", None) or _NO_HOST,
            port=getattr(hm, "port", None),
            useragent=useragent,
            compress=False,
            binarize=False,  # what is sent is given as a message
            identity=identity,
            max_protocol_version=getattr(hm, "max_protocol_version", None),
        )

    @property
    def share_bus(self) -> bool:
        """Whether all that is said on the internal bus goes up: what the internal protocol says, where there is one."""
        internal = getattr(self.protocol, "internal_protocol", None)
        return self._shares if internal is None else bool(internal.share_bus)

    @share_bus.setter
    def share_bus(self, value: bool) -> None:
        self._shares = value

    def listen(self) -> None:
        """Have the object call us for each message that comes."""
        for kind in METHODS:
            self._hm.on(kind, self.arrived)

    def arrived(self, message: HiveMessage) -> None:
        """A message has come. A HELLO begins a session where none stands or is under way."""
        if self._worker.link is None:
            self._be_ready()
        self._worker.arrived(message)

    def lost(self) -> None:
        """The connection of the object has ended; the next one begins anew."""
        self._worker.lose(ConnectionLost("the connection has ended"))

    def _be_ready(self) -> None:
        self.key, self.password = _key_of(self._hm), self._hm.password or None
        preshared = getattr(self._hm, "crypto_key", None)
        self.crypto_key = None if preshared == self._worker.handed_key else preshared
        if self.state in (ClientState.REFUSED, ClientState.CLOSED):
            self.close()
        self.run_in_thread()

    def _new_mailbox(self) -> InlineMailbox:
        return InlineMailbox()

    def _new_worker(self) -> ForeignWorker:
        link = partial(new_link, self.profile, in_turn=False)
        parts = self.profile, link, self.mailbox, self.deadlines, self._backoff
        return ForeignWorker(self._hm, self._stood_keys, *parts)


def _key_of(hm: Any) -> str:
    return getattr(hm, "key", None) or _NO_KEY
