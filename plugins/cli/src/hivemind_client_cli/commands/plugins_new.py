"""`hivemind-client plugins new`: a package with a plugin, tests that pass, and what to do next."""

from __future__ import annotations

import shlex

import click

from hivemind_client_cli.help_sections import command
from hivemind_client_cli.output import Output
from hivemind_client_cli.output_options import reporting

KINDS = (
    "handler",
    "wrapper",
    "binary",
    "message-type",
    "cipher",
    "encoding",
    "serializer",
    "command",
    "transport",
    "observer",
)


@command("new", epilog="Example: hivemind-client plugins new door-bell --kind wrapper")
@click.argument("name")
@click.option("--kind", type=click.Choice(KINDS), required=True, help="What the plugin brings.")
@click.option(
    "--dir", "parent", default=".", metavar="FOLDER", help="Where to make its folder. Default: here."
)
@reporting
def new(output: Output, name: str, kind: str, parent: str) -> None:
    """Write a package with a plugin called NAME: entry point, README and tests that pass.

    Its folder is hivemind-client-NAME. That folder must not exist yet.
    """
    from hivemind_client_cli.plugin_package import write_package

    written = write_package(name, kind, parent)
    lines = [
        f"{written.folder}",
        *(f"  {file}" for file in written.files),
        "",
        "Try it:",
        f"  cd {shlex.quote(written.folder)}",
        "  pip install -e '.[test]' && pytest",
        f"  hivemind-client plugins check {written.plugin}",
    ]
    output.result(written._asdict(), "\n".join(lines))
