"""The identity file as people and other clients write it, and where there is no place for one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hivemind_core_client.config import key_files
from hivemind_core_client.config.identity_text import as_text, parse
from hivemind_core_client.errors import IdentityFileError
from hivemind_core_client.identity import NodeIdentity
from tests.unit.strategies import JSON

COMMENTED = """{
    // the hub in the hall
    "access_key": "key-1",  # given by the hub
    /* typed by hand,
       twice */
    "password": "a // b # c /* d */ \\" , }",
    "default_port": 5678.0,
    "site_id": 5,
    "trusted_keys": {"a": "x", },
}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "_identity.json"


def put(file: Path, text: Any) -> Path:
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    file.chmod(0o600)
    return file


def test_what_other_clients_read_is_read(file: Path) -> None:
    node = NodeIdentity(put(file, COMMENTED))
    assert (node.access_key, node.password) == ("key-1", 'a // b # c /* d */ " , }')
    assert (node.default_port, node.site_id, node.trusted_keys) == (5678, "5", {"a": "x"})


def test_it_is_written_back_only_when_it_changed_and_then_clean(file: Path) -> None:
    node = NodeIdentity(put(file, COMMENTED))
    node.save()
    node.access_key = "key-1"
    node.save()
    assert file.read_text() == COMMENTED
    node.site_id = "kitchen"
    node.save()
    assert json.loads(file.read_text()) == {**parse(COMMENTED.encode()), "site_id": "kitchen"}


def test_a_file_that_is_not_written_is_closed_to_others_all_the_same(file: Path) -> None:
    put(file, COMMENTED).chmod(0o644)
    NodeIdentity(file).save()
    assert (file.stat().st_mode & 0o777, file.read_text()) == (0o600, COMMENTED)


@pytest.mark.parametrize(
    ("value", "port"),
    [
        ("5678.0", 5678),
        ('"5678"', 5678),
        ('" 5678 "', 5678),
        ('"5678.0"', 5678),
        ("null", None),
    ],
)
def test_a_port_of_the_file(file: Path, value: str, port: Any) -> None:
    assert NodeIdentity(put(file, f'{{"default_port": {value}}}')).default_port == port


@pytest.mark.parametrize("value", ["5678.5", "true", "0", "70000", '"x"', "1e400", '"5_678"', "[]", '""'])
def test_a_port_of_the_file_that_is_none(file: Path, value: str) -> None:
    with pytest.raises(IdentityFileError, match="default_port"):
        _ = NodeIdentity(put(file, f'{{"default_port": {value}}}')).default_port


@pytest.mark.parametrize("field", ["name", "access_key", "password", "site_id"])
@pytest.mark.parametrize(
    ("value", "text"), [("5", "5"), ("5.5", "5.5"), ("0", "0"), ("12345678901234567890", None)]
)
def test_a_number_is_a_text_where_a_text_should_be(file: Path, field: str, value: str, text: Any) -> None:
    assert getattr(NodeIdentity(put(file, f'{{"{field}": {value}}}')), field) == (text or value)
    for wrong in ("true", "[1]", "{}"):
        with pytest.raises(IdentityFileError, match=field):
            getattr(NodeIdentity(put(file, f'{{"{field}": {wrong}}}')), field)


def test_a_name_that_is_a_number_names_its_noise_key(file: Path) -> None:
    path = NodeIdentity(put(file, '{"name": 7}')).noise_key
    assert path is not None and os.path.basename(path) == "7_noise.key"


def test_an_error_names_the_place_in_the_file(file: Path) -> None:
    put(file, '{\n  // a comment, with a comma\n  "site_id": kitchen,\n}')
    with pytest.raises(IdentityFileError, match="line 3, column 14"):
        NodeIdentity(file)


@given(JSON)
def test_json_is_read_as_ever(value: Any) -> None:
    assert parse(json.dumps(value).encode()) == json.loads(json.dumps(value))


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=12), max_size=4))
def test_whatever_a_text_holds_it_is_no_comment(fields: dict[str, str]) -> None:
    text = json.dumps(fields, ensure_ascii=False, indent=1)
    assert (
        parse(f"// first\n{text[:-1]}{',' if fields else ''} # last\n}}".encode("utf-8", "surrogatepass"))
        == fields
    )


def test_a_file_of_gigabytes_is_an_error(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open(put(file, "{"), "r+b") as large:
        large.truncate(8 * 2**30)  # a hole, which takes no place on the disk
    with pytest.raises(IdentityFileError, match="larger than 16 MiB"):
        NodeIdentity(file)
    with pytest.raises(IdentityFileError, match="larger than 16 MiB"):
        key_files.read_private(str(file), "private key file")


# no home


@pytest.fixture
def homeless(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A user without an entry in the table of users, as in many containers."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)


def test_without_a_home_the_error_names_the_variables(homeless: None, tmp_path: Path) -> None:
    for make in (NodeIdentity, lambda: NodeIdentity(app_name="mine")):
        with pytest.raises(IdentityFileError, match="Set HOME or XDG_CONFIG_HOME"):
            make()
    with pytest.raises(IdentityFileError, match="Set HOME, or give the whole path"):
        NodeIdentity("~/id.json")
    with pytest.raises(IdentityFileError, match="Set HOME"):
        NodeIdentity({}).secret_key = "~/key.pem"
    with pytest.raises(IdentityFileError, match="Set HOME"):
        _ = NodeIdentity({"path": "x", "secret_key": "~/key.pem"}).secret_key
    assert [*tmp_path.iterdir()] == []


def test_an_identity_that_is_named_needs_no_home(homeless: None, tmp_path: Path) -> None:
    node = NodeIdentity(tmp_path / "id.json")
    node.site_id = "kitchen"
    node.save()
    put(tmp_path / "id.json", "{")
    with pytest.raises(IdentityFileError, match="no valid JSON"):  # and not that there is no home
        node.reload()


@pytest.mark.skipif(os.name != "posix", reason="HOME is the folder there")
@pytest.mark.parametrize("home", ["", "relative"])
def test_a_home_that_is_none_counts_as_none(
    home: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("HOME", home)
    with pytest.raises(IdentityFileError, match="XDG_CONFIG_HOME"):
        NodeIdentity()
    with pytest.raises(IdentityFileError):
        key_files.expanded("~")
    assert key_files.expanded("/a/~b") == "/a/~b"
    with pytest.raises(IdentityFileError):
        key_files.expanded("~nobody-of-this-name/x")


def test_a_process_without_a_home_makes_no_folder_of_that_name(tmp_path: Path) -> None:
    code = (
        "import os; os.path.expanduser = lambda path: path; "
        "from hivemind_core_client import NodeIdentity; NodeIdentity().save()"
    )
    bare = {name: text for name, text in os.environ.items() if name != "HOME" and not name.startswith("XDG_")}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=bare, capture_output=True, timeout=60
    )
    assert b"IdentityFileError" in done.stderr and [*tmp_path.iterdir()] == []


def test_numbers_are_texts_and_truth_values_are_not() -> None:
    assert [as_text(value) for value in (1, 1.5, "x", True, None, [])] == ["1", "1.5", "x", None, None, None]
