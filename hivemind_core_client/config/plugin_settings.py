"""Where settings of plugins come from: the client's `plugin_settings`, and `plugins.toml` beside the identity file."""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from hivemind_core_client.config.key_files import read_private
from hivemind_core_client.plugins.names import normalised
from hivemind_core_client.plugins.settings import defaults, made
from hivemind_core_client.wire.errors import IdentityFileError, InvalidOption, Mend

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
    given_ones = {**stored, **passed}
    return {
        **defaults({name: kind for name, kind in declared.items() if name not in given_ones}),
        **given_ones,
    }


def _read(path: Path) -> Mapping[str, Any]:
    try:
        data = read_private(str(path), "settings of plugins")
    except IdentityFileError as error:
        raise InvalidOption(error.what, *error.mends) from error
    if data is None:
        return {}
    if os.name == "posix" and path.stat().st_mode & stat.S_IWOTH:
        raise InvalidOption(f"anyone may write to {path}", Mend(f"run 'chmod o-w {path}'"))
    toml = import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    try:
        tables: Mapping[str, Any] = toml.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise InvalidOption(f"{path} is no TOML ({_place_of(error)})") from None
    return tables


def _place_of(error: Exception) -> str:
    """Where in the file the fault is, and nothing of what is there."""
    found = re.search(r"\(at ((line \d+, column \d+)|(end of document))\)$", str(error))
    return found[1] if found else type(error).__name__
