"""`hivemind-client doctor` over MQTT: what the broker allows, and what the hub has said of itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from hivemind_client_cli.main import build_cli
from hivemind_client_mqtt import plugin
from hivemind_client_mqtt.testing import EmbeddedBroker
from hivemind_core_client.plugins.manager import load_plugins
from hivemind_core_client.testing import EmbeddedHub

PASSWORD = "PASSWORD-long-and-random-4711"


def examined(url: str, key: str = "KEY") -> dict[str, Any]:
    """What the doctor says of a hub."""
    cli = build_cli(load_plugins([plugin], ()))
    done = CliRunner().invoke(cli, ["doctor", "--json", "--host", url, "--key", key, "--password", PASSWORD])
    data: dict[str, Any] = json.loads(done.stdout)
    assert key == "KEY" or key not in done.output
    return data


def rows(data: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """State and remark of the checks of the plugin."""
    return {each["check"]: (each["state"], each["remark"]) for each in data["checks"] if each.get("plugin")}


@pytest.mark.usefixtures("gateway")
def test_a_session_shows_that_all_is_well(broker: EmbeddedBroker) -> None:
    data = examined(broker.url)
    assert rows(data) == {
        "topics": ("ok", "the broker allows what this client needs"),
        "hub's status": ("ok", "hivemind/unnamed-node/status is online"),
    }
    assert data["failed"] is None
    assert broker.kept["hivemind/KEY/status"] == b"offline"


@pytest.mark.usefixtures("gateway")
def test_a_session_needs_no_status_of_the_hub(broker: EmbeddedBroker) -> None:
    found = rows(examined(f"{broker.url}?hub_name=blue"))
    assert found["hub's status"] == ("ok", "hivemind/blue/status is empty, though the hub answers")


@pytest.mark.parametrize("topic", ["in", "status", "out"])
@pytest.mark.usefixtures("gateway")
def test_a_topic_that_is_not_allowed(broker: EmbeddedBroker, topic: str) -> None:
    broker.denied = (f"hivemind/+/{topic}",)
    data = examined(broker.url)
    verb = "write to" if topic == "in" else "read"
    assert rows(data)["topics"] == ("failed", f"the broker does not allow to {verb} hivemind/KEY/{topic}")
    assert (data["failed"], data["type"]) == ("transport", "BrokerRefused")
    (mend,) = (each["mend"] for each in data["checks"] if each["check"] == "topics")
    assert "write to hivemind/KEY/in" in mend


def test_a_hub_that_is_not_there(broker: EmbeddedBroker) -> None:
    broker.publish("hivemind/master/status", b"offline", qos=1, retain=True)
    found = rows(examined(f"{broker.url}?hub_name=master"))
    assert found["topics"] == ("warn", "allowed, but nobody reads hivemind/KEY/in")
    assert found["hub's status"] == ("warn", "hivemind/master/status is offline")
    assert broker.kept["hivemind/KEY/status"] == b"offline"


def test_a_hub_that_says_nothing(broker: EmbeddedBroker) -> None:
    broker.listen("hivemind/+/in", lambda topic, payload: None)
    data = examined(f"{broker.url}?hub_name=blue")
    assert rows(data)["topics"] == ("warn", "nothing came on hivemind/KEY/out")
    assert rows(data)["hub's status"] == ("warn", "hivemind/blue/status is empty")
    assert data["type"] == "HubOffline"


def test_there_is_nothing_to_say_without_a_broker(broker: EmbeddedBroker) -> None:
    broker.stop()
    data = examined(broker.url)
    assert (rows(data), data["type"]) == ({}, "BrokerUnreachable")


def test_a_login_that_is_refused_is_told_once() -> None:
    with EmbeddedBroker(logins={"kitchen": "right"}) as broker:
        data = examined(f"{broker.url}?broker_username=kitchen")
    assert (rows(data), data["failed"], data["type"]) == ({}, "transport", "BrokerRefused")


def test_there_is_nothing_to_say_of_other_transports(hub: EmbeddedHub) -> None:
    assert rows(examined(hub.url)) == {}


def test_a_profile_shows_the_options_that_are_no_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    cli = build_cli(load_plugins([plugin], ()))
    given = {"broker_username": "kitchen", "broker_password": "S3CRET-of-broker", "own": "S3CRET-too"}
    words = ["profile", "add", "kitchen", "--set", f"transport_options={json.dumps(given)}"]
    assert CliRunner().invoke(cli, words).exit_code == 0
    shown = CliRunner().invoke(cli, ["profile", "show", "kitchen", "--json"])
    kept = {"broker_username": "kitchen", "broker_password": "***", "own": "***"}
    assert json.loads(shown.stdout)["options"] == {"transport_options": kept}
    assert "S3CRET" not in shown.output


@pytest.mark.usefixtures("gateway")
def test_a_key_that_the_hub_does_not_know(broker: EmbeddedBroker) -> None:
    assert rows(examined(broker.url, "NOBODY"))["topics"][0] == "warn"
    assert rows(examined(broker.url))["topics"][0] == "ok"
