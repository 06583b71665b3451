"""`hivemind-client plugins hooks`: the contract of every hook, as plugins and their authors see it."""

from __future__ import annotations

import click

from hivemind_client_cli.group import group_of
from hivemind_client_cli.help_sections import command
from hivemind_client_cli.misuse import Misuse
from hivemind_client_cli.output import Output
from hivemind_client_cli.output_options import reporting


@command("hooks", epilog="Example: hivemind-client plugins hooks hivemind_ciphers")
@click.argument("names", nargs=-1, metavar="[HOOK]...")
@click.pass_context
@reporting
def hooks(output: Output, ctx: click.Context, names: tuple[str, ...]) -> None:
    """Print the hooks that a plugin may implement: all, or those that you name.

    For each hook you see what it is, when it is called, and a line as an example. Hooks of other plugins are among
    them.
    """
    from hivemind_client_cli.hook_contracts import contracts

    found = contracts(group_of(ctx).plugins(ctx))
    unknown = [name for name in names if name not in found]
    if unknown:
        raise Misuse(f"there is no hook {unknown[0]!r} (there are: {', '.join(found)})")
    chosen = [found[name] for name in dict.fromkeys(names or found)]
    output.result({"hooks": [each.as_json for each in chosen]}, "\n\n".join(each.text for each in chosen))
