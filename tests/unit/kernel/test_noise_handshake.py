"""Protocol version 3: the handshake, step by step, against the hub's half of it."""

from __future__ import annotations

import functools
import json
import logging
import secrets
import sys
from typing import Any, Optional

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from hivemind_core_client import errors as err
from hivemind_core_client.kernel.closing import PROOF_WINDOW_S
from hivemind_core_client.kernel.crypto import CipherChannel
from hivemind_core_client.kernel.events import (
    Arrived,
    AwaitProof,
    Established,
    Event,
    Failed,
    Rejected,
    RunDuringWait,
    Transmit,
)
from hivemind_core_client.kernel.handshake.guarding import choose
from hivemind_core_client.kernel.handshake.noise import NoiseHandshake
from hivemind_core_client.kernel.handshake.noise_exchange import canonical, is_installed
from hivemind_core_client.kernel.handshake.password import PasswordHandshake
from hivemind_core_client.kernel.link import Link
from hivemind_core_client.kernel.options import Credentials
from hivemind_core_client.kernel.policy import Limits
from hivemind_core_client.kernel.states import State
from hivemind_core_client.message import HiveMessage, HiveMessageType
from hivemind_core_client.plugins.contract import Frame, HubFacts
from hivemind_core_client.plugins.handshake_contract import Offer, Terms
from hivemind_core_client.testing import hub_noise
from hivemind_core_client.testing.hub_accounts import Account
from hivemind_core_client.testing.hub_link import HubLink, HubOptions
from tests.unit.support import PASSWORD, WHERE, channel_of, new_link, offer_payload, registry

KINDS = registry().handshakes

GUESSABLE = "letmein"
NODE_ID = "embedded:0.0.0.0"
HUB_KEY, OTHER_HUB_KEY = bytes(range(32)), bytes(range(1, 33))


@functools.lru_cache(maxsize=8)
def derived(password: str = PASSWORD) -> bytes:
    from poorman_handshake.noise import derive_psk

    return bytes(derive_psk(password, node_id=NODE_ID))


@functools.lru_cache(maxsize=8)
def public(private: bytes) -> bytes:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    key = X25519PrivateKey.from_private_bytes(private).public_key()
    return key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


class Keys:
    """What a node keeps, in memory."""

    def __init__(self, psk: Optional[bytes] = None, pinned: Optional[bytes] = None) -> None:
        self.kk_in_doubt = self.end_refused = False
        self.static_key = bytes(range(2, 34))
        self.pins = [] if pinned is None else [pinned]
        self.psks = {} if psk is None else {NODE_ID: psk}

    def noise_key(self) -> bytes:
        return self.static_key

    def pinned(self) -> Optional[bytes]:
        return self.pins[-1] if self.pins else None

    def pin(self, key: bytes) -> None:
        self.pins.append(key)

    def psk(self, node_id: str) -> Optional[bytes]:
        return self.psks.get(node_id)

    def keep_psk(self, node_id: str, psk: bytes) -> None:
        self.psks[node_id] = psk

    def drop_psk(self, node_id: str) -> None:
        del self.psks[node_id]


class Meeting:
    """A Link and a hub; `run` passes frames to and fro, and `change` may alter what the hub says."""

    def __init__(
        self, keys: Keys, hub: Optional[HubOptions] = None, password: str = PASSWORD, **options: Any
    ) -> None:
        credentials = Credentials(password=password, noise=keys)
        self.link: Link = new_link(credentials, **options)
        self.hub = HubLink(registry(), Account("key", PASSWORD, name="a"), hub or noise_hub(), "agent")
        self.events: list[Event] = []
        self.refused: Optional[err.HiveMindError] = None

    def run(self, change: Any = lambda frame: frame) -> Meeting:
        frames = self.hub.greeting()
        while frames and self.refused is None:
            self.take(change(frames.pop(0)), frames)
        return self

    def pong(self) -> Meeting:
        """The hub answers a ping."""
        self.events.extend(self.link.hub_answered(now=0.0))
        return self

    def take(self, frame: Frame, answers: list[Frame]) -> None:
        for event in self.link.receive(frame):
            self.events.append(event)
            if isinstance(event, Transmit) and self.refused is None:
                self.to_hub(event.frames, answers)

    def to_hub(self, frames: list[Frame], answers: list[Frame]) -> None:
        for frame in frames:
            try:
                message, more = self.hub.receive(frame)
            except err.HiveMindError as error:
                self.refused = error
                return
            answers.extend(more)
            if message is not None and message.msg_type is HiveMessageType.HELLO:
                self.hub.introduce(message)

    @property
    def agreed(self) -> Any:
        if any(isinstance(event, AwaitProof) for event in self.events):
            self.pong()
        [established] = [event for event in self.events if isinstance(event, Established)]
        return established.negotiated

    @property
    def failure(self) -> err.HiveMindError:
        [failed] = [event for event in self.events if isinstance(event, Failed)]
        return failed.error


def noise_hub(**changes: Any) -> HubOptions:
    return evolve(HubOptions(versions=(3, 3), noise_key=HUB_KEY), **changes)


def known(**changes: Any) -> Keys:
    """Keys of a node that has met the hub before."""
    return Keys(**{"psk": derived(), "pinned": public(HUB_KEY), **changes})


def count_derivations(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The passwords that the client derives keys from, from now on."""
    from poorman_handshake import noise

    derive, psk, passwords = noise.derive_psk, derived(), []

    def counted(password: str, **options: Any) -> Any:
        passwords.append(password)
        return derive(password, **options)

    monkeypatch.setattr(hub_noise, "pre_shared_key", lambda *_: psk)  # not the hub's own
    monkeypatch.setattr(noise, "derive_psk", counted)
    return passwords


def test_the_first_contact_shows_both_keys_and_pins_them() -> None:
    keys, hub = Keys(), noise_hub()
    met = Meeting(keys, hub).run()
    assert (met.agreed.version, met.agreed.kind, met.agreed.pattern) == (3, "noise", "XXpsk2")
    assert keys.pinned() == public(HUB_KEY)
    assert keys.psks == {NODE_ID: derived()}
    assert hub.client_pins == {"key": public(keys.static_key)}
    assert met.hub.ready


def test_the_second_contact_is_shorter_and_derives_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    keys, hub = known(), noise_hub()
    hub.client_pins["key"] = public(keys.static_key)
    derivations = count_derivations(monkeypatch)
    met = Meeting(keys, hub).run()
    assert met.agreed.pattern == "KKpsk0" and not derivations
    assert (
        len([event for event in met.events if isinstance(event, Transmit)]) == 2
    )  # the first message, and HELLO
    assert not keys.kk_in_doubt


@pytest.mark.parametrize("worked", [True, False], ids=["by-the-shell", "by-nobody-before-the-answer"])
def test_the_key_is_derived_while_the_hub_derives_it_too(
    worked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    derivations = count_derivations(monkeypatch)
    keys = Keys()
    met = Meeting(keys)
    hello, offer = met.hub.greeting()
    met.take(hello, [])
    _, first, work = met.link.receive(offer)
    assert isinstance(first, Transmit) and isinstance(work, RunDuringWait) and not derivations
    if worked:
        work.work()
        work.work()
        assert derivations == [PASSWORD]
    answers: list[Frame] = []
    met.to_hub(first.frames, answers)
    met.take(answers[0], answers)
    assert derivations == [PASSWORD] and keys.psks == {NODE_ID: derived()}
    assert met.agreed.pattern == "XXpsk2" and met.hub.ready


@pytest.mark.parametrize(
    ("password", "met", "warnings"),
    [(GUESSABLE, False, 1), (PASSWORD, False, 0), (GUESSABLE, True, 0)],
    ids=["guessable", "strong", "met-before"],
)
def test_a_guessable_password_is_warned_of_once_where_its_key_is_derived(
    met: bool, password: str, warnings: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever knows the access key can try guesses here too, and the warning came below version 3 alone."""
    if password is GUESSABLE:
        password += secrets.token_hex(2)  # nobody was warned of this one yet
    keys, hub = known(psk=derived(password)) if met else Keys(), noise_hub()
    if met:
        hub.client_pins["key"] = public(keys.static_key)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            meeting = Meeting(keys, hub, password=password)
            hello, offer = meeting.hub.greeting()
            meeting.take(hello, [])
            work = [event for event in meeting.link.receive(offer) if isinstance(event, RunDuringWait)]
            assert len(work) == (0 if met else 1)
            for event in work:
                event.work()
    assert caplog.text.count("easy to guess") == warnings and GUESSABLE not in caplog.text


@pytest.mark.parametrize("pinned", [True, False], ids=["KKpsk0", "XXpsk2"])
def test_a_key_that_cannot_be_derived_ends_the_connection(
    pinned: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_memory(*_: Any, **__: Any) -> bytes:
        raise RuntimeError("Memory allocation error")

    psk = derived()
    monkeypatch.setattr(hub_noise, "pre_shared_key", lambda *_: psk)
    monkeypatch.setattr("poorman_handshake.noise.derive_psk", without_memory)
    keys, hub = Keys(pinned=public(HUB_KEY) if pinned else None), noise_hub()
    hub.client_pins["key"] = public(keys.static_key)
    met = Meeting(keys, hub).run()
    assert type(met.failure) is err.HandshakeError and "derived" in str(met.failure)


@pytest.mark.parametrize("pinned_there", [True, False])
@pytest.mark.parametrize("pinned_here", [True, False])
def test_kk_needs_both_sides_to_have_pinned_the_other(pinned_here: bool, pinned_there: bool) -> None:
    keys, hub = known(), noise_hub()
    if not pinned_here:
        keys.pins.clear()
    if pinned_there:
        hub.client_pins["key"] = public(keys.static_key)
    assert Meeting(keys, hub).run().agreed.pattern == ("KKpsk0" if pinned_here and pinned_there else "XXpsk2")


@pytest.mark.parametrize(
    ("ciphers", "taken"),
    [
        (("AES-GCM",), "AES-GCM"),
        (("CHACHA20-POLY1305",), "CHACHA20-POLY1305"),
        (("CHACHA20-POLY1305", "AES-GCM"), "CHACHA20-POLY1305"),
    ],
)
@pytest.mark.parametrize("kk", [True, False])
def test_the_ciphers_choose_the_suite(ciphers: tuple[str, ...], taken: str, kk: bool) -> None:
    keys, hub = known(), noise_hub()
    if kk:
        hub.client_pins["key"] = public(keys.static_key)
    met = Meeting(keys, hub, ciphers=ciphers).run()
    assert met.agreed.cipher == taken
    big = HiveMessage(HiveMessageType.BUS, {"type": "big", "data": {"text": "x" * 200_000}, "context": {}})
    *before, last = [met.hub.receive(frame)[0] for frame in met.link.seal(met.link.prepare(big))]
    assert before == [None] * 3 and last is not None
    assert last.raw_payload["data"] == {"text": "x" * 200_000}


@pytest.mark.parametrize(
    ("ours", "theirs", "agreed"), [(True, True, True), (False, True, False), (True, False, False)]
)
def test_binary_frames_are_for_two_that_want_them(ours: bool, theirs: bool, agreed: bool) -> None:
    met = Meeting(known(), noise_hub(binarize=theirs), binarize=ours).run()
    assert met.agreed.binarize is agreed
    message = HiveMessage(HiveMessageType.BUS, {"type": "a", "data": {}, "context": {}})
    [read] = [event for event in met.link.receive(met.hub.seal(message)[0]) if isinstance(event, Arrived)]
    assert read.message["type"] == "a"
    [frame] = met.link.seal(met.link.prepare(message))
    assert met.hub.receive(frame)[0] is not None


def test_type_code_11_is_read_below_version_3_only() -> None:
    """There it is unassigned: what we send of that type is text, and a binary frame with that code is none."""
    met = Meeting(known(), noise_hub(binarize=True), binarize=True).run()
    assert met.agreed.binarize
    third = HiveMessage(HiveMessageType.THIRDPRTY, {"door": "open"})
    binary, text = registry().serializers["binary"], third.serialize()
    [arrived] = [event for event in met.link.receive(met.hub.seal(third)[0]) if isinstance(event, Arrived)]
    assert arrived.message == third
    [event] = met.link.receive(met.hub.seal_frame(binary.encode(third, False))[0])
    assert isinstance(event, Rejected) and isinstance(event.error, err.UnknownMessageType)
    read, _ = met.hub.receive(met.link.seal(met.link.prepare(third))[0])
    assert read == third
    with pytest.raises(err.UnknownMessageType):
        met.hub.receive(channel_of(met.link).seal(binary.encode(third, False))[0])
    assert met.hub.receive(channel_of(met.link).seal(text)[0])[0] == third


def test_pieces_make_one_message() -> None:
    met = Meeting(known()).run()
    text = "y" * 150_000
    frames = met.hub.seal(
        HiveMessage(HiveMessageType.BUS, {"type": "big", "data": {"t": text}, "context": {}})
    )
    counts = [len([e for e in met.link.receive(frame) if isinstance(e, Arrived)]) for frame in frames]
    assert counts == [0, 0, 1]


def test_a_wrong_password_is_refused_by_us() -> None:
    met = Meeting(Keys(), password="another password of 2026").run()
    assert isinstance(met.failure, err.PasswordRefused)
    assert "set-identity" in str(met.failure)
    assert met.link.state is State.REFUSED


def test_a_remembered_key_that_does_not_fit_is_dropped_and_derived_anew() -> None:
    keys = known(psk=bytes(32))
    met = Meeting(keys).run()
    assert isinstance(met.failure, err.HandshakeAgain)
    assert keys.psks == {}
    assert Meeting(keys).run().agreed.kind == "noise"


def test_a_kk_that_the_hub_refuses_is_tried_again_with_xx() -> None:
    keys, hub = known(), noise_hub()
    hub.client_pins["key"] = public(OTHER_HUB_KEY)
    met = Meeting(keys, hub).run()
    assert isinstance(met.refused, err.HandshakeError)
    assert isinstance(met.link.ended(1008, "handshake failure", now=0.0), err.HandshakeAgain)
    hub.client_pins.clear()
    assert Meeting(keys, hub).run().agreed.pattern == "XXpsk2"


def test_a_kk_in_doubt_stays_so_until_a_handshake_succeeds() -> None:
    keys, hub = known(), noise_hub()
    hub.client_pins["key"] = public(keys.static_key)
    meeting = Meeting(keys, hub)
    for frame in meeting.hub.greeting():
        meeting.link.receive(frame)
    assert isinstance(meeting.link.ended(now=0.0), err.ConnectionLost)
    assert keys.kk_in_doubt
    assert Meeting(keys, hub).run().agreed.pattern == "XXpsk2"
    assert Meeting(keys, hub).run().agreed.pattern == "KKpsk0"


def test_an_answer_to_kk_that_does_not_verify_is_no_verdict_on_the_password() -> None:
    keys, hub = known(), noise_hub()
    hub.client_pins["key"] = public(keys.static_key)
    keys.psks.clear()
    met = Meeting(keys, hub).run(lambda frame: frame.replace('{"noise": {"msg": "', '{"noise": {"msg": "00'))
    assert isinstance(met.failure, err.HandshakeAgain)


def test_another_static_key_of_the_hub_is_refused_with_both_fingerprints() -> None:
    keys = known()
    met = Meeting(keys, noise_hub(noise_key=OTHER_HUB_KEY)).run()
    assert isinstance(met.failure, err.HubKeyChanged)
    assert met.failure.pinned != met.failure.shown
    assert met.failure.pinned in str(met.failure) and met.failure.shown in str(met.failure)
    assert "'hivemind-client forget-server hub:5678'" in str(met.failure)
    assert keys.pins == [public(HUB_KEY)]


def test_a_client_key_that_the_hub_has_not_pinned_is_refused_by_the_hub() -> None:
    keys, hub = known(), noise_hub()
    hub.client_pins["key"] = public(OTHER_HUB_KEY)
    keys.kk_in_doubt = True
    first = Meeting(keys, hub).run()
    assert type(first.link.ended(1008, "pinned key mismatch", now=0.0)) is err.HandshakeAgain
    keys.kk_in_doubt = True
    met = Meeting(keys, hub).run()
    assert type(met.refused) is err.HubRefused and "pinned for its access key" in str(met.refused)
    ended = met.link.ended(1008, "pinned key mismatch", now=0.0)
    assert type(ended) is err.HubRefused and "reset-noise-pin" in str(ended)
    assert met.link.state is State.REFUSED
    assert met.link.hub_answered(now=0.0) == []  # a pong that comes too late


def a_message() -> HiveMessage:
    return HiveMessage(HiveMessageType.BUS, {"type": "a", "data": {}, "context": {}})


@pytest.mark.parametrize(
    ("shown_by", "refused"), [("nothing", True), ("pong", True), ("message", False), ("time", False)]
)
@pytest.mark.parametrize("kk", [True, False])
def test_a_1008_is_a_refusal_only_before_the_hub_proved_that_it_took_our_part(
    shown_by: str, refused: bool, kk: bool
) -> None:
    """A pong lets the session stand, but whoever stands between may answer pings in the place of the hub."""
    keys, hub = known(), noise_hub()
    keys.end_refused = True
    if kk:
        hub.client_pins["key"] = public(keys.static_key)
    met = Meeting(keys, hub).run()
    assert any(isinstance(event, AwaitProof) for event in met.events) is not kk
    if shown_by == "message":
        events = met.link.receive(met.hub.seal(a_message())[0])
        assert [type(event) for event in events[:1]] == [Arrived if kk else Established]
    elif shown_by != "nothing":
        assert len(met.link.hub_answered(now=0.0)) == (0 if kk else 1)
        assert met.link.hub_answered(now=0.0) == []
    now = PROOF_WINDOW_S if shown_by == "time" else PROOF_WINDOW_S - 0.01
    assert isinstance(met.link.ended(1008, "no", now=now), err.HubRefused) is (refused and not kk)
    assert not keys.end_refused


def test_a_pong_that_comes_after_the_refusal_changes_nothing() -> None:
    keys = known()
    met = Meeting(keys, noise_hub()).run()
    assert isinstance(met.link.ended(1008, "no", now=0.0), err.HandshakeAgain)
    assert met.link.hub_answered(now=0.0) == []
    assert keys.end_refused
    assert isinstance(Meeting(keys, noise_hub()).run().link.ended(1008, now=0.0), err.HubRefused)
    assert not keys.end_refused  # told; whoever connects after `reset-noise-pin` begins anew


def test_a_message_in_pieces_proves_with_its_first_piece() -> None:
    met = Meeting(known(), noise_hub(), max_version=3).run()
    first, last = met.hub.seal(HiveMessage(HiveMessageType.BUS, {"type": "a", "data": {"a": "b" * 70_000}}))
    assert [type(event) for event in met.link.receive(first)] == [Established]
    assert Arrived in [type(event) for event in met.link.receive(last)]


def test_a_piece_of_a_message_gives_no_event() -> None:
    met = Meeting(known(), noise_hub(), max_version=3).run()
    for _ in range(2):
        first, last = met.hub.seal(
            HiveMessage(HiveMessageType.BUS, {"type": "a", "data": {"a": "b" * 70_000}})
        )
        events, more = met.link.receive(first), met.link.receive(last)
    assert events == [] and Arrived in [type(event) for event in more]


@pytest.mark.parametrize("code", [1000, 1001, 1005, 1006, None])
def test_a_hub_that_goes_away_while_we_wait_has_not_refused_us(code: Optional[int]) -> None:
    meeting = Meeting(known())
    for frame in meeting.hub.greeting():
        meeting.link.receive(frame)
    assert type(meeting.link.ended(code, now=0.0)) is err.ConnectionLost


@pytest.mark.parametrize("answer", [{"noise": {"msg": ""}}, {"noise": {"msg": None}}, {"envelope": "aa"}])
def test_an_answer_without_a_noise_message_says_nothing_of_the_password(answer: dict[str, Any]) -> None:
    shake = json.dumps({"msg_type": "shake", "payload": answer})
    met = Meeting(known()).run(lambda frame: shake if '"msg"' in str(frame) else frame)
    assert isinstance(met.failure, err.HandshakeError)


@pytest.mark.parametrize("error", [RecursionError, ValueError])
def test_an_offer_that_cannot_be_written_again_is_no_fault_of_ours(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python reads JSON a little deeper nested than it writes it."""

    def too_deep(payload: Any) -> bytes:
        raise error

    monkeypatch.setattr("hivemind_core_client.kernel.handshake.noise_exchange.canonical", too_deep)
    met = Meeting(known()).run()
    assert isinstance(met.failure, err.HandshakeError)


@pytest.mark.parametrize(
    ("versions", "answer"), [((3, 3), {"envelope": "00" * 24}), ((0, 1), {"noise": {"msg": "00"}})]
)
def test_the_embedded_hub_takes_no_handshake_that_it_did_not_offer(
    versions: tuple[int, int], answer: dict[str, Any]
) -> None:
    hub = HubLink(registry(), Account("key", PASSWORD), noise_hub(versions=versions), "agent")
    hub.greeting()
    with pytest.raises(err.HandshakeError):
        hub.receive(json.dumps({"msg_type": "shake", "payload": answer}))


def test_a_static_key_that_cannot_be_had_is_not_the_hub_s_fault() -> None:
    class Unwritable(Keys):
        def noise_key(self) -> bytes:
            raise err.IdentityFileError("no key")

    assert isinstance(Meeting(Unwritable(psk=derived())).run().failure, err.IdentityFileError)


def test_a_hub_that_hangs_up_on_xx_refused_us() -> None:
    meeting = Meeting(known())
    for frame in meeting.hub.greeting():
        meeting.link.receive(frame)
    assert type(meeting.link.ended(1008, now=0.0)) is err.HubRefused


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"node_id": "', '"node_id": "x'),
        ('"peer": "', '"peer": "x'),
        ('"max_protocol_version": 3', '"max_protocol_version": 4'),
        ('"binarize": false', '"binarize": true'),
        ('"XXpsk2"', '"XXpsk2", "more"'),
    ],
)
def test_one_changed_byte_of_the_negotiation_ends_the_handshake(old: str, new: str) -> None:
    keys = Keys()
    keys.psks = {NODE_ID: derived(), f"x{NODE_ID}": derived()}
    met = Meeting(keys).run(lambda frame: frame.replace(old, new))
    # In these patterns the first message is sealed already: the hub is who finds out.
    assert isinstance(met.refused, err.HandshakeError)
    ended = met.link.ended(1008, "handshake failure", now=0.0)
    assert type(ended) is err.HubRefused and "changed on the way" in str(ended)
    assert keys.pins == []


def test_an_answer_that_was_changed_on_the_way() -> None:
    met = Meeting(Keys()).run(lambda frame: frame.replace('{"msg": "', '{"msg": "00'))
    assert isinstance(met.failure, err.PasswordRefused)
    assert met.link.state is State.REFUSED


@pytest.mark.parametrize("change", ["changed", "repeated", "lost"])
def test_a_sealed_frame_that_is_not_at_its_place_ends_the_connection(change: str) -> None:
    met = Meeting(known()).run()
    message = HiveMessage(HiveMessageType.BUS, {"type": "a", "data": {}, "context": {}})
    first, second = (met.hub.seal(message)[0] for _ in range(2))
    frames = {
        "changed": [bytes(first)[:-1] + bytes([bytes(first)[-1] ^ 1])],
        "repeated": [first, first],
        "lost": [second],
    }[change]
    events = [event for frame in frames for event in met.link.receive(frame)]
    assert isinstance(events[-1], Failed) and isinstance(events[-1].error, err.ConnectionLost)
    assert met.link.state is State.REFUSED


def test_a_frame_in_the_clear_is_dropped() -> None:
    met = Meeting(known()).run()
    [event] = met.link.receive('{"msg_type": "bus", "payload": {}}')
    assert isinstance(event, Rejected) and isinstance(event.error, err.CleartextRefused)
    assert met.link.state is State.IN_DOUBT


@pytest.mark.parametrize(
    "noise", [None, [], "00", {}, {"msg": 5}, {"msg": "zz"}, {"msg": None, "other": 1}, {"msg": "é"}]
)
def test_an_answer_that_is_no_noise_message(noise: Any) -> None:
    meeting = Meeting(known())
    for frame in meeting.hub.greeting():
        meeting.link.receive(frame)
    answer = {"envelope": "00"} if noise is None else {"noise": noise, "envelope": "00"}
    frame = HiveMessage(HiveMessageType.HANDSHAKE, answer).serialize()
    [failed] = [event for event in meeting.link.receive(frame) if isinstance(event, Failed)]
    assert isinstance(failed.error, (err.HandshakeError, err.PasswordRefused))


@given(st.binary(max_size=200))
def test_whatever_the_hub_answers_is_a_typed_outcome(message: bytes) -> None:
    keys = known()
    meeting = Meeting(keys)
    for frame in meeting.hub.greeting():
        meeting.link.receive(frame)
    answer = {"noise": {"msg": message.hex()}}
    events = meeting.link.receive(HiveMessage(HiveMessageType.HANDSHAKE, answer).serialize())
    assert isinstance(events[-1], Failed)
    assert meeting.link.state is State.REFUSED


def noise_terms(keys: Optional[Keys] = None, **changes: Any) -> Terms:
    tables = registry()
    base = Terms(
        Credentials(password=PASSWORD, noise=keys or Keys(psk=bytes(32))),
        tables,
        HubFacts(NODE_ID),
        tuple(tables.ciphers),
        tuple(tables.encodings),
        binarize=True,
        max_version=3,
        where=WHERE,
        limit=Limits().assembled,
        make_channel=CipherChannel,
    )
    return evolve(base, **changes)


def noise_offer(**changes: Any) -> Offer:
    noise = {"patterns": ["XXpsk2"], "suites": ["25519_ChaChaPoly_SHA256"]}
    return Offer.read({**offer_payload(), "max_protocol_version": 3, "noise": noise, **changes})


ONLY_NOISE = {"max_protocol_version": 3, "noise": {"patterns": ["XXpsk2"], "suites": ["25519_AESGCM_SHA256"]}}


@pytest.mark.parametrize(
    ("offer", "terms", "kind"),
    [
        (noise_offer(), noise_terms(), NoiseHandshake),
        (Offer.read(ONLY_NOISE), noise_terms(), NoiseHandshake),
        (noise_offer(), noise_terms(max_version=2), PasswordHandshake),
        (noise_offer(max_protocol_version=2), noise_terms(), PasswordHandshake),
        (noise_offer(noise=None), noise_terms(), PasswordHandshake),
        (
            noise_offer(noise={"patterns": ["NN"], "suites": ["25519_AESGCM_SHA256"]}),
            noise_terms(),
            PasswordHandshake,
        ),
        (noise_offer(noise={"patterns": ["XXpsk2"], "suites": ["448"]}), noise_terms(), PasswordHandshake),
        (noise_offer(noise={}), noise_terms(), PasswordHandshake),
        (noise_offer(), noise_terms(credentials=Credentials(password=PASSWORD)), PasswordHandshake),
        (
            noise_offer(),
            noise_terms(Keys(psk=bytes(32), pinned=public(HUB_KEY)), max_version=2),
            PasswordHandshake,
        ),
    ],
)
def test_the_best_that_both_can_is_taken(offer: Offer, terms: Terms, kind: type) -> None:
    assert choose(KINDS, offer, terms).kind == kind.kind


@pytest.mark.parametrize(
    "changes",
    [
        {"noise": None},
        {"max_protocol_version": 2},
        {"noise": {"patterns": ["NN"], "suites": ["25519_AESGCM_SHA256"]}},
    ],
)
def test_a_hub_that_falls_back_behind_its_pin_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(err.VersionRefused, match=r"forget-server.*max_protocol_version=2"):
        choose(KINDS, noise_offer(**changes), noise_terms(known()))


@pytest.mark.parametrize(
    ("offer", "terms", "error", "text"),
    [
        (ONLY_NOISE, noise_terms(max_version=2), err.VersionRefused, "--max-protocol"),
        (
            {**ONLY_NOISE, "noise": {"patterns": ["NN"]}},
            noise_terms(),
            err.VersionRefused,
            "none of the Noise patterns",
        ),
        (ONLY_NOISE, noise_terms(credentials=Credentials()), err.NegotiationRefused, "add-client"),
    ],
)
def test_a_hub_that_speaks_noise_only(offer: Any, terms: Terms, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        choose(KINDS, Offer.read(offer), terms)


def test_without_the_library_the_error_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_installed()
    monkeypatch.setitem(sys.modules, "poorman_handshake.noise", None)
    assert not is_installed()
    with pytest.raises(err.VersionRefused, match=r"Python 3\.10"):
        choose(KINDS, Offer.read(ONLY_NOISE), noise_terms())


@pytest.mark.parametrize("noise", [5, "XXpsk2", [], True, {"patterns": "XXpsk2"}, {"suites": [1]}])
def test_a_malformed_offer_of_noise(noise: Any) -> None:
    with pytest.raises(err.HandshakeError, match=r"noise|names"):
        noise_offer(noise=noise)


def test_it_needs_somewhere_to_keep_keys() -> None:
    with pytest.raises(err.HandshakeError, match="static key"):
        NoiseHandshake(noise_offer(), noise_terms(credentials=Credentials(password=PASSWORD)))
    with pytest.raises(err.HandshakeError, match="none of the Noise suites"):
        NoiseHandshake(noise_offer(noise={"patterns": ["XXpsk2"], "suites": ["448"]}), noise_terms())


def test_a_static_key_that_is_none() -> None:
    keys = Keys(psk=derived())
    keys.static_key = b"short"
    with pytest.raises(err.HandshakeError, match="cannot be used"):
        NoiseHandshake(noise_offer(), noise_terms(keys))


@pytest.mark.parametrize("only_noise", [True, False])
def test_a_hub_that_breaks_on_pieces_is_warned_of(only_noise: bool, caplog: pytest.LogCaptureFixture) -> None:
    hub = noise_hub() if only_noise else noise_hub(versions=(0, 3))
    with caplog.at_level(logging.WARNING):
        met = Meeting(known(), hub).run()
    assert ("max_protocol_version=2" in caplog.text) is not only_noise
    big = HiveMessage(HiveMessageType.BUS, {"type": "big", "data": {"t": "x" * 70_000}, "context": {}})
    if only_noise:
        assert len(met.link.seal(met.link.prepare(big))) == 2
        return
    with pytest.raises(err.InvalidMessage, match="65000 at most"):
        met.link.seal(met.link.prepare(big))


@given(
    st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text()))
)
def test_the_canonical_form_is_the_same_for_equal_payloads(payload: dict[str, Any]) -> None:
    text = canonical(payload)
    backwards = dict(reversed(list(payload.items())))
    assert canonical(backwards) == text
    assert json.loads(text.decode("utf-8", "surrogatepass")) == payload


def test_no_key_shows_in_a_repr() -> None:
    keys = known()
    shown = repr(Credentials(password=PASSWORD, noise=keys)) + repr(noise_terms(keys))
    assert PASSWORD not in shown and derived().hex() not in shown and repr(derived()) not in shown
