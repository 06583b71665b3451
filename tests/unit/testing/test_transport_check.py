"""check_transport: built-in and own transports pass, and each fault is named."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from attrs import evolve

from hivemind_core_client.plugins.contract import Closed, Transport
from hivemind_core_client.testing import HttpGateway, check_transport
from hivemind_core_client.testing.memory import MemoryListener
from hivemind_core_client.testing.transport_check import ECHO_END
from hivemind_core_client.transports.builtin import http, websocket
from tests.unit.support import plugins_of
from tests.unit.transport_support import BLOCKING, BOTH, BlockingSocket, echo, send_back

(WS,), (HTTP,) = websocket.hivemind_transports(), http.hivemind_transports()


@pytest.fixture
def port() -> Iterator[int]:
    with echo() as listening:
        yield listening


def test_the_built_in_websocket_passes(port: int) -> None:
    # Its asyncio form needs Python 3.10.
    usable = WS if sys.version_info >= (3, 10) else evolve(WS, asyncio=None)
    check_transport(usable, f"ws://127.0.0.1:{port}")


class EchoOverHttp(HttpGateway):
    """Keeps what is sent until it is fetched."""

    kept: ClassVar[dict[str, list[str]]] = {}

    def answer(self, method: str, endpoint: str, login: str, form: dict[str, str]) -> Any:
        if endpoint == "connect":
            self.kept.update(messages=[], b64_messages=[])
            return 200, {"status": "Connected"}
        if not self.kept or endpoint == "disconnect":
            self.kept.clear()
            return (409 if endpoint == "send_message" else 200), {"error": "Client is not connected"}
        name = "b64_messages" if "binary" in endpoint + "".join(form) else "messages"
        if endpoint != "send_message":
            waiting, self.kept[name] = self.kept[name], []
            return 200, {name: waiting}
        if form.get("message") == ECHO_END:
            self.kept.clear()
        else:
            self.kept[name].append(form.get("message", ""))
        return 200, {"status": "message sent"}


def test_the_built_in_http_passes() -> None:
    with EchoOverHttp("ws://127.0.0.1:9") as gateway:
        check_transport(evolve(HTTP, largest_frame=2**19), gateway.url, code=None)


def test_the_transport_in_memory_passes() -> None:
    listener = MemoryListener("echo", send_back, 10)
    check_transport(plugins_of().registry().transports["memory"], "memory:echo")
    listener.close()


def test_an_own_transport_passes_in_both_forms(port: int) -> None:
    check_transport(BOTH, f"own://127.0.0.1:{port}")


class Cuts(BlockingSocket):
    def send(self, frame: Any) -> None:
        super().send(frame[:1000])


class AsText(BlockingSocket):
    def receive(self) -> Any:
        got = super().receive()
        return got.decode("latin-1") if isinstance(got, bytes) else got


class Reorders(BlockingSocket):
    _held: Any = None

    def receive(self) -> Any:
        held, self._held = self._held, None
        if held is not None:
            return held
        got = super().receive()
        if isinstance(got, str) and got == "frame 0":
            got, self._held = super().receive(), got
        return got


class NoCode(BlockingSocket):
    def receive(self) -> Any:
        got = super().receive()
        return Closed(None) if isinstance(got, Closed) else got


class Endless(BlockingSocket):
    def receive(self) -> Any:
        got = super().receive()
        return "" if isinstance(got, Closed) else got


class LostByAPing(BlockingSocket):
    """Its pings are answered, and what comes then is lost with the connection."""

    _pinged = False

    def ping(self) -> None:
        super().ping()
        self._pinged = True

    def receive(self) -> Any:
        got = super().receive()
        if self._pinged:
            raise OSError("no frame was expected")
        return got


class Deaf(BlockingSocket):
    """Its abort ends nothing, so that the thread that reads stays until `let_go`."""

    left: ClassVar[list[BlockingSocket]] = []

    def abort(self) -> None:
        self.left.append(self)

    @classmethod
    def let_go(cls) -> None:
        while cls.left:
            BlockingSocket.abort(cls.left.pop())


class Shut(BlockingSocket):
    def open(self) -> None:
        raise OSError("no cable")


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        (Cuts, "a str frame of length 1048576 came back as a str frame of length 1000"),
        (AsText, "a bytes frame of length 0 came back as a str frame"),
        (Reorders, "of 50 frames in a row came"),
        (NoCode, "the peer hung up with 4001, and Closed"),
        (Endless, "when the peer had hung up came a str frame of length 0, not Closed"),
        (LostByAPing, "to receive a frame after the ping raises ConnectionLost: .*no frame was expected"),
        (Shut, "to open raises HubUnreachable: .*no cable"),
    ],
)
def test_a_fault_is_named(kind: Any, fault: str, port: int) -> None:
    with pytest.raises(AssertionError, match=f"blocking form: {fault}"):
        check_transport(evolve(BLOCKING, blocking=kind), f"own://127.0.0.1:{port}")


def test_an_abort_that_wakes_nobody_is_named(port: int) -> None:
    with pytest.raises(AssertionError, match=r"after abort the thread .* goes on: it was not woken"):
        check_transport(evolve(BLOCKING, blocking=Deaf), f"own://127.0.0.1:{port}")
    Deaf.let_go()


def test_a_transport_that_does_less_says_so(port: int) -> None:
    class Silent(BlockingSocket):
        def ping(self) -> None:
            raise RuntimeError("no pings here")

    url = f"own://127.0.0.1:{port}"
    check_transport(Transport("own", Silent, default_port=9), url)
    with pytest.raises(AssertionError, match="to ping raises ConnectionLost"):
        check_transport(Transport("own", Silent, default_port=9, pings=True), url)
