"""The entry point `cli`: brings the hook for subcommands, and the built-in ones through it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from hivemind_core_client.plugins.hookspecs import hookimpl

if TYPE_CHECKING:
    import click
    import pluggy


@hookimpl
def hivemind_addhooks(pluginmanager: pluggy.PluginManager) -> None:
    """Make `hivemind_cli_commands` a hook."""
    from pluggy import PluginValidationError

    from hivemind_client_cli import hookspecs

    caller = getattr(pluginmanager.hook, "hivemind_cli_commands", None)
    if caller is None or not caller.has_spec():
        # An implementation with wrong arguments must not take this plugin down: it fails when it is
        # called, alone and under its own name.
        with contextlib.suppress(PluginValidationError):
            pluginmanager.add_hookspecs(hookspecs)


@hookimpl(trylast=True)
def hivemind_cli_commands(cli: click.Group) -> None:
    """Add the built-in subcommands; last, so that anyone's command under the same name comes first."""
    from hivemind_client_cli.commands import (
        check_identity,
        completion,
        demo,
        doctor,
        forget_server,
        identity,
        intercom,
        listen,
        mesh,
        messages,
        ping,
        plugins,
        send_file,
        terminal,
        trust,
    )

    for command in (
        demo.demo,
        identity.set_identity,
        identity.show_identity,
        identity.reset_pgp,
        check_identity.test_identity,
        terminal.terminal,
        messages.send_mycroft,
        messages.escalate,
        messages.propagate,
        mesh.query,
        mesh.cascade,
        mesh.broadcast,
        intercom.intercom,
        ping.ping,
        plugins.plugins,
        doctor.doctor,
        trust.trust,
        forget_server.forget_server,
        listen.listen,
        send_file.send_file,
        completion.completion,
    ):
        cli.add_command(command)
