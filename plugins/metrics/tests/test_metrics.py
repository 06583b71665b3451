"""What is counted, what OpenTelemetry and Prometheus are told, and that nothing is done unasked."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import textwrap
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from queue import Queue
from types import SimpleNamespace
from typing import Any

import pytest
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

import hivemind_client_metrics
from hivemind_client_metrics import disable, enable, serve
from hivemind_client_metrics.book import TOTALS, Book, kind_of
from hivemind_client_metrics.endpoint import read_address
from hivemind_core_client import HiveMessage, HiveMessageBusClient, NodeIdentity
from hivemind_core_client.plugins.manager import load_plugins
from hivemind_core_client.testing import EmbeddedHub

PASSWORD = "7f3c9a51e08b4d26bb0c4f19d2e6a785"
ALONE = {"plugins": ["metrics"]}
PROGRAM = """
import json, sys
from hivemind_core_client import FakeHiveMessageBus, HiveMessage
with FakeHiveMessageBus(plugins=["metrics"]) as bus:
    bus.emit(HiveMessage("3rdparty", {}))
    (state,) = [[info.state, info.error] for info in bus.plugins.report if info.name == "metrics"]
    observed = bus.plugins.observes("hivemind_message_sent")
loaded = [name for name in ("opentelemetry", "prometheus_client") if name in sys.modules]
print(json.dumps({"state": state, "observed": observed, "loaded": loaded}))
"""


@pytest.fixture(scope="module")
def reader() -> InMemoryMetricReader:
    """The SDK, which a process can be given once."""
    reader = InMemoryMetricReader()
    metrics.set_meter_provider(MeterProvider([reader]))
    return reader


@pytest.fixture(autouse=True)
def _off_in_the_end() -> Iterator[None]:
    yield
    disable()


def told(reader: InMemoryMetricReader) -> dict[tuple[str, ...], Any]:
    """Name, direction and type of each figure, with the figure; of a histogram its sum."""
    data = reader.get_metrics_data()
    found: dict[tuple[str, ...], Any] = {}
    for resource in data.resource_metrics if data else []:
        for metric in [each for scope in resource.scope_metrics for each in scope.metrics]:
            for point in metric.data.data_points:
                key = (metric.name, *map(str, (point.attributes or {}).values()))
                found[key] = getattr(point, "sum", None) if hasattr(point, "sum") else point.value  # type: ignore[union-attr]
    return found


def converse() -> None:
    """One message up, and two down."""
    with EmbeddedHub({"KEY": PASSWORD}) as hub:
        identity, heard = NodeIdentity({}), Queue[Any]()
        with HiveMessageBusClient("KEY", PASSWORD, host=hub.url, identity=identity, **ALONE) as client:
            client.on("3rdparty", heard.put)
            client.emit(HiveMessage("3rdparty", {"secret": "of the wire"}))
            hub.wait_for("3rdparty")
            for _ in range(2):
                hub.broadcast(HiveMessage("3rdparty", {}))
                heard.get(timeout=20)
            client.round_trip()


def program(**variables: str) -> Any:
    """What becomes of the plugin in a process of its own with these variables."""
    import os

    environment = {name: value for name, value in os.environ.items() if not name.startswith("HIVEMIND_")}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROGRAM)],
        env={**environment, **variables},
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
    )
    return json.loads(done.stdout)


def test_opentelemetry_is_told(reader: InMemoryMetricReader) -> None:
    enable()
    before = told(reader)
    converse()
    after = told(reader)

    def grown(*key: str) -> Any:
        return after[key] - before.get(key, 0)

    assert grown("hivemind.client.messages", "received", "3rdparty") == 2
    assert grown("hivemind.client.messages", "sent", "3rdparty") == 1
    sizes = grown("hivemind.client.message.size", "sent", "3rdparty")
    assert sizes == grown("hivemind.client.message.bytes", "sent", "3rdparty") > 20
    assert grown("hivemind.client.confirmed") >= 1 and grown("hivemind.client.in_doubt") == 0
    assert 0 < after[("hivemind.client.round_trip",)] < 20
    assert after[("hivemind.client.connected",)] == 0
    assert "of the wire" not in str(after)


def test_prometheus_reads_on_loopback() -> None:
    with serve(port=0) as endpoint:
        assert endpoint.host == "127.0.0.1" and endpoint.url == f"http://127.0.0.1:{endpoint.port}/metrics"
        converse()
        with urllib.request.urlopen(endpoint.url, timeout=20) as answer:
            text = answer.read().decode()
    lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert float(lines['hivemind_client_messages_total{direction="sent",type="3rdparty"}']) >= 1
    assert float(lines['hivemind_client_message_bytes_total{direction="received",type="3rdparty"}']) > 20
    assert float(lines["hivemind_client_reconnects_total"]) >= 0
    assert lines["hivemind_client_connected"] == "0.0"
    assert 0 < float(lines["hivemind_client_round_trip_seconds"]) < 20
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(endpoint.url, timeout=5)


def test_the_readme_says_where_to_install_it_and_what_to_read() -> None:
    folder = Path(__file__).parents[1]
    text = (folder / "README.md").read_text(encoding="utf-8")
    with serve(port=0) as endpoint:
        path = endpoint.url.partition(str(endpoint.port))[2]
    assert f"http://127.0.0.1:9464{path}" in text
    assert "in the folder of the clone, which has `plugins/` in it" in text
    assert (folder.parents[1] / "plugins" / "metrics").samefile(folder)


def test_nothing_is_done_or_imported_unasked() -> None:
    assert program() == {"state": ["loaded", ""], "observed": False, "loaded": []}


def test_the_environment_asks_for_it() -> None:
    asked = program(HIVEMIND_METRICS="OpenTelemetry")
    assert asked == {"state": ["loaded", ""], "observed": True, "loaded": ["opentelemetry"]}
    both = program(HIVEMIND_METRICS="opentelemetry, prometheus", HIVEMIND_METRICS_ADDRESS="127.0.0.1:0")
    assert both["observed"] and both["loaded"] == ["opentelemetry", "prometheus_client"]


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({"HIVEMIND_METRICS": "graphite"}, "HIVEMIND_METRICS names graphite"),
        ({"HIVEMIND_METRICS": "prometheus", "HIVEMIND_METRICS_ADDRESS": "9464"}, "no HOST:PORT"),
    ],
)
def test_what_is_asked_for_and_is_not_there_is_told(variables: dict[str, str], reason: str) -> None:
    asked = program(**variables)
    assert asked["state"][0] == "failed" and reason in asked["state"][1]


def test_a_port_that_is_taken_stops_nobody() -> None:
    with serve(port=0) as endpoint:
        asked = program(HIVEMIND_METRICS="prometheus", HIVEMIND_METRICS_ADDRESS=f"127.0.0.1:{endpoint.port}")
    assert asked["state"] == ["loaded", ""] and asked["observed"]


def test_it_is_turned_on_and_off_by_a_call() -> None:
    enable()
    enable()
    assert load_plugins(["metrics"]).observes("hivemind_message_arrived")
    disable()
    disable()
    assert not load_plugins(["metrics"]).observes("hivemind_message_arrived")


def test_the_figures_of_a_client_that_is_gone_stay() -> None:
    figures = dict.fromkeys(TOTALS, 2)

    class Client:
        metrics = SimpleNamespace(**figures, round_trip=0.5)
        connected_event = SimpleNamespace(is_set=lambda: True)

    book, client, other = Book(), Client(), Client()
    book.client(client)
    book.client(other)
    assert book.totals()["in_doubt"] == 4 and book.connected() == 2 and book.round_trip() == 0.5
    del client, other
    gc.collect()
    assert book.totals()["in_doubt"] == 4 and book.connected() == 0 and book.round_trip() is None


def test_a_label_is_a_type_of_the_protocol_and_nothing_else() -> None:
    assert kind_of(HiveMessage("3rdparty", {})) == "3rdparty"
    assert kind_of(SimpleNamespace(msg_type="a type of a plugin")) == "other"  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["", "9464", "host:", "host:port", ":1", "h:99999"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no HOST:PORT"):
        read_address(text)


def test_an_address_may_be_of_version_6() -> None:
    assert read_address("[::1]:9464") == ("::1", 9464)


def test_the_package_has_no_other_names() -> None:
    assert not hasattr(hivemind_client_metrics, "nonsense")
