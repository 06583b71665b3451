"""What a connection with a broker does when broker, hub or another satellite do not what they should: both forms."""

from __future__ import annotations

import asyncio
import datetime
import socket
import ssl
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Optional

import pytest
from attrs import evolve
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hivemind_client_mqtt.giving_way import GIVE_WAY_S
from hivemind_client_mqtt.plugin import hivemind_transports
from hivemind_client_mqtt.testing import EmbeddedBroker
from hivemind_core_client.config.settings import read_address
from hivemind_core_client.config.tls import Tls
from hivemind_core_client.errors import (
    BrokerRefused,
    BrokerUnreachable,
    ConnectionLost,
    HandshakeAgain,
    HiveMindError,
    HubOffline,
    InvalidOption,
    SecureConnectionFailed,
)
from hivemind_core_client.kernel.policy import Deadlines
from hivemind_core_client.plugins.contract import Closed, TransportSettings
from hivemind_core_client.testing.certificates import self_signed

OFFERS = {scheme: offer for offer in hivemind_transports() for scheme in offer.schemes}
UP, DOWN, STATUS = "hivemind/KEY/in", "hivemind/KEY/out", "hivemind/KEY/status"
HUB_STATUS = "hivemind/unnamed-node/status"
HELLO = b'{"msg_type": "hello", "payload": {}}'
REFUSED = 135


def settings_of(url: str, **more: Any) -> TransportSettings:
    """What a connection is opened with; deadlines are short, as everything is near."""
    address = read_address(url, transports=OFFERS)
    plain: dict[str, Any] = {
        "address": address,
        "url": "",
        "useragent": "agent",
        "key": "KEY",
        "tls": Tls(),
        "deadlines": Deadlines(tcp=5, tls=5, upgrade=5, first_frame=5),
        "largest_frame": 2**20,
        "largest_early": 2**20,
    }
    return TransportSettings(**{**plain, **more})


class Blocking:
    """A carrier of the blocking form."""

    def __init__(self, settings: TransportSettings) -> None:
        made = OFFERS[settings.address.scheme].blocking
        assert made is not None
        self.carrier: Any = made(settings)

    def call(self, name: str, *arguments: Any) -> Any:
        return getattr(self.carrier, name)(*arguments)

    def end(self) -> None:
        self.carrier.abort()
        self.carrier.release()


class OnLoop:
    """A carrier of the asyncio form, on a loop of its own."""

    def __init__(self, settings: TransportSettings) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        made = OFFERS[settings.address.scheme].asyncio
        assert made is not None
        self.carrier: Any = self._do(_made(lambda: made(settings)))

    def _do(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    def call(self, name: str, *arguments: Any) -> Any:
        return self._do(getattr(self.carrier, name)(*arguments))

    def end(self) -> None:
        self._do(_made(self.carrier.abort))
        self._do(self.carrier.release())
        self._do(_cancel_all())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _cancel_all() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


async def _made(make: Callable[[], Any]) -> Any:
    return make()


FORMS = [Blocking, *([OnLoop] if sys.version_info >= (3, 10) else [])]
Form = Callable[[TransportSettings], Any]


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest) -> Form:
    """One form of the transport."""
    kind: Form = request.param
    return kind


@contextmanager
def connected(form: Form, settings: TransportSettings) -> Iterator[Any]:
    made = form(settings)
    try:
        made.call("open")
        yield made
    finally:
        made.end()


def failure(form: Form, settings: TransportSettings, then: str = "") -> HiveMindError:
    """What `open` raises, or `then` what is called after it."""
    made = form(settings)
    try:
        with pytest.raises(HiveMindError) as told:
            _open_and_call(made, then)
        return told.value
    finally:
        made.end()


def _open_and_call(made: Any, then: str) -> None:
    made.call("open")
    made.call(then)


class Hub:
    """The hub's side: it says hello to the first frame, and keeps the others."""

    def __init__(self, broker: EmbeddedBroker, hello: Optional[bytes] = HELLO, refuses: bool = False) -> None:
        self.refuses = refuses
        self.broker = broker
        self.hello = hello
        self.heard: list[bytes] = []
        self.was_told: list[bytes] = []
        self.calls = 0
        self.came = threading.Condition()
        broker.listen("hivemind/+/in", self._came)
        broker.listen("hivemind/+/status", self._status)

    def _came(self, topic: str, payload: bytes) -> None:
        with self.came:
            if payload == b"{}":
                self.calls += 1
            else:
                self.heard.append(payload)
            self.came.notify_all()
        if payload == b"{}" and self.hello is not None:
            self.broker.publish(DOWN, self.hello, qos=1)
        if self.refuses:
            self.broker.publish(STATUS, b"offline", qos=1, retain=True)

    def _status(self, topic: str, payload: bytes) -> None:
        with self.came:
            if topic == STATUS:
                self.was_told.append(payload)
            self.came.notify_all()

    def waits_for(self, reached: Callable[[], object]) -> bool:
        with self.came:
            return self.came.wait_for(lambda: bool(reached()), 10)


@pytest.mark.parametrize("speaks_new", [True, False])
def test_a_session_from_coming_to_going(form: Form, speaks_new: bool) -> None:
    with EmbeddedBroker(speaks_new=speaks_new) as broker:
        hub = Hub(broker)
        settings = settings_of(broker.url)
        with connected(form, settings) as carrier:
            assert carrier.call("receive") == HELLO.decode()
            assert broker.kept[STATUS] == b"online"
            carrier.call("send", "text")
            carrier.call("send", b"\xff\x00")
            assert hub.waits_for(lambda: len(hub.heard) == 2)
            assert hub.heard == [b"text", b"\xff\x00"]
            broker.publish(DOWN, b"{\xff", qos=0)
            assert carrier.call("receive") == b"{\xff"
            carrier.call("farewell")
            assert hub.waits_for(lambda: len(hub.was_told) == 3)
        assert hub.was_told == [b"offline", b"online", b"offline"]
        assert broker.kept[STATUS] == b"offline"
        with connected(form, settings):  # which knows by now what the broker speaks
            assert hub.waits_for(lambda: hub.was_told[-1] == b"online")


def test_what_the_broker_keeps_of_a_satellite_that_is_gone_without_a_word(
    form: Form, broker: EmbeddedBroker
) -> None:
    hub = Hub(broker)
    with connected(form, settings_of(broker.url)) as carrier:
        carrier.call("receive")
    assert hub.waits_for(lambda: hub.was_told[-1] == b"offline" and len(hub.was_told) == 3)


def test_a_second_connection_of_a_satellite_ends_the_first_before_it_begins(
    form: Form, broker: EmbeddedBroker
) -> None:
    hub = Hub(broker)
    with connected(form, settings_of(broker.url)) as first:
        assert first.call("receive") == HELLO.decode()
        with connected(form, settings_of(broker.url)) as second:
            assert hub.waits_for(lambda: len(hub.was_told) >= 5)
            assert hub.was_told[:5] == [b"offline", b"online", b"offline", b"offline", b"online"]
            with pytest.raises(
                ConnectionLost, match=r"another satellite has come .* with the same access key"
            ):
                first.call("receive")
            assert second.call("receive") == HELLO.decode()
            assert len(broker.client_ids) == 1


def test_who_was_pushed_aside_waits_until_the_other_has_gone(form: Form, broker: EmbeddedBroker) -> None:
    hub = Hub(broker)
    settings = settings_of(broker.url)
    with connected(form, settings) as first:
        first.call("receive")
        with connected(form, settings_of(broker.url)) as second:
            second.call("receive")
            with pytest.raises(ConnectionLost):
                first.call("receive")
            again = form(settings)
            opening = threading.Thread(target=again.call, args=("open",), daemon=True)
            told = len(hub.was_told)
            opening.start()
            opening.join(0.5)
            assert opening.is_alive()
            assert hub.was_told[told:] == []
            second.call("farewell")
        opening.join(10)
        assert not opening.is_alive()
        assert again.call("receive") == HELLO.decode()
        again.end()


def test_who_lost_the_broker_does_not_wait_for_itself(form: Form, broker: EmbeddedBroker) -> None:
    Hub(broker)
    settings = settings_of(broker.url)
    with connected(form, settings) as carrier:
        carrier.call("receive")
        kept = broker.kept[STATUS]
        broker.drop()
        with pytest.raises(ConnectionLost):
            carrier.call("receive")
    assert kept == b"online"
    began = time.monotonic()
    with connected(form, settings) as carrier:
        assert carrier.call("receive") == HELLO.decode()
    assert time.monotonic() - began < GIVE_WAY_S


def test_the_broker_refuses_the_login(form: Form) -> None:
    with EmbeddedBroker(logins={"kitchen": "sekret"}) as broker:
        error = failure(form, settings_of(broker.url))
        assert isinstance(error, BrokerRefused)
        assert "wants a login at the broker" in str(error) and "broker_password" in str(error)
        wrong = {"broker_username": "kitchen", "broker_password": "wrong-one"}
        error = failure(form, settings_of(broker.url, options=wrong))
        assert "wants another login" in str(error) and "wrong-one" not in str(error)
        Hub(broker)
        right = {"broker_username": "kitchen", "broker_password": "sekret"}
        with connected(form, settings_of(broker.url, options=right)) as carrier:
            assert carrier.call("receive") == HELLO.decode()


@pytest.mark.parametrize(
    ("topic", "what"),
    [
        (UP, "write to the topic hivemind/KEY/in"),
        (DOWN, "read the topic hivemind/KEY/out"),
        (STATUS, "read the topic hivemind/KEY/status"),
    ],
)
def test_the_broker_refuses_a_topic(form: Form, topic: str, what: str) -> None:
    real = topic.replace("KEY", "sekret-key")
    with EmbeddedBroker(denied=(real,)) as broker:
        Hub(broker)
        then = "receive" if topic == UP else ""
        error = failure(form, settings_of(broker.url, key="sekret-key"), then)
    assert isinstance(error, BrokerRefused)
    assert what in str(error) and "sekret" not in str(error)


def test_a_broker_of_old_refuses_a_topic_in_silence(form: Form) -> None:
    with EmbeddedBroker(denied=(STATUS,), speaks_new=False) as broker:
        error = failure(form, settings_of(broker.url, deadlines=Deadlines(upgrade=0.3)))
    assert isinstance(error, BrokerRefused)
    assert "does not pass on what this client writes to the topic hivemind/KEY/status" in str(error)


def test_a_topic_of_the_hub_that_may_not_be_read_does_no_harm(form: Form) -> None:
    with EmbeddedBroker(denied=(HUB_STATUS,)) as broker:
        Hub(broker)
        with connected(form, settings_of(broker.url)) as carrier:
            assert carrier.call("receive") == HELLO.decode()


def test_nothing_listens(form: Form) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    error = failure(form, settings_of(f"mqtt://127.0.0.1:{port}"))
    assert isinstance(error, BrokerUnreachable)
    assert "no broker answers at mqtt://127.0.0.1" in str(error)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (None, "does not answer as an MQTT broker does"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "the broker"),
        (b"\x20\x02", "does not answer as an MQTT broker does"),
        (b"\x20\x03\x00\x88\x00", "takes no clients at the moment"),
        (b"", "hung up"),
    ],
)
def test_something_else_listens(form: Form, answer: Optional[bytes], said: str) -> None:
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            kept.append(connection)
            if answer is not None:
                connection.recv(1000)
                connection.sendall(answer)
            if answer == b"":
                connection.close()

    kept: list[socket.socket] = []
    threading.Thread(target=serve, daemon=True).start()
    try:
        url = f"mqtt://127.0.0.1:{server.getsockname()[1]}"
        error = failure(form, settings_of(url, deadlines=Deadlines(upgrade=0.3)))
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        for connection in kept:
            connection.close()
    assert isinstance(error, BrokerUnreachable)
    assert said in str(error)


def test_nobody_listens_to_the_wake_up(form: Form, broker: EmbeddedBroker) -> None:
    error = failure(form, settings_of(broker.url, deadlines=Deadlines(first_frame=1)), "receive")
    assert isinstance(error, HubOffline)
    assert "nobody reads the topic hivemind/KEY/in there" in str(error)


def test_a_hub_that_is_silent(form: Form, broker: EmbeddedBroker) -> None:
    hub = Hub(broker, hello=None)
    error = failure(form, settings_of(broker.url, deadlines=Deadlines(first_frame=1.5)), "receive")
    assert isinstance(error, HubOffline)
    assert "it does not know the access key, which over MQTT it does not say" in str(error)
    assert hub.calls == 2


def test_a_hub_that_says_it_is_offline_behind_a_broker_of_old(form: Form) -> None:
    with EmbeddedBroker(speaks_new=False) as broker:
        broker.publish(HUB_STATUS, b"offline", retain=True)
        error = failure(form, settings_of(broker.url, deadlines=Deadlines(first_frame=1)), "receive")
    assert isinstance(error, HubOffline)
    assert "its status, hivemind/unnamed-node/status, is offline" in str(error)


def test_what_the_broker_keeps_of_the_hub_may_be_old(form: Form, broker: EmbeddedBroker) -> None:
    broker.publish(HUB_STATUS, b"offline", retain=True)
    Hub(broker)
    with connected(form, settings_of(broker.url)) as carrier:
        assert carrier.call("receive") == HELLO.decode()
        carrier.call("send", b"x")


def test_a_hub_that_comes_is_called_at_once(form: Form, broker: EmbeddedBroker) -> None:
    hub = Hub(broker, hello=None)
    with connected(form, settings_of(broker.url)) as carrier:
        assert hub.waits_for(lambda: hub.calls == 1)
        hub.hello = HELLO
        broker.publish(HUB_STATUS, b"online", retain=True)
        assert carrier.call("receive") == HELLO.decode()
        assert hub.calls == 2


def test_a_hub_that_goes_ends_the_session(form: Form, broker: EmbeddedBroker) -> None:
    Hub(broker)
    with connected(form, settings_of(broker.url)) as carrier:
        carrier.call("receive")
        broker.publish(DOWN, b"the last", qos=0)
        broker.publish(HUB_STATUS, b"offline", retain=True)
        assert carrier.call("receive") == b"the last"
        ended = carrier.call("receive")
        assert ended == Closed(1001, "its status is offline")
        assert carrier.call("receive") == ended
        with pytest.raises(ConnectionLost, match="has gone: its status is offline"):
            carrier.call("send", b"x")


def test_a_hub_that_ends_the_session(form: Form, broker: EmbeddedBroker) -> None:
    Hub(broker)
    with connected(form, settings_of(broker.url)) as carrier:
        carrier.call("receive")
        broker.publish(STATUS, b"offline", qos=1, retain=True)
        assert carrier.call("receive") == Closed(1008, "the hub has ended the session")


def test_an_end_before_the_hello_may_be_that_of_the_session_before(
    form: Form, broker: EmbeddedBroker
) -> None:
    hub = Hub(broker, hello=None)
    with connected(form, settings_of(broker.url)) as carrier:
        assert hub.waits_for(lambda: hub.calls == 1)
        hub.hello = HELLO
        broker.publish(STATUS, b"offline", qos=1, retain=True)
        assert carrier.call("receive") == HELLO.decode()


class Forgetful(Hub):
    """A hub as it is: it says that a satellite is offline when it forgets it, and hears that itself."""

    has_session = False

    def _came(self, topic: str, payload: bytes) -> None:
        if not self.has_session:
            self.has_session = True
            super()._came(topic, payload)

    def _status(self, topic: str, payload: bytes) -> None:
        super()._status(topic, payload)
        if payload == b"offline" and self.has_session:
            self.has_session = False
            self.broker.publish(STATUS, b"offline", qos=1, retain=True)


def test_a_hub_that_still_has_a_session_forgets_it_before_another_begins(
    form: Form, broker: EmbeddedBroker
) -> None:
    hub, settings = Forgetful(broker), settings_of(broker.url)
    with connected(form, settings) as carrier:
        assert carrier.call("receive") == HELLO.decode()
    hub.has_session = True  # as if its connection with the broker had been away
    with connected(form, settings) as carrier:
        assert carrier.call("receive") == HELLO.decode()
        assert hub.was_told[-1] == b"online"
        assert hub.has_session
        broker.publish(DOWN, b"sealed", qos=0)
        assert carrier.call("receive") == b"sealed"


def test_a_hub_of_whose_session_nobody_knows_forgets_it_too(form: Form, broker: EmbeddedBroker) -> None:
    hub = Forgetful(broker)
    hub.has_session = True
    with connected(form, settings_of(broker.url)) as carrier:
        assert carrier.call("receive") == HELLO.decode()
        assert hub.has_session and hub.was_told[-1] == b"online"


def test_two_ends_before_the_hello_are_a_refusal(form: Form, broker: EmbeddedBroker) -> None:
    hub = Hub(broker, hello=None, refuses=True)
    with connected(form, settings_of(broker.url)) as carrier:
        assert carrier.call("receive").code == 1008
        assert hub.calls == 2


def _receive_twice(form: Form, settings: TransportSettings) -> Any:
    with connected(form, settings) as carrier:
        assert carrier.call("receive") == HELLO.decode()
        return carrier.call("receive")


def test_the_end_of_a_session_may_be_late_once_and_then_it_is_a_refusal(
    form: Form, broker: EmbeddedBroker
) -> None:
    hub, settings = Hub(broker), settings_of(broker.url)
    with connected(form, settings) as carrier:
        assert carrier.call("receive") == HELLO.decode()
    hub.refuses = True
    with pytest.raises(HandshakeAgain, match="maybe the one before this"):
        _receive_twice(form, settings)
    assert _receive_twice(form, settings).code == 1008


def test_leftovers_of_an_earlier_session_are_dropped(form: Form, broker: EmbeddedBroker) -> None:
    hub = Hub(broker, hello=None)
    broker.publish(DOWN, HELLO, qos=1, retain=True)
    with connected(form, settings_of(broker.url)) as carrier:
        assert hub.waits_for(lambda: hub.calls == 1)
        broker.publish(DOWN, b"\x01\x02", qos=0)
        broker.publish(DOWN, b'{"hello": 1}', qos=1)
        assert carrier.call("receive") == '{"hello": 1}'


@pytest.mark.parametrize(
    ("payload", "qos", "kind"),
    [
        (b"plain", 1, str),
        (b"\xff", 1, bytes),
        (b'{"a": 1}', 0, str),
        (b"[1]", 0, str),
        (b"{a", 0, bytes),
        (b"{\xff}", 0, bytes),
        (b"", 0, bytes),
    ],
)
def test_text_and_bytes_are_told_apart(broker: EmbeddedBroker, payload: bytes, qos: int, kind: type) -> None:
    Hub(broker)
    with connected(Blocking, settings_of(broker.url)) as carrier:
        carrier.call("receive")
        broker.publish(DOWN, payload, qos=qos)
        assert isinstance(carrier.call("receive"), kind)


def test_the_broker_is_lost(form: Form, broker: EmbeddedBroker) -> None:
    Hub(broker)
    with connected(form, settings_of(broker.url)) as carrier:
        carrier.call("receive")
        broker.drop(139)
        with pytest.raises(ConnectionLost, match=r"the broker at .* ended: Server shutting down"):
            carrier.call("receive")
        with pytest.raises(ConnectionLost):
            carrier.call("send", b"x")


def test_a_silence_after_which_the_hub_has_forgotten_us(form: Form, broker: EmbeddedBroker) -> None:
    Hub(broker)
    settings = settings_of(broker.url, options={"idle_timeout": "0.2"}, ping_interval=1)
    with connected(form, settings) as carrier:
        carrier.call("receive")
        ended = carrier.call("receive")
    assert ended == Closed(1001, "nothing was sent for 0.2 s, so it has forgotten this client")


def test_a_broker_that_takes_small_packets_alone(form: Form) -> None:
    with EmbeddedBroker(largest_packet=60_000) as broker:
        error = failure(form, settings_of(broker.url))
    assert isinstance(error, BrokerRefused)
    assert "60,000 bytes at most" in str(error) and "max_packet_size" in str(error)


def test_how_large_a_frame_may_be(form: Form) -> None:
    with EmbeddedBroker(largest_packet=100_000) as broker:
        hub = Hub(broker)
        with connected(form, settings_of(broker.url)) as carrier:
            carrier.call("receive")
            most = carrier.carrier.largest_frame
            carrier.call("send", b"x" * most)
            assert hub.waits_for(lambda: hub.heard)
            carrier.call("send", b"x" * (most + 100))
            with pytest.raises(ConnectionLost, match="Packet too large"):
                carrier.call("receive")


def test_many_frames_are_read_one_after_the_other(form: Form, broker: EmbeddedBroker) -> None:
    Hub(broker)
    with connected(form, settings_of(broker.url)) as carrier:
        carrier.call("receive")
        for number in range(500):
            broker.publish(DOWN, b"%d" % number + b" " * (3 * number))
        assert [int(carrier.call("receive")) for _ in range(500)] == list(range(500))


def test_tls_with_an_authority_and_without(form: Form) -> None:
    with EmbeddedBroker(tls=True) as broker:
        Hub(broker)
        tls = Tls(self_signed=False, ca_file=broker.ca_file)
        with connected(form, settings_of(broker.url, tls=tls)) as carrier:
            assert carrier.call("receive") == HELLO.decode()
            carrier.call("send", b"x" * 200_000)
            for number in range(20):
                broker.publish(DOWN, b"%d" % number + b" " * 5000)
            assert [int(carrier.call("receive")) for _ in range(20)] == list(range(20))
        with connected(form, settings_of(broker.url, tls=Tls(self_signed=True))) as carrier:
            assert carrier.call("receive") == HELLO.decode()
        error = failure(form, settings_of(broker.url, tls=Tls(self_signed=False)))
        assert isinstance(error, SecureConnectionFailed)
        assert "ca_file" in str(error) and "wss" not in str(error)


def test_a_certificate_of_our_own(form: Form, tmp_path: Path) -> None:
    made = own_certificate(tmp_path, "sekret")
    server, ca_file = self_signed("127.0.0.1")
    server.verify_mode = ssl.CERT_REQUIRED
    server.load_verify_locations(made["tls_certfile"])
    with EmbeddedBroker(tls=server) as broker:
        Hub(broker)
        tls = Tls(self_signed=False, ca_file=ca_file)
        with connected(form, settings_of(broker.url, tls=tls, options=made)) as carrier:
            assert carrier.call("receive") == HELLO.decode()
        without = {**made, "tls_keyfile_password": ""}
        error = failure(form, settings_of(broker.url, tls=tls, options=without))
        assert isinstance(error, InvalidOption) and "tls_certfile" in str(error)
        error = failure(form, settings_of(broker.url, tls=tls))
        assert isinstance(error, (BrokerUnreachable, SecureConnectionFailed))


def own_certificate(folder: Path, password: str) -> dict[str, str]:
    """The options for a certificate of a client, whose key has a password."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kitchen")])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(now - datetime.timedelta(minutes=5))
    made = made.not_valid_after(now + datetime.timedelta(days=1))
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    certificate, private = folder / "kitchen.crt", folder / "kitchen.key"
    certificate.write_bytes(made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(password.encode()),
        )
    )
    return {
        "tls_certfile": str(certificate),
        "tls_keyfile": str(private),
        "tls_keyfile_password": password,
    }


def test_a_certificate_that_cannot_be_used(form: Form, broker: EmbeddedBroker) -> None:
    settings = settings_of(broker.url.replace("mqtt:", "mqtts:"), options={"tls_certfile": "/nowhere.pem"})
    error = failure(form, settings)
    assert isinstance(error, InvalidOption)
    assert "the certificate in tls_certfile ('/nowhere.pem') cannot be used" in str(error)


def test_what_is_aborted_before_it_is_open(form: Form, broker: EmbeddedBroker) -> None:
    made = form(evolve(settings_of(broker.url)))
    made.end()
    assert broker.client_ids == []
