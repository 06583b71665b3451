"""Handshakes of ours whose keys go to somebody else: who called for them seals and opens, and not our Link."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Optional

from attrs import evolve, frozen

from hivemind_core_client.kernel.crypto import CipherChannel
from hivemind_core_client.plugins.handshake_contract import Handshake, HandshakeKind

if TYPE_CHECKING:
    from hivemind_core_client.plugins.contract import Cipher, Encoding, Frame
    from hivemind_core_client.plugins.handshake_contract import Channel, Offer, Progress, Terms
    from hivemind_core_client.plugins.registry import Registry


@frozen
class Keyed:
    """What a handshake came to. `key` is that of a version below 3, which has a `cipher` and an `encoding`.

    `said` is what the hub chose in version 3, as JSON text in bytes.
    """

    channel: Channel
    said: bytes = b""
    cipher: str = ""
    encoding: str = ""
    key: Optional[bytes] = None

    def __repr__(self) -> str:
        """No key: it stays out of logs."""
        return f"<Keyed {self.channel!r}>"


class OpenChannel:
    """Neither seals nor opens: its frames are the messages as they are."""

    def seal(self, plain: Frame) -> list[Frame]:
        """The message itself."""
        return [plain]

    def open(self, frame: Frame) -> Optional[Frame]:
        """The message itself."""
        return frame


def handing(registry: Registry, take: Callable[[Keyed], None]) -> Registry:
    """The same, with handshakes whose outcome is given to `take`, while the Link gets an OpenChannel."""
    kinds = tuple(
        evolve(offered, item=HandshakeKind(_handing_kind(offered.item.handshake, take), offered.item.rank))
        for offered in registry.handshakes
    )
    return evolve(registry, handshakes=kinds)


def _handing_kind(kind: type[Handshake], take: Callable[[Keyed], None]) -> type[Handshake]:
    return type(kind.__name__, (_Handing, kind), {"take": staticmethod(take)})


class _Handing(Handshake):
    """Comes before a kind of handshake among the bases of a class."""

    take: Callable[[Keyed], None]

    def __init__(self, offer: Offer, terms: Terms) -> None:
        self._keyed: dict[str, Any] = {}
        super().__init__(offer, evolve(terms, make_channel=self._make_channel))

    def begin(self) -> Progress:
        """Our first step; its outcome is handed over."""
        return self._handed(super().begin())  # type: ignore[safe-super]  # a kind comes after this class

    def receive(self, answer: dict[str, Any]) -> Progress:
        """The next step; its outcome is handed over."""
        return self._handed(super().receive(answer))  # type: ignore[safe-super]

    def _make_channel(self, cipher: Cipher, encoding: Encoding, key: bytes) -> Channel:
        self._keyed = {"cipher": cipher.name, "encoding": encoding.name, "key": key}
        return CipherChannel(cipher, encoding, key)

    def _handed(self, progress: Progress) -> Progress:
        if progress.outcome is None:
            return progress
        self.take(Keyed(progress.outcome.channel, progress.outcome.said, **self._keyed))
        return evolve(progress, outcome=evolve(progress.outcome, channel=OpenChannel()))
