"""BINARY: each bin type reaches its callback with the metadata it is promised."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from hivemind_core_client.builtins.binary import CALLBACKS
from hivemind_core_client.message import HiveMessage, HiveMindBinaryPayloadType
from hivemind_core_client.plugins.contract import CallBack
from hivemind_core_client.shell.callbacks import BinaryDataCallbacks
from tests.unit.support import keyed_by_password, new_context, only, registry

BIN = HiveMindBinaryPayloadType
METADATA = {
    "sample_rate": 16000,
    "sample_width": 2,
    "lang": "en",
    "camera_id": "door",
    "file_name": "a.wav",
    "utterance": "hi",
    "other": 1,
}


def called(bin_type: HiveMindBinaryPayloadType, metadata: dict[str, Any]) -> CallBack:
    (action,) = registry().binary_handlers[bin_type].receive(new_context(), b"data", metadata) or ()
    assert isinstance(action, CallBack)
    return action


@pytest.mark.parametrize("bin_type", BIN)
@pytest.mark.parametrize("metadata", [METADATA, {}])
def test_each_bin_type_has_its_callback(
    bin_type: HiveMindBinaryPayloadType, metadata: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    action = called(bin_type, metadata)
    method = getattr(BinaryDataCallbacks(), action.method)
    assert list(action.arguments) == ["bin_data", *CALLBACKS[bin_type][1]]
    assert set(action.arguments) == set(inspect.signature(method).parameters)
    method(**action.arguments)
    assert "4 bytes" in caplog.text and "data" not in caplog.text.replace("untyped data", "")
    expected = {name: metadata.get(name) for name in CALLBACKS[bin_type][1]}
    if "file_name" in expected:
        expected["file_name"] = metadata.get("file_name") or ""
    assert action.arguments == {"bin_data": b"data", **expected}


def test_every_bin_type_is_served() -> None:
    assert set(registry().binary_handlers) == set(BIN) == set(CALLBACKS)


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "..\\..\\passwd", "C:\\x\\passwd"])
@pytest.mark.parametrize("bin_type", [BIN.FILE, BIN.TTS_AUDIO])
def test_messages_a_file_name_is_a_label_never_a_path(bin_type: HiveMindBinaryPayloadType, name: str) -> None:
    """Row: files and audio were written to a path taken from the wire."""
    assert called(bin_type, {"file_name": name}).arguments["file_name"] == "passwd"


@pytest.mark.parametrize("name", ["", "..", ".", "/", "a/..", 5, None, ["x"]])
def test_a_file_name_of_which_nothing_is_left_is_empty(name: Any) -> None:
    assert called(BIN.FILE, {"file_name": name}).arguments["file_name"] == ""


def test_bytes_go_through_a_connection_to_their_callback() -> None:
    hub = keyed_by_password()
    message = HiveMessage("bin", b"", bin_type=BIN.FILE, metadata={"file_name": "../x"})
    found = only(CallBack, hub.send(message, binary=True))
    assert found == CallBack("handle_receive_file", {"bin_data": b"", "file_name": "x"})
