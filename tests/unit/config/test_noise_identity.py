"""What an identity keeps for protocol version 3, and how the client uses it."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from hivemind_core_client import NodeIdentity
from hivemind_core_client.config import key_files as keyfiles
from hivemind_core_client.config.hub_keys import HubKeys
from hivemind_core_client.config.noise_identity import MOST_DERIVED
from hivemind_core_client.config.settings import resolve
from hivemind_core_client.errors import IdentityFileError, InvalidOption
from tests.unit.support import mode

KEY = bytes(range(32))
HUB = "hub.local:5678"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "identity" / "_identity.json"


def fields(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def written(path: Path, **content: Any) -> NodeIdentity:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content))
    return NodeIdentity(str(path))


def keys_of(identity: NodeIdentity, password: str = "a long password", host: str = "hub.local") -> HubKeys:
    given_by_user = {"key": "key", "password": password, "crypto_key": None, "host": host, "port": None}
    return HubKeys(identity, resolve(identity, **given_by_user, useragent="agent"))


# the static key


def test_the_static_key_is_made_once_and_is_its_owner_s_alone(path: Path) -> None:
    identity = NodeIdentity(str(path))
    assert identity.existing_static_key() is None
    key = identity.static_key()
    assert len(key) == 32
    assert (
        identity.static_key() == NodeIdentity(str(path)).static_key() == identity.existing_static_key() == key
    )
    file = path.parent / "unnamed-node_noise.key"
    assert file.read_text() == key.hex()
    assert mode(file) == 0o600


@pytest.mark.parametrize(
    ("content", "file"),
    [
        ({}, "unnamed-node_noise.key"),
        ({"name": "kitchen"}, "kitchen_noise.key"),
        ({"name": "../../etc/kitchen"}, "kitchen_noise.key"),
        ({"noise_key": "other_noise.key"}, "other_noise.key"),  # as the reference client writes it
        ({"noise_key": 5}, "unnamed-node_noise.key"),
        ({"noise_key": ""}, "unnamed-node_noise.key"),
    ],
)
def test_where_the_static_key_lies(path: Path, content: dict[str, Any], file: str) -> None:
    identity = written(path, **content)
    identity.static_key()
    assert (path.parent / file).exists()


def test_the_static_key_stays_when_the_node_gets_another_name(path: Path) -> None:
    """Hubs have pinned it for the access key, which stays too."""
    identity = written(path, name="kitchen")
    key = identity.static_key()
    assert fields(path) == {"name": "kitchen", "noise_key": "kitchen_noise.key"}
    identity.name = "attic"
    identity.save()
    assert identity.static_key() == NodeIdentity(str(path)).static_key() == key


def test_an_application_without_a_file_shares_the_static_key_and_the_pins(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    shared = tmp_path / "hivemind" / "_identity.json"
    written(shared, access_key="k", name="kitchen")
    app = NodeIdentity(app_name="skill")
    key = app.static_key()
    assert NodeIdentity().static_key() == NodeIdentity(app_name="other").static_key() == key
    app.pin_noise_key(HUB, KEY.hex())
    assert NodeIdentity().pinned_noise_keys == {HUB: KEY.hex()}
    assert not (shared.parent / "skill").exists()
    own = NodeIdentity(app_name="skill", shared_fallback=False)
    assert own.static_key() != key and own.pinned_noise_keys == {}
    assert (shared.parent / "skill" / "unnamed-node_noise.key").exists()


def test_a_node_that_is_named_later_keeps_the_key_that_an_application_made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    written(tmp_path / "hivemind" / "_identity.json", access_key="k")
    key = NodeIdentity(app_name="skill").static_key()
    shared = NodeIdentity()
    shared.name = "kitchen"
    shared.save()
    assert NodeIdentity().static_key() == NodeIdentity(app_name="other").static_key() == key


def test_processes_that_start_together_have_one_static_key(path: Path) -> None:
    """The folder is missing, so that there is nothing to lock yet."""
    code = f"from hivemind_core_client import NodeIdentity; print(NodeIdentity({str(path)!r}).static_key().hex())"
    started = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    keys = {process.communicate(timeout=50)[0].strip() for process in started}
    assert len(keys) == 1 and len(keys.pop()) == 64


def test_a_folder_that_another_one_locks_is_not_waited_for_without_end(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyfiles, "_LOCK_SECONDS", 0.1)
    identity = written(path)
    with keyfiles.only_one_writer(str(path.parent)):
        with pytest.raises(IdentityFileError, match="another process holds the folder"):
            identity.static_key()
        with pytest.raises(IdentityFileError, match="another process"):
            identity.pin_noise_key(HUB, KEY.hex())
    assert len(identity.static_key()) == 32


def test_where_the_static_key_lies_can_be_set(path: Path, tmp_path: Path) -> None:
    identity = written(path, name="kitchen")
    identity.noise_key = path.parent / "mine.key"  # type: ignore[assignment]  # any path is taken
    assert identity.noise_key == str(path.parent / "mine.key")
    assert identity.IDENTITY_FILE["noise_key"] == "mine.key"
    identity.noise_key = "other.key"
    assert identity.noise_key == str(path.parent / "other.key")
    identity.noise_key = str(tmp_path / "elsewhere.key")
    identity.save()
    assert NodeIdentity(str(path)).noise_key == str(tmp_path / "elsewhere.key")
    assert identity.static_key().hex() == (tmp_path / "elsewhere.key").read_text()
    identity.noise_key = None
    assert identity.noise_key == str(path.parent / "kitchen_noise.key")
    with pytest.raises(InvalidOption, match="noise_key"):
        identity.noise_key = 5  # type: ignore[assignment]


def test_a_path_of_another_machine_is_that_of_the_file_beside(path: Path) -> None:
    """Other clients store absolute paths, which go stale when the folder is moved or another user reads it."""
    identity = written(path, noise_key="/home/of/nobody/node_noise.key")
    assert identity.noise_key == "/home/of/nobody/node_noise.key"
    beside = path.parent / "node_noise.key"
    beside.write_text(KEY.hex())
    assert identity.noise_key == str(beside)
    assert identity.static_key() == KEY


def test_the_static_key_of_another_place_is_read(path: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.key"
    elsewhere.write_text(KEY.hex().upper() + "\n")
    assert written(path, noise_key=str(elsewhere)).static_key() == KEY


@pytest.mark.parametrize("content", ["", "xyz", "00" * 31, "00" * 33, "g" * 64])
def test_a_file_that_holds_no_static_key_is_left_alone(path: Path, content: str) -> None:
    identity = written(path, noise_key="mine.key")
    file = path.parent / "mine.key"
    file.write_text(content)
    with pytest.raises(IdentityFileError, match="reset-noise-pin"):
        identity.static_key()
    assert file.read_text() == content


def test_in_memory_the_static_key_stays_with_the_object() -> None:
    identity = NodeIdentity({})
    assert identity.existing_static_key() is None
    assert identity.static_key() == identity.static_key() == identity.existing_static_key()
    assert identity.noise_key is None
    assert identity.static_key() != NodeIdentity({}).static_key()


def test_in_memory_the_static_key_may_lie_in_a_file(tmp_path: Path) -> None:
    identity = NodeIdentity({})
    identity.noise_key = str(tmp_path / "node.key")
    assert identity.static_key().hex() == (tmp_path / "node.key").read_text()


# pins


@pytest.mark.parametrize("in_memory", [True, False])
def test_a_hub_is_pinned_and_forgotten_by_its_address(path: Path, in_memory: bool) -> None:
    identity = NodeIdentity({} if in_memory else str(path))
    identity.pin_noise_key(HUB, KEY.hex())
    identity.pin_noise_key("other:1", bytes(32).hex())
    assert identity.pinned_noise_keys == {HUB: KEY.hex(), "other:1": bytes(32).hex()}
    assert identity.forget_noise_key(HUB)
    assert not identity.forget_noise_key(HUB)
    assert identity.pinned_noise_keys == {"other:1": bytes(32).hex()}
    if not in_memory:
        assert NodeIdentity(str(path)).pinned_noise_keys == identity.pinned_noise_keys
        assert mode(path) == 0o600


@pytest.mark.parametrize("key", ["ab" * 31, "zz" * 32, "", None, KEY], ids=repr)
def test_what_is_no_static_key_is_not_pinned(key: Any) -> None:
    identity = NodeIdentity({})
    with pytest.raises(InvalidOption, match="64 hex digits"):
        identity.pin_noise_key(HUB, key)
    assert identity.pinned_noise_keys == {}


@pytest.mark.parametrize("now", [{}, {"other:1": "00" * 32}])
def test_pins_of_first_releases_stay_pins(path: Path, now: dict[str, str]) -> None:
    identity = written(path, hub_pins={HUB: KEY.hex(), "other:1": "11" * 32}, pinned_noise_keys=now)
    assert identity.get_pinned_noise_key(HUB) == KEY.hex()
    assert identity.get_pinned_noise_key("other:1") == now.get("other:1", "11" * 32)
    assert identity.forget_noise_key(HUB)
    assert fields(path) == {"pinned_noise_keys": {"other:1": now.get("other:1", "11" * 32)}}


@pytest.mark.parametrize("broken", [{"hub_pins": 5}, {"hub_pins": {HUB: "no key"}}, {"hub_pins": None}])
def test_a_pin_of_first_releases_that_cannot_be_read_is_not_taken_for_none(
    path: Path, broken: dict[str, Any]
) -> None:
    with pytest.raises(IdentityFileError, match="pinned_noise_keys"):
        written(path, **broken).get_pinned_noise_key(HUB)


def test_a_pin_is_written_at_once_and_nothing_else_with_it(path: Path) -> None:
    first, second = written(path, password="secret"), NodeIdentity(str(path))
    first.site_id = "kitchen"  # waits for save()
    first.pin_noise_key(HUB, KEY.hex())
    second.pin_noise_key("other:1", bytes(32).hex())
    assert fields(path) == {
        "password": "secret",
        "pinned_noise_keys": {HUB: KEY.hex(), "other:1": bytes(32).hex()},
    }
    first.save()
    assert fields(path)["site_id"] == "kitchen"


@given(
    st.dictionaries(st.text(), st.none() | st.integers() | st.text() | st.lists(st.text()))
    | st.integers()
    | st.text()
)
def test_pins_that_make_no_sense_are_no_pins(content: Any) -> None:
    identity = NodeIdentity({"pinned_noise_keys": content, "derived_keys": content})
    assert all(len(bytes.fromhex(key)) == 32 for key in identity.pinned_noise_keys.values())
    assert identity.derived_key("key", "hub") is None
    identity.pin_noise_key(HUB, KEY.hex())
    identity.keep_derived_key("key", "hub", KEY)
    assert identity.pinned_noise_keys[HUB] == KEY.hex()
    assert identity.derived_key("key", "hub") == KEY


@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize(
    "pins",
    [
        None,
        {HUB: None},
        {HUB: KEY.hex()[1:]},
        {HUB: f"sha256:{KEY.hex()}"},
        {HUB: 5},
        [KEY.hex()],
        "nonsense",
        5,
    ],
)
def test_a_pin_that_cannot_be_read_is_not_taken_for_none(path: Path, pins: Any, in_memory: bool) -> None:
    content = {"pinned_noise_keys": pins}
    identity = NodeIdentity(content) if in_memory else written(path, **content)
    with pytest.raises(IdentityFileError, match="pinned_noise_keys"):
        identity.get_pinned_noise_key(HUB)
    with pytest.raises(IdentityFileError, match="pinned_noise_keys"):
        keys_of(identity).pinned()
    if isinstance(pins, dict):
        assert identity.get_pinned_noise_key("other:1") is None
        assert identity.forget_noise_key(HUB)
        assert identity.get_pinned_noise_key(HUB) is None
    else:
        assert identity.forget_noise_key(HUB)
        assert identity.get_pinned_noise_key(HUB) is None
        assert in_memory or NodeIdentity(str(path)).get_pinned_noise_key(HUB) is None


@pytest.mark.parametrize("text", [KEY.hex().upper(), f" {KEY.hex()}\n"])
def test_a_pin_is_read_however_it_is_written(text: str) -> None:
    assert NodeIdentity({"pinned_noise_keys": {HUB: text}}).get_pinned_noise_key(HUB) == KEY.hex()


def test_a_pin_of_another_process_is_seen_at_once(path: Path) -> None:
    first, second = written(path), NodeIdentity(str(path))
    keys = keys_of(second)
    first.pin_noise_key(HUB, KEY.hex())
    assert second.get_pinned_noise_key(HUB) == KEY.hex()
    assert keys.pinned() == KEY
    assert first.forget_noise_key(HUB)
    assert keys.pinned() is None
    second.pin_noise_key(HUB, bytes(32).hex())
    assert first.forget_noise_key(HUB) and second.get_pinned_noise_key(HUB) is None


class Stored(dict[str, Any]):
    """A dict-like object that is stored whole, as some applications keep theirs."""

    stored: Any = None

    def store(self) -> None:
        self.stored = dict(self)


def test_an_object_that_can_only_be_stored_whole_is() -> None:
    content = Stored()
    identity = NodeIdentity(content)
    identity.pin_noise_key(HUB, KEY.hex())
    assert content.stored == {"pinned_noise_keys": {HUB: KEY.hex()}}
    identity.forget_noise_key(HUB)
    assert content.stored == {"pinned_noise_keys": {}}


def test_a_field_of_the_wrong_kind_in_a_file_is_replaced(path: Path) -> None:
    identity = written(path, pinned_noise_keys="nonsense")
    identity.pin_noise_key(HUB, KEY.hex())
    assert NodeIdentity(str(path)).pinned_noise_keys == {HUB: KEY.hex()}


# derived keys


@pytest.mark.parametrize("in_memory", [True, False])
def test_derived_keys_are_by_owner_and_hub_and_the_oldest_go(path: Path, in_memory: bool) -> None:
    identity = NodeIdentity({} if in_memory else str(path))
    for number in range(MOST_DERIVED + 3):
        identity.keep_derived_key("key", f"hub-{number}", bytes([number]) * 32)
    kept = [identity.derived_key("key", f"hub-{number}") for number in range(MOST_DERIVED + 3)]
    assert kept[:3] == [None] * 3
    assert kept[3:] == [bytes([number]) * 32 for number in range(3, MOST_DERIVED + 3)]
    assert identity.derived_key("other", "hub-5") is None
    identity.drop_derived_key("key", "hub-5")
    identity.drop_derived_key("key", "hub-5")
    assert identity.derived_key("key", "hub-5") is None
    if not in_memory:
        assert NodeIdentity(str(path)).derived_key("key", "hub-6") == bytes([6]) * 32


def test_neither_access_key_nor_hub_show_beside_a_derived_key(path: Path) -> None:
    NodeIdentity(str(path)).keep_derived_key("the-access-key", "the-node-id", KEY)
    assert "access" not in path.read_text() and "node" not in path.read_text()


def test_no_key_shows_in_a_repr(path: Path) -> None:
    identity = NodeIdentity(str(path))
    identity.pin_noise_key(HUB, KEY.hex())
    identity.keep_derived_key("key", "hub", KEY)
    shown = repr(identity) + repr(keys_of(identity))
    assert KEY.hex() not in shown and identity.static_key().hex() not in shown


# as the handshake sees it


def test_the_keys_of_a_hub_are_those_of_its_address_and_password() -> None:
    identity = NodeIdentity({})
    keys = keys_of(identity)
    assert (keys.pinned(), keys.psk("hub")) == (None, None)
    keys.pin(KEY)
    keys.keep_psk("hub", KEY)
    assert keys_of(identity).pinned() == keys_of(identity).psk("hub") == KEY
    assert identity.pinned_noise_keys == {HUB: KEY.hex()}
    assert keys_of(identity, host="other").pinned() is None
    assert keys_of(identity, password="the next one").psk("hub") is None
    keys.drop_psk("hub")
    assert keys_of(identity).psk("hub") is None
    assert keys.noise_key() == identity.static_key()


class Unwritable(NodeIdentity):
    """An identity on a disk that takes nothing."""

    def _write_entries(self, field: str, changes: dict[str, Any]) -> None:
        raise IdentityFileError("the disk is full")


def test_what_cannot_be_written_is_kept_in_memory_and_said(caplog: pytest.LogCaptureFixture) -> None:
    identity = Unwritable({"derived_keys": {}})
    keys = keys_of(identity)
    with caplog.at_level(logging.WARNING):
        keys.pin(KEY)
        keys.keep_psk("hub", KEY)
    assert keys.pinned() == KEY
    assert caplog.text.count("the disk is full") == 2
    assert KEY.hex() not in caplog.text


def test_a_pin_that_could_not_be_saved_goes_with_the_address() -> None:
    identity = Unwritable({})
    keys = keys_of(identity)
    keys.pin(KEY)
    settings = keys.settings
    assert keys.of(evolve(settings, password="another")).pinned() == KEY
    elsewhere = evolve(settings, address=evolve(settings.address, host="elsewhere"))
    assert keys.of(elsewhere).pinned() is None


def test_a_derived_key_that_cannot_be_forgotten_is_not_used_again() -> None:
    content: dict[str, Any] = {}
    keys_of(NodeIdentity(content)).keep_psk("hub", KEY)
    keys = keys_of(Unwritable(content))
    assert keys.psk("hub") == KEY
    keys.drop_psk("hub")
    assert keys.psk("hub") is None
