"""Finding, choosing and isolating plugins."""

from __future__ import annotations

import logging
import sys
import time
import uuid
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, Callable, Optional

import pluggy
import pytest
from attrs import evolve

from hivemind_core_client.builtins import ciphers_pycryptodome, text_serializer
from hivemind_core_client.errors import PluginError
from hivemind_core_client.message import HiveMessage, HiveMessageType
from hivemind_core_client.plugins import hookspecs, manager
from hivemind_core_client.plugins.builtin_plugins import BUILTIN_PLUGINS
from hivemind_core_client.plugins.contract import Cipher, Encoding, MessageHandler, Serializer
from hivemind_core_client.plugins.hookspecs import PROJECT
from hivemind_core_client.plugins.manager import (
    BLOCK_VARIABLE,
    SELECT_VARIABLE,
    Plugins,
    forget_plugins,
    load_plugins,
)
from hivemind_core_client.plugins.proving import cipher_fault
from hivemind_core_client.plugins.registry import Conflict
from tests.unit.support import BUILTINS, CIPHERS, ENCODINGS, explode, plugin, plugins_of

AES = ciphers_pycryptodome.hivemind_ciphers()[0]
ROT = Encoding("JSON-ROT", bytes.hex, bytes.fromhex)
BUILTIN_NAMES = {name: sys.modules[module] for name, module in BUILTIN_PLUGINS.items()}


def info(plugins: Plugins, name: str) -> manager.PluginInfo:
    return next(found for found in plugins.report if found.name == name)


# tables


def test_the_builtins_bring_everything() -> None:
    tables = plugins_of().require()
    assert sorted(tables.ciphers) == CIPHERS and sorted(tables.encodings) == sorted(ENCODINGS)
    assert set(tables.serializers) == {"text", "binary"}


def test_the_faster_provider_wins_and_the_loser_is_shown() -> None:
    conflicts = {
        conflict.name: conflict for conflict in plugins_of().conflicts() if conflict.kind == "cipher"
    }
    assert set(conflicts) == set(CIPHERS)
    assert plugins_of().registry() is not plugins_of().registry()


def test_a_third_party_wins_over_the_builtins_without_configuration() -> None:
    mine = evolve(AES, tag_size=16)
    plugins = plugins_of(plugin("acme", hivemind_ciphers=lambda: [mine]))
    assert plugins.registry().ciphers["AES-GCM"] is mine
    (conflict,) = [found for found in plugins.conflicts() if found.name == "AES-GCM"]
    assert isinstance(conflict, Conflict) and conflict.winner == "acme" and len(conflict.losers) == 2
    assert info(plugins, "acme").provides == ("cipher AES-GCM",)


def test_tables_are_built_once() -> None:
    calls: list[int] = []
    plugins = plugins_of(plugin("acme", hivemind_ciphers=lambda: calls.append(1)))
    assert plugins.registry() is plugins.registry() is plugins.require()
    assert plugins.report and plugins.conflicts() is plugins.conflicts()
    assert calls == [1]


LISTS = [name for name in dir(hookspecs) if name.startswith("hivemind_") and name.endswith("ers")]
LISTS += ["hivemind_ciphers", "hivemind_encodings"]


@pytest.mark.parametrize("hook", sorted(set(LISTS)))
def test_a_hook_that_raises_fails_its_plugin_alone(hook: str, caplog: pytest.LogCaptureFixture) -> None:
    plugins = plugins_of(plugin("acme", **{hook: explode}))
    plugins.require()
    broken = info(plugins, "acme")
    assert broken.state == "failed" and "RuntimeError: broken" in broken.error
    assert {found.state for found in plugins.report if found.name != "acme"} == {"loaded"}
    assert "plugin acme" in caplog.text


GARBAGE: list[tuple[str, Any, str]] = [
    ("hivemind_ciphers", ["AES-GCM"], "returned a str, not a Cipher"),
    ("hivemind_encodings", [AES], "returned a Cipher, not a Encoding"),
    ("hivemind_encodings", 5, "hivemind_encodings returned a int: return a list"),
    ("hivemind_encodings", [evolve(ROT, decode=explode)], "failed its self-test"),
    ("hivemind_ciphers", [evolve(AES, tag_size=1)], "a tag of 1 bytes"),
    ("hivemind_message_handlers", [None], "returned a NoneType"),
    ("hivemind_binary_handlers", {"a": 1}, "returned a str"),
    ("hivemind_serializers", [object()], "returned a object"),
]


@pytest.mark.parametrize(("hook", "returned", "error"), GARBAGE)
def test_garbage_of_a_plugin_is_left_out_and_shown(
    hook: str, returned: Any, error: str, caplog: pytest.LogCaptureFixture
) -> None:
    plugins = plugins_of(plugin("acme", **{hook: lambda: returned}))
    plugins.require()
    assert error in info(plugins, "acme").error and error in caplog.text


def test_several_faults_are_all_kept_and_what_works_is_used() -> None:
    plugins = plugins_of(plugin("acme", hivemind_encodings=lambda: ["x", ROT, 5], hivemind_ciphers=explode))
    assert "JSON-ROT" in plugins.registry().encodings
    broken = info(plugins, "acme")
    assert broken.error.count(";") == 2 and broken.provides == ("encoding JSON-ROT",)


@pytest.mark.parametrize("nothing", [None, [], (), iter(())])
def test_a_hook_may_return_nothing(nothing: Any) -> None:
    plugins = plugins_of(plugin("acme", hivemind_encodings=lambda: nothing))
    assert info(plugins, "acme").state == "loaded"


MISSING: list[tuple[str, str]] = [
    ("ciphers_openssl", ""),
    ("text_serializer", "text"),
    ("binary_serializer", "binary"),
    ("hello", "hello"),
    ("handshake", "shake"),
    ("encodings", "encodings"),
    ("bus", ""),
    ("propagate", ""),
]


@pytest.mark.parametrize(("left_out", "missing"), MISSING)
def test_what_no_client_can_do_without_is_named(left_out: str, missing: str) -> None:
    plugins = plugins_of(
        builtins=tuple(module for module in BUILTINS if not module.__name__.endswith(f".{left_out}"))
    )
    if not missing:
        assert plugins.require() is plugins.registry()
        return
    with pytest.raises(PluginError, match=f"no plugin provides: {missing}.*{BLOCK_VARIABLE}"):
        plugins.require()


def test_without_any_plugin_everything_is_missing() -> None:
    with pytest.raises(PluginError, match="text, binary, hello, shake, ciphers, encodings, handshakes"):
        plugins_of(builtins=()).require()


# observers


def test_observers_are_isolated_and_get_what_they_ask_for(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[Any] = []

    def disconnected(client: Any, reason: Any) -> None:
        seen.append((client, reason))

    def only_reason(reason: Any) -> None:
        seen.append(reason)

    plugins = plugins_of(
        plugin("first", hivemind_disconnected=disconnected),
        plugin("second", hivemind_disconnected=only_reason),
        plugin("broken", hivemind_disconnected=lambda: explode()),
        plugin("third", hivemind_connected=lambda client: seen.append(client)),
    )
    plugins.observe("hivemind_disconnected", client="c", reason="r")
    assert seen == ["r", ("c", "r")]
    assert "plugin broken raised in hivemind_disconnected" in caplog.text
    plugins.observe("hivemind_connected", client="c")
    assert seen[-1] == "c"
    assert plugins.hook is plugins.pm.hook


# entry points


class Distribution:
    """An installed distribution: its metadata as real files, its plugins as objects at hand."""

    def __init__(self, name: str, **entry_points: Any) -> None:
        self.name = name
        self.entry_points = entry_points

    def write(self, folder: Path, module: str) -> None:
        lines = [f"{label} = {self._value(module, label, load)}" for label, load in self.entry_points.items()]
        info = folder / f"{self.name.replace('-', '_')}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {self.name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(
            "\n".join(["[console_scripts]", "x = x:x", f"[{PROJECT}]", *lines])
        )

    def _value(self, module: str, label: str, load: Any) -> str:
        return load.__name__ if isinstance(load, ModuleType) else f"{module}:{label}"


class Loads(ModuleType):
    """A module whose attributes are made when they are asked for, or fail to be."""

    def __init__(self, name: str, entry_points: dict[str, Any]) -> None:
        super().__init__(name)
        self._entry_points = entry_points

    def __getattr__(self, name: str) -> Any:
        load = self._entry_points[name]
        return load() if callable(load) else load


BUILT_IN = Distribution("hivemind-core-client", **BUILTIN_NAMES)


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., None]]:
    find = metadata.distributions

    def install(*distributions: Distribution) -> None:
        root = tmp_path / uuid.uuid4().hex
        places = []
        for number, distribution in enumerate((BUILT_IN, *distributions)):
            module = f"hivemind_test_plugins_{number}"
            monkeypatch.setitem(sys.modules, module, Loads(module, distribution.entry_points))
            places.append(str(root / str(number)))
            distribution.write(root / str(number), module)
        monkeypatch.setattr(metadata, "distributions", lambda: find(path=places))
        forget_plugins()

    monkeypatch.delenv(SELECT_VARIABLE, raising=False)
    monkeypatch.delenv(BLOCK_VARIABLE, raising=False)
    install()
    yield install
    forget_plugins()


def loaded(plugins: Plugins) -> set[str]:
    return {found.name for found in plugins.infos if found.state == "loaded"} - set(BUILTIN_NAMES)


def rot(name: str) -> Any:
    """A plugin with an encoding that others bring too."""
    return plugin(name, hivemind_encodings=lambda: [evolve(ROT)])


ACME = Distribution("acme-plugin", acme=rot("acme"), beta=rot("beta"))

SELECTIONS: list[tuple[Optional[str], Optional[str], set[str]]] = [
    (None, None, {"acme", "beta"}),
    ("", None, set()),
    ("acme", None, {"acme"}),
    (" acme , beta,", None, {"acme", "beta"}),
    (None, "acme", {"beta"}),
    ("acme", "acme", set()),
    (None, "", {"acme", "beta"}),
]


@pytest.mark.parametrize("by_argument", [True, False])
@pytest.mark.parametrize(("select", "block", "names"), SELECTIONS)
def test_choosing_plugins(
    installed: Any,
    monkeypatch: pytest.MonkeyPatch,
    by_argument: bool,
    select: Optional[str],
    block: Optional[str],
    names: set[str],
) -> None:
    installed(ACME)
    if by_argument:
        plugins = load_plugins(*(names_in(text) for text in (select, block)))
    else:
        for variable, text in ((SELECT_VARIABLE, select), (BLOCK_VARIABLE, block)):
            if text is not None:
                monkeypatch.setenv(variable, text)
        plugins = load_plugins()
    assert loaded(plugins) == names
    plugins.require()
    states = {found.name: found.state for found in plugins.report if not found.builtin}
    assert states == {
        name: "loaded" if name in names else "blocked" if name in (block or "") else "not selected"
        for name in states
    }


@pytest.mark.parametrize(
    ("text", "names"), [('"acme"', {"acme"}), ("'acme,beta'\n", {"acme", "beta"}), ('""', set())]
)
def test_quotes_of_a_compose_file_around_names_of_plugins(
    installed: Any, monkeypatch: pytest.MonkeyPatch, text: str, names: set[str]
) -> None:
    installed(ACME)
    monkeypatch.setenv(SELECT_VARIABLE, text)
    assert loaded(load_plugins()) == names


def names_in(text: Optional[str]) -> Optional[list[str]]:
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]


def test_arguments_win_over_the_environment(installed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(ACME)
    monkeypatch.setenv(SELECT_VARIABLE, "acme")
    monkeypatch.setenv(BLOCK_VARIABLE, "beta")
    assert loaded(load_plugins(["beta"], [])) == {"beta"}


def test_builtins_can_be_blocked(installed: Any) -> None:
    plugins = load_plugins(blocked=["builtin_encodings"])
    assert info(plugins, "builtin_encodings").state == "blocked"
    with pytest.raises(PluginError, match="encodings"):
        plugins.require()


def test_builtins_are_told_by_their_distribution(installed: Any) -> None:
    installed(ACME)
    built_in = {found.name for found in load_plugins().infos if found.builtin}
    assert built_in == set(BUILTIN_NAMES)
    acme = info(load_plugins(), "acme")
    assert (acme.distribution, acme.version, acme.provides) == ("acme-plugin", "1.0", ("encoding JSON-ROT",))


def test_a_name_that_is_not_installed_is_logged(installed: Any, caplog: pytest.LogCaptureFixture) -> None:
    load_plugins(["nowhere"], ["nothing"])
    assert "plugin nowhere is selected or blocked, but not installed" in caplog.text
    assert "plugin nothing" in caplog.text


def exits() -> Any:
    raise SystemExit(3)


def fails_to_import() -> Any:
    raise ImportError("no module named x")


@pytest.mark.parametrize(
    ("load", "error"),
    [
        (fails_to_import, "ImportError: no module named x"),
        (exits, "SystemExit: 3"),
        (explode, "RuntimeError: broken"),
        (
            lambda: plugin("odd", hivemind_ciphers=lambda unknown: None),
            "its hivemind_ciphers has arguments that the hook lacks: unknown (it has: none)",
        ),
        (lambda: plugin("odd", hivemind_addhooks=explode_addhooks), "RuntimeError: broken"),
    ],
)
def test_a_plugin_that_fails_to_load_is_shown_and_hides_nobody(
    installed: Any, load: Any, error: str, caplog: pytest.LogCaptureFixture
) -> None:
    installed(ACME, Distribution("zoo", odd=load))
    plugins = load_plugins()
    odd = info(plugins, "odd")
    assert odd.state == "failed" and error in odd.error
    assert not plugins.pm.has_plugin("odd")
    assert "plugin odd of zoo failed to load" in caplog.text
    assert loaded(plugins) == {"acme", "beta"}
    plugins.require()


def explode_addhooks(pluginmanager: Any) -> None:
    raise RuntimeError("broken")


def test_a_plugin_brings_hooks_of_its_own(installed: Any) -> None:
    spec = pluggy.HookspecMarker(PROJECT)
    specs: Any = SimpleNamespace(__name__="specs", acme_words=spec(lambda: None))

    def add(pluginmanager: pluggy.PluginManager) -> None:
        pluginmanager.add_hookspecs(specs)

    installed(
        Distribution("one", zeta=plugin("zeta", acme_words=lambda: "hello")),
        Distribution("two", acme=plugin("acme", hivemind_addhooks=add)),
    )
    assert load_plugins().hook.acme_words() == ["hello"]


def test_the_alphabetically_first_third_party_wins(installed: Any) -> None:
    installed(Distribution("two", beta=rot("beta")), Distribution("one", acme=rot("acme")))
    (conflict,) = [found for found in load_plugins().conflicts() if found.name == "JSON-ROT"]
    assert (conflict.winner, conflict.losers) == ("acme", ("beta",))


def test_two_plugins_of_one_name_are_both_loaded(installed: Any) -> None:
    installed(Distribution("one", acme=rot("acme")), Distribution("two", acme=rot("other")))
    assert loaded(load_plugins()) == {"acme", "acme@two"}


def test_a_distribution_that_is_found_twice_counts_once(installed: Any) -> None:
    installed(ACME, ACME, Distribution("empty"))
    assert loaded(load_plugins()) == {"acme", "beta"}


def test_one_selection_is_loaded_once(installed: Any) -> None:
    assert load_plugins([]) is load_plugins(set())
    before = load_plugins()
    forget_plugins()
    assert load_plugins() is not before


def test_ciphers_are_in_order_of_measured_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    elapsed = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: elapsed[0])

    def taking(seconds: float, name: str) -> Cipher:
        def seal(key: bytes, nonce: bytes, plaintext: bytes) -> bytes:
            elapsed[0] += seconds
            return AES.seal(key, nonce, plaintext)

        return evolve(AES, name=name, seal=seal)

    ciphers = [taking(3.0, "SLOW"), taking(1.0, "QUICK"), taking(2.0, "MIDDLING")]
    registry = plugins_of(plugin("acme", hivemind_ciphers=lambda: ciphers), builtins=()).registry()
    assert list(registry.ciphers) == ["QUICK", "MIDDLING", "SLOW"]


def test_encodings_are_in_order_of_measured_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    elapsed = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: elapsed[0])

    def taking(seconds: float, name: str) -> Encoding:
        def encode(data: bytes) -> str:
            elapsed[0] += seconds
            return ROT.encode(data)

        return evolve(ROT, name=name, encode=encode)

    encodings = [taking(3.0, "SLOW"), taking(1.0, "QUICK"), taking(2.0, "MIDDLING")]
    registry = plugins_of(plugin("acme", hivemind_encodings=lambda: encodings), builtins=()).registry()
    assert list(registry.encodings) == ["QUICK", "MIDDLING", "SLOW"]


def test_of_two_encodings_that_are_as_fast_the_shorter_text_comes_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(time, "perf_counter", float)
    short = Encoding("SHORT", lambda data: data.decode("latin-1"), lambda text: text.encode("latin-1"))
    registry = plugins_of(plugin("acme", hivemind_encodings=lambda: [ROT, short]), builtins=()).registry()
    assert list(registry.encodings) == ["SHORT", "JSON-ROT"]


def test_what_was_proved_once_counts_for_the_process() -> None:
    calls: list[int] = []

    def seal(key: bytes, nonce: bytes, plaintext: bytes) -> bytes:
        calls.append(1)
        return AES.seal(key, nonce, plaintext)

    counted = evolve(AES, name="COUNTED", seal=seal)
    assert cipher_fault(counted) == ""
    proved = len(calls)
    registry = plugins_of(plugin("acme", hivemind_ciphers=lambda: [counted]), builtins=()).registry()
    assert list(registry.ciphers) == ["COUNTED"]
    assert len(calls) == proved > 0


def test_a_cipher_that_cannot_be_remembered_is_proved_each_time() -> None:
    listed: Any = [16, 32]
    assert cipher_fault(evolve(AES, key_sizes=listed)) == ""


def test_only_ciphers_that_hubs_know_are_offered_unasked() -> None:
    mine = evolve(AES, name="MINE")
    registry = plugins_of(plugin("acme", hivemind_ciphers=lambda: [mine])).registry()
    assert "MINE" in registry.ciphers
    assert set(registry.unasked_ciphers()) == set(CIPHERS)


def test_a_serializer_that_loses_a_type_is_left_out_and_shown(caplog: pytest.LogCaptureFixture) -> None:
    lossy = Serializer(
        "text", text_serializer.encode, lambda frame, max_size: HiveMessage("bus", {"type": "x"})
    )
    plugins = plugins_of(plugin("acme", hivemind_serializers=lambda: [lossy]))
    assert plugins.registry().serializers["text"].decode is text_serializer.decode
    assert info(plugins, "acme").state == "failed"
    assert "does not give back" in info(plugins, "acme").error and "does not give back" in caplog.text


def test_one_cipher_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "perf_counter", explode)
    alone = plugins_of(plugin("acme", hivemind_ciphers=lambda: [AES]), builtins=())
    assert list(alone.registry().ciphers) == ["AES-GCM"]


def test_conflicts_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    mine = MessageHandler(HiveMessageType.BUS, "mine", lambda context, message: None)
    with caplog.at_level(logging.DEBUG):
        plugins_of(plugin("acme", hivemind_message_handlers=lambda: [mine])).registry()
    assert "handler bus: acme wins over ('bus',)" in caplog.text
