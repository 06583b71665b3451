from __future__ import annotations

import json
import os
import pty
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from hivemind_client_cli.peer_text import fingerprint
from hivemind_core_client.identity import NodeIdentity
from hivemind_core_client.wire.keys import fingerprint as fingerprint_of

from .tools import KEY, PASSWORD, Done, command, environment


def stored(home: Path) -> Any:
    return json.loads((home / "config" / "hivemind" / "_identity.json").read_text())


def silent_about_secrets(done: Done) -> Done:
    assert KEY not in done.out + done.err
    assert PASSWORD not in done.out + done.err
    return done


FIELDS = [
    (["--key", KEY], {"access_key": KEY}),
    (["--password", PASSWORD], {"password": PASSWORD}),
    (["--host", "wss://hub.local"], {"default_master": "wss://hub.local"}),
    (["--port", "5678"], {"default_port": 5678}),
    (["--siteid", "kitchen"], {"site_id": "kitchen"}),
    (["--key", KEY, "--password", PASSWORD], {"access_key": KEY, "password": PASSWORD}),
]


@pytest.mark.parametrize(("args", "fields"), FIELDS, ids=lambda value: " ".join(value))
def test_any_subset_on_a_fresh_machine(run: Any, home: Path, args: list[str], fields: dict[str, Any]) -> None:
    done = silent_about_secrets(run("set-identity", *args, "--json").expect(0))
    assert done.json["set"] == sorted(fields)
    assert done.json["new_rsa_keys"] is True
    found = stored(home)
    assert {name: found[name] for name in fields} == fields
    assert "PUBLIC KEY" in found["public_key"]


def test_what_is_not_given_stays(run: Any, home: Path) -> None:
    run("set-identity", "--key", KEY, "--password", PASSWORD).expect(0)
    before = stored(home)
    assert run("set-identity", "--host", "hub.local", "--json").expect(0).json["new_rsa_keys"] is False
    assert stored(home) == {**before, "default_master": "hub.local"}


def test_password_from_a_file_stdin_and_a_prompt(
    run: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = home / "password"
    file.write_text(f"{PASSWORD}\nanother line\n")
    silent_about_secrets(run("set-identity", "--password-file", str(file)).expect(0))
    assert stored(home)["password"] == PASSWORD
    run("set-identity", "--password-file", "-", stdin="from stdin \r\n").expect(0)
    assert stored(home)["password"] == "from stdin"
    monkeypatch.setattr("hivemind_client_cli.options.has_terminal", lambda: True)
    typed = iter(["", "from the prompt"])
    monkeypatch.setattr("getpass.getpass", lambda prompt: next(typed))
    run("set-identity", "--ask-password").expect(0)
    assert stored(home)["password"] == "from the prompt"


@pytest.mark.parametrize("end", [EOFError, KeyboardInterrupt])
def test_ctrl_c_and_ctrl_d_at_the_prompt(run: Any, monkeypatch: pytest.MonkeyPatch, end: type) -> None:
    def leave(prompt: str) -> str:
        raise end

    monkeypatch.setattr("hivemind_client_cli.options.has_terminal", lambda: True)
    monkeypatch.setattr("getpass.getpass", leave)
    assert "Traceback" not in run("set-identity", "--ask-password").expect(130).err


def test_an_empty_password_file_changes_nothing(run: Any, home: Path) -> None:
    file = home / "password"
    file.write_text("\n")
    run("set-identity", "--key", KEY, "--password-file", str(file)).expect(2)
    assert not (home / "config" / "hivemind" / "_identity.json").exists()


@pytest.mark.parametrize("more", [(), ("--identity-file", "id.json")], ids=len)
def test_nothing_to_save(
    run: Any, home: Path, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...]
) -> None:
    monkeypatch.chdir(home)
    assert "nothing to save" in run("set-identity", *more).expect(2).err
    assert not [*home.iterdir()]


REFUSED = [
    ["--key", ""],
    ["--key", "a:b"],
    ["--key", "\udcff"],
    ["--password", ""],
    ["--password", "\udcff"],
    ["--host", ""],
    ["--host", "gopher://hub.local"],
    ["--host", "ws://hub.local/#room"],
    ["--host", "hub.local:70000"],
    ["--host", "hub.local:0"],
    ["--host", "my hub"],
    ["--host", "''"],
    ["--host", "hub..local"],
    ["--port", "0"],
    ["--port", "65536"],
]


@pytest.mark.parametrize("args", REFUSED, ids=ascii)
def test_what_no_connection_could_use_is_not_saved(run: Any, home: Path, args: list[str]) -> None:
    done = run("set-identity", "--siteid", "attic", *args).expect(2)
    assert "error: " in done.err
    assert not (home / "config").exists()


def test_without_a_terminal_nobody_is_asked() -> None:
    done = subprocess.run(
        command("set-identity", "--ask-password"),
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=50,
        start_new_session=True,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: no terminal to ask for the password on: use --password-file -")
    assert len(done.stderr.splitlines()) == 1


def test_the_password_is_asked_for_at_a_terminal(home: Path) -> None:
    keyboard, screen = pty.openpty()
    with subprocess.Popen(
        command("set-identity", "--ask-password"),
        env=environment(),
        stdin=screen,
        stdout=subprocess.DEVNULL,
        stderr=screen,
        start_new_session=True,
    ) as process:
        os.close(screen)
        shown = b""
        while b"Password" not in shown:
            shown += os.read(keyboard, 1000)
        os.write(keyboard, b"from the keyboard\n")
        assert process.wait(20) == 0
    os.close(keyboard)
    assert stored(home)["password"] == "from the keyboard"


@pytest.mark.parametrize(
    "name", ["show-identity", "reset-pgp", "test-identity", "ping", "terminal", "send-mycroft"]
)
def test_an_identity_file_that_does_not_exist(run: Any, home: Path, name: str) -> None:
    path = home / "no such.json"
    more = ["--msg", "x"] if name == "send-mycroft" else []
    done = run(name, "--identity-file", str(path), *more).expect(2)
    assert f"{path} does not exist" in done.err
    assert f"hivemind-client set-identity --identity-file '{path}'" in done.err
    assert not path.exists()


def test_show_masks_secrets(run: Any, home: Path) -> None:
    run("set-identity", "--key", KEY, "--password", PASSWORD, "--host", "hub.local").expect(0)
    shown = silent_about_secrets(run("show-identity").expect(0)).out
    assert "hub.local" in shown
    assert "access key     ***" in shown
    data = silent_about_secrets(run("show-identity", "--json").expect(0)).json
    assert data["access_key"] == data["password"] == "***"
    assert data["public_key"].startswith("-----BEGIN")
    assert "PRIVATE" not in json.dumps(data)


def test_show_lists_the_pins_and_the_noise_key(run: Any, home: Path) -> None:
    run("set-identity", "--siteid", "attic").expect(0)
    shown = run("show-identity").expect(0).out
    assert "Noise key      not made yet" in shown
    assert "pinned hubs    0" in shown
    identity = NodeIdentity()
    identity.static_key()
    identity.pin_noise_key("hub.local:5678", bytes(32).hex())
    shown = run("show-identity").expect(0).out
    assert f"Noise key      {identity.noise_key}" in shown
    assert "pinned hubs    1" in shown
    data = run("show-identity", "--json").expect(0).json
    assert data["noise_key"] == identity.noise_key
    assert data["pinned_hubs"] == {"hub.local:5678": fingerprint_of(bytes(32))}
    assert identity.static_key().hex() not in shown + json.dumps(data)


@pytest.mark.parametrize(
    "host", ["http://hub.local", "https://hub.local:443/hive", "wss://hub.local/?room=1"]
)
def test_an_address_of_any_transport_is_saved(run: Any, host: str) -> None:
    run("set-identity", "--host", host).expect(0)
    assert NodeIdentity().default_master == host


def test_an_address_of_no_transport_names_those_that_are_there(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "http, https, memory" in run("set-identity", "--host", "gopher://hub.local").expect(2).err
    monkeypatch.setenv("HIVEMIND_HOST", "gopher://hub.local")
    told = run("test-identity", "--key", KEY, "--password", PASSWORD).expect(2).err
    assert "http, https, memory" in told and "environment variable HIVEMIND_HOST" in told


def test_show_on_a_fresh_machine_writes_nothing(run: Any, home: Path) -> None:
    data = run("show-identity", "--json").expect(0).json
    assert data["access_key"] is None
    assert data["default_master"] is None
    assert not (home / "config").exists()


def test_another_identity_file(run: Any, home: Path) -> None:
    path = home / "other" / "id.json"
    run("set-identity", "--siteid", "attic", "--identity-file", str(path)).expect(0)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert run("show-identity", "--identity-file", str(path), "--json").expect(0).json["site_id"] == "attic"
    assert not (home / "config").exists()


@pytest.mark.parametrize("name", ["set-identity", "show-identity", "reset-pgp"])
def test_a_corrupt_file_is_an_error_and_stays(run: Any, home: Path, name: str) -> None:
    path = home / "id.json"
    path.write_text("{corrupt")
    args = {"reset-pgp": ["--yes"], "set-identity": ["--siteid", "attic"]}.get(name, [])
    done = run(name, "--identity-file", str(path), *args).expect(2)
    assert str(path) in done.err
    assert path.read_text() == "{corrupt"


def test_reset_pgp(run: Any, home: Path) -> None:
    run("set-identity", "--siteid", "attic").expect(0)
    keys = [stored(home)["public_key"]]
    for more in ([], ["--yes"]):  # nobody is there who could be asked
        data = run("reset-pgp", "--json", *more).expect(0).json
        keys.append(stored(home)["public_key"])
        assert data["fingerprint"] == fingerprint(keys[-1])
    assert len(set(keys)) == 3


@pytest.mark.parametrize(("answer", "code"), [(True, 0), (False, 1)])
def test_reset_pgp_asks(run: Any, monkeypatch: pytest.MonkeyPatch, answer: bool, code: int) -> None:
    monkeypatch.setattr("click.confirm", lambda *args, **kwargs: answer)
    monkeypatch.setattr("hivemind_client_cli.commands.identity.can_ask", lambda: True)
    run("reset-pgp").expect(code)
    assert (NodeIdentity().public_key is not None) is answer


def test_a_private_key_that_is_gone_is_made_anew(run: Any, home: Path) -> None:
    run("set-identity", "--siteid", "attic").expect(0)
    private = NodeIdentity().secret_key or ""
    assert run("show-identity", "--json").expect(0).json["secret_key"] == private
    Path(private).unlink()
    assert run("show-identity", "--json").expect(0).json["secret_key"] is None
    assert "private key    not made yet" in run("show-identity").expect(0).out
    assert run("set-identity", "--siteid", "attic", "--json").expect(0).json["new_rsa_keys"] is True


def test_a_secret_from_a_file_is_what_was_meant(run: Any, home: Path) -> None:
    file = home / "password"
    for data in (b"\xef\xbb\xbf" + PASSWORD.encode() + b" \r\n", f"\ufeff{PASSWORD}\r\n".encode("utf-16-le")):
        file.write_bytes(data)
        silent_about_secrets(run("set-identity", "--password-file", str(file)).expect(0))
        assert stored(home)["password"] == PASSWORD


@pytest.mark.parametrize("data", [b"\xfcber\n", b"x" * 100_000])
def test_a_secret_that_is_no_line_of_text(run: Any, home: Path, data: bytes) -> None:
    (home / "password").write_bytes(data)
    assert (
        "cannot read the password"
        in run("set-identity", "--password-file", str(home / "password")).expect(2).err
    )


@pytest.mark.parametrize(
    "args",
    [["--key", "k\n"], ["--password", " p"], ["--siteid", "kitchen "], ["--siteid", "k\udcfcche"]],
    ids=ascii,
)
def test_what_came_with_an_option_is_refused_with_a_word(run: Any, home: Path, args: list[str]) -> None:
    done = run("set-identity", *args).expect(2)
    assert "give it without" in done.err or "are not UTF-8" in done.err
    assert not (home / "config").exists()


@pytest.mark.skipif(os.name != "posix", reason="only there is a locale that is not UTF-8 so easily had")
@pytest.mark.parametrize(("site", "code"), [("küche".encode(), 0), (b"k\xfcche", 2)])
def test_a_name_in_a_terminal_of_another_locale(home: Path, site: bytes, code: int) -> None:
    plain = environment(
        LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0", XDG_CONFIG_HOME=str(home / "config")
    )
    done = subprocess.run(
        [*command("set-identity", "--siteid"), site], env=plain, capture_output=True, timeout=60
    )
    assert done.returncode == code, done.stderr
    if code == 0:
        assert stored(home)["site_id"] == "küche"
    else:
        assert not (home / "config").exists()


@pytest.mark.skipif(os.name != "posix", reason="a process is started without stdin")
@pytest.mark.parametrize(
    ("args", "code", "told"),
    [
        (["set-identity", "--password-file", "-"], 2, "is empty"),
        (["set-identity", "--ask-password"], 2, "no terminal to ask"),
        (["trust", "add", "alias", "-"], 2, "no public key"),
    ],
)
def test_a_closed_stdin_is_at_its_end(args: list[str], code: int, told: str) -> None:
    closed = ["sh", "-c", 'exec "$@" <&-', "sh", *command(*args)]
    done = subprocess.run(
        closed, env=environment(), capture_output=True, text=True, timeout=60, start_new_session=True
    )
    assert (done.returncode, told in done.stderr) == (code, True), done.stderr


NOUNS = {
    "set": "set-identity",
    "show": "show-identity",
    "test": "test-identity",
    "reset-keys": "reset-pgp",
}


@pytest.mark.parametrize(("verb", "old"), NOUNS.items(), ids=NOUNS)
def test_each_has_two_names_and_one_meaning(run: Any, verb: str, old: str) -> None:
    new, before = (
        " ".join(run(*words, "--help").expect(0).out.split()) for words in (["identity", verb], [old])
    )
    assert new.startswith(f"Usage: hivemind-client identity {verb} [OPTIONS]")
    as_old = new.replace(f"hivemind-client identity {verb}", f"hivemind-client {old}")
    # click keeps the option --help of a command, with the names that it had when it was first shown.
    assert as_old.replace("-h, --help", "--help") == before.replace("-h, --help", "--help")
    assert f"The same as 'identity {verb}'." in run("--help").expect(0).out


def test_the_noun_does_what_the_old_names_do(run: Any) -> None:
    run("identity", "set", "--key", KEY, "--host", "hub.local").expect(0)
    assert run("identity", "show", "--json").expect(0).json["default_master"] == "hub.local"
    before = run("show-identity", "--json").expect(0).json["fingerprint"]
    assert run("identity", "reset-keys", "--json").expect(0).json["fingerprint"] != before
    run("identity", "test", "--host", "127.0.0.1", "--port", "1").expect(4)
    run("identity").expect(2)
