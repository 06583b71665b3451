"""What a user's callback for progress does is heard of once, and costs the message nothing."""

from __future__ import annotations

import socket
import threading
from typing import Callable, NoReturn

import pytest

from hivemind_core_client.kernel.progress import ProgressReporter
from hivemind_core_client.transports.shared_socket import SharedSocket

SIZE = 3 * 2**20


def broken(written: int, total: int) -> NoReturn:
    raise RuntimeError("mine to mend")


def leaving(written: int, total: int) -> NoReturn:
    raise SystemExit(3)


def read_all(connected: socket.socket, wanted: int) -> None:
    while wanted:
        wanted -= len(connected.recv(65536))


@pytest.mark.parametrize("progress", [broken, leaving])
def test_a_callback_that_raises_is_logged_once_for_each_message(
    progress: Callable[[int, int], None], caplog: pytest.LogCaptureFixture
) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        reading = threading.Thread(target=read_all, args=(theirs, 2 * SIZE))
        reading.start()
        shared = SharedSocket(ours, write_timeout=5)
        for number in (1, 2):
            shared.report_to(ProgressReporter(progress))
            assert shared.send(bytes(SIZE)) == SIZE
            shared.report_to(None)
            assert caplog.text.count("the callback for progress raised") == number
        reading.join(5)
        assert not reading.is_alive()
