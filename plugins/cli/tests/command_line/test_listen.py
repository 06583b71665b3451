"""`hivemind-client listen`: what arrives, one line each, through restarts of the hub."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

from hivemind_client_cli import arrival_queue
from hivemind_client_cli.commands import listen as listening
from hivemind_client_cli.output import Output
from hivemind_client_cli.received import Arrival, Matcher, as_data, as_line
from hivemind_core_client.errors import Install
from hivemind_core_client.message import HiveMessage, HiveMindBinaryPayloadType
from hivemind_core_client.testing import EmbeddedHub

from .fakes import message
from .tools import KEY, PASSWORD, command, environment


@pytest.fixture
def hub() -> Iterator[EmbeddedHub]:
    with EmbeddedHub(clients={KEY: PASSWORD}) as hub:
        yield hub


def login(hub: EmbeddedHub, *more: str) -> tuple[str, ...]:
    address = ("--host", "127.0.0.1", "--port", str(hub.port))
    # A message that never comes is a failure with an exit code, in less than a test may take.
    return ("listen", "--key", KEY, "--password", PASSWORD, "--timeout", "30", *address, *more)


def bus(msg_type: str, **data: Any) -> HiveMessage:
    return HiveMessage("bus", message(msg_type, **data))


def file_of(data: bytes, name: str, kind: HiveMindBinaryPayloadType) -> HiveMessage:
    return HiveMessage("bin", data, bin_type=kind, metadata={"file_name": name})


def untimed(out: str) -> list[str]:
    """The lines without the time that each begins with."""
    assert all(re.match(r"\d\d:\d\d:\d\d  ", line) for line in out.splitlines()), out
    return [line[10:] for line in out.splitlines()]


def line_of(packet: HiveMessage) -> str:
    """The line of a message, without the time and who sent it."""
    return "".join(part.text for part in as_line(Arrival(packet))[2:]).strip()


@contextmanager
def sending(hub: EmbeddedHub, *messages: HiveMessage) -> Iterator[None]:
    """Send these as soon as a client stands."""

    def send() -> None:
        hub.wait_for_sessions(1, timeout=20)
        for each in messages:
            hub.broadcast(each)

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    yield
    thread.join(5)


def test_a_line_each(run: Any, hub: EmbeddedHub) -> None:
    alarm = HiveMessage("propagate", bus("my.alarm", door="öpen"))
    with sending(hub, bus("speak", utterance="hi"), alarm, HiveMessage("3rdparty", {"a": 1})):
        out = run(*login(hub, "--count", "3")).expect(0).out
    assert untimed(out) == [
        "hub  speak: hi",
        'hub  propagate > my.alarm: [dropped: it is not for this site] {"door": "öpen"}',
        'hub  3rdparty: {"a":1}',
    ]


def test_an_object_each(run: Any, hub: EmbeddedHub) -> None:
    with sending(hub, bus("speak", utterance="hi"), HiveMessage("propagate", bus("my.alarm"))):
        done = run(*login(hub, "--count", "2", "--json")).expect(0)
    first, second = map(json.loads, done.out.splitlines())
    assert first["msg_type"] == "bus"
    assert first["payload"]["data"] == {"utterance": "hi"}
    assert second["payload"]["payload"]["type"] == "my.alarm"
    assert "listening to" in done.err


@pytest.mark.parametrize(
    ("types", "shown"),
    [
        (["speak"], ["speak"]),
        (["my.alarm"], ["my.alarm"]),
        (["propagate"], ["my.alarm"]),
        (["bus"], ["speak", "other", "my.alarm"]),
        (["speak", "other"], ["speak", "other"]),
    ],
)
def test_types(types: list[str], shown: list[str]) -> None:
    messages = {
        "speak": bus("speak"),
        "other": bus("other"),
        "my.alarm": HiveMessage("propagate", bus("my.alarm")),
        "ping": HiveMessage("ping", {}),
    }
    matches = Matcher(tuple(types))
    assert [name for name, each in messages.items() if matches(each)] == shown


def test_types_on_the_command_line(run: Any, hub: EmbeddedHub) -> None:
    with sending(hub, bus("other"), bus("speak", utterance="hi"), HiveMessage("3rdparty", {})):
        args = login(hub, "--type", "speak", "--type", "3rdparty", "--count", "2")
        assert untimed(run(*args).expect(0).out) == ["hub  speak: hi", "hub  3rdparty: {}"]


def send_text(hub: EmbeddedHub, text: str) -> None:
    """Seal this and send it: what a hub says that does not keep to JSON."""
    hub.send_raw(text, seal=True)


NO_NUMBERS = [
    '{"msg_type":"3rdparty","payload":{"x":1e400}}',
    '{"msg_type":"bus","payload":{"type":"x","data":{"x":NaN},"context":{}}}',
    '{"msg_type":"bus","payload":{"type":"x","data":{"x":-1e400},"context":{}}}',
]


@pytest.mark.parametrize("flags", [[], ["--json"]], ids=str)
def test_a_number_that_json_does_not_have_ends_nothing(run: Any, hub: EmbeddedHub, flags: list[str]) -> None:
    def send() -> None:
        hub.wait_for_sessions(1, timeout=20)
        for text in NO_NUMBERS:
            send_text(hub, text)
        hub.broadcast(bus("speak", utterance="hi"))

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    done = run(*login(hub, "--count", "4", *flags)).expect(0)
    thread.join(5)
    lines = done.out.splitlines()
    last, third = lines[-1], lines[0]
    assert (json.loads(last)["payload"]["data"] if flags else last) == (
        {"utterance": "hi"} if flags else last[:10] + "hub  speak: hi"
    )
    assert (json.loads(third)["payload"] if flags else third) == (
        {"x": None} if flags else third[:10] + 'hub  3rdparty: {"x":null}'
    )
    assert len(lines) == len(NO_NUMBERS) + 1 and "dropped a frame" not in done.err


def tower(height: int) -> Any:
    """Lists within each other."""
    value: list[Any] = []
    for _ in range(height):
        value = [value]
    return value


@pytest.mark.parametrize("value", [float("inf"), float("nan"), tower(50_000)], ids=["inf", "nan", "tower"])
@pytest.mark.parametrize("kind", ["bus", "3rdparty", "intercom"])
@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
def test_what_has_no_json_form_ends_nothing(
    capsys: pytest.CaptureFixture[str], value: Any, kind: str, as_json: bool
) -> None:
    payload = message("deep", x=value) if kind == "bus" else {"x": value}
    arrivals = [Arrival(each) for each in (HiveMessage(kind, payload), bus("speak", utterance="hi"))]
    output = Output(json=as_json)
    shown = listening.show_all(output, iter(arrivals), None)
    captured = capsys.readouterr()
    assert shown == len(captured.out.splitlines())
    assert "hi" in captured.out.splitlines()[-1]
    if as_json:
        assert shown == 1
        assert captured.err.startswith(f"warning: a {kind} message is not shown: this has no JSON form")
    elif kind != "bus" or isinstance(value, list):
        name = "deep" if kind == "bus" else kind
        assert untimed(captured.out)[0].startswith(f"hub  {name}: this cannot be shown")


def test_a_timeout_is_an_end_and_too_few_an_error(run: Any, hub: EmbeddedHub) -> None:
    assert run(*login(hub, "--timeout", "0.2")).expect(0).out == ""
    assert "0 of 2 messages" in run(*login(hub, "--timeout", "0.2", "--count", "2")).expect(4).err


def test_quiet(run: Any, hub: EmbeddedHub) -> None:
    done = run(*login(hub, "--timeout", "0.1", "--quiet")).expect(0)
    assert done.out + done.err == ""


SPEECH = HiveMindBinaryPayloadType.TTS_AUDIO
FILE = HiveMindBinaryPayloadType.FILE
AUDIO = HiveMindBinaryPayloadType.RAW_AUDIO


def test_binary_data_is_shown_by_kind_size_and_name(run: Any, hub: EmbeddedHub) -> None:
    with sending(hub, file_of(b"x" * 500, "../../etc/pass\x1bwd", FILE), file_of(b"", "", SPEECH)):
        done = run(*login(hub, "--count", "2")).expect(0)
    assert untimed(done.out) == ["hub  bin: file, 500 bytes, passwd", "hub  bin: tts_audio, 0 bytes"]
    assert "bin_callbacks" not in done.err
    # Or what is sent to the first session that stands goes to the one that has just ended.
    hub.wait_for_sessions(0)
    with sending(hub, file_of(b"x" * 500, "notes.txt", FILE)):
        data = run(*login(hub, "--count", "1", "--json")).expect(0).json
    assert data == {
        "msg_type": "bin",
        "bin_type": "file",
        "size": 500,
        "label": "notes.txt",
        "metadata": {"file_name": "notes.txt"},
        "saved": None,
    }


def test_binary_data_is_saved_where_one_asks(run: Any, hub: EmbeddedHub, tmp_path: Path) -> None:
    folder = tmp_path / "received"
    content = os.urandom(3000)
    audio = HiveMessage("bin", bytes(640), bin_type=AUDIO, metadata={"sample_rate": 16000, "sample_width": 2})
    with sending(hub, file_of(content, "../../notes.txt", FILE), audio, bus("speak", utterance="x")):
        out = run(*login(hub, "--count", "3", "--save", str(folder), "--json")).expect(0).out
    first, second, third = map(json.loads, out.splitlines())
    assert Path(first["saved"]).parent == folder
    assert Path(first["saved"]).read_bytes() == content
    assert Path(second["saved"]).read_bytes()[:4] == b"RIFF"
    assert "saved" not in third
    assert not (tmp_path / "notes.txt").exists()


def test_a_folder_that_cannot_be_written_in(run: Any, hub: EmbeddedHub, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    run(*login(hub, "--save", str(tmp_path / "file"))).expect(2)


def test_saving_needs_a_plugin(run: Any, hub: EmbeddedHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hivemind_client_binary_tts", None)
    done = run(*login(hub, "--save", "x")).expect(1)
    assert str(Install("tts")) in done.err


def test_what_is_not_a_line() -> None:
    line = line_of(bus("x", text="\x1b[2J\n " * 1000))
    assert len(line) < 2100
    assert line.endswith("characters)")
    assert line_of(bus("speak", utterance="one\ntwo\x9b")) == "speak: one two?"
    assert line_of(HiveMessage("intercom", {"ciphertext": "AAAA"})) == "intercom: sealed, 21 characters"
    assert line_of(HiveMessage("propagate", {"msg_type": "nonsense"})) == 'propagate: {"msg_type":"nonsense"}'
    assert line_of(HiveMessage("bus", {"type": "x", "data": None})) == "x: {}"
    assert as_data(Arrival(bus("speak")))["payload"]["type"] == "speak"


def test_messages_within_messages_without_end() -> None:
    packet = bus("deep")
    for _ in range(50):
        packet = HiveMessage("propagate", packet)
    assert not Matcher(("deep",))(packet)
    assert line_of(packet).count("propagate >") < 10


@contextmanager
def process(*args: str, **streams: Any) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        command(*args),
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **streams,
    ) as running:
        try:
            yield running
        finally:
            running.kill()


def readline(stream: IO[str] | None) -> str:
    assert stream is not None
    return stream.readline()


@pytest.mark.parametrize("flag", ["--json", "--quiet"])
def test_ctrl_c_is_the_ordinary_end(hub: EmbeddedHub, flag: str) -> None:
    with process(*login(hub, flag)) as running:
        hub.wait_for_sessions(1, timeout=20)
        hub.broadcast(bus("speak", utterance="hi"))
        assert "hi" in readline(running.stdout), "each line is flushed"
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=20)
        assert (running.returncode, out) == (0, "")
        assert "Traceback" not in err


def test_a_reader_that_leaves_is_no_fuss(hub: EmbeddedHub) -> None:
    with process(*login(hub, "--quiet")) as running:
        hub.wait_for_sessions(1, timeout=20)
        assert running.stdout is not None
        running.stdout.close()
        hub.broadcast(bus("speak", utterance="hi"))
        assert running.wait(20) == 1
        assert running.stderr is not None
        assert running.stderr.read() == ""


def test_a_hub_that_restarts(hub: EmbeddedHub) -> None:
    with process(*login(hub)) as running:
        hub.wait_for_sessions(1, timeout=20)
        assert readline(running.stderr).startswith("listening to 127.0.0.1")
        hub.stop()
        assert readline(running.stderr).startswith("connection lost, reconnecting: ")
        hub.start()
        assert readline(running.stderr) == "connected again\n"
        hub.wait_for_sessions(1)
        hub.broadcast(bus("speak", utterance="back"))
        assert untimed(readline(running.stdout)) == ["hub  speak: back"]
        running.send_signal(signal.SIGINT)
        assert running.wait(20) == 0


def test_a_hub_that_knows_us_no_more_is_tried_again(hub: EmbeddedHub) -> None:
    """A proxy may have said so while its hub is away: what was accepted once is not refused for good."""
    with process(*login(hub)) as running:
        hub.wait_for_sessions(1, timeout=20)
        assert readline(running.stderr).startswith("listening to 127.0.0.1")
        accounts = dict(hub.accounts)
        hub.accounts.clear()
        hub.drop()
        assert running.stderr is not None
        assert any("refused the access key" in line for line in running.stderr)
        hub.accounts.update(accounts)
        assert running.poll() is None


def test_what_nobody_reads_in_time_is_counted(
    run: Any, hub: EmbeddedHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrival_queue, "BACKLOG_MESSAGES", 2)
    dropped = threading.Event()
    show, warn = Output.line, Output.warn

    def slow(output: Output, *args: Any) -> None:
        dropped.wait(10)
        show(output, *args)

    def warned(output: Output, text: str) -> None:
        warn(output, text)
        dropped.set()

    monkeypatch.setattr(Output, "line", slow)
    monkeypatch.setattr(Output, "warn", warned)
    with sending(hub, *(bus("speak", utterance=str(number)) for number in range(8))):
        done = run(*login(hub, "--count", "2")).expect(0)
    assert untimed(done.out) == ["hub  speak: 0", "hub  speak: 1"]
    assert "1 message is not shown" in done.err
