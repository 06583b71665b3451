"""How far a client's memory grows with one frame: docs/security.md shows these figures."""

from __future__ import annotations

import subprocess
import sys
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, cast

import pytest

from hivemind_core_client.message import HiveMessage
from hivemind_core_client.testing import Account, EmbeddedHub, HttpGateway
from tests.unit.framing_support import by_hand
from tests.unit.memory_probe import CRYPTO_KEY

ROOT = Path(__file__).resolve().parents[3]
MIB = 2**20
#: A frame may take so many times its size, and one that is short as much as one of this size.
GROWTH, SHORT = 8, 8 * MIB
#: What the compressed ones inflate to.
INFLATED = 24 * MIB

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="needs Linux: the peak of a process is read and reset"
)


def bus(data: str) -> str:
    """A BUS message with this JSON text for a list in its data."""
    return f'{{"msg_type":"bus","payload":{{"type":"x","data":{{"a":[{data}]}},"context":{{}}}}}}'


def many(unit: str, size: int) -> str:
    return bus(",".join([unit] * (size // (len(unit) + 1))))


def zipped(text: str) -> bytes:
    body = text[text.index('{"type"') : -1]
    return by_hand(1, b"", b"", compressed=True) + zlib.compress(body.encode(), 9)


class Probe:
    """A client in a process of its own."""

    def __init__(self, kind: str, url: str) -> None:
        command = [sys.executable, "-m", "tests.unit.memory_probe", kind, url]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True)
        self._in, self._out = cast("IO[str]", self.process.stdin), cast("IO[str]", self.process.stdout)

    def begin(self) -> None:
        self._in.write("go\n")
        self._in.flush()
        assert self._out.readline() == "ready\n"

    def end(self, hub: EmbeddedHub) -> tuple[int, int]:
        """How far its memory grew at most, and how many frames it rejected."""
        hub.broadcast(HiveMessage("bus", {"type": "the.end"}))
        grown, rejected = self._out.readline().split()
        return int(grown), int(rejected)


@pytest.fixture
def hub() -> Iterator[EmbeddedHub]:
    """A hub with a key that nobody derives: the client is in another process."""
    with EmbeddedHub([Account("k", crypto_key=CRYPTO_KEY)]) as running:
        yield running


@pytest.fixture
def probe(hub: EmbeddedHub, client_kind: str) -> Iterator[Probe]:
    with ExitStack() as stack:
        # A gateway is a part of the hub: it is in this process, and not in the one that is measured.
        url = stack.enter_context(HttpGateway(hub.url)).url if client_kind == "http" else hub.url
        running = Probe(client_kind, url)
        hub.wait_for_sessions(1, 60)
        yield running
        running._in.close()
        running.process.wait(60)


#: Name, frame, the size that it has or inflates to, and whether it is refused.
FRAMES: list[tuple[str, Any, bool]] = [
    ("empty objects", lambda: many("{}", 15 * MIB), True),
    ("empty objects, few", lambda: many("{}", 2 * MIB), True),
    ("numbers", lambda: many("300", 15 * MIB), True),
    ("objects in objects", lambda: many('{"":' * 300 + "0" + "}" * 300, 15 * MIB), True),
    ("short texts", lambda: many('"twelve chars"', 15 * MIB), False),
    ("a text", lambda: bus(f'"{"x" * 15 * MIB}"'), False),
    ("a text with an emoji", lambda: bus(f'"{"x" * 8 * MIB}😀"'), True),
    ("empty objects, compressed", lambda: zipped(many("{}", INFLATED)), True),
    ("a text, compressed", lambda: zipped(bus(f'"{"x" * INFLATED}"')), False),
]


@pytest.mark.timeout(300)
def test_no_frame_grows_a_process_by_more_than_eight_times_its_size(
    hub: EmbeddedHub, probe: Probe, client_kind: str, record_property: Any
) -> None:
    figures: list[str] = []
    for name, make, refused in FRAMES:
        frame = make()
        is_text = isinstance(frame, str)
        if client_kind == "http" and not is_text:
            continue  # bytes come with another request there, and after the text that ends this
        size = max(SHORT, 2 * len(frame) if is_text else INFLATED)  # text is sealed in JSON-HEX
        probe.begin()
        hub.send_raw(frame, seal=True)
        grown, rejected = probe.end(hub)
        figures.append(
            f"{name}: {(2 * len(frame) if is_text else size) / MIB:.0f} MiB took {grown / MIB:.0f} MiB at most"
        )
        assert rejected == refused, name
        assert grown <= GROWTH * size, figures
    record_property("figures", figures)
    sys.stdout.write("\n".join(figures))
