"""`hivemind-client plugins`: what was found, what it provides, what was left out and what failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hivemind_client_cli.chains import chain_of, complete_handled, shown
from hivemind_client_cli.commands.plugins_check import check
from hivemind_client_cli.commands.plugins_hooks import hooks
from hivemind_client_cli.commands.plugins_new import new
from hivemind_client_cli.group import HiveMindGroup, group_of
from hivemind_client_cli.help_sections import group
from hivemind_client_cli.misuse import Misuse
from hivemind_client_cli.output import Output
from hivemind_client_cli.output_options import Function, output_options, reporting
from hivemind_core_client.errors import HiveMindError
from hivemind_core_client.wire.json_text import Json

if TYPE_CHECKING:
    from hivemind_core_client.plugins.manager import PluginInfo

#: States of a plugin that is installed and was not loaded.
_LEFT_OUT = ("blocked", "not selected")


def _chain_option(function: Function) -> Function:
    return click.option(
        "--chain",
        "handled",
        metavar="TYPE",
        shell_complete=complete_handled,
        help="Show only what handles this type, such as bus or FILE: first the wrappers from the outside in, then the "
        "handler.",
    )(function)


@group(
    "plugins",
    invoke_without_command=True,
    epilog="Example: HIVEMIND_CLIENT_PLUGINS_BLOCK=intercom hivemind-client plugins",
)
@_chain_option
@output_options
@click.pass_context
def plugins(ctx: click.Context, handled: str | None) -> None:
    """List the plugins, print the hooks for authors, check a plugin, or write a new one.

    Without a subcommand it lists them: what each provides, what is blocked, what failed and why.

    Three variables choose plugins. HIVEMIND_CLIENT_PLUGINS names the only ones to load besides the built-in ones; empty
    means none. HIVEMIND_CLIENT_PLUGINS_BLOCK names those to leave out. HIVEMIND_CLIENT_PLUGINS_DIR is a folder with
    plugins that are single files.

    Failed and slow calls are those of this command. In a program, call plugin_report() of the client.
    """
    if ctx.invoked_subcommand is None:
        ctx.invoke(listing, handled=handled)
    elif handled is not None:
        raise Misuse("--chain is an option of 'plugins list': write it behind 'list'")


@plugins.command("list", epilog="Example: hivemind-client plugins list --chain bus")
@_chain_option
@click.pass_context
@reporting
def listing(output: Output, ctx: click.Context, handled: str | None) -> None:
    """List the plugins: what each provides, what is blocked, what failed and why."""
    root = group_of(ctx)
    loaded = root.plugins(ctx)
    if handled is not None:
        chain = chain_of(loaded, handled)
        output.result(chain, shown(chain))
        return
    problem = ""
    try:
        loaded.require()
    except HiveMindError as error:
        problem = output.worded(error)
    rows = [_row(info) for info in loaded.report]
    conflicts = [
        {"kind": each.kind, "name": str(each.name), "winner": each.winner, "losers": list(each.losers)}
        for each in loaded.conflicts()
    ]
    _add_commands(rows, root)
    conflicts += [
        {"kind": "command", "name": each.name, "winner": each.winner, "losers": [each.loser]}
        for each in root.conflicts
    ]
    output.result(
        {"plugins": rows, "conflicts": conflicts, "problem": problem or None}, _table(rows, conflicts)
    )
    if problem:
        output.warn(problem)


def _row(info: PluginInfo) -> Json:
    return {
        "name": info.name,
        "distribution": info.distribution,
        "version": info.version,
        "source": info.source,
        "state": info.state,
        "builtin": info.builtin,
        "provides": list(info.provides),
        "error": info.error or None,
        "failures": info.failures,
        "slow": info.slow,
        "slowest_s": round(info.slowest_s, 3),
        "last_error": info.last_error or None,
    }


def _add_commands(rows: list[Json], root: HiveMindGroup) -> None:
    """Add to each plugin's row the subcommands it brought, or why it could not.

    The built-in commands work where this plugin is blocked or not selected too, and then its row says so.
    """
    for row in rows:
        row["provides"] += [f"command {name}" for name, owner in root.owners.items() if owner == row["name"]]
        if row["name"] in root.broken:
            row["state"], row["error"] = "failed", root.broken[row["name"]]
        elif row["state"] in _LEFT_OUT and row["name"] in root.owners.values():
            row["state"] = f"{row['state']}, in use"


def _table(rows: list[Json], conflicts: list[Json]) -> str:
    cells = [
        (row["name"], row["state"], f"{row['distribution']} {row['version']}".strip() or row["source"])
        for row in rows
    ]
    widths = [max((len(cell[column]) for cell in cells), default=0) for column in range(2)]
    lines = []
    for row, (name, state, origin) in zip(rows, cells):
        lines.append(f"{name:<{widths[0]}}  {state:<{widths[1]}}  {origin}".rstrip())
        if row["provides"]:
            lines.append(f"    provides {', '.join(row['provides'])}")
        if row["error"]:
            lines.append(f"    error: {row['error']}")
        if row["failures"]:
            lines.append(f"    failed calls: {row['failures']}, the last: {row['last_error']}")
        if row["slow"]:
            lines.append(f"    slow calls: {row['slow']}, the slowest took {row['slowest_s']:.2f} s")
    for each in conflicts:
        lines.append(f"{each['kind']} {each['name']}: {each['winner']} wins over {', '.join(each['losers'])}")
    return "\n".join(lines)


for each in (hooks, check, new):
    plugins.add_command(each)
