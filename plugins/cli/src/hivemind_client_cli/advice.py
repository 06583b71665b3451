"""What errors say, made into advice for whoever typed this very command."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from hivemind_core_client.errors import HiveMindError, HubRefused, HubUnreachable, KeyRefused, PasswordRefused

if TYPE_CHECKING:
    from hivemind_client_cli.options import Connection

#: The errors that are about values which may come from the environment, and those values.
_ABOUT: tuple[tuple[type[HiveMindError], tuple[str, ...]], ...] = (
    (KeyRefused, ("key",)),
    (PasswordRefused, ("password",)),
    (HubUnreachable, ("host", "port")),
)
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
_OTHER_KEY = "reset-noise-pin"


def for_identity(text: str, path: str | None) -> str:
    """`text`; each command of ours in it with `--identity-file` where `path` was given with it."""
    if not path:
        return text

    def complete(found: re.Match[str]) -> str:
        words = (found["quoted"] or found["bare"]).split()
        if words[0] in _WITHOUT_IDENTITY or {"--help", "--identity-file"} & {*words}:
            return found[0]
        return f"{found[0]} --identity-file {shlex.quote(path)}"

    return _COMMAND.sub(complete, text)


def parted(text: str) -> tuple[str, str]:
    """What happened, and what mends it: the first sentence of an error and the rest, or what follows its last colon.

    The second is empty where the text has neither.
    """
    happened, _, mend = text.partition(". ")
    if not mend:
        happened, _, mend = text.rpartition(": ")
    return (happened, mend[0].lower() + mend[1:]) if happened and mend else (text, "")


def with_source(error: HiveMindError, connection: Connection) -> HiveMindError:
    """`error`, with what only this command knows of it.

    That is the variable, for a value that came from the environment, and the file of the key that a hub does not know.
    """
    from hivemind_core_client.settings import variable_of

    if type(error) is HubRefused and _OTHER_KEY in str(error):
        return _with_key_file(error, connection)
    names = next((names for kind, names in _ABOUT if type(error) is kind), ())
    found = [variable_of(name, getattr(connection, name)) for name in names]
    variables = " and ".join(variable for variable in found if variable)
    if not variables:
        return error
    return type(error)(f"{error}. Set in the environment, which goes before the identity file: {variables}")


def _with_key_file(error: HiveMindError, connection: Connection) -> HiveMindError:
    from hivemind_core_client.identity import NodeIdentity

    identity = NodeIdentity(connection.identity_file) if connection.identity_file else NodeIdentity()
    return type(error)(
        f"{error}: its file is {identity.noise_key_path}. Or give this machine an access key of its own: "
        "'hivemind-core add-client' makes one, 'hivemind-client set-identity' takes it"
    )
