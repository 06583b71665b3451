"""Errors as data: what they carry, how they read for whom, and that they can be copied and pickled."""

from __future__ import annotations

import ast
import copy
import inspect
import pickle
import re
from pathlib import Path
from typing import Any

import pytest

import hivemind_core_client
from hivemind_core_client import errors as err
from hivemind_core_client.errors import Call, Command, HubCommand, IdentityPlace, Mend, Reader, Setting
from hivemind_core_client.wire import errors as wire_errors

FORGET = err.forget_server("h:5678")
OWN, MEMORY = IdentityPlace("a b"), IdentityPlace(None)
USUAL = IdentityPlace("a b", is_default=True)
OF_LIBRARY, OF_COMMAND_LINE = Reader(), Reader(at_command_line=True)


@pytest.mark.parametrize(
    ("instruction", "place", "text"),
    [
        (FORGET, None, "'hivemind-client forget-server h:5678'"),
        (FORGET, USUAL, "'hivemind-client forget-server h:5678'"),
        (FORGET, OWN, "'hivemind-client forget-server h:5678 --identity-file 'a b''"),
        (FORGET, MEMORY, "identity.forget_noise_key('h:5678')"),
        (Command(("set-identity",)), MEMORY, "'hivemind-client set-identity'"),
        (Command(("set-identity",), quoted=False), OWN, "hivemind-client set-identity --identity-file 'a b'"),
        (Command(("plugins",), takes_identity=False), OWN, "'hivemind-client plugins'"),
        (Command(("trust", "show"), elsewhere=True), OWN, "'hivemind-client trust show'"),
        (HubCommand(("list-clients",)), OWN, "'hivemind-core list-clients'"),
        (Call("client.close"), OWN, "client.close()"),
        (Setting("HIVEMIND_KEY"), OWN, "HIVEMIND_KEY"),
    ],
    ids=str,
)
def test_an_instruction_is_for_the_identity_at_hand(
    instruction: Any, place: IdentityPlace | None, text: str
) -> None:
    assert instruction.text_for(Reader(place)) == text


@pytest.mark.parametrize(
    ("setting", "for_library", "for_command_line"),
    [
        (Setting("key"), "key", "key"),
        (Setting("ca_file", "--ca-file FILE"), "ca_file", "--ca-file FILE"),
        (Setting("version=2", "--version 2", both=True), "version=2 ('--version 2')", "--version 2"),
    ],
)
def test_a_setting_is_named_as_its_reader_knows_it(
    setting: Setting, for_library: str, for_command_line: str
) -> None:
    assert setting.text_for(OF_LIBRARY) == for_library
    assert setting.text_for(OF_COMMAND_LINE) == for_command_line


def test_an_error_says_what_happened_and_then_what_to_do() -> None:
    error = err.ConnectionLost("it broke", Mend("run ", FORGET), Mend("or wait", joint=", "))
    assert str(error) == "it broke. Run 'hivemind-client forget-server h:5678', or wait"
    assert repr(error) == f"ConnectionLost({str(error)!r})"
    assert (error.what, error.instructions) == ("it broke", (FORGET,))
    assert error.mend_for(OF_LIBRARY) == "run 'hivemind-client forget-server h:5678', or wait"
    assert err.ConnectionLost("it broke").mend_for(OF_LIBRARY) == ""
    assert str(err.HiveMindError()) == ""


def test_the_text_is_for_the_identity_that_the_error_is_about() -> None:
    error = err.HubKeyChanged("ws://h:5678", "h:5678", "old", "new")
    assert str(error).endswith("run 'hivemind-client forget-server h:5678'")
    error.place = MEMORY
    assert str(error).endswith("run identity.forget_noise_key('h:5678')")
    assert error.text_for(Reader(OWN, at_command_line=True)).endswith("--identity-file 'a b''")


def test_an_error_because_of_another_has_the_mends_of_both() -> None:
    cause = err.HubKeyChanged("ws://h:5678", "h:5678", "old", "new")
    cause.place = OWN
    error = err.NotConnected.because("nothing was sent", cause, Mend("wait"))
    assert type(error) is err.NotConnected
    assert str(error) == f"nothing was sent: {cause}. Wait"
    assert error.instructions == (FORGET,)


def test_a_copy_with_more_mends_leaves_the_error_as_it_was() -> None:
    error = err.HubTimeout("ws://h:5678", "tls", 3)
    more = error.with_mends(Mend("or wait"))
    assert str(more) == f"{error}. Or wait"
    assert isinstance(more, err.HubTimeout) and (more.phase, more.seconds) == ("tls", 3)
    assert len(error.mends) == 1


@pytest.mark.parametrize(
    ("error", "about"),
    [
        (err.KeyRefused("no"), ("key",)),
        (err.PasswordRefused("no"), ("password",)),
        (err.HubUnreachable("no"), ("host", "port")),
        (err.HubRefused("no"), ()),
        (err.HubRefused("no", about=("noise_key",)), ("noise_key",)),
    ],
)
def test_what_an_error_is_about(error: err.HiveMindError, about: tuple[str, ...]) -> None:
    assert error.about == about


ARGUMENTS: dict[type[err.HiveMindError], tuple[Any, ...]] = {
    err.IdentityNotSet: ("access key",),
    err.HubTimeout: ("ws://h:5678", "tls", 3.5),
    err.HubKeyChanged: ("ws://h:5678", "h:5678", "old", "new"),
    err.HubCertificateChanged: ("wss://h:5678", "h:5678", "old", "new"),
    err.MessageDenied: ("speak", "no"),
    err.HubNotFound: ("discover:den", 3.0, ("'Kitchen' at ws://h:5678",), "no TLS"),
    err.SeveralHubsFound: ("discover:", ("ws://h:5678", "ws://i:5678")),
}
KINDS = [kind for kind in vars(err).values() if inspect.isclass(kind) and issubclass(kind, err.HiveMindError)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_errors_can_be_copied_and_pickled(kind: Any) -> None:
    error = kind(*ARGUMENTS.get(kind, ("what", Mend("run ", FORGET))))
    error.place = OWN
    twins = [pickle.loads(pickle.dumps(error, protocol)) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)]
    for twin in [*twins, copy.copy(error), copy.deepcopy(error)]:
        assert type(twin) is kind
        assert (str(twin), twin.args, vars(twin)) == (str(error), error.args, vars(error))


def _raised(tree: ast.AST) -> list[ast.expr]:
    """The arguments of what is called as an error is: by a name that begins with a capital."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    names = {kind.__name__ for kind in KINDS} | {"Dropped", "UsageError", "ClickException", "Misuse"}
    return [
        argument
        for call in calls
        if (getattr(call.func, "id", None) or getattr(call.func, "attr", None)) in names
        for argument in call.args
    ]


def _sources() -> list[Path]:
    package = Path(hivemind_core_client.__file__).parent
    plugins = package.parent / "plugins"
    return [*package.rglob("*.py"), *(path for path in plugins.glob("*/src/**/*.py"))]


@pytest.mark.parametrize("path", _sources(), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_error_is_made_with_a_command_in_its_text(path: Path) -> None:
    texts = [
        node.value
        for argument in _raised(ast.parse(path.read_text(encoding="utf-8")))
        for node in ast.walk(argument)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    commands = ("hivemind-client ", "hivemind-core ")
    assert [text for text in texts if any(f"'{command}" in text for command in commands)] == []


@pytest.mark.parametrize(
    ("extra", "in_clone"),
    [
        ("intercom", "pip install -e '{clone}/plugins/intercom'"),
        ("tts", "pip install -e '{clone}/plugins/binary_tts'"),
        ("http", "pip install -e '{clone}[http]'"),
    ],
)
def test_what_pip_is_to_install_is_what_it_finds(
    extra: str, in_clone: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone = tmp_path / "my clone"
    monkeypatch.setattr(wire_errors, "__file__", str(clone / "hivemind_core_client" / "wire" / "errors.py"))
    assert Mend(err.Install(extra)).text_for(OF_LIBRARY) == f"pip install 'hivemind-core-client[{extra}]'"
    for name in ("intercom", "binary_tts"):
        (clone / "plugins" / name).mkdir(parents=True)
    assert str(err.Install(extra)) == in_clone.format(clone=clone)


def test_each_extra_that_an_error_names_is_one_of_this_distribution() -> None:
    root = Path(hivemind_core_client.__file__).parents[1]
    named = {
        name
        for path in _sources()
        for name in re.findall(r"\bInstall\([\"'](\w+)[\"']\)", path.read_text(encoding="utf-8"))
    }
    text = (root / "pyproject.toml").read_text(encoding="utf-8")
    assert named == {"async", "cli", "discovery", "http", "intercom", "testing", "tts"}
    assert all(f"\n{name} = [" in text for name in named)
    for name in named & {"cli", "discovery", "intercom", "tts"}:
        assert Path(str(err.Install(name)).partition(" -e ")[2], "pyproject.toml").is_file()
