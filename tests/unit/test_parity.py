"""The three clients have the same verbs; their shells know nothing of the protocol, and are smaller than what does."""

from __future__ import annotations

import ast
import inspect
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import hivemind_core_client
from hivemind_core_client import HiveMessageBusClient, HiveMessageType, HiveMindHTTPClient
from hivemind_core_client.async_client import AsyncHiveMessageBusClient
from hivemind_core_client.encryption import SupportedCiphers, SupportedEncodings

ROOT = Path(hivemind_core_client.__file__).parent
OTHERS = [AsyncHiveMessageBusClient, HiveMindHTTPClient]
#: What makes a `with`, and what stands for it where it is awaited.
AWAITED = {"__enter__": "__aenter__", "__exit__": "__aexit__"}
#: What only one of them has.
OWN = {
    AsyncHiveMessageBusClient: {"__aiter__"},
    HiveMindHTTPClient: {
        "polling",
        # of the reference client, which is a thread
        "auth",
        "base_url",
        "connected",
        "disconnect",
        "get_binary_messages",
        "get_messages",
        "http_timeout",
        "is_alive",
        "join",
        "shutdown",
    },
}

#: The verbs of the asyncio client that are awaited; all others return at once.
COROUTINES = {
    "__aenter__",
    "__aexit__",
    "answer",
    "ask",
    "ask_audio",
    "cascade",
    "close",
    "close_connection",
    "collect_responses",
    "connect",
    "emit",
    "emit_intercom",
    "emit_mycroft",
    "ping",
    "query",
    "round_trip",
    "run_forever",
    "say",
    "wait_for_handshake",
    "wait_for_message",
    "wait_for_mycroft",
    "wait_for_payload",
    "wait_for_payload_response",
    "wait_for_response",
}


#: What the OVOS bus client's own connection calls or is made with: no verbs, and our clients have no such connection.
OF_THE_CONNECTION = {
    "create_client",
    "flush",  # of version 2: the queue that it waits for is none of ours, emit returns when a message is written
    "on_close",
    "on_default_session_update",
    "on_error",
    "on_message",
    "on_open",
}


def public(kind: type) -> dict[str, Any]:
    """The public names of a class: those of ours, and what the OVOS bus client brings."""
    names = {name: value for base in reversed(kind.__mro__[:-1]) for name, value in vars(base).items()}
    verbs = {name: value for name, value in names.items() if not name.startswith("_") or name in AWAITED}
    return {
        name: value
        for name, value in verbs.items()
        if name not in OF_THE_CONNECTION and not name.isupper()  # such are figures of that connection
    }


def attributes(kind: type) -> set[str]:
    """The public attributes that objects of a class have before they connect."""
    made = kind("key", "a long password of this node", host="127.0.0.1", identity=identity())
    return {name for name in vars(made) if not name.startswith("_")}


def identity() -> Any:
    return hivemind_core_client.NodeIdentity({})


def parameters(function: Any) -> list[tuple[str, Any, Any]]:
    """Name, kind and default of each; of a function that is a default, what it returns for a message."""
    found = inspect.signature(function).parameters.values()
    return [(one.name, one.kind, _default(one.default)) for one in found]


def _default(value: Any) -> Any:
    return value(None) if inspect.isfunction(value) else value


SYNC = public(HiveMessageBusClient)


def test_there_is_something_to_compare() -> None:
    assert {"connect", "emit", "query", "hive_map", "on_mycroft", "wait_for_response", "on_collect"} <= set(
        SYNC
    )
    assert len(SYNC) > 45


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("name", sorted(SYNC))
def test_every_name_is_there_with_the_same_parameters(name: str, other: type) -> None:
    awaited = AWAITED.get(name, name) if other is AsyncHiveMessageBusClient else name
    mine, theirs = SYNC[name], inspect.getattr_static(other, awaited)
    if isinstance(mine, property):
        assert isinstance(theirs, property)
        assert (mine.fset is None) == (theirs.fset is None)
    elif inspect.isfunction(mine):
        assert parameters(theirs) == parameters(mine)


@pytest.mark.parametrize("other", OTHERS)
def test_they_are_made_of_the_same_arguments(other: type) -> None:
    theirs = parameters(other)
    if other is HiveMindHTTPClient:
        # Handed on as they are, but for those that follow by their places in the reference client.
        own = ["polling", "http_timeout", "max_protocol_version"]
        assert [one[0] for one in theirs] == ["args", *own, "options"]
    else:
        assert theirs == parameters(HiveMessageBusClient)


@pytest.mark.parametrize("other", OTHERS)
def test_they_have_the_same_attributes(other: type) -> None:
    assert attributes(other) - {"polling"} == attributes(HiveMessageBusClient)


@pytest.mark.parametrize("other", OTHERS)
def test_what_only_one_has_is_listed(other: type) -> None:
    extra = set(public(other)) - set(SYNC)
    assert extra <= OWN[other]


def test_which_verbs_are_awaited() -> None:
    found = {
        name
        for base in AsyncHiveMessageBusClient.__mro__
        for name, value in vars(base).items()
        if inspect.iscoroutinefunction(value) and (not name.startswith("_") or name.startswith("__a"))
    }
    assert found == COROUTINES
    assert not [name for name in COROUTINES - set(AWAITED.values()) if name not in SYNC]


# the shells and what they stand on

#: What waits, and what moves its frames: all files of it.
SHELL_FOLDERS = ("sync", "aio", "transports")
SHELLS = sorted(path for folder in SHELL_FOLDERS for path in (ROOT / folder).glob("*.py"))
BELOW = sorted([*(ROOT / "kernel").rglob("*.py"), *(ROOT / "builtins").rglob("*.py")])
#: The fields of HELLO and of a handshake (protocol.md), and of what is sealed.
FIELDS = {
    "binarize",
    "ciphers",
    "ciphertext",
    "crypto_required",
    "encodings",
    "envelope",
    "flood_id",
    "handshake",
    "is_response",
    "max_protocol_version",
    "min_protocol_version",
    "node_id",
    "nonce",
    "preshared_key",
    "pubkey",
    "query_id",
    "responder_peer",
    "tag",
}
WORDS = {
    *(member.value for member in HiveMessageType),
    *(member.value for member in SupportedCiphers),
    *(member.value for member in SupportedEncodings),
    *FIELDS,
}


def said(tree: ast.AST) -> Iterator[str]:
    """The texts of a module that are no docstrings, and the names of members of enumerations of the protocol."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield f"{node.value.id}.{node.attr}"


def mentions(source: str) -> list[str]:
    return [
        text
        for text in said(ast.parse(source))
        if text in WORDS or re.match(r"(HiveMessageType|SupportedCiphers|SupportedEncodings)\.", text)
    ]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("if message.msg_type is HiveMessageType.BUS: pass", ["HiveMessageType.BUS"]),
        ("send('hello')", ["hello"]),
        ("choose(['AES-GCM'])", ["AES-GCM"]),
        ("payload['envelope']", ["envelope"]),
        ("def f(kind: HiveMessageType) -> None:\n    '''hello'''", []),
    ],
)
def test_a_mention_is_found(source: str, found: list[str]) -> None:
    assert mentions(source) == found


@pytest.mark.parametrize("path", SHELLS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_shell_mentions_a_message_type_a_cipher_or_a_field(path: Path) -> None:
    assert mentions(path.read_text(encoding="utf-8")) == []


def code_lines(path: Path) -> int:
    """Lines that hold code: neither blank, nor comment, nor docstring."""
    source = path.read_text(encoding="utf-8")
    idle = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
    lines: set[int] = set()
    begins = True
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in idle or token.type == tokenize.ENDMARKER:
            begins = begins or token.type != tokenize.COMMENT
            continue
        docstring = token.type == tokenize.STRING and begins
        begins = False
        if not docstring:
            lines.update(range(token.start[0], token.end[0] + 1))
    return len(lines)


def test_lines_of_code_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text(
        '"""Doc."""\n\n# note\nx = 1  # one\n\n\ndef f():\n    """Doc\n    more."""\n    return (\n        x\n    )\n'
    )
    assert code_lines(path) == 5


def is_generated(path: Path) -> bool:
    return "Generated by tools/unasync" in path.read_text(encoding="utf-8")[:200]


def test_the_shells_together_are_smaller_than_what_they_stand_on() -> None:
    by_hand = [path for path in SHELLS if not is_generated(path)]
    shells = {
        folder: sum(code_lines(path) for path in by_hand if path.parent.name == folder)
        for folder in SHELL_FOLDERS
    }
    below = sum(map(code_lines, BELOW))
    assert len(by_hand) < len(SHELLS)
    moves = shells.pop("transports")  # frames and sockets, which know nothing of a hive
    assert moves < below and sum(shells.values()) < below, (
        f"{shells}, {moves} of transports, {below} of kernel and built-ins"
    )
