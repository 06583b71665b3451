"""Who handles a message type or a bin type, for `hivemind-client plugins --chain`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hivemind_client_cli.misuse import Misuse
from hivemind_core_client.wire.json_text import Json
from hivemind_core_client.wire.message import HiveMessageType, HiveMindBinaryPayloadType

if TYPE_CHECKING:
    import click
    from click.shell_completion import CompletionItem

    from hivemind_core_client.plugins.manager import Plugins

#: Each type that a handler may serve without a plugin, by its name: a wire name, or the name of a bin type.
_HANDLED: dict[str, HiveMessageType | HiveMindBinaryPayloadType] = {
    **{each.value: each for each in HiveMessageType if each is not HiveMessageType.BINARY},
    **{each.name: each for each in HiveMindBinaryPayloadType},
}


def chain_of(plugins: Plugins, name: str) -> Json:
    """Who handles the type of this name, and whose handlers of it are not used. Raises Misuse for an unknown name."""
    from hivemind_core_client.plugins.chains import kind_of, name_of
    from hivemind_core_client.plugins.functions import functions

    chains = plugins.chains()
    of_plugins = {name_of(members[-1].item): key for key, members in chains.items()}
    handled: dict[str, Any] = {**_HANDLED, **of_plugins}
    known = {each.lower(): each for each in handled}
    found = known.get(name.lower())
    if found is None:
        raise Misuse(f"--chain {name}: there is no such type (there are: {', '.join(handled)})")
    members = chains.get(handled[found], ())
    kinds = {kind_of(each.item) for each in members if not each.item.wraps}
    return {
        "type": found,
        "chain": [
            {
                "plugin": each.plugin,
                "name": each.item.name,
                "wraps": each.item.wraps,
                "functions": list(functions(each.item)),
            }
            for each in members
        ],
        "unused": [
            plugin
            for conflict in plugins.conflicts()
            if conflict.kind in kinds and conflict.name == name_of(members[-1].item)
            for plugin in conflict.losers
        ],
    }


def shown(chain: Json) -> str:
    """What people read of such a chain."""
    if not chain["chain"]:
        return f"{chain['type']}: no plugin handles it"
    lines = [
        f"{chain['type']}: {number}. {each['plugin']} {'wraps' if each['wraps'] else 'handles'}"
        f" ({', '.join(each['functions'])}) as {each['name']!r}"
        for number, each in enumerate(chain["chain"], 1)
    ]
    return "\n".join(
        [*lines, *(f"{chain['type']}: not used: the handler of {name}" for name in chain["unused"])]
    )


def complete_handled(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the name of a type that can be handled."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(name) for name in _HANDLED if name.lower().startswith(incomplete.lower())]
