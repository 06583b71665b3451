from __future__ import annotations

import logging
from inspect import unwrap
from typing import Any

import pytest
from attrs import define, field

from hivemind_client_binary_tts import plugin
from hivemind_core_client.message import HiveMindBinaryPayloadType as BinType
from hivemind_core_client.plugins.contract import CallBack, Context, Session
from hivemind_core_client.plugins.manager import load_plugins


@define
class Node:
    name: str = "node"
    public_key: str | None = None
    trusted_keys: dict[str, str] = field(factory=dict)


@pytest.fixture
def context() -> Context:
    return Context(identity=Node(), session=Session("s1"))


def received(context: Context, bin_type: BinType, data: bytes, metadata: dict[str, Any]) -> CallBack:
    handlers = {handler.bin_type: handler for handler in plugin.hivemind_binary_handlers()}
    (action,) = handlers[bin_type].receive(context, data, metadata) or ()
    assert isinstance(action, CallBack)
    return action


def test_it_handles_speech_and_files() -> None:
    assert [handler.bin_type for handler in plugin.hivemind_binary_handlers()] == [
        BinType.TTS_AUDIO,
        BinType.FILE,
    ]


def test_speech_goes_to_its_callback(context: Context) -> None:
    metadata = {"utterance": "hello", "lang": "en-us", "file_name": "../../hello.wav", "other": 1}
    assert received(context, BinType.TTS_AUDIO, b"\0RIFF", metadata) == CallBack(
        "handle_receive_tts",
        {"bin_data": b"\0RIFF", "utterance": "hello", "lang": "en-us", "file_name": "hello.wav"},
    )


def test_a_file_goes_to_its_callback(context: Context) -> None:
    assert received(context, BinType.FILE, b"", {"file_name": "/etc/cron.d/job"}) == CallBack(
        "handle_receive_file", {"bin_data": b"", "file_name": "job"}
    )


@pytest.mark.parametrize("metadata", [{}, {"utterance": None, "lang": 7, "file_name": ".."}])
def test_missing_and_wrong_metadata_become_text(context: Context, metadata: dict[str, Any]) -> None:
    assert received(context, BinType.TTS_AUDIO, b"x", metadata).arguments == {
        "bin_data": b"x",
        "utterance": "",
        "lang": "",
        "file_name": plugin.UNNAMED_SPEECH,
    }
    assert received(context, BinType.FILE, b"x", metadata).arguments["file_name"] == plugin.UNNAMED_FILE


def test_a_changed_name_is_warned_of_once(context: Context, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    received(context, BinType.FILE, b"", {"file_name": "plain.txt"})
    received(context, BinType.FILE, b"", {})
    assert caplog.text == ""
    received(context, BinType.FILE, b"", {"file_name": "../private\x1b[31m/plain.txt"})
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "'plain.txt'" in record.getMessage()
    assert "'../private?[31m/plain.txt'" in record.getMessage()


def test_names_of_windows_devices_and_hidden_files_are_made_harmless(context: Context) -> None:
    for given, safe in (("con.txt", "_con.txt"), (".bashrc", "bashrc"), ("-rf", "_rf")):
        arguments = received(context, BinType.FILE, b"", {"file_name": given}).arguments
        assert arguments["file_name"] == safe


def test_it_is_found_and_wins_over_the_built_in_handlers() -> None:
    plugins = load_plugins(plugins=["binary_tts"])
    table = plugins.registry().binary_handlers
    assert unwrap(table[BinType.TTS_AUDIO].receive) is plugin.receive_speech
    assert unwrap(table[BinType.FILE].receive) is plugin.receive_file
    (info,) = [info for info in plugins.report if info.name == "binary_tts"]
    assert (info.state, info.distribution) == ("loaded", "hivemind-client-binary-tts")
    assert len(info.provides) == 2
