"""A new package with a plugin, for `hivemind-client plugins new`: written from the templates beside this module."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path
from string import Template
from typing import NamedTuple

from hivemind_core_client.errors import Mend, UsageError

_TEMPLATES = Path(__file__).with_name("templates")
_PREFIX = "hivemind-client-"
#: What PEP 508 allows for the name of a distribution.
_NAME = re.compile(r"[A-Z0-9]|[A-Z0-9][A-Z0-9._-]*[A-Z0-9]", re.IGNORECASE | re.ASCII)
_LONGEST_NAME = 40
_LIBRARY = '"hivemind-core-client>=0.2.0,<0.3"'


class Kind(NamedTuple):
    """A kind of plugin: a summary of it, what its module does, and what its package requires."""

    summary: str
    what: str
    requires: str = _LIBRARY
    #: What its name on the wire begins with.
    wire: str = ""


KINDS: Mapping[str, Kind] = {
    "handler": Kind(
        "Handles messages of the type 3rdparty.",
        "`receive` gets each message, and returns what is to happen.",
    ),
    "wrapper": Kind(
        "Stands around the handler of BUS messages.",
        "`receive` sees what arrives and `prepare` what is sent; both call `next` for the handler that is there.",
    ),
    "binary": Kind(
        "Handles images that the hub sends.", "`receive` gets the bytes and what the sender says of them."
    ),
    "message-type": Kind(
        "Brings a message type of its own.",
        "`TYPE` is the type, and `receive` gets each message of it. The hub needs it too.",
    ),
    "cipher": Kind(
        "Brings a cipher for protocol versions 0 to 2.",
        "`seal` and `open_` are the cipher. List its name: `HiveMessageBusClient(ciphers=[…])`, or `--cipher NAME` in a"
        " shell. The hub needs it too.",
        f'{_LIBRARY}, "pycryptodome>=3.19"',
    ),
    "encoding": Kind(
        "Brings an encoding of bytes as text.",
        "`encode` makes text of bytes, and `base64.b85decode` bytes of text. The hub needs it too.",
        wire="JSON-",
    ),
    "serializer": Kind(
        "Brings a form of text frames.",
        "`encode` makes text of a message, and `decode` a message of text. The hub needs it too.",
    ),
    "command": Kind(
        "Adds a subcommand to hivemind-client.",
        "`ring` is the command; its client is connected.",
        f'{_LIBRARY}, "click>=8.1", "hivemind-client-cli>=0.2.0,<0.3"',
    ),
    "transport": Kind(
        "Brings a transport: frames over TCP.",
        "`Carrier` is one connection. What stands at the other end must speak the same.",
    ),
    "observer": Kind(
        "Logs sessions and messages of a client.",
        "each function is told of one thing, and returns nothing.",
    ),
}


class Written(NamedTuple):
    """A package that was written: its folder, the plugin's name, and its files, as paths in that folder."""

    folder: str
    plugin: str
    files: tuple[str, ...]


def write_package(name: str, kind: str, parent: str) -> Written:
    """Write a new package of this kind into a new folder below `parent`.

    `name` may be written in any way that PEP 503 takes for the same; what is written is `door-bell`. Raises UsageError
    for a name that no distribution can have or that is taken, for a folder that is there already, and where nothing
    can be written. Then nothing is left behind.
    """
    name = _checked(name)
    if name in _taken(kind) or (kind == "transport" and not name[0].isalpha()):
        what = f"a {kind} cannot be called {name}: that is built in, or no name of one"
        raise UsageError(what, Mend("choose another name; its code may take another one later"))
    folder = Path(parent).expanduser().absolute() / f"{_PREFIX}{name}"
    if os.path.lexists(folder):
        raise UsageError(
            f"{folder} is there already, and nothing was written",
            Mend("choose another NAME, or another folder with --dir"),
        )
    files = _files(name, kind)
    texts = {path: _rendered(template, name, kind) for path, template in files.items()}
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        # Beside it: so it is there as a whole or not at all, and a folder of the same name is never written into.
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{_PREFIX}") as scratch:
            made = Path(scratch, "package")
            for path, text in texts.items():
                file = made / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text, encoding="utf-8")
            os.rename(made, folder)
    except OSError as error:
        raise UsageError(
            f"{folder} cannot be written: {error.strerror or error}",
            Mend("name a folder of yours with --dir"),
        ) from error
    return Written(str(folder), _entry_point(name), tuple(sorted(texts)))


def _checked(name: str) -> str:
    from hivemind_core_client.plugins.builtin_plugins import BUILTIN_PLUGINS
    from hivemind_core_client.plugins.names import normalised

    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} can be no name of a plugin",
            Mend("take letters, digits and hyphens, such as door-bell"),
        )
    found = normalised(name)
    found = found[len(_PREFIX) :] if found.startswith(_PREFIX) else found
    if len(found) > _LONGEST_NAME:
        raise UsageError(
            f"the name of a plugin has {_LONGEST_NAME} characters at most", Mend("choose a shorter one")
        )
    if found in {*map(normalised, BUILTIN_PLUGINS), *_OURS}:
        raise UsageError(f"{found} is the name of a plugin of HiveMind itself", Mend("choose another name"))
    return found


def _taken(kind: str) -> Collection[str]:
    """Names that stand for something else, in what the templates of this kind make of them."""
    from hivemind_client_cli.builtin_commands import BUILTIN_COMMANDS
    from hivemind_core_client.plugins.registry import STANDARD_CIPHERS
    from hivemind_core_client.wire.message import HiveMessageType

    taken: Mapping[str, Collection[str]] = {
        "cipher": {each.lower() for each in STANDARD_CIPHERS},
        "command": BUILTIN_COMMANDS,
        "message-type": {each.value for each in HiveMessageType},
        "transport": {"ws", "wss", "http", "https", "memory"},
    }
    return taken.get(kind, ())


#: Distributions of this project that are plugins.
_OURS = ("binary-tts", "cli", "discovery", "intercom", "journal", "metrics", "mqtt")


def _entry_point(name: str) -> str:
    return name.replace("-", "_")


def _files(name: str, kind: str) -> dict[str, str]:
    """The template of each file, by its path in the package."""
    module = _entry_point(f"{_PREFIX}{name}")
    return {
        "pyproject.toml": "pyproject.toml",
        "README.md": "README.md",
        f"src/{module}/__init__.py": f"{kind}.py",
        f"src/{module}/py.typed": "",
        f"tests/test_{_entry_point(name)}.py": f"{kind}_test.py",
    }


def _rendered(template: str, name: str, kind: str) -> str:
    if not template:
        return ""
    about = KINDS[kind]
    text = (_TEMPLATES / f"{template}.txt").read_text(encoding="utf-8")
    return Template(text).substitute(
        name=name,
        kind=kind,
        distribution=f"{_PREFIX}{name}",
        entry_point=_entry_point(name),
        module=_entry_point(f"{_PREFIX}{name}"),
        wire=f"{about.wire}{name.upper()}",
        summary=about.summary,
        what=about.what,
        requires=about.requires,
    )
