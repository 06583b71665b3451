"""The conformance kit of the library, with what it cannot know: hooks of the command line. And finding a plugin."""

from __future__ import annotations

import copy
import importlib
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hivemind_client_cli.builtin_commands import BUILTIN_COMMANDS
from hivemind_client_cli.doctor_checks import DoctorCheck, Finding
from hivemind_client_cli.group import HiveMindGroup
from hivemind_client_cli.plugin_commands import call
from hivemind_core_client.errors import HiveMindError, Mend, UsageError
from hivemind_core_client.plugins.finding import candidates
from hivemind_core_client.plugins.manager import load_plugins
from hivemind_core_client.plugins.names import normalised
from hivemind_core_client.plugins.single_files import FOLDER_VARIABLE, PluginFile, module_of
from hivemind_core_client.testing.plugin_checks import PluginCheck, Trial, called, checks_of, table
from hivemind_core_client.wire.text import described

if TYPE_CHECKING:
    import pluggy


def checks_by_name(name: str) -> list[PluginCheck]:
    """The checks of a plugin: an installed one, a `.py` file or a module. UsageError where there is no such thing."""
    try:
        plugin, fault = _plugin(name)
    except (KeyboardInterrupt, UsageError):
        raise
    except BaseException as error:  # a module may even exit when it is imported
        return [PluginCheck("loads", f"raises {described(error)}")]
    return list(checks_of(plugin, TRIALS, fault))


def _commands(hook: str, implementation: pluggy.HookImpl) -> Iterator[PluginCheck]:
    root = _root()
    before = dict(root.commands.added)
    yield called(hook, lambda: call(hook, implementation, root))
    for name, command in root.commands.added.items():
        if command is not before.get(name):
            yield PluginCheck(f"command {name}", _command_fault(name, command))


def _ready(hook: str, implementation: pluggy.HookImpl) -> Iterator[PluginCheck]:
    yield called(hook, lambda: call(hook, implementation, _root()))


def _root() -> HiveMindGroup:
    """The command with copies of the built-in subcommands: what is tried must not change those of this process."""
    root = HiveMindGroup("hivemind-client")
    for name, each in BUILTIN_COMMANDS.items():
        root.commands[name] = copied = copy.copy(each.load())
        copied.params = list(copied.params)
    return root


def _plugin(name: str) -> tuple[Any, str | None]:
    """A plugin, and why it is not loaded where it is installed; None where nobody has tried to load it."""
    if name.endswith(".py") or os.sep in name or name in (os.curdir, os.pardir):
        return _of_file(Path(name).expanduser().absolute()), None
    known = candidates((), os.environ.get(FOLDER_VARIABLE, ""))
    for each in known:
        if normalised(each.name) == normalised(name):
            (info,) = [info for info in load_plugins([each.name], ()).report if info.name == each.name]
            return each.load(), "" if info.state == "loaded" else f"{info.state}: {info.error}"
    try:
        return importlib.import_module(name), None
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        others = ", ".join(each.name for each in known if not each.builtin)
        raise UsageError(
            f"there is neither an installed plugin nor a module {name!r}",
            Mend(f"name one of {others}, or a file" if others else "name a file, such as ./bell.py"),
        ) from None


def _of_file(path: Path) -> Any:
    if path.is_dir() and not (path / "__init__.py").is_file():
        path = _of_project(path)
    package = path if path.is_dir() else path.parent
    if (package / "__init__.py").is_file() and path in (package, package / "__init__.py"):
        return _of_package(package.absolute())
    if not path.is_file():
        raise UsageError(
            f"{path} is neither a file nor a package",
            Mend(
                "name a file that ends with .py, a folder with an __init__.py, one with a package in src, an installed "
                "plugin or a module"
            ),
        )
    about = path.stat()
    return module_of(PluginFile(path.stem, str(path.absolute()), (about.st_mtime_ns, about.st_size)))


def _of_project(folder: Path) -> Path:
    """The one package in `src` of a project, as `plugins new` writes it; else the folder itself."""
    found = sorted(each.parent for each in folder.glob("src/*/__init__.py"))
    if len(found) > 1:
        raise UsageError(
            f"{folder} has several packages: {', '.join(each.name for each in found)}",
            Mend(f"name one of them, such as {os.path.join('src', found[0].name)}"),
        )
    return found[0] if found else folder


def _of_package(package: Path) -> Any:
    """A package of this folder, as if it were installed: it may import what lies in it."""
    sys.path.insert(0, str(package.parent))
    try:
        return importlib.import_module(package.name)
    finally:
        sys.path.remove(str(package.parent))


def _command_fault(name: str, command: click.Command) -> str:
    if not command.help and not command.short_help:
        return "has no help: give its function a docstring"
    try:
        command.get_help(click.Context(command, info_name=name))
    except Exception as error:  # it is anyone's
        return f"its help raises {described(error)}"
    return ""


def _check_doctor_check(item: Any) -> None:
    if not isinstance(item, DoctorCheck):
        raise AssertionError(f"a {type(item).__name__} is no DoctorCheck: make one of hivemind_client_cli")
    from hivemind_core_client import FakeHiveMessageBus

    client = FakeHiveMessageBus(plugins=(), blocked_plugins=())
    client.connect()
    try:
        found = item.run(client)
    except HiveMindError:
        return  # there is no hub that could answer
    except Exception as error:
        raise AssertionError(f"raises {described(error)}: return Finding('fail', …)") from error
    finally:
        client.close()
    if not isinstance(found, Finding):
        raise AssertionError(f"returns a {type(found).__name__}: return a Finding")


#: What tries the hooks of the command line.
TRIALS: Mapping[str, Trial] = {
    "hivemind_cli_commands": _commands,
    "hivemind_cli_ready": _ready,
    "hivemind_doctor_checks": table(lambda item: f"doctor check {item.name}", _check_doctor_check),
}
