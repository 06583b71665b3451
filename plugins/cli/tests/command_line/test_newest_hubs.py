"""What the commands say of hubs of protocol version 3; needs Python 3.10, as poorman-handshake 2 does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hivemind_core_client import NodeIdentity
from hivemind_core_client.config.key_files import IdentityFile
from hivemind_core_client.errors import IdentityFileError
from hivemind_core_client.testing import Account, EmbeddedHub
from hivemind_core_client.wire.keys import fingerprint

from .doctor_tools import at, failing, states
from .tools import KEY, LOGIN, PASSWORD

pytestmark = pytest.mark.usefixtures("cheap_keys")


@pytest.fixture
def newest() -> Iterator[EmbeddedHub]:
    with EmbeddedHub(clients={KEY: PASSWORD}, versions=(3, 3)) as hub:
        yield hub


@contextmanager
def set_up_anew(hub: EmbeddedHub, **options: Any) -> Iterator[EmbeddedHub]:
    """Another hub in the place of this one."""
    hub.stop()
    with EmbeddedHub(clients={KEY: PASSWORD}, port=hub.port, **options) as another:
        yield another


def test_the_static_keys_of_both_are_looked_at(run: Any, newest: EmbeddedHub) -> None:
    for pattern in ("XXpsk2", "KKpsk0"):
        data = run(*at(newest.port, "--json")).expect(0).json
        assert {name: state for name, state in states(data).items() if state != "ok"} == {
            "tls": "skipped",
        }
        remarks = {each["check"]: each["remark"] for each in data["checks"]}
        assert remarks["version"] == f"3, handshake noise {pattern}"
        (pin,) = NodeIdentity().pinned_noise_keys.values()
        assert remarks["hub key"] == f"pinned is {fingerprint(bytes.fromhex(pin))}"


def test_a_hub_with_another_static_key(run: Any, newest: EmbeddedHub) -> None:
    run(*at(newest.port)).expect(0)
    with set_up_anew(newest, versions=(3, 3)):
        data = run(*at(newest.port, "--json")).expect(3).json
        failing(data, "hub key")
        assert states(data)["password"] == "ok"
        assert "owner" in data["mend"]
        assert f"forget-server 127.0.0.1:{newest.port}" in data["mend"]
        assert "password" not in data["mend"]
        assert f"mend: {data['mend']}\n" in run(*at(newest.port)).expect(3).out
        run("forget-server", f"127.0.0.1:{newest.port}").expect(0)
        run(*at(newest.port)).expect(0)


def test_a_key_of_ours_that_is_lost(run: Any, newest: EmbeddedHub, home: Any) -> None:
    run(*at(newest.port)).expect(0)
    Path(NodeIdentity().noise_key or "").unlink()
    data = run(*at(newest.port, "--json")).expect(3).json
    failing(data, "own Noise key")
    assert states(data)["hub key"] == "ok"
    assert "reset-noise-pin" in data["mend"]
    assert f"its file is {NodeIdentity().noise_key}." in data["mend"]
    assert "an access key of its own" in data["mend"]
    assert "--ask-password" not in data["mend"]


def test_a_key_of_ours_that_cannot_be_read(run: Any, newest: EmbeddedHub) -> None:
    run(*at(newest.port)).expect(0)
    Path(NodeIdentity().noise_key or "").write_text("no key")
    data = run(*at(newest.port, "--json")).expect(2).json
    failing(data, "own Noise key")
    assert data["type"] == "IdentityFileError"
    assert "Noise key file" in data["error"]
    assert data["mend"].startswith("put the key back")
    assert states(data)["password"] == "skipped"


def test_a_pin_that_cannot_be_read(run: Any, newest: EmbeddedHub) -> None:
    run(*at(newest.port)).expect(0)
    path = Path(NodeIdentity().path or "")
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "pinned_noise_keys": {f"127.0.0.1:{newest.port}": "no key"}}))
    data = run(*at(newest.port, "--json")).expect(2).json
    failing(data, "hub key")
    remark = next(each["remark"] for each in data["checks"] if each["check"] == "hub key")
    assert "pinned_noise_keys" in remark
    assert data["mend"] not in remark
    assert data["mend"].startswith("correct it")
    assert f"\nmend: {data['mend']}\n" in run(*at(newest.port)).expect(2).out


def test_a_hub_that_fell_back(run: Any, newest: EmbeddedHub) -> None:
    run(*at(newest.port)).expect(0)
    with set_up_anew(newest):
        data = run(*at(newest.port, "--json")).expect(3).json
        failing(data, "version")
        assert f"forget-server 127.0.0.1:{newest.port}" in data["mend"]
        assert "--max-protocol 2" in data["mend"]
        assert data["mend"].startswith("only if the hub's owner says")
        assert f"\nmend: {data['mend']}\n" in run(*at(newest.port)).expect(3).out
        run(*at(newest.port, "--max-protocol", "2")).expect(0)


def test_a_version_that_the_hub_does_not_speak(run: Any, newest: EmbeddedHub) -> None:
    data = run(*at(newest.port, "--json", "--max-protocol", "2")).expect(3).json
    failing(data, "version")
    assert "--max-protocol" in data["mend"]
    assert "ciphers" not in data["mend"]


def test_a_hub_key_that_cannot_be_stored_is_not_pinned(
    run: Any, newest: EmbeddedHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    NodeIdentity().static_key()

    def refuse(file: IdentityFile, fields: Any) -> None:
        raise IdentityFileError("cannot write the identity file")

    monkeypatch.setattr(IdentityFile, "store_only", refuse)
    assert "hub key        ok       not pinned: it cannot be stored\n" in run(*at(newest.port)).expect(0).out


def test_the_mend_is_for_the_identity_file_that_was_given(run: Any, newest: EmbeddedHub, home: Path) -> None:
    given = ("--identity-file", str(home / "an id.json"))
    run("set-identity", "--siteid", "attic", *given).expect(0)
    run(*at(newest.port), *given).expect(0)
    with set_up_anew(newest, versions=(3, 3)):
        mend = f"forget-server 127.0.0.1:{newest.port} --identity-file '{home / 'an id.json'}'"
        assert mend in run("test-identity", *at(newest.port)[1:], *given).expect(3).err
        data = run(*at(newest.port, "--json"), *given).expect(3).json
        assert data["mend"].endswith(mend)
        assert mend in run(*at(newest.port), *given).expect(3).out


def test_a_password_that_is_not_the_hubs(run: Any, newest: EmbeddedHub) -> None:
    data = run(*at(newest.port, "--json", "--password", "another one, long and random")).expect(3).json
    failing(data, "password")
    assert "--ask-password" in data["mend"]


def test_test_identity_with_the_newest_hub(run: Any, newest: EmbeddedHub) -> None:
    login = (*LOGIN, "--host", newest.url)
    out = run("test-identity", *login).expect(0).out
    assert out.endswith(", binary, handshake noise XXpsk2, protocol version 3\n")
    assert run("test-identity", *login, "--json").expect(0).json["protocol_version"] == 3


WITHOUT_KEYS = [
    ("test-identity",),
    ("doctor",),
    ("doctor", "--say", "hello"),
    ("ping",),
    ("query", "--utterance", "hello"),
    ("cascade", "--utterance", "hello", "--timeout", "1"),
]


@pytest.mark.parametrize("command", WITHOUT_KEYS, ids=" ".join)
def test_a_hub_that_is_named_by_its_key_is_shown_by_a_short_form(run: Any, command: tuple[str, ...]) -> None:
    account = Account(KEY, PASSWORD, allowed=["recognizer_loop:utterance"])
    with EmbeddedHub([account], like="5.3") as hub:
        done = run(command[0], *LOGIN, "--host", hub.url, *command[1:]).expect(0)
        assert "BEGIN PUBLIC" not in done.out + done.err and hub.public_key[40:80] not in done.out + done.err
        if command == ("test-identity",):
            assert "ok: hub key:" in done.out
            said = run(*command, *LOGIN, "--host", hub.url, "--json").expect(0).json["hub"]
            assert said["name"].startswith("key:") and said["public_key"] == hub.public_key


@pytest.mark.parametrize("allowed", ["recognizer_loop:utterance", "ovos.utterance.handle"])
@pytest.mark.parametrize(
    "words", [("ask", "hello"), ("say", "hello"), ("doctor", "--say", "hello")], ids=" ".join
)
def test_it_is_enough_that_a_hub_takes_one_name_of_an_utterance(
    run: Any, words: tuple[str, ...], allowed: str
) -> None:
    with EmbeddedHub([Account(KEY, PASSWORD, allowed=[allowed])], like="5.3") as hub:
        done = run(*words, *LOGIN, "--host", hub.url).expect(0)
        assert hub.wait_for(allowed)[-1]["data"]["utterances"] == ["hello"]
    assert done.err == ""


@pytest.mark.parametrize("verb", ["ask", "say"])
def test_a_hub_that_takes_neither_says_what_would_do(run: Any, verb: str) -> None:
    with EmbeddedHub([Account(KEY, PASSWORD, allowed=["my.alarm"])], like="5.3") as hub:
        error = run(verb, "hello", *LOGIN, "--host", hub.url).expect(3).err
    for name in ("recognizer_loop:utterance", "ovos.utterance.handle"):
        assert f"hivemind-core allow-msg {name} NODE_ID" in error


def test_test_identity_says_what_this_key_may_send(run: Any) -> None:
    allowed = ["my.alarm", "my\x1b[2J"]
    with EmbeddedHub([Account(KEY, PASSWORD, allowed=allowed)], like="5.3") as hub:
        at_hub = (*LOGIN, "--host", hub.url)
        assert run("test-identity", *at_hub).expect(0).out.endswith(", this key may send my.alarm, my?[2J\n")
        assert run("identity", "test", *at_hub, "--json").expect(0).json["allowed"] == allowed


def test_test_identity_warns_where_nothing_may_be_sent(run: Any) -> None:
    with EmbeddedHub([Account(KEY, PASSWORD)], like="5.3") as hub:
        done = run("test-identity", *LOGIN, "--host", hub.url).expect(0)
        assert "no type of message at all" in done.err
        assert "hivemind-core allow-msg recognizer_loop:utterance NODE_ID" in done.err


def test_test_identity_says_nothing_of_what_the_hub_does_not_tell(run: Any, newest: EmbeddedHub) -> None:
    done = run("test-identity", *LOGIN, "--host", newest.url).expect(0)
    assert "may send" not in done.out + done.err
