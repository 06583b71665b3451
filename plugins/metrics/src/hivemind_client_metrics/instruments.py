"""What OpenTelemetry is told. Without its SDK all of this does nothing."""

from __future__ import annotations

from collections.abc import Iterable

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation

from hivemind_client_metrics import __version__
from hivemind_client_metrics.book import BOOK, TOTALS

_meter = metrics.get_meter("hivemind_client_metrics", __version__)
_size = _meter.create_histogram("hivemind.client.message.size", "By", "sizes of messages on the wire")


def record_size(direction: str, kind: str, size: int) -> None:
    """Note the size of one message, in bytes."""
    _size.record(size, attributes_of(direction, kind))


def attributes_of(direction: str, kind: str) -> dict[str, str]:
    """The attributes of what is counted by direction and type."""
    return {"hivemind.direction": direction, "hivemind.message.type": kind}


def _messages(options: CallbackOptions) -> Iterable[Observation]:
    return [Observation(count, attributes_of(*key)) for key, count in BOOK.messages().items()]


def _bytes(options: CallbackOptions) -> Iterable[Observation]:
    return [Observation(count, attributes_of(*key)) for key, count in BOOK.sizes().items()]


def _connected(options: CallbackOptions) -> Iterable[Observation]:
    return [Observation(BOOK.connected())]


def _round_trip(options: CallbackOptions) -> Iterable[Observation]:
    seconds = BOOK.round_trip()
    return [] if seconds is None else [Observation(seconds)]


def _observe_total(name: str, text: str) -> None:
    def read(options: CallbackOptions) -> Iterable[Observation]:
        return [Observation(BOOK.totals()[name])]

    _meter.create_observable_counter(f"hivemind.client.{name}", [read], "1", text)


_meter.create_observable_counter("hivemind.client.messages", [_messages], "{message}", "messages of sessions")
_meter.create_observable_counter(
    "hivemind.client.message.bytes", [_bytes], "By", "bytes of messages on the wire"
)
_meter.create_observable_gauge(
    "hivemind.client.connected", [_connected], "{client}", "clients with a session"
)
_meter.create_observable_gauge(
    "hivemind.client.round_trip", [_round_trip], "s", "the longest of the last round trips of all clients"
)
for _name, _text in TOTALS.items():
    _observe_total(_name, _text)
