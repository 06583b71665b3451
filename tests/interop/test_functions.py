"""The functions that seal, open and put messages into frames, called on both sides: ours and the reference client's."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hivemind_bus_client import exceptions

from hivemind_core_client.config.rsa_keys import generate_rsa_key
from hivemind_core_client.encryption import SupportedCiphers, SupportedEncodings

from . import functions
from .functions import called, written
from .specs import HUBS, HubSpec, environment

Call = Callable[..., Any]
KEY = "0123456789abcdef0123456789abcdef"
TEXT = "grüß dich, 時 🕑"
CONTEXT = {"session": {"lang": "de"}}
SPEAK = {"ovos": ["speak", {"utterance": TEXT}, CONTEXT]}


def ours(module: str, function: str, *arguments: Any) -> Any:
    """What ours returns."""
    return called("hivemind_bus_client", module, function, list(arguments))


@pytest.fixture(scope="module", params=HUBS, ids=lambda spec: spec.version)
def reference(request: pytest.FixtureRequest) -> Iterator[Call]:
    """The same by the reference client in the environment of a hub."""
    spec: HubSpec = request.param
    command = [environment(spec).command("python"), str(Path(functions.__file__))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        stdin, stdout = process.stdin, process.stdout
        assert stdin is not None and stdout is not None

        def call(*arguments: Any) -> Any:
            module, function, *others = arguments
            stdin.write(json.dumps([module, function, others]) + "\n")
            stdin.flush()
            return json.loads(stdout.readline())

        yield call
        stdin.close()


@pytest.fixture(params=["ours", "theirs"])
def sides(request: pytest.FixtureRequest, reference: Call) -> tuple[Call, Call]:
    """Who makes something, and who reads it."""
    return (ours, reference) if request.param == "ours" else (reference, ours)


@pytest.mark.parametrize("encoding", [each.value for each in SupportedEncodings])
@pytest.mark.parametrize("cipher", [each.value for each in SupportedCiphers])
def test_a_sealed_text_frame(sides: tuple[Call, Call], cipher: str, encoding: str) -> None:
    make, read = sides
    sealed = make("encryption", "encrypt_as_json", KEY, TEXT, cipher, encoding)
    assert read("encryption", "decrypt_from_json", KEY, sealed, cipher, encoding) == TEXT


@pytest.mark.parametrize("cipher", [each.value for each in SupportedCiphers])
def test_a_sealed_binary_frame(sides: tuple[Call, Call], cipher: str) -> None:
    make, read = sides
    data = written(TEXT.encode())
    assert (
        read("encryption", "decrypt_bin", KEY, make("encryption", "encrypt_bin", KEY, TEXT, cipher), cipher)
        == data
    )


@pytest.mark.parametrize(
    ("seal", "unseal"),
    [("encrypt_AES", "decrypt_AES_128"), ("encrypt_ChaCha20_Poly1305", "decrypt_ChaCha20_Poly1305")],
)
def test_the_parts_of_what_is_sealed(sides: tuple[Call, Call], seal: str, unseal: str) -> None:
    make, read = sides
    parts = make("encryption", seal, KEY, TEXT, written(b"n" * 12))
    assert parts == read("encryption", seal, KEY, TEXT, written(b"n" * 12))
    assert read("encryption", unseal, KEY, *parts) == written(TEXT.encode())


@pytest.mark.parametrize("signed", [False, True])
def test_an_envelope_for_an_rsa_key(sides: tuple[Call, Call], signed: bool) -> None:
    make, read = sides
    private, public = generate_rsa_key()
    envelope = make("encryption", "hybrid_encrypt", public, TEXT, *([private] if signed else []))
    assert ("signature" in envelope) is signed
    assert read("encryption", "hybrid_decrypt", private, envelope) == written(TEXT.encode())
    assert "error" in read("encryption", "hybrid_decrypt", generate_rsa_key()[0], envelope)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("b64", [False, True])
def test_the_deprecated_functions(sides: tuple[Call, Call], b64: bool) -> None:
    make, read = sides
    assert read("util", "decrypt_from_json", KEY, make("util", "encrypt_as_json", KEY, TEXT, b64)) == TEXT
    sealed = make("util", "encrypt_bin", KEY, TEXT)
    assert read("util", "decrypt_bin", KEY, sealed) == written(TEXT.encode())


@pytest.mark.parametrize("compressed", [False, True, None])
@pytest.mark.parametrize("versioned", [False, True])
def test_a_binary_frame(sides: tuple[Call, Call], compressed: bool, versioned: bool) -> None:
    make, read = sides
    for arguments, payload, bin_type in (
        (["bus", SPEAK], SPEAK, 0),
        (["hello", {"a": 1}], {"a": 1}, 0),
        (["bin", written(b"\x00\xff"), compressed, {"file_name": "a"}, 3], written(b"\x00\xff"), 3),
    ):
        kind, given, *others = arguments
        others = others or [compressed, {}, 0]
        frame = make("serialization", "get_bitstring", kind, given, *others, 1, versioned)
        assert read("serialization", "decode_bitstring", frame) == [kind, payload, others[1], bin_type]


@pytest.mark.parametrize("compressed", [False, True])
def test_the_binary_frame_of_an_ovos_message(sides: tuple[Call, Call], compressed: bool) -> None:
    make, read = sides
    frame = make("serialization", "mycroft2bitstring", SPEAK, compressed)
    assert read("serialization", "decode_bitstring", frame) == ["bus", SPEAK, CONTEXT, 0]


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("value", [TEXT, {"a": TEXT}, ""])
def test_bytes_and_text(sides: tuple[Call, Call], value: Any, compressed: bool) -> None:
    make, read = sides
    text = read("util", "bytes2str", make("util", "cast2bytes", value, compressed), compressed)
    assert (json.loads(text) if isinstance(value, dict) else text) == value


def test_what_is_refused_is_refused_with_the_same_error(reference: Call) -> None:
    for call in (
        ("encryption", "encrypt_as_json", KEY, TEXT, "ROT13"),
        ("encryption", "encrypt_as_json", KEY, TEXT, "AES-GCM", "MORSE"),
        ("encryption", "encrypt_AES", "short", TEXT),
        ("encryption", "decrypt_bin", KEY, written(b"short"), "AES-GCM"),
        ("encryption", "decrypt_bin", KEY, written(b"x" * 99), "AES-GCM"),
        ("serialization", "get_bitstring", "bus", SPEAK, None, {}, 0, 9),
    ):
        theirs, mine = reference(*call), ours(*call)
        found = getattr(exceptions, theirs["error"])
        # Ours has several names for one error; it is of the class that they raise.
        assert issubclass(_class_named(mine["error"]), found), (call, theirs, mine)


def _class_named(name: str) -> type[BaseException]:
    from hivemind_core_client import errors

    found: type[BaseException] = getattr(errors, name)
    return found
