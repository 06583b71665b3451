"""An option on the command of somebody else. The name of this plugin sorts behind all others."""

import functools

from hivemind_core_client.plugins.hookspecs import hookimpl


@hookimpl
def hivemind_cli_ready(group):
    import click

    command = group.commands["send-mycroft"]
    command.params.append(click.Option(["--twice"], is_flag=True, help="Send it two times."))
    command.callback = twice(command.callback)


def twice(send):
    @functools.wraps(send)
    def run(*args, twice, **kwargs):
        send(*args, **kwargs)
        if twice:
            send(*args, **kwargs)

    return run
