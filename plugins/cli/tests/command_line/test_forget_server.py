"""`hivemind-client forget-server`: which pin it takes away, and what it says where there is none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hivemind_core_client.identity import NodeIdentity
from hivemind_core_client.wire.keys import fingerprint


def pin(*hubs: str) -> None:
    for number, hub in enumerate(hubs):
        NodeIdentity().pin_noise_key(hub, f"{number:02x}" * 32)


@pytest.mark.parametrize(
    ("address", "hub"),
    [
        ("hub.local:5678", "hub.local:5678"),
        ("hub.local", "hub.local:5678"),
        ("wss://hub.local:5678", "hub.local:5678"),
        ("http://hub.local:5679", "hub.local:5679"),
        ("https://hub.local", "hub.local:5679"),
        ("[::1]:5678", "[::1]:5678"),
    ],
)
def test_a_pin_is_taken_away(run: Any, address: str, hub: str) -> None:
    pin(hub, "another.local:1")
    data = run("forget-server", address, "--json").expect(0).json
    assert (data["hub"], data["fingerprint"]) == (hub, fingerprint(bytes(32)))
    assert list(NodeIdentity().pinned_noise_keys) == ["another.local:1"]


def test_the_only_pin_of_that_host_is_named(run: Any) -> None:
    pin("hub.local:5679", "another.local:5678")
    done = run("forget-server", "hub.local").expect(2)
    assert "no key is pinned for hub.local:5678" in done.err
    assert "hivemind-client forget-server hub.local:5679" in done.err
    assert len(NodeIdentity().pinned_noise_keys) == 2


def test_of_several_pins_all_are_named(run: Any) -> None:
    pin("hub.local:5679", "hub.local:443")
    assert (
        "There are pins for: hub.local:443, hub.local:5679" in run("forget-server", "hub.local").expect(2).err
    )


def test_where_nothing_is_pinned(run: Any, home: Path) -> None:
    assert "There are pins for: none" in run("forget-server", "hub.local").expect(2).err
    assert not (home / "config").exists()


def test_what_is_no_address(run: Any) -> None:
    assert "cannot be read" in run("forget-server", "hub.local:x").expect(2).err


def test_a_hub_that_was_set_back_is_a_case_for_it(run: Any) -> None:
    assert "set back to an older version" in " ".join(run("forget-server", "--help").expect(0).out.split())


@pytest.mark.parametrize(("pins", "hub"), [({"hub.local:5678": "no key"}, "hub.local:5678"), ("no key", "*")])
def test_a_pin_that_cannot_be_read_is_shown(run: Any, pins: Any, hub: str) -> None:
    path = Path(NodeIdentity().path or "")
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"pinned_noise_keys": pins}))
    assert f"{hub}   unreadable\n" in run("trust", "list").expect(0).out
    assert run("trust", "list", "--json").expect(0).json["pinned_hubs"] == [{"hub": hub, "fingerprint": None}]
    assert "1, of which 1 unreadable" in run("show-identity").expect(0).out
    assert run("show-identity", "--json").expect(0).json["pinned_hubs"] == {hub: None}


def test_a_pin_that_cannot_be_read_goes_too(run: Any) -> None:
    pin("hub.local:5678")
    path = Path(NodeIdentity().path or "")
    path.write_text(json.dumps({"pinned_noise_keys": {"hub.local:5678": "no key"}}))
    assert "none that could be read" in run("forget-server", "hub.local").expect(0).out
    assert json.loads(path.read_text())["pinned_noise_keys"] == {}


PIN = ":".join(["3F"] * 32)


def test_a_certificate_goes_with_the_key_or_alone(run: Any) -> None:
    pin("hub.local:5678")
    NodeIdentity().pin_certificate("hub.local:5678", PIN)
    listed = run("trust", "list", "--json").expect(0).json
    assert listed["pinned_certificates"] == [{"hub": "hub.local:5678", "fingerprint": PIN}]
    assert f"hub.local:5678   {PIN}" in run("trust", "list").expect(0).out
    data = run("forget-server", "wss://hub.local", "--certificate", "--json").expect(0).json
    assert (data["hub"], data["fingerprint"], data["certificate"]) == ("hub.local:5678", None, PIN)
    assert list(NodeIdentity().pinned_noise_keys) == ["hub.local:5678"]
    assert NodeIdentity().pinned_certificates == {}
    NodeIdentity().pin_certificate("hub.local:5678", PIN)
    data = run("forget-server", "hub.local:5678", "--json").expect(0).json
    assert (data["fingerprint"], data["certificate"]) == (fingerprint(bytes(32)), PIN)
    assert (NodeIdentity().pinned_noise_keys, NodeIdentity().pinned_certificates) == ({}, {})


def test_the_certificate_of_a_hub_with_a_path_is_that_of_its_port(run: Any) -> None:
    NodeIdentity().pin_certificate("hub.local:443", PIN)
    done = run("forget-server", "wss://hub.local:443/hive/").expect(0)
    assert done.out == f"no certificate is pinned for hub.local:443/hive/ any more; it was {PIN}\n"
    assert NodeIdentity().pinned_certificates == {}


def test_no_certificate_is_pinned(run: Any) -> None:
    pin("hub.local:5678")
    NodeIdentity().pin_certificate("hub.local:443", PIN)
    done = run("forget-server", "hub.local", "--certificate").expect(2)
    assert "no certificate is pinned for hub.local:5678" in done.err and "hub.local:443" in done.err
    assert list(NodeIdentity().pinned_noise_keys) == ["hub.local:5678"]


def test_a_certificate_that_cannot_be_read_is_shown_and_goes(run: Any) -> None:
    NodeIdentity().pin_certificate("hub.local:443", PIN)
    path = Path(NodeIdentity().path or "")
    path.write_text(json.dumps({"pinned_certificates": {"hub.local:443": "no fingerprint"}}))
    assert "hub.local:443   unreadable\n" in run("trust", "list").expect(0).out
    assert "none that could be read" in run("forget-server", "hub.local:443").expect(0).out
    assert NodeIdentity().pinned_certificates == {}
