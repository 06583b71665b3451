"""What an error says to do, made to fit the identity at hand: the commands in it name the identity file."""

from __future__ import annotations

import os
import re
import shlex

FILE_NAME = "_identity.json"
#: A command in a text: between quotes, or bare words and quoted ones up to where the sentence ends. What is to be
#: typed on another node is told by what follows.
_COMMAND = re.compile(
    r"""(?:'hivemind-client\ (?P<quoted>[a-z][^']*)(?=')
        |(?<!')hivemind-client\ (?P<bare>[a-z][\w-]*(?:\ (?:'[^']*'|[^\s'(),;]*[^\s'(),;.:]))*))
        (?!'?(?:\ prints)?(?:\ it)?\ on\ (?:the|that|another)\ )""",
    re.VERBOSE,
)
#: Commands that take no identity.
_WITHOUT_IDENTITY = frozenset({"completion", "demo", "plugins"})
_FORGET = re.compile(r"'hivemind-client forget-server ([^' ]+)'")


def common_file() -> str:
    """The path of the identity file that is used where no other is named (`$XDG_CONFIG_HOME` is heeded)."""
    # The XDG rules: a relative path in the variable does not count.
    home = os.environ.get("XDG_CONFIG_HOME", "")
    base = home if os.path.isabs(home) else os.path.join(os.path.expanduser("~"), ".config")
    return os.path.join(base, "hivemind", FILE_NAME)


def for_identity(text: str, path: str | None) -> str:
    """`text`; each command of ours in it with `--identity-file`, if there is a `path` to give."""
    if not path:
        return text

    def complete(found: re.Match[str]) -> str:
        words = (found["quoted"] or found["bare"]).split()
        if words[0] in _WITHOUT_IDENTITY or {"--help", "--identity-file"} & {*words}:
            return found[0]
        return f"{found[0]} --identity-file {shlex.quote(path)}"

    return _COMMAND.sub(complete, text)


def for_file(text: str, path: str | None) -> str:
    """`text` for the identity in the file `path`, None for one in memory, which no command reaches."""
    if path is None:
        return _FORGET.sub(r"identity.forget_hub('\1')", text)
    return for_identity(text, None if path == common_file() else path)
