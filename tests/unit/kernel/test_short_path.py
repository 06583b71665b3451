"""A message takes few calls through the kernel (benchmarks/ counts and times the whole way, shells included)."""

from __future__ import annotations

import sys
from pathlib import Path
from types import FrameType
from typing import Any, Callable

import hivemind_core_client
from hivemind_core_client.message import HiveMessage, HiveMessageType
from tests.unit.support import keyed_by_password

PACKAGE = str(Path(hivemind_core_client.__file__).parent)
#: From a payload to sealed frames, and from a frame to the events. The whole way may have 45 and 50.
MOST_UP, MOST_DOWN = 22, 22


def calls_of(work: Callable[[], Any]) -> list[str]:
    """The functions of ours that `work` calls; a generator that goes on counts again."""
    seen: list[str] = []

    def note(frame: FrameType, event: str, argument: Any) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(PACKAGE):
            seen.append(f"{Path(frame.f_code.co_filename).stem}.{frame.f_code.co_name}")

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(before)
    return seen


def test_the_way_of_a_message_through_the_kernel_is_short() -> None:
    hub = keyed_by_password(binarize=False)
    link = hub.link
    payload = {"type": "speak", "data": {"utterance": "hello"}, "context": {"session": {"lang": "en"}}}

    def up() -> None:
        prepared = link.prepare(HiveMessage(HiveMessageType.BUS, payload))
        link.seal(prepared)
        link.sending(prepared)

    frame = hub.seal(HiveMessage(HiveMessageType.BUS, payload).serialize())
    for work, most in ((up, MOST_UP), (lambda: link.receive(frame), MOST_DOWN)):
        work()  # what is imported and kept with the first message counts for none
        calls = calls_of(work)
        assert len(calls) <= most, "\n".join(calls)
