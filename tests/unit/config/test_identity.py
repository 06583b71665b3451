"""NodeIdentity and its file. The ids `identity-…` name rows of the checklist of faults, section Identity:

identity-arguments  connecting with arguments overwrote the credentials in the file
identity-corrupt    a corrupt or unreadable file minted a new node
identity-readable   keys and passwords were world-readable, absolute key paths broke when the file moved
identity-optional   `set-identity` without a host crashed on a fresh machine
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hivemind_core_client.config import key_files as keyfiles
from hivemind_core_client.errors import IdentityFileError, InvalidOption
from hivemind_core_client.identity import NodeIdentity
from tests.unit.support import mode

SECRET = "s3cr3t-t0ken"
PEM = "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkq\nQAB+/w==\n-----END PUBLIC KEY-----"
OTHER_PEM = PEM.replace("QAB", "QAC")
PRIVATE = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow==\n-----END RSA PRIVATE KEY-----\n"
# The layout that the reference client writes: indent 4, null for what was not given, an absolute key path.
REFERENCE_FILE = """{
    "password": "s3cr3t-t0ken",
    "access_key": "key-1",
    "site_id": null,
    "default_port": 5678,
    "default_master": "ws://192.168.1.2",
    "secret_key": "/home/pi/.config/hivemind/HiveMindComs.pem",
    "public_key": "-----BEGIN PUBLIC KEY-----\\nMIIBIjANBgkq\\nQAB+/w==\\n-----END PUBLIC KEY-----",
    "trusted_keys": {
        "hub": "-----BEGIN PUBLIC KEY-----\\nMIIBIjANBgkq\\nQAC+/w==\\n-----END PUBLIC KEY-----"
    },
    "lang": "de"
}"""
TEXT_FIELDS = ["name", "access_key", "password", "default_master", "site_id", "public_key"]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "node" / "_identity.json"


@pytest.fixture
def quick_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = iter(range(100))

    def generate() -> tuple[str, str]:
        number = next(numbers)
        return PRIVATE.replace("MIIEow", f"MIIEow{number}"), PEM.replace("QAB", f"QAB{number}")

    monkeypatch.setattr("hivemind_core_client.config.identity.generate_rsa_key", generate)


def put(path: Path, content: Any, mode: int = 0o600) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    path.chmod(mode)
    return path


# ---------------------------------------------------------------- reading, fields


def test_reference_file_is_read_and_what_it_holds_is_kept(file: Path) -> None:
    put(file, REFERENCE_FILE.encode())
    node = NodeIdentity(file)
    assert (node.access_key, node.password, node.site_id) == ("key-1", SECRET, None)
    assert (node.default_master, node.default_port, node.name) == ("ws://192.168.1.2", 5678, "unnamed-node")
    assert node.secret_key == node.private_key == "/home/pi/.config/hivemind/HiveMindComs.pem"
    assert (node.public_key, node.get_trusted_alias(OTHER_PEM)) == (PEM, "hub")
    node.site_id = "kitchen"
    node.save()
    assert json.loads(file.read_text()) == {**json.loads(REFERENCE_FILE), "site_id": "kitchen"}


def test_missing_file_is_an_empty_identity_and_nothing_is_written(file: Path) -> None:
    """identity-optional: every field may be missing."""
    node = NodeIdentity(str(file))
    assert [getattr(node, field) for field in TEXT_FIELDS] == ["unnamed-node", *[None] * 5]
    assert (node.default_port, node.trusted_keys, node.private_key_pem()) == (None, {}, None)
    assert node.secret_key == str(file.parent / "unnamed-node.pem")
    node.password = SECRET
    node.reload()
    assert not node.IDENTITY_FILE and not file.parent.exists()


@pytest.mark.parametrize("field", TEXT_FIELDS)
def test_each_field_alone_is_saved_read_and_removed(file: Path, field: str) -> None:
    """identity-optional: any subset can be saved on a fresh machine."""
    node = NodeIdentity(file)
    setattr(node, field, "välue")
    node.save()
    assert json.loads(file.read_text()) == {field: "välue"}
    again = NodeIdentity(file)
    assert getattr(again, field) == "välue"
    setattr(again, field, None)
    again.save()
    assert json.loads(file.read_text()) == {}


@pytest.mark.parametrize(
    ("stored", "port"), [(5678, 5678), ("5678", 5678), (1, 1), (65535, 65535), (None, None)], ids=repr
)
def test_ports_that_count(file: Path, stored: Any, port: int | None) -> None:
    assert NodeIdentity(put(file, {"default_port": stored})).default_port == port
    node = NodeIdentity({})
    node.default_port = stored
    assert node.default_port == port


@pytest.mark.parametrize(
    "value", ["abc", "", "0", 0, 65536, -1, 1.5, True, [], "\uff19", "5" * 5000], ids=lambda v: repr(v)[:9]
)
def test_ports_that_do_not(file: Path, value: Any) -> None:
    node = NodeIdentity(put(file, {"default_port": value}))
    with pytest.raises(IdentityFileError, match=r"_identity\.json'.*'default_port'"):
        _ = node.default_port
    with pytest.raises(InvalidOption, match="default_port"):
        node.default_port = value
    node.default_port = 5678
    node.save()
    assert json.loads(file.read_text()) == {"default_port": 5678}


@pytest.mark.parametrize("field", [*TEXT_FIELDS, "secret_key", "trusted_keys"])
def test_wrong_types_name_the_field_and_no_value(file: Path, field: str) -> None:
    for node, where in (
        (NodeIdentity(put(file, {field: [SECRET]})), str(file)),
        (NodeIdentity({field: [SECRET]}), "memory"),
    ):
        with pytest.raises(IdentityFileError) as caught:
            getattr(node, field)
        assert (
            f"'{field}'" in str(caught.value)
            and where in str(caught.value)
            and SECRET not in str(caught.value)
        )
        with pytest.raises(InvalidOption) as refused:
            setattr(node, field, [SECRET])
        assert field in str(refused.value) and SECRET not in str(refused.value)


def test_other_attributes_may_be_set_and_are_not_saved(file: Path) -> None:
    node: Any = NodeIdentity(file)
    node.foo = 1
    node.save()
    assert (node.foo, json.loads(file.read_text())) == (1, {})


def test_fields_have_docs_and_repr_has_no_secret(file: Path) -> None:
    node = NodeIdentity(put(file, REFERENCE_FILE.encode()))
    assert repr(node) == str(node) == f"NodeIdentity({str(file)!r})"
    memory = {"password": SECRET}
    assert repr(NodeIdentity(memory)) == "NodeIdentity(<in memory>)"
    assert SECRET not in repr(vars(node))
    assert "password" in str(NodeIdentity.password.__doc__)


# ---------------------------------------------------------------- where the file is


@pytest.mark.parametrize(
    ("variable", "folder"),
    [("{}/xdg", "xdg"), ("", "home/.config"), ("relative", "home/.config"), (None, "home/.config")],
)
def test_default_path(home: Path, monkeypatch: pytest.MonkeyPatch, variable: str | None, folder: str) -> None:
    if variable is None:
        monkeypatch.delenv("XDG_CONFIG_HOME")
    else:
        monkeypatch.setenv("XDG_CONFIG_HOME", variable.format(home))
    assert NodeIdentity().path == str(home / folder / "hivemind" / "_identity.json")
    assert NodeIdentity(app_name="app").path == str(home / folder / "hivemind" / "app" / "_identity.json")


def test_paths_of_all_kinds(home: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    for given_path in (file, str(file), "node/_identity.json", "~/../node/_identity.json"):
        assert NodeIdentity(given_path).path == str(file)


@pytest.mark.parametrize("bad", ["", 5, b"bytes"], ids=repr)
def test_identity_file_of_no_use(bad: Any) -> None:
    with pytest.raises(InvalidOption, match="identity_file"):
        NodeIdentity(bad)


APP_NAMES_OF_NO_USE = [
    *(
        "",
        " ",
        ".",
        "..",
        " .. ",
        "a/b",
        "a\\b",
        "/",
        "/etc",
        "../x",
        "a\0",
        "a\nb",
        "a\n",
        " a",
        "a b",
        ".a",
        "-a",
        "_a",
    ),
    *("ä", "a" * 65, "٣", 5, b"app"),
]


@pytest.mark.parametrize("app", APP_NAMES_OF_NO_USE, ids=repr)
def test_app_names_of_no_use(home: Path, app: Any) -> None:
    with pytest.raises(ValueError, match=r"app_name.*letters") as caught:
        NodeIdentity(app_name=app)
    assert isinstance(caught.value, InvalidOption) and caught.value.mends
    assert not (home / "config").exists()


@pytest.mark.parametrize("app", ["a", "my-app", "My_App.2", "9", "a..", "a" * 64])
def test_app_names_of_use(home: Path, app: str) -> None:
    node = NodeIdentity(app_name=app)
    assert node.path == str(home / "config/hivemind" / app / "_identity.json")
    assert (node.app_name, node.shared_fallback, node.uses_shared_fallback) == (app, True, False)


@pytest.mark.parametrize("other", ["identity.json", {}], ids=repr)
def test_an_identity_has_one_place(other: Any) -> None:
    with pytest.raises(ValueError, match="not both"):
        NodeIdentity(other, app_name="app")


def test_app_without_a_file_uses_the_shared_one(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    """So does the reference client, and what is paired with `set-identity` goes on working."""
    shared = put(
        home / "config/hivemind/_identity.json", {"access_key": "k", "secret_key": "HiveMindComs.pem"}
    )
    put(shared.parent / "HiveMindComs.pem", PRIVATE.encode())
    with caplog.at_level(logging.WARNING):
        node = NodeIdentity(app_name="app")
        NodeIdentity(app_name="app")
    (warning,) = caplog.messages
    assert str(shared) in warning and "'hivemind-client --app app set-identity'" in warning
    assert (node.path, node.uses_shared_fallback, node.app_name) == (str(shared), True, "app")
    assert (node.access_key, node.private_key_pem()) == ("k", PRIVATE)
    node.password = SECRET
    node.save()
    assert NodeIdentity().password == SECRET and not (shared.parent / "app").exists()
    assert node.uses_shared_fallback


def test_app_knows_the_shared_file_by_any_path_of_the_settings(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = put(home / "config/hivemind/_identity.json", {"access_key": "k"})
    monkeypatch.setenv("XDG_CONFIG_HOME", f"{home}/./config/../config")
    node = NodeIdentity(app_name="app")
    assert (node.path, node.uses_shared_fallback) == (str(shared), True)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "elsewhere"))
    assert node.uses_shared_fallback, "it goes on using that file"


def test_app_with_a_file_leaves_the_shared_one_alone(home: Path, quick_keys: None) -> None:
    shared = put(home / "config/hivemind/_identity.json", {"access_key": "k"})
    before = shared.read_bytes()
    node = NodeIdentity(app_name="app", shared_fallback=False)
    assert (node.access_key, node.shared_fallback, node.uses_shared_fallback) == (None, False, False)
    node.access_key = "own"
    node.save()
    again = NodeIdentity(None, "app", True)
    again.create_keys()
    assert again.secret_key == str(shared.parent / "app" / "HiveMindComs.pem")
    assert (again.access_key, again.uses_shared_fallback) == ("own", False)
    assert shared.read_bytes() == before and not (shared.parent / "HiveMindComs.pem").exists()


def test_the_shared_file_is_no_fallback_of_itself(home: Path) -> None:
    put(home / "config/hivemind/_identity.json", {"access_key": "k"})
    node = NodeIdentity()
    assert (node.app_name, node.shared_fallback, node.uses_shared_fallback) == (None, True, False)


def test_corrupt_shared_file_is_an_error_for_the_app(home: Path) -> None:
    """identity-corrupt"""
    put(home / "config/hivemind/_identity.json", b"{")
    with pytest.raises(IdentityFileError, match=r"hivemind/_identity\.json"):
        NodeIdentity(app_name="app")


# ---------------------------------------------------------------- corrupt and unreadable files

CORRUPT = {
    "empty": (b"", "is empty"),
    "blank": (b" \n", "is empty"),
    "cut": (b'{"password": "' + SECRET.encode(), "no valid JSON"),
    "list": (b'["' + SECRET.encode() + b'"]', "no JSON object"),
    "text": (b'"' + SECRET.encode() + b'"', "no JSON object"),
    "null": (b"null", "no JSON object"),
    "not-utf8": (b'{"password": "\xff' + SECRET.encode() + b'"}', "no valid JSON"),
    "deep": (b"[" * 200_000, "no valid JSON"),
    "zeros": (b"\0" * 64, "no valid JSON"),
}


@pytest.mark.parametrize("case", CORRUPT, ids=[f"identity-corrupt-{case}" for case in CORRUPT])
def test_corrupt_file_is_an_error_and_never_overwritten(file: Path, case: str) -> None:
    content, problem = CORRUPT[case]
    put(file, content)
    with pytest.raises(IdentityFileError, match=problem) as caught:
        NodeIdentity(file)
    assert str(file) in str(caught.value) and "set-identity" in str(caught.value)
    assert caught.value.__context__ is None and SECRET not in str(caught.value)
    assert file.read_bytes() == content


@pytest.mark.parametrize("case", CORRUPT, ids=[f"identity-corrupt-{case}" for case in CORRUPT])
def test_file_that_went_corrupt_is_not_overwritten_by_an_older_object(file: Path, case: str) -> None:
    node = NodeIdentity(put(file, {"access_key": "k"}))
    node.password = SECRET
    put(file, CORRUPT[case][0])
    for attempt in (node.reload, node.save, node.save):
        with pytest.raises(IdentityFileError):
            attempt()
    assert file.read_bytes() == CORRUPT[case][0]
    assert (node.access_key, node.password) == ("k", SECRET)


def _folder(path: Path) -> None:
    path.mkdir(parents=True)


def _pipe(path: Path) -> None:
    path.parent.mkdir(parents=True)
    os.mkfifo(path)


def _below_a_file(path: Path) -> None:
    put(path.parent, b"a file")


def _loop(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.symlink_to(path)


@pytest.mark.parametrize(
    "make", [_folder, _pipe, _below_a_file, _loop], ids=lambda f: f"identity-corrupt-{f.__name__}"
)
def test_what_is_no_readable_file_is_an_error(file: Path, make: Callable[[Path], None]) -> None:
    make(file)
    with pytest.raises(IdentityFileError, match=r"cannot read the identity file .*_identity\.json"):
        NodeIdentity(file)


def test_file_that_may_not_be_read_is_an_error(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """identity-corrupt: by a stub, since the tests may run as a user who may read everything."""
    put(file, {})

    def refuse(*_: Any, **__: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(IdentityFileError, match=r"Permission denied.*mode 600"):
        NodeIdentity(file)


def test_path_that_no_system_takes() -> None:
    with pytest.raises(IdentityFileError, match="null"):
        NodeIdentity("/tmp/a\0b").reload()


# ---------------------------------------------------------------- writing


def test_mode_is_0600_from_the_first_byte(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """identity-readable: whatever the umask, while the bytes are written and in all folders that are made."""
    seen: list[int] = []
    sync = os.fsync

    def spy_sync(fd: int) -> None:
        seen.append(os.fstat(fd).st_mode & 0o777)
        sync(fd)

    monkeypatch.setattr(os, "fsync", spy_sync)
    created: list[tuple[int, int]] = []
    os_open = os.open

    def spy(path: Any, flags: int, mode: int = 0o777, **more: Any) -> int:
        if flags & os.O_CREAT:
            created.append((flags & os.O_EXCL, mode))
        return os_open(path, flags, mode, **more)

    monkeypatch.setattr(os, "open", spy)
    old = os.umask(0)
    try:
        node = NodeIdentity(file.parent / "deeper" / "_identity.json")
        node.password = SECRET
        node.save()
    finally:
        os.umask(old)
    assert (seen[0], created) == (0o600, [(os.O_EXCL, 0o600)])
    folder = file.parent / "deeper"
    assert (mode(folder / "_identity.json"), mode(folder), mode(file.parent)) == (0o600, 0o700, 0o700)
    assert os.listdir(folder) == ["_identity.json"]


def test_wide_file_is_warned_about_once_and_tightened(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """identity-readable"""
    put(file, {"password": SECRET, "secret_key": "a.pem"}, mode=0o644)
    key = put(file.parent / "a.pem", PRIVATE.encode(), mode=0o640)
    with caplog.at_level(logging.WARNING):
        node = NodeIdentity(file)
        node.reload()
        NodeIdentity(file)
    assert [record.args for record in caplog.records] == [("identity file", str(file))]
    assert "chmod 600" in caplog.text and SECRET not in caplog.text
    node.save()
    assert (mode(file), mode(key)) == (0o600, 0o600)


def test_wide_mode_means_nothing_elsewhere(file: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    put(file, {}, mode=0o644)
    monkeypatch.setattr(keyfiles, "os", types.SimpleNamespace(**{**vars(os), "name": "nt"}))
    NodeIdentity(file)
    assert not caplog.records


def test_key_elsewhere_keeps_its_mode(home: Path, file: Path) -> None:
    key = put(home / "shared" / "a.pem", PRIVATE.encode(), mode=0o640)
    node = NodeIdentity(file)
    node.secret_key = key
    node.save()
    assert mode(key) == 0o640 and json.loads(file.read_text()) == {"secret_key": str(key)}


def test_symlink_is_followed_and_kept(home: Path, file: Path) -> None:
    target = put(home / "dotfiles" / "identity", {"access_key": "k"})
    file.parent.mkdir()
    file.symlink_to(target)
    node = NodeIdentity(file)
    node.password = SECRET
    node.save()
    assert file.is_symlink() and not target.is_symlink()
    assert json.loads(target.read_text()) == {"access_key": "k", "password": SECRET}
    assert node.secret_key == str(target.parent / "unnamed-node.pem")


def test_dangling_symlink_is_filled(home: Path, file: Path) -> None:
    file.parent.mkdir()
    file.symlink_to(home / "later" / "identity")
    NodeIdentity(file).save()
    assert file.is_symlink() and (home / "later" / "identity").read_text() == "{}\n"


@pytest.mark.parametrize("failing", ["replace", "fsync", "open"])
def test_failed_write_leaves_the_old_file_and_no_rest(
    file: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    put(file, {"access_key": "k"})
    node = NodeIdentity(file)
    node.password = SECRET

    def full(*_: Any, **__: Any) -> Any:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, failing, full)
        with pytest.raises(IdentityFileError, match="No space left") as caught:
            node.save()
    assert str(file) in str(caught.value) and SECRET not in str(caught.value)
    assert os.listdir(file.parent) == ["_identity.json"] and json.loads(file.read_text()) == {
        "access_key": "k"
    }
    node.save()
    assert json.loads(file.read_text())["password"] == SECRET


def test_folder_that_cannot_be_synced_is_no_failure(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sync, calls = os.fsync, []

    def once(fd: int) -> None:
        calls.append(fd)
        if len(calls) > 1:
            raise OSError(22, "Invalid argument")
        sync(fd)

    monkeypatch.setattr(os, "fsync", once)
    NodeIdentity(file).save()
    assert len(calls) == 2 and file.read_text() == "{}\n"


def test_values_that_json_cannot_hold_write_nothing(file: Path) -> None:
    node = NodeIdentity(file)
    node.IDENTITY_FILE["extra"] = object()
    with pytest.raises(InvalidOption, match="JSON"):
        node.save()
    assert not file.parent.exists()


# ---------------------------------------------------------------- two writers


def test_save_applies_only_what_this_object_changed(file: Path) -> None:
    """identity-arguments: nothing but what was set on the object gets into the file."""
    put(
        file,
        {
            "access_key": "old",
            "site_id": "x",
            "default_port": 1,
            "trusted_keys": {"a": PEM, "b": PEM},
            "unknown": 1,
        },
    )
    mine, theirs = NodeIdentity(file), NodeIdentity(file)
    theirs.access_key = "new"
    theirs.remove_trusted_key("a")
    theirs.IDENTITY_FILE["later"] = [1]
    del theirs.IDENTITY_FILE["unknown"]
    theirs.save()
    mine.site_id = "y"
    mine.default_port = None
    mine.add_trusted_key("c", OTHER_PEM)
    mine.remove_trusted_key("b")
    mine.save()
    expected = {"access_key": "new", "site_id": "y", "trusted_keys": {"c": OTHER_PEM}, "later": [1]}
    assert json.loads(file.read_text()) == expected
    assert dict(mine.IDENTITY_FILE) == expected and len(mine.IDENTITY_FILE) == 4
    mine.save()
    assert json.loads(file.read_text()) == expected


def test_replaced_trusted_keys_replace_and_a_deleted_file_is_written_whole(file: Path) -> None:
    node, other = NodeIdentity(put(file, {"access_key": "k", "trusted_keys": {"a": PEM}})), NodeIdentity(file)
    other.add_trusted_key("b", PEM)
    other.save()
    node.add_trusted_key("lost", PEM)
    node.trusted_keys = {"c": PEM}
    node.add_trusted_key("d", PEM)
    node.save()
    assert json.loads(file.read_text())["trusted_keys"] == {"c": PEM, "d": PEM}
    file.unlink()
    node.site_id = "x"
    node.save()
    assert json.loads(file.read_text()) == {
        "access_key": "k",
        "trusted_keys": {"c": PEM, "d": PEM},
        "site_id": "x",
    }


def test_trusted_keys_that_became_nonsense_are_left_alone(file: Path) -> None:
    """identity-corrupt"""
    node = NodeIdentity(put(file, {}))
    node.add_trusted_key("a", PEM)
    put(file, {"trusted_keys": "nonsense"})
    with pytest.raises(IdentityFileError, match="'trusted_keys'"):
        node.save()
    assert json.loads(file.read_text()) == {"trusted_keys": "nonsense"}


def test_file_is_always_whole_with_many_writers(file: Path) -> None:
    put(file, {"kept": True})
    broken: list[Exception] = []
    done = threading.Event()

    def write(number: int) -> None:
        node = NodeIdentity(file)
        for turn in range(15):
            node.password = f"{number}-{turn}" * 50
            node.save()

    def read() -> None:
        while not done.is_set():
            try:
                assert NodeIdentity(file).IDENTITY_FILE["kept"] is True
            except (AssertionError, KeyError, IdentityFileError) as exc:
                broken.append(exc)

    reader = threading.Thread(target=read)
    writers = [threading.Thread(target=write, args=(number,)) for number in range(3)]
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join(30)
    done.set()
    reader.join(30)
    assert not broken and os.listdir(file.parent) == ["_identity.json"]


def test_one_object_takes_changes_from_many_threads(file: Path) -> None:
    node = NodeIdentity(file)
    threads = [threading.Thread(target=node.add_trusted_key, args=(f"k{n}", PEM)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    node.save()
    assert len(NodeIdentity(file).trusted_keys) == 20


plain = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
json_values = plain | st.lists(plain, max_size=3) | st.dictionaries(st.text(max_size=8), plain, max_size=3)


@given(
    before=st.dictionaries(st.text(max_size=8), json_values, max_size=5),
    changes=st.dictionaries(st.sampled_from(TEXT_FIELDS), st.text() | st.none()),
    meanwhile=st.dictionaries(st.text(max_size=8).map("x-{}".format), json_values, max_size=5),
)
def test_any_fields_survive(
    before: dict[str, Any], changes: dict[str, Any], meanwhile: dict[str, Any]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = put(Path(folder) / "id.json", before)
        node = NodeIdentity(path)
        for field, value in changes.items():
            setattr(node, field, value)
        put(path, {**before, **meanwhile})
        node.save()
        expected = {**before, **meanwhile, **changes}
        gone = [field for field, value in changes.items() if value is None]
        assert json.loads(path.read_bytes()) == {k: v for k, v in expected.items() if k not in gone}


@given(content=st.binary(max_size=200))
def test_any_bytes_are_an_object_or_an_error_and_stay(content: bytes) -> None:
    """identity-corrupt"""
    with tempfile.TemporaryDirectory() as folder:
        path = put(Path(folder) / "id.json", content)
        try:
            NodeIdentity(path).save()
        except IdentityFileError:
            assert path.read_bytes() == content
        else:
            assert json.loads(path.read_bytes()) == json.loads(content)


# ---------------------------------------------------------------- dict-likes


class Store(dict):  # type: ignore[type-arg]
    """What json_database objects look like from outside."""

    def __init__(self, path: Any, **fields: Any) -> None:
        super().__init__(**fields)
        self.path, self.calls = path, []  # type: ignore[var-annotated]

    def store(self) -> None:
        self.calls.append("store")
        if isinstance(self.path, (str, Path)) and self.path:
            Path(self.path).write_text(json.dumps(self))

    def reload(self) -> None:
        self.calls.append("reload")


def test_plain_dict_is_used_as_it_is(quick_keys: None) -> None:
    fields: dict[str, Any] = {}
    node = NodeIdentity(fields)
    node.access_key = "k"
    assert node.add_trusted_key("a", PEM) and node.add_trusted_key("b", PEM) and node.remove_trusted_key("a")
    node.save()
    node.reload()
    assert fields == {"access_key": "k", "trusted_keys": {"b": PEM}}
    assert (node.path, node.secret_key, node.private_key_pem()) == (None, None, None)
    node.create_keys()
    assert "MIIEow0" in str(node.private_key_pem()) and node.secret_key is None
    assert set(fields) == {"access_key", "trusted_keys", "public_key"} and "QAB0" in fields["public_key"]


def test_dict_without_path_reads_a_key_file(
    tmp_path: Path, quick_keys: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    key = put(tmp_path / "a.pem", PRIVATE.encode())
    node = NodeIdentity({"secret_key": "a.pem"})
    assert (node.secret_key, node.private_key_pem()) == (str(key), PRIVATE)
    node.create_keys()
    assert node.private_key_pem() != PRIVATE and key.read_text() == PRIVATE
    node.secret_key = key
    assert node.private_key_pem() == PRIVATE


def test_store_and_reload_are_called(file: Path, quick_keys: None) -> None:
    """identity-readable: the file that a foreign store writes is prepared with mode 0600."""
    fields = Store(file)
    node = NodeIdentity(fields)
    old = os.umask(0)
    try:
        node.create_keys()
        node.save()
        node.reload()
    finally:
        os.umask(old)
    assert fields.calls == ["store", "reload"]
    assert (mode(file), mode(file.parent), mode(file.parent / "HiveMindComs.pem")) == (0o600, 0o700, 0o600)
    assert fields["secret_key"] == "HiveMindComs.pem" and node.secret_key == str(
        file.parent / "HiveMindComs.pem"
    )


@pytest.mark.parametrize("path", [None, "", 5], ids=repr)
def test_store_without_a_path(path: Any) -> None:
    fields = Store(None)
    fields.path = path
    node = NodeIdentity(fields)
    node.save()
    assert fields.calls == ["store"] and node.path is None


def test_wide_file_of_a_foreign_store_is_tightened(file: Path) -> None:
    put(file, {}, mode=0o644)
    NodeIdentity(Store(str(file))).save()
    assert mode(file) == 0o600


# ---------------------------------------------------------------- trust


def test_trusted_keys() -> None:
    node = NodeIdentity({"trusted_keys": {"blank": " \n"}})
    assert node.add_trusted_key("hub", PEM) is True
    assert node.add_trusted_key("hub", OTHER_PEM) is False
    assert node.trusted_keys == {"blank": " \n", "hub": PEM}
    node.trusted_keys["not"] = "kept"
    assert "not" not in node.trusted_keys
    assert node.remove_trusted_key("nobody") is False
    assert node.remove_trusted_key("hub") is True and not node.is_trusted_key(PEM)


@pytest.mark.parametrize(
    ("pubkey", "alias"),
    [
        (PEM, "hub"),
        (PEM + "\n", "hub"),
        (PEM.replace("\n", "\r\n"), "hub"),
        (f"\n  {PEM}  \n\n", "hub"),
        (PEM.replace("\n", " \n "), "hub"),
        (OTHER_PEM, None),
        (PEM[:-1], None),
        ("", None),
        ("\n", None),
        (None, None),
        (b"x", None),
    ],
)
def test_public_keys_are_compared_as_text_without_white_space(pubkey: Any, alias: str | None) -> None:
    node = NodeIdentity({"trusted_keys": {"empty": "", "hub": PEM, "second": PEM}})
    assert node.get_trusted_alias(pubkey) == alias
    assert node.is_trusted_key(pubkey) is (alias is not None)


@pytest.mark.parametrize(
    ("alias", "pubkey"),
    [
        *[(alias, PEM) for alias in ("", " ", 5)],
        *[("a", pubkey) for pubkey in ("", " \n", None, PEM.encode(), "none", "hall.pem", PEM[:-1], PEM[1:])],
        ("a", PEM.replace("+/w==", "")),
        ("a", PEM.replace("QAB", "Q.B")),
        ("a", PEM.replace("\n", "\\n")),
        ("a", PEM.replace("END", "END RSA")),
        ("a", f"{PEM}\n{OTHER_PEM}"),
        ("a", "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----"),
        ("a", PEM.replace("PUBLIC KEY", "CERTIFICATE")),
    ],
)
def test_trust_that_makes_no_sense(alias: Any, pubkey: Any) -> None:
    node = NodeIdentity({})
    with pytest.raises(InvalidOption, match="trust"):
        node.add_trusted_key(alias, pubkey)
    assert node.trusted_keys == {}


@pytest.mark.parametrize(
    "pubkey",
    [
        f"\n{PEM}\r\n",
        PEM.replace("\n", "\r\n"),
        PEM.replace("PUBLIC", "RSA PUBLIC"),
        PEM.replace("\n", "\n  "),
    ],
)
def test_a_public_key_in_any_common_form_can_be_trusted(pubkey: str) -> None:
    node = NodeIdentity({})
    assert node.add_trusted_key("hall", pubkey) and node.trusted_keys == {"hall": pubkey}


@pytest.mark.parametrize(
    ("pubkey", "says"),
    [("none", "no public key in PEM form"), (PRIVATE, "a private key"), (PEM + PRIVATE, "a private key")],
)
def test_what_is_no_public_key_is_refused_without_quoting_it(pubkey: str, says: str) -> None:
    with pytest.raises(InvalidOption, match=f"'hall' is {says}.*trust show") as caught:
        NodeIdentity({}).add_trusted_key("hall", pubkey)
    assert "MII" not in str(caught.value)


def test_odd_keys_that_a_file_trusts_already_stay(file: Path) -> None:
    node = NodeIdentity(put(file, {"trusted_keys": {"hall": "none"}}))
    assert node.add_trusted_key("hub", PEM) and node.add_trusted_key("hall", PEM) is False
    node.save()
    assert NodeIdentity(file).trusted_keys == {"hall": "none", "hub": PEM}


# ---------------------------------------------------------------- keys


def test_private_key_path_moves_with_the_file(home: Path, file: Path, quick_keys: None) -> None:
    """identity-readable: relative to the identity file, mode 0600."""
    node = NodeIdentity(file)
    node.create_keys()
    node.save()
    key = file.parent / "HiveMindComs.pem"
    assert json.loads(file.read_text()) == {"secret_key": key.name, "public_key": node.public_key}
    assert (node.secret_key, mode(key), key.read_text()) == (str(key), 0o600, node.private_key_pem())
    file.parent.rename(home / "moved")
    moved = NodeIdentity(home / "moved" / file.name)
    assert moved.secret_key == str(home / "moved" / key.name) and "MIIEow0" in str(moved.private_key_pem())


def test_stale_absolute_path_finds_the_key_beside_the_file(file: Path) -> None:
    """identity-readable: a folder of the reference client that was moved."""
    put(file, REFERENCE_FILE.encode())
    put(file.parent / "HiveMindComs.pem", PRIVATE.encode())
    node = NodeIdentity(file)
    assert node.secret_key == str(file.parent / "HiveMindComs.pem") and node.private_key_pem() == PRIVATE


@pytest.mark.parametrize(
    ("given_path", "stored", "read"),
    [
        ("{folder}/a.pem", "a.pem", "{folder}/a.pem"),
        ("a.pem", "a.pem", "{folder}/a.pem"),
        ("sub/a.pem", "sub/a.pem", "{folder}/sub/a.pem"),
        ("{folder}/sub/a.pem", "{folder}/sub/a.pem", "{folder}/sub/a.pem"),
        ("/elsewhere/a.pem", "/elsewhere/a.pem", "/elsewhere/a.pem"),
        ("~/a.pem", "{home}/home/a.pem", "{home}/home/a.pem"),
        (None, None, "{folder}/satellite.pem"),
    ],
)
def test_private_key_paths(
    home: Path, file: Path, given_path: str | None, stored: str | None, read: str
) -> None:
    def fill(text: str | None) -> str | None:
        return text and text.format(folder=file.parent, home=home)

    for kind in (str, Path):
        node = NodeIdentity(file)
        node.name = "satellite"
        path = fill(given_path)
        node.private_key = path if path is None else kind(path)
        assert (node.IDENTITY_FILE.get("secret_key"), node.secret_key) == (fill(stored), fill(read))


def test_create_keys_again_replaces_only_this_identitys_key(file: Path, quick_keys: None) -> None:
    node = NodeIdentity(file)
    node.create_keys()
    node.create_keys()
    key = file.parent / "HiveMindComs.pem"
    assert (
        "MIIEow1" in key.read_text()
        and "QAB1" in str(node.public_key)
        and sorted(os.listdir(file.parent)) == [key.name, file.name]
    )
    neighbour = NodeIdentity(file.parent / "other.json")
    neighbour.create_keys()
    assert neighbour.secret_key == str(file.parent / "HiveMindComs-2.pem")
    third = NodeIdentity(file.parent / "third.json")
    third.create_keys()
    assert third.secret_key == str(file.parent / "HiveMindComs-3.pem")
    assert "MIIEow1" in key.read_text() and "MIIEow2" in str(neighbour.private_key_pem())


def test_each_run_finds_the_key_that_the_first_has_made(file: Path, quick_keys: None) -> None:
    """Every run without save() left another HiveMindComs-N.pem behind, and was another node to its peers."""
    NodeIdentity(put(file, {"access_key": "k", "later": [1]})).create_keys()
    again = NodeIdentity(file)
    assert "QAB0" in str(again.public_key) and "MIIEow0" in str(again.private_key_pem())
    again.create_keys()
    assert sorted(os.listdir(file.parent)) == ["HiveMindComs.pem", file.name]
    assert mode(file) == 0o600
    assert json.loads(file.read_text()) == {
        "access_key": "k",
        "later": [1],
        "public_key": again.public_key,
        "secret_key": "HiveMindComs.pem",
    }


@pytest.mark.parametrize("there", [True, False])
def test_create_keys_writes_none_of_the_other_fields(file: Path, quick_keys: None, there: bool) -> None:
    if there:
        put(file, {"access_key": "old", "trusted_keys": {"a": PEM}})
    node = NodeIdentity(file)
    node.access_key = "new"
    node.add_trusted_key("b", PEM)
    node.create_keys()
    keys = {"public_key": node.public_key, "secret_key": "HiveMindComs.pem"}
    before = {"access_key": "old", "trusted_keys": {"a": PEM}} if there else {}
    assert json.loads(file.read_text()) == {**before, **keys}
    assert node.access_key == "new" and node.is_trusted_key(PEM)
    node.save()
    trusted = {"a": PEM, "b": PEM} if there else {"b": PEM}
    assert json.loads(file.read_text()) == {"access_key": "new", "trusted_keys": trusted, **keys}


def test_create_keys_keeps_what_was_read_when_the_file_has_gone(file: Path, quick_keys: None) -> None:
    node = NodeIdentity(put(file, {"access_key": "k"}))
    file.unlink()
    node.create_keys()
    assert NodeIdentity(file).access_key == "k"


def test_create_keys_leaves_a_file_that_went_corrupt_alone(file: Path, quick_keys: None) -> None:
    """identity-corrupt"""
    node = NodeIdentity(put(file, {}))
    put(file, b"{")
    with pytest.raises(IdentityFileError, match="no valid JSON"):
        node.create_keys()
    assert file.read_bytes() == b"{"
    put(file, {})
    node.save()
    assert "MIIEow0" in str(NodeIdentity(file).private_key_pem())


def test_failed_create_keys_changes_nothing(
    file: Path, quick_keys: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = NodeIdentity(file)
    node.create_keys()
    before = (node.public_key, node.private_key_pem())
    with monkeypatch.context() as patch:
        patch.setattr(
            os,
            "replace",
            lambda *_: (_ for _ in ()).throw(OSError(30, "Read-only file system")),
            raising=False,
        )
        with pytest.raises(IdentityFileError, match=r"private key file .*Read-only") as caught:
            node.create_keys()
    assert (node.public_key, node.private_key_pem()) == before and "MIIEow" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", PEM.encode()], ids=["empty", "binary", "public"])
def test_key_file_without_a_private_key(file: Path, content: bytes) -> None:
    """identity-corrupt: the same for the key."""
    key = put(file.parent / "a.pem", content)
    node = NodeIdentity(put(file, {"secret_key": "a.pem"}))
    with pytest.raises(IdentityFileError, match=r"a\.pem' holds no private key.*reset-pgp"):
        node.private_key_pem()
    assert key.read_bytes() == content


def test_real_keys_are_made(file: Path) -> None:
    node = NodeIdentity(file)
    node.create_keys()
    private, public = node.private_key_pem(), node.public_key
    assert private and private.startswith("-----BEGIN RSA PRIVATE KEY-----\n")
    assert (
        public
        and public.startswith("-----BEGIN PUBLIC KEY-----\n")
        and public.endswith("-----END PUBLIC KEY-----")
    )


def test_import_is_light() -> None:
    heavy = (
        "{'cryptography', 'Crypto', 'Cryptodome', 'json_database', 'ovos_bus_client', 'websocket', 'asyncio'}"
    )
    code = f"import sys, hivemind_core_client.identity; print(*({heavy} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == ""
