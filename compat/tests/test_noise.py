"""Version 3 by function: two sides shake hands, and what one seals the other opens."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any, Optional

import pytest
from hivemind_bus_client import noise
from hivemind_bus_client.noise import (
    CHUNK_SIZE,
    NOISE_PATTERN_KK,
    NOISE_PATTERN_XX,
    NOISE_PATTERNS,
    NOISE_SUITE_AESGCM,
    NOISE_SUITE_CHACHA,
    NOISE_SUITES,
    NoiseHandshakeFailed,
    NoiseTransport,
    NoiseTransportFailed,
)

from hivemind_core_client.errors import InvalidMessage

NODE_ID, PSK = "a-hub", bytes(range(32))
needs_noise = pytest.mark.skipif(not noise.NOISE_SUPPORTED, reason="Noise needs Python 3.10")


def prologue(pattern: str, suite: str) -> bytes:
    return noise.build_prologue({"node_id": NODE_ID}, {"b": 1}, noise.noise_protocol_name(pattern, suite))


def side(
    begins: bool, path: Path, pattern: str, suite: str, remote: Optional[str] = None, **more: Any
) -> Any:
    given = {"password": None, "psk": PSK, **more}
    said = prologue(pattern, suite)
    return noise.start_noise_handshake(
        begins,
        pattern,
        suite,
        node_id=NODE_ID,
        prologue=said,
        key_path=str(path),
        remote_pubkey=remote,
        **given,
    )


def shaken(client: Any, hub: Any) -> tuple[NoiseTransport, NoiseTransport]:
    assert hub.read_message(client.write_message(b"{}")) == b"{}"
    client.read_message(hub.write_message(b""))
    if not hub.handshake_finished:
        hub.read_message(client.write_message(b""))
    return NoiseTransport(client), NoiseTransport(hub)


@pytest.fixture
def session(tmp_path: Path) -> tuple[NoiseTransport, NoiseTransport]:
    sides = (
        side(begins, tmp_path / f"{begins}.key", NOISE_PATTERN_XX, NOISE_SUITE_CHACHA) for begins in (1, 0)
    )
    return shaken(*sides)


@needs_noise
@pytest.mark.parametrize("suite", NOISE_SUITES)
@pytest.mark.parametrize("pattern", NOISE_PATTERNS)
def test_both_sides_own_the_keys_and_know_each_other(pattern: str, suite: str, tmp_path: Path) -> None:
    paths = tmp_path / "keys" / "client.key", tmp_path / "hub.key"
    known = [side(True, path, NOISE_PATTERN_XX, suite).pubkey for path in paths]
    client, hub = shaken(
        side(True, paths[0], pattern, suite, known[1]), side(False, paths[1], pattern, suite, known[0])
    )
    assert [hub.remote_static_key, client.remote_static_key] == known
    assert client.handshake_hash == hub.handshake_hash
    assert hub.decrypt_frame(client.encrypt_frame('{"é": 1}')) == '{"é": 1}'
    assert client.decrypt_frame(hub.encrypt_frame(b"\x00\x01")) == b"\x00\x01"


@needs_noise
@pytest.mark.parametrize("message", ["é" * CHUNK_SIZE, b"x" * (2 * CHUNK_SIZE + 1), b"x" * CHUNK_SIZE])
def test_a_long_message_goes_in_several_frames(
    session: tuple[NoiseTransport, NoiseTransport], message: Any
) -> None:
    client, hub = session
    frames: list[bytes] = []
    client.send_message(message, frames.append)
    size = len(message.encode() if isinstance(message, str) else message)
    assert len(frames) == -(-size // CHUNK_SIZE)
    *first, last = map(hub.decrypt_frame, frames)
    assert first == [None] * len(first) and last == message


@needs_noise
def test_one_frame_takes_no_more_than_its_size(session: tuple[NoiseTransport, NoiseTransport]) -> None:
    with pytest.raises(InvalidMessage, match="65001 bytes"):
        session[0].encrypt_frame("x" * (CHUNK_SIZE + 1))
    assert session[1].decrypt_frame(session[0].encrypt_frame("after it")) == "after it"


@needs_noise
def test_a_frame_that_was_changed_or_repeated_does_not_open(
    session: tuple[NoiseTransport, NoiseTransport],
) -> None:
    client, hub = session
    frame = client.encrypt_frame("once")
    assert hub.decrypt_frame(frame) == "once"
    with pytest.raises(NoiseTransportFailed, match="repeated"):
        hub.decrypt_frame(frame)


@needs_noise
def test_what_is_put_together_is_bounded(tmp_path: Path) -> None:
    client = side(True, tmp_path / "c.key", NOISE_PATTERN_XX, NOISE_SUITE_AESGCM)
    hub = side(False, tmp_path / "h.key", NOISE_PATTERN_XX, NOISE_SUITE_AESGCM)
    hub.read_message(client.write_message(b""))
    client.read_message(hub.write_message(b""))
    hub.read_message(client.write_message(b""))
    frames: list[bytes] = []
    NoiseTransport(client).send_message(b"x" * 3 * CHUNK_SIZE, frames.append)
    bounded = NoiseTransport(hub, max_reassembly_bytes=2 * CHUNK_SIZE)
    assert bounded.decrypt_frame(frames[0]) is bounded.decrypt_frame(frames[1]) is None
    with pytest.raises(NoiseTransportFailed, match="larger than"):
        bounded.decrypt_frame(frames[2])


@needs_noise
def test_a_session_needs_a_handshake_that_is_finished(tmp_path: Path) -> None:
    with pytest.raises(NoiseHandshakeFailed, match="not finished"):
        NoiseTransport(side(True, tmp_path / "c.key", NOISE_PATTERN_XX, NOISE_SUITE_CHACHA))


@needs_noise
def test_another_prologue_is_another_handshake(tmp_path: Path) -> None:
    client = side(True, tmp_path / "c.key", NOISE_PATTERN_XX, NOISE_SUITE_CHACHA)
    key = str(tmp_path / "h.key")
    hub = noise.start_noise_handshake(
        False, NOISE_PATTERN_XX, NOISE_SUITE_CHACHA, None, NODE_ID, b"changed", key, psk=PSK
    )
    from cryptography.exceptions import InvalidTag

    with pytest.raises(InvalidTag):  # the first message of XXpsk2 carries a payload that is sealed by the key
        hub.read_message(client.write_message(b""))


@needs_noise
def test_what_cannot_begin(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="password"):
        side(True, tmp_path / "c.key", NOISE_PATTERN_XX, NOISE_SUITE_CHACHA, psk=None)
    with pytest.raises(NoiseHandshakeFailed, match="Noise_XXpsk2_none"):
        side(True, tmp_path / "c.key", NOISE_PATTERN_XX, "none")
    (tmp_path / "broken.key").write_text("no key")
    with pytest.raises(NoiseHandshakeFailed, match="64 hex digits"):
        side(True, tmp_path / "broken.key", NOISE_PATTERN_XX, NOISE_SUITE_CHACHA)


def test_without_noise_nothing_begins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(noise, "NOISE_SUPPORTED", False)
    with pytest.raises(NoiseHandshakeFailed, match=r"Python 3\.10"):
        side(True, tmp_path / "c.key", NOISE_PATTERN_XX, NOISE_SUITE_CHACHA)


@needs_noise
def test_who_begins_keeps_the_key_that_a_password_stands_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    derived: list[Any] = []
    monkeypatch.setattr(noise, "derived_psk", lambda *given: derived.append(given) or PSK)
    key, given = tmp_path / "c.key", {"psk": None, "password": "a password", "cache_scope": "access"}
    for _ in range(2):
        side(True, key, NOISE_PATTERN_XX, NOISE_SUITE_CHACHA, **given)
    assert derived == [("a password", NODE_ID)]
    assert noise.load_cached_psk(str(key), NODE_ID, "access") == PSK
    side(False, tmp_path / "h.key", NOISE_PATTERN_XX, NOISE_SUITE_CHACHA, **given)
    assert len(derived) == 2 and noise.load_cached_psk(str(tmp_path / "h.key"), NODE_ID, "access") is None


@needs_noise
def test_the_key_of_a_password_is_the_protocols() -> None:
    from poorman_handshake.noise import derive_psk

    assert noise.derive_psk("a long password", node_id=NODE_ID) == derive_psk(
        "a long password", node_id=NODE_ID
    )


@pytest.mark.parametrize(
    ("patterns", "suites", "pinned", "chosen"),
    [
        (NOISE_PATTERNS, NOISE_SUITES, None, (NOISE_PATTERN_XX, NOISE_SUITE_CHACHA)),
        (NOISE_PATTERNS, [NOISE_SUITE_AESGCM], "aa" * 32, (NOISE_PATTERN_KK, NOISE_SUITE_AESGCM)),
        ([NOISE_PATTERN_XX], NOISE_SUITES[::-1], "aa" * 32, (NOISE_PATTERN_XX, NOISE_SUITE_CHACHA)),
        ([NOISE_PATTERN_KK], NOISE_SUITES, None, None),
        (NOISE_PATTERNS, ["448"], None, None),
    ],
)
def test_what_is_chosen_of_an_offer(patterns: list[str], suites: list[str], pinned: Any, chosen: Any) -> None:
    assert noise.select_noise_options(patterns, suites, pinned) == chosen


def test_keys_that_are_kept(tmp_path: Path) -> None:
    key, other = str(tmp_path / "node.key"), bytes(32)
    assert noise.load_cached_psk(key, NODE_ID) is None
    noise.save_cached_psk(key, NODE_ID, PSK, "one")
    noise.save_cached_psk(key, NODE_ID, other, "two")
    kept = tmp_path / f"node{noise.NOISE_PSK_CACHE_SUFFIX}"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600 and "one" not in kept.read_text()
    assert noise.load_cached_psk(key, NODE_ID, "one") == PSK
    noise.forget_cached_psk(key, NODE_ID, "one")
    assert noise.load_cached_psk(key, NODE_ID, "one") is None
    assert noise.load_cached_psk(key, NODE_ID, "two") == other
    for _ in range(2):
        noise.clear_cached_psks(key)
    assert noise.load_cached_psk(key, NODE_ID, "two") is None and not kept.exists()


@pytest.mark.skipif(os.name != "posix", reason="only POSIX has modes")
def test_keys_that_others_may_read_are_given_up(tmp_path: Path) -> None:
    key, kept = str(tmp_path / "node.key"), tmp_path / f"node{noise.NOISE_PSK_CACHE_SUFFIX}"
    noise.save_cached_psk(key, NODE_ID, PSK, "one")
    kept.chmod(0o644)
    assert noise.load_cached_psk(key, NODE_ID, "one") is None
    noise.save_cached_psk(key, NODE_ID, PSK, "two")
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert noise.load_cached_psk(key, NODE_ID, "one") is None
    assert noise.load_cached_psk(key, NODE_ID, "two") == PSK


@pytest.mark.parametrize(("path", "node_id"), [(None, NODE_ID), ("node.key", ""), ("node.key", "x" * 513)])
def test_nothing_is_kept_where_there_is_no_place_or_no_hub(
    path: Optional[str], node_id: str, tmp_path: Path
) -> None:
    key = None if path is None else str(tmp_path / path)
    noise.save_cached_psk(key, node_id, PSK)
    noise.forget_cached_psk(key, node_id)
    if path is None:
        noise.clear_cached_psks(key)
    assert noise.load_cached_psk(key, node_id) is None and not list(tmp_path.iterdir())


def test_a_cache_that_cannot_be_read_or_written_is_done_without(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept = tmp_path / f"node{noise.NOISE_PSK_CACHE_SUFFIX}"
    kept.mkdir(mode=0o700)
    key = str(tmp_path / "node.key")
    noise.save_cached_psk(key, NODE_ID, PSK)
    assert noise.load_cached_psk(key, NODE_ID) is None
    noise.clear_cached_psks(key)
    assert "not used" in caplog.text and "could not be removed" in caplog.text
