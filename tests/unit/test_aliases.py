"""The names of the reference client: code written for it moves over by changing the package name."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import pytest
from ovos_bus_client.message import Message

from hivemind_core_client import decorators, errors, exceptions, protocol, util
from hivemind_core_client.encryption import (
    SupportedCiphers,
    SupportedEncodings,
    decrypt_bin,
    decrypt_from_json,
    encrypt_as_json,
    encrypt_bin,
    optimal_ciphers,
)
from hivemind_core_client.fakebus import FakeHiveMessageBus
from hivemind_core_client.message import HiveMessage, HiveMessageType, HiveMindBinaryPayloadType
from hivemind_core_client.serialization import decode_bitstring, get_bitstring

KEY = b"0123456789abcdef0123456789abcdef"
#: What is there from Python 3.10 on.
ASYNCIO = (
    [("async_client", ["AsyncHiveMessageBusClient", "AsyncHiveMessageWaiter", "BinaryDataCallbacks"])]
    if sys.version_info >= (3, 10)
    else []
)


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("client", ["HiveMessageBusClient", "BinaryDataCallbacks", "HiveMessageWaiter", "HivePayloadWaiter"]),
        ("message", ["HiveMessage", "HiveMessageType", "HiveMindBinaryPayloadType"]),
        ("identity", ["NodeIdentity"]),
        ("serialization", ["get_bitstring", "decode_bitstring"]),
        ("encryption", ["encrypt_as_json", "decrypt_from_json", "encrypt_bin", "decrypt_bin"]),
        ("exceptions", exceptions.__all__),
        ("util", util.__all__),
        ("decorators", decorators.__all__),
        ("protocol", protocol.__all__),
        ("hive_map", ["HiveMapper", "NodeInfo"]),
        ("fakebus", ["FakeHiveMessageBus"]),
        ("http_client", ["HiveMindHTTPClient", "BinaryDataCallbacks"]),
        *ASYNCIO,
    ],
)
def test_the_names_are_where_the_reference_client_has_them(module: str, names: list[str]) -> None:
    found = importlib.import_module(f"hivemind_core_client.{module}")
    assert [name for name in names if not hasattr(found, name)] == []


def test_the_errors_are_ours() -> None:
    assert exceptions.HiveMindException is errors.HiveMindError
    assert all(issubclass(getattr(exceptions, name), errors.HiveMindError) for name in exceptions.__all__)


@pytest.mark.parametrize("cipher", list(SupportedCiphers))
@pytest.mark.parametrize("encoding", list(SupportedEncodings))
def test_sealing_by_function(cipher: SupportedCiphers, encoding: SupportedEncodings) -> None:
    sealed = encrypt_as_json(KEY, {"a": "ü"}, cipher, encoding)
    assert decrypt_from_json(KEY, sealed, cipher.value, encoding.value) == '{"a":"ü"}'
    assert decrypt_from_json(KEY.decode(), sealed.encode(), cipher, encoding) == '{"a":"ü"}'
    assert decrypt_bin(KEY, encrypt_bin(KEY, "text", cipher), cipher) == b"text"


def test_sealing_refuses_what_it_does_not_know() -> None:
    with pytest.raises(exceptions.InvalidCipher):
        encrypt_bin(KEY, b"", "ROT13")
    with pytest.raises(exceptions.InvalidEncoding):
        encrypt_as_json(KEY, "", encoding="MORSE")
    with pytest.raises(exceptions.InvalidKeySize):
        encrypt_bin(b"short", b"")
    with pytest.raises(exceptions.WrongEncryptionKey):
        decrypt_bin(KEY[::-1], encrypt_bin(KEY, b"x"))
    assert set(optimal_ciphers()) == set(SupportedCiphers)


def test_binary_frames_by_function() -> None:
    frame = get_bitstring(
        HiveMessageType.BINARY, b"abc", hivemeta={"a": 1}, binary_type=HiveMindBinaryPayloadType.FILE
    )
    message = decode_bitstring(frame.bytes)
    assert (message.payload, message.metadata, message.bin_type) == (
        b"abc",
        {"a": 1},
        HiveMindBinaryPayloadType.FILE,
    )
    assert decode_bitstring(get_bitstring("bus", Message("x"), versioned=True)).payload.msg_type == "x"
    with pytest.raises(errors.InvalidMessage):
        get_bitstring("intercom", {})
    with pytest.raises(errors.UnsupportedProtocolVersion):
        get_bitstring("bus", Message("x"), proto_version=2)


@pytest.mark.parametrize(
    "given",
    [
        HiveMessage("bus", Message("x", {"a": 1})),
        HiveMessage("bus", Message("x", {"a": 1})).serialize(),
        HiveMessage("bus", Message("x", {"a": 1})).as_dict,
        Message("x", {"a": 1}),
    ],
    ids=["message", "text", "dict", "ovos"],
)
def test_anything_becomes_a_hive_message(given: Any) -> None:
    message = util.get_hivemsg(given)
    assert util.get_mycroft_msg(message).data == {"a": 1}
    assert util.get_payload(message)["type"] == "x"
    assert util.get_hivemsg(util.serialize_message(message)) == message


def test_anything_becomes_an_ovos_message() -> None:
    for given in ('{"type": "x"}', {"type": "x"}, {"msg_type": "x", "data": {}}):
        assert util.get_mycroft_msg(given).msg_type == "x"
    assert util.get_payload(Message("x"))["type"] == util.get_payload('{"type": "x"}')["type"] == "x"
    assert util.get_payload({"a": 1}) == {"a": 1}
    assert util.serialize_message({"a": 1}) == '{"a":1}'
    with pytest.raises(errors.InvalidMessage):
        util.get_mycroft_msg(HiveMessage("ping", {}))


def test_the_protocol_of_a_client_is_a_link() -> None:
    with FakeHiveMessageBus() as client:
        assert isinstance(client.protocol, protocol.Link)
    with pytest.raises(errors.InvalidOption, match="protocol"):
        FakeHiveMessageBus().connect(protocol=object())  # type: ignore[arg-type]
