"""Kinds of handshake that plugins bring: which runs, and what their faults come to."""

from __future__ import annotations

import logging
import sys
from typing import Any, Callable, Optional

import pytest

from hivemind_core_client import errors as err
from hivemind_core_client.kernel.events import Established, Event, Failed, Rejected, RunDuringWait, Transmit
from hivemind_core_client.kernel.link import Link
from hivemind_core_client.kernel.options import Credentials
from hivemind_core_client.kernel.states import State
from hivemind_core_client.message import HiveMessage, HiveMessageType
from hivemind_core_client.plugins.contract import Negotiated
from hivemind_core_client.plugins.handshake_contract import (
    Doubt,
    Handshake,
    HandshakeKind,
    Offer,
    Outcome,
    Progress,
    Terms,
)
from hivemind_core_client.plugins.registry import Registry
from tests.unit.noise_support import kept, needs_noise
from tests.unit.support import PASSWORD, Hub, explode, new_link, only, plugin, plugins_of

NAME = "the handshake 'own' of the plugin acme"
NOISE = {"patterns": ["XXpsk2"], "suites": ["25519_AESGCM_SHA256"]}
BUS = HiveMessage("bus", {"type": "x", "data": {}, "context": {}})


class OwnHandshake(Handshake):
    """Asks with "hello?", and is done with whatever answer."""

    kind = "own"
    max_version = 1

    @classmethod
    def fits(cls, offer: Offer, terms: Terms) -> bool:
        return True

    def begin(self) -> Progress:
        return Progress(reply={"own": "hello?"})

    def receive(self, answer: dict[str, Any]) -> Progress:
        return Progress(outcome=self.outcome())

    def outcome(self, channel: Any = None, doubt: Optional[Doubt] = None) -> Outcome:
        channel = channel or self.terms.channel("AES-GCM", "JSON-B64", bytes(32))
        return Outcome(channel, Negotiated(1, "Noise!", "AES-GCM", "JSON-B64", False), doubt)


def tables(rank: int = 1000, **changes: Any) -> Registry:
    kind = HandshakeKind(type("Changed", (OwnHandshake,), changes), rank)
    return plugins_of(plugin("acme", hivemind_handshakes=lambda: [kind])).registry()


def offered(
    credentials: Optional[Credentials] = None, offer: Any = None, **changes: Any
) -> tuple[Hub, list[Event]]:
    """A hub whose offer has been read by a client with a kind of its own, and what followed."""
    link = new_link(credentials, tables(**changes))
    hub = Hub(link)
    hub.hello()
    return hub, hub.offer(**(offer or {}))


def answered(**changes: Any) -> tuple[Hub, list[Event]]:
    hub, _ = offered(**changes)
    return hub, hub.clear(HiveMessageType.HANDSHAKE, own="hello!")


def told(events: list[Event]) -> str:
    error = only(Failed, events).error
    assert type(error) is err.HandshakeError
    return str(error)


def test_it_runs_from_the_offer_to_the_key() -> None:
    hub, events = offered()
    assert hub.request() == {"own": "hello?"}
    assert not [event for event in events if isinstance(event, Established)]
    events = hub.clear(HiveMessageType.HANDSHAKE, own="hello!")
    agreed = only(Established, events).negotiated
    assert (agreed.kind, agreed.version) == ("own", 1)  # its name is that of its kind, whatever it says
    assert hub.link.state is State.ESTABLISHED


def test_another_offer_is_no_answer() -> None:
    hub, _ = offered()
    assert not [event for event in hub.offer() if isinstance(event, (Failed, Established))]
    hub.clear(HiveMessageType.HANDSHAKE, own="hello!")
    assert hub.link.state is State.ESTABLISHED


@pytest.mark.parametrize("own", [explode, lambda *_: sys.exit(3)], ids=["raises", "exits"])
@pytest.mark.parametrize("where", ["fits", "__init__", "begin"])
def test_what_it_raises_at_the_offer_ends_the_connection_by_its_name(
    where: str, own: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    hub, events = offered(**{where: own})
    text = told(events)
    kind = "RuntimeError" if own is explode else "SystemExit"
    assert f"{NAME} raised {kind}" in text and "HIVEMIND_CLIENT_PLUGINS_BLOCK=acme" in text
    assert "plugin acme raised in its handshake 'own'" in caplog.text
    assert hub.link.state is State.REFUSED


class Undecided:
    """Neither true nor false, as an array is."""

    def __bool__(self) -> bool:
        raise RuntimeError("ambiguous")


@pytest.mark.parametrize(
    "changes",
    [
        {"fits": lambda *_: Undecided()},
        {"is_answer": lambda *_: Undecided()},
        {"begin": property(explode)},
        {"receive": property(explode)},
        {"is_answer": property(explode)},
    ],
    ids=["fits", "is_answer", "begin, a property", "receive, a property", "is_answer, a property"],
)
def test_what_stands_in_the_place_of_its_functions_is_guarded(changes: dict[str, Any]) -> None:
    hub, events = offered(**changes)
    events += hub.clear(HiveMessageType.HANDSHAKE, own="hello!")
    assert f"{NAME} raised RuntimeError" in told(events)


def test_a_class_that_makes_something_else() -> None:
    _, events = offered(__new__=lambda *_: None)
    assert f"{NAME} raised AttributeError" in told(events)


@pytest.mark.parametrize("where", ["is_answer", "receive"])
def test_what_it_raises_at_the_answer(where: str) -> None:
    _, events = answered(**{where: explode})
    assert f"{NAME} raised RuntimeError" in told(events)


def test_a_user_who_interrupts_is_heard() -> None:
    def interrupted(*_: Any) -> Any:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        offered(fits=interrupted)


@pytest.mark.parametrize(
    "error",
    [err.HubRefused("no"), err.HandshakeAgain("again"), err.InvalidKeySize("short"), err.ConnectionLost("?")],
)
@pytest.mark.parametrize("where", ["begin", "receive"])
def test_what_it_means_to_raise_is_raised(where: str, error: err.HiveMindError) -> None:
    def refuse(*_: Any) -> Any:
        raise error

    _, events = answered(receive=refuse) if where == "receive" else offered(begin=refuse)
    assert only(Failed, events).error is error


@pytest.mark.parametrize(
    ("progress", "fault"),
    [
        (None, "returned a NoneType, not a Progress"),
        (Progress(reply={"own": b"bytes"}), "replies with what JSON cannot carry"),
        (Progress(reply=["own"]), "replies with what JSON cannot carry"),  # type: ignore[arg-type]  # that is the fault
        (Progress(outcome="done"), "returned no Outcome with a Negotiated"),  # type: ignore[arg-type]  # likewise
        (
            Progress(outcome=Outcome(None, Negotiated(3, "own", "", "", False))),  # type: ignore[arg-type]  # likewise
            "counts as protocol version 1 at most",
        ),
    ],
)
def test_what_it_returns_is_checked(progress: Any, fault: str) -> None:
    _, events = offered(begin=lambda self: progress)
    assert f"{NAME} {fault}" in told(events)


@pytest.mark.parametrize(
    ("sealed", "said", "allowed", "fault"),
    [
        (
            "AES-GCM",
            "AES-GCM",
            {"ciphers": ("CHACHA20-POLY1305",)},
            "seals with AES-GCM, which is not allowed here",
        ),
        (
            "AES-GCM",
            "AES-GCM",
            {"encodings": ("JSON-HEX",)},
            "seals with JSON-B64, which is not allowed here",
        ),
        (
            "AES-GCM",
            "CHACHA20-POLY1305",
            {},
            "says CHACHA20-POLY1305 and JSON-B64, and seals with AES-GCM and JSON-B64",
        ),
    ],
)
def test_it_seals_with_what_it_says_and_the_user_allows(
    sealed: str, said: str, allowed: dict[str, Any], fault: str
) -> None:
    def receive(self: OwnHandshake, answer: dict[str, Any]) -> Progress:
        channel = self.terms.channel(sealed, "JSON-B64", bytes(32))
        return Progress(outcome=Outcome(channel, Negotiated(1, "own", said, "JSON-B64", False)))

    hub = Hub(new_link(None, tables(receive=receive), **allowed))
    hub.hello()
    hub.offer()
    assert f"{NAME} {fault}" in told(hub.clear(HiveMessageType.HANDSHAKE, own="hello!"))


def test_its_work_during_the_wait_is_guarded() -> None:
    _, events = offered(begin=lambda self: Progress(reply={"own": 1}, during_wait=explode))
    with pytest.raises(err.HandshakeError, match=NAME):
        only(RunDuringWait, events).work()


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (lambda *_: None, err.ConnectionLost),
        (lambda *_: err.HubRefused("no"), err.HubRefused),
        (explode, err.HandshakeError),
        (lambda *_: "no", err.HandshakeError),
    ],
)
def test_what_it_says_of_a_hub_that_hangs_up(answer: Callable[..., Any], expected: type) -> None:
    hub, _ = offered(interrupted=answer)
    assert type(hub.link.ended(1008, "", now=0.0)) is expected


class Own:
    """A channel of a plugin."""

    def __init__(self, seal: Callable[..., Any], open_: Callable[..., Any]) -> None:
        self.seal, self.open = seal, open_


def keyed(channel: Any, doubt: Optional[Doubt] = None) -> tuple[Link, list[Event]]:
    hub, events = answered(
        receive=lambda self, answer: Progress(outcome=self.outcome(channel, doubt)),
    )
    return hub.link, events


def as_it_is(frame: Any) -> Any:
    return frame


def one(frame: Any) -> list[Any]:
    return [frame]


def test_a_channel_of_its_own() -> None:
    link, events = keyed(Own(one, as_it_is))
    assert [event.frames for event in events if isinstance(event, Transmit)]
    assert link.seal(BUS) == [BUS.as_json]
    assert link.receive(BUS.as_json)


def breaking_rules(*_: Any) -> Any:
    raise err.FrameError("broken")


SEALS_NOTHING = [
    *(explode, lambda *_: [7], lambda *_: 7, lambda *_: sys.exit(3)),
    *(lambda *_: [], lambda *_: "frame", breaking_rules),
]


@pytest.mark.parametrize("wrong", SEALS_NOTHING)
def test_a_channel_that_cannot_seal_the_hello_ends_the_connection(wrong: Callable[..., Any]) -> None:
    link, events = keyed(Own(wrong, as_it_is))
    assert isinstance(only(Failed, events).error, err.EncryptionFailed) and link.state is State.REFUSED


@pytest.mark.parametrize("wrong", SEALS_NOTHING)
def test_a_channel_that_cannot_seal(wrong: Callable[..., Any]) -> None:
    sealing = [one, wrong]
    link, _ = keyed(Own(lambda plain: sealing.pop(0)(plain), as_it_is))
    with pytest.raises(err.EncryptionFailed, match="the channel of the plugin acme could not seal"):
        link.seal(BUS)


@pytest.mark.parametrize("wrong", [explode, lambda *_: 7, lambda *_: sys.exit(3)])
def test_a_channel_that_cannot_open(wrong: Callable[..., Any]) -> None:
    link, _ = keyed(Own(one, wrong))
    error = only(Rejected, link.receive(BUS.as_json)).error
    assert isinstance(error, err.DecryptionFailed) and "the channel of the plugin acme" in str(error)
    assert link.state is State.ESTABLISHED


@pytest.mark.parametrize("error", [err.CleartextRefused("clear"), KeyboardInterrupt()])
def test_what_a_channel_means_to_raise_is_raised(error: BaseException) -> None:
    def refuse(frame: Any) -> Any:
        raise error

    link, _ = keyed(Own(one, refuse))
    if isinstance(error, KeyboardInterrupt):
        with pytest.raises(KeyboardInterrupt):
            link.receive(BUS.as_json)
    else:
        assert only(Rejected, link.receive(BUS.as_json)).error is error


def test_what_the_sealing_means_to_raise_is_raised() -> None:
    sealing = [one, refuse_to_seal]
    link, _ = keyed(Own(lambda plain: sealing.pop(0)(plain), as_it_is))
    with pytest.raises(err.InvalidMessage, match="too long"):
        link.seal(BUS)


def refuse_to_seal(plain: Any) -> Any:
    raise err.InvalidMessage("too long")


@pytest.mark.parametrize(
    ("refused", "expected"),
    [
        (lambda: err.HubRefused("no"), "no"),
        (explode, f"{NAME} raised RuntimeError"),
        (lambda: None, "says nothing of why the hub refused it"),
    ],
)
def test_a_doubt_that_the_hub_settles_by_hanging_up(refused: Callable[..., Any], expected: str) -> None:
    link, _ = keyed(Own(one, as_it_is), Doubt(refused, explode))
    assert expected in str(link.ended(1008, "", now=0.0))


def test_a_doubt_that_is_none() -> None:
    doubt: Any = "doubt"
    _, events = keyed(Own(one, as_it_is), doubt)
    assert f"{NAME} returned a str, not a Doubt" in told(events)


def test_a_doubt_that_the_hub_settles_by_speaking(caplog: pytest.LogCaptureFixture) -> None:
    """What the plugin makes of it is logged: the session stands anyhow."""
    link, _ = keyed(Own(one, as_it_is), Doubt(explode, explode))
    assert only(Established, link.receive(BUS.as_json))
    assert "plugin acme raised in its handshake 'own'" in caplog.text


# rank, names and pins


def credentials(pinned: Optional[bytes] = None) -> Credentials:
    return Credentials(PASSWORD, noise=kept(pinned))


@pytest.mark.parametrize(("rank", "kind"), [(201, "own"), (200, "own"), (199, "password"), (0, "password")])
def test_the_highest_rank_that_fits_runs(rank: int, kind: str) -> None:
    hub, _ = offered(rank=rank)
    assert ("own" in hub.request()) == (kind == "own")


OFFERS_NOISE = {"max_protocol_version": 3, "noise": NOISE}


@needs_noise
def test_one_that_comes_before_noise_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        hub, _ = offered(credentials(), OFFERS_NOISE, max_version=3)
    assert "own" in hub.request()
    assert "'own' of the plugin acme comes before it by its rank: no key of the hub is pinned" in caplog.text


@needs_noise
@pytest.mark.parametrize("version", [1, 3])
def test_a_hub_with_a_pin_gets_noise_whatever_the_rank(version: int) -> None:
    hub, _ = offered(credentials(bytes(32)), OFFERS_NOISE, max_version=version)
    assert "noise" in hub.request()


@pytest.mark.parametrize("version", [1, 3])
def test_a_hub_with_a_pin_that_offers_no_noise_is_refused_whatever_a_plugin_says(version: int) -> None:
    _, events = offered(credentials(bytes(32)), max_version=version)
    error = only(Failed, events).error
    assert type(error) is err.VersionRefused and "no longer offers version 3" in str(error)


@needs_noise
def test_a_kind_that_is_broken_keeps_nobody_from_a_hub_with_a_pin() -> None:
    hub, _ = offered(credentials(bytes(32)), OFFERS_NOISE, fits=explode)
    assert "noise" in hub.request()


@pytest.mark.parametrize(
    ("version", "offer"), [(3, {}), (1, {}), (1, OFFERS_NOISE)], ids=["no noise", "old", "old at noise"]
)
def test_one_that_is_called_noise_gets_no_further_at_a_hub_with_a_pin(version: int, offer: Any) -> None:
    """Nobody but whoever speaks version 3 with a hub that offers it can see whether its key is the pinned one."""
    _, events = offered(credentials(bytes(32)), offer, kind="noise", max_version=version)
    assert type(only(Failed, events).error) is err.VersionRefused


def test_an_obstacle_that_is_no_text() -> None:
    changes: Any = {"kind": "noise", "fits": lambda *_: False, "obstacle": classmethod(lambda *_: [])}
    _, events = offered(credentials(), OFFERS_NOISE, max_version=3, **changes)
    assert "returned a list, not text, as its obstacle" in told(events)


def test_it_counts_as_no_more_than_the_user_allows() -> None:
    outcome = Outcome(Own(one, as_it_is), Negotiated(3, "own", "", "", False))
    hub = Hub(
        new_link(None, tables(max_version=3, receive=lambda *_: Progress(outcome=outcome)), max_version=2)
    )
    hub.hello()
    hub.offer()
    assert "counts as protocol version 2 at most" in told(hub.clear(HiveMessageType.HANDSHAKE, own="hello!"))
