"""What the transport is told, and the topics that follow from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from hivemind_client_mqtt.options import OPTIONS, BrokerOptions, read_options
from hivemind_client_mqtt.plugin import hivemind_transports
from hivemind_core_client.config.settings import read_address
from hivemind_core_client.config.tls import Tls
from hivemind_core_client.errors import InvalidCredential, InvalidOption
from hivemind_core_client.kernel.policy import Deadlines
from hivemind_core_client.plugins.contract import TransportSettings

TRANSPORTS = {name: offer for offer in hivemind_transports() for name in offer.schemes}
NAMES = {option.name for option in OPTIONS}


def settings_of(host: str = "mqtt://broker", key: str = "KEY", **more: Any) -> TransportSettings:
    address = read_address(host, transports=TRANSPORTS)
    return TransportSettings(
        address=address,
        url="",
        useragent="agent",
        key=key,
        tls=Tls(),
        deadlines=Deadlines(),
        largest_frame=2**20,
        largest_early=2**20,
        options={name: more.pop(name) for name in list(more) if name in NAMES},
        **more,
    )


def read(host: str = "mqtt://broker", key: str = "KEY", **more: Any) -> BrokerOptions:
    return read_options(settings_of(host, key, **more))


def test_the_path_is_the_prefix_of_the_topics() -> None:
    topics = read().topics
    assert (topics.up, topics.down) == ("hivemind/KEY/in", "hivemind/KEY/out")
    assert (topics.status, topics.hub_status) == ("hivemind/KEY/status", "hivemind/unnamed-node/status")
    assert (
        read("mqtt://broker/home/up%20stairs/", hub_name="hub").topics.hub_status
        == "home/up stairs/hub/status"
    )


def test_addresses_without_a_port_have_that_of_their_scheme() -> None:
    assert str(settings_of("mqtt://broker").address) == "mqtt://broker:1883"
    assert str(settings_of("mqtts://broker").address) == "mqtts://broker:8883"
    assert (settings_of().address.tls, settings_of("mqtts://broker").address.tls) == (False, True)


@pytest.mark.parametrize("key", ["a/b", "a+", "#", "a\0b", "a\x1bb", "a\x85", "", "\ud800", "k" * 65536])
def test_a_key_that_is_no_part_of_a_topic(key: str) -> None:
    with pytest.raises(InvalidCredential, match="cannot be a part of an MQTT topic") as told:
        read_options(evolve(settings_of(), key=key))
    assert told.value.about == ("key",)


def test_a_key_that_is_the_name_of_the_hub() -> None:
    with pytest.raises(InvalidCredential, match="name of the hub"):
        read(key="unnamed-node")


@pytest.mark.parametrize("path", ["/a%2Bb", "/%23", "/a//b", "/a%0Ab", "/$SYS"])
def test_a_path_that_begins_no_topic(path: str) -> None:
    with pytest.raises(InvalidOption, match="cannot be the beginning of an MQTT topic"):
        read(f"mqtt://broker{path}")


@pytest.mark.parametrize("name", ["a/b", "+", "#"])
def test_a_hub_name_that_is_no_part_of_a_topic(name: str) -> None:
    with pytest.raises(InvalidOption, match="hub_name"):
        read(hub_name=name)


def test_connections_with_one_key_have_one_name_at_the_broker() -> None:
    assert read().client_id == read().client_id
    assert len(read().client_id) == 23
    assert len({read().client_id, read(key="KEY2").client_id, read("mqtt://broker/home").client_id}) == 3
    assert read(client_id="kitchen").client_id == "kitchen"


def test_the_password_is_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text("sekret\nmore\n", encoding="utf-8")
    assert read(broker_password_file=str(path)).password == "sekret"
    path.write_text("", encoding="utf-8")
    assert read(broker_password_file=str(path)).password == ""
    with pytest.raises(InvalidOption, match="both given"):
        read(broker_password_file=str(path), broker_password="sekret")
    with pytest.raises(InvalidOption, match="cannot be read: No such file"):
        read(broker_password_file=str(tmp_path / "nothing"))


def test_no_secret_is_in_the_text_of_options() -> None:
    shown = repr(
        read(key="KEY-4711", broker_username="kitchen", broker_password="sekret", client_id="id-0815")
    )
    assert "kitchen" in shown
    assert not [secret for secret in ("sekret", "KEY-4711", "id-0815") if secret in shown]


def test_secret_options_are_declared_so() -> None:
    assert {option.name for option in OPTIONS if option.secret} == {"broker_password", "tls_keyfile_password"}
    assert {option.variable for option in OPTIONS} == {f"HIVEMIND_MQTT_{name.upper()}" for name in NAMES}


def test_a_certificate_needs_tls_and_a_key_needs_a_certificate() -> None:
    assert read("mqtts://broker", tls_certfile="c.pem", tls_keyfile="k.pem").keyfile == "k.pem"
    with pytest.raises(InvalidOption, match="begins with mqtt://, which has no TLS"):
        read(tls_certfile="c.pem")
    with pytest.raises(InvalidOption, match="without tls_certfile"):
        read("mqtts://broker", tls_keyfile="k.pem")


@pytest.mark.parametrize(("given", "seconds"), [("", 300.0), ("0", 0.0), ("12.5", 12.5), (7, 7.0)])
def test_seconds_as_text_or_number(given: Any, seconds: float) -> None:
    assert read(idle_timeout=given).idle_timeout == seconds


@pytest.mark.parametrize("given", ["soon", "-1", "nan", "inf", True, []])
def test_seconds_that_are_none(given: Any) -> None:
    with pytest.raises(InvalidOption, match="the option idle_timeout is"):
        read(idle_timeout=given)


def test_options_that_are_no_text() -> None:
    with pytest.raises(InvalidOption, match="the option hub_name is a int; it must be text"):
        read(hub_name=7)


@pytest.mark.parametrize(("interval", "keepalive"), [(30.0, 30), (None, 60), (0, 60), (0.2, 1), (1e9, 65535)])
def test_pings_of_the_client_decide_those_of_the_broker(interval: Any, keepalive: int) -> None:
    assert read(ping_interval=interval).keepalive == keepalive
