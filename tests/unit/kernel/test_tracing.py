"""The trace: what a connection does, by types, sizes, states and times, and nothing of what messages say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Optional

import pytest

from hivemind_core_client import errors as err
from hivemind_core_client.kernel.delivery import Ledger
from hivemind_core_client.kernel.lifecycle import ClientHistory, ConnectionLifecycle
from hivemind_core_client.kernel.link import Link
from hivemind_core_client.kernel.options import Credentials, LinkOptions
from hivemind_core_client.kernel.policy import Backoff, Deadlines
from hivemind_core_client.kernel.tracer import SILENT, TracedLife, Tracer, TracingDelivery
from hivemind_core_client.kernel.tracing import TracedLink, types_of
from hivemind_core_client.message import HiveMessage, HiveMessageType, HiveMindBinaryPayloadType
from hivemind_core_client.plugins.contract import CancelTimer, MessageHandler, SetTimer
from tests.unit.support import KEY, PASSWORD, WHERE, Hub, new_context, plugin, plugins_of

T = HiveMessageType
SECRET = "open sesame"
BUS = HiveMessage("bus", {"type": "my.type", "data": {"said": SECRET}, "context": {}})


class Trace:
    """The lines of a trace without their times, and a clock that goes on by a second each time that it is read."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.time = 0.0
        self.tracer = Tracer(self.keep, self.clock)

    def keep(self, line: str) -> None:
        _, mark, text = line.partition(" s  ")
        assert mark, line
        self.lines.append(" ".join(text.split()))

    def clock(self) -> float:
        self.time += 1.0
        return self.time


@pytest.fixture
def trace() -> Trace:
    return Trace()


class LinkThatTells(TracedLink, Link):
    pass


def traced(trace: Trace, credentials: Optional[Credentials] = None, *plugins: Any) -> Hub:
    tables = plugins_of(*plugins).registry()
    link = LinkThatTells(
        tables, new_context(), LinkOptions(WHERE, credentials=credentials or Credentials(password=PASSWORD))
    )
    link.tracer = trace.tracer
    link.opened()
    return Hub(link)


def keyed(trace: Trace, *plugins: Any) -> Hub:
    hub = traced(trace, Credentials(crypto_key=KEY), *plugins)
    hub.preshared()
    trace.lines.clear()
    return hub


def test_a_line_has_its_time_and_what_it_is_about() -> None:
    lines: list[str] = []
    times = iter([5.0, 5.25])
    Tracer(lines.append, lambda: next(times)).note("frame", "some text")
    assert lines == ["    0.250 s  frame   some text"]


def test_a_sink_that_raises_is_logged_once_and_costs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def fail(line: str) -> None:
        raise SystemExit(line)

    tracer = Tracer(fail, float)
    tracer.note("frame", "one")
    tracer.note("frame", "two")
    assert caplog.text.count("the trace raised") == 1


def test_phases_and_how_they_end(trace: Trace) -> None:
    with trace.tracer.phase("tcp", 10):
        pass
    with pytest.raises(KeyError), trace.tracer.phase("tls", 0.5):
        raise KeyError
    assert trace.lines[0] == "phase tcp begins, 10 s at most"
    assert trace.lines[1].startswith("phase tcp done in ")
    assert trace.lines[2] == "phase tls begins, 0.5 s at most"
    assert trace.lines[3].startswith("phase tls failed after ") and trace.lines[3].endswith(": KeyError")
    with SILENT.phase("tcp", 1):
        pass


def test_a_handshake(trace: Trace) -> None:
    hub = traced(trace)
    hub.hello()
    hub.offer()
    hub.answer()
    kinds = [line for line in trace.lines if "bytes" not in line]
    assert kinds[0] == "state idle → awaiting hello: the transport is open"
    assert kinds[1].startswith("state awaiting hello → awaiting offer")
    assert kinds[2].startswith("state awaiting offer → awaiting answer")
    assert kinds[3].startswith("state protocol version ") and "password" in kinds[3]
    frames = [(line.split()[1], line.split()[-1]) for line in trace.lines if "bytes" in line]
    assert frames == [
        ("←", "HELLO"),
        ("←", "HANDSHAKE"),
        ("→", "HANDSHAKE"),
        ("←", "HANDSHAKE"),
        ("→", "HELLO"),
    ]
    assert PASSWORD not in str(trace.lines)


def test_frames_of_a_session_by_size_and_types(trace: Trace) -> None:
    hub = keyed(trace)
    frame = hub.link.seal(hub.link.prepare(BUS))[0]
    assert trace.lines == [f"frame → text {len(frame)} bytes BUS my.type"]
    down = hub.seal(HiveMessage("broadcast", BUS).serialize())
    hub.feed(down)
    assert trace.lines[1] == f"frame ← text {len(down)} bytes BROADCAST > BUS my.type"
    hub.feed("nonsense")
    assert trace.lines[2].startswith("frame ← text 8 bytes dropped: ")
    assert SECRET not in str(trace.lines)


def test_what_is_dropped_after_it_was_read(trace: Trace) -> None:
    hub = traced(trace)
    hub.clear(T.HANDSHAKE, envelope="00")
    hub.hello()
    hub.offer()
    trace.lines.clear()
    hub.clear(T.HANDSHAKE, envelope="no envelope", cipher="AES-GCM", encoding="JSON-HEX")
    assert any(line.startswith("frame ← the same dropped: ") for line in trace.lines), trace.lines
    hub.clear(T.HANDSHAKE)
    assert trace.lines[-1].endswith("no message yet")


def test_long_frames_that_are_opened_apart(trace: Trace) -> None:
    hub = keyed(trace)
    long = HiveMessage("3rdparty", {"text": SECRET * 30_000})
    events = hub.link.receive(hub.seal(long.serialize()), apart=True)
    while events and hasattr(events[-1], "work"):
        assert trace.lines == []
        events = events[-1].work()()
    (line,) = trace.lines
    assert line.startswith("frame ← text ") and line.endswith(" bytes THIRDPRTY")


def test_timers_of_handlers(trace: Trace) -> None:
    def receive(context: Any, message: HiveMessage) -> Iterator[Any]:
        yield SetTimer(T.THIRDPRTY, "secret key", 5.0)
        yield CancelTimer(T.THIRDPRTY, "secret key")

    handler = MessageHandler(T.THIRDPRTY, "bell", receive, on_timer=lambda context, key: [])
    hub = keyed(trace, plugin("bell", hivemind_message_handlers=lambda: [handler]))
    hub.feed(hub.seal(HiveMessage("3rdparty", {}).serialize()))
    hub.link.due(T.THIRDPRTY, "secret key")
    timers = [line for line in trace.lines if line.startswith("timer")]
    assert timers == [
        "timer set to 5 s, for 3rdparty",
        "timer cancelled, for 3rdparty",
        "timer due, for 3rdparty",
    ]
    assert "secret key" not in str(trace.lines)


def test_the_end_of_a_connection_is_told_once(trace: Trace) -> None:
    hub = keyed(trace)
    hub.link.ended(1001, "going\x1b[2J away", now=0.0)
    hub.link.ended(now=0.0)
    assert trace.lines == [
        "frame ← close frame 1001: going?[2J away",
        "state established → closed: the transport is closed",
    ]
    trace.lines.clear()
    keyed(trace).link.ended(1000, now=0.0)
    assert trace.lines[0] == "frame ← close frame 1000"


TYPES: list[tuple[HiveMessage, str]] = [
    (BUS, "BUS my.type"),
    (HiveMessage("propagate", HiveMessage("broadcast", BUS)), "PROPAGATE > BROADCAST > BUS my.type"),
    (HiveMessage("propagate", {"msg_type": "evil\x1b[2J", "payload": 5}), "PROPAGATE > EVIL?[2J"),
    (HiveMessage("propagate", {"msg_type": "ping", "payload": {"a": SECRET}}), "PROPAGATE > PING"),
    (HiveMessage("bin", b"x", bin_type=HiveMindBinaryPayloadType.FILE), "BINARY FILE"),
    (HiveMessage("3rdparty", {"type": SECRET}), "THIRDPRTY"),
]


@pytest.mark.parametrize(("message", "types"), TYPES, ids=[types for _, types in TYPES])
def test_types_from_the_outside_in(message: HiveMessage, types: str) -> None:
    assert types_of(message) == types


def test_types_within_types_are_told_to_a_bound() -> None:
    message = BUS
    for _ in range(50):
        message = HiveMessage("propagate", message)
    assert len(types_of(message)) < 200


class Life(TracedLife, ConnectionLifecycle):
    pass


def life_of(trace: Trace) -> Life:
    backoff = Backoff(chance=lambda: 0.5)
    history = ClientHistory(lambda: "k")
    return Life(trace.tracer, lambda: WHERE, Deadlines(), backoff, lambda error: None, trace.clock, history)


def test_the_life_of_a_client(trace: Trace) -> None:
    life = life_of(trace)
    life.begin(1)
    life.ended(err.HubUnreachable("nobody listens"))
    life.established()
    life.stop()
    life.ended(err.ClientClosed("the client is closed"))
    life.finish()
    assert trace.lines == [
        f"client the hub is {WHERE}",
        "client idle → connecting: connect was called",
        "client the connection ended: HubUnreachable: nobody listens",
        "client connecting → connecting: no session came, and one of the attempts that are left is made",
        "timer the next attempt comes in 1.00 s",
        "client connecting → connected: a session stands",
        "client the connection ended: ClientClosed: the client is closed",
        "client connected → closed: the client was closed, or its attempts are used up",
    ]


def test_pings_and_pongs(trace: Trace) -> None:
    inner = Ledger().opened()
    delivery = TracingDelivery(inner, trace.tracer)
    delivery.asks = False
    assert not inner.asks and not delivery.asks
    inner.handed(BUS, ["x"])
    assert delivery.is_unconfirmed
    ping = delivery.asked(1.0)
    assert delivery.asked_at == 1.0
    delivery.ponged(ping, 1.5)
    assert delivery.asked_at is None
    assert not inner.is_unconfirmed
    delivery.ponged(b"unasked", 2.0)
    delivery.measured(2.5)
    assert trace.lines == [
        "ping → ping",
        "ping ← pong, after 500.0 ms",
        "ping ← pong",
        "ping polled, in 2.50 s",
    ]
