"""An endpoint for Prometheus, on loopback unless told otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from attrs import field, frozen

from hivemind_client_metrics.book import BOOK, TOTALS

if TYPE_CHECKING:
    from threading import Thread
    from wsgiref.simple_server import WSGIServer

    from prometheus_client.core import Metric

_LABELS = ("direction", "type")


@frozen
class Endpoint:
    """Serves the figures at `url` until you close it. You can use it in a `with` statement."""

    host: str
    port: int
    _server: WSGIServer = field(repr=False)
    _thread: Thread = field(repr=False)

    @property
    def url(self) -> str:
        """The address that Prometheus reads."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/metrics"

    def close(self) -> None:
        """Stop listening, and wait until the thread ends."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Endpoint:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class _Collector:
    """Reads the book when Prometheus asks."""

    def collect(self) -> Iterator[Metric]:
        """All figures, as Prometheus has them."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        for name, text, counts in (
            ("messages", "messages of sessions", BOOK.messages()),
            ("message_bytes", "bytes of messages on the wire", BOOK.sizes()),
        ):
            family = CounterMetricFamily(f"hivemind_client_{name}", text, labels=_LABELS)
            for labels, count in counts.items():
                family.add_metric(labels, count)
            yield family
        for name, count in BOOK.totals().items():
            yield CounterMetricFamily(f"hivemind_client_{name}", TOTALS[name], value=count)
        yield GaugeMetricFamily("hivemind_client_connected", "clients with a session", value=BOOK.connected())
        seconds = BOOK.round_trip()
        if seconds is not None:
            text = "the longest of the last round trips of all clients"
            yield GaugeMetricFamily("hivemind_client_round_trip_seconds", text, value=seconds)

    def describe(self) -> Iterable[Metric]:
        """Nothing is known before it is read."""
        return []


def listen(host: str, port: int) -> Endpoint:
    """Serve the figures for Prometheus on a thread; `port` 0 takes a free one.

    Raises ImportError without the extra `prometheus`, OSError where it cannot listen. There is neither TLS nor a
    password: keep it on loopback, or in a network that you trust.
    """
    from prometheus_client import CollectorRegistry, start_http_server

    registry = CollectorRegistry()
    registry.register(_Collector())
    server, thread = start_http_server(port, host, registry)
    return Endpoint(host, int(server.server_port), server, thread)


def read_address(text: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT`. Raises ValueError for anything else."""
    host, _, port = text.strip().rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise ValueError(f"{text!r} is no HOST:PORT such as 127.0.0.1:9464")
    return host.strip("[]"), int(port)
