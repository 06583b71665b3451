"""What the conformance kit tries with a kind of handshake."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Any, Callable, Optional

from hivemind_core_client.kernel.handshake.base import terms_of
from hivemind_core_client.kernel.handshake.faults import MEANT
from hivemind_core_client.kernel.options import Credentials, LinkOptions
from hivemind_core_client.plugins.contract import HubFacts
from hivemind_core_client.plugins.handshake_contract import HandshakeKind, Offer, Progress, Terms
from hivemind_core_client.plugins.manager import load_plugins
from hivemind_core_client.wire.errors import HiveMindError
from hivemind_core_client.wire.json_text import Json
from hivemind_core_client.wire.message import HiveMessage, HiveMessageType

_NOISE = {"patterns": ["XXpsk2"], "suites": ["25519_AESGCM_SHA256"]}
#: What hubs of several versions offer, and what none does.
_OFFERS: tuple[Json, ...] = (
    {"handshake": True, "password": True, "preshared_key": True, "min_protocol_version": 0},
    {"max_protocol_version": 3, "password": True, "binarize": True, "noise": _NOISE},
    {"max_protocol_version": 3, "noise": _NOISE},
    {},
)
#: What no hub answers.
_ANSWERS: tuple[Json, ...] = (
    {},
    {"envelope": "zz"},
    {"noise": {"msg": "00"}},
    {"ciphers": 7, "envelope": []},
)


class _Keys:
    """A node's keys for Noise, in memory."""

    kk_in_doubt = end_refused = False

    def __init__(self) -> None:
        self._key, self._psks = os.urandom(32), dict[str, bytes]()
        self._pinned: Optional[bytes] = None

    def noise_key(self) -> bytes:
        return self._key

    def pinned(self) -> Optional[bytes]:
        return self._pinned

    def pin(self, key: bytes) -> None:
        self._pinned = key

    def psk(self, node_id: str) -> Optional[bytes]:
        return self._psks.get(node_id)

    def keep_psk(self, node_id: str, psk: bytes) -> None:
        self._psks[node_id] = psk

    def drop_psk(self, node_id: str) -> None:
        self._psks.pop(node_id, None)


def handshake_faults(kind: HandshakeKind, offers: Iterable[Json] = ()) -> Iterator[str]:
    """What is wrong with a kind of handshake, as far as it shows without a hub that speaks it."""
    registry = load_plugins((), ()).require()
    for payload in (*offers, *_OFFERS):
        for credentials in (
            Credentials(),
            Credentials(os.urandom(16).hex(), b"0123456789abcdef", noise=_Keys()),
        ):
            options = LinkOptions("ws://hub:5678", credentials)
            terms = terms_of(options, registry, HubFacts("kit", "kit::session-1"))
            yield from _faults(kind, Offer.read(payload), terms)


def _faults(kind: HandshakeKind, offer: Offer, terms: Terms) -> Iterator[str]:
    """One connection to its end, for each answer that makes no sense."""
    fits, why = _called("fits", kind.handshake.fits, offer, terms)
    if not why and type(fits) is not bool:
        why = f"fits returns a {type(fits).__name__}: return True or False"
    obstacle, also = _called("obstacle", kind.handshake.obstacle, terms)
    if not also and not (isinstance(obstacle, str) and obstacle):
        also = "obstacle returns no text: say in words what is missing"
    yield from filter(None, (why, also))
    for answer in _ANSWERS if fits is True else ():
        yield from _faults_of_a_run(kind, offer, terms, answer)


def _faults_of_a_run(kind: HandshakeKind, offer: Offer, terms: Terms, answer: Json) -> Iterator[str]:
    handshake, why = _called("it", kind.handshake, offer, terms)
    if handshake is None:
        yield from filter(None, [why])
        return
    yield from _faults_of_a_step("begin", handshake.begin)
    told, why = _called("is_answer", handshake.is_answer, answer)
    if not why and type(told) is not bool:
        why = f"is_answer returns a {type(told).__name__}: return True or False"
    yield from filter(None, [why])
    yield from _faults_of_a_step("receive", handshake.receive, answer)
    for by_policy in (True, False):
        error, why = _called("interrupted", handshake.interrupted, by_policy)
        if not why and not (error is None or isinstance(error, HiveMindError)):
            why = f"interrupted returns a {type(error).__name__}: return a HiveMindError, or None"
        yield from filter(None, [why])


def _faults_of_a_step(name: str, step: Callable[..., Any], *arguments: Any) -> Iterator[str]:
    progress, why = _called(name, step, *arguments)
    if why or progress is None:
        yield from filter(None, [why])
    elif not isinstance(progress, Progress):
        yield f"{name} returns a {type(progress).__name__}: return a Progress"
    elif progress.reply is not None:
        try:
            HiveMessage(HiveMessageType.HANDSHAKE, progress.reply).as_json  # noqa: B018  # it is made when asked for
        except Exception:
            yield f"{name} replies with what JSON cannot carry: use text, numbers, lists and dicts"


def _called(name: str, function: Callable[..., Any], *arguments: Any) -> tuple[Any, str]:
    """What it returns; or None, and what is wrong with what it raises. What a handshake may mean is not."""
    try:
        return function(*arguments), ""
    except MEANT:
        return None, ""
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a plugin may even exit
        return None, f"{name} raises {type(error).__name__}: raise HandshakeError, or HubRefused to give up"
