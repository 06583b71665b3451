"""`hivemind-client plugins check`: the conformance kit over all that a plugin offers."""

from __future__ import annotations

import click

from hivemind_client_cli.help_sections import command
from hivemind_client_cli.output import Output
from hivemind_client_cli.output_options import reporting


@command("check", epilog="Example: hivemind-client plugins check intercom")
@click.argument("name")
@click.pass_context
@reporting
def check(output: Output, ctx: click.Context, name: str) -> None:
    """Check everything that the plugin NAME offers, and say what is wrong with it.

    NAME is one of these: the name of an installed plugin, a file that ends with .py, the folder of a package, the
    folder of a project with a package in src, or a module. Exit code 1 if a check fails.
    """
    from hivemind_client_cli.plugin_checks import checks_by_name

    checks = checks_by_name(name)
    rows = [
        {
            "check": each.name,
            "state": "ok" if each.passed else "failed" if each.tried else "not tried",
            "fault": each.fault or None,
        }
        for each in checks
    ]
    failed = sum(row["state"] == "failed" for row in rows)
    lines = [
        f"{row['state']:<9}  {row['check']}{': ' + row['fault'] if row['fault'] else ''}" for row in rows
    ]
    verdict = f"{failed} of {len(rows)} checks failed" if failed else f"{len(rows)} checks, none failed"
    output.result({"plugin": name, "failed": failed, "checks": rows}, "\n".join([*lines, verdict]))
    if failed:
        ctx.exit(1)
