"""Where settings of plugins come from: the client's `plugin_settings`, and `plugins.toml` beside the identity file."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from hivemind_core_client.plugins.names import normalised
from hivemind_core_client.plugins.settings import made
from hivemind_core_client.wire.errors import InvalidOption, Mend

if TYPE_CHECKING:
    from hivemind_core_client.plugins.manager import Plugins

FILE = "plugins.toml"


def settings_of(
    plugins: Plugins, given: Optional[Mapping[str, Any]], identity: Optional[str]
) -> dict[str, Any]:
    """The settings of each plugin that declares some: `given` tables, else those of the file, else defaults.

    `identity` is the path of the identity file, None without one. Raises InvalidOption.
    """
    declared = plugins.registry().settings
    if given is not None and not isinstance(given, Mapping):
        raise InvalidOption(f"plugin_settings is a {type(given).__name__}; it must be a dict of tables")
    if not declared and not given:
        return {}
    names = {normalised(info.name) for info in plugins.report}
    path = None if identity is None else Path(identity).with_name(FILE)
    stored = {} if path is None else made(declared, _read(path), str(path), names, strict=False)
    passed = made(declared, given or {}, "plugin_settings", names, strict=True)
    return {**{name: kind() for name, kind in declared.items()}, **stored, **passed}


def _read(path: Path) -> Mapping[str, Any]:
    toml = import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    try:
        with path.open("rb") as file:
            if os.name == "posix" and os.fstat(file.fileno()).st_mode & stat.S_IWOTH:
                raise InvalidOption(f"anyone may write to {path}", Mend(f"run 'chmod o-w {path}'"))
            tables: Mapping[str, Any] = toml.load(file)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise InvalidOption(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        if isinstance(error, InvalidOption):
            raise
        raise InvalidOption(f"{path} is no TOML ({type(error).__name__})") from None
    return tables
