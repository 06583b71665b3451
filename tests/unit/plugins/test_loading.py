"""What is loaded as a plugin: versions of the contract, names, objects, single files; and how often."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from hivemind_core_client import FakeHiveMessageBus, HiveMessageBusClient, NodeIdentity
from hivemind_core_client.errors import InvalidOption, PluginError
from hivemind_core_client.plugins.contract import API_VERSION
from hivemind_core_client.plugins.hookspecs import hookimpl
from hivemind_core_client.plugins.manager import (
    BLOCK_VARIABLE,
    SELECT_VARIABLE,
    PluginInfo,
    Plugins,
    forget_plugins,
    load_plugins,
)
from hivemind_core_client.plugins.names import normalised, version_key
from hivemind_core_client.plugins.single_files import FOLDER_VARIABLE
from hivemind_core_client.testing import EmbeddedHub
from tests.unit.package_support import COUNTING, lay
from tests.unit.support import PASSWORD, explode, plugin

MARKED = "from hivemind_core_client.plugins.hookspecs import hookimpl\n"


@pytest.fixture
def packages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A folder in front of the path, for packages."""
    folder = tmp_path / "packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    before = set(sys.modules)
    forget_plugins()
    yield folder
    forget_plugins()
    for name in set(sys.modules) - before:
        if str(folder) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.fixture
def folder(packages: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that HIVEMIND_CLIENT_PLUGINS_DIR names."""
    place = packages.parent / "files"
    place.mkdir(mode=0o755)
    monkeypatch.setenv(FOLDER_VARIABLE, str(place))
    return place


def info(plugins: Plugins, name: str) -> PluginInfo:
    return next(found for found in plugins.report if found.name == name)


def others(plugins: Plugins) -> dict[str, str]:
    """The states of what is not ours."""
    return {
        found.name: found.state
        for found in plugins.report
        if not found.distribution.startswith(("hivemind-client-", "hivemind-core-"))
    }


# versions of the contract


VERSIONS: list[tuple[str, str, str]] = [
    (f"HIVEMIND_API_VERSION = {API_VERSION}", "loaded", ""),
    ("HIVEMIND_API_VERSION = 1", "loaded", ""),
    (f"HIVEMIND_API_VERSION = {API_VERSION + 1}", "incompatible", f"needs version {API_VERSION + 1} of the"),
    ("HIVEMIND_API_VERSION = '2'", "incompatible", "must be a whole number"),
    ("HIVEMIND_API_VERSION = True", "incompatible", "must be a whole number"),
    ("HIVEMIND_API_VERSION = 0", "incompatible", "must be a whole number"),
    (
        f"{MARKED}@hookimpl\ndef hivemind_telepathy(): pass",
        "incompatible",
        "hivemind_telepathy does not exist",
    ),
    (f"{MARKED}@hookimpl\ndef hivemind_cipher(): pass", "incompatible", "did you mean hivemind_ciphers?"),
    (f"{MARKED}@hookimpl(optionalhook=True)\ndef hivemind_telepathy(): pass", "loaded", ""),
    (f"{MARKED}@hookimpl\ndef words_of_mine(): pass", "loaded", ""),
    (
        "from hivemind_core_client.plugins.contract import Telepathy",
        "incompatible",
        "needs a newer plugin contract",
    ),
    ("from json import telepathy", "failed", "ImportError"),
]


@pytest.mark.parametrize(("source", "state", "reason"), VERSIONS)
def test_a_plugin_that_needs_another_contract_is_left_out_and_the_rest_works(
    packages: Path, source: str, state: str, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    lay(packages, "odd", source=COUNTING + source)
    lay(packages, "sound")
    plugins = load_plugins()
    assert others(plugins) == {"odd": state, "sound": "loaded"}
    assert reason in info(plugins, "odd").error and bool(reason) == bool(info(plugins, "odd").error)
    assert ("JSON-ODD" in plugins.registry().encodings) == (state == "loaded")
    assert "JSON-SOUND" in plugins.require().encodings
    assert caplog.text.count("plugin odd") == (state != "loaded")


def test_the_warning_of_an_incompatible_plugin_comes_once(
    packages: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lay(packages, "odd", source="HIVEMIND_API_VERSION = 99\n")
    assert load_plugins() is not load_plugins(["odd"])
    assert caplog.text.count("version 99 of the plugin contract") == 1


@pytest.mark.parametrize("command_line", [True, False])
def test_hooks_of_the_command_line_are_known_where_it_is_not_loaded(
    packages: Path, command_line: bool
) -> None:
    lay(packages, "odd", source=f"{MARKED}@hookimpl\ndef hivemind_cli_commands(cli): pass\n")
    assert others(load_plugins(blocked=[] if command_line else ["cli"]))["odd"] == "loaded"


# names


@pytest.mark.parametrize("spelt", ["Door_Bell", "door.bell", "DOOR-BELL", "door-_bell"])
@pytest.mark.parametrize("variable", [True, False])
def test_names_are_compared_in_their_normal_form(
    packages: Path,
    spelt: str,
    variable: bool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    lay(packages, "door-bell")
    lay(packages, "other")
    if variable:
        monkeypatch.setenv(SELECT_VARIABLE, spelt)
        assert others(load_plugins()) == {"door_bell": "loaded", "other": "not selected"}
        monkeypatch.delenv(SELECT_VARIABLE)
        monkeypatch.setenv(BLOCK_VARIABLE, f"{spelt},Builtin.Thirdparty")
        plugins = load_plugins()
    else:
        assert others(load_plugins(spelt)) == {"door_bell": "loaded", "other": "not selected"}
        plugins = load_plugins(blocked=[spelt, "Builtin.Thirdparty"])
    assert others(plugins) == {"door_bell": "blocked", "other": "loaded"}
    assert info(plugins, "builtin_thirdparty").state == "blocked"
    assert "not installed" not in caplog.text


def test_one_set_of_names_is_loaded_once_however_they_are_spelt(packages: Path) -> None:
    lay(packages, "door-bell")
    assert load_plugins("door_bell") is load_plugins(["Door.Bell"])


@pytest.mark.parametrize("name", ["builtin_hello", "Builtin.Hello"])
def test_nobody_takes_the_name_of_a_built_in(packages: Path, name: str) -> None:
    lay(packages, "usurper", entry_points=f"{name} = usurper")
    plugins = load_plugins()
    assert info(plugins, "builtin_hello").builtin and info(plugins, "builtin_hello").state == "loaded"
    usurper = info(plugins, f"{name}@usurper")
    assert usurper.state == "failed" and "is the name of a built-in plugin" in usurper.error
    assert "JSON-USURPER" not in plugins.require().encodings


@pytest.mark.parametrize(
    "order", [("1.9", "1.10"), ("1.10", "1.9"), ("1.10", "1.10rc1"), ("1.10.dev3", "1.10")]
)
def test_of_a_distribution_found_twice_the_newest_counts(
    packages: Path, monkeypatch: pytest.MonkeyPatch, order: tuple[str, str]
) -> None:
    monkeypatch.syspath_prepend(str(packages.parent / "front"))
    for place, name, version in zip((packages.parent / "front", packages), ("Door_Bell", "door-bell"), order):
        lay(place, name, version)
    plugins = load_plugins()
    assert others(plugins) == {"door_bell": "loaded"}
    assert info(plugins, "door_bell").version == "1.10"


def test_versions_are_in_the_order_of_pep_440() -> None:
    versions = [
        "nonsense",
        "1.0.dev2",
        "1.0a1",
        "1.0b1",
        "1.0rc1",
        "1.0rc2",
        "1.0",
        "1.0.post1",
        "1.9",
        "1.10",
        "1!0.1",
    ]
    assert sorted(sorted(versions), key=version_key) == versions
    assert version_key("1.0") == version_key("v1") and normalised("A.b__C-d") == "a-b-c-d"


# modules and objects


class Bell:
    """A plugin as an object."""

    def __init__(self, name: str = "JSON-BELL") -> None:
        self.name, self.calls = name, 0

    @hookimpl
    def hivemind_encodings(self) -> Any:
        from hivemind_core_client.plugins.contract import Encoding

        self.calls += 1
        return [Encoding(self.name, bytes.hex, bytes.fromhex)]


def module(name: str) -> ModuleType:
    made = ModuleType(name)
    exec(COUNTING, made.__dict__)
    return made


def test_names_modules_and_objects_go_together(packages: Path) -> None:
    lay(packages, "one")
    lay(packages, "two")
    plugins = load_plugins(["one", module("given"), Bell()])
    assert others(plugins) == {"one": "loaded", "two": "not selected", "given": "loaded", "Bell": "loaded"}
    assert {"JSON-ONE", "JSON-GIVEN", "JSON-BELL"} <= set(plugins.require().encodings)
    assert info(plugins, "Bell").source == "given" and info(plugins, "one").source == "one"
    assert others(load_plugins(["*", Bell()])) == {"one": "loaded", "two": "loaded", "Bell": "loaded"}
    assert others(load_plugins([Bell(), Bell()], blocked="bell")) == {
        "one": "not selected",
        "two": "not selected",
        "Bell": "blocked",
        "Bell@given": "loaded",
    }


def test_what_is_given_wins_in_its_order(packages: Path) -> None:
    lay(packages, "one")
    first, second = Bell("JSON-ONE"), Bell("JSON-ONE")
    (conflict,) = [
        each for each in load_plugins(["one", first, second]).conflicts() if each.name == "JSON-ONE"
    ]
    assert (conflict.winner, conflict.losers) == ("Bell", ("Bell@given", "one"))


@pytest.mark.parametrize("value", [5, [None], [b"name"], ["a", 3.5], b"name", [["a"]]])
def test_what_is_no_plugin_is_refused(value: Any) -> None:
    with pytest.raises(InvalidOption, match="a list of names, modules or objects of plugins, or one name"):
        load_plugins(value)


def test_objects_cannot_be_blocked() -> None:
    blocked: Any = [Bell()]
    with pytest.raises(InvalidOption, match=r"blocked_plugins has .*a list of names"):
        load_plugins(blocked=blocked)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (plugin("broken", hivemind_ciphers=explode), "RuntimeError: broken"),
        (plugin("broken", hivemind_connected=lambda nonsense: None), "lacks: nonsense (it has: client)"),
        (plugin("broken"), "implements no hook"),
        (plugin("builtin_bus", hivemind_ciphers=lambda: None), "is the name of a built-in plugin"),
    ],
)
def test_a_broken_object_harms_nobody(given: Any, reason: str) -> None:
    plugins = load_plugins([given, Bell()])
    (broken,) = [each for each in plugins.report if each.state == "failed"]
    assert reason in broken.error
    assert "JSON-BELL" in plugins.require().encodings


def clients(hub: EmbeddedHub, **options: Any) -> list[Any]:
    """One client of each kind."""
    options = {"host": hub.url, "identity": NodeIdentity({}), **options}
    made: list[Any] = [HiveMessageBusClient("k", PASSWORD, **options), FakeHiveMessageBus(**options)]
    from hivemind_core_client import HiveMindHTTPClient

    made.append(HiveMindHTTPClient("k", PASSWORD, **{**options, "host": "http://127.0.0.1:1"}))
    if sys.version_info >= (3, 10):
        from hivemind_core_client import AsyncFakeHiveMessageBus, AsyncHiveMessageBusClient

        made += [AsyncHiveMessageBusClient("k", PASSWORD, **options), AsyncFakeHiveMessageBus(**options)]
    return made


def test_clients_of_every_kind_and_the_hub_take_objects(packages: Path) -> None:
    bell = Bell()
    with EmbeddedHub({"k": PASSWORD}, encodings=["JSON-BELL"], plugins=[bell]) as hub:
        made = clients(hub, plugins=[bell])
        assert all("JSON-BELL" in client.plugins.require().encodings for client in made)
        with made[0] as client:
            assert client.negotiated.encoding == "JSON-BELL"
    assert bell.calls == 1


# single files


def write(folder: Path, name: str, source: str = COUNTING, mode: int = 0o644) -> Path:
    path = folder / name
    path.write_text(source)
    path.chmod(mode)
    return path


def test_files_of_a_folder_are_plugins(folder: Path) -> None:
    write(folder, "chime.py")
    write(folder, "_shared.py", "raise RuntimeError")
    write(folder, ".hidden.py", "raise RuntimeError")
    write(folder, "notes.txt", "no module")
    plugins = load_plugins()
    assert others(plugins) == {"chime": "loaded"}
    assert info(plugins, "chime").source == str(folder / "chime.py")
    assert info(plugins, "chime").provides == ("encoding JSON-HIVEMIND_PLUGIN_FILE_CHIME",)
    assert others(load_plugins(())) == {"chime": "not selected"}
    assert others(load_plugins(blocked="Chime")) == {"chime": "blocked"}


BROKEN_FILES: list[tuple[str, str]] = [
    ("raise RuntimeError('on purpose')", "RuntimeError: on purpose"),
    ("import sys; sys.exit(3)", "SystemExit: 3"),
    ("def (", "SyntaxError"),
    ("x = 1", "implements no hook"),
]


@pytest.mark.parametrize(("source", "reason"), BROKEN_FILES)
def test_a_broken_file_harms_nobody(
    folder: Path, source: str, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(folder, "broken.py", source)
    write(folder, "sound.py")
    plugins = load_plugins()
    assert others(plugins) == {"broken": "failed", "sound": "loaded"}
    assert reason in info(plugins, "broken").error
    assert f"plugin broken of {path} failed to load" in caplog.text
    plugins.require()


def test_a_changed_file_is_run_anew_and_an_unchanged_one_is_not(folder: Path) -> None:
    runs = folder / "runs"
    noting = f"{COUNTING}\nopen({str(runs)!r}, 'a').write('x')\n"
    write(folder, "chime.py", noting)
    load_plugins()
    load_plugins("chime")
    forget_plugins()
    load_plugins()
    assert runs.read_text() == "x"
    write(folder, "chime.py", f"{noting}# changed\n")
    forget_plugins()
    load_plugins()
    assert runs.read_text() == "xx"


def test_a_folder_that_is_not_there_is_logged(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(folder / "nowhere"))
    load_plugins().require()
    assert f"no plugins are loaded from {folder / 'nowhere'}" in caplog.text


@pytest.mark.parametrize(("mode", "who", "letter"), [(0o666, "anyone", "o"), (0o664, "its group", "g")])
def test_a_file_that_others_may_write_to_is_not_run(folder: Path, mode: int, who: str, letter: str) -> None:
    path = write(folder, "open.py", mode=mode)
    write(folder, "sound.py")
    plugins = load_plugins()
    assert others(plugins) == {"open": "failed", "sound": "loaded"}
    assert info(plugins, "open").error == f"{who} may write to {path}: run 'chmod {letter}-w {path}'"


@pytest.mark.parametrize(("mode", "who"), [(0o777, "anyone"), (0o1777, "anyone"), (0o775, "its group")])
@pytest.mark.parametrize("above", [True, False])
def test_a_folder_that_others_may_write_to_is_refused(
    folder: Path, mode: int, who: str, above: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = folder / "inner"
    inner.mkdir(mode=0o755)
    monkeypatch.setenv(FOLDER_VARIABLE, str(inner))
    (folder if above else inner).chmod(mode)
    if above and mode == 0o1777:  # as /tmp is: nobody replaces what is another's
        FakeHiveMessageBus()
        return
    with pytest.raises(
        PluginError, match=rf"{who} may write to .*Run 'chmod .-w .*HIVEMIND_CLIENT_PLUGINS_DIR"
    ):
        FakeHiveMessageBus()


@pytest.mark.parametrize("of_the_folder", [True, False])
def test_what_links_into_an_open_folder_is_refused(
    folder: Path, of_the_folder: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, own = folder.parent / "open", folder.parent / "own"
    for place in (opened, own):
        place.mkdir()
    write(own, "chime.py")
    # Through a link in the open folder to what nobody else may write: that link can be changed.
    (opened / "chime.py").symlink_to(own / "chime.py")
    opened.chmod(0o777)
    if of_the_folder:
        (folder / "link").symlink_to(opened)
        monkeypatch.setenv(FOLDER_VARIABLE, str(folder / "link"))
        with pytest.raises(PluginError, match=f"anyone may write to {opened}"):
            load_plugins()
        return
    (folder / "chime.py").symlink_to("../open/chime.py")
    (folder / "endless.py").symlink_to("endless.py")
    plugins = load_plugins()
    assert others(plugins) == {"chime": "failed", "endless": "failed"}
    assert f"anyone may write to {opened}" in info(plugins, "chime").error
    opened.chmod(0o755)
    forget_plugins()
    assert others(load_plugins())["chime"] == "loaded"


@pytest.mark.parametrize("whose", ["file", "folder"])
def test_what_belongs_to_another_user_is_refused(
    folder: Path, whose: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(folder, "chime.py")
    stranger, find = path if whose == "file" else folder, os.lstat

    def lstat(place: Any) -> os.stat_result:
        found = find(place)
        facts = list(found)
        facts[4] = os.geteuid() + 1 if str(place) == str(stranger) else os.geteuid()
        return os.stat_result(facts)

    monkeypatch.setattr(os, "lstat", lstat)
    if whose == "folder":
        with pytest.raises(PluginError, match=f"{folder} belongs to another user"):
            load_plugins()
        return
    assert f"{path} belongs to another user" in info(load_plugins(), "chime").error


def test_a_pipe_is_no_plugin(folder: Path) -> None:
    os.mkfifo(folder / "pipe.py", 0o600)
    (folder / "place.py").mkdir()
    plugins = load_plugins()
    assert others(plugins) == {"pipe": "failed", "place": "failed"}
    assert info(plugins, "pipe").error == info(plugins, "place").error == "it is no file"


def test_a_relative_folder_is_that_of_the_present_working_directory(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("one", "two"):
        (folder / name / "plugins").mkdir(parents=True)
        write(folder / name / "plugins", f"{name}.py")
    monkeypatch.setenv(FOLDER_VARIABLE, "plugins")
    for name in ("one", "two"):
        monkeypatch.chdir(folder / name)
        assert others(load_plugins()) == {name: "loaded"}
    monkeypatch.chdir(folder)
    gone = folder / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    load_plugins().require()
    assert "no plugins are loaded from plugins (HIVEMIND_CLIENT_PLUGINS_DIR)" in caplog.text


def test_names_that_differ_in_a_dot_are_two_modules(folder: Path) -> None:
    dotted, other = write(folder, "door.bell.py"), write(folder, "door_bell.py")
    plugins = load_plugins()
    assert set(others(plugins).values()) == {"loaded"} and len(others(plugins)) == 2
    modules = [plugins.pm.get_plugin(name) for name in others(plugins)]
    assert {module.__file__ for module in modules} == {str(dotted), str(other)}
    assert all(sys.modules[module.__name__] is module for module in modules)


# plugins that ask for plugins


@pytest.mark.parametrize(
    "asks",
    [
        "from hivemind_core_client.plugins.manager import load_plugins; load_plugins()",
        "from hivemind_core_client import FakeHiveMessageBus; FakeHiveMessageBus()",
        "from hivemind_core_client.plugins.manager import load_plugins; load_plugins(['asking'])",
    ],
)
def test_a_file_that_asks_for_plugins_is_not_run_within_itself(folder: Path, asks: str) -> None:
    runs = folder / "runs"
    write(folder, "asking.py", f"{COUNTING}\nopen({str(runs)!r}, 'a').write('x')\n{asks}\n")
    write(folder, "sound.py")
    plugins = load_plugins()
    plugins.require()
    assert runs.read_text() == "x"
    assert others(plugins)["sound"] == "loaded"
    if "['asking']" not in asks:
        assert others(plugins)["asking"] == "failed"
        assert "makes a client, or asks for the plugins, while it is loaded" in info(plugins, "asking").error


def test_a_hook_of_a_table_that_makes_a_client_is_refused_what_it_asks() -> None:
    calls: list[int] = []
    given: list[Any] = [Bell()]

    def ciphers() -> None:
        calls.append(1)
        FakeHiveMessageBus(plugins=given)

    given.append(plugin("asking", hivemind_ciphers=ciphers))
    plugins = load_plugins(given)
    assert "JSON-BELL" in plugins.require().encodings
    assert calls == [1] and "while it is loaded" in info(plugins, "asking").error


def test_a_child_loads_plugins_though_a_thread_of_the_parent_was_loading(folder: Path) -> None:
    entered, leave = threading.Event(), threading.Event()

    class Slow:
        @hookimpl
        def hivemind_ciphers(self) -> None:
            entered.set()
            leave.wait(30)

    thread = threading.Thread(target=lambda: load_plugins([Slow()]).registry())
    thread.start()
    assert entered.wait(10)
    child = os.fork()
    if not child:
        signal.alarm(20)
        ok = bool(load_plugins([Bell()]).require().encodings)
        os._exit(0 if ok else 1)
    leave.set()
    thread.join(10)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


# how often


def test_fifty_plugins_are_asked_once_for_any_number_of_clients(
    packages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(50):
        lay(packages, f"tiny-{number}")
    looked: list[int] = []
    find = metadata.distributions

    def counted(**options: Any) -> Any:
        looked.append(1)
        return find(**options)

    monkeypatch.setattr(metadata, "distributions", counted)
    with EmbeddedHub({"k": PASSWORD}) as hub:
        made = [client for _ in range(5) for client in clients(hub)]
    assert len({id(client.plugins) for client in made}) == 1
    calls = [len(sys.modules[f"tiny_{number}"].__dict__["CALLS"]) for number in range(50)]
    assert calls == [1] * 50
    load_plugins(["tiny-1"]).require()
    assert looked == [1]


def test_clients_that_are_made_at_once_share_one_set_of_tables(packages: Path) -> None:
    bell, found = Bell(), []
    barrier = threading.Barrier(8)

    def make() -> None:
        barrier.wait(10)
        found.append(load_plugins([bell]).require())

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(found) == 8 and all(tables is found[0] for tables in found)
    assert bell.calls == 1
