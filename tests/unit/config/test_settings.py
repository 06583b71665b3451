"""Arguments, environment and identity file, and what the wire can carry."""

from __future__ import annotations

import base64
import re
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hivemind_core_client.config.given_texts import checked_text
from hivemind_core_client.config.settings import (
    ENVIRONMENT,
    Address,
    HttpAddress,
    login_texts,
    read_address,
    read_crypto_key,
    read_port,
    resolve,
    variable_of,
)
from hivemind_core_client.errors import IdentityNotSet, InvalidCredential, InvalidOption

ADDRESSES: list[tuple[str, Any, str]] = [
    ("hub", None, "ws://hub:5678"),
    (" hub ", None, "ws://hub:5678"),
    ("hub:9", None, "ws://hub:9"),
    ("ws://hub", None, "ws://hub:5678"),
    ("wss://hub", None, "wss://hub:5678"),
    ("wss://hub:443/", None, "wss://hub:443"),
    ("WSS://hub", None, "wss://hub:5678"),
    ("192.168.1.5", "80", "ws://192.168.1.5:80"),
    ("hub:9", 10, "ws://hub:10"),
    ("::1", None, "ws://[::1]:5678"),
    ("[::1]:9", None, "ws://[::1]:9"),
    ("ws://[fe80::1]", 7, "ws://[fe80::1]:7"),
    ("hub/hive", None, "ws://hub:5678/hive"),
    ("wss://hub/hive/", None, "wss://hub:5678/hive/"),
    ("wss://hub:443/küche/%2F", None, "wss://hub:443/k%C3%BCche/%2F"),
    ("wss://hub//", None, "wss://hub:5678"),
]


@pytest.mark.parametrize(("host", "port", "shown"), ADDRESSES)
def test_addresses(host: str, port: Any, shown: str) -> None:
    address = Address.read(host, port)
    assert str(address) == shown
    assert Address.read(shown) == address
    assert address.tls is shown.startswith("wss")


@pytest.mark.parametrize(
    ("host", "port"),
    [
        ("", None),
        ("http://hub", None),
        ("ws://", None),
        ("ws://user@hub", None),
        ("ws://hub/path?", 0),
        ("ws://hub?a#b", None),
        ("ws://hub?authorization=b", None),
        ("ws://hub?a=b&raw", None),
        ("ws://hub/#a", None),
        ("hub:port", None),
        ("hub:99999", None),
        ("[::1", None),
        ("hub", "x"),
        ("hub", 65536),
        ("hub", -1),
        ("my hub", None),
        ("''", None),
        ('"hub"', None),
        ("<hub>", None),
        ("ws://my\u00a0hub", None),
        ("a..b", None),
        ("x" * 64, None),
    ],
)
def test_addresses_that_are_none(host: str, port: Any) -> None:
    with pytest.raises(InvalidOption):
        Address.read(host, port)


@given(
    st.text(max_size=30) | st.from_regex(r"(wss?://)?[\[\]:.a-z0-9@/?#%]{0,20}", fullmatch=True),
    st.none() | st.integers(),
)
def test_any_text_is_an_address_or_one_typed_error(host: str, port: Any) -> None:
    try:
        address = Address.read(host, port)
    except InvalidOption:
        return
    assert 0 < address.port < 65536 and address.host


@pytest.mark.parametrize(("value", "port"), [(1, 1), ("5678", 5678), (65535, 65535), (" 7 ", 7)])
def test_ports(value: Any, port: int) -> None:
    assert read_port(value) == port


@pytest.mark.parametrize("value", [0, 65536, -1, "", "x", None, [], "5.5", True, 5678.9, "5_678"])
def test_ports_that_are_none(value: Any) -> None:
    with pytest.raises(InvalidOption, match="1 to 65535"):
        read_port(value)


def node(**fields: Any) -> Any:
    stored = {
        "access_key": None,
        "password": None,
        "default_master": None,
        "default_port": None,
        "site_id": None,
        "name": "unnamed-node",
    }
    return SimpleNamespace(**{**stored, **fields})


STORED: dict[str, Any] = {
    "access_key": "file-key",
    "password": "file-pass",
    "default_master": "file-hub",
    "default_port": 1,
    "site_id": "file-site",
}
FROM_ENVIRONMENT = {
    "key": "env-key",
    "password": "env-pass",
    "host": "env-hub",
    "port": "2",
    "site_id": "env-site",
}
ARGUMENTS: dict[str, Any] = {
    "key": "arg-key",
    "password": "arg-pass",
    "host": "arg-hub",
    "port": 3,
    "site_id": "arg-site",
}


def summary(found: Any) -> dict[str, Any]:
    return {
        "key": found.key,
        "password": found.password,
        "host": found.address.host,
        "port": found.address.port,
        "site_id": found.site_id,
    }


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ENVIRONMENT.values():
        monkeypatch.delenv(variable, raising=False)


@pytest.mark.parametrize("name", ARGUMENTS)
def test_argument_then_environment_then_identity(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = {**dict(zip(ARGUMENTS, STORED.values()))}
    assert summary(resolve(node(**STORED))) == stored
    monkeypatch.setenv(ENVIRONMENT[name], FROM_ENVIRONMENT[name])
    expected = {**stored, name: int(FROM_ENVIRONMENT[name]) if name == "port" else FROM_ENVIRONMENT[name]}
    assert summary(resolve(node(**STORED))) == expected
    assert summary(resolve(node(**STORED), **{name: ARGUMENTS[name]})) == {**stored, name: ARGUMENTS[name]}
    assert summary(resolve(node(**STORED), **{name: ""})) == expected
    monkeypatch.setenv(ENVIRONMENT[name], "")
    assert summary(resolve(node(**STORED))) == stored


def test_defaults() -> None:
    found = resolve(node(), key="k", host="h")
    assert (found.useragent, found.site_id, str(found.address)) == (
        "HiveMindSatellite",
        "unknown",
        "ws://h:5678",
    )
    assert found.password is None and found.crypto_key is None
    assert resolve(node(name="lamp"), key="k", host="h").useragent == "lamp"
    assert resolve(node(name="lamp"), key="k", host="h", useragent="mine").useragent == "mine"


@pytest.mark.parametrize(
    ("fields", "missing"), [({"host": "h"}, "access key"), ({"key": "k"}, "host of a hub")]
)
def test_what_is_missing_is_named(fields: dict[str, Any], missing: str) -> None:
    with pytest.raises(IdentityNotSet, match=missing):
        resolve(node(), **fields)


@pytest.mark.parametrize(
    ("name", "value", "argument"),
    [
        ("key", "a:b", "k"),
        ("password", "\udcff", "p"),
        ("host", "my hub", "hub"),
        ("port", "x", 7),
        ("port", "0", 7),
    ],
)
def test_a_bad_value_of_the_environment_names_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, argument: Any
) -> None:
    variable = ENVIRONMENT[name]
    monkeypatch.setenv(variable, value)
    fields = {"key": "k", "host": "h"}
    fields.pop(name, None)
    with pytest.raises((InvalidOption, InvalidCredential), match=f"environment variable {variable}"):
        resolve(node(**STORED), **fields)
    assert resolve(node(**STORED), **{**fields, name: argument})
    with pytest.raises((InvalidOption, InvalidCredential)) as caught:
        resolve(node(**STORED), **{"host": "h", "useragent": "a:b", name: argument})
    assert variable not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", "tcp://10.43.0.1:5678"),
        ("port", "udp://10.43.0.1:5678"),
        ("port", " TCP://[fd00::1]:5678"),
        ("host", "tcp://172.17.0.5:5678"),
    ],
)
def test_a_variable_that_a_container_platform_set_is_ignored_with_one_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str, value: str
) -> None:
    plain = summary(resolve(node(**STORED)))
    monkeypatch.setenv(ENVIRONMENT[name], value)
    for _ in range(3):
        assert summary(resolve(node(**STORED))) == plain
    assert [ENVIRONMENT[name] in record.getMessage() for record in caplog.records] == [True]
    assert variable_of(name, None) is None


def test_the_port_of_the_environment_is_not_blamed_for_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIVEMIND_PORT", "5678")
    with pytest.raises(InvalidOption, match="my hub") as caught:
        resolve(node(**STORED), host="my hub")
    assert "HIVEMIND" not in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"key": "a:b"}, "access key"),
        ({"useragent": "a:b"}, "user agent"),
        ({"key": 5}, "access key"),
        ({"useragent": 5}, "user agent"),
        ({"password": 5}, "password"),
        ({"crypto_key": "short"}, "crypto_key"),
    ],
)
def test_credentials_the_wire_cannot_carry_are_refused_here(fields: dict[str, Any], what: str) -> None:
    with pytest.raises(InvalidCredential, match=what):
        resolve(node(), **{"key": "k", "host": "h", **fields})


def as_hub_4_reads(url: str) -> str:
    """Hub 4.0.0 takes what follows the last `/?authorization=` of the request's target, and skips what is no base64."""
    target = re.sub(r"^\w+://[^/?]*", "", url)
    target = target if target.startswith("/") else f"/{target}"
    return base64.b64decode(target.split("/?authorization=")[-1]).decode()


def as_later_hubs_read(url: str) -> str:
    """Hubs from 4.15 on decode the query, and take nothing but base64."""
    return base64.b64decode(
        parse_qs(urlsplit(url).query)["authorization"][-1].strip(), validate=True
    ).decode()


def is_taken(text: str) -> bool:
    """Whether a text may be given: without what nobody can see around it."""
    try:
        return checked_text("name", text) == text
    except InvalidCredential:
        return False


_LOGIN_TEXTS = st.text(
    st.characters(blacklist_categories=["Cs"], blacklist_characters=":"), min_size=1
).filter(is_taken)


@given(_LOGIN_TEXTS, _LOGIN_TEXTS, st.sampled_from(["wss://hub", "ws://hub/hive/", "ws://hub/?room=1&x"]))
@example("столовая", "k", "ws://hub")
@example("молоко о оо ооо", "~~>>??/+~a~b~c?", "ws://hub")
def test_every_hub_reads_any_name_and_key(useragent: str, key: str, host: str) -> None:
    url = resolve(node(), key=key, host=host, useragent=useragent).url()
    for read in (as_hub_4_reads(url), as_later_hubs_read(url)):
        name, _, read_key = read.partition(":")
        assert read_key == key
        assert name[-len(useragent) :] == useragent and not name[: -len(useragent)].strip(" ")


@given(_LOGIN_TEXTS, _LOGIN_TEXTS)
def test_over_http_name_and_key_are_as_given(useragent: str, key: str) -> None:
    found = resolve(node(), key=key, host="http://hub/hive", useragent=useragent, scheme="http")
    assert as_later_hubs_read(found.url()) == f"{useragent}:{key}"


def test_a_name_without_a_plus_is_sent_as_hub_4_reads_it() -> None:
    """protocol.md, section 1: standard base64, not percent-encoded, the only parameter."""
    found = resolve(node(), key="ÿÿ>?" * 3, host="wss://hub", useragent="sät")
    start, _, rest = found.url().partition("?authorization=")
    assert start == "wss://hub:5678"
    assert base64.b64decode(rest, validate=True).decode() == "sät:" + "ÿÿ>?" * 3
    assert "%" not in rest


def test_each_form_of_the_login_is_named_for_whoever_hides_it() -> None:
    for useragent, key in (("kitchen", "k"), ("столовая", "k"), ("молоко о оо ооо", "~~>>??/+~a~b~c?")):
        hidden = resolve(node(), key=key, host="hub", useragent=useragent).url()
        for text in sorted(login_texts(useragent, key), key=len, reverse=True):
            hidden = hidden.replace(text, "")
        assert hidden in ("ws://hub:5678?authorization=", "ws://hub:5678?authorization=&raw=/?authorization=")


def test_secrets_are_not_shown() -> None:
    found = resolve(node(), key="sekret-key", password="sekret-pass", crypto_key="sekret-16-bytes!", host="h")
    assert "sekret" not in repr(found) and "sekret" not in str(found) + str(found.address)


@pytest.mark.parametrize("size", [16, 24, 32])
def test_pre_shared_keys(size: int) -> None:
    assert read_crypto_key("k" * size) == read_crypto_key(b"k" * size) == b"k" * size
    assert read_crypto_key("") is read_crypto_key(None) is read_crypto_key(b"") is None


@pytest.mark.parametrize("key", ["k", "k" * 17, "ü" * 16 + "k", b"k" * 33])
def test_pre_shared_keys_of_a_wrong_length(key: Any) -> None:
    with pytest.raises(InvalidCredential, match="16, 24 or 32"):
        read_crypto_key(key)


@pytest.mark.parametrize("host", ["http://hub.local", "https://hub.local:5679"])
def test_an_address_names_its_transport(host: str) -> None:
    assert isinstance(read_address(host), HttpAddress)
    assert str(read_address(host)).startswith(host)
