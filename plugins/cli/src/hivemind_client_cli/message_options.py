"""Options of the commands that send a message."""

from __future__ import annotations

import click

from hivemind_client_cli.message_types import complete_ovos_type
from hivemind_client_cli.options import json_object, timeout_option
from hivemind_client_cli.output import Output
from hivemind_client_cli.output_options import stacked

payload_option = click.option(
    "--payload", callback=json_object, default="{}", metavar="JSON", help="Data of the message."
)

#: `--msg` and `--payload`.
typed_message_options = stacked(
    click.option(
        "--msg",
        "msg_type",
        required=True,
        metavar="TYPE",
        shell_complete=complete_ovos_type,
        help="Type of the message.",
    ),
    payload_option,
)

#: `--msg`, `--payload`, `--wait` and `--timeout`.
message_options = stacked(
    typed_message_options,
    click.option(
        "--wait",
        metavar="TYPE",
        shell_complete=complete_ovos_type,
        help="Wait for a message of this type and print it.",
    ),
    timeout_option(10.0, "How long to wait for the answer."),
)

site_option = click.option(
    "--site",
    metavar="SITE",
    help="Site of the satellites whose OVOS shall take it. Without it only listeners hear of it.",
)


def warn_without_site(output: Output, site: str | None) -> None:
    """Say whom a message to all sites does not reach."""
    if site is None:
        output.warn(
            "without --site no satellite's OVOS takes this message, only listeners hear of it (such as "
            "'hivemind-client listen'). Hub 4.0.0 alone hands it to everybody"
        )
