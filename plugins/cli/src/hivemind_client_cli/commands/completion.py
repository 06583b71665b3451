"""`hivemind-client completion`: the script that teaches a shell to complete this command."""

from __future__ import annotations

import click

from hivemind_client_cli.help_sections import command
from hivemind_client_cli.output import Output
from hivemind_client_cli.output_options import reporting
from hivemind_client_cli.program import COMPLETE_VARIABLE, PROGRAM

_HELP = """Print the script for your shell that completes hivemind-client with the Tab key.

\b
Put it where the shell finds it, once:
bash   hivemind-client completion bash > ~/.local/share/bash-completion/completions/hivemind-client
zsh    hivemind-client completion zsh > ~/.zfunc/_hivemind-client
       (with 'fpath+=~/.zfunc' before 'compinit' in ~/.zshrc)
fish   hivemind-client completion fish > ~/.config/fish/completions/hivemind-client.fish

Make the folder first if it is not there, and open a new shell afterwards. Commands, options, message types and
the names of trusted keys are completed.
"""


@command("completion", help=_HELP, epilog="Example: hivemind-client completion bash")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@reporting
def completion(output: Output, shell: str) -> None:
    """Print the script."""
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"this version of click knows no completion for {shell}")
    asking = kind(click.Command(PROGRAM), {}, PROGRAM, COMPLETE_VARIABLE)
    # Not source(), which starts a bash to see its version.
    script = asking.source_template % asking.source_vars()
    output.result({"shell": shell, "script": script}, script.strip())
