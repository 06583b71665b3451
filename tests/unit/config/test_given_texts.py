"""Texts that people give: what came with them is cut or refused, wherever they come from."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import Any, Optional

import pytest

from hivemind_core_client import HiveMessageBusClient, HiveMindHTTPClient
from hivemind_core_client.config import given_texts
from hivemind_core_client.config.given_texts import (
    as_meant,
    checked_text,
    cut,
    first_line,
    pem_text,
    variable,
)
from hivemind_core_client.config.settings import ENVIRONMENT, read_crypto_key, resolve
from hivemind_core_client.errors import InvalidCredential, InvalidOption
from hivemind_core_client.identity import NodeIdentity

MARK = "\ufeff"
CLIENTS: list[Any] = [HiveMessageBusClient, HiveMindHTTPClient]
if sys.version_info >= (3, 10):
    from hivemind_core_client import AsyncHiveMessageBusClient

    CLIENTS.append(AsyncHiveMessageBusClient)
AROUND = ["{}\n", "{}\r\n", " {}\t", MARK + "{}", MARK + "{} \n", "{}\u200b", "\u00a0{}"]
FIELDS = {"key": "access_key", "password": "password", "host": "default_master", "site_id": "site_id"}


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ENVIRONMENT.values():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(given_texts, "_told", set())


def said(client: Any, name: str) -> Any:
    return getattr(client, name)


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("around", AROUND, ids=ascii)
@pytest.mark.parametrize("name", FIELDS)
def test_what_surrounds_a_text_is_cut_in_files_and_variables(
    client: Any, around: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = {"access_key": "k", "password": "p", "default_master": "h"}
    stored = NodeIdentity({**fields, FIELDS[name]: around.format("meant")})
    assert said(client(identity=stored), name) == "meant"
    monkeypatch.setenv(ENVIRONMENT[name], around.format("from-there"))
    assert said(client(identity=stored), name) == "from-there"


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("around", AROUND, ids=ascii)
@pytest.mark.parametrize("name", ["key", "password", "site_id", "useragent"])
def test_what_surrounds_a_text_is_refused_in_arguments(client: Any, around: str, name: str) -> None:
    options = {"key": "k", "password": "p", "host": "h", "identity": NodeIdentity({})}
    made = client(**options)
    with pytest.raises(InvalidCredential, match="before or after it; give it without"):
        setattr(made, name, around.format("meant"))
    if name != "site_id":  # which is an argument of `connect`, and goes through the attribute
        with pytest.raises(InvalidCredential, match="before or after it; give it without"):
            client(**{**options, name: around.format("meant")})


def test_a_pre_shared_key_is_looked_at_too() -> None:
    assert read_crypto_key("0123456789abcdef") == read_crypto_key(b"0123456789abcdef")
    with pytest.raises(InvalidCredential, match="give it without"):
        read_crypto_key("0123456789abcde\n")


def test_an_identity_s_name_is_cut() -> None:
    fields = {"name": "lamp\n", "access_key": "k", "default_master": "h"}
    assert resolve(NodeIdentity(fields)).useragent == NodeIdentity(fields).name == "lamp"


@pytest.mark.parametrize("text", ["a\nb", "a\rb", f"a{MARK}b", "a\0b"], ids=ascii)
def test_a_line_end_within_a_key_is_refused(text: str) -> None:
    with pytest.raises(InvalidCredential, match="access key holds a line end"):
        checked_text("access key", text)


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        ('"abc"', "abc"),
        ("'abc'", "abc"),
        (' "abc"\n', "abc"),
        ('"abc', '"abc'),
        ('""', None),
        ("a'b'", "a'b'"),
    ],
)
def test_quotes_of_a_compose_file_are_cut_and_told_once(
    value: str, meant: Optional[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("HIVEMIND_KEY", value)
    assert variable("HIVEMIND_KEY") == variable("HIVEMIND_KEY") == meant
    told = [record for record in caplog.records if "quotes around it" in record.getMessage()]
    assert len(told) == (meant in ("abc", None))
    assert "abc" not in caplog.text


def test_a_variable_of_blanks_counts_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIVEMIND_KEY", " \n")
    assert resolve(NodeIdentity({"access_key": "k", "default_master": "h"})).key == "k"


# text that is no UTF-8


def test_bytes_that_are_utf_8_are_read_as_such_in_any_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    in_no_locale = "küche".encode().decode("ascii", "surrogateescape")
    monkeypatch.setattr(os, "fsencode", lambda text: text.encode("ascii", "surrogateescape"))
    assert as_meant(in_no_locale) == "küche"
    identity = NodeIdentity({})
    identity.site_id = in_no_locale
    assert identity.site_id == "küche"


def test_what_nobody_can_read_is_refused_and_not_stored() -> None:
    latin = b"k\xfcche".decode("ascii", "surrogateescape")
    assert as_meant(latin) == latin and as_meant("x") == "x"
    identity = NodeIdentity({})
    for field in ("name", "access_key", "password", "default_master", "site_id", "public_key"):
        with pytest.raises(InvalidOption, match=f"{field} holds bytes that are not UTF-8"):
            setattr(identity, field, latin)
    with pytest.raises(InvalidOption, match="alias"):
        identity.add_trusted_key(latin, "PEM")
    with pytest.raises(InvalidOption, match="alias"):
        identity.trusted_keys = {latin: "PEM"}
    assert not identity.IDENTITY_FILE
    for text, why in ((latin, "bytes that are not UTF-8; let the terminal"), ("\ud83d", "half a character")):
        with pytest.raises(InvalidCredential, match=why):
            checked_text("site", text)


# files


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"secret", "secret"),
        (b"secret\r\nmore", "secret"),
        (b"\xef\xbb\xbfsecret \n", "secret"),
        ("\ufeffgeheim\u00fc\nmore".encode("utf-16-le"), "geheim\u00fc"),
        ("\ufeffsecret\r\n".encode("utf-16-be"), "secret"),
        ("\ufeff\u410a\nx".encode("utf-16-le"), "\u410a"),
        (b"\nsecret", ""),
        (b"", ""),
    ],
)
def test_the_first_line_of_a_file(data: bytes, line: str) -> None:
    assert first_line(io.BytesIO(data)) == line


@pytest.mark.parametrize("data", [b"\xfcber", b"x" * 70_000])
def test_a_first_line_that_is_none(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"utf-8|64 KiB"):
        first_line(io.BytesIO(data))


def test_a_key_file_may_begin_with_a_mark(tmp_path: Path) -> None:
    pem = "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n"
    (tmp_path / "k.pem").write_bytes(b"\xef\xbb\xbf" + pem.encode())
    (tmp_path / "k.pem").chmod(0o600)
    (tmp_path / "id.json").write_text('{"secret_key": "k.pem"}')
    (tmp_path / "id.json").chmod(0o600)
    assert NodeIdentity(tmp_path / "id.json").private_key_pem() == pem
    assert "PRIVATE" not in pem_text(b"\xff\xff")


def test_cut_leaves_what_is_within() -> None:
    assert cut(" a b\u00a0c ") == "a b\u00a0c"
