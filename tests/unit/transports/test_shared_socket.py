"""A socket for two threads: its end at any moment, and callbacks for progress that raise."""

from __future__ import annotations

import socket
import threading
from typing import Any, Callable, NoReturn

import pytest

from hivemind_core_client.config.tls import Tls
from hivemind_core_client.kernel.progress import ProgressReporter
from hivemind_core_client.testing.certificates import self_signed
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


class ClosedMeanwhile(socket.socket):
    """One that another thread closes between a step that would block and the wait after it."""

    def recv(self, *_: Any) -> bytes:
        self.close()
        raise BlockingIOError

    def send(self, *_: Any) -> int:
        self.close()
        raise BlockingIOError


@pytest.mark.parametrize("step", [lambda shared: shared.recv(10), lambda shared: shared.send(b"x")])
def test_a_socket_that_is_closed_between_two_steps_is_a_lost_connection(
    step: Callable[[SharedSocket], object],
) -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        shared = SharedSocket(ClosedMeanwhile(fileno=ours.detach()), write_timeout=5)
        with pytest.raises(ConnectionAbortedError, match="was closed here"):
            step(shared)


def test_after_the_end_on_our_side_little_more_is_read() -> None:
    """A peer that sends on keeps nobody, but what it said before is heard: it may be why it goes."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        shared = SharedSocket(ours, write_timeout=5)
        theirs.sendall(b"y" + bytes(50_000))
        shared.shutdown(socket.SHUT_RDWR)
        assert shared.recv(1) == b"y"
        read = 0
        while data := shared.recv(1000):
            read += len(data)
        assert 0 < read < 5000 and shared.recv(1000) == b""


def test_the_end_of_a_connection_with_tls_does_not_end_its_tls() -> None:
    """What another thread has yet to write would leave in the clear."""
    context, _ = self_signed("127.0.0.1")
    ours, theirs = socket.socketpair()
    accepted: list[socket.socket] = []
    accepting = threading.Thread(
        target=lambda: accepted.append(context.wrap_socket(theirs, server_side=True))
    )
    accepting.start()
    with Tls(self_signed=True).make_context().wrap_socket(ours, server_hostname="127.0.0.1") as secured:
        accepting.join(5)
        with accepted[0]:
            shared = SharedSocket(secured, write_timeout=5)
            shared.shutdown(socket.SHUT_RDWR)
            assert secured.version() is not None
            with pytest.raises(OSError, match=r"."):
                shared.send(b"a secret")
