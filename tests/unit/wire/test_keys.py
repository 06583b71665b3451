"""Keys are compared in one way, whoever compares them: white space does not count."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hivemind_core_client.config.identity import NodeIdentity
from hivemind_core_client.hive_map import HiveMapper
from hivemind_core_client.message import HiveMessage
from hivemind_core_client.plugins.contract import Context, Session
from hivemind_core_client.wire import keys
from hivemind_core_client.wire.trust import Trust

#: A real RSA key of 2048 bits.
BODY = [
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAkOh2uHjVra15qdRj/0SX",
    "sxtL030ibhV6krm7bJ3R+ylOyTy7OJtzawatRPWSyH8Abdibnx+V6uRPDnIFd2SQ",
    "xoFyDka/xdnFL21Zof2DoOND7/1vQzXs0yv74FwW+5FRrx9D5Y3oTen5KwU2GnRz",
    "+kIlvLlRqCka263mfi6Gcp04w/PnD0yrmN2/JQdgq2FNJwb79Rau75PR9gSzQfcB",
    "EHfPmNJ9VlmODYyXyCU11jnpwc+yYWk7BzowFrlMCHQ5MLdSKuNgOS2bWpRMRh1A",
    "QzpOTHfKjMtTPe58XmfXHYZcEk2vHXGxQ6kIbtYCkiQxXMdUVgRJ4/C9nrKZp67k",
    "BwIDAQAB",
]
PEM = "\n".join(["-----BEGIN PUBLIC KEY-----", *BODY, "-----END PUBLIC KEY-----"])
LINES = PEM.split("\n")

#: The same key, as it may be written.
WRITINGS = {
    "as libraries write it": PEM,
    "a blank inside a line": PEM.replace(BODY[0], f"{BODY[0][:10]} {BODY[0][10:]}"),
    "a tab inside a line": PEM.replace(BODY[1], f"{BODY[1][:10]}\t{BODY[1][10:]}"),
    "CRLF": PEM.replace("\n", "\r\n"),
    "indented lines": "\n".join(f"    {line}" for line in LINES),
    "trailing blanks": "\n".join(f"{line}  " for line in LINES),
    "empty lines around it": f"\n\n{PEM}\n\n",
    "empty lines between": PEM.replace("\n", "\n\n"),
    "one line": "".join(LINES),
    "lines of another length": PEM.replace("\n".join(BODY), "\n".join(letters for letters in "".join(BODY))),
    "two blanks in the mark": PEM.replace("PUBLIC KEY", "PUBLIC  KEY"),
    "a blank that is no ASCII": PEM.replace(BODY[0], f"{BODY[0]}\u00a0"),
}
#: What looks like it, and is another text.
OTHERS = {
    "another letter": PEM.replace("BwIDAQAB", "BwIDAQAC"),
    "another case": PEM.lower(),
    "another mark": PEM.replace("PUBLIC KEY", "RSA PUBLIC KEY"),
    "a letter more": f"{PEM}x",
    "nothing": "",
    "blanks": " \n",
}


def by_identity(written: str) -> bool:
    identity = NodeIdentity({"trusted_keys": {"hall": written}})
    assert identity.get_trusted_alias(PEM) == ("hall" if identity.is_trusted_key(PEM) else None)
    return identity.is_trusted_key(PEM)


def by_trusted_keys(written: str) -> bool:
    return Trust({"hall": written}, "", HiveMapper()).is_trusted(PEM)


def by_key_of_the_hub(written: str) -> bool:
    return Trust({}, written, HiveMapper()).trusts({"source": PEM})


def by_mark_in_the_map(written: str) -> bool:
    hive_map = HiveMapper()
    hive_map.on_ping(HiveMessage("ping", {"flood_id": "f", "peer": "hall", "public_key": written}))
    hive_map.mark_trusted_nodes({"hall": PEM})
    return hive_map.is_peer_trusted("hall")


def by_owner_in_the_map(written: str) -> bool:
    """Two nodes that announce one key are told apart, so neither is trusted by it."""
    hive_map = HiveMapper()
    for name, key in (("one::s", PEM), ("other::s", written)):
        ping = HiveMessage("ping", {"flood_id": name, "peer": name, "public_key": key})
        hive_map.on_ping(ping.copy(route=[{"source": name}]), vouched=True)
    return hive_map.key_of("one::s") is None


def by_fingerprint(written: str) -> bool:
    return keys.fingerprint(written) == keys.fingerprint(PEM)


def by_address_of_intercom(written: str) -> bool:
    delivery = pytest.importorskip("hivemind_client_intercom.delivery")
    identity = NodeIdentity({"public_key": PEM})
    letter = HiveMessage("intercom", {"ciphertext": ""}, target_pubkey=written)
    if not letter.target_public_key or not letter.target_public_key.strip():
        return False  # a message without an address is for whom it opens
    with pytest.raises((delivery.Ignored, delivery.Dropped)) as caught:
        delivery.received(Context(identity=identity, session=Session("s")), letter)
    return caught.type is delivery.Dropped


def by_whole_key(written: str) -> bool:
    return keys.same_key(written, PEM) and keys.alias_of(written, {"hall": PEM}) == "hall"


JUDGES: list[Callable[[str], bool]] = [
    by_identity,
    by_trusted_keys,
    by_key_of_the_hub,
    by_mark_in_the_map,
    by_owner_in_the_map,
    by_fingerprint,
    by_address_of_intercom,
    by_whole_key,
]


@pytest.mark.parametrize("judge", JUDGES, ids=lambda judge: judge.__name__)
@pytest.mark.parametrize(
    ("written", "same"),
    [*((text, True) for text in WRITINGS.values()), *((text, False) for text in OTHERS.values())],
    ids=[*WRITINGS, *OTHERS],
)
def test_it_is_the_same_key_for_all(judge: Callable[[str], bool], written: str, same: bool) -> None:
    assert judge(written) is same


@pytest.mark.parametrize("written", WRITINGS.values(), ids=WRITINGS)
def test_a_key_can_be_trusted_however_it_is_written(written: str) -> None:
    identity = NodeIdentity({})
    assert identity.add_trusted_key("hall", written)
    assert identity.is_trusted_key(PEM)
    assert keys.public_pem(written) == PEM
    assert keys.is_public_key(written)


@pytest.mark.parametrize("written", WRITINGS.values(), ids=WRITINGS)
@pytest.mark.parametrize("library", ["by_openssl", "by_pycryptodome"])
def test_intercom_can_use_a_key_however_it_is_written(
    written: str, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    intercom = pytest.importorskip("hivemind_client_intercom.keys")
    module = pytest.importorskip(f"hivemind_client_intercom.{library}")
    monkeypatch.setattr(intercom, "library", lambda: module)
    intercom.public_key.cache_clear()
    assert intercom.public_key(written).pem().strip() == PEM


@pytest.mark.parametrize("written", WRITINGS.values(), ids=WRITINGS)
def test_the_command_line_reads_a_key_however_it_is_written(written: str) -> None:
    trust = pytest.importorskip("hivemind_client_cli.commands.trust")
    assert trust.public_key(f"the key of the hall:\n{written}\n") == PEM


@pytest.mark.parametrize(
    "text", [None, b"", "", "hall", PEM[1:], f"{PEM}{PEM}", PEM.replace("AQAB", "AQ.B"), "ä\ud800"], ids=repr
)
def test_what_is_no_public_key(text: object) -> None:
    assert keys.public_pem(text) is None


def test_all_keys_in_a_text_are_found() -> None:
    assert keys.public_pems_in(f"one {PEM} and {WRITINGS['one line']}") == [PEM, PEM]
    assert keys.public_pems_in(PEM.replace("AQAB", "AQA=B")) == []


@pytest.mark.parametrize(
    ("digits", "key"),
    [
        ("ab" * 32, b"\xab" * 32),
        (f" {'AB' * 31} a\nb\r\n", b"\xab" * 32),
        ("ab" * 31, None),
        ("gh" * 32, None),
        (None, None),
        (5, None),
    ],
)
def test_static_keys(digits: object, key: bytes | None) -> None:
    assert keys.static_key(digits) == key


@given(st.text(), st.text(alphabet=" \t\r\n\x0b\x0c\u00a0\u2003", min_size=1), st.data())
def test_white_space_never_counts(text: str, blanks: str, data: Any) -> None:
    at = data.draw(st.integers(0, len(text)))
    assert keys.normal_key(text[:at] + blanks + text[at:]) == keys.normal_key(text)
